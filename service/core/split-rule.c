/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-rule.h. Each kind is a row of one table: its word, and the function that brings a value into its one form or says what is wrong.
 */
#include "config.h"

#include "split-rule.h"

#include "error.h"
#include "profile.h"

#include <string.h>

#define PATH_MAX_BYTES 4095  /* PATH_MAX without its end, limits.h of Linux */
#define ID_MAX_BYTES 255     /* systemd.unit(5), and the longest file name for the others */
#define DOMAIN_MAX_BYTES 253 /* RFC 1035, 2.3.4, as text without the last dot */
#define LABEL_MAX_BYTES 63

/* Returns: (transfer full) (nullable): @value in its one form; NULL with @out_why, what is wrong with it */
typedef char *(*NormalizeFunc) (const char *value, const char **out_why);

static gboolean
has_controls (const char *text)
{
  for (; *text != '\0'; text++)
    if (g_ascii_iscntrl (*text))
      return TRUE;
  return FALSE;
}

/* Two slashes, a dot or a slash at the end name the same file; ".." does not always (links), so it is refused and not resolved. */
static char *
normalize_path (const char *value, const char **out_why)
{
  g_auto (GStrv) parts = NULL;
  g_autoptr (GString) path = g_string_new (NULL);

  *out_why = value[0] != '/'               ? "it is not absolute"
      : strlen (value) > PATH_MAX_BYTES    ? "it is longer than a path may be"
      : !g_utf8_validate (value, -1, NULL) ? "it is not UTF-8"
      : has_controls (value)               ? "it has a line break or another control character in it"
                                           : NULL;
  if (*out_why != NULL)
    return NULL;
  parts = g_strsplit (value, "/", -1);
  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (strcmp (parts[i], "..") == 0)
        {
          *out_why = "it has \"..\" in it: give the path that the program really has";
          return NULL;
        }
      if (parts[i][0] != '\0' && strcmp (parts[i], ".") != 0)
        g_string_append_printf (path, "/%s", parts[i]);
    }
  if (path->len > 0)
    return g_string_free (g_steal_pointer (&path), FALSE);
  *out_why = "it is a folder";
  return NULL;
}

static gboolean
has_only (const char *text, const char *further)
{
  for (; *text != '\0'; text++)
    if (!g_ascii_isalnum (*text) && strchr (further, *text) == NULL)
      return FALSE;
  return TRUE;
}

static char *
normalize_app (const char *value, const char **out_why)
{
  const gsize length = g_str_has_suffix (value, ".desktop") ? strlen (value) - strlen (".desktop") : strlen (value);
  g_autofree char *id = g_strndup (value, length);

  *out_why = *id == '\0' || strlen (id) > ID_MAX_BYTES     ? "an id has 1 to 255 characters"
      : !has_only (id, "._-+") || *id == '.' || *id == '-' ? "an id has letters, digits, and . _ - + in it, and begins with none of . and -"
                                                           : NULL;
  return *out_why == NULL ? g_steal_pointer (&id) : NULL;
}

/* systemd.unit(5): the characters of unit names; "\\" is how systemd escapes others. */
static char *
normalize_unit (const char *value, const char **out_why)
{
  static const char *const kinds[] = { ".service", ".scope", ".slice" };
  g_autofree char *name = strchr (value, '.') == NULL ? g_strconcat (value, ".service", NULL) : g_strdup (value);
  gboolean is_known = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    is_known = is_known || (g_str_has_suffix (name, kinds[i]) && strlen (name) > strlen (kinds[i]));
  *out_why = strlen (name) > ID_MAX_BYTES                                 ? "the name of a unit has at most 255 characters"
      : !has_only (name, ":-_.\\@")                                       ? "the name of a unit has letters, digits, and : - _ . \\ @ in it"
      : !is_known                                                         ? "units with processes end in .service, .scope or .slice"
      : strcmp (name, "-.slice") == 0 || strcmp (name, "init.scope") == 0 ? "that unit is the whole system"
                                                                          : NULL;
  return *out_why == NULL ? g_steal_pointer (&name) : NULL;
}

static char *
normalize_uid (const char *value, const char **out_why)
{
  guint64 uid;

  if (g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT32 - 1, &uid, NULL)) /* (uid_t) -1 is nobody's */
    return g_strdup_printf ("%" G_GUINT64_FORMAT, uid);
  *out_why = "a uid is a number from 0 to 4294967294";
  return NULL;
}

