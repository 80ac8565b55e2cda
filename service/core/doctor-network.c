/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What goes over the network: the peer, the routes, and the firewalls of others.
 */
#include "config.h"

#include "doctor-rows.h"

#include <net/if_arp.h>
#include <string.h>

#include "reserved.h"

#define LOST_AFTER_S 5       /* an establish attempt is given up after 4 s (security model, "Timings") */
#define HANDSHAKE_OLD_S 300  /* REJECT_AFTER_TIME 180 s and one idle check of 120 s: a tunnel in use is never that old */
#define CLOCK_TOLERANCE_S 60 /* what an unset hardware clock or a time zone mistake is far beyond */

/* What is printed can be run as it is, so without a name there is none in it. */
static char *
make_profile_command (const VpndEvidence *e)
{
  return *e->profile != '\0' ? g_strdup_printf ("vpnctl show %s", e->profile) : g_strdup ("vpnctl list");
}

/* --- the peer --- */

static gboolean
is_unanswered (const VpndEvidence *e)
{
  return e->kind == VPND_STATE_CONNECTING && (e->attempt > 1 || e->state_s >= LOST_AFTER_S);
}

static char *
examine_handshake (const VpndEvidence *e, char **out_argument)
{
  if (!is_unanswered (e))
    return NULL;
  *out_argument = make_profile_command (e);
  return g_strdup_printf ("attempt %u, sent %" G_GUINT64_FORMAT " B, received %" G_GUINT64_FORMAT " B", e->attempt, e->tx_bytes, e->rx_bytes);
}

static char *
examine_handshake_age (const VpndEvidence *e, char **out_argument)
{
  if (e->kind != VPND_STATE_CONNECTED || e->handshake_s < HANDSHAKE_OLD_S)
    return NULL;
  return g_strdup_printf ("last handshake %" G_GINT64_FORMAT " s ago", e->handshake_s);
}

static char *
examine_clock (const VpndEvidence *e, char **out_argument)
{
  if (e->clock_behind_s > CLOCK_TOLERANCE_S)
    return g_strdup_printf ("the clock is at least %" G_GINT64_FORMAT " s behind what it has shown before", e->clock_behind_s);
  if (e->handshake_s < -CLOCK_TOLERANCE_S)
    return g_strdup_printf ("the last handshake is %" G_GINT64_FORMAT " s in the future", -e->handshake_s);
  return NULL;
}

static char *
examine_portal (const VpndEvidence *e, char **out_argument)
{
  return e->connectivity == VPND_CONNECTIVITY_PORTAL ? g_strdup ("NetworkManager: connectivity portal") : NULL;
}

/* --- routes --- */

static char *
examine_link (const VpndEvidence *e, char **out_argument)
{
  const VpndSurveyLink *link;

  if (e->survey == NULL || e->tunnel_mtu == 0)
    return NULL;
  link = vpnd_route_survey_find_link (e->survey, VPND_IFNAME);
  if (link != NULL && link->is_up)
    return NULL;
  return g_strdup (link == NULL ? "no link " VPND_IFNAME : VPND_IFNAME " is down");
}

/* Returns: (transfer full) (nullable): the entries in this state, either the rules that are asked before ours or all others; @out_first is the first of them */
static char *
entries_in_state (const VpndEvidence *e, VpndEntryState state, gboolean are_rules_before_ours, const VpndRouteEntry **out_first)
{
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();

  *out_first = NULL;
  for (guint i = 0; i < e->entries->len; i++)
    {
      const VpndRouteEntry *entry = g_ptr_array_index (e->entries, i);

      if (entry->state != state || (entry->why == VPND_WHY_EARLIER_RULE) != are_rules_before_ours)
        continue;
      if (*out_first == NULL)
        *out_first = entry;
      g_ptr_array_add (parts, g_strdup_printf ("%s %s", vpnd_entry_kind_word (entry->kind), entry->text));
    }
  return *out_first != NULL ? vpnd_doctor_join (parts) : NULL;
}

/* With the link everything on it is gone: that is told by examine_link () alone. */
static char *
examine_missing (const VpndEvidence *e, char **out_argument)
{
  const VpndRouteEntry *first;
  char *unused = NULL;
  g_autofree char *link = examine_link (e, &unused);

  return link == NULL && e->survey != NULL ? entries_in_state (e, VPND_ENTRY_MISSING, FALSE, &first) : NULL;
}

static char *
examine_foreign_routes (const VpndEvidence *e, char **out_argument)
{
  const VpndRouteEntry *first;
  char *text = entries_in_state (e, VPND_ENTRY_FOREIGN, FALSE, &first);

  if (text != NULL)
    *out_argument = g_strdup (first->removal);
  return text;
}

