/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The settings file. Its keys are those of the table in core/settings.h; a key that the table does not have is ignored, so that
 * a file of a later release of the same version can be read.
 */
#include "config.h"

#include "settings-store.h"

#include "error.h"
#include "json.h"
#include "safe-file.h"

#include <string.h>
#include <unistd.h>

#define FILE_NAME "settings.json"
#define FORMAT_VERSION 1
#define KEY_VERSION "version"

struct _VpndSettingsStore
{
  GObject parent_instance;

  int dirfd;
};

G_DEFINE_FINAL_TYPE (VpndSettingsStore, vpnd_settings_store, G_TYPE_OBJECT)

static void
vpnd_settings_store_finalize (GObject *object)
{
  VpndSettingsStore *self = VPND_SETTINGS_STORE (object);

  if (self->dirfd >= 0)
    close (self->dirfd);
  G_OBJECT_CLASS (vpnd_settings_store_parent_class)->finalize (object);
}

static void
vpnd_settings_store_class_init (VpndSettingsStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vpnd_settings_store_finalize;
}

static void
vpnd_settings_store_init (VpndSettingsStore *self)
{
  self->dirfd = -1;
}

/**
 * vpnd_settings_store_new:
 * @state_dirfd: the state directory; duplicated
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the store; NULL with VPND_ERROR_STORAGE
 */
VpndSettingsStore *
vpnd_settings_store_new (int state_dirfd, GError **error)
{
  g_autoptr (VpndSettingsStore) self = g_object_new (VPND_TYPE_SETTINGS_STORE, NULL);

  self->dirfd = vpnd_safe_file_dup_dir (state_dirfd, error);
  return self->dirfd >= 0 ? g_steal_pointer (&self) : NULL;
}

/* The value of @info in @object as its D-Bus type; NULL without error when the key is absent. */
static GVariant *
read_value (JsonObject *object, const VpndSettingInfo *info, GError **error)
{
  gboolean flag;
  gint64 number;
  const char *text;
  JsonArray *array;
  GVariantBuilder builder;

  if (!json_object_has_member (object, info->key))
    return NULL;

  if (strcmp (info->signature, "b") == 0)
    return vpnd_json_get_boolean (object, info->key, TRUE, &flag, error) ? g_variant_new_boolean (flag) : NULL;
  if (strcmp (info->signature, "u") == 0)
    return vpnd_json_get_integer (object, info->key, TRUE, 0, G_MAXUINT32, &number, error) ? g_variant_new_uint32 ((guint32) number) : NULL;
  if (strcmp (info->signature, "s") == 0)
    return vpnd_json_get_string (object, info->key, TRUE, &text, error) ? g_variant_new_string (text) : NULL;

  if (!vpnd_json_get_array (object, info->key, TRUE, G_MAXUINT16, &array, error))
    return NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);

      /* What is no string becomes one that no validation lets through. */
      g_variant_builder_add (&builder, "s", json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : "");
    }
  return g_variant_builder_end (&builder);
}

static VpndSettings *
parse_settings (const char *text, gsize length, GError **error)
{
  g_autoptr (JsonObject) object = vpnd_json_parse_object (text, (gssize) length, error);
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  const VpndSettingInfo *infos;
  gint64 version;
  guint n_infos;

  if (object == NULL || !vpnd_json_get_integer (object, KEY_VERSION, TRUE, FORMAT_VERSION, FORMAT_VERSION, &version, error))
    return NULL;

  infos = vpnd_setting_infos (&n_infos);
  for (guint i = 0; i < n_infos; i++)
    {
      g_autoptr (GError) local_error = NULL;
      GVariant *value = read_value (object, &infos[i], &local_error);
      VpndSettings *changed;

      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (value == NULL)
        continue;
      changed = vpnd_settings_with (settings, &infos[i], value, error);
      if (changed == NULL)
        return NULL;
      vpnd_settings_unref (settings);
      settings = changed;
    }
  return g_steal_pointer (&settings);
}

