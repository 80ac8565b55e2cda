/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of store/known-addresses.h: lines "HOST ADDRESS", the latest first. It is a convenience: a line that cannot be read is passed
 * over, and a file that cannot be written keeps nobody from connecting.
 */
#include "config.h"

#include "known-addresses.h"

#include "safe-file.h"

#include <string.h>

#define FILE_NAME "known-addresses"
#define FILE_MAX_BYTES (64 * 1024) /* some hundred names of the greatest length; older ones fall out at the end */

/* The whole lines of the file, "" without one. */
static char *
read_lines (int dirfd)
{
  gsize length;
  char *text = vpnd_safe_file_read (dirfd, FILE_NAME, FILE_MAX_BYTES, &length, NULL);

  return text != NULL ? text : g_strdup ("");
}

static gboolean
is_about (const char *line, const char *host)
{
  gsize length = strlen (host);

  return g_ascii_strncasecmp (line, host, length) == 0 && line[length] == ' ';
}

static gboolean
profile_names (const VpndProfile *profile, const char *line)
{
  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      if (peer->host != NULL && peer->endpoints->len > 0 && is_about (line, peer->host))
        return TRUE;
    }
  return FALSE;
}

static void
append_peer (GString *text, const VpndPeer *peer)
{
  for (guint i = 0; peer->host != NULL && i < peer->endpoints->len; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      g_string_append_printf (text, "%s %s\n", peer->host, vpnd_addr_format (&g_array_index (peer->endpoints, VpndEndpoint, i).addr, buffer));
    }
}

/**
 * vpnd_known_addresses_remember:
 * @dirfd: the state directory
 * @profile: a profile whose names have been looked up
 *
 * Remembers the addresses of its peers that are known by name, in place of what those names had before.
 */
void
vpnd_known_addresses_remember (int dirfd, const VpndProfile *profile)
{
  g_autofree char *before = read_lines (dirfd);
  g_auto (GStrv) lines = g_strsplit (before, "\n", -1);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < profile->peers->len; i++)
    append_peer (text, g_ptr_array_index (profile->peers, i));
  if (text->len == 0)
    return;
  for (guint i = 0; lines[i] != NULL && text->len + strlen (lines[i]) < FILE_MAX_BYTES; i++)
    if (lines[i][0] != '\0' && !profile_names (profile, lines[i]))
      g_string_append_printf (text, "%s\n", lines[i]);
  if (strcmp (text->str, before) != 0)
    (void) vpnd_safe_file_write (dirfd, FILE_NAME, text->str, text->len, VPND_SAFE_FILE_DURABLE, NULL);
}

static void
complete_peer (VpndPeer *peer, char **lines)
{
  for (guint i = 0; lines[i] != NULL; i++)
    {
      VpndEndpoint endpoint = { .port = peer->port };

      if (is_about (lines[i], peer->host) && vpnd_addr_parse (lines[i] + strlen (peer->host) + 1, &endpoint.addr) && vpnd_addr_is_unicast (&endpoint.addr))
        g_array_append_val (peer->endpoints, endpoint);
    }
}

/**
 * vpnd_known_addresses_complete:
 * @dirfd: the state directory
 * @profile: a profile
 *
 * Returns: (transfer full) (nullable): a copy in which every peer that is known by name has the addresses that the name had when it was last
 *   used; NULL when one of them is not known
 */
VpndProfile *
vpnd_known_addresses_complete (int dirfd, const VpndProfile *profile)
{
  g_autofree char *text = read_lines (dirfd);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (VpndProfile) copy = vpnd_profile_dup_named (profile, profile->name);

  for (guint i = 0; i < copy->peers->len; i++)
    {
      VpndPeer *peer = g_ptr_array_index (copy->peers, i);

      if (peer->host == NULL || peer->endpoints->len > 0)
        continue;
      complete_peer (peer, lines);
      if (peer->endpoints->len == 0)
        return NULL;
    }
  return g_steal_pointer (&copy);
}
