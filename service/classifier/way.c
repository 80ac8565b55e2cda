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
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 40 /* what the kernel follows (MAXSYMLINKS) */
#define STEPS_MAX 64 /* folders, links and all: the way is long, not the programs. A user's links could lead through a hundred thousand, while launches wait */
#define NO_KEEPER 0u /* root */

typedef enum
{
  BOUND_AT_STRANGERS, /* not into a file system for which a program answers (FUSE), but for one that root has mounted */
  BOUND_AT_USERS,     /* into none for which a program answers */
  BOUND_AT_OTHERS,    /* nor into one for which a server does */
} Bound;

/**
 * Way: a path that is being followed
 * @at: (owned): the folder that has been reached
 * @rest: (owned): the path, or what it is behind the last link
 * @taken: how much of that has been followed
 * @uid: whose rule it is
 * @keeper: who may change where it leads, besides root and @uid
 * @bound: where it ends
 * @func: (nullable): called before each step
 * @func_data: passed to it
 * @served: (owned) (nullable): places of file systems for which servers answer, once they were read: there may be thousands of mounts, and users can make some
 */
typedef struct
{
  int at;
  char *rest;
  gsize taken;
  guint32 uid;
  guint32 keeper;
  guint n_links;
  guint n_steps;
  Bound bound;
  VpndWayFunc func;
  gpointer func_data;
  GHashTable *served;
} Way;

/* Of these a server answers each question, when it likes. */
static const char *const answered_by_others[] = { "autofs", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "coda", "lustre", "orangefs", NULL };

/* A line of proc(5), /proc/PID/mountinfo. */
typedef struct
{
  guint64 number;
  char place[PATH_MAX]; /* with some bytes as "\\ooo" */
  const char *rest;     /* (unowned): type, source and options */
} Mount;

static gboolean
read_mount (const char *line, Mount *out_mount)
{
  const char *end = strstr (line, " - ");

  G_STATIC_ASSERT (PATH_MAX == 4096);
  out_mount->rest = end != NULL ? end + strlen (" - ") : NULL;
  return end != NULL && sscanf (line, "%" G_GUINT64_FORMAT " %*u %*s %*s %4095s", &out_mount->number, out_mount->place) == 2;
}

/* Type and source are whatever the user has called them, but have no space. */
static gboolean
is_beyond (Bound bound, const char *rest)
{
  g_auto (GStrv) words = g_strsplit (rest, " ", 3);
  const gboolean is_complete = g_strv_length (words) == 3;

  if (!is_complete || g_str_has_prefix (words[0], "fuse"))
    return bound != BOUND_AT_STRANGERS || !is_complete || strstr (words[2], ",user_id=0,") == NULL;
  return bound == BOUND_AT_OTHERS && g_strv_contains (answered_by_others, words[0]);
}

/* (transfer full): the lines of mountinfo; none when it cannot be read */
static GStrv
read_mountinfo (void)
{
  g_autofree char *text = NULL;

  return g_strsplit (g_file_get_contents ("/proc/self/mountinfo", &text, NULL, NULL) ? text : "", "\n", -1);
}

/* Whether the mount with that number is behind @bound. What cannot be told is. */
static gboolean
leads_beyond (Bound bound, guint64 number)
{
  g_auto (GStrv) lines = read_mountinfo ();
  Mount mount;

  for (guint i = 0; lines[i] != NULL; i++)
    if (read_mount (lines[i], &mount) && mount.number == number)
      return is_beyond (bound, mount.rest);
  return TRUE;
}

/* Returns: (transfer full): a set of places behind @bound */
static GHashTable *
find_served (Bound bound)
{
  GHashTable *served = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) lines = read_mountinfo ();
  Mount mount;

  for (guint i = 0; lines[i] != NULL; i++)
    if (read_mount (lines[i], &mount) && is_beyond (bound, mount.rest))
      g_hash_table_add (served, g_strcompress (mount.place));
  return served;
}

/* Asks nobody but the kernel. Returns: 0 when that is not known (before Linux 5.8) */
static guint64
get_mount (int file)
{
  struct statx info;

  return statx (file, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &info) == 0 && (info.stx_mask & STATX_MNT_ID) ? info.stx_mnt_id : 0;
}

/* Where a server's file system is mounted, opening its root would ask the server. */
static gboolean
is_served (Way *way, const char *word)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", way->at);
  g_autofree char *folder = g_file_read_link (link, NULL);
  g_autofree char *place = folder != NULL ? g_build_filename (folder, word, NULL) : NULL;

  if (way->served == NULL)
    way->served = find_served (way->bound);
  return place == NULL || g_hash_table_contains (way->served, place);
}

/* The root of what a program answers for can be opened without asking that; where one has come to is seen then, however the user changes it meanwhile (openat2(2), which would
 * tell in advance, is not to be had below RestrictSUIDSGID= of systemd). Returns: as openat(2) */
