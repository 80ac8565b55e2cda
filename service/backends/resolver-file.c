/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-file.h. The copy of the original is written before the original is touched and removed after it is back, so whoever finds
 * one knows that there is something to restore. A link in its place is replaced, never written through. What another program puts there
 * meanwhile becomes the original: the newest wish of the host's owner is what comes back. So does what it puts there at the very moment of our write,
 * which comes out beside the file and stays there until it is kept, also when we are killed before.
 */
#include "config.h"

#include "resolver-file.h"

#include "error.h"
#include "file-watch.h"
#include "host-file.h"
#include "resolv-conf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BACKUP_NAME "resolv-conf.before"
#define FILE_MODE 0644

/**
 * VpndResolverFile:
 * @backup_dirfd: where the copy of the original is
 * @dirfd: the directory of the file, -1 when it cannot be opened
 * @path: (owned): the file
 * @name: (owned): its name in @dirfd
 * @written: (owned) (nullable): what this instance wrote last; NULL when nothing of it is there
 * @watch: (owned) (nullable): tells when the file is touched, while @written is there
 */
struct _VpndResolverFile
{
  GObject parent_instance;

  int backup_dirfd;
  int dirfd;
  char *path;
  char *name;
  VpndHostFile *written;
  VpndFileWatch *watch;
};

static void resolver_iface_init (VpndResolverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndResolverFile, vpnd_resolver_file, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init))

static void
vpnd_resolver_file_finalize (GObject *object)
{
  VpndResolverFile *self = VPND_RESOLVER_FILE (object);

  vpnd_file_watch_free (self->watch);
  vpnd_host_file_free (self->written);
  if (self->backup_dirfd >= 0)
    close (self->backup_dirfd);
  if (self->dirfd >= 0)
    close (self->dirfd);
  g_free (self->path);
  g_free (self->name);
  G_OBJECT_CLASS (vpnd_resolver_file_parent_class)->finalize (object);
}

static void
vpnd_resolver_file_class_init (VpndResolverFileClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vpnd_resolver_file_finalize;
}

static void
vpnd_resolver_file_init (VpndResolverFile *self)
{
  self->backup_dirfd = -1;
  self->dirfd = -1;
}

/**
 * vpnd_resolver_file_new:
 * @backup_dirfd: directory for the copy of the original, one that outlives a power cut; duplicated
 * @path: (nullable): the file, NULL for VPND_RESOLV_CONF_PATH
 *
 * Returns: (transfer full): the backend
 */
VpndResolver *
vpnd_resolver_file_new (int backup_dirfd, const char *path)
{
  VpndResolverFile *self = g_object_new (VPND_TYPE_RESOLVER_FILE, NULL);
  g_autofree char *folder = NULL;

  self->path = g_strdup (path != NULL ? path : VPND_RESOLV_CONF_PATH);
  self->name = g_path_get_basename (self->path);
  folder = g_path_get_dirname (self->path);
  self->backup_dirfd = fcntl (backup_dirfd, F_DUPFD_CLOEXEC, 3);
  self->dirfd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return VPND_RESOLVER (self);
}

/**
 * vpnd_resolver_file_is_applied:
 * @self: the backend
 *
 * Returns: TRUE when there is an original to put back, be it of this instance or an earlier one
 */
gboolean
vpnd_resolver_file_is_applied (VpndResolverFile *self)
{
  g_return_val_if_fail (VPND_IS_RESOLVER_FILE (self), FALSE);

  return faccessat (self->backup_dirfd, BACKUP_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean
check_open (VpndResolverFile *self, GError **error)
{
  if (self->backup_dirfd >= 0 && self->dirfd >= 0)
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "the directory of \"%s\" cannot be opened", self->path);
  return FALSE;
}

static gboolean
save_original (VpndResolverFile *self, const VpndHostFile *original, GError **error)
{
  g_autoptr (VpndHostFile) backup = NULL;
  g_autoptr (GBytes) bytes = NULL;

  bytes = vpnd_host_file_to_bytes (original);
  if (g_bytes_get_size (bytes) > VPND_HOST_FILE_MAX_BYTES)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "\"%s\" is too large to be kept", self->path);
      return FALSE;
    }
  backup = vpnd_host_file_new_regular (0600, bytes);
  return vpnd_host_file_write (backup, self->backup_dirfd, BACKUP_NAME, error);
}

