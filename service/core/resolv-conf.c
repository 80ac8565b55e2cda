/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decisions of core/resolv-conf.h.
 */
#include "config.h"

#include "resolv-conf.h"

#include <string.h>

#define HEADER "# Written by vpnd while the VPN is up; what was here before comes back when it ends.\n"

/* The files of systemd-resolved(8), section "/etc/resolv.conf". */
static const char *const resolved_files[] = {
  "/run/systemd/resolve/stub-resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/usr/lib/systemd/resolv.conf",
  "/lib/systemd/resolv.conf",
};

/* Its stub listeners: with and without its own processing. */
static const char *const resolved_stubs[] = { "127.0.0.53", "127.0.0.54" };

/* The words of one line; empty for a comment. "#" and ";" start one in the first column only (resolv.conf(5)). */
static char **
split_line (const char *line)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) words = g_strsplit_set (line[0] == '#' || line[0] == ';' ? "" : line, " \t\r", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (words[i][0] != '\0')
      g_strv_builder_add (builder, words[i]);
  return g_strv_builder_end (builder);
}

/**
 * vpnd_resolv_conf_print:
 * @plan: a plan that is not empty
 * @before: (nullable): the text of before, whose "options" and "sortlist" stay
 *
 * Returns: (transfer full): the text that makes @plan the host's DNS
 */
char *
vpnd_resolv_conf_print (const VpndDnsPlan *plan, const char *before)
{
  GString *text = g_string_new (HEADER);
  g_auto (GStrv) lines = g_strsplit (before != NULL ? before : "", "\n", -1);

  for (guint i = 0; i < plan->servers->len; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      g_string_append_printf (text, "nameserver %s\n", vpnd_addr_format (&g_array_index (plan->servers, VpndAddr, i), buffer));
    }
  for (guint i = 0; i < plan->search->len; i++)
    g_string_append_printf (text, "%s %s", i == 0 ? "search" : "", (const char *) g_ptr_array_index (plan->search, i));
  if (plan->search->len > 0)
    g_string_append_c (text, '\n');

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = split_line (lines[i]);
      g_autofree char *line = g_strjoinv (" ", words);

      if (words[0] != NULL && (strcmp (words[0], "options") == 0 || strcmp (words[0], "sortlist") == 0))
        g_string_append_printf (text, "%s\n", line);
    }
  return g_string_free (text, FALSE);
}

/**
 * vpnd_resolv_conf_is_ours:
 * @text: bytes of a file, which may hold anything
 * @length: how many
 *
 * Returns: TRUE when vpnd_resolv_conf_print () wrote them, or somebody edited what it wrote
 */
gboolean
vpnd_resolv_conf_is_ours (const char *text, gsize length)
{
  return length >= strlen (HEADER) && memcmp (text, HEADER, strlen (HEADER)) == 0;
}

static gboolean
contains (const char *const *strings, gsize n_strings, const char *string)
{
  for (gsize i = 0; i < n_strings; i++)
    if (strcmp (strings[i], string) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
links_to_resolved (const char *target)
{
  g_autofree char *absolute = g_canonicalize_filename (target, "/etc");
  const char *path = absolute;

  if (g_str_has_prefix (path, "/var/run/")) /* a link to /run everywhere */
    path += strlen ("/var");
  return contains (resolved_files, G_N_ELEMENTS (resolved_files), path);
}

/* Whether there are servers, and all are stubs of systemd-resolved. */
static gboolean
lists_only_stubs (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean is_found = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = split_line (lines[i]);

      if (words[0] == NULL || words[1] == NULL || strcmp (words[0], "nameserver") != 0)
        continue;
      if (!contains (resolved_stubs, G_N_ELEMENTS (resolved_stubs), words[1]))
        return FALSE;
      is_found = TRUE;
    }
  return is_found;
}

/**
 * vpnd_dns_owner_decide:
 * @facts: what was found on the host
 *
 * Decides who is to be told. That systemd-resolved runs is not enough: programs must be sent to it by /etc/resolv.conf, else telling
 * it changes nothing for them.
 *
 * Returns: the owner
 */
VpndDnsOwner
vpnd_dns_owner_decide (const VpndDnsFacts *facts)
{
  if (!facts->resolved_available)
    return VPND_DNS_OWNER_FILE;
  if (facts->link_target != NULL && links_to_resolved (facts->link_target))
    return VPND_DNS_OWNER_RESOLVED;
  if (facts->text != NULL && lists_only_stubs (facts->text))
    return VPND_DNS_OWNER_RESOLVED;
  return VPND_DNS_OWNER_FILE;
}
