/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Typed access to JSON that passed the guard: json-glib coerces silently (a string reads as 0, 1.5 as 1), these getters never do.
 * Their errors name the key and what was expected, never the value.
 */
#include "config.h"

#include "json.h"

#include "error.h"

#include <string.h>

/**
 * vpnd_json_parse_object_within:
 * @text: (array length=length_bytes): the text
 * @length_bytes: its length, -1 for NUL-terminated
 * @max_bytes: refuse more than this
 * @error: as vpnd_json_check_within()
 *
 * Returns: (transfer full): the object, or %NULL with @error set, also when @text is a JSON value that is no object
 */
JsonObject *
vpnd_json_parse_object_within (const char *text, gssize length_bytes, gsize max_bytes, GError **error)
{
  gsize length = length_bytes < 0 ? strlen (text) : (gsize) length_bytes;
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) local_error = NULL;
  JsonNode *root;

  if (!vpnd_json_check_within (text, length, max_bytes, error))
    return NULL;

  parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, text, (gssize) length, &local_error))
    {
      /* The guard is at least as strict as json-glib; its message may quote the text, so it is not repeated. */
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, "the JSON text cannot be parsed");
      return NULL;
    }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, "expected a JSON object");
      return NULL;
    }
  return json_object_ref (json_node_get_object (root));
}

/**
 * vpnd_json_parse_object:
 * @text: (array length=length_bytes): the text
 * @length_bytes: its length, -1 for NUL-terminated
 * @error: as vpnd_json_check()
 *
 * Returns: (transfer full): the object, or %NULL with @error set
 */
JsonObject *
vpnd_json_parse_object (const char *text, gssize length_bytes, GError **error)
{
  return vpnd_json_parse_object_within (text, length_bytes, VPND_JSON_MAX_BYTES, error);
}

/* Sets *out_node to %NULL for an optional key that is absent. */
static gboolean
get_member (JsonObject *object, const char *key, gboolean required, JsonNode **out_node, GError **error)
{
  JsonNode *node = json_object_get_member (object, key);

  if (node == NULL && required)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: this key is required", key);
      return FALSE;
    }
  *out_node = node;
  return TRUE;
}

static gboolean
check_type (JsonNode *node, const char *key, GType type, const char *name, GError **error)
{
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type)
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: expected %s", key, name);
  return FALSE;
}

/**
 * vpnd_json_get_string:
 * @object: an object
 * @key: the key
 * @required: whether its absence is an error
 * @out_value: (out) (transfer none): the string; untouched when the key is absent
 * @error: VPND_ERROR_INVALID_ARGUMENT that names @key
 *
 * Returns: TRUE unless the key is missing though required, or no string
 */
gboolean
vpnd_json_get_string (JsonObject *object, const char *key, gboolean required, const char **out_value, GError **error)
{
  JsonNode *node;

  if (!get_member (object, key, required, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (!check_type (node, key, G_TYPE_STRING, "a string", error))
    return FALSE;
  *out_value = json_node_get_string (node);
  return TRUE;
}

/**
 * vpnd_json_get_integer:
 * @object: an object
 * @key: the key
 * @required: whether its absence is an error
 * @minimum: least legal value
 * @maximum: greatest legal value
 * @out_value: (out): the value; untouched when the key is absent
 * @error: VPND_ERROR_INVALID_ARGUMENT that names @key
 *
 * A number with a fraction or an exponent is no integer, whatever its value.
 *
 * Returns: TRUE unless the key is missing though required, no integer or out of range
 */
gboolean
vpnd_json_get_integer (JsonObject *object, const char *key, gboolean required, gint64 minimum, gint64 maximum, gint64 *out_value, GError **error)
{
  JsonNode *node;
  gint64 value;

  if (!get_member (object, key, required, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (!check_type (node, key, G_TYPE_INT64, "an integer", error))
    return FALSE;
  value = json_node_get_int (node);
  if (value < minimum || value > maximum)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: expected an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, key, minimum, maximum);
      return FALSE;
    }
  *out_value = value;
  return TRUE;
}

/**
 * vpnd_json_get_boolean:
 * @object: an object
 * @key: the key
 * @required: whether its absence is an error
 * @out_value: (out): the value; untouched when the key is absent
 * @error: VPND_ERROR_INVALID_ARGUMENT that names @key
 *
 * Returns: TRUE unless the key is missing though required, or no boolean
 */
gboolean
vpnd_json_get_boolean (JsonObject *object, const char *key, gboolean required, gboolean *out_value, GError **error)
{
  JsonNode *node;

  if (!get_member (object, key, required, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (!check_type (node, key, G_TYPE_BOOLEAN, "true or false", error))
    return FALSE;
  *out_value = json_node_get_boolean (node);
  return TRUE;
}

/**
 * vpnd_json_get_array:
 * @object: an object
 * @key: the key
 * @required: whether its absence is an error
 * @max_length: greatest legal number of elements
 * @out_value: (out) (transfer none): the array; untouched when the key is absent
 * @error: VPND_ERROR_INVALID_ARGUMENT that names @key
 *
 * Returns: TRUE unless the key is missing though required, no array or too long
 */
gboolean
vpnd_json_get_array (JsonObject *object, const char *key, gboolean required, guint max_length, JsonArray **out_value, GError **error)
{
  JsonNode *node;

  if (!get_member (object, key, required, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: expected an array", key);
      return FALSE;
    }
  if (json_array_get_length (json_node_get_array (node)) > max_length)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: more than %u elements", key, max_length);
      return FALSE;
    }
  *out_value = json_node_get_array (node);
  return TRUE;
}

/**
 * vpnd_json_to_string:
 * @node: a value
 * @pretty: TRUE for lines and indentation
 *
 * Returns: (transfer full): its text; keys in the order in which they were added
 */
char *
vpnd_json_to_string (JsonNode *node, gboolean pretty)
{
  return json_to_string (node, pretty);
}