/* (nullable): the original; NULL with an error when there is one that cannot be read, NULL without one when there is none. */
static VpndHostFile *
load_original (VpndResolverFile *self, GError **error)
{
  g_autoptr (VpndHostFile) backup = vpnd_host_file_read (self->backup_dirfd, BACKUP_NAME, error);
  VpndHostFile *original;

  if (backup == NULL || backup->kind == VPND_HOST_FILE_MISSING)
    return NULL;

  original = backup->kind == VPND_HOST_FILE_REGULAR ? vpnd_host_file_from_bytes (backup->content) : NULL;
  if (original == NULL)
    g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "the saved copy of \"%s\" cannot be read", self->path);
  return original;
}

/**
 * vpnd_resolver_file_dup_text_before:
 * @self: the backend
 *
 * Returns: (transfer full) (nullable): what the file says, or said before we wrote it; NULL when that is not known
 */
char *
vpnd_resolver_file_dup_text_before (VpndResolverFile *self)
{
  g_autoptr (VpndHostFile) original = NULL;
  g_autofree char *folder = NULL;
  g_autofree char *target = NULL;
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  gsize size;
  const char *data;

  g_return_val_if_fail (VPND_IS_RESOLVER_FILE (self), NULL);

  if (!vpnd_resolver_file_is_applied (self))
    {
      text = vpnd_host_file_read_text (self->path);
      return text != NULL && !vpnd_resolv_conf_is_ours (text, strlen (text)) ? g_steal_pointer (&text) : NULL;
    }
  original = load_original (self, NULL);
  if (original == NULL || original->kind == VPND_HOST_FILE_MISSING)
    return NULL;
  data = g_bytes_get_data (original->content, &size);
  target = g_strndup (data != NULL ? data : "", size);
  if (original->kind == VPND_HOST_FILE_REGULAR)
    return g_steal_pointer (&target);
  folder = g_path_get_dirname (self->path);
  path = g_path_is_absolute (target) ? g_strdup (target) : g_build_filename (folder, target, NULL);
  return vpnd_host_file_read_text (path);
}

/* Whether another program wants @file there. A file that was deleted, emptied, or that is ours with something added says nothing that
 * could be put back. */
static gboolean
is_foreign (const VpndHostFile *file)
{
  gsize length;
  const char *content = g_bytes_get_data (file->content, &length);

  switch (file->kind)
    {
    case VPND_HOST_FILE_MISSING:
      return FALSE;
    case VPND_HOST_FILE_LINK:
      return TRUE;
    case VPND_HOST_FILE_REGULAR:
      return length > 0 && !vpnd_resolv_conf_is_ours (content, length);
    }
  g_assert_not_reached ();
}

/* Another original than before is another network's: who asked for its resolvers asks anew. */
static gboolean
renew_original (VpndResolverFile *self, const VpndHostFile *file, GError **error)
{
  g_autoptr (VpndHostFile) before = load_original (self, NULL);

  if (!save_original (self, file, error))
    return FALSE;
  if (before != NULL && !vpnd_host_file_says_same (before, file))
    vpnd_resolver_emit_outside_changed (VPND_RESOLVER (self));
  return TRUE;
}

/* Before the file is written: what is there now is the original, if it is nobody's but the host's. */
static gboolean
keep_original (VpndResolverFile *self, GError **error)
{
  g_autoptr (VpndHostFile) present = vpnd_host_file_read (self->dirfd, self->name, error);

  if (present == NULL)
    return FALSE;
  return (vpnd_resolver_file_is_applied (self) && !is_foreign (present)) || renew_original (self, present, error);
}

static void
on_touched (gpointer user_data)
{
  VpndResolverFile *self = user_data;
  g_autoptr (VpndHostFile) present = vpnd_host_file_read (self->dirfd, self->name, NULL);

  if (present != NULL && vpnd_host_file_says_same (self->written, present))
    return;
  if (present != NULL && is_foreign (present))
    (void) save_original (self, present, NULL); /* tried again before the file is written */
  vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), "resolv.conf was changed");
}

