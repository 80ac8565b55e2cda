/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of core/doctor.h. Each row looks at the evidence for one finding; none knows of the others. "{}" in a command is what the row
 * found to put there.
 */
#include "config.h"

#include "doctor.h"

#include <net/if_arp.h>
#include <string.h>

#include "reserved.h"

#define LOST_AFTER_S 5           /* an establish attempt is given up after 4 s (security model, "Timings") */
#define HANDSHAKE_OLD_S 300      /* REJECT_AFTER_TIME 180 s and one idle check of 120 s: a tunnel in use is never that old */
#define CLOCK_TOLERANCE_S 60     /* what an unset hardware clock or a time zone mistake is far beyond */
#define REPAIRS_MANY 3u          /* one is an accident, two a coincidence */
#define NEARLY_FULL_PERCENT 95u  /* of conntrack entries and descriptors */
#define STATE_BYTES_MIN 1048576u /* settings, profiles and ledger together are far smaller */
#define STATE_FILES_MIN 16u      /* a save needs one; profiles one each */

#define LINK_TO_STUB "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"

/* Returns: (transfer full) (nullable): how it shows, %NULL when there is nothing to find; @out_argument is for the command */
typedef char *(*Examine) (const VpndEvidence *evidence, char **out_argument);

static char *
join (GPtrArray *parts)
{
  g_ptr_array_add (parts, NULL);
  return g_strjoinv ("; ", (char **) parts->pdata);
}

static GPtrArray *
new_parts (void)
{
  return g_ptr_array_new_with_free_func (g_free);
}

static char *
profile_or_placeholder (const VpndEvidence *e)
{
  return g_strdup (*e->profile != '\0' ? e->profile : "PROFILE");
}

/* --- the state --- */

static char *
examine_rules (const VpndEvidence *e, char **out_argument)
{
  return e->must_block && !e->is_blocking ? g_strdup_printf ("state %s: table inet " VPND_NFT_TABLE " is not in force", vpnd_state_word (e->kind)) : NULL;
}

static char *
examine_lockdown (const VpndEvidence *e, char **out_argument)
{
  return e->kind == VPND_STATE_DISCONNECTED && e->lockdown ? g_strdup ("lockdown = true, state disconnected") : NULL;
}

static char *
examine_sockets (const VpndEvidence *e, char **out_argument)
{
  return e->destroy_sockets ? NULL : g_strdup ("destroy-sockets = false");
}

static char *
examine_repairs (const VpndEvidence *e, char **out_argument)
{
  return e->repairs >= REPAIRS_MANY ? g_strdup_printf ("put back %u times since the connection began", e->repairs) : NULL;
}

/* --- the kernel --- */

static char *
examine_wireguard (const VpndEvidence *e, char **out_argument)
{
  return !e->has_kernel_wireguard && !e->has_wireguard_go ? g_strdup ("no generic netlink family wireguard (CONFIG_WIREGUARD), no program wireguard-go") : NULL;
}

static char *
examine_tun (const VpndEvidence *e, char **out_argument)
{
  return !e->has_kernel_wireguard && e->has_wireguard_go && !e->has_tun ? g_strdup ("no /dev/net/tun (CONFIG_TUN), which wireguard-go needs") : NULL;
}

static char *
examine_backend (const VpndEvidence *e, char **out_argument)
{
  if (e->backend == VPND_BACKEND_KERNEL && !e->has_kernel_wireguard && e->has_wireguard_go)
    return g_strdup ("backend = kernel, and the kernel has no WireGuard (CONFIG_WIREGUARD)");
  if (e->backend == VPND_BACKEND_USERSPACE && e->has_kernel_wireguard && !e->has_wireguard_go)
    return g_strdup ("backend = userspace, and there is no program wireguard-go");
  return NULL;
}

