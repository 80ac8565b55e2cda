/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The values of core/global-dns.h. Their form is that of the D-Bus interface org.freedesktop.NetworkManager, property GlobalDnsConfiguration:
 * "searches" (as), "options" (as), "domains" (a{sv}) of a{sv} with "servers" (as); the domain "*" is every name that no other one fits.
 */
#include "config.h"

#include "global-dns.h"

#include <string.h>

#define NOTE_MAGIC "vpnd global dns 1"
#define NOTE_TYPE "(sa{sv}a{sv}ay)"
#define DEPTH_MAX 4 /* the form has three levels */

/**
 * vpnd_global_dns_build:
 * @plan: a plan that is not empty
 * @before: a{sv}, the configuration so far, whose "options" stay
 *
 * Every name goes to the servers of @plan, so a domain "for routing only" says nothing more and is left out.
 *
 * Returns: (transfer full): a{sv}
 */
GVariant *
vpnd_global_dns_build (const VpndDnsPlan *plan, GVariant *before)
{
  g_autoptr (GVariant) options = g_variant_lookup_value (before, "options", G_VARIANT_TYPE_STRING_ARRAY);
  GVariantBuilder builder, servers, searches, all, domains;

  g_variant_builder_init (&servers, G_VARIANT_TYPE_STRING_ARRAY);
  g_variant_builder_init (&searches, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < plan->servers->len; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      g_variant_builder_add (&servers, "s", vpnd_addr_format (&g_array_index (plan->servers, VpndAddr, i), buffer));
    }
  for (guint i = 0; i < plan->search->len; i++)
    if (((const char *) g_ptr_array_index (plan->search, i))[0] != '~')
      g_variant_builder_add (&searches, "s", g_ptr_array_index (plan->search, i));

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "searches", g_variant_builder_end (&searches));
  if (options != NULL)
    g_variant_builder_add (&builder, "{sv}", "options", options);
  g_variant_builder_init (&all, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&all, "{sv}", "servers", g_variant_builder_end (&servers));
  g_variant_builder_init (&domains, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&domains, "{sv}", "*", g_variant_builder_end (&all));
  g_variant_builder_add (&builder, "{sv}", "domains", g_variant_builder_end (&domains));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* An empty list says as much as none: NetworkManager leaves it out. */
static gboolean
says_nothing (GVariant *value)
{
  return g_variant_is_container (value) && g_variant_n_children (value) == 0;
}

static gboolean is_within (GVariant *a, GVariant *b, guint depth);

static gboolean
value_equal (GVariant *a, GVariant *b, guint depth)
{
  if (g_variant_is_of_type (a, G_VARIANT_TYPE_VARDICT) && g_variant_is_of_type (b, G_VARIANT_TYPE_VARDICT))
    return depth < DEPTH_MAX && is_within (a, b, depth + 1) && is_within (b, a, depth + 1);
  return g_variant_equal (a, b);
}

/* Whether all that @a says, @b says, too. */
static gboolean
is_within (GVariant *a, GVariant *b, guint depth)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  gboolean is_same = TRUE;

  g_variant_iter_init (&iter, a);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) mine = value;
      g_autoptr (GVariant) other = g_variant_lookup_value (b, key, NULL);

      is_same = is_same && (other != NULL ? value_equal (mine, other, depth) : says_nothing (mine));
    }
  return is_same;
}

/**
 * vpnd_global_dns_equal:
 * @a: a{sv}
 * @b: a{sv}
 *
 * Returns: TRUE when both say the same, in whatever order and whether an empty list is written out or not
 */
gboolean
vpnd_global_dns_equal (GVariant *a, GVariant *b)
{
  return value_equal (a, b, 0);
}

/**
 * vpnd_global_dns_note_to_bytes:
 * @note: a note
 *
 * Returns: (transfer full): all of it as bytes
 */
GBytes *
vpnd_global_dns_note_to_bytes (const VpndGlobalDnsNote *note)
{
  GVariant *file = g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, note->file, TRUE);
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(s@a{sv}@a{sv}@ay)", NOTE_MAGIC, note->before, note->ours, file));

  return g_variant_get_data_as_bytes (value);
}

/**
 * vpnd_global_dns_note_from_bytes:
 * @bytes: what vpnd_global_dns_note_to_bytes () made
 *
 * Returns: (transfer full) (nullable): the note; NULL when @bytes are something else
 */
VpndGlobalDnsNote *
vpnd_global_dns_note_from_bytes (GBytes *bytes)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (NOTE_TYPE), bytes, FALSE));
  g_autoptr (GVariant) file = NULL;
  VpndGlobalDnsNote *note;
  const char *magic;

  if (!g_variant_is_normal_form (value))
    return NULL;
  g_variant_get_child (value, 0, "&s", &magic);
  if (strcmp (magic, NOTE_MAGIC) != 0)
    return NULL;

  note = g_new0 (VpndGlobalDnsNote, 1);
  note->before = g_variant_get_child_value (value, 1);
  note->ours = g_variant_get_child_value (value, 2);
  file = g_variant_get_child_value (value, 3);
  note->file = g_variant_get_data_as_bytes (file);
  return note;
}

/**
 * vpnd_global_dns_note_free:
 * @note: (transfer full) (nullable): a note, which may be half built
 */
void
vpnd_global_dns_note_free (VpndGlobalDnsNote *note)
{
  if (note == NULL)
    return;

  g_clear_pointer (&note->before, g_variant_unref);
  g_clear_pointer (&note->ours, g_variant_unref);
  g_clear_pointer (&note->file, g_bytes_unref);
  g_free (note);
}
