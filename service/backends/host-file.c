/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of backends/host-file.h. I/O is synchronous: a few hundred bytes on a local file system.
 */
#include "config.h"

#include "host-file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CONTENT_MAX_BYTES VPND_HOST_FILE_MAX_BYTES
#define XATTRS_MAX_BYTES (64 * 1024)
#define XATTRS_TYPE "a(say)"
#define TEMPORARY ".%s.vpnd" /* beside the file: what is being made, and may be a part */
#define SWAP ".%s.vpnd-swap" /* what is whole and about to change places with the file, then what came out */
#define FORMAT_MAGIC "vpnd host file 1"
#define FORMAT_TYPE "(suuuuxuay" XATTRS_TYPE ")"

static gboolean
fail (GError **error, const char *what, const char *name)
{
  int saved = errno;

  g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "cannot %s \"%s\": %s", what, name, g_strerror (saved));
  return FALSE;
}

static GVariant *
no_xattrs (void)
{
  return g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("(say)"), NULL, 0));
}

/**
 * vpnd_host_file_new_regular:
 * @mode: permission bits
 * @content: its bytes
 *
 * Returns: (transfer full): a file that belongs to us
 */
VpndHostFile *
vpnd_host_file_new_regular (guint32 mode, GBytes *content)
{
  VpndHostFile *file = g_new0 (VpndHostFile, 1);

  file->kind = VPND_HOST_FILE_REGULAR;
  file->mode = mode;
  file->uid = geteuid ();
  file->gid = getegid ();
  file->content = g_bytes_ref (content);
  file->xattrs = no_xattrs ();
  return file;
}

/**
 * vpnd_host_file_free:
 * @file: (transfer full) (nullable): a file
 */
void
vpnd_host_file_free (VpndHostFile *file)
{
  if (file == NULL)
    return;

  g_clear_pointer (&file->content, g_bytes_unref);
  g_clear_pointer (&file->xattrs, g_variant_unref);
  g_free (file);
}

static GBytes *
read_link (int dirfd, const char *name)
{
  char target[PATH_MAX];
  ssize_t length = readlinkat (dirfd, name, target, sizeof target);

  return length >= 0 && length < (ssize_t) sizeof target ? g_bytes_new (target, (gsize) length) : NULL;
}

static GBytes *
read_content (int fd)
{
  g_autoptr (GByteArray) array = g_byte_array_new ();
  guint8 buffer[4096];
  ssize_t n;

  while ((n = read (fd, buffer, sizeof buffer)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return NULL;
      g_byte_array_append (array, buffer, (guint) n);
      if (array->len > CONTENT_MAX_BYTES)
        {
          errno = EFBIG;
          return NULL;
        }
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&array));
}

