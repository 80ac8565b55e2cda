/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Each finding: evidence that provokes it, and it alone, and evidence that nearly does.
 */
#include "config.h"

#include "doctor.h"
#include "reserved.h"

#include <net/if_arp.h>

/* A host on which everything is well, connected. */
static VpndEvidence *
make_healthy (void)
{
  VpndEvidence *e = vpnd_evidence_new ();
  VpndSurveyLink own = { .ifindex = 5, .ifname = VPND_IFNAME, .kind = "tun", .type = ARPHRD_NONE, .is_up = TRUE, .mtu = 1420 };
  VpndSurveyLink physical = { .ifindex = 2, .ifname = "eth0", .type = ARPHRD_ETHER, .is_up = TRUE, .mtu = 1500 };
  VpndSurveyRoute route = { .route = { .table = 254, .ifname = "eth0", .metric = 100 } };

  e->kind = VPND_STATE_CONNECTED;
  e->must_block = e->is_blocking = TRUE;
  e->state_s = 3600;
  e->handshake_s = 30;
  e->tunnel_mtu = 1420;
  e->outer_overhead = 60;
  e->profile_has_ipv6 = TRUE;
  e->has_bus = TRUE;
  vpnd_evidence_take (&e->profile, g_strdup ("home"));
  vpnd_evidence_take (&e->dns_owner, g_strdup ("file"));
  e->facts->ipv6_enabled = TRUE;
  e->facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  e->facts->default6 = e->facts->default4;
  e->survey = vpnd_route_survey_new ();
  g_array_append_val (e->survey->links, own);
  g_array_append_val (e->survey->links, physical);
  route.route.destination.addr.family = AF_INET;
  g_array_append_val (e->survey->defaults, route);
  return e;
}

static void
add_entry (VpndEvidence *e, VpndEntryKind kind, VpndEntryState state, VpndEntryWhy why, const char *text, const char *removal)
{
  VpndRouteEntry *entry = g_new0 (VpndRouteEntry, 1);

  entry->kind = kind;
  entry->state = state;
  entry->why = why;
  entry->text = g_strdup (text);
  entry->removal = g_strdup (removal);
  g_ptr_array_add (e->entries, entry);
}

static void
add_table (VpndEvidence *e, guint drops, guint marks)
{
  VpndForeignTable table = { "inet", "other", drops, marks };

  g_array_append_val (e->tables, table);
}

static void
add_link (VpndEvidence *e, const char *name, const char *kind, guint16 type, gboolean is_up)
{
  VpndSurveyLink link = { .ifindex = 9, .type = type, .is_up = is_up };

  g_strlcpy (link.ifname, name, sizeof link.ifname);
  g_strlcpy (link.kind, kind, sizeof link.kind);
  g_array_append_val (e->survey->links, link);
}

static void
set_cause (VpndEvidence *e, VpndCause cause, const char *detail)
{
  e->kind = VPND_STATE_ERROR;
  e->cause = cause;
  vpnd_evidence_take (&e->detail, g_strdup (detail));
}

static void
connecting (VpndEvidence *e, guint attempt)
{
  e->kind = VPND_STATE_CONNECTING;
  e->handshake_s = -1;
  e->attempt = attempt;
  e->state_s = 1;
  e->tx_bytes = 148;
}

static void
add_default (VpndEvidence *e, const char *ifname, guint32 metric)
{
  VpndSurveyRoute route = { .route = { .table = 254, .metric = metric } };

  route.route.destination.addr.family = AF_INET;
  g_strlcpy (route.route.ifname, ifname, sizeof route.route.ifname);
  g_array_append_val (e->survey->defaults, route);
}

static void
add_bridge (VpndEvidence *e)
{
  VpndHop bridge = { .ifindex = 8, .ifname = "docker0" };

  g_assert_true (vpnd_prefix_parse ("172.17.0.0/16", &bridge.prefix));
  g_array_append_val (e->facts->bridges, bridge);
}