static char *
normalize_subnet (const char *value, const char **out_why)
{
  VpndPrefix prefix;

  if (!vpnd_prefix_parse (value, &prefix))
    {
      *out_why = "it is no address and no subnet such as 203.0.113.0/24";
      return NULL;
    }
  prefix = vpnd_prefix_masked (&prefix);
  if (prefix.length == 0)
    {
      *out_why = "it is the whole internet: disconnect instead";
      return NULL;
    }
  return vpnd_prefix_to_string (&prefix);
}

static gboolean
is_label (const char *text)
{
  const gsize length = strlen (text);

  return length > 0 && length <= LABEL_MAX_BYTES && has_only (text, "-_") && text[0] != '-' && text[length - 1] != '-';
}

/* Two labels at least: the rule of a whole top domain would be a way out of the tunnel for most of the internet. */
static char *
normalize_domain (const char *value, const char **out_why)
{
  const char *name = g_str_has_prefix (value, "*.") ? value + 2 : value;
  const gsize length = g_str_has_suffix (name, ".") ? strlen (name) - 1 : strlen (name);
  g_autofree char *domain = g_ascii_strdown (name, (gssize) length);
  g_auto (GStrv) labels = g_strsplit (domain, ".", -1);
  gboolean is_name = TRUE;

  for (guint i = 0; labels[i] != NULL; i++)
    is_name = is_name && is_label (labels[i]);
  *out_why = length > DOMAIN_MAX_BYTES || !is_name ? "it is no name of a domain (names with other letters are written as xn--...)"
      : g_strv_length (labels) < 2                 ? "a top domain is too much: name a domain below it"
                                                   : NULL;
  return *out_why == NULL ? g_steal_pointer (&domain) : NULL;
}

static const struct
{
  const char *word;
  NormalizeFunc normalize;
} kinds[] = {
  [VPND_SPLIT_PATH] = { "path", normalize_path },
  [VPND_SPLIT_APP] = { "app", normalize_app },
  [VPND_SPLIT_UNIT] = { "unit", normalize_unit },
  [VPND_SPLIT_UID] = { "uid", normalize_uid },
  [VPND_SPLIT_SUBNET] = { "subnet", normalize_subnet },
  [VPND_SPLIT_DOMAIN] = { "domain", normalize_domain },
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == VPND_N_SPLIT_KINDS);

static const char *const classes[] = {
  [VPND_SPLIT_EXCLUDED] = "excluded",
  [VPND_SPLIT_INCLUDED] = "included",
  [VPND_SPLIT_BOUND] = "bound",
};
G_STATIC_ASSERT (G_N_ELEMENTS (classes) == VPND_N_SPLIT_CLASSES);

/**
 * vpnd_split_kind_to_string:
 * @kind: a kind
 *
 * Returns: its word, as in the file, on the bus and as vpnctl's option
 */
const char *
vpnd_split_kind_to_string (VpndSplitKind kind)
{
  g_return_val_if_fail (kind < VPND_N_SPLIT_KINDS, NULL);

  return kinds[kind].word;
}

/**
 * vpnd_split_kind_from_string:
 * @text: a word
 * @out_kind: (out): the kind
 *
 * Returns: FALSE when no kind has that word
 */
gboolean
vpnd_split_kind_from_string (const char *text, VpndSplitKind *out_kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].word, text) == 0)
      {
        *out_kind = (VpndSplitKind) i;
        return TRUE;
      }
  return FALSE;
}

/**
 * vpnd_split_class_to_string:
 * @class_: a class
 *
 * Returns: its word
 */
const char *
vpnd_split_class_to_string (VpndSplitClass class_)
{
  g_return_val_if_fail (class_ < VPND_N_SPLIT_CLASSES, NULL);

  return classes[class_];
}

/**
 * vpnd_split_class_dup_word:
 * @class_: a class
 * @profile: (nullable): the profile that its programs are bound to
 *
 * Returns: (transfer full): "excluded", "included" or "bound:PROFILE"
 */
char *
vpnd_split_class_dup_word (VpndSplitClass class_, const char *profile)
{
  return profile != NULL ? g_strdup_printf ("%s:%s", vpnd_split_class_to_string (class_), profile) : g_strdup (vpnd_split_class_to_string (class_));
}

/**
 * vpnd_split_class_from_string:
 * @text: a word
 * @out_class: (out): the class
 *
 * Returns: FALSE when no class has that word
 */