/* "CONFIG_NFT_CT" in the error of the firewall -> "nft_ct", which is what the module is called. */
static char *
examine_nft_feature (const VpndEvidence *e, char **out_argument)
{
  const char *option = e->cause == VPND_CAUSE_FIREWALL ? strstr (e->detail, "CONFIG_") : NULL;
  gsize length = 0;
  g_autofree char *name = NULL;

  if (option == NULL)
    return NULL;
  while (g_ascii_isalnum (option[length]) || option[length] == '_')
    length++;
  name = g_strndup (option + strlen ("CONFIG_"), length - strlen ("CONFIG_"));
  *out_argument = g_ascii_strdown (name, -1);
  return g_strndup (option, length);
}

static char *
examine_ipv6 (const VpndEvidence *e, char **out_argument)
{
  return e->profile_has_ipv6 && !e->facts->ipv6_enabled ? g_strdup ("the profile has an IPv6 address; net.ipv6.conf.all.disable_ipv6 = 1, or no IPv6 in the kernel") : NULL;
}

static gboolean
is_nearly_full (guint64 used, guint64 limit)
{
  return limit != 0 && used >= limit / 100 * NEARLY_FULL_PERCENT + limit % 100 * NEARLY_FULL_PERCENT / 100;
}

static char *
examine_conntrack (const VpndEvidence *e, char **out_argument)
{
  if (!is_nearly_full (e->conntrack_count, e->conntrack_max))
    return NULL;
  *out_argument = g_strdup_printf ("%" G_GUINT64_FORMAT, e->conntrack_max * 2);
  return g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " connections", e->conntrack_count, e->conntrack_max);
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
  *out_argument = profile_or_placeholder (e);
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
  g_autoptr (GPtrArray) parts = new_parts ();

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
  return *out_first != NULL ? join (parts) : NULL;
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
  g_autoptr (GPtrArray) parts = new_parts ();

  for (guint i = 0; i < e->lan_claims->len; i++)
    g_ptr_array_add (parts, g_strdup (g_ptr_array_index (e->lan_claims, i)));
  if (parts->len == 0)
    return NULL;
  *out_argument = profile_or_placeholder (e);
  return join (parts);
}

static char *
examine_internet (const VpndEvidence *e, char **out_argument)
{
  if (e->has_internet_route)
    return NULL;
  *out_argument = profile_or_placeholder (e);
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
  g_autoptr (GPtrArray) parts = new_parts ();

  for (guint i = 0; e->survey != NULL && i < e->survey->links->len; i++)
    {
      const VpndSurveyLink *link = &g_array_index (e->survey->links, VpndSurveyLink, i);

      if (!is_tunnel_of_others (link))
        continue;
      if (*out_argument == NULL)
        *out_argument = g_strdup (link->ifname);
      g_ptr_array_add (parts, g_strdup_printf ("%s (%s)", link->ifname, link->kind));
    }
  return parts->len > 0 ? join (parts) : NULL;
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
  g_autoptr (GPtrArray) parts = new_parts ();

  for (guint i = 0; i < e->facts->bridges->len; i++)
    {
      const VpndHop *bridge = &g_array_index (e->facts->bridges, VpndHop, i);
      g_autofree char *network = vpnd_prefix_to_string (&bridge->prefix);

      g_ptr_array_add (parts, g_strdup_printf ("%s %s", bridge->ifname, network));
    }
  return parts->len > 0 ? join (parts) : NULL;
}

/* --- other firewalls --- */