static int
open_word (Way *way, const char *word)
{
  guint64 mount;
  int fd = -1;

  if (way->bound != BOUND_AT_OTHERS || strcmp (word, "..") == 0 || !is_served (way, word))
    fd = openat (way->at, word, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  else
    errno = EREMOTE;
  if (fd < 0 || strcmp (word, "..") == 0)
    return fd;
  mount = get_mount (fd);
  if (mount != 0 && (mount == get_mount (way->at) || !leads_beyond (way->bound, mount)))
    return fd;
  close (fd);
  errno = EREMOTE;
  return -1;
}

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
  rest = g_strdup_printf ("%.*s/%s", (int) n, text, way->rest + way->taken);
  g_free (way->rest);
  way->rest = rest;
  way->taken = 0;
  if (text[0] == '/')
    enter (way, open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return 0;
}

/* Takes the next word from what is left. Returns: FALSE when no file has such a long name; @out_word: "" at the end */
static gboolean
take_word (Way *way, char *out_word)
{
  const char *begin = way->rest + way->taken;
  gsize length;

  begin += strspn (begin, "/");
  length = strcspn (begin, "/");
  if (length > NAME_MAX)
    return FALSE;
  memcpy (out_word, begin, length);
  out_word[length] = '\0';
  begin += length;
  way->taken = (gsize) (begin + strspn (begin, "/") - way->rest);
  return TRUE;
}

/* One step. Returns: an errno value; 0 with @out_file -1 when there are more steps to go */
static int
step (Way *way, int *out_file, struct stat *out_info)
{
  char word[NAME_MAX + 1];
  int next, code;

  *out_file = -1;
  if (++way->n_steps > STEPS_MAX || !take_word (way, word))
    return ENAMETOOLONG;
  if (way->func != NULL)
    way->func (way->at, word, way->func_data);
  next = open_word (way, *word != '\0' ? word : ".");
  code = next < 0 || fstat (next, out_info) < 0 ? errno : 0;
  if (code == 0 && S_ISLNK (out_info->st_mode))
    code = follow_link (way, next, out_info);
  else if (code == 0 && way->rest[way->taken] != '\0')
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
walk (const char *path, guint32 uid, Bound bound, VpndWayFunc func, gpointer func_data, struct stat *out_info)
{
  Way way = { .at = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC), .rest = g_strdup (path), .uid = uid, .bound = bound, .func = func, .func_data = func_data };
  int file = -1, code = 0;

  while (code == 0 && file < 0)
    code = step (&way, &file, out_info);
  enter (&way, -1);
  g_free (way.rest);
  g_clear_pointer (&way.served, g_hash_table_unref);
  return code == 0 ? file : -code;
}

/* Without a link or a mount on the way there is nothing to look at. */
static int
open_straight (const char *path, struct stat *out_info)
{
  const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
  const int file = (int) syscall (SYS_openat2, AT_FDCWD, path, &how, sizeof how);

  if (file < 0 || fstat (file, out_info) == 0)
    return file;
  close (file);
  return -1;
}

/**
 * vpnd_way_open:
 * @path: absolute path of a rule
 * @uid: whose rule it is; VPND_CLASSIFIER_ANY_UID for one that holds for everybody
 * @out_info: (out): of the file, when there is one
 * @func: (scope call) (nullable): called with each folder on the way, and what is looked for in there next
 * @user_data: passed to @func
 *
 * Follows @path as open(2) does, but not everywhere: the rule of a user leads through no folder that is closed to that user, and the link of somebody else, who is
 * not root, leads to no file that is not that one's, for that one would then say which of the others' launches the rule is about. Nor is a way with links, or of a user,
 * followed that is longer than any that leads to a program. No rule leads into a file system for which a program of a user answers (FUSE), and that of a user into none for which
 * any program does: it may never answer.
 *
 * Returns: (transfer full): the file, opened with O_PATH; else a negative errno value, -EPERM when it is not followed, -EREMOTE when it leads into such a file system
 */
int
vpnd_way_open (const char *path, guint32 uid, struct stat *out_info, VpndWayFunc func, gpointer user_data)
{
  const gboolean is_trusted = uid == VPND_CLASSIFIER_ANY_UID || uid == 0;
  int file = is_trusted && func == NULL ? open_straight (path, out_info) : -1;

  if (file >= 0)
    return file;
  file = walk (path, uid, is_trusted ? BOUND_AT_STRANGERS : BOUND_AT_USERS, func, user_data, out_info);
  if (file != -ENAMETOOLONG || !is_trusted || func == NULL)
    return file;
  file = open_straight (path, out_info);
  return file >= 0 ? file : -ENAMETOOLONG;
}

/**
 * vpnd_way_open_at_once:
 * @path: absolute path of a rule
 * @uid: whose rule it is; VPND_CLASSIFIER_ANY_UID for one that holds for everybody
 * @out_info: (out): of the file, when there is one
 *
 * As vpnd_way_open(), for who must never wait: a file system in which a server, or a program of a user, answers is not entered.
 *
 * Returns: (transfer full): as vpnd_way_open(); -EREMOTE when the way leads into such a file system
 */
int
vpnd_way_open_at_once (const char *path, guint32 uid, struct stat *out_info)
{
  return walk (path, uid, BOUND_AT_OTHERS, NULL, NULL, out_info);
}
