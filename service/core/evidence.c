/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/evidence.h. A new one is that of a host without fault, so that what could not be found out accuses nobody.
 */
#include "config.h"

#include "evidence.h"

#include <string.h>

#include "reserved.h"

#define OVERHEAD_V4_BYTES 60 /* IPv4 20, UDP 8, WireGuard data message 32 */
#define OVERHEAD_V6_BYTES 80 /* IPv6 40 instead */

/**
 * vpnd_evidence_new:
 *
 * Returns: (transfer full): evidence of a host on which nothing is wrong
 */
VpndEvidence *
vpnd_evidence_new (void)
{
  VpndEvidence *evidence = g_new0 (VpndEvidence, 1);

  evidence->detail = g_strdup ("");
  evidence->profile = g_strdup ("");
  evidence->destroy_sockets = TRUE;
  evidence->has_internet_route = TRUE;
  evidence->handshake_s = -1;
  evidence->entries = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_route_entry_free);
  evidence->lan_claims = g_ptr_array_new_with_free_func (g_free);
  evidence->facts = vpnd_facts_new ();
  evidence->has_kernel_wireguard = TRUE;
  evidence->has_wireguard_go = TRUE;
  evidence->has_tun = TRUE;
  evidence->src_valid_mark = 1;
  evidence->tables = g_array_new (FALSE, TRUE, sizeof (VpndForeignTable));
  evidence->polkit = VPND_SERVICE_PRESENT;
  evidence->early_boot_state = g_strdup ("");
  evidence->service_state = g_strdup ("");
  evidence->resolv_conf_link = g_strdup ("");
  evidence->has_resolv_conf = TRUE;
  evidence->dns_owner = g_strdup ("");
  evidence->dns_servers = g_ptr_array_new_with_free_func (g_free);
  evidence->dns_in_force = TRUE;
  evidence->local_resolver = g_strdup ("");
  evidence->split_troubles = g_ptr_array_new_with_free_func (g_free);
  evidence->has_capability = TRUE;
  evidence->fds_max = G_MAXUINT;
  evidence->state_free_bytes = G_MAXUINT64;
  evidence->state_free_files = G_MAXUINT64;
  return evidence;
}

/**
 * vpnd_evidence_free:
 * @evidence: (transfer full) (nullable): evidence
 */
void
vpnd_evidence_free (VpndEvidence *evidence)
{
  if (evidence == NULL)
    return;

  g_free (evidence->detail);
  g_free (evidence->profile);
  g_ptr_array_unref (evidence->entries);
  g_ptr_array_unref (evidence->lan_claims);
  vpnd_facts_unref (evidence->facts);
  vpnd_route_survey_unref (evidence->survey);
  g_array_unref (evidence->tables);
  g_free (evidence->early_boot_state);
  g_free (evidence->service_state);
  g_free (evidence->resolv_conf_link);
  g_free (evidence->dns_owner);
  g_ptr_array_unref (evidence->dns_servers);
  g_free (evidence->local_resolver);
  g_ptr_array_unref (evidence->split_troubles);
  g_free (evidence);
}

/**
 * vpnd_evidence_take:
 * @field: (inout): a text of an evidence
 * @value: (transfer full) (nullable): its new value; %NULL for ""
 */
void
vpnd_evidence_take (char **field, char *value)
{
  g_free (*field);
  *field = value != NULL ? value : g_strdup ("");
}

static gboolean
has_ipv6 (const VpndProfile *profile)
{
  for (guint i = 0; i < profile->addresses->len; i++)
    if (g_array_index (profile->addresses, VpndPrefix, i).addr.family == AF_INET6)
      return TRUE;
  return FALSE;
}

/* The whole internet by one route, or by two halves. */
static gboolean
routes_internet (const VpndRoutePlan *plan)
{
  for (guint i = 0; i < plan->routes->len; i++)
    if (g_array_index (plan->routes, VpndRoute, i).table == VPND_TABLE_TUNNEL && g_array_index (plan->routes, VpndRoute, i).destination.length <= 1)
      return TRUE;
  return FALSE;
}

/* A specific network of the profile that holds a local one: both are asked for by the same addresses. */
static void
add_lan_claims (GPtrArray *claims, const VpndRoutePlan *plan, const VpndFacts *facts)
{
  for (guint i = 0; i < facts->lans->len; i++)
    {
      const VpndHop *lan = &g_array_index (facts->lans, VpndHop, i);

      for (guint j = 0; j < plan->routes->len; j++)
        {
          const VpndRoute *route = &g_array_index (plan->routes, VpndRoute, j);
          g_autofree char *local = NULL;
          g_autofree char *claimed = NULL;

          if (strcmp (route->ifname, plan->ifname) != 0 || route->destination.length <= 1 || route->destination.length > lan->prefix.length ||
              !vpnd_prefix_contains (&route->destination, &lan->prefix.addr))
            continue;
          local = vpnd_prefix_to_string (&lan->prefix);
          claimed = vpnd_prefix_to_string (&route->destination);
          g_ptr_array_add (claims, g_strdup_printf ("%s dev %s is inside %s of the profile", local, lan->ifname, claimed));
          break;
        }
    }
}

/**
 * vpnd_evidence_set_state:
 * @evidence: evidence whose survey is set already, if there is one
 * @state: the state
 * @settings: the settings
 * @facts: the physical network
 *
 * Fills in what follows from the state alone, plan against kernel included.
 */
void
vpnd_evidence_set_state (VpndEvidence *evidence, const VpndState *state, const VpndSettings *settings, VpndFacts *facts)
{
  evidence->kind = state->kind;
  evidence->cause = state->cause;
  evidence->attempt = state->attempt;
  evidence->must_block = vpnd_state_is_protected (state) || settings->lockdown;
  evidence->lockdown = settings->lockdown;
  evidence->auto_connect = settings->auto_connect;
  evidence->destroy_sockets = settings->destroy_sockets;
  evidence->backend = settings->backend;
  vpnd_facts_ref (facts);
  vpnd_facts_unref (evidence->facts);
  evidence->facts = facts;
  vpnd_evidence_take (&evidence->profile, g_strdup (state->profile != NULL ? state->profile->name : NULL));
  evidence->profile_has_ipv6 = state->profile != NULL && settings->ipv6 && has_ipv6 (state->profile);
  if (evidence->survey != NULL)
    {
      g_ptr_array_unref (evidence->entries);
      evidence->entries = vpnd_route_report_build (state->routes, state->profile, settings, facts, evidence->survey);
    }
  if (state->routes == NULL)
    return;
  evidence->has_internet_route = routes_internet (state->routes);
  evidence->tunnel_mtu = state->routes->mtu;
  if (state->config != NULL && state->config->peers->len > 0)
    {
      const VpndTunnelPeer *peer = g_ptr_array_index (state->config->peers, 0);

      evidence->outer_overhead = peer->endpoint.addr.family == AF_INET6 ? OVERHEAD_V6_BYTES : OVERHEAD_V4_BYTES;
    }
  g_ptr_array_set_size (evidence->lan_claims, 0);
  add_lan_claims (evidence->lan_claims, state->routes, facts);
}
