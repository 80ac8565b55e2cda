/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-store.h. What is read passes the same checks as what a user sends.
 */
#include "config.h"

#include "split-store.h"

#include "error.h"
#include "json.h"
#include "safe-file.h"

#include <string.h>
#include <unistd.h>

#define FILE_NAME "split.json"
#define FORMAT_VERSION 1
#define KEY_VERSION "version"
#define KEY_MODE "mode"
#define KEY_RULES "rules"
#define KEY_KIND "kind"
#define KEY_VALUE "value"
#define KEY_CLASS "class"
#define KEY_PROFILE "profile"
#define KEY_OWNER "owner"
#define KEY_PROGRAMS "programs"
#define KEY_CLASSES "classes"        /* by profile: those that are not called as it is */
#define MAX_BYTES (64 * 1024 * 1024) /* VPND_SPLIT_MAX_RULES with the longest paths */

struct _VpndSplitStore
{
  GObject parent_instance;

  int dirfd;
};

G_DEFINE_FINAL_TYPE (VpndSplitStore, vpnd_split_store, G_TYPE_OBJECT)

static void
vpnd_split_store_finalize (GObject *object)
{
  VpndSplitStore *self = VPND_SPLIT_STORE (object);

  if (self->dirfd >= 0)
    close (self->dirfd);
  G_OBJECT_CLASS (vpnd_split_store_parent_class)->finalize (object);
}

static void
vpnd_split_store_class_init (VpndSplitStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vpnd_split_store_finalize;
}

static void
vpnd_split_store_init (VpndSplitStore *self)
{
  self->dirfd = -1;
}

/**
 * vpnd_split_store_new:
 * @state_dirfd: the state directory; duplicated
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the store; NULL with VPND_ERROR_STORAGE
 */
VpndSplitStore *
vpnd_split_store_new (int state_dirfd, GError **error)
{
  g_autoptr (VpndSplitStore) self = g_object_new (VPND_TYPE_SPLIT_STORE, NULL);

  self->dirfd = vpnd_safe_file_dup_dir (state_dirfd, error);
  return self->dirfd >= 0 ? g_steal_pointer (&self) : NULL;
}

static VpndSplitRule *
read_own_app (JsonObject *object, VpndSplitKind kind, const char *id, VpndSplitClass class_, const char *profile, guint32 owner, GError **error)
{
  const char *programs[VPND_SPLIT_MAX_PROGRAMS + 1] = { NULL };
  JsonArray *array;

  if (!vpnd_json_get_array (object, KEY_PROGRAMS, TRUE, VPND_SPLIT_MAX_PROGRAMS, &array, error))
    return NULL;
  if (kind != VPND_SPLIT_APP)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, KEY_PROGRAMS ": only an application has them");
      return NULL;
    }
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);

      programs[i] = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
      if (programs[i] == NULL)
        {
          g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, KEY_PROGRAMS ": one of them is no text");
          return NULL;
        }
    }
  return vpnd_split_rule_new_own_app (id, programs, class_, profile, owner, error);
}

static VpndSplitRule *
read_rule (JsonNode *node, GError **error)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *kind_word, *value, *class_word, *profile = NULL;
  gint64 owner = VPND_SPLIT_OWNER_SYSTEM;
  VpndSplitKind kind;
  VpndSplitClass class_;

  if (object == NULL)
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, KEY_RULES ": a rule is no object");
  else if (!vpnd_json_get_string (object, KEY_KIND, TRUE, &kind_word, error) || !vpnd_json_get_string (object, KEY_VALUE, TRUE, &value, error) ||
      !vpnd_json_get_string (object, KEY_CLASS, TRUE, &class_word, error) ||
      (json_object_has_member (object, KEY_PROFILE) && !vpnd_json_get_string (object, KEY_PROFILE, TRUE, &profile, error)) ||
      (json_object_has_member (object, KEY_OWNER) && !vpnd_json_get_integer (object, KEY_OWNER, TRUE, 0, VPND_SPLIT_OWNER_SYSTEM - 1, &owner, error)))
    return NULL;
  else if (!vpnd_split_kind_from_string (kind_word, &kind) || !vpnd_split_class_from_string (class_word, &class_))
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, KEY_RULES ": a rule of an unknown kind or class");
  else
    return json_object_has_member (object, KEY_PROGRAMS) ? read_own_app (object, kind, value, class_, profile, (guint32) owner, error)
                                                         : vpnd_split_rule_new (kind, value, class_, profile, (guint32) owner, error);
  return NULL;
}

/* Returns: (transfer full) (nullable): what classes are called otherwise than their profiles */
static GHashTable *
read_class_names (JsonObject *object, GError **error)
{
  g_autoptr (GHashTable) names = vpnd_split_class_names_new ();
  JsonObject *classes = json_object_has_member (object, KEY_CLASSES) && JSON_NODE_HOLDS_OBJECT (json_object_get_member (object, KEY_CLASSES)) ? json_object_get_object_member (object, KEY_CLASSES) : NULL;
  g_autoptr (GList) profiles = classes != NULL ? json_object_get_members (classes) : NULL;

  if (classes == NULL && json_object_has_member (object, KEY_CLASSES))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, KEY_CLASSES ": no object");
      return NULL;
    }
  for (const GList *it = profiles; it != NULL; it = it->next)
    {
      const char *name;

      if (!vpnd_json_get_string (classes, it->data, TRUE, &name, error))
        return NULL;
      if (!vpnd_split_class_name_is_valid (name))
        {
          g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, KEY_CLASSES ": no class is called so");
          return NULL;
        }
      g_hash_table_insert (names, g_strdup (it->data), g_strdup (name));
    }
  return g_steal_pointer (&names);
}

