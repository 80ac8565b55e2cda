/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of settings and the value that it describes. A setting is one row of infos, one row of fields and one member
 * of VpndSettings; reading, writing and validating follow from the row. Never reads or writes a file.
 */
#include "config.h"

#include "settings.h"

#include "error.h"
#include "profile.h"
#include "reserved.h"

#include <string.h>

#define MTU_MIN 1280 /* RFC 8200, 5: the least that carries IPv6 */
#define MTU_MAX 65535
#define DNS_SERVERS_MAX 8    /* resolv.conf(5) heeds three; more only serve a resolver of the host */
#define UID_NOBODY 65534     /* proc(5), overflowuid: who has no number of his own */
#define API_ENDPOINTS_MAX 16 /* each is a hole; a longer list is a mistake */
#define FORWARD_MAX 32       /* no host has so many kinds of guests; a longer list is a mistake */

static const char *const crash_recovery_words[] = {
  [VPND_CRASH_RECOVERY_BLOCK] = "block",
  [VPND_CRASH_RECOVERY_RECONNECT] = "reconnect",
  [VPND_CRASH_RECOVERY_RELEASE] = "release",
  NULL,
};

static const char *const backend_words[] = {
  [VPND_BACKEND_AUTO] = "auto",
  [VPND_BACKEND_KERNEL] = "kernel",
  [VPND_BACKEND_USERSPACE] = "userspace",
  NULL,
};

static const char *const forward_words[] = {
  [VPND_FORWARD_TUNNEL] = "tunnel",
  [VPND_FORWARD_DIRECT] = "direct",
  [VPND_FORWARD_BLOCK] = "block",
};

static const VpndSettingInfo infos[] = {
  { "lockdown", "Lockdown", "b", NULL },
  { "auto-connect", "AutoConnect", "b", NULL },
  { "auto-connect-profile", "AutoConnectProfile", "s", NULL },
  { "allow-lan", "AllowLan", "b", NULL },
  { "ipv6", "Ipv6", "b", NULL },
  { "mtu", "Mtu", "u", NULL },
  { "dns-servers", "DnsServers", "as", NULL },
  { "dns-resolver-uid", "DnsResolverUid", "u", NULL },
  { "api-endpoints", "ApiEndpoints", "as", NULL },
  { "forward", "Forward", "as", NULL },
  { "crash-recovery", "CrashRecovery", "s", crash_recovery_words },
  { "backend", "Backend", "s", backend_words },
  { "destroy-sockets", "DestroySockets", "b", NULL },
};

/* Where the value of the row of the same index in infos stands. */
static const gsize field_offsets[] = {
  G_STRUCT_OFFSET (VpndSettings, lockdown),
  G_STRUCT_OFFSET (VpndSettings, auto_connect),
  G_STRUCT_OFFSET (VpndSettings, auto_connect_profile),
  G_STRUCT_OFFSET (VpndSettings, allow_lan),
  G_STRUCT_OFFSET (VpndSettings, ipv6),
  G_STRUCT_OFFSET (VpndSettings, mtu),
  G_STRUCT_OFFSET (VpndSettings, dns_servers),
  G_STRUCT_OFFSET (VpndSettings, dns_resolver_uid),
  G_STRUCT_OFFSET (VpndSettings, api_endpoints),
  G_STRUCT_OFFSET (VpndSettings, forward),
  G_STRUCT_OFFSET (VpndSettings, crash_recovery),
  G_STRUCT_OFFSET (VpndSettings, backend),
  G_STRUCT_OFFSET (VpndSettings, destroy_sockets),
};
G_STATIC_ASSERT (G_N_ELEMENTS (infos) == G_N_ELEMENTS (field_offsets));
G_STATIC_ASSERT (sizeof (VpndCrashRecovery) == sizeof (guint32) && sizeof (VpndBackend) == sizeof (guint32));

/**
 * vpnd_setting_infos:
 * @out_n: (out): number of settings
 *
 * Returns: (transfer none) (array length=out_n): the table of all settings
 */
const VpndSettingInfo *
vpnd_setting_infos (guint *out_n)
{
  g_return_val_if_fail (out_n != NULL, NULL);

  *out_n = G_N_ELEMENTS (infos);
  return infos;
}

/**
 * vpnd_setting_info_by_key:
 * @key: a key of the settings file
 *
 * Returns: (transfer none) (nullable): its row
 */
const VpndSettingInfo *
vpnd_setting_info_by_key (const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    if (strcmp (infos[i].key, key) == 0)
      return &infos[i];
  return NULL;
}

/**
 * vpnd_setting_info_by_property:
 * @property: a D-Bus property of org.vpnd1.Settings
 *
 * Returns: (transfer none) (nullable): its row
 */
