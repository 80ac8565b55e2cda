/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Standard output and standard error: lines, tables, JSON objects, colours only where a terminal shows them. Text that came from elsewhere
 * cannot move the cursor: control characters are replaced. Knows nothing of D-Bus.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef enum
{
  VPND_COLOR_NONE,
  VPND_COLOR_GOOD,
  VPND_COLOR_BUSY,
  VPND_COLOR_BAD,
  VPND_COLOR_BOLD,
  VPND_COLOR_DIM,
} VpndColor;

typedef struct _VpndOutput VpndOutput;

VpndOutput *vpnd_output_new (gboolean json, gboolean no_color);
void vpnd_output_free (VpndOutput *output);
gboolean vpnd_output_is_json (const VpndOutput *output);
gboolean vpnd_output_has_progress (const VpndOutput *output);

void vpnd_output_line (VpndOutput *output, VpndColor color, const char *text);
void vpnd_output_event_line (VpndOutput *output, VpndColor color, const char *text);
void vpnd_output_raw (VpndOutput *output, const char *text, gsize length_bytes);
guint vpnd_output_columns (const VpndOutput *output);
void vpnd_output_paragraph (VpndOutput *output, VpndColor color, const char *text);
guint vpnd_output_table_width (const char *indent, const char *const *headers, GPtrArray *rows);
void vpnd_output_table (VpndOutput *output, const char *indent, const char *const *headers, GPtrArray *rows);
void vpnd_output_fitting_table (VpndOutput *output, const char *const *headers, GPtrArray *rows);

JsonBuilder *vpnd_output_json_begin (void);
JsonBuilder *vpnd_output_json_begin_event (const char *event);
void vpnd_output_json_end (VpndOutput *output, JsonBuilder *builder);
void vpnd_output_json_string (JsonBuilder *builder, const char *key, const char *value);
void vpnd_output_json_variant (JsonBuilder *builder, const char *key, GVariant *value);

void vpnd_output_progress (VpndOutput *output, const char *text);
void vpnd_output_note (VpndOutput *output, VpndColor color, const char *text);
void vpnd_output_error (VpndOutput *output, const GError *error);
gboolean vpnd_output_flush (VpndOutput *output);

char *vpnd_output_clean (const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndOutput, vpnd_output_free)

G_END_DECLS