/* One function a finding. @nearly: what is close and no finding. */
#define CASE(name) static void provoke_##name (VpndEvidence *e, gboolean nearly)

CASE (rules)
{
  e->is_blocking = nearly;
}
CASE (offline)
{
  set_cause (e, VPND_CAUSE_OFFLINE, "");
  e->kind = nearly ? VPND_STATE_CONNECTED : VPND_STATE_ERROR;
}
CASE (offline_link)
{
  provoke_offline (e, nearly);
  add_link (e, "eth1", "", ARPHRD_ETHER, FALSE);
}
CASE (firewall) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_FIREWALL, "table inet vpnd: Operation not permitted"); }
CASE (tunnel) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_TUNNEL, "no device"); }
CASE (routing) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_ROUTING, "no"); }
CASE (dns_cause) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_DNS, "no"); }
CASE (endpoint) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_ENDPOINT, "no"); }
CASE (family) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_FAMILY, ""); }
CASE (profile) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_PROFILE, ""); }
CASE (crashed) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_CRASHED, ""); }
CASE (settings) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_SETTINGS, ""); }
CASE (locked_down)
{
  e->lockdown = TRUE;
  e->kind = nearly ? VPND_STATE_CONNECTED : VPND_STATE_DISCONNECTED;
}
CASE (sockets) { e->destroy_sockets = nearly; }
CASE (repairs) { e->repairs = nearly ? 2 : 3; }
CASE (wireguard)
{
  e->has_kernel_wireguard = FALSE;
  e->has_wireguard_go = nearly;
}
CASE (tun)
{
  e->has_kernel_wireguard = nearly;
  e->has_tun = FALSE;
}
CASE (backend)
{
  e->backend = nearly ? VPND_BACKEND_AUTO : VPND_BACKEND_KERNEL;
  e->has_kernel_wireguard = FALSE;
}
CASE (nft_feature) { set_cause (e, nearly ? VPND_CAUSE_NONE : VPND_CAUSE_FIREWALL, "rule 3 of chain output: the kernel lacks CONFIG_NFT_CT"); }
CASE (ipv6)
{
  e->facts->ipv6_enabled = FALSE;
  e->profile_has_ipv6 = !nearly;
}
CASE (conntrack)
{
  e->conntrack_max = 1000;
  e->conntrack_count = nearly ? 949 : 950;
}
CASE (handshake) { connecting (e, nearly ? 1 : 2); }
CASE (handshake_unnamed)
{
  connecting (e, nearly ? 1 : 2);
  vpnd_evidence_take (&e->profile, g_strdup (""));
}
CASE (handshake_old) { e->handshake_s = nearly ? 299 : 300; }
CASE (clock) { e->clock_behind_s = nearly ? 60 : 61; }
CASE (portal) { e->connectivity = nearly ? 4 : VPND_CONNECTIVITY_PORTAL; }
CASE (link)
{
  g_array_index (e->survey->links, VpndSurveyLink, 0).is_up = nearly;
  add_entry (e, VPND_ENTRY_ROUTE, nearly ? VPND_ENTRY_PRESENT : VPND_ENTRY_MISSING, VPND_WHY_ALLOWED_IPS, "::/0 dev vpnd0", NULL);
}
CASE (missing) { add_entry (e, VPND_ENTRY_RULE, nearly ? VPND_ENTRY_PRESENT : VPND_ENTRY_MISSING, VPND_WHY_MARKED, "4870 inet lookup 254", NULL); }
CASE (foreign) { add_entry (e, VPND_ENTRY_ROUTE, nearly ? VPND_ENTRY_PRESENT : VPND_ENTRY_FOREIGN, VPND_WHY_OTHER_PROGRAM, "192.0.2.0/24 dev eth0 table 22096", "route del 192.0.2.0/24 dev eth0 table 22096"); }
CASE (left_over_rule) { add_entry (e, VPND_ENTRY_RULE, nearly ? VPND_ENTRY_PRESENT : VPND_ENTRY_FOREIGN, VPND_WHY_LEFT_OVER, "4890 inet6 lookup 22096", "-6 rule del priority 4890 lookup 22096"); }
CASE (foreign_rule) { add_entry (e, VPND_ENTRY_RULE, nearly ? VPND_ENTRY_PRESENT : VPND_ENTRY_FOREIGN, VPND_WHY_EARLIER_RULE, "100 inet6 lookup 254", "-6 rule del priority 100 lookup 254"); }
CASE (ambiguous) { add_default (e, "wlan0", nearly ? 600 : 100); }
CASE (lan)
{
  if (!nearly)
    g_ptr_array_add (e->lan_claims, g_strdup ("192.168.1.0/24 dev eth0 is inside 192.168.0.0/16 of the profile"));
}
CASE (internet) { e->has_internet_route = nearly; }
CASE (other_vpn)
{
  add_link (e, "tun3", "tun", nearly ? ARPHRD_ETHER : ARPHRD_NONE, TRUE);
  add_link (e, "wg3", "wireguard", ARPHRD_NONE, FALSE);
}
CASE (rp_filter)
{
  e->rp_filter = nearly ? 2 : 1;
  e->src_valid_mark = 0;
}
CASE (mtu) { e->facts->default4.mtu = nearly ? 1480 : 1479; }
CASE (containers)
{
  if (!nearly)
    add_bridge (e);
}
CASE (firewall_suspect)
{
  connecting (e, 2);
  add_table (e, nearly ? 0 : 1, 0);
}
CASE (firewall_foreign) { add_table (e, nearly ? 0 : 1, 0); }
CASE (marks) { add_table (e, 0, nearly ? 0 : 2); }
CASE (iptables) { e->has_iptables_legacy = !nearly; }
CASE (firewalld) { e->firewalld = nearly ? VPND_SERVICE_ABSENT : VPND_SERVICE_PRESENT; }
CASE (dns)
{
  g_ptr_array_add (e->dns_servers, g_strdup ("10.64.0.1"));
  e->dns_in_force = nearly;
}
CASE (dns_list)
{
  g_ptr_array_add (e->dns_servers, g_strdup ("10.64.0.1"));
  vpnd_evidence_take (&e->dns_owner, g_strdup ("systemd-resolved"));
  vpnd_evidence_take (&e->resolv_conf_link, g_strdup ("../run/systemd/resolve/resolv.conf"));
  e->resolved = VPND_SERVICE_PRESENT;
  e->dns_in_force = nearly;
}
CASE (dns_repairs) { e->dns_repairs = !nearly; }
CASE (resolv_conf)
{
  e->has_resolv_conf = nearly;
  vpnd_evidence_take (&e->resolv_conf_link, g_strdup ("/nowhere"));
}
CASE (locked) { e->resolv_conf_is_locked = !nearly; }
CASE (resolved_missing)
{
  vpnd_evidence_take (&e->resolv_conf_link, g_strdup ("../run/systemd/resolve/stub-resolv.conf"));
  e->resolved = nearly ? VPND_SERVICE_PRESENT : VPND_SERVICE_ABSENT;
  e->has_resolv_conf = nearly;
}
CASE (resolved_hangs) { e->resolved = nearly ? VPND_SERVICE_PRESENT : VPND_SERVICE_HANGS; }
CASE (local_resolver) { vpnd_evidence_take (&e->local_resolver, g_strdup (nearly ? "" : "127.0.0.1")); }
CASE (split)
{
  if (!nearly)
    g_ptr_array_add (e->split_troubles, g_strdup ("split: vpnd-classifier does not answer"));
}
CASE (polkit) { e->polkit = nearly ? VPND_SERVICE_PRESENT : VPND_SERVICE_ABSENT; }
CASE (early_boot)
{
  e->lockdown = !nearly;
  vpnd_evidence_take (&e->early_boot_state, g_strdup ("disabled"));
}
CASE (service)
{
  e->auto_connect = TRUE;
  vpnd_evidence_take (&e->service_state, g_strdup (nearly ? "enabled" : "disabled"));
}
CASE (sandbox) { e->sysctl_is_read_only = !nearly; }
CASE (descriptors)
{
  e->fds_max = 1024;
  e->fds = nearly ? 971 : 972;
  e->pid = 77;
}
CASE (disk) { e->state_free_bytes = nearly ? 1048576 : 1048575; }
CASE (read_only) { e->state_is_read_only = !nearly; }