static char *
examine_foreign_rules (const VpndEvidence *e, char **out_argument)
{
  const VpndRouteEntry *first;
  char *text = entries_in_state (e, VPND_ENTRY_FOREIGN, TRUE, &first);

  if (text != NULL)
    *out_argument = g_strdup (first->removal);
  return text;
}

static char *
examine_defaults (const VpndEvidence *e, char **out_argument)
{
  const GArray *routes = e->survey != NULL ? e->survey->defaults : NULL;

  for (guint i = 0; routes != NULL && i < routes->len; i++)
    for (guint j = i + 1; j < routes->len; j++)
      {
        const VpndSurveyRoute *one = &g_array_index (routes, VpndSurveyRoute, i);
        const VpndSurveyRoute *other = &g_array_index (routes, VpndSurveyRoute, j);
        const VpndRoute *a = &one->route;
        const VpndRoute *b = &other->route;
        g_autofree char *first = NULL;
        g_autofree char *second = NULL;

        if (a->destination.addr.family != b->destination.addr.family || a->metric != b->metric || strcmp (a->ifname, b->ifname) == 0)
          continue;
        first = vpnd_survey_route_to_string (one);
        second = vpnd_survey_route_to_string (other);
        *out_argument = vpnd_survey_route_removal (other);
        return g_strdup_printf ("%s; %s", first, second);
      }
  return NULL;
}

static char *
examine_lans (const VpndEvidence *e, char **out_argument)
{
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();

  for (guint i = 0; i < e->lan_claims->len; i++)
    g_ptr_array_add (parts, g_strdup (g_ptr_array_index (e->lan_claims, i)));
  if (parts->len == 0)
    return NULL;
  *out_argument = make_profile_command (e);
  return vpnd_doctor_join (parts);
}

static char *
examine_internet (const VpndEvidence *e, char **out_argument)
{
  if (e->has_internet_route)
    return NULL;
  *out_argument = make_profile_command (e);
  return g_strdup ("no AllowedIPs of 0.0.0.0/0 or ::/0");
}

static gboolean
is_tunnel_of_others (const VpndSurveyLink *link)
{
  static const char *const kinds[] = { "wireguard", "xfrm", "vti", "vti6", "ipsec", NULL };

  if (!link->is_up || g_str_has_prefix (link->ifname, "vpnd"))
    return FALSE;
  /* A tun device without Ethernet header; one with is a virtual machine's. */
  return g_strv_contains (kinds, link->kind) || (strcmp (link->kind, "tun") == 0 && link->type == ARPHRD_NONE);
}

static char *
examine_other_vpns (const VpndEvidence *e, char **out_argument)
{
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();

  for (guint i = 0; e->survey != NULL && i < e->survey->links->len; i++)
    {
      const VpndSurveyLink *link = &g_array_index (e->survey->links, VpndSurveyLink, i);

      if (!is_tunnel_of_others (link))
        continue;
      if (*out_argument == NULL)
        *out_argument = g_strdup (link->ifname);
      g_ptr_array_add (parts, g_strdup_printf ("%s (%s)", link->ifname, link->kind));
    }
  return parts->len > 0 ? vpnd_doctor_join (parts) : NULL;
}

/* Strict reverse path filtering drops the transport's answers unless they are looked up by mark (ip-sysctl.rst). */
static char *
examine_rp_filter (const VpndEvidence *e, char **out_argument)
{
  return e->tunnel_mtu != 0 && e->rp_filter == 1 && e->src_valid_mark == 0 ? g_strdup ("rp_filter = 1, net.ipv4.conf.all.src_valid_mark = 0") : NULL;
}

static char *
examine_mtu (const VpndEvidence *e, char **out_argument)
{
  const VpndDefaultRoute *outer = e->outer_overhead > 60 ? &e->facts->default6 : &e->facts->default4;

  if (e->tunnel_mtu == 0 || !outer->present || outer->mtu >= e->tunnel_mtu + e->outer_overhead)
    return NULL;
  *out_argument = g_strdup (outer->ifname);
  return g_strdup_printf ("%s: MTU %u; a full packet of the tunnel needs %u", outer->ifname, outer->mtu, e->tunnel_mtu + e->outer_overhead);
}

static char *
examine_containers (const VpndEvidence *e, char **out_argument)
{
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();

  for (guint i = 0; i < e->facts->bridges->len; i++)
    {
      const VpndHop *bridge = &g_array_index (e->facts->bridges, VpndHop, i);
      g_autofree char *network = vpnd_prefix_to_string (&bridge->prefix);

      g_ptr_array_add (parts, g_strdup_printf ("%s %s", bridge->ifname, network));
    }
  return parts->len > 0 ? vpnd_doctor_join (parts) : NULL;
}

