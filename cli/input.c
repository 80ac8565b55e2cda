/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads into one allocation of the limit's size, so that no copy of a key is left behind by growing.
 */
#include "config.h"

#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "failure.h"

typedef struct
{
  gsize size_bytes;
  char data[];
} Buffer;

static void
buffer_free (gpointer data)
{
  Buffer *buffer = data;

  explicit_bzero (buffer->data, buffer->size_bytes);
  g_free (buffer);
}

static void
set_errno_error (GError **error, const char *path, int code)
{
  g_set_error (error, G_FILE_ERROR, (int) g_file_error_from_errno (code), _ ("cannot read %s: %s"), path, g_strerror (code));
}

static gboolean
fill (int fd, const char *path, Buffer *buffer, gsize limit_bytes, gsize *out_length, GError **error)
{
  gsize length = 0;

  while (length < buffer->size_bytes)
    {
      gssize n = read (fd, buffer->data + length, buffer->size_bytes - length);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          set_errno_error (error, path, errno);
          return FALSE;
        }
      if (n == 0)
        break;
      length += (gsize) n;
    }
  if (length > limit_bytes)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, _ ("%s is larger than %u KiB"), path, (guint) (limit_bytes / 1024));
      return FALSE;
    }
  *out_length = length;
  return TRUE;
}

/**
 * vpnd_input_read:
 * @path: a file, or "-" for standard input
 * @limit_bytes: what vpnd accepts
 * @error: return location
 *
 * Returns: (transfer full): the contents, which are cleared with the last reference; %NULL with a #GFileError or %VPND_ERROR_TOO_LARGE
 */
GBytes *
vpnd_input_read (const char *path, gsize limit_bytes, GError **error)
{
  gboolean is_stdin = g_str_equal (path, "-");
  int fd = is_stdin ? STDIN_FILENO : open (path, O_RDONLY | O_CLOEXEC);
  Buffer *buffer;
  gsize length = 0;
  gboolean filled;

  if (fd < 0)
    {
      set_errno_error (error, path, errno);
      return NULL;
    }
  buffer = g_malloc0 (sizeof (Buffer) + limit_bytes + 1);
  buffer->size_bytes = limit_bytes + 1;
  filled = fill (fd, is_stdin ? _ ("standard input") : path, buffer, limit_bytes, &length, error);
  if (!is_stdin)
    (void) close (fd); /* nothing was written */
  if (!filled)
    {
      buffer_free (buffer);
      return NULL;
    }
  return g_bytes_new_with_free_func (buffer->data, length, buffer_free, buffer);
}

/**
 * vpnd_input_name:
 * @path: what vpnd_input_read() has read
 * @error: (inout) (optional): what vpnd says of its text, which begins with a place in it
 *
 * Says which text that is.
 */
void
vpnd_input_name (const char *path, GError **error)
{
  if (error == NULL || (!vpnd_failure_is (*error, VPND_ERROR_INVALID_PROFILE) && !vpnd_failure_is (*error, VPND_ERROR_INVALID_JSON)))
    return;

  (void) g_dbus_error_strip_remote_error (*error); /* what is before its words cannot stand behind ours */
  g_prefix_error (error, "%s: ", g_str_equal (path, "-") ? _ ("standard input") : path);
}

/**
 * vpnd_input_user:
 * @text: a number, or the name of a user of this machine
 * @out_uid: (out): the number
 * @error: return location
 *
 * Returns: %FALSE with %VPND_CLI_ERROR_USAGE
 */
gboolean
vpnd_input_user (const char *text, guint32 *out_uid, GError **error)
{
  const struct passwd *entry;
  guint64 uid;

  if (g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32 - 1, &uid, NULL))
    {
      *out_uid = (guint32) uid;
      return TRUE;
    }
  errno = 0;
  entry = getpwnam (text);
  if (entry == NULL)
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, errno == 0 ? _ ("no user named \"%s\"") : _ ("the user \"%s\" cannot be looked up"), text);
      return FALSE;
    }
  *out_uid = entry->pw_uid;
  return TRUE;
}