static const struct
{
  VpndFindingCode code;
  void (*provoke) (VpndEvidence *e, gboolean nearly);
  VpndFindingCode other; /* what the case shows as well; the same for nothing */
  const char *command;
} cases[] = {
  { VPND_FINDING_RULES_NOT_IN_FORCE, provoke_rules, VPND_FINDING_RULES_NOT_IN_FORCE, "systemctl restart vpnd" },
  { VPND_FINDING_OFFLINE, provoke_offline, VPND_FINDING_OFFLINE, "ip -brief link" },
  { VPND_FINDING_OFFLINE, provoke_offline_link, VPND_FINDING_OFFLINE, "ip link set eth1 up" },
  { VPND_FINDING_FIREWALL_FAILED, provoke_firewall, VPND_FINDING_FIREWALL_FAILED, "modprobe nf_tables" },
  { VPND_FINDING_TUNNEL_FAILED, provoke_tunnel, VPND_FINDING_TUNNEL_FAILED, "vpnctl reconnect" },
  { VPND_FINDING_ROUTING_FAILED, provoke_routing, VPND_FINDING_ROUTING_FAILED, "vpnctl routes" },
  { VPND_FINDING_DNS_FAILED, provoke_dns_cause, VPND_FINDING_DNS_FAILED, "vpnctl dns" },
  { VPND_FINDING_ENDPOINT_UNRESOLVABLE, provoke_endpoint, VPND_FINDING_ENDPOINT_UNRESOLVABLE, "vpnctl disconnect && vpnctl connect" },
  { VPND_FINDING_FAMILY_UNAVAILABLE, provoke_family, VPND_FINDING_FAMILY_UNAVAILABLE, "vpnctl list" },
  { VPND_FINDING_PROFILE_UNUSABLE, provoke_profile, VPND_FINDING_PROFILE_UNUSABLE, "vpnctl list" },
  { VPND_FINDING_CRASHED, provoke_crashed, VPND_FINDING_CRASHED, "vpnctl connect" },
  { VPND_FINDING_SETTINGS_UNREADABLE, provoke_settings, VPND_FINDING_SETTINGS_UNREADABLE, "vpnctl settings" },
  { VPND_FINDING_LOCKED_DOWN, provoke_locked_down, VPND_FINDING_LOCKED_DOWN, "vpnctl lockdown off" },
  { VPND_FINDING_SOCKETS_KEPT, provoke_sockets, VPND_FINDING_SOCKETS_KEPT, "vpnctl settings set destroy-sockets true" },
  { VPND_FINDING_FOUGHT_OVER, provoke_repairs, VPND_FINDING_FOUGHT_OVER, "vpnctl logs" },
  { VPND_FINDING_NO_WIREGUARD, provoke_wireguard, VPND_FINDING_NO_WIREGUARD, "modprobe wireguard" },
  { VPND_FINDING_TUN_MISSING, provoke_tun, VPND_FINDING_TUN_MISSING, "modprobe tun" },
  { VPND_FINDING_BACKEND_MISSING, provoke_backend, VPND_FINDING_BACKEND_MISSING, "vpnctl settings set backend auto" },
  { VPND_FINDING_NFT_FEATURE_MISSING, provoke_nft_feature, VPND_FINDING_NFT_FEATURE_MISSING, "modprobe nft_ct" },
  { VPND_FINDING_IPV6_OFF, provoke_ipv6, VPND_FINDING_IPV6_OFF, "sysctl -w net.ipv6.conf.all.disable_ipv6=0" },
  { VPND_FINDING_CONNTRACK_FULL, provoke_conntrack, VPND_FINDING_CONNTRACK_FULL, "sysctl -w net.netfilter.nf_conntrack_max=2000" },
  { VPND_FINDING_NO_HANDSHAKE, provoke_handshake, VPND_FINDING_NO_HANDSHAKE, "vpnctl show home" },
  { VPND_FINDING_NO_HANDSHAKE, provoke_handshake_unnamed, VPND_FINDING_NO_HANDSHAKE, "vpnctl list" },
  { VPND_FINDING_HANDSHAKE_OLD, provoke_handshake_old, VPND_FINDING_HANDSHAKE_OLD, "vpnctl reconnect" },
  { VPND_FINDING_CLOCK_WRONG, provoke_clock, VPND_FINDING_CLOCK_WRONG, "timedatectl set-ntp true" },
  { VPND_FINDING_CAPTIVE_PORTAL, provoke_portal, VPND_FINDING_CAPTIVE_PORTAL, "vpnctl disconnect" },
  { VPND_FINDING_LINK_MISSING, provoke_link, VPND_FINDING_LINK_MISSING, "vpnctl reconnect" },
  { VPND_FINDING_ROUTES_MISSING, provoke_missing, VPND_FINDING_ROUTES_MISSING, "vpnctl reconnect" },
  { VPND_FINDING_ROUTES_FOREIGN, provoke_foreign, VPND_FINDING_ROUTES_FOREIGN, "ip route del 192.0.2.0/24 dev eth0 table 22096" },
  { VPND_FINDING_ROUTES_FOREIGN, provoke_left_over_rule, VPND_FINDING_ROUTES_FOREIGN, "ip -6 rule del priority 4890 lookup 22096" },
  { VPND_FINDING_RULE_FOREIGN, provoke_foreign_rule, VPND_FINDING_RULE_FOREIGN, "ip -6 rule del priority 100 lookup 254" },
  { VPND_FINDING_DEFAULT_AMBIGUOUS, provoke_ambiguous, VPND_FINDING_DEFAULT_AMBIGUOUS, "ip route del 0.0.0.0/0 dev wlan0 table 254 metric 100" },
  { VPND_FINDING_LAN_CLAIMED, provoke_lan, VPND_FINDING_LAN_CLAIMED, "vpnctl show home" },
  { VPND_FINDING_NO_INTERNET_ROUTE, provoke_internet, VPND_FINDING_NO_INTERNET_ROUTE, "vpnctl show home" },
  { VPND_FINDING_OTHER_VPN, provoke_other_vpn, VPND_FINDING_OTHER_VPN, "ip link set tun3 down" },
  { VPND_FINDING_RP_FILTER, provoke_rp_filter, VPND_FINDING_RP_FILTER, "sysctl -w net.ipv4.conf.all.src_valid_mark=1" },
  { VPND_FINDING_MTU_SMALL, provoke_mtu, VPND_FINDING_MTU_SMALL, "ip link set eth0 mtu 1500" },
  { VPND_FINDING_CONTAINERS, provoke_containers, VPND_FINDING_CONTAINERS, "vpnctl routes" },
  { VPND_FINDING_FIREWALL_SUSPECT, provoke_firewall_suspect, VPND_FINDING_NO_HANDSHAKE, "nft list table inet other" },
  { VPND_FINDING_FIREWALL_FOREIGN, provoke_firewall_foreign, VPND_FINDING_FIREWALL_FOREIGN, "nft list table inet other" },
  { VPND_FINDING_MARK_CLOBBERED, provoke_marks, VPND_FINDING_MARK_CLOBBERED, "nft list table inet other" },
  { VPND_FINDING_IPTABLES_LEGACY, provoke_iptables, VPND_FINDING_IPTABLES_LEGACY, "iptables-legacy -S" },
  { VPND_FINDING_FIREWALLD, provoke_firewalld, VPND_FINDING_FIREWALLD, "firewall-cmd --zone=trusted --add-interface=vpnd0" },
  { VPND_FINDING_DNS_NOT_IN_FORCE, provoke_dns, VPND_FINDING_DNS_NOT_IN_FORCE, "vpnctl reconnect" },
  { VPND_FINDING_DNS_NOT_IN_FORCE, provoke_dns_list, VPND_FINDING_DNS_NOT_IN_FORCE, "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf" },
  { VPND_FINDING_DNS_FOUGHT_OVER, provoke_dns_repairs, VPND_FINDING_DNS_FOUGHT_OVER, "vpnctl dns" },
  { VPND_FINDING_RESOLV_CONF_MISSING, provoke_resolv_conf, VPND_FINDING_RESOLV_CONF_MISSING, "touch /etc/resolv.conf" },
  { VPND_FINDING_RESOLV_CONF_LOCKED, provoke_locked, VPND_FINDING_RESOLV_CONF_LOCKED, "chattr -i /etc/resolv.conf" },
  { VPND_FINDING_RESOLVED_MISSING, provoke_resolved_missing, VPND_FINDING_RESOLVED_MISSING, "systemctl start systemd-resolved" },
  { VPND_FINDING_RESOLVED_HANGS, provoke_resolved_hangs, VPND_FINDING_RESOLVED_HANGS, "systemctl restart systemd-resolved" },
  { VPND_FINDING_LOCAL_RESOLVER, provoke_local_resolver, VPND_FINDING_LOCAL_RESOLVER, "vpnctl settings set dns-servers 127.0.0.1" },
  { VPND_FINDING_SPLIT_IN_VAIN, provoke_split, VPND_FINDING_SPLIT_IN_VAIN, "systemctl restart vpnd-classifier" },
  { VPND_FINDING_POLKIT_MISSING, provoke_polkit, VPND_FINDING_POLKIT_MISSING, "systemctl restart polkit" },
  { VPND_FINDING_EARLY_BOOT_OFF, provoke_early_boot, VPND_FINDING_EARLY_BOOT_OFF, "systemctl enable vpnd-early-boot" },
  { VPND_FINDING_SERVICE_OFF, provoke_service, VPND_FINDING_SERVICE_OFF, "systemctl enable vpnd" },
  { VPND_FINDING_SANDBOX, provoke_sandbox, VPND_FINDING_SANDBOX, "systemctl revert vpnd" },
  { VPND_FINDING_DESCRIPTORS, provoke_descriptors, VPND_FINDING_DESCRIPTORS, "prlimit --pid 77 --nofile=4096" },
  { VPND_FINDING_DISK_FULL, provoke_disk, VPND_FINDING_DISK_FULL, "df -h /var/lib/vpnd" },
  { VPND_FINDING_DISK_READ_ONLY, provoke_read_only, VPND_FINDING_DISK_READ_ONLY, "mount -o remount,rw \"$(findmnt -n -o TARGET -T /var/lib/vpnd)\"" },
};