static VpndSplitConfig *
parse_config (const char *text, gsize length, GError **error)
{
  g_autoptr (JsonObject) object = vpnd_json_parse_object_within (text, (gssize) length, MAX_BYTES, error);
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  g_autoptr (GHashTable) class_names = NULL;
  g_autoptr (VpndSplitConfig) config = NULL;
  gint64 version;
  const char *mode_word;
  VpndSplitMode mode;
  JsonArray *array;

  if (object == NULL || !vpnd_json_get_integer (object, KEY_VERSION, TRUE, FORMAT_VERSION, FORMAT_VERSION, &version, error) ||
      !vpnd_json_get_string (object, KEY_MODE, TRUE, &mode_word, error) || !vpnd_json_get_array (object, KEY_RULES, TRUE, VPND_SPLIT_MAX_RULES, &array, error))
    return NULL;
  if (!vpnd_split_mode_from_string (mode_word, &mode))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, KEY_MODE ": unknown");
      return NULL;
    }
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      VpndSplitRule *rule = read_rule (json_array_get_element (array, i), error);

      if (rule == NULL)
        return NULL;
      g_ptr_array_add (rules, rule);
    }
  class_names = read_class_names (object, error);
  config = class_names != NULL ? vpnd_split_config_new_from_rules (mode, rules, error) : NULL;
  return config != NULL ? vpnd_split_config_with_class_names (config, class_names) : NULL;
}

/**
 * vpnd_split_store_load:
 * @self: the store
 * @out_trouble: (out) (transfer full) (nullable): NULL when all is well; else one sentence on the file that cannot be used
 *
 * Reads the rules. A file that cannot be used is kept aside as split.json.broken-N, and told once: no rules is the closed state.
 *
 * Returns: (transfer full): the configuration, the empty one where there is no file that can be used
 */
VpndSplitConfig *
vpnd_split_store_load (VpndSplitStore *self, char **out_trouble)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) aside_error = NULL;
  g_autoptr (VpndSplitConfig) config = NULL;
  g_autofree char *text = NULL;
  g_autofree char *aside = NULL;
  gsize length;

  g_return_val_if_fail (VPND_IS_SPLIT_STORE (self) && out_trouble != NULL, NULL);

  *out_trouble = NULL;
  text = vpnd_safe_file_read (self->dirfd, FILE_NAME, MAX_BYTES, &length, &error);
  if (text != NULL)
    config = parse_config (text, length, &error);
  if (config != NULL)
    return g_steal_pointer (&config);
  if (text == NULL && g_error_matches (error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
    return vpnd_split_config_new ();

  aside = vpnd_safe_file_set_aside (self->dirfd, FILE_NAME, &aside_error);
  *out_trouble = g_strdup_printf ("the rules of split tunnelling could not be used, so nothing is excluded: %s; %s%s%s", error->message,
      aside != NULL ? "the file was kept aside as \"" : aside_error->message, aside != NULL ? aside : "", aside != NULL ? "\"" : "");
  return vpnd_split_config_new ();
}

static JsonArray *
programs_to_json (char **programs)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; programs[i] != NULL; i++)
    json_array_add_string_element (array, programs[i]);
  return array;
}

static JsonNode *
rule_to_json (const VpndSplitRule *rule)
{
  JsonNode *node = json_node_alloc ();
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, KEY_KIND, vpnd_split_kind_to_string (rule->kind));
  json_object_set_string_member (object, KEY_VALUE, rule->value);
  json_object_set_string_member (object, KEY_CLASS, vpnd_split_class_to_string (rule->class_));
  if (rule->profile != NULL)
    json_object_set_string_member (object, KEY_PROFILE, rule->profile);
  if (rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM)
    json_object_set_int_member (object, KEY_OWNER, rule->owner_uid);
  if (rule->programs != NULL)
    json_object_set_array_member (object, KEY_PROGRAMS, programs_to_json (rule->programs));
  return json_node_init_object (node, object);
}

static JsonObject *
class_names_to_json (GHashTable *names)
{
  JsonObject *object = json_object_new ();
  GHashTableIter iter;
  gpointer profile, name;

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &profile, &name))
    json_object_set_string_member (object, profile, name);
  return object;
}

/**
 * vpnd_split_store_save:
 * @self: the store
 * @config: what to store
 * @error: return location for an error
 *
 * Replaces the file; it is on the disk when the call returns.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_STORAGE, and the old file is as it was
 */
gboolean
vpnd_split_store_save (VpndSplitStore *self, const VpndSplitConfig *config, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_alloc ();
  JsonArray *rules = json_array_sized_new (config->rules->len);
  g_autofree char *text = NULL;

  g_return_val_if_fail (VPND_IS_SPLIT_STORE (self), FALSE);

  for (guint i = 0; i < config->rules->len; i++)
    json_array_add_element (rules, rule_to_json (g_ptr_array_index (config->rules, i)));
  json_object_set_int_member (object, KEY_VERSION, FORMAT_VERSION);
  json_object_set_string_member (object, KEY_MODE, vpnd_split_mode_to_string (config->mode));
  json_object_set_array_member (object, KEY_RULES, rules);
  if (g_hash_table_size (config->class_names) > 0)
    json_object_set_object_member (object, KEY_CLASSES, class_names_to_json (config->class_names));
  json_node_init_object (node, object);
  text = vpnd_json_to_string (node, TRUE);
  return vpnd_safe_file_write (self->dirfd, FILE_NAME, text, strlen (text), VPND_SAFE_FILE_DURABLE, error);
}