gboolean
vpnd_split_class_from_string (const char *text, VpndSplitClass *out_class)
{
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (strcmp (classes[i], text) == 0)
      {
        *out_class = (VpndSplitClass) i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
names_processes (VpndSplitKind kind)
{
  switch (kind)
    {
    case VPND_SPLIT_PATH:
    case VPND_SPLIT_APP:
    case VPND_SPLIT_UNIT:
      return TRUE;
    case VPND_SPLIT_UID:
    case VPND_SPLIT_SUBNET:
    case VPND_SPLIT_DOMAIN:
    case VPND_N_SPLIT_KINDS:
      break;
    }
  return FALSE;
}

/* Returns: what is wrong with @class_ and @profile for a rule of @kind, NULL when all is well */
static const char *
judge_class (VpndSplitKind kind, VpndSplitClass class_, const char *profile, guint32 owner_uid)
{
  const gboolean has_profile = profile != NULL && *profile != '\0';

  if (owner_uid != VPND_SPLIT_OWNER_SYSTEM && !names_processes (kind))
    return "it would be everybody's: only the administrator sets it, for the whole system";
  if (class_ != VPND_SPLIT_BOUND)
    return has_profile ? "a profile is named, which only goes with the class \"bound\"" : NULL;
  if (!names_processes (kind))
    return "only a path, an app or a unit can be bound to a profile";
  if (!has_profile)
    return "the class \"bound\" needs the name of a profile";
  return vpnd_profile_name_is_valid (profile) ? NULL : "no profile can have that name";
}

static void
rule_clear (VpndSplitRule *rule)
{
  g_free (rule->value);
  g_free (rule->profile);
  g_strfreev (rule->programs);
}

/**
 * vpnd_split_rule_new:
 * @kind: what @value is
 * @value: from a user or a file; in any form
 * @class_: where it puts what it names
 * @profile: (nullable): with VPND_SPLIT_BOUND, the profile's name; else NULL or ""
 * @owner_uid: whose processes it is for, or VPND_SPLIT_OWNER_SYSTEM
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the rule. Errors: VPND_ERROR_INVALID_ARGUMENT, naming the kind and what is wrong; a user's rule can only name
 *   programs, applications and units, since a uid, subnet or domain is everybody's
 */
VpndSplitRule *
vpnd_split_rule_new (VpndSplitKind kind, const char *value, VpndSplitClass class_, const char *profile, guint32 owner_uid, GError **error)
{
  g_autoptr (VpndSplitRule) rule = g_rc_box_new0 (VpndSplitRule);
  const char *why;

  g_return_val_if_fail (kind < VPND_N_SPLIT_KINDS && class_ < VPND_N_SPLIT_CLASSES, NULL);

  rule->kind = kind;
  rule->class_ = class_;
  rule->owner_uid = owner_uid;
  why = judge_class (kind, class_, profile, owner_uid);
  if (why == NULL)
    rule->value = kinds[kind].normalize (value, &why);
  if (rule->value != NULL)
    {
      rule->profile = class_ == VPND_SPLIT_BOUND ? g_strdup (profile) : NULL;
      return g_steal_pointer (&rule);
    }
  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: %s", kinds[kind].word, why);
  return NULL;
}

static gint
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Returns: (transfer full) (nullable): @programs, each in its one form and once; NULL with @out_why */
static char **
normalize_programs (const char *const *programs, const char **out_why)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  gsize n_bytes = 0;

  *out_why = NULL;
  for (guint i = 0; programs[i] != NULL && *out_why == NULL; i++)
    {
      g_autofree char *path = normalize_path (programs[i], out_why);

      if (path == NULL || g_ptr_array_find_with_equal_func (paths, path, g_str_equal, NULL))
        continue;
      n_bytes += strlen (path);
      if (paths->len == VPND_SPLIT_MAX_PROGRAMS || n_bytes > PATH_MAX_BYTES)
        *out_why = "there are more than eight, or their paths have more than 4095 characters together";
      g_ptr_array_add (paths, g_steal_pointer (&path));
    }
  if (*out_why != NULL)
    return NULL;
  g_ptr_array_sort (paths, compare_paths);
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&paths), FALSE);
}

/**
 * vpnd_split_rule_new_own_app:
 * @id: of the application; in any form
 * @programs: (array zero-terminated=1): absolute paths of what it starts, in any form; may be empty
 * @class_: where it puts what it names
 * @profile: (nullable): as of vpnd_split_rule_new ()
 * @owner_uid: whose processes it is for, and who says what the application starts
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the rule for an application of the user's own. Errors: VPND_ERROR_INVALID_ARGUMENT; a rule of the system has none
 */