const VpndSettingInfo *
vpnd_setting_info_by_property (const char *property)
{
  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    if (strcmp (infos[i].property, property) == 0)
      return &infos[i];
  return NULL;
}

/**
 * vpnd_settings_new_default:
 *
 * Returns: (transfer full): the settings of a fresh installation
 */
VpndSettings *
vpnd_settings_new_default (void)
{
  VpndSettings *settings = g_new0 (VpndSettings, 1);

  g_atomic_ref_count_init (&settings->ref_count);
  settings->auto_connect_profile = g_strdup ("");
  settings->ipv6 = TRUE;
  settings->dns_servers = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  settings->api_endpoints = g_array_new (FALSE, TRUE, sizeof (VpndServicePort));
  settings->forward = g_array_new (FALSE, TRUE, sizeof (VpndForwardEntry));
  settings->crash_recovery = VPND_CRASH_RECOVERY_BLOCK;
  settings->backend = VPND_BACKEND_AUTO;
  settings->destroy_sockets = TRUE;
  return settings;
}

/**
 * vpnd_settings_ref:
 * @settings: settings
 *
 * Returns: (transfer full): @settings
 */
VpndSettings *
vpnd_settings_ref (VpndSettings *settings)
{
  g_atomic_ref_count_inc (&settings->ref_count);
  return settings;
}

/**
 * vpnd_settings_unref:
 * @settings: (transfer full) (nullable): settings
 */
void
vpnd_settings_unref (VpndSettings *settings)
{
  if (settings == NULL || !g_atomic_ref_count_dec (&settings->ref_count))
    return;

  g_free (settings->auto_connect_profile);
  g_array_unref (settings->dns_servers);
  g_array_unref (settings->api_endpoints);
  g_array_unref (settings->forward);
  g_free (settings);
}

static VpndSettings *
settings_copy (const VpndSettings *settings)
{
  VpndSettings *copy = g_memdup2 (settings, sizeof *settings);

  g_atomic_ref_count_init (&copy->ref_count);
  copy->auto_connect_profile = g_strdup (settings->auto_connect_profile);
  copy->dns_servers = g_array_copy (settings->dns_servers);
  copy->api_endpoints = g_array_copy (settings->api_endpoints);
  copy->forward = g_array_copy (settings->forward);
  return copy;
}

static gconstpointer
get_field (const VpndSettings *settings, const VpndSettingInfo *info)
{
  return G_STRUCT_MEMBER_P (settings, field_offsets[info - infos]);
}

static gpointer
get_mutable_field (VpndSettings *settings, const VpndSettingInfo *info)
{
  return G_STRUCT_MEMBER_P (settings, field_offsets[info - infos]);
}

static GVariant *
addresses_to_variant (const GArray *addresses)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < addresses->len; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      g_variant_builder_add (&builder, "s", vpnd_addr_format (&g_array_index (addresses, VpndAddr, i), buffer));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
services_to_variant (const GArray *services)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < services->len; i++)
    g_variant_builder_add_value (&builder, g_variant_new_take_string (vpnd_service_port_to_string (&g_array_index (services, VpndServicePort, i))));
  return g_variant_builder_end (&builder);
}

static GVariant *
forward_to_variant (const GArray *entries)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < entries->len; i++)
    {
      const VpndForwardEntry *entry = &g_array_index (entries, VpndForwardEntry, i);

      g_variant_builder_add_value (&builder, g_variant_new_take_string (g_strconcat (entry->ifname, "=", forward_words[entry->policy], NULL)));
    }
  return g_variant_builder_end (&builder);
}

static gboolean
is_services (const VpndSettingInfo *info)
{
  return field_offsets[info - infos] == G_STRUCT_OFFSET (VpndSettings, api_endpoints);
}

static gboolean
is_forward (const VpndSettingInfo *info)
{
  return field_offsets[info - infos] == G_STRUCT_OFFSET (VpndSettings, forward);
}

static GVariant *
list_to_variant (const GArray *list, const VpndSettingInfo *info)
{
  if (is_services (info))
    return services_to_variant (list);
  return is_forward (info) ? forward_to_variant (list) : addresses_to_variant (list);
}

/**
 * vpnd_settings_get:
 * @settings: settings
 * @info: a row of the table
 *
 * Returns: (transfer floating): the value, of the type of the row
 */
GVariant *
vpnd_settings_get (const VpndSettings *settings, const VpndSettingInfo *info)
{
  gconstpointer field;

  g_return_val_if_fail (settings != NULL && info >= infos && info < infos + G_N_ELEMENTS (infos), NULL);

  field = get_field (settings, info);
  if (info->choices != NULL)
    return g_variant_new_string (info->choices[*(const guint32 *) field]);
  if (strcmp (info->signature, "b") == 0)
    return g_variant_new_boolean (*(const gboolean *) field);
  if (strcmp (info->signature, "u") == 0)
    return g_variant_new_uint32 (*(const guint32 *) field);
  if (strcmp (info->signature, "s") == 0)
    return g_variant_new_string (*(char *const *) field);
  return list_to_variant (*(GArray *const *) field, info);
}

