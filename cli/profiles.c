/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All of it from Profiles.List and the properties; nothing is remembered here.
 */
#include "config.h"

#include "profiles.h"

#include <glib/gi18n.h>

#include "failure.h"
#include "names.h"
#include "suggest.h"

/**
 * vpnd_profiles_list:
 * @client: a client
 * @error: return location
 *
 * Returns: (transfer full): aa{sv}, sorted by name
 */
GVariant *
vpnd_profiles_list (VpndClient *client, GError **error)
{
  g_autoptr (GVariant) reply = vpnd_client_call (client, VPND_INTERFACE_PROFILES, "List", NULL, "(aa{sv})", error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static char **
profile_names (GVariant *profiles)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (gsize i = 0; i < g_variant_n_children (profiles); i++)
    {
      g_autoptr (GVariant) profile = g_variant_get_child_value (profiles, i);
      const char *name;

      if (g_variant_lookup (profile, "name", "&s", &name))
        g_strv_builder_add (names, name);
    }
  return g_strv_builder_end (names);
}

/* The value of a string property if it names something. */
static char *
named_by (VpndClient *client, const char *interface, const char *property, GError **error)
{
  g_autoptr (GVariant) properties = vpnd_client_get_all (client, interface, error);
  const char *name = "";

  if (properties == NULL)
    return NULL;
  (void) g_variant_lookup (properties, property, "&s", &name); /* absent counts as "" */
  return g_strdup (name);
}

/**
 * vpnd_profiles_choose:
 * @client: a client
 * @error: return location
 *
 * Which profile "connect" without a name means: the one in use, else the one of auto-connect, else the only one.
 *
 * Returns: (transfer full): its name; %NULL with %VPND_CLI_ERROR_USAGE or %VPND_ERROR_NOT_FOUND
 */
char *
vpnd_profiles_choose (VpndClient *client, GError **error)
{
  g_autofree char *in_use = named_by (client, VPND_INTERFACE_DAEMON, "Profile", error);
  g_autofree char *automatic = in_use != NULL && *in_use == '\0' ? named_by (client, VPND_INTERFACE_SETTINGS, "AutoConnectProfile", error) : NULL;
  g_autoptr (GVariant) profiles = NULL;
  g_auto (GStrv) names = NULL;
  g_autofree char *joined = NULL;

  if (in_use == NULL || (*in_use == '\0' && automatic == NULL))
    return NULL;
  if (*in_use != '\0')
    return g_steal_pointer (&in_use);
  if (*automatic != '\0')
    return g_steal_pointer (&automatic);

  profiles = vpnd_profiles_list (client, error);
  if (profiles == NULL)
    return NULL;
  names = profile_names (profiles);
  if (g_strv_length (names) == 1)
    return g_strdup (names[0]);
  if (names[0] == NULL)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, _ ("no profile is stored"));
      vpnd_failure_add_hint (error, "%s", _ ("Import a WireGuard configuration first: vpnctl import FILE.conf"));
      return NULL;
    }
  joined = g_strjoinv (", ", names);
  g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("which profile? There are several"));
  vpnd_failure_add_hint (error, _ ("Name one of: %s"), joined);
  return NULL;
}

/**
 * vpnd_profiles_explain_missing:
 * @client: a client
 * @name: the name that was asked for
 * @error: (inout) (nullable): the error of the request
 *
 * If @error says that there is no such profile, adds the nearest name or all of them.
 */
void
vpnd_profiles_explain_missing (VpndClient *client, const char *name, GError **error)
{
  g_autoptr (GVariant) profiles = NULL;
  g_auto (GStrv) names = NULL;
  g_autofree char *joined = NULL;
  const char *near;

  if (error == NULL || !vpnd_failure_is (*error, VPND_ERROR_NOT_FOUND))
    return;
  profiles = vpnd_profiles_list (client, NULL);
  if (profiles == NULL)
    return;
  names = profile_names (profiles);
  near = vpnd_suggest (name, (const char *const *) names);
  joined = g_strjoinv (", ", names);
  if (near != NULL)
    vpnd_failure_add_hint (error, _ ("Did you mean %s?"), near);
  if (names[0] != NULL)
    vpnd_failure_add_hint (error, _ ("Stored profiles: %s"), joined);
  else
    vpnd_failure_add_hint (error, "%s", _ ("No profile is stored. To import one: vpnctl import FILE.conf"));
}

/**
 * vpnd_profiles_explain_change:
 * @client: (nullable): a client
 * @name: the profile that was to be renamed or removed
 * @error: (inout) (nullable): the error of the request
 *
 * Adds what can be done: about one that is not stored as vpnd_profiles_explain_missing(), and about one that is in use.
 */
void
vpnd_profiles_explain_change (VpndClient *client, const char *name, GError **error)
{
  g_autofree char *in_use = NULL;

  if (client == NULL || error == NULL)
    return;
  vpnd_profiles_explain_missing (client, name, error);
  if (!vpnd_failure_is (*error, VPND_ERROR_EXISTS))
    return;
  in_use = named_by (client, VPND_INTERFACE_DAEMON, "Profile", NULL);
  if (g_strcmp0 (in_use, name) == 0)
    vpnd_failure_add_hint (error, "%s", _ ("To disconnect: vpnctl disconnect"));
}

/**
 * vpnd_profiles_find:
 * @client: a client
 * @name: name of a profile
 * @error: return location
 *
 * Returns: (transfer full): its a{sv} of List; %NULL with %VPND_ERROR_NOT_FOUND, explained
 */
GVariant *
vpnd_profiles_find (VpndClient *client, const char *name, GError **error)
{
  g_autoptr (GVariant) profiles = vpnd_profiles_list (client, error);

  if (profiles == NULL)
    return NULL;
  for (gsize i = 0; i < g_variant_n_children (profiles); i++)
    {
      g_autoptr (GVariant) profile = g_variant_get_child_value (profiles, i);
      const char *found;

      if (g_variant_lookup (profile, "name", "&s", &found) && g_str_equal (found, name))
        return g_steal_pointer (&profile);
    }
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, _ ("no profile named \"%s\""), name);
  vpnd_profiles_explain_missing (client, name, error);
  return NULL;
}

/**
 * vpnd_profiles_describe_bridge:
 * @profile: a{sv} of List
 *
 * Returns: (transfer full) (nullable): its bridge and the proxy that goes there; %NULL without one
 */
char *
vpnd_profiles_describe_bridge (GVariant *profile)
{
  const char *bridge = "";
  guint32 local_port = 0, uid = 0;

  if (!g_variant_lookup (profile, "bridge", "&s", &bridge) || *bridge == '\0')
    return NULL;
  (void) g_variant_lookup (profile, "bridgeLocalPort", "u", &local_port); /* documented to be there with it */
  (void) g_variant_lookup (profile, "bridgeUser", "u", &uid);
  if (uid != 0)
    return g_strdup_printf (_ ("%s by 127.0.0.1:%u, user %u"), bridge, local_port, uid);
  return g_strdup_printf (_ ("%s by 127.0.0.1:%u"), bridge, local_port);
}
