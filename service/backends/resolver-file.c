/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-file.h. The copy of the original is written before the original is touched and removed after it is back, so whoever finds
 * one knows that there is something to restore. A link in its place is replaced, never written through.
 */
#include "config.h"

#include "resolver-file.h"

#include "error.h"
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
 * @runtime_dirfd: where the copy of the original is
 * @dirfd: the directory of the file, -1 when it cannot be opened
 * @path: (owned): the file
 * @name: (owned): its name in @dirfd
 */
struct _VpndResolverFile
{
  GObject parent_instance;

  int runtime_dirfd;
  int dirfd;
  char *path;
  char *name;
};

static void resolver_iface_init (VpndResolverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndResolverFile, vpnd_resolver_file, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init))

static void
vpnd_resolver_file_finalize (GObject *object)
{
  VpndResolverFile *self = VPND_RESOLVER_FILE (object);

  if (self->runtime_dirfd >= 0)
    close (self->runtime_dirfd);
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
  self->runtime_dirfd = -1;
  self->dirfd = -1;
}

/**
 * vpnd_resolver_file_new:
 * @runtime_dirfd: directory for the copy of the original; duplicated
 * @path: (nullable): the file, NULL for VPND_RESOLV_CONF_PATH
 *
 * Returns: (transfer full): the backend
 */
VpndResolver *
vpnd_resolver_file_new (int runtime_dirfd, const char *path)
{
  VpndResolverFile *self = g_object_new (VPND_TYPE_RESOLVER_FILE, NULL);
  g_autofree char *folder = NULL;

  self->path = g_strdup (path != NULL ? path : VPND_RESOLV_CONF_PATH);
  self->name = g_path_get_basename (self->path);
  folder = g_path_get_dirname (self->path);
  self->runtime_dirfd = fcntl (runtime_dirfd, F_DUPFD_CLOEXEC, 3);
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

  return faccessat (self->runtime_dirfd, BACKUP_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean
check_open (VpndResolverFile *self, GError **error)
{
  if (self->runtime_dirfd >= 0 && self->dirfd >= 0)
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "the directory of \"%s\" cannot be opened", self->path);
  return FALSE;
}

static gboolean
save_original (VpndResolverFile *self, GError **error)
{
  g_autoptr (VpndHostFile) original = vpnd_host_file_read (self->dirfd, self->name, error);
  g_autoptr (VpndHostFile) backup = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (original == NULL)
    return FALSE;

  bytes = vpnd_host_file_to_bytes (original);
  backup = vpnd_host_file_new_regular (0600, bytes);
  return vpnd_host_file_write (backup, self->runtime_dirfd, BACKUP_NAME, error);
}

/* (nullable): the original; NULL with an error when there is one that cannot be read, NULL without one when there is none. */
static VpndHostFile *
load_original (VpndResolverFile *self, GError **error)
{
  g_autoptr (VpndHostFile) backup = vpnd_host_file_read (self->runtime_dirfd, BACKUP_NAME, error);
  VpndHostFile *original;

  if (backup == NULL || backup->kind == VPND_HOST_FILE_MISSING)
    return NULL;

  original = backup->kind == VPND_HOST_FILE_REGULAR ? vpnd_host_file_from_bytes (backup->content) : NULL;
  if (original == NULL)
    g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "the saved copy of \"%s\" cannot be read", self->path);
  return original;
}

/* What programs read now, through a link too; NULL when that is nothing. */
static char *
read_text (VpndResolverFile *self)
{
  char *text = NULL;

  return g_file_get_contents (self->path, &text, NULL, NULL) ? text : NULL;
}

static gboolean
write_and_compare (VpndResolverFile *self, const VpndHostFile *file, GError **error)
{
  g_autoptr (VpndHostFile) read_back = NULL;

  if (!vpnd_host_file_write (file, self->dirfd, self->name, error))
    return FALSE;
  read_back = vpnd_host_file_read (self->dirfd, self->name, error);
  if (read_back == NULL)
    return FALSE;

  /* A mount point cannot go away; it is empty instead. */
  if (file->kind == VPND_HOST_FILE_MISSING ? g_bytes_get_size (read_back->content) == 0 : vpnd_host_file_says_same (file, read_back))
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "another program changed \"%s\" at once", self->path);
  return FALSE;
}

static gboolean
restore (VpndResolverFile *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (VpndHostFile) original = load_original (self, &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (original == NULL)
    return TRUE;
  if (!check_open (self, error) || !write_and_compare (self, original, error))
    return FALSE;
  if (unlinkat (self->runtime_dirfd, BACKUP_NAME, 0) != 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "cannot remove the saved copy of \"%s\": %s", self->path, g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}

static gboolean
apply (VpndResolverFile *self, const VpndDnsPlan *plan, GError **error)
{
  g_autoptr (VpndHostFile) wanted = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *before = NULL;
  char *text;

  if (vpnd_dns_plan_is_empty (plan))
    return restore (self, error);
  if (!check_open (self, error) || (!vpnd_resolver_file_is_applied (self) && !save_original (self, error)))
    return FALSE;

  before = read_text (self);
  text = vpnd_resolv_conf_print (plan, before);
  bytes = g_bytes_new_take (text, strlen (text));
  wanted = vpnd_host_file_new_regular (FILE_MODE, bytes);
  return write_and_compare (self, wanted, error);
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

static gboolean
finish (VpndResolver *resolver, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, resolver), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->apply_async = apply_async;
  iface->apply_finish = finish;
  iface->restore_async = restore_async;
  iface->restore_finish = finish;
}