static char *
tables_with (const VpndEvidence *e, gboolean wants_marks, char **out_argument)
{
  g_autoptr (GPtrArray) parts = new_parts ();

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
  return parts->len > 0 ? join (parts) : NULL;
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

/* --- names --- */

/* The list that systemd-resolved keeps for programs that ask servers themselves: of all links, and no more than three of it are read. */
static char *
examine_dns (const VpndEvidence *e, char **out_argument)
{
  gboolean is_wanted = (e->kind == VPND_STATE_CONNECTING || e->kind == VPND_STATE_CONNECTED) && e->dns_servers->len > 0;
  gboolean is_list = strcmp (e->dns_owner, "systemd-resolved") == 0 && g_str_has_suffix (e->resolv_conf_link, "/run/systemd/resolve/resolv.conf");
  g_autoptr (GPtrArray) parts = new_parts ();

  if (!is_wanted || e->dns_in_force)
    return NULL;
  for (guint i = 0; i < e->dns_servers->len; i++)
    g_ptr_array_add (parts, g_strdup (g_ptr_array_index (e->dns_servers, i)));
  g_ptr_array_add (parts, is_list ? g_strdup ("behind too many others in the list of systemd-resolved") : g_strdup_printf ("not what was read back (owner: %s)", e->dns_owner));
  *out_argument = g_strdup (is_list ? LINK_TO_STUB : "vpnctl reconnect");
  return join (parts);
}

static char *
examine_dns_repairs (const VpndEvidence *e, char **out_argument)
{
  return e->dns_repairs ? g_strdup_printf ("another program wrote the DNS setting (owner: %s)", e->dns_owner) : NULL;
}

static gboolean
points_to_resolved (const VpndEvidence *e)
{
  return strstr (e->resolv_conf_link, "systemd/resolve/") != NULL;
}

static char *
examine_resolved_missing (const VpndEvidence *e, char **out_argument)
{
  return points_to_resolved (e) && e->has_bus && e->resolved == VPND_SERVICE_ABSENT ? g_strdup_printf ("/etc/resolv.conf -> %s; org.freedesktop.resolve1 is not on the bus", e->resolv_conf_link) : NULL;
}

static char *
examine_resolved_hangs (const VpndEvidence *e, char **out_argument)
{
  return e->resolved == VPND_SERVICE_HANGS ? g_strdup ("org.freedesktop.resolve1 does not answer within a second") : NULL;
}

static char *
examine_resolv_conf (const VpndEvidence *e, char **out_argument)
{
  if (e->has_resolv_conf || (points_to_resolved (e) && e->resolved == VPND_SERVICE_ABSENT))
    return NULL; /* the latter is told by examine_resolved_missing () */
  *out_argument = g_strdup (e->resolved == VPND_SERVICE_PRESENT ? LINK_TO_STUB : "touch /etc/resolv.conf");
  return *e->resolv_conf_link != '\0' ? g_strdup_printf ("/etc/resolv.conf -> %s, which is not there", e->resolv_conf_link) : g_strdup ("no /etc/resolv.conf");
}

static char *
examine_resolv_conf_lock (const VpndEvidence *e, char **out_argument)
{
  return e->resolv_conf_is_locked ? g_strdup ("/etc/resolv.conf is immutable, or on a file system that is read-only") : NULL;
}

static char *
examine_local_resolver (const VpndEvidence *e, char **out_argument)
{
  if (*e->local_resolver == '\0' || e->tunnel_mtu == 0)
    return NULL;
  *out_argument = g_strdup (e->local_resolver);
  return g_strdup_printf ("/etc/resolv.conf without vpnd: %s", e->local_resolver);
}

/* --- the service --- */

static char *
examine_polkit (const VpndEvidence *e, char **out_argument)
{
  if (!e->has_bus || e->polkit == VPND_SERVICE_PRESENT)
    return NULL;
  return g_strdup (e->polkit == VPND_SERVICE_ABSENT ? "org.freedesktop.PolicyKit1 is not on the bus" : "org.freedesktop.PolicyKit1 does not answer within a second");
}

/* What systemctl calls enabled in one way or another, and what cannot be asked. */
static gboolean
is_switched_off (const char *state)
{
  return strcmp (state, "disabled") == 0 || strcmp (state, "masked") == 0 || strcmp (state, "masked-runtime") == 0;
}

static char *
examine_early_boot (const VpndEvidence *e, char **out_argument)
{
  if ((!e->lockdown && !e->auto_connect) || !is_switched_off (e->early_boot_state))
    return NULL;
  return g_strdup_printf ("vpnd-early-boot.service: %s; %s = true", e->early_boot_state, e->lockdown ? "lockdown" : "auto-connect");
}

static char *
examine_service (const VpndEvidence *e, char **out_argument)
{
  if ((!e->lockdown && !e->auto_connect) || !is_switched_off (e->service_state))
    return NULL;
  return g_strdup_printf ("vpnd.service: %s; %s = true", e->service_state, e->lockdown ? "lockdown" : "auto-connect");
}

static char *
examine_sandbox (const VpndEvidence *e, char **out_argument)
{
  g_autoptr (GPtrArray) parts = new_parts ();

  if (!e->has_capability)
    g_ptr_array_add (parts, g_strdup ("no CAP_NET_ADMIN"));
  if (e->sysctl_is_read_only)
    g_ptr_array_add (parts, g_strdup ("/proc/sys/net is read-only"));
  if (e->runtime_is_read_only)
    g_ptr_array_add (parts, g_strdup ("the runtime directory is read-only"));
  return parts->len > 0 ? join (parts) : NULL;
}

static char *
examine_descriptors (const VpndEvidence *e, char **out_argument)
{
  if (!is_nearly_full (e->fds, e->fds_max))
    return NULL;
  *out_argument = g_strdup_printf ("--pid %u --nofile=%u", e->pid, e->fds_max * 4);
  return g_strdup_printf ("%u of %u descriptors are open", e->fds, e->fds_max);
}

static char *
examine_disk (const VpndEvidence *e, char **out_argument)
{
  if (e->state_free_bytes >= STATE_BYTES_MIN && e->state_free_files >= STATE_FILES_MIN)
    return NULL;
  return e->state_free_bytes < STATE_BYTES_MIN ? g_strdup_printf ("%" G_GUINT64_FORMAT " B are free for settings and profiles", e->state_free_bytes)
                                               : g_strdup_printf ("%" G_GUINT64_FORMAT " more files fit", e->state_free_files);
}

static char *
examine_read_only (const VpndEvidence *e, char **out_argument)
{
  return e->state_is_read_only ? g_strdup ("the file system of the state directory is read-only") : NULL;
}

/**
 * Row:
 * @command: what mends it; "{}" stands for the argument of @examine
 */
typedef struct
{
  VpndFindingCode code;
  gboolean is_private;
  Examine examine;
  const char *command;
} Row;

static const Row rows[] = {
  { VPND_FINDING_RULES_NOT_IN_FORCE, FALSE, examine_rules, "systemctl restart vpnd" },
  { VPND_FINDING_LOCKED_DOWN, FALSE, examine_lockdown, "vpnctl lockdown off" },
  { VPND_FINDING_SOCKETS_KEPT, FALSE, examine_sockets, "vpnctl settings set destroy-sockets true" },
  { VPND_FINDING_FOUGHT_OVER, FALSE, examine_repairs, "vpnctl logs" },
  { VPND_FINDING_NO_WIREGUARD, FALSE, examine_wireguard, "modprobe wireguard" },
  { VPND_FINDING_TUN_MISSING, FALSE, examine_tun, "modprobe tun" },
  { VPND_FINDING_BACKEND_MISSING, FALSE, examine_backend, "vpnctl settings set backend auto" },
  { VPND_FINDING_NFT_FEATURE_MISSING, FALSE, examine_nft_feature, "modprobe {}" },
  { VPND_FINDING_IPV6_OFF, FALSE, examine_ipv6, "sysctl -w net.ipv6.conf.all.disable_ipv6=0" },
  { VPND_FINDING_CONNTRACK_FULL, FALSE, examine_conntrack, "sysctl -w net.netfilter.nf_conntrack_max={}" },
  { VPND_FINDING_NO_HANDSHAKE, FALSE, examine_handshake, "vpnctl show {}" },
  { VPND_FINDING_HANDSHAKE_OLD, FALSE, examine_handshake_age, "vpnctl reconnect" },
  { VPND_FINDING_CLOCK_WRONG, FALSE, examine_clock, "timedatectl set-ntp true" },
  { VPND_FINDING_CAPTIVE_PORTAL, FALSE, examine_portal, "vpnctl disconnect" },
  { VPND_FINDING_LINK_MISSING, FALSE, examine_link, "vpnctl reconnect" },
  { VPND_FINDING_ROUTES_MISSING, FALSE, examine_missing, "vpnctl reconnect" },
  { VPND_FINDING_ROUTES_FOREIGN, FALSE, examine_foreign_routes, "ip {}" },
  { VPND_FINDING_RULE_FOREIGN, FALSE, examine_foreign_rules, "ip {}" },
  { VPND_FINDING_DEFAULT_AMBIGUOUS, FALSE, examine_defaults, "ip {}" },
  { VPND_FINDING_LAN_CLAIMED, FALSE, examine_lans, "vpnctl show {}" },
  { VPND_FINDING_NO_INTERNET_ROUTE, FALSE, examine_internet, "vpnctl show {}" },
  { VPND_FINDING_OTHER_VPN, FALSE, examine_other_vpns, "ip link set {} down" },
  { VPND_FINDING_RP_FILTER, FALSE, examine_rp_filter, "sysctl -w net.ipv4.conf.all.src_valid_mark=1" },
  { VPND_FINDING_MTU_SMALL, FALSE, examine_mtu, "ip link set {} mtu 1500" },
  { VPND_FINDING_CONTAINERS, FALSE, examine_containers, "vpnctl routes" },
  { VPND_FINDING_FIREWALL_SUSPECT, TRUE, examine_firewall_suspect, "nft list table {}" },
  { VPND_FINDING_FIREWALL_FOREIGN, TRUE, examine_firewall_foreign, "nft list table {}" },
  { VPND_FINDING_MARK_CLOBBERED, TRUE, examine_marks, "nft list table {}" },
  { VPND_FINDING_IPTABLES_LEGACY, TRUE, examine_iptables, "iptables-legacy -S" },
  { VPND_FINDING_FIREWALLD, FALSE, examine_firewalld, "firewall-cmd --zone=trusted --add-interface=" VPND_IFNAME },
  { VPND_FINDING_DNS_NOT_IN_FORCE, FALSE, examine_dns, "{}" },
  { VPND_FINDING_DNS_FOUGHT_OVER, FALSE, examine_dns_repairs, "vpnctl dns" },
  { VPND_FINDING_RESOLV_CONF_MISSING, FALSE, examine_resolv_conf, "{}" },
  { VPND_FINDING_RESOLV_CONF_LOCKED, FALSE, examine_resolv_conf_lock, "chattr -i /etc/resolv.conf" },
  { VPND_FINDING_RESOLVED_MISSING, FALSE, examine_resolved_missing, "systemctl start systemd-resolved" },
  { VPND_FINDING_RESOLVED_HANGS, FALSE, examine_resolved_hangs, "systemctl restart systemd-resolved" },
  { VPND_FINDING_LOCAL_RESOLVER, FALSE, examine_local_resolver, "vpnctl settings set dns-servers {}" },
  { VPND_FINDING_POLKIT_MISSING, FALSE, examine_polkit, "systemctl restart polkit" },
  { VPND_FINDING_EARLY_BOOT_OFF, FALSE, examine_early_boot, "systemctl enable vpnd-early-boot" },
  { VPND_FINDING_SERVICE_OFF, FALSE, examine_service, "systemctl enable vpnd" },
  { VPND_FINDING_SANDBOX, FALSE, examine_sandbox, "systemctl revert vpnd" },
  { VPND_FINDING_DESCRIPTORS, FALSE, examine_descriptors, "prlimit {}" },
  { VPND_FINDING_DISK_FULL, FALSE, examine_disk, "df -h /var/lib/vpnd" },
  { VPND_FINDING_DISK_READ_ONLY, FALSE, examine_read_only, "mount -o remount,rw \"$(findmnt -n -o TARGET -T /var/lib/vpnd)\"" },
};

/* One row a cause of the state error. */
static const struct
{
  VpndCause cause;
  VpndFindingCode code;
  const char *command;
} causes[] = {
  { VPND_CAUSE_OFFLINE, VPND_FINDING_OFFLINE, "ip link set {} up" },
  { VPND_CAUSE_FIREWALL, VPND_FINDING_FIREWALL_FAILED, "modprobe nf_tables" },
  { VPND_CAUSE_TUNNEL, VPND_FINDING_TUNNEL_FAILED, "vpnctl reconnect" },
  { VPND_CAUSE_ROUTING, VPND_FINDING_ROUTING_FAILED, "vpnctl routes" },
  { VPND_CAUSE_DNS, VPND_FINDING_DNS_FAILED, "vpnctl dns" },
  { VPND_CAUSE_ENDPOINT, VPND_FINDING_ENDPOINT_UNRESOLVABLE, "vpnctl disconnect && vpnctl connect" },
  { VPND_CAUSE_FAMILY, VPND_FINDING_FAMILY_UNAVAILABLE, "vpnctl connect OTHER-PROFILE" },
  { VPND_CAUSE_PROFILE, VPND_FINDING_PROFILE_UNUSABLE, "vpnctl import --replace FILE PROFILE" },
  { VPND_CAUSE_CRASHED, VPND_FINDING_CRASHED, "vpnctl connect" },
  { VPND_CAUSE_SETTINGS, VPND_FINDING_SETTINGS_UNREADABLE, "vpnctl settings" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (causes) == VPND_N_CAUSES - 1);

static void
add (GPtrArray *findings, VpndFindingCode code, gboolean is_private, char *evidence, const char *command, const char *argument)
{
  VpndFinding *finding = g_new0 (VpndFinding, 1);
  const char *place = strstr (command, "{}");

  finding->code = code;
  finding->is_private = is_private;
  finding->evidence = evidence;
  if (place == NULL)
    finding->command = g_strdup (command);
  else
    finding->command = g_strdup_printf ("%.*s%s%s", (int) (place - command), command, argument != NULL ? argument : "", place + 2);
  g_ptr_array_add (findings, finding);
}

/* A link that could be turned on. */
static const char *
find_link_down (const VpndEvidence *e)
{
  for (guint i = 0; e->survey != NULL && i < e->survey->links->len; i++)
    {
      const VpndSurveyLink *link = &g_array_index (e->survey->links, VpndSurveyLink, i);

      if (!link->is_up && link->type == ARPHRD_ETHER && link->kind[0] == '\0')
        return link->ifname;
    }
  return "LINK";
}

static void
add_cause (GPtrArray *findings, const VpndEvidence *e)
{
  gboolean is_feature = e->cause == VPND_CAUSE_FIREWALL && strstr (e->detail, "CONFIG_") != NULL; /* told by examine_nft_feature () */

  for (guint i = 0; e->kind == VPND_STATE_ERROR && !is_feature && i < G_N_ELEMENTS (causes); i++)
    if (causes[i].cause == e->cause)
      add (findings, causes[i].code, FALSE, g_strdup (*e->detail != '\0' ? e->detail : vpnd_cause_word (e->cause)), causes[i].command, find_link_down (e));
}

/**
 * vpnd_finding_free:
 * @finding: (transfer full) (nullable): a finding
 */
void
vpnd_finding_free (VpndFinding *finding)
{
  if (finding == NULL)
    return;
  g_free (finding->evidence);
  g_free (finding->command);
  g_free (finding);
}

static int
compare_findings_cb (gconstpointer a, gconstpointer b)
{
  const VpndFinding *one = *(VpndFinding *const *) a;
  const VpndFinding *other = *(VpndFinding *const *) b;
  int order = (int) vpnd_finding_severity (other->code) - (int) vpnd_finding_severity (one->code);

  return order != 0 ? order : (int) one->code - (int) other->code;
}

/**
 * vpnd_doctor_examine:
 * @evidence: what was collected
 *
 * Returns: (transfer full) (element-type VpndFinding): what it shows, the worst first; each code at most once
 */
GPtrArray *
vpnd_doctor_examine (const VpndEvidence *evidence)
{
  GPtrArray *findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_finding_free);

  add_cause (findings, evidence);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *argument = NULL;
      char *shown = rows[i].examine (evidence, &argument);

      if (shown != NULL)
        add (findings, rows[i].code, rows[i].is_private, shown, rows[i].command, argument);
    }
  g_ptr_array_sort (findings, compare_findings_cb);
  return findings;
}