/**
 * vpnd_settings_equal:
 * @a: settings
 * @b: settings
 *
 * Returns: TRUE when every setting is the same
 */
gboolean
vpnd_settings_equal (const VpndSettings *a, const VpndSettings *b)
{
  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    {
      g_autoptr (GVariant) x = g_variant_ref_sink (vpnd_settings_get (a, &infos[i]));
      g_autoptr (GVariant) y = g_variant_ref_sink (vpnd_settings_get (b, &infos[i]));

      if (!g_variant_equal (x, y))
        return FALSE;
    }
  return TRUE;
}

static gboolean
set_choice (guint32 *field, const VpndSettingInfo *info, const char *word, GError **error)
{
  g_autofree char *all = NULL;

  for (guint i = 0; info->choices[i] != NULL; i++)
    if (strcmp (info->choices[i], word) == 0)
      {
        *field = i;
        return TRUE;
      }

  all = g_strjoinv (", ", (char **) info->choices);
  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: must be one of: %s", info->key, all);
  return FALSE;
}

static gboolean
set_mtu (guint32 *field, const VpndSettingInfo *info, guint32 mtu, GError **error)
{
  if (mtu != 0 && (mtu < MTU_MIN || mtu > MTU_MAX))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: must be 0 (automatic) or %d to %d", info->key, MTU_MIN, MTU_MAX);
      return FALSE;
    }

  *field = mtu;
  return TRUE;
}

/* The last number is no user: (uid_t) -1 says "leave it" to chown(2), and nobody (65534) is everybody who has no user of his own. */
static gboolean
set_uid (guint32 *field, const VpndSettingInfo *info, guint32 uid, GError **error)
{
  if (uid == G_MAXUINT32 || uid == UID_NOBODY)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: must be the number of a user that is the resolver's alone, or 0 for none", info->key);
      return FALSE;
    }

  *field = uid;
  return TRUE;
}

static gboolean
set_profile_name (char **field, const VpndSettingInfo *info, const char *name, GError **error)
{
  if (name[0] != '\0' && !vpnd_profile_name_is_valid (name))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: not a profile name (1 to %d of letters, digits, '.', '_', '-', not starting with '.' or '-')", info->key, VPND_PROFILE_NAME_MAX);
      return FALSE;
    }

  g_free (*field);
  *field = g_strdup (name);
  return TRUE;
}

/* Adds one server to @addresses, or says what is wrong with it. */
static gboolean
add_server (GArray *addresses, const VpndSettingInfo *info, const char *text, GError **error)
{
  guint position = addresses->len + 1;
  VpndAddr addr;

  if (!vpnd_addr_parse (text, &addr) || !vpnd_addr_is_unicast (&addr))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: entry %u is not the IPv4 or IPv6 address of a host", info->key, position);
      return FALSE;
    }

  for (guint i = 0; i < addresses->len; i++)
    if (vpnd_addr_equal (&addr, &g_array_index (addresses, VpndAddr, i)))
      {
        g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: entry %u repeats entry %u", info->key, position, i + 1);
        return FALSE;
      }

  g_array_append_val (addresses, addr);
  return TRUE;
}

static gboolean
set_services (GArray **field, const VpndSettingInfo *info, GVariant *value, GError **error)
{
  g_autoptr (GArray) services = g_array_new (FALSE, TRUE, sizeof (VpndServicePort));

  if (g_variant_n_children (value) > API_ENDPOINTS_MAX)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: at most %d entries", info->key, API_ENDPOINTS_MAX);
      return FALSE;
    }
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      VpndServicePort service;

      if (!vpnd_service_port_parse (g_variant_get_string (child, NULL), &service))
        {
          g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT,
              "%s: entry %u is not an address, port and protocol such as 192.0.2.1:443/tcp or [2001:db8::1]:443/udp", info->key, (guint) i + 1);
          return FALSE;
        }
      g_array_append_val (services, service);
    }

  g_array_unref (*field);
  *field = g_steal_pointer (&services);
  return TRUE;
}

static gboolean
set_servers (GArray **field, const VpndSettingInfo *info, GVariant *value, GError **error)
{
  g_autoptr (GArray) addresses = g_array_new (FALSE, TRUE, sizeof (VpndAddr));

  if (g_variant_n_children (value) > DNS_SERVERS_MAX)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: at most %d servers", info->key, DNS_SERVERS_MAX);
      return FALSE;
    }

  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (!add_server (addresses, info, g_variant_get_string (child, NULL), error))
        return FALSE;
    }

  g_array_unref (*field);
  *field = g_steal_pointer (&addresses);
  return TRUE;
}

