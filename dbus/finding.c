/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of dbus/finding.h. Words are public: scripts compare them.
 */
#include "config.h"

#include "finding.h"

static const struct
{
  const char *word;
  VpndSeverity severity;
} findings[] = {
  [VPND_FINDING_RULES_NOT_IN_FORCE] = { "rules-not-in-force", VPND_SEVERITY_ERROR },
  [VPND_FINDING_OFFLINE] = { "offline", VPND_SEVERITY_ERROR },
  [VPND_FINDING_FIREWALL_FAILED] = { "firewall-failed", VPND_SEVERITY_ERROR },
  [VPND_FINDING_TUNNEL_FAILED] = { "tunnel-failed", VPND_SEVERITY_ERROR },
  [VPND_FINDING_ROUTING_FAILED] = { "routing-failed", VPND_SEVERITY_ERROR },
  [VPND_FINDING_DNS_FAILED] = { "dns-failed", VPND_SEVERITY_ERROR },
  [VPND_FINDING_ENDPOINT_UNRESOLVABLE] = { "endpoint-unresolvable", VPND_SEVERITY_ERROR },
  [VPND_FINDING_FAMILY_UNAVAILABLE] = { "ip-family-unavailable", VPND_SEVERITY_ERROR },
  [VPND_FINDING_PROFILE_UNUSABLE] = { "profile-unusable", VPND_SEVERITY_ERROR },
  [VPND_FINDING_CRASHED] = { "crashed", VPND_SEVERITY_ERROR },
  [VPND_FINDING_SETTINGS_UNREADABLE] = { "settings-unreadable", VPND_SEVERITY_ERROR },
  [VPND_FINDING_LOCKED_DOWN] = { "locked-down", VPND_SEVERITY_NOTE },
  [VPND_FINDING_SOCKETS_KEPT] = { "sockets-kept", VPND_SEVERITY_NOTE },
  [VPND_FINDING_FOUGHT_OVER] = { "fought-over", VPND_SEVERITY_WARNING },
  [VPND_FINDING_NO_WIREGUARD] = { "no-wireguard", VPND_SEVERITY_ERROR },
  [VPND_FINDING_TUN_MISSING] = { "tun-missing", VPND_SEVERITY_ERROR },
  [VPND_FINDING_BACKEND_MISSING] = { "backend-missing", VPND_SEVERITY_ERROR },
  [VPND_FINDING_NFT_FEATURE_MISSING] = { "nft-feature-missing", VPND_SEVERITY_ERROR },
  [VPND_FINDING_IPV6_OFF] = { "ipv6-off", VPND_SEVERITY_NOTE },
  [VPND_FINDING_CONNTRACK_FULL] = { "conntrack-full", VPND_SEVERITY_ERROR },
  [VPND_FINDING_NO_HANDSHAKE] = { "no-handshake", VPND_SEVERITY_ERROR },
  [VPND_FINDING_HANDSHAKE_OLD] = { "handshake-old", VPND_SEVERITY_WARNING },
  [VPND_FINDING_CLOCK_WRONG] = { "clock-wrong", VPND_SEVERITY_ERROR },
  [VPND_FINDING_CAPTIVE_PORTAL] = { "captive-portal", VPND_SEVERITY_WARNING },
  [VPND_FINDING_LINK_MISSING] = { "link-missing", VPND_SEVERITY_ERROR },
  [VPND_FINDING_ROUTES_MISSING] = { "routes-missing", VPND_SEVERITY_ERROR },
  [VPND_FINDING_ROUTES_FOREIGN] = { "routes-foreign", VPND_SEVERITY_WARNING },
  [VPND_FINDING_RULE_FOREIGN] = { "rule-foreign", VPND_SEVERITY_WARNING },
  [VPND_FINDING_DEFAULT_AMBIGUOUS] = { "default-ambiguous", VPND_SEVERITY_WARNING },
  [VPND_FINDING_LAN_CLAIMED] = { "lan-claimed", VPND_SEVERITY_WARNING },
  [VPND_FINDING_NO_INTERNET_ROUTE] = { "no-internet-route", VPND_SEVERITY_NOTE },
  [VPND_FINDING_OTHER_VPN] = { "other-vpn", VPND_SEVERITY_NOTE },
  [VPND_FINDING_RP_FILTER] = { "rp-filter", VPND_SEVERITY_ERROR },
  [VPND_FINDING_MTU_SMALL] = { "mtu-small", VPND_SEVERITY_WARNING },
  [VPND_FINDING_CONTAINERS] = { "containers", VPND_SEVERITY_NOTE },
  [VPND_FINDING_FIREWALL_SUSPECT] = { "firewall-suspect", VPND_SEVERITY_ERROR },
  [VPND_FINDING_FIREWALL_FOREIGN] = { "firewall-foreign", VPND_SEVERITY_NOTE },
  [VPND_FINDING_MARK_CLOBBERED] = { "mark-clobbered", VPND_SEVERITY_WARNING },
  [VPND_FINDING_IPTABLES_LEGACY] = { "iptables-legacy", VPND_SEVERITY_NOTE },
  [VPND_FINDING_FIREWALLD] = { "firewalld", VPND_SEVERITY_NOTE },
  [VPND_FINDING_DNS_NOT_IN_FORCE] = { "dns-not-in-force", VPND_SEVERITY_ERROR },
  [VPND_FINDING_DNS_FOUGHT_OVER] = { "dns-fought-over", VPND_SEVERITY_WARNING },
  [VPND_FINDING_RESOLV_CONF_MISSING] = { "resolv-conf-missing", VPND_SEVERITY_ERROR },
  [VPND_FINDING_RESOLV_CONF_LOCKED] = { "resolv-conf-locked", VPND_SEVERITY_ERROR },
  [VPND_FINDING_RESOLVED_MISSING] = { "resolved-missing", VPND_SEVERITY_ERROR },
  [VPND_FINDING_RESOLVED_HANGS] = { "resolved-hangs", VPND_SEVERITY_ERROR },
  [VPND_FINDING_LOCAL_RESOLVER] = { "local-resolver", VPND_SEVERITY_NOTE },
  [VPND_FINDING_SPLIT_IN_VAIN] = { "split-in-vain", VPND_SEVERITY_WARNING },
  [VPND_FINDING_POLKIT_MISSING] = { "polkit-missing", VPND_SEVERITY_WARNING },
  [VPND_FINDING_EARLY_BOOT_OFF] = { "early-boot-off", VPND_SEVERITY_WARNING },
  [VPND_FINDING_SERVICE_OFF] = { "service-off", VPND_SEVERITY_WARNING },
  [VPND_FINDING_SANDBOX] = { "sandbox", VPND_SEVERITY_ERROR },
  [VPND_FINDING_DESCRIPTORS] = { "descriptors", VPND_SEVERITY_ERROR },
  [VPND_FINDING_DISK_FULL] = { "disk-full", VPND_SEVERITY_ERROR },
  [VPND_FINDING_DISK_READ_ONLY] = { "disk-read-only", VPND_SEVERITY_ERROR },
  [VPND_FINDING_BUS_UNREACHABLE] = { "bus-unreachable", VPND_SEVERITY_ERROR },
  [VPND_FINDING_DAEMON_UNREACHABLE] = { "daemon-unreachable", VPND_SEVERITY_ERROR },
  [VPND_FINDING_NOT_PERMITTED] = { "not-permitted", VPND_SEVERITY_NOTE },
  [VPND_FINDING_LEFT_BEHIND] = { "left-behind", VPND_SEVERITY_WARNING },
  [VPND_FINDING_VERSIONS_DIFFER] = { "versions-differ", VPND_SEVERITY_WARNING },
};
G_STATIC_ASSERT (G_N_ELEMENTS (findings) == VPND_N_FINDINGS);