static const VpndFinding *
find (const GPtrArray *findings, VpndFindingCode code)
{
  for (guint i = 0; i < findings->len; i++)
    if (((VpndFinding *) g_ptr_array_index (findings, i))->code == code)
      return g_ptr_array_index (findings, i);
  return NULL;
}

static void
test_healthy (void)
{
  g_autoptr (VpndEvidence) connected = make_healthy ();
  g_autoptr (VpndEvidence) nothing_known = vpnd_evidence_new ();
  g_autoptr (GPtrArray) findings = vpnd_doctor_examine (connected);
  g_autoptr (GPtrArray) none = vpnd_doctor_examine (nothing_known);

  g_assert_cmpuint (findings->len, ==, 0);
  g_assert_cmpuint (none->len, ==, 0);
}

static void
test_every_case (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (VpndEvidence) bad = make_healthy ();
      g_autoptr (VpndEvidence) close = make_healthy ();
      g_autoptr (GPtrArray) findings = NULL;
      g_autoptr (GPtrArray) others = NULL;
      const VpndFinding *finding;

      g_test_message ("%s", vpnd_finding_word (cases[i].code));
      cases[i].provoke (bad, FALSE);
      cases[i].provoke (close, TRUE);
      findings = vpnd_doctor_examine (bad);
      others = vpnd_doctor_examine (close);
      finding = find (findings, cases[i].code);
      g_assert_nonnull (finding);
      g_assert_cmpstr (finding->command, ==, cases[i].command);
      g_test_message ("command: %s", finding->command); /* tests/lab/test_doctor.py tries it */
      g_assert_cmpstr (finding->evidence, !=, "");
      g_assert_cmpuint (findings->len, ==, cases[i].other == cases[i].code ? 1 : 2);
      g_assert_nonnull (find (findings, cases[i].other));
      g_assert_null (find (others, cases[i].code));
    }
}