VpndSplitRule *
vpnd_split_rule_new_own_app (const char *id, const char *const *programs, VpndSplitClass class_, const char *profile, guint32 owner_uid, GError **error)
{
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_APP, id, class_, profile, owner_uid, error);
  const char *why = "they are for a user to tell, of applications of the user's own";

  if (rule != NULL && owner_uid != VPND_SPLIT_OWNER_SYSTEM)
    rule->programs = normalize_programs (programs, &why);
  if (rule == NULL || rule->programs != NULL)
    return g_steal_pointer (&rule);
  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "programs: %s", why);
  return NULL;
}

/**
 * vpnd_split_rule_dup_bound_to:
 * @rule: a rule that is bound to a profile
 * @profile: name of another
 *
 * Returns: (transfer full): the same rule, bound to @profile
 */
VpndSplitRule *
vpnd_split_rule_dup_bound_to (const VpndSplitRule *rule, const char *profile)
{
  VpndSplitRule *copy = g_rc_box_new0 (VpndSplitRule);

  g_assert (rule->class_ == VPND_SPLIT_BOUND);
  *copy = *rule;
  copy->value = g_strdup (rule->value);
  copy->profile = g_strdup (profile);
  copy->programs = g_strdupv (rule->programs);
  return copy;
}

/**
 * vpnd_split_rule_ref:
 * @rule: a rule
 *
 * Returns: (transfer full): the same one
 */
VpndSplitRule *
vpnd_split_rule_ref (VpndSplitRule *rule)
{
  return g_rc_box_acquire (rule);
}

/**
 * vpnd_split_rule_unref:
 * @rule: (transfer full): a rule
 */
void
vpnd_split_rule_unref (VpndSplitRule *rule)
{
  g_rc_box_release_full (rule, (GDestroyNotify) rule_clear);
}

/**
 * vpnd_split_rule_equal:
 * @a: a rule
 * @b: another
 *
 * Returns: whether they are the same in everything
 */
gboolean
vpnd_split_rule_equal (const VpndSplitRule *a, const VpndSplitRule *b)
{
  const gboolean has_programs = a->programs != NULL && b->programs != NULL;

  if (vpnd_split_rule_compare (a, b) != 0 || a->class_ != b->class_ || g_strcmp0 (a->profile, b->profile) != 0)
    return FALSE;
  return has_programs ? g_strv_equal ((const char *const *) a->programs, (const char *const *) b->programs) : a->programs == b->programs;
}

/**
 * vpnd_split_rule_compare:
 * @a: a rule
 * @b: another
 *
 * The order of lists; the class does not count, since one thing of one owner is in one class.
 *
 * Returns: below, at or above 0
 */
gint
vpnd_split_rule_compare (const VpndSplitRule *a, const VpndSplitRule *b)
{
  if (a->owner_uid != b->owner_uid)
    return a->owner_uid < b->owner_uid ? -1 : 1; /* the system's last */
  if (a->kind != b->kind)
    return a->kind < b->kind ? -1 : 1;
  return strcmp (a->value, b->value);
}

/**
 * vpnd_split_merge_subnets:
 * @subnets: (element-type VpndPrefix): in any order, masked, possibly one inside another
 *
 * An interval set of nftables refuses elements that overlap.
 *
 * Returns: (transfer full) (element-type VpndPrefix): the same addresses, sorted, without any prefix inside another
 */
GArray *
vpnd_split_merge_subnets (GArray *subnets)
{
  g_autoptr (GArray) sorted = g_array_copy (subnets);
  GArray *merged = g_array_new (FALSE, FALSE, sizeof (VpndPrefix));

  g_array_sort (sorted, (GCompareFunc) vpnd_prefix_compare);
  for (guint i = 0; i < sorted->len; i++)
    {
      const VpndPrefix *prefix = &g_array_index (sorted, VpndPrefix, i);
      const VpndPrefix *last = merged->len > 0 ? &g_array_index (merged, VpndPrefix, merged->len - 1) : NULL;

      /* Sorted by address, then length: what contains another comes right before all that it contains. */
      if (last == NULL || last->addr.family != prefix->addr.family || last->length > prefix->length || !vpnd_prefix_contains (last, &prefix->addr))
        g_array_append_val (merged, *prefix);
    }
  return merged;
}
