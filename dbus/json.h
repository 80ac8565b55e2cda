/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The strict guard before json-glib: what it lets through, json-glib parses without crashing and without guessing.
 * Refuses: over VPND_JSON_MAX_BYTES, deeper than VPND_JSON_MAX_DEPTH, invalid UTF-8, NUL, duplicate keys in one object, anything
 * that RFC 8259 does not allow, numbers that are not finite, integers that do not fit 64 bits.
 * json-guard.c is the scanner, json.c the typed access.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define VPND_JSON_MAX_BYTES (64 * 1024)
#define VPND_JSON_MAX_DEPTH 16 /* json-glib 1.6.6 recurses; it crashes at depth 100 000 */

gboolean vpnd_json_check (const char *text, gsize length_bytes, GError **error);
gboolean vpnd_json_check_within (const char *text, gsize length_bytes, gsize max_bytes, GError **error);
JsonObject *vpnd_json_parse_object (const char *text, gssize length_bytes, GError **error);
JsonObject *vpnd_json_parse_object_within (const char *text, gssize length_bytes, gsize max_bytes, GError **error);

gboolean vpnd_json_get_string (JsonObject *object, const char *key, gboolean required, const char **out_value, GError **error);
gboolean vpnd_json_get_integer (JsonObject *object, const char *key, gboolean required, gint64 minimum, gint64 maximum, gint64 *out_value, GError **error);
gboolean vpnd_json_get_boolean (JsonObject *object, const char *key, gboolean required, gboolean *out_value, GError **error);
gboolean vpnd_json_get_array (JsonObject *object, const char *key, gboolean required, guint max_length, JsonArray **out_value, GError **error);

char *vpnd_json_to_string (JsonNode *node, gboolean pretty);

G_END_DECLS
