/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See way.h. We see what no user sees, and what a rule names is followed again and again, whoever has changed the way meanwhile: so each step is looked at. Never
 * reads a file.
 */
#include "config.h"

#include "way.h"

#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 40 /* what the kernel follows (MAXSYMLINKS) */
#define NO_KEEPER 0u /* root */

/**
 * Way: a path that is being followed
 * @at: (owned): the folder that has been reached
 * @rest: (owned): what is left of the path
 * @uid: whose rule it is
 * @keeper: who may change where it leads, besides root and @uid
 */
typedef struct
{
  int at;
  char *rest;
  guint32 uid;
  guint32 keeper;
  guint n_links;
} Way;

static void
enter (Way *way, int folder)
{
  if (way->at >= 0)
    close (way->at);
  way->at = folder;
}

/* By owner and mode, without groups and access lists: what a rule of a user's own says of its file must not tell of what is closed to that user. */
static gboolean
may_pass (const Way *way, const struct stat *info)
{
  return way->uid == VPND_CLASSIFIER_ANY_UID || way->uid == 0 || (info->st_mode & (info->st_uid == way->uid ? S_IXUSR : S_IXOTH)) != 0;
}

static int
follow_link (Way *way, int link, const struct stat *info)
{
  char text[PATH_MAX];
  const ssize_t n = readlinkat (link, "", text, sizeof text);
  const guint32 keeper = info->st_uid != way->uid ? info->st_uid : NO_KEEPER;
  char *rest;

  if (n < 0)
    return errno;
  if (n == (ssize_t) sizeof text)
    return ENAMETOOLONG;
  if (++way->n_links > LINKS_MAX)
    return ELOOP;
  if (keeper != NO_KEEPER && way->keeper != NO_KEEPER && way->keeper != keeper)
    return EPERM;
  if (keeper != NO_KEEPER)
    way->keeper = keeper;
  rest = g_strdup_printf ("%.*s/%s", (int) n, text, way->rest);
  g_free (way->rest);
  way->rest = rest;
  if (text[0] == '/')
    enter (way, open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return 0;
}

/* Takes the next word from what is left. Returns: (transfer full): the word; "" at the end */
static char *
take_word (Way *way)
{
  const char *begin = way->rest + strspn (way->rest, "/");
  const gsize length = strcspn (begin, "/");
  char *word = g_strndup (begin, length);
  char *rest = g_strdup (begin + length + strspn (begin + length, "/"));

  g_free (way->rest);
  way->rest = rest;
  return word;
}

/* One step. Returns: an errno value; 0 with @out_file -1 when there are more steps to go */
static int
step (Way *way, int *out_file, struct stat *out_info)
{
  g_autofree char *word = take_word (way);
  const int next = openat (way->at, *word != '\0' ? word : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  int code = next < 0 || fstat (next, out_info) < 0 ? errno : 0;

  *out_file = -1;
  if (code == 0 && S_ISLNK (out_info->st_mode))
    code = follow_link (way, next, out_info);
  else if (code == 0 && *way->rest != '\0')
    {
      if (!S_ISDIR (out_info->st_mode))
        code = ENOTDIR;
      else if (!may_pass (way, out_info))
        code = EPERM;
      else
        {
          enter (way, next);
          return 0;
        }
    }
  else if (code == 0 && way->keeper != NO_KEEPER && way->keeper != out_info->st_uid)
    code = EPERM;
  else if (code == 0)
    {
      *out_file = next;
      return 0;
    }
  if (next >= 0)
    close (next);
  return code;
}

static int
walk (const char *path, guint32 uid, struct stat *out_info)
{
  Way way = { .at = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC), .rest = g_strdup (path), .uid = uid };
  int file = -1, code = 0;

  while (code == 0 && file < 0)
    code = step (&way, &file, out_info);
  enter (&way, -1);
  g_free (way.rest);
  return code == 0 ? file : -code;
}

/**
 * vpnd_way_open:
 * @path: absolute path of a rule
 * @uid: whose rule it is; VPND_CLASSIFIER_ANY_UID for one that holds for everybody
 * @out_info: (out): of the file, when there is one
 *
 * Follows @path as open(2) does, but not everywhere: the rule of a user leads through no folder that is closed to that user, and the link of somebody else, who is
 * not root, leads to no file that is not that one's, for that one would then say which of the others' launches the rule is about.
 *
 * Returns: (transfer full): the file, opened with O_PATH; else a negative errno value, -EPERM when it is not followed
 */
int
vpnd_way_open (const char *path, guint32 uid, struct stat *out_info)
{
  const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
  int file = -1;

  /* Without a link on the way there is nothing to look at, and there may be a hundred thousand rules. */
  if (uid == VPND_CLASSIFIER_ANY_UID || uid == 0)
    file = (int) syscall (SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (file >= 0 && fstat (file, out_info) == 0)
    return file;
  if (file >= 0)
    close (file);
  return walk (path, uid, out_info);
}