static const char *const severities[] = {
  [VPND_SEVERITY_NOTE] = "note",
  [VPND_SEVERITY_WARNING] = "warning",
  [VPND_SEVERITY_ERROR] = "error",
};
G_STATIC_ASSERT (G_N_ELEMENTS (severities) == VPND_N_SEVERITIES);

/**
 * vpnd_finding_word:
 * @code: a finding
 *
 * Returns: (transfer none): its word
 */
const char *
vpnd_finding_word (VpndFindingCode code)
{
  return findings[code].word;
}

/**
 * vpnd_finding_severity:
 * @code: a finding
 *
 * Returns: how bad it is
 */
VpndSeverity
vpnd_finding_severity (VpndFindingCode code)
{
  return findings[code].severity;
}

/**
 * vpnd_finding_from_word:
 * @word: a word
 * @out_code: (out): its finding; written only on success
 *
 * Returns: FALSE for a word of another version
 */
gboolean
vpnd_finding_from_word (const char *word, VpndFindingCode *out_code)
{
  for (guint i = 0; i < VPND_N_FINDINGS; i++)
    if (g_str_equal (findings[i].word, word))
      {
        *out_code = i;
        return TRUE;
      }
  return FALSE;
}

/**
 * vpnd_severity_word:
 * @severity: a severity
 *
 * Returns: (transfer none): its word
 */
const char *
vpnd_severity_word (VpndSeverity severity)
{
  return severities[severity];
}

/**
 * vpnd_severity_from_word:
 * @word: a word
 * @out_severity: (out): its severity; written only on success
 *
 * Returns: FALSE for a word of another version
 */
gboolean
vpnd_severity_from_word (const char *word, VpndSeverity *out_severity)
{
  for (guint i = 0; i < VPND_N_SEVERITIES; i++)
    if (g_str_equal (severities[i], word))
      {
        *out_severity = i;
        return TRUE;
      }
  return FALSE;
}
