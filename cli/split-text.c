/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-text.h. The words of the interface stay as they are where scripts may read them; beside them stands what they mean.
 */
#include "config.h"

#include "split-text.h"

#include <glib/gi18n.h>
#include <pwd.h>
#include <string.h>

/**
 * vpnd_split_text_get:
 * @dictionary: a{sv} of org.vpnd1.SplitTunnel
 * @key: a key of it
 *
 * Returns: (transfer none): the text there; "" when there is none
 */
const char *
vpnd_split_text_get (GVariant *dictionary, const char *key)
{
  const char *value = "";

  (void) g_variant_lookup (dictionary, key, "&s", &value); /* absent: "" */
  return value;
}

/**
 * vpnd_split_text_get_owner:
 * @rule: an element of List
 *
 * Returns: whose rule it is
 */
guint32
vpnd_split_text_get_owner (GVariant *rule)
{
  guint32 owner = VPND_SPLIT_TEXT_EVERYBODY;

  (void) g_variant_lookup (rule, "owner", "u", &owner); /* absent: everybody's */
  return owner;
}

/**
 * vpnd_split_text_rule:
 * @kind: of a rule
 * @value: of that rule
 *
 * Returns: (transfer full): "path /usr/bin/env"
 */
char *
vpnd_split_text_rule (const char *kind, const char *value)
{
  return g_strdup_printf ("%s %s", kind, value);
}

/**
 * vpnd_split_text_reason:
 * @word: why a process is in a class: "kind:value" of a rule, or a word
 *
 * Returns: (transfer full): the rule as vpnd_split_text_rule() has it; a word as it is
 */
char *
vpnd_split_text_reason (const char *word)
{
  const char *colon = strchr (word, ':');
  g_autofree char *kind = colon != NULL ? g_strndup (word, (gsize) (colon - word)) : NULL;

  return kind != NULL ? vpnd_split_text_rule (kind, colon + 1) : g_strdup (word);
}

/**
 * vpnd_split_text_class:
 * @word: "excluded", "included", "bound" or "bound:PROFILE"
 *
 * Returns: (transfer none): where what is in it goes, translated; @word itself for one that this version does not know
 */
const char *
vpnd_split_text_class (const char *word)
{
  if (g_str_equal (word, "excluded"))
    return _ ("beside the tunnel");
  if (g_str_equal (word, "included"))
    return _ ("in the tunnel only");
  if (g_str_has_prefix (word, "bound"))
    return _ ("in the tunnel of its profile only");
  return word;
}

/**
 * vpnd_split_text_user:
 * @uid: a user
 *
 * Returns: (transfer full): the name, or the number of one that has no name here
 */
char *
vpnd_split_text_user (guint32 uid)
{
  const struct passwd *entry = getpwuid (uid);

  return entry != NULL ? g_strdup (entry->pw_name) : g_strdup_printf ("%u", uid);
}