static void
forget_written (VpndResolverFile *self)
{
  g_clear_pointer (&self->watch, vpnd_file_watch_free);
  g_clear_pointer (&self->written, vpnd_host_file_free);
}

/**
 * vpnd_resolver_file_dup_original:
 * @self: the backend
 * @out_target: (out) (nullable): where the file is or was a link to; NULL when it is none
 * @out_text: (out) (nullable): what programs read there, through a link too; NULL when that is nothing
 *
 * Tells how the file is without us: as it will be put back, or as it is.
 */
void
vpnd_resolver_file_dup_original (VpndResolverFile *self, char **out_target, char **out_text)
{
  g_autoptr (VpndHostFile) original = load_original (self, NULL);
  g_autofree char *directory = g_path_get_dirname (self->path);

  *out_target = NULL;
  *out_text = NULL;
  if (original == NULL)
    {
      *out_target = g_file_read_link (self->path, NULL);
      *out_text = vpnd_host_file_read_text (self->path);
      return;
    }

  switch (original->kind)
    {
    case VPND_HOST_FILE_MISSING:
      return;
    case VPND_HOST_FILE_LINK:
      {
        g_autofree char *path = NULL;

        *out_target = g_strndup (g_bytes_get_data (original->content, NULL), g_bytes_get_size (original->content));
        path = g_canonicalize_filename (*out_target, directory);
        *out_text = vpnd_host_file_read_text (path);
        return;
      }
    case VPND_HOST_FILE_REGULAR:
      *out_text = g_strndup (g_bytes_get_size (original->content) > 0 ? g_bytes_get_data (original->content, NULL) : "", g_bytes_get_size (original->content));
      return;
    }
  g_assert_not_reached ();
}

/* What becomes of what stood there when we wrote. */
typedef enum
{
  REPLACED_DROP,
  REPLACED_KEEP,     /* it is the original now */
  REPLACED_PUT_BACK, /* it goes back to where it was */
} Replaced;

/* Between the look at the file and its replacement another program may have written it: that is its newest wish, of which nothing else tells. What belongs to
 * somebody who has no business there did not come from there. Pure.
 * @replaced: (nullable): what came out, or was about to be brought in; NULL where that is no file or link that can be read
 * @present: (nullable): what stands there; NULL likewise
 * @original: (nullable): what is kept */
static Replaced
judge_replaced (const VpndHostFile *replaced, const VpndHostFile *present, const VpndHostFile *original)
{
  gsize length;
  const char *content = present != NULL ? g_bytes_get_data (present->content, &length) : NULL;

  if (replaced == NULL || !is_foreign (replaced) || (original != NULL && vpnd_host_file_says_same (original, replaced)))
    return REPLACED_DROP;
  if (replaced->uid != 0 && replaced->uid != geteuid () && (original == NULL || replaced->uid != original->uid))
    return REPLACED_DROP;
  if (present == NULL || (is_foreign (present) && (original == NULL || !vpnd_host_file_says_same (original, present))))
    return REPLACED_DROP; /* somebody has written since */
  return content != NULL && vpnd_resolv_conf_is_ours (content, length) ? REPLACED_KEEP : REPLACED_PUT_BACK;
}

/* After our write; and before anything else, for an earlier instance that was killed at it. */
static gboolean
settle (VpndResolverFile *self, GError **error)
{
  g_autoptr (VpndHostFile) replaced = vpnd_host_file_read_replaced (self->dirfd, self->name);
  g_autoptr (VpndHostFile) present = vpnd_host_file_read (self->dirfd, self->name, NULL);
  g_autoptr (VpndHostFile) original = load_original (self, NULL);
  Replaced fate = judge_replaced (replaced, present, original);
  gboolean is_kept = fate != REPLACED_KEEP || renew_original (self, replaced, error);

  return vpnd_host_file_end_exchange (self->dirfd, self->name, fate == REPLACED_PUT_BACK || !is_kept, is_kept ? error : NULL) && is_kept;
}

