/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A growable byte buffer for encoded keys: every byte it ever held is cleared when it grows, is freed, or when the GBytes made of
 * it is freed. Never hands out a copy.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VpndClearBuffer:
 * @data: (owned) (nullable): what was appended; with room for @capacity bytes
 * @len: bytes used
 * @capacity: bytes allocated
 */
typedef struct
{
  guint8 *data;
  gsize len;
  gsize capacity;
} VpndClearBuffer;

VpndClearBuffer *vpnd_clear_buffer_new (gsize capacity);
void vpnd_clear_buffer_free (VpndClearBuffer *buffer);
void vpnd_clear_buffer_reserve (VpndClearBuffer *buffer, gsize more);
void vpnd_clear_buffer_append (VpndClearBuffer *buffer, const void *data, gsize len);
void vpnd_clear_buffer_append_text (VpndClearBuffer *buffer, const char *text);
void vpnd_clear_buffer_append_hex (VpndClearBuffer *buffer, const guint8 *data, gsize len);
GBytes *vpnd_clear_buffer_seal (VpndClearBuffer *buffer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndClearBuffer, vpnd_clear_buffer_free)

G_END_DECLS