/* A file system without extended attributes has none to keep. */
static GVariant *
read_xattrs (int fd)
{
  GVariantBuilder builder;
  g_autofree char *names = g_malloc0 (XATTRS_MAX_BYTES);
  g_autofree char *value = g_malloc (XATTRS_MAX_BYTES);
  ssize_t length = flistxattr (fd, names, XATTRS_MAX_BYTES - 1);

  g_variant_builder_init (&builder, G_VARIANT_TYPE (XATTRS_TYPE));
  for (const char *name = names; length > 0 && name < names + length; name += strlen (name) + 1)
    {
      ssize_t size = fgetxattr (fd, name, value, XATTRS_MAX_BYTES);

      if (size >= 0 && g_utf8_validate (name, -1, NULL))
        g_variant_builder_add (&builder, "(s@ay)", name, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, value, (gsize) size, 1));
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static gboolean
read_regular (VpndHostFile *file, int dirfd, const char *name)
{
  int fd = openat (dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int saved;

  if (fd < 0)
    return FALSE;

  file->content = read_content (fd);
  saved = errno;
  file->xattrs = read_xattrs (fd);
  close (fd);
  errno = saved;
  return file->content != NULL;
}

/**
 * vpnd_host_file_read:
 * @dirfd: an open directory
 * @name: name of a file in it, which may be missing
 * @error: return location for an error
 *
 * Reads what stands under the name; a link is read as a link.
 *
 * Returns: (transfer full) (nullable): the value; NULL with VPND_ERROR_DNS, also when it is neither file nor link
 */
VpndHostFile *
vpnd_host_file_read (int dirfd, const char *name, GError **error)
{
  g_autoptr (VpndHostFile) file = g_new0 (VpndHostFile, 1);
  gboolean is_read = TRUE;
  struct stat status;

  if (fstatat (dirfd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    {
      if (errno != ENOENT)
        {
          fail (error, "examine", name);
          return NULL;
        }
      file->content = g_bytes_new_static ("", 0);
      file->xattrs = no_xattrs ();
      return g_steal_pointer (&file);
    }

  file->mode = status.st_mode & 07777;
  file->uid = status.st_uid;
  file->gid = status.st_gid;
  file->mtime_s = status.st_mtim.tv_sec;
  file->mtime_ns = (guint32) status.st_mtim.tv_nsec;
  if (S_ISLNK (status.st_mode))
    {
      file->kind = VPND_HOST_FILE_LINK;
      file->content = read_link (dirfd, name);
      file->xattrs = no_xattrs ();
      is_read = file->content != NULL;
    }
  else if (S_ISREG (status.st_mode))
    {
      file->kind = VPND_HOST_FILE_REGULAR;
      is_read = read_regular (file, dirfd, name);
    }
  else
    {
      errno = EINVAL;
      is_read = FALSE;
    }

  if (!is_read)
    {
      fail (error, "read", name);
      return NULL;
    }
  return g_steal_pointer (&file);
}

static gboolean
write_content (int fd, GBytes *content)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (content, &length);

  while (length > 0)
    {
      ssize_t n = write (fd, data, length);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      data += n;
      length -= (gsize) n;
    }
  return TRUE;
}

static void
write_xattrs (int fd, GVariant *xattrs)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, xattrs);
  while (g_variant_iter_loop (&iter, "(&s@ay)", &name, &value))
    {
      gsize size;
      gconstpointer data = g_variant_get_fixed_array (value, &size, 1);

      (void) fsetxattr (fd, name, data, size, 0); /* a label that may not be set is no reason to leave the host without DNS */
    }
}

/* What we make belongs to us already. To give it away takes a right that the unit's sandbox takes from us (EPERM, also for chown() itself): a file of
 * the wrong owner is then better than a host whose DNS points nowhere. */
static gboolean
set_owner (int fd, const VpndHostFile *file)
{
  struct stat status;

  if (fstat (fd, &status) != 0)
    return FALSE;
  return (status.st_uid == file->uid && status.st_gid == file->gid) || fchown (fd, file->uid, file->gid) == 0 || errno == EPERM;
}

static gboolean
write_metadata (int fd, const VpndHostFile *file)
{
  struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = file->mtime_s, .tv_nsec = file->mtime_ns } };

  if (!set_owner (fd, file) || fchmod (fd, file->mode) != 0)
    return FALSE;
  write_xattrs (fd, file->xattrs);
  return file->mtime_s == 0 || futimens (fd, times) == 0;
}