/* Names that the kernel would take and nobody uses are refused: they could not be written in a list, or mean something else to nft(8). */
static gboolean
is_link_name (const char *name, gsize length)
{
  if (length == 0 || length >= sizeof ((VpndForwardEntry *) 0)->ifname || name[0] == '.')
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (name[i]) && strchr ("._-@+", name[i]) == NULL)
      return FALSE;
  return TRUE;
}

/* Adds "docker0=direct" to @entries, or says what is wrong with it. */
static gboolean
add_forward (GArray *entries, const VpndSettingInfo *info, const char *text, GError **error)
{
  guint position = entries->len + 1;
  const char *equals = strchr (text, '=');
  VpndForwardEntry entry = { .ifname = "" };
  guint policy = 0;

  while (equals != NULL && policy < G_N_ELEMENTS (forward_words) && strcmp (forward_words[policy], equals + 1) != 0)
    policy++;
  if (equals == NULL || policy == G_N_ELEMENTS (forward_words) || !is_link_name (text, equals - text))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: entry %u is not the name of a link, \"=\" and tunnel, direct or block, such as docker0=direct", info->key, position);
      return FALSE;
    }

  memcpy (entry.ifname, text, equals - text);
  entry.policy = policy;
  if (strcmp (entry.ifname, "lo") == 0 || strcmp (entry.ifname, VPND_IFNAME) == 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: entry %u: no guest is behind %s", info->key, position, entry.ifname);
      return FALSE;
    }
  for (guint i = 0; i < entries->len; i++)
    if (strcmp (g_array_index (entries, VpndForwardEntry, i).ifname, entry.ifname) == 0)
      {
        g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: entry %u is about the same link as entry %u", info->key, position, i + 1);
        return FALSE;
      }

  g_array_append_val (entries, entry);
  return TRUE;
}

static gboolean
set_forward (GArray **field, const VpndSettingInfo *info, GVariant *value, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (VpndForwardEntry));

  if (g_variant_n_children (value) > FORWARD_MAX)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: at most %d entries", info->key, FORWARD_MAX);
      return FALSE;
    }
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (!add_forward (entries, info, g_variant_get_string (child, NULL), error))
        return FALSE;
    }

  g_array_unref (*field);
  *field = g_steal_pointer (&entries);
  return TRUE;
}

static gboolean
set_list (GArray **field, const VpndSettingInfo *info, GVariant *value, GError **error)
{
  if (is_services (info))
    return set_services (field, info, value, error);
  return is_forward (info) ? set_forward (field, info, value, error) : set_servers (field, info, value, error);
}

static gboolean
set_field (gpointer field, const VpndSettingInfo *info, GVariant *value, GError **error)
{
  if (info->choices != NULL)
    return set_choice (field, info, g_variant_get_string (value, NULL), error);
  if (strcmp (info->signature, "u") == 0)
    return field_offsets[info - infos] == G_STRUCT_OFFSET (VpndSettings, mtu) ? set_mtu (field, info, g_variant_get_uint32 (value), error)
                                                                              : set_uid (field, info, g_variant_get_uint32 (value), error);
  if (strcmp (info->signature, "s") == 0)
    return set_profile_name (field, info, g_variant_get_string (value, NULL), error);
  if (strcmp (info->signature, "as") == 0)
    return set_list (field, info, value, error);

  *(gboolean *) field = g_variant_get_boolean (value);
  return TRUE;
}

/**
 * vpnd_settings_with:
 * @settings: settings
 * @info: a row of the table
 * @value: the new value; a floating one is consumed
 * @error: return location for an error
 *
 * Makes settings that differ from @settings in one value, after validating it.
 *
 * Returns: (transfer full) (nullable): new settings; NULL with VPND_ERROR_INVALID_ARGUMENT, whose message names the key
 */
VpndSettings *
vpnd_settings_with (const VpndSettings *settings, const VpndSettingInfo *info, GVariant *value, GError **error)
{
  g_autoptr (VpndSettings) copy = NULL;
  g_autoptr (GVariant) sunk = NULL;

  g_return_val_if_fail (settings != NULL && value != NULL && info >= infos && info < infos + G_N_ELEMENTS (infos), NULL);

  sunk = g_variant_is_floating (value) ? g_variant_ref_sink (value) : g_variant_ref (value);
  if (!g_variant_is_of_type (sunk, G_VARIANT_TYPE (info->signature)))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: has the type \"%s\", must be \"%s\"", info->key, g_variant_get_type_string (sunk), info->signature);
      return NULL;
    }

  copy = settings_copy (settings);
  if (!set_field (get_mutable_field (copy, info), info, sunk, error))
    return NULL;

  return g_steal_pointer (&copy);
}