/* NULL when there is a file that cannot be used. */
static VpndSettings *
read_settings (int dirfd, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *aside = NULL;
  gsize length;

  text = vpnd_safe_file_read (dirfd, FILE_NAME, VPND_JSON_MAX_BYTES, &length, &local_error);
  if (text != NULL)
    return parse_settings (text, length, error);
  if (!g_error_matches (local_error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }

  /* What the user wanted is still unknown: a crash, or a boot, must not open what the start before it closed. */
  aside = vpnd_safe_file_find_aside (dirfd, FILE_NAME);
  if (aside == NULL)
    return vpnd_settings_new_default ();
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "the settings could not be used and were kept aside as \"%s\", and none were written since: set them anew, or put all to their defaults with \"vpnctl settings reset\"", aside);
  return NULL;
}

/**
 * vpnd_settings_store_peek:
 * @state_dirfd: the state directory
 * @error: return location for an error
 *
 * Reads the settings and changes nothing on the disk, also where the file cannot be used. For a moment when nothing may be written.
 *
 * Returns: (transfer full) (nullable): the settings, the defaults where there is no file; NULL with VPND_ERROR_STORAGE,
 *   VPND_ERROR_INVALID_JSON or VPND_ERROR_INVALID_ARGUMENT when there is one that cannot be used, VPND_ERROR_NOT_FOUND when that was kept
 *   aside and none was written since: the caller blocks the host
 */
VpndSettings *
vpnd_settings_store_peek (int state_dirfd, GError **error)
{
  return read_settings (state_dirfd, error);
}

/**
 * vpnd_settings_store_load:
 * @self: the store
 * @out_trouble: (out) (transfer full) (nullable): NULL when all is well; else one sentence on the file that cannot be used: the caller blocks
 *   the host and tells it
 *
 * Reads the settings. A file that cannot be used is kept aside as settings.json.broken-N; until settings are written again each load tells so.
 *
 * Returns: (transfer full): the settings, the defaults where there is no file that can be used
 */
VpndSettings *
vpnd_settings_store_load (VpndSettingsStore *self, char **out_trouble)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) aside_error = NULL;
  g_autoptr (VpndSettings) settings = NULL;
  g_autofree char *aside = NULL;

  g_return_val_if_fail (VPND_IS_SETTINGS_STORE (self) && out_trouble != NULL, NULL);

  *out_trouble = NULL;
  settings = read_settings (self->dirfd, &error);
  if (settings != NULL)
    return g_steal_pointer (&settings);

  if (g_error_matches (error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
    *out_trouble = g_strdup (error->message);
  else
    {
      aside = vpnd_safe_file_set_aside (self->dirfd, FILE_NAME, &aside_error);
      *out_trouble = aside != NULL ? g_strdup_printf ("%s; the file was kept aside as \"%s\"", error->message, aside) : g_strdup_printf ("%s; %s", error->message, aside_error->message);
    }
  return vpnd_settings_new_default ();
}

static JsonNode *
value_to_json (GVariant *value)
{
  JsonNode *node = json_node_alloc ();
  JsonArray *array;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return json_node_init_boolean (node, g_variant_get_boolean (value));
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return json_node_init_int (node, g_variant_get_uint32 (value));
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return json_node_init_string (node, g_variant_get_string (value, NULL));

  array = json_array_new ();
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      json_array_add_string_element (array, g_variant_get_string (child, NULL));
    }
  json_node_init_array (node, array);
  json_array_unref (array);
  return node;
}

/**
 * vpnd_settings_store_save:
 * @self: the store
 * @settings: what to store
 * @error: return location for an error
 *
 * Replaces the settings file; it is on the disk when the call returns.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_STORAGE, and the old file is as it was
 */
gboolean
vpnd_settings_store_save (VpndSettingsStore *self, VpndSettings *settings, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_alloc ();
  g_autofree char *text = NULL;
  const VpndSettingInfo *infos;
  guint n_infos;

  g_return_val_if_fail (VPND_IS_SETTINGS_STORE (self) && settings != NULL, FALSE);

  json_object_set_int_member (object, KEY_VERSION, FORMAT_VERSION);
  infos = vpnd_setting_infos (&n_infos);
  for (guint i = 0; i < n_infos; i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (vpnd_settings_get (settings, &infos[i]));

      json_object_set_member (object, infos[i].key, value_to_json (value));
    }
  json_node_init_object (node, object);
  text = vpnd_json_to_string (node, TRUE);
  return vpnd_safe_file_write (self->dirfd, FILE_NAME, text, strlen (text), VPND_SAFE_FILE_DURABLE, error);
}