/* --- other firewalls --- */

static char *
tables_with (const VpndEvidence *e, gboolean wants_marks, char **out_argument)
{
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();

  for (guint i = 0; i < e->tables->len; i++)
    {
      const VpndForeignTable *table = &g_array_index (e->tables, VpndForeignTable, i);
      guint count = wants_marks ? table->marks : table->drops;

      if (count == 0)
        continue;
      if (*out_argument == NULL)
        *out_argument = g_strdup_printf ("%s %s", table->family, table->name);
      g_ptr_array_add (parts, g_strdup_printf ("table %s %s: %s in %u place%s", table->family, table->name, wants_marks ? "marks" : "drops", count, count == 1 ? "" : "s"));
    }
  return parts->len > 0 ? vpnd_doctor_join (parts) : NULL;
}

static char *
examine_firewall_suspect (const VpndEvidence *e, char **out_argument)
{
  return is_unanswered (e) ? tables_with (e, FALSE, out_argument) : NULL;
}

static char *
examine_firewall_foreign (const VpndEvidence *e, char **out_argument)
{
  return is_unanswered (e) ? NULL : tables_with (e, FALSE, out_argument);
}

static char *
examine_marks (const VpndEvidence *e, char **out_argument)
{
  return tables_with (e, TRUE, out_argument);
}

static char *
examine_iptables (const VpndEvidence *e, char **out_argument)
{
  return e->has_iptables_legacy ? g_strdup ("/proc/net/ip_tables_names is not empty") : NULL;
}

static char *
examine_firewalld (const VpndEvidence *e, char **out_argument)
{
  return e->firewalld == VPND_SERVICE_PRESENT ? g_strdup ("org.fedoraproject.FirewallD1 is on the bus") : NULL;
}

/**
 * vpnd_doctor_rows_of_network:
 * @out_n: (out): how many
 *
 * Returns: (transfer none) (array length=out_n): what is looked for
 */
const VpndDoctorRow *
vpnd_doctor_rows_of_network (guint *out_n)
{
  static const VpndDoctorRow rows[] = {
    { VPND_FINDING_NO_HANDSHAKE, FALSE, examine_handshake, "{}" },
    { VPND_FINDING_HANDSHAKE_OLD, FALSE, examine_handshake_age, "vpnctl reconnect" },
    { VPND_FINDING_CLOCK_WRONG, FALSE, examine_clock, "timedatectl set-ntp true" },
    { VPND_FINDING_CAPTIVE_PORTAL, FALSE, examine_portal, "vpnctl disconnect" },
    { VPND_FINDING_LINK_MISSING, FALSE, examine_link, "vpnctl reconnect" },
    { VPND_FINDING_ROUTES_MISSING, FALSE, examine_missing, "vpnctl reconnect" },
    { VPND_FINDING_ROUTES_FOREIGN, FALSE, examine_foreign_routes, "ip {}" },
    { VPND_FINDING_RULE_FOREIGN, FALSE, examine_foreign_rules, "ip {}" },
    { VPND_FINDING_DEFAULT_AMBIGUOUS, FALSE, examine_defaults, "ip {}" },
    { VPND_FINDING_LAN_CLAIMED, FALSE, examine_lans, "{}" },
    { VPND_FINDING_NO_INTERNET_ROUTE, FALSE, examine_internet, "{}" },
    { VPND_FINDING_OTHER_VPN, FALSE, examine_other_vpns, "ip link set {} down" },
    { VPND_FINDING_RP_FILTER, FALSE, examine_rp_filter, "sysctl -w net.ipv4.conf.all.src_valid_mark=1" },
    { VPND_FINDING_MTU_SMALL, FALSE, examine_mtu, "ip link set {} mtu 1500" },
    { VPND_FINDING_CONTAINERS, FALSE, examine_containers, "vpnctl routes" },
    { VPND_FINDING_FIREWALL_SUSPECT, TRUE, examine_firewall_suspect, "nft list table {}" },
    { VPND_FINDING_FIREWALL_FOREIGN, TRUE, examine_firewall_foreign, "nft list table {}" },
    { VPND_FINDING_MARK_CLOBBERED, TRUE, examine_marks, "nft list table {}" },
    { VPND_FINDING_IPTABLES_LEGACY, TRUE, examine_iptables, "iptables-legacy -S" },
    { VPND_FINDING_FIREWALLD, FALSE, examine_firewalld, "firewall-cmd --zone=trusted --add-interface=" VPND_IFNAME },
  };

  *out_n = G_N_ELEMENTS (rows);
  return rows;
}