static gboolean
write_and_compare (VpndResolverFile *self, const VpndHostFile *file, GError **error)
{
  g_autoptr (VpndHostFile) read_back = NULL;

  if (!vpnd_host_file_exchange (file, self->dirfd, self->name, error))
    return FALSE;
  read_back = vpnd_host_file_read (self->dirfd, self->name, error);
  if (!settle (self, read_back != NULL ? error : NULL) || read_back == NULL)
    return FALSE;

  /* A mount point cannot go away; it is empty instead. */
  if (file->kind == VPND_HOST_FILE_MISSING ? g_bytes_get_size (read_back->content) == 0 : vpnd_host_file_says_same (file, read_back))
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "another program changed \"%s\" at once", self->path);
  return FALSE;
}

/* With no original: a file of ours that is there all the same cannot be mended, and names would not be found for no visible reason. */
static gboolean
check_not_ours (VpndResolverFile *self, GError **error)
{
  g_autoptr (VpndHostFile) present = self->dirfd >= 0 ? vpnd_host_file_read (self->dirfd, self->name, NULL) : NULL;
  gsize length;
  const char *content = present != NULL && present->kind == VPND_HOST_FILE_REGULAR ? g_bytes_get_data (present->content, &length) : NULL;

  if (content == NULL || !vpnd_resolv_conf_is_ours (content, length))
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "\"%s\" is still that of vpnd, and the copy of what was there before is lost: write it anew", self->path);
  return FALSE;
}

static gboolean
restore (VpndResolverFile *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (VpndHostFile) original = NULL;
  g_autoptr (VpndHostFile) present = NULL;
  g_autoptr (VpndHostFile) restored = NULL;

  if (self->dirfd >= 0 && !settle (self, error))
    return FALSE;
  original = load_original (self, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (original == NULL)
    return check_not_ours (self, error);
  forget_written (self);
  if (!check_open (self, error))
    return FALSE;
  present = vpnd_host_file_read (self->dirfd, self->name, NULL);
  if ((present == NULL || !is_foreign (present)) && !write_and_compare (self, original, error))
    return FALSE;
  if (unlinkat (self->backup_dirfd, BACKUP_NAME, 0) != 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "cannot remove the saved copy of \"%s\": %s", self->path, g_strerror (errno));
      return FALSE;
    }
  restored = vpnd_host_file_read (self->dirfd, self->name, NULL);
  if (restored != NULL && !vpnd_host_file_says_same (original, restored))
    vpnd_resolver_emit_outside_changed (VPND_RESOLVER (self));
  return TRUE;
}

static gboolean
apply (VpndResolverFile *self, const VpndDnsPlan *plan, GError **error)
{
  g_autoptr (VpndHostFile) wanted = NULL;
  g_autoptr (VpndHostFile) original = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *before = NULL;
  char *text;

  if (vpnd_dns_plan_is_empty (plan))
    return restore (self, error);
  if (!check_open (self, error) || !settle (self, error) || !keep_original (self, error))
    return FALSE;

  before = vpnd_host_file_read_text (self->path);
  text = vpnd_resolv_conf_print (plan, before);
  bytes = g_bytes_new_take (text, strlen (text));
  wanted = vpnd_host_file_new_regular (FILE_MODE, bytes);
  original = load_original (self, NULL); /* it was kept just now */
  if (original != NULL)
    vpnd_host_file_take_labels (wanted, original);
  g_clear_pointer (&self->written, vpnd_host_file_free);
  self->written = g_steal_pointer (&wanted);
  if (self->watch == NULL)
    self->watch = vpnd_file_watch_new (self->path, on_touched, self); /* without inotify the setting holds until somebody changes it */
  return write_and_compare (self, self->written, error);
}

static void
return_result (GTask *task, gboolean is_done, GError *error)
{
  if (is_done)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
apply_async (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);
  GError *error = NULL;
  gboolean is_done;

  g_task_set_source_tag (task, apply_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  is_done = apply (VPND_RESOLVER_FILE (resolver), plan, &error);
  return_result (task, is_done, error);
}

static void
restore_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);
  GError *error = NULL;
  gboolean is_done;

  g_task_set_source_tag (task, restore_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  is_done = restore (VPND_RESOLVER_FILE (resolver), &error);
  return_result (task, is_done, error);
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->apply_async = apply_async;
  iface->restore_async = restore_async;
}
