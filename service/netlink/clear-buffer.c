/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See clear-buffer.h. Clears with explicit_bzero(), which a compiler may not remove.
 */
#include "config.h"

#include "clear-buffer.h"

#include <string.h>

#define MIN_CAPACITY_BYTES 256

/**
 * vpnd_clear_buffer_new:
 * @capacity: bytes to allocate at once, a guess
 *
 * Returns: (transfer full): an empty buffer
 */
VpndClearBuffer *
vpnd_clear_buffer_new (gsize capacity)
{
  VpndClearBuffer *buffer = g_new0 (VpndClearBuffer, 1);

  buffer->capacity = MAX (capacity, MIN_CAPACITY_BYTES);
  buffer->data = g_malloc0 (buffer->capacity);
  return buffer;
}

/**
 * vpnd_clear_buffer_free:
 * @buffer: (transfer full) (nullable): a buffer
 *
 * Clears all of the buffer, the unused part too, and frees it.
 */
void
vpnd_clear_buffer_free (VpndClearBuffer *buffer)
{
  if (buffer == NULL)
    return;

  explicit_bzero (buffer->data, buffer->capacity);
  g_free (buffer->data);
  g_free (buffer);
}

/**
 * vpnd_clear_buffer_reserve:
 * @buffer: a buffer
 * @more: bytes that must fit behind the used ones
 *
 * Makes room. Not realloc(), which would leave the former copy behind.
 */
void
vpnd_clear_buffer_reserve (VpndClearBuffer *buffer, gsize more)
{
  gsize capacity = buffer->capacity;
  guint8 *data;

  if (more <= buffer->capacity - buffer->len)
    return;

  g_assert (more < G_MAXSIZE / 4 && buffer->len < G_MAXSIZE / 4);
  while (capacity - buffer->len < more)
    capacity *= 2;
  data = g_malloc0 (capacity);
  memcpy (data, buffer->data, buffer->len);
  explicit_bzero (buffer->data, buffer->capacity);
  g_free (buffer->data);
  buffer->data = data;
  buffer->capacity = capacity;
}

/**
 * vpnd_clear_buffer_append:
 * @buffer: a buffer
 * @data: (array length=len): bytes
 * @len: how many
 */
void
vpnd_clear_buffer_append (VpndClearBuffer *buffer, const void *data, gsize len)
{
  if (len == 0)
    return;

  vpnd_clear_buffer_reserve (buffer, len);
  memcpy (buffer->data + buffer->len, data, len);
  buffer->len += len;
}

/**
 * vpnd_clear_buffer_append_text:
 * @buffer: a buffer
 * @text: appended without its terminating NUL
 */
void
vpnd_clear_buffer_append_text (VpndClearBuffer *buffer, const char *text)
{
  vpnd_clear_buffer_append (buffer, text, strlen (text));
}

/**
 * vpnd_clear_buffer_append_hex:
 * @buffer: a buffer
 * @data: (array length=len): bytes
 * @len: how many
 *
 * Appends two lower-case hexadecimal digits a byte.
 */
void
vpnd_clear_buffer_append_hex (VpndClearBuffer *buffer, const guint8 *data, gsize len)
{
  static const char digits[] = "0123456789abcdef";

  vpnd_clear_buffer_reserve (buffer, 2 * len);
  for (gsize i = 0; i < len; i++)
    {
      buffer->data[buffer->len++] = (guint8) digits[data[i] >> 4];
      buffer->data[buffer->len++] = (guint8) digits[data[i] & 0xf];
    }
}

/**
 * vpnd_clear_buffer_seal:
 * @buffer: (transfer full): a buffer
 *
 * Returns: (transfer full): what was appended, as bytes that clear themselves on their last unref
 */
GBytes *
vpnd_clear_buffer_seal (VpndClearBuffer *buffer)
{
  return g_bytes_new_with_free_func (buffer->data, buffer->len, (GDestroyNotify) vpnd_clear_buffer_free, buffer);
}