/* Each code of the service has a case; those behind the last are vpnctl's. */
static void
test_no_code_without_case (void)
{
  for (VpndFindingCode code = 0; code < VPND_FINDING_BUS_UNREACHABLE; code++)
    {
      gboolean has_case = FALSE;

      for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        has_case |= cases[i].code == code;
      g_test_message ("%s", vpnd_finding_word (code));
      g_assert_true (has_case);
    }
}

static void
test_worst_first (void)
{
  g_autoptr (VpndEvidence) e = make_healthy ();
  g_autoptr (GPtrArray) findings = NULL;

  provoke_sockets (e, FALSE);
  provoke_foreign_rule (e, FALSE);
  provoke_rules (e, FALSE);
  findings = vpnd_doctor_examine (e);
  g_assert_cmpuint (findings->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (vpnd_finding_severity (((VpndFinding *) findings->pdata[i])->code), ==, VPND_SEVERITY_ERROR - (int) i);
}

/* What other firewalls do is for administrators. */
static void
test_private (void)
{
  g_autoptr (VpndEvidence) e = make_healthy ();
  g_autoptr (GPtrArray) findings = NULL;

  provoke_marks (e, FALSE);
  provoke_mtu (e, FALSE);
  findings = vpnd_doctor_examine (e);
  g_assert_true (find (findings, VPND_FINDING_MARK_CLOBBERED)->is_private);
  g_assert_false (find (findings, VPND_FINDING_MTU_SMALL)->is_private);
}

static void
test_words (void)
{
  for (VpndFindingCode code = 0; code < VPND_N_FINDINGS; code++)
    {
      VpndFindingCode back = VPND_N_FINDINGS;

      g_assert_true (vpnd_finding_from_word (vpnd_finding_word (code), &back));
      g_assert_cmpint (back, ==, code);
      g_assert_cmpuint (vpnd_finding_severity (code), <, VPND_N_SEVERITIES);
    }
  g_assert_false (vpnd_finding_from_word ("", &(VpndFindingCode){ 0 }));
  for (VpndSeverity severity = 0; severity < VPND_N_SEVERITIES; severity++)
    {
      VpndSeverity back = VPND_N_SEVERITIES;

      g_assert_true (vpnd_severity_from_word (vpnd_severity_word (severity), &back));
      g_assert_cmpint (back, ==, severity);
    }
  g_assert_false (vpnd_severity_from_word ("fatal", &(VpndSeverity){ 0 }));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/doctor/healthy", test_healthy);
  g_test_add_func ("/doctor/every-finding", test_every_case);
  g_test_add_func ("/doctor/no-code-without-case", test_no_code_without_case);
  g_test_add_func ("/doctor/worst-first", test_worst_first);
  g_test_add_func ("/doctor/private", test_private);
  g_test_add_func ("/doctor/words", test_words);
  return g_test_run ();
}
