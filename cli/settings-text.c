/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys and types come from the properties themselves, so a setting newer than this program works too; only its description is missing.
 */
#include "config.h"

#include "settings-text.h"

#include <glib/gi18n.h>

#include "failure.h"

typedef struct
{
  const char *key;
  const char *description;
} Description;

static const Description descriptions[] = {
  { "lockdown", N_ ("block the network also while disconnected (on, off)") },
  { "auto-connect", N_ ("connect when vpnd starts (on, off)") },
  { "auto-connect-profile", N_ ("the profile for that; empty for the last one used") },
  { "allow-lan", N_ ("allow the local network outside the tunnel (on, off)") },
  { "ipv6", N_ ("use IPv6 in the tunnel where the profile has it (on, off)") },
  { "mtu", N_ ("MTU of the tunnel, 1280 to 65535; 0 for automatic") },
  { "dns-servers", N_ ("name servers instead of the profile's; empty for those") },
  { "dns-resolver-uid", N_ ("user number of a resolver on this host; 0 for none") },
  { "api-endpoints", N_ ("services that root reaches outside the tunnel while not connected") },
  { "forward", N_ ("links of guests as name=tunnel, name=direct or name=block") },
  { "crash-recovery", N_ ("after a crash of vpnd: block, reconnect, release") },
  { "backend", N_ ("which WireGuard: auto, kernel, userspace") },
  { "destroy-sockets", N_ ("end connections of before when connecting (on, off)") },
};

/**
 * vpnd_settings_text_key:
 * @property: name of a property, in CamelCase
 *
 * Returns: (transfer full): it in kebab-case
 */
char *
vpnd_settings_text_key (const char *property)
{
  GString *key = g_string_new (NULL);

  for (const char *p = property; *p != '\0'; p++)
    {
      if (g_ascii_isupper (*p) && p != property)
        g_string_append_c (key, '-');
      g_string_append_c (key, g_ascii_tolower (*p));
    }
  return g_string_free (key, FALSE);
}

/**
 * vpnd_settings_text_description:
 * @key: a key
 *
 * Returns: (transfer none): a few words on it, translated; "" for a key that this version does not know
 */
const char *
vpnd_settings_text_description (const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (descriptions); i++)
    if (g_str_equal (descriptions[i].key, key))
      return _ (descriptions[i].description);
  return "";
}

/**
 * vpnd_settings_text_print:
 * @value: a value
 *
 * Returns: (transfer full): it as "settings set" takes it
 */
char *
vpnd_settings_text_print (GVariant *value)
{
  g_autofree const char **words = NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_strdup (g_variant_get_boolean (value) ? "on" : "off");
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    {
      words = g_variant_get_strv (value, NULL);
      return g_strjoinv (",", (char **) words);
    }
  return g_variant_print (value, FALSE);
}

static GVariant *
parse_boolean (const char *word)
{
  static const char *const yes[] = { "on", "true", "yes", "1", NULL };
  static const char *const no[] = { "off", "false", "no", "0", NULL };

  if (g_strv_contains (yes, word))
    return g_variant_new_boolean (TRUE);
  if (g_strv_contains (no, word))
    return g_variant_new_boolean (FALSE);
  return NULL;
}

/* Words separated by commas or given one by one; empty ones do not count. */
static GVariant *
parse_list (const char *const *words)
{
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();
  g_auto (GStrv) values = NULL;

  for (guint i = 0; words[i] != NULL; i++)
    {
      g_auto (GStrv) parts = g_strsplit (words[i], ",", -1);

      for (guint j = 0; parts[j] != NULL; j++)
        if (*g_strstrip (parts[j]) != '\0')
          g_strv_builder_add (list, parts[j]);
    }
  values = g_strv_builder_end (list);
  return g_variant_new_strv ((const char *const *) values, -1);
}

/**
 * vpnd_settings_text_parse:
 * @key: for the message
 * @type: the type of the setting
 * @words: (array zero-terminated=1): what was typed after the key; several only for a list
 * @error: return location
 *
 * Returns: (transfer floating): the value; %NULL with %VPND_CLI_ERROR_USAGE. Ranges are judged by vpnd.
 */
GVariant *
vpnd_settings_text_parse (const char *key, const GVariantType *type, const char *const *words, GError **error)
{
  GVariant *value;
  guint64 number;

  if (g_variant_type_equal (type, G_VARIANT_TYPE_STRING_ARRAY))
    return parse_list (words);
  if (words[0] == NULL || words[1] != NULL)
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("%s takes exactly one value"), key);
      return NULL;
    }
  if (g_variant_type_equal (type, G_VARIANT_TYPE_STRING))
    return g_variant_new_string (words[0]);
  if (g_variant_type_equal (type, G_VARIANT_TYPE_UINT32) && g_ascii_string_to_unsigned (words[0], 10, 0, G_MAXUINT32, &number, NULL))
    return g_variant_new_uint32 ((guint32) number);
  value = g_variant_type_equal (type, G_VARIANT_TYPE_BOOLEAN) ? parse_boolean (words[0]) : NULL;
  if (value == NULL)
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("%s cannot be \"%s\""), key, words[0]);
      vpnd_failure_add_hint (error, "%s", g_variant_type_equal (type, G_VARIANT_TYPE_BOOLEAN) ? _ ("It is on or off.") : _ ("It is a whole number."));
    }
  return value;
}