static gboolean
make_temporary (const VpndHostFile *file, int dirfd, const char *temporary)
{
  gboolean is_made;
  int saved;
  int fd;

  (void) unlinkat (dirfd, temporary, 0); /* of a write that was cut off; anything else shows in the next call */
  if (file->kind == VPND_HOST_FILE_LINK)
    {
      g_autofree char *target = g_strndup (g_bytes_get_data (file->content, NULL), g_bytes_get_size (file->content));

      return symlinkat (target, dirfd, temporary) == 0 && (fchownat (dirfd, temporary, file->uid, file->gid, AT_SYMLINK_NOFOLLOW) == 0 || errno == EPERM);
    }

  fd = openat (dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return FALSE;
  is_made = write_content (fd, file->content) && write_metadata (fd, file) && fsync (fd) == 0;
  saved = errno;
  close (fd);
  errno = saved;
  return is_made;
}

/* For a name that cannot be replaced, because it is a mount point: a container's resolv.conf usually is one. */
static gboolean
write_in_place (const VpndHostFile *file, int dirfd, const char *name)
{
  gboolean is_written;
  int saved;
  int fd;

  if (file->kind == VPND_HOST_FILE_LINK)
    return FALSE;
  fd = openat (dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return FALSE;
  is_written = ftruncate (fd, 0) == 0 && write_content (fd, file->content) && (file->kind == VPND_HOST_FILE_MISSING || write_metadata (fd, file)) &&
      fsync (fd) == 0;
  saved = errno;
  close (fd);
  errno = saved;
  return is_written;
}

static gboolean
is_mount_trouble (int number)
{
  return number == EBUSY || number == EXDEV || number == EROFS;
}

/* Not every file system can, and there may be nothing to exchange. */
static gboolean
exchange (int dirfd, const char *swap, const char *name)
{
  if (renameat2 (dirfd, swap, dirfd, name, RENAME_EXCHANGE) == 0)
    return TRUE;
  if (renameat (dirfd, swap, dirfd, name) != 0)
    return FALSE;
  (void) fsync (dirfd); /* of the other, vpnd_host_file_end_exchange () */
  return TRUE;
}

static gboolean
is_folder (int dirfd, const char *name)
{
  struct stat status;

  return fstatat (dirfd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR (status.st_mode);
}

/* @swap: (nullable): the name under which what stood there stays; NULL where nobody asks for it. A folder goes back to where it was. */
static gboolean
replace (const VpndHostFile *file, int dirfd, const char *name, const char *swap)
{
  g_autofree char *temporary = g_strdup_printf (TEMPORARY, name);
  gboolean is_done;
  int saved;

  if (file->kind == VPND_HOST_FILE_MISSING)
    is_done = (swap != NULL ? renameat (dirfd, name, dirfd, swap) : unlinkat (dirfd, name, 0)) == 0 || errno == ENOENT;
  else
    is_done = make_temporary (file, dirfd, temporary) && renameat (dirfd, temporary, dirfd, swap != NULL ? swap : name) == 0 &&
        (swap == NULL || exchange (dirfd, swap, name));
  if (is_done && swap != NULL && is_folder (dirfd, swap))
    {
      is_done = !exchange (dirfd, swap, name);
      errno = EISDIR;
    }
  if (is_done)
    return TRUE;

  saved = errno;
  (void) unlinkat (dirfd, temporary, 0); /* the error to report is the first one */
  if (swap != NULL)
    (void) unlinkat (dirfd, swap, 0);
  errno = saved;
  return FALSE;
}

/**
 * vpnd_host_file_write:
 * @file: what shall be
 * @dirfd: an open directory
 * @name: name of a file in it
 * @error: return location for an error
 *
 * Makes what stands under the name exactly @file: content, kind, permissions, owner, extended attributes. It is replaced as a whole; where the
 * name is a mount point it is overwritten instead.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_DNS
 */
gboolean
vpnd_host_file_write (const VpndHostFile *file, int dirfd, const char *name, GError **error)
{
  if (!replace (file, dirfd, name, NULL) && !(is_mount_trouble (errno) && write_in_place (file, dirfd, name)))
    return fail (error, "write", name);

  (void) fsync (dirfd); /* not every file system can; a power failure then shows the old file, which is right after a boot */
  return TRUE;
}

/**
 * vpnd_host_file_exchange:
 * @file: what shall be
 * @dirfd: an open directory
 * @name: name of a file in it
 * @error: return location for an error
 *
 * Like vpnd_host_file_write (), but what stood there at that very moment stays beside it, whatever becomes of us, until vpnd_host_file_end_exchange ().
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_DNS
 */
gboolean
vpnd_host_file_exchange (const VpndHostFile *file, int dirfd, const char *name, GError **error)
{
  g_autofree char *swap = g_strdup_printf (SWAP, name);

  return replace (file, dirfd, name, swap) || (is_mount_trouble (errno) && write_in_place (file, dirfd, name)) || fail (error, "write", name);
}

/**
 * vpnd_host_file_read_replaced:
 * @dirfd: an open directory
 * @name: name of a file in it
 *
 * Reads what vpnd_host_file_exchange () has brought out, be it of an earlier process; or what it was about to bring in.
 *
 * Returns: (transfer full) (nullable): the value; missing where there is none, NULL where it is no file or link that can be read
 */
VpndHostFile *
vpnd_host_file_read_replaced (int dirfd, const char *name)
{
  g_autofree char *swap = g_strdup_printf (SWAP, name);

  return vpnd_host_file_read (dirfd, swap, NULL);
}

/**
 * vpnd_host_file_end_exchange:
 * @dirfd: an open directory
 * @name: name of a file in it
 * @is_undone: what came out goes back to where it was
 * @error: return location for an error
 *
 * Leaves nothing beside the file, also of a process that was killed.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_DNS
 */
gboolean
vpnd_host_file_end_exchange (int dirfd, const char *name, gboolean is_undone, GError **error)
{
  g_autofree char *temporary = g_strdup_printf (TEMPORARY, name);
  g_autofree char *swap = g_strdup_printf (SWAP, name);
  gboolean is_changed = is_undone;

  if (is_undone && !exchange (dirfd, swap, name))
    return fail (error, "put back", name);
  is_changed = unlinkat (dirfd, temporary, 0) == 0 || is_changed;
  is_changed = unlinkat (dirfd, swap, 0) == 0 || is_changed;
  if (is_changed)
    (void) fsync (dirfd); /* not every file system can */
  return TRUE;
}

/**
 * vpnd_host_file_read_text:
 * @path: a file, or a link to one
 *
 * Reads what a program sees there. Anything but a regular file of at most VPND_HOST_FILE_MAX_BYTES is nothing: a device or a pipe would never end.
 *
 * Returns: (transfer full) (nullable): the text up to its first NUL
 */
char *
vpnd_host_file_read_text (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  g_autoptr (GBytes) content = NULL;
  struct stat status;

  if (fd < 0)
    return NULL;
  if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode))
    content = read_content (fd);
  close (fd);
  return content != NULL ? g_strndup (g_bytes_get_data (content, NULL), g_bytes_get_size (content)) : NULL;
}

/**
 * vpnd_host_file_take_labels:
 * @file: a file that is not shared yet
 * @from: the file whose place it takes
 *
 * Gives @file the labels of access control of @from, so that confined programs may go on reading it (selinux(8), smack). No other attribute:
 * those of IMA are of the content.
 */
void
vpnd_host_file_take_labels (VpndHostFile *file, const VpndHostFile *from)
{
  static const char *const labels[] = { "security.selinux", "security.SMACK64", NULL };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE (XATTRS_TYPE));
  for (gsize i = 0; i < g_variant_n_children (from->xattrs); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (from->xattrs, i);
      const char *name;

      g_variant_get_child (one, 0, "&s", &name);
      if (g_strv_contains (labels, name))
        g_variant_builder_add_value (&builder, one);
    }
  g_clear_pointer (&file->xattrs, g_variant_unref);
  file->xattrs = g_variant_ref_sink (g_variant_builder_end (&builder));
}

