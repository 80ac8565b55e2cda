/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One row a finding: what it means for a user.
 */
#include "config.h"

#include "finding-text.h"

#include <glib/gi18n.h>

static const char *const sentences[] = {
  [VPND_FINDING_RULES_NOT_IN_FORCE] = N_ ("Traffic should be kept inside the tunnel, and nothing keeps it there. Unplug the network if that matters."),
  [VPND_FINDING_OFFLINE] = N_ ("This machine has no network. vpnd goes on by itself when it is back."),
  [VPND_FINDING_FIREWALL_FAILED] = N_ ("The packet filter could not be put in force. The kernel may lack nf_tables, or another program holds the table of vpnd."),
  [VPND_FINDING_TUNNEL_FAILED] = N_ ("The tunnel device could not be set up."),
  [VPND_FINDING_ROUTING_FAILED] = N_ ("Addresses or routes could not be set. Another program may use the same tables or addresses."),
  [VPND_FINDING_DNS_FAILED] = N_ ("The name servers could not be set."),
  [VPND_FINDING_ENDPOINT_UNRESOLVABLE] = N_ ("The host name of the server has no address. Look at the name in the profile; it is looked up again by itself."),
  [VPND_FINDING_FAMILY_UNAVAILABLE] = N_ ("This network lacks the IP version that the server needs. vpnd goes on by itself in one that has it."),
  [VPND_FINDING_PROFILE_UNUSABLE] = N_ ("The profile that was wanted is not there, or cannot be used as it is. Import it from a file of the provider."),
  [VPND_FINDING_CRASHED] = N_ ("vpnd ended unexpectedly, and the network stays closed until you decide. To open it instead: vpnctl disconnect."),
  [VPND_FINDING_SETTINGS_UNREADABLE] = N_ ("The settings could not be read; the defaults hold. The file was kept aside in /var/lib/vpnd."),
  [VPND_FINDING_LOCKED_DOWN] = N_ ("Not connected, and lockdown keeps the network closed, as it was set."),
  [VPND_FINDING_SOCKETS_KEPT] = N_ ("Connections that programs opened before the tunnel go on outside of it until they are blocked."),
  [VPND_FINDING_FOUGHT_OVER] = N_ ("Another program keeps removing what vpnd sets up. The log names what it was; that program should leave it alone."),
  [VPND_FINDING_NO_WIREGUARD] = N_ ("There is no WireGuard: neither in the kernel nor as the program wireguard-go. Install the package wireguard-go if the module does not exist."),
  [VPND_FINDING_TUN_MISSING] = N_ ("wireguard-go is there, and cannot work without the device /dev/net/tun."),
  [VPND_FINDING_BACKEND_MISSING] = N_ ("The setting backend names a WireGuard that this machine does not have."),
  [VPND_FINDING_NFT_FEATURE_MISSING] = N_ ("The kernel lacks a part of nf_tables that the rules need. If it is no module either, another kernel is needed."),
  [VPND_FINDING_IPV6_OFF] = N_ ("The profile has an IPv6 address, and IPv6 is turned off on this machine: the tunnel has IPv4 only."),
  [VPND_FINDING_CONNTRACK_FULL] = N_ ("The kernel's table of connections is nearly full: new connections are dropped when it is."),
  [VPND_FINDING_NO_HANDSHAKE] = N_ ("The server does not answer. Its address, port or keys in the profile may be wrong, or this network blocks UDP."),
  [VPND_FINDING_HANDSHAKE_OLD] = N_ ("It is long since the server answered; the connection may be dead."),
  [VPND_FINDING_CLOCK_WRONG] = N_ ("The clock of this machine is wrong. WireGuard servers refuse handshakes that are older than the last one."),
  [VPND_FINDING_CAPTIVE_PORTAL] = N_ ("This network wants a login in a browser first. Log in while disconnected (lockdown off), then connect again."),
  [VPND_FINDING_LINK_MISSING] = N_ ("The tunnel's device is gone or down."),
  [VPND_FINDING_ROUTES_MISSING] = N_ ("Something that was planned is not in the kernel. vpnd puts it back by itself; if it stays away, another program removes it."),
  [VPND_FINDING_ROUTES_FOREIGN] = N_ ("Another program has put something into the routing tables of vpnd."),
  [VPND_FINDING_RULE_FOREIGN] = N_ ("A routing rule of another program is asked before those of vpnd. Packets that it sends elsewhere are blocked, not tunnelled."),
  [VPND_FINDING_DEFAULT_AMBIGUOUS] = N_ ("Two default routes have the same metric: which one the tunnel's packets take is left to chance."),
  [VPND_FINDING_LAN_CLAIMED] = N_ ("The profile takes a network into the tunnel that is also the local one: local machines cannot be reached."),
  [VPND_FINDING_NO_INTERNET_ROUTE] = N_ ("The profile reaches its own networks only; everything else is blocked while it is connected."),
  [VPND_FINDING_OTHER_VPN] = N_ ("Another VPN is up. Both can work side by side only if one is inside the other or they share no addresses."),
  [VPND_FINDING_RP_FILTER] = N_ ("Strict reverse path filtering drops the server's answers."),
  [VPND_FINDING_MTU_SMALL] = N_ ("The physical link is too small for a full packet of the tunnel: packets are cut in pieces, or get lost."),
  [VPND_FINDING_CONTAINERS] = N_ ("There are networks of containers or virtual machines. They are reached beside the tunnel, and reach the internet through it."),
  [VPND_FINDING_FIREWALL_SUSPECT] = N_ ("The server does not answer, and another firewall drops packets. It may drop those of the tunnel."),
  [VPND_FINDING_FIREWALL_FOREIGN] = N_ ("Another firewall drops packets as well. What it drops stays dropped, inside the tunnel too."),
  [VPND_FINDING_MARK_CLOBBERED] = N_ ("Another program overwrites the mark of packets, by which those of the tunnel are known."),
  [VPND_FINDING_IPTABLES_LEGACY] = N_ ("Rules of the old iptables are loaded. They hold beside those of vpnd, and nft does not show them."),
  [VPND_FINDING_FIREWALLD] = N_ ("firewalld is active. It drops what comes in by links without a zone; connections from here are not touched."),
  [VPND_FINDING_DNS_NOT_IN_FORCE] = N_ ("Names are not asked for where vpnd has set it."),
  [VPND_FINDING_DNS_FOUGHT_OVER] = N_ ("Another program has changed the DNS setting; vpnd put its own back. Only one of them should manage it."),
  [VPND_FINDING_RESOLV_CONF_MISSING] = N_ ("Programs find no name server: the file that names it is not there."),
  [VPND_FINDING_RESOLV_CONF_LOCKED] = N_ ("The file that names the name servers cannot be changed."),
  [VPND_FINDING_RESOLVED_MISSING] = N_ ("Programs are told to ask systemd-resolved, and it does not run."),
  [VPND_FINDING_RESOLVED_HANGS] = N_ ("systemd-resolved runs and does not answer."),
  [VPND_FINDING_LOCAL_RESOLVER] = N_ ("Programs ask a resolver on this machine. It reaches the servers behind it only through the tunnel; name it in the settings to keep it."),
  [VPND_FINDING_SPLIT_IN_VAIN] = N_ ("Rules of split tunnelling take no effect: what they name goes the way of everything else."),
  [VPND_FINDING_POLKIT_MISSING] = N_ ("polkit does not run or does not answer: only root can control vpnd."),
  [VPND_FINDING_EARLY_BOOT_OFF] = N_ ("The network is open from the start of the machine until vpnd runs, although it should not be."),
  [VPND_FINDING_SERVICE_OFF] = N_ ("vpnd is not started with the machine, although a setting needs that."),
  [VPND_FINDING_SANDBOX] = N_ ("The service is not allowed what it needs. A change of its unit takes it away."),
  [VPND_FINDING_DESCRIPTORS] = N_ ("vpnd has nearly as many files open as it may."),
  [VPND_FINDING_DISK_FULL] = N_ ("There is hardly any room to save settings and profiles. Find out what fills it."),
  [VPND_FINDING_DISK_READ_ONLY] = N_ ("Settings and profiles cannot be saved."),
  [VPND_FINDING_BUS_UNREACHABLE] = N_ ("The message bus of the system cannot be reached; without it nobody can talk to vpnd."),
  [VPND_FINDING_DAEMON_UNREACHABLE] = N_ ("vpnd cannot be reached. What only it can tell is not checked here."),
  [VPND_FINDING_NOT_PERMITTED] = N_ ("You may not see everything. As root more is checked."),
  [VPND_FINDING_LEFT_BEHIND] = N_ ("vpnd does not run, and has left changes on this machine. They go when it starts, or with this command."),
  [VPND_FINDING_VERSIONS_DIFFER] = N_ ("vpnctl and vpnd are of different versions: vpnd was not restarted after an upgrade."),
};
G_STATIC_ASSERT (G_N_ELEMENTS (sentences) == VPND_N_FINDINGS);

static const char *const titles[] = {
  [VPND_SEVERITY_NOTE] = N_ ("Note"),
  [VPND_SEVERITY_WARNING] = N_ ("Warning"),
  [VPND_SEVERITY_ERROR] = N_ ("Error"),
};
G_STATIC_ASSERT (G_N_ELEMENTS (titles) == VPND_N_SEVERITIES);

/**
 * vpnd_finding_sentence:
 * @code: a finding
 *
 * Returns: (transfer none): what it means, translated
 */
const char *
vpnd_finding_sentence (VpndFindingCode code)
{
  return _ (sentences[code]);
}

/**
 * vpnd_severity_title:
 * @severity: a severity
 *
 * Returns: (transfer none): its name at the beginning of a line, translated
 */
const char *
vpnd_severity_title (VpndSeverity severity)
{
  return _ (titles[severity]);
}