/**
 * vpnd_host_file_says_same:
 * @a: a file
 * @b: a file
 *
 * Returns: TRUE when both are of the same kind and hold the same bytes
 */
gboolean
vpnd_host_file_says_same (const VpndHostFile *a, const VpndHostFile *b)
{
  return a->kind == b->kind && g_bytes_equal (a->content, b->content);
}

/**
 * vpnd_host_file_to_bytes:
 * @file: a file
 *
 * Returns: (transfer full): all of it as bytes
 */
GBytes *
vpnd_host_file_to_bytes (const VpndHostFile *file)
{
  g_autoptr (GVariant) content = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, file->content, TRUE));
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(suuuuxu@ay@" XATTRS_TYPE ")", FORMAT_MAGIC, (guint32) file->kind, file->mode, file->uid,
      file->gid, file->mtime_s, file->mtime_ns, content, file->xattrs));

  return g_variant_get_data_as_bytes (value);
}

/**
 * vpnd_host_file_from_bytes:
 * @bytes: what vpnd_host_file_to_bytes () made
 *
 * Returns: (transfer full) (nullable): the file; NULL when @bytes are something else
 */
VpndHostFile *
vpnd_host_file_from_bytes (GBytes *bytes)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (FORMAT_TYPE), bytes, FALSE));
  g_autoptr (GVariant) content = NULL;
  g_autoptr (VpndHostFile) file = g_new0 (VpndHostFile, 1);
  const char *magic;
  guint32 kind;

  if (!g_variant_is_normal_form (value))
    return NULL;

  g_variant_get (value, "(&suuuuxu@ay@" XATTRS_TYPE ")", &magic, &kind, &file->mode, &file->uid, &file->gid, &file->mtime_s, &file->mtime_ns, &content,
      &file->xattrs);
  file->content = g_variant_get_data_as_bytes (content);
  if (strcmp (magic, FORMAT_MAGIC) != 0 || kind > VPND_HOST_FILE_LINK)
    return NULL;
  file->kind = (VpndHostFileKind) kind;
  return g_steal_pointer (&file);
}
