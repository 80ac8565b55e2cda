/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What vpnd has of this host: its own state and service, the kernel, and names.
 */
#include "config.h"

#include "doctor-rows.h"

#include <string.h>

#include "reserved.h"

#define REPAIRS_MANY 3u          /* one is an accident, two a coincidence */
#define NEARLY_FULL_PERCENT 95u  /* of conntrack entries and descriptors */
#define STATE_BYTES_MIN 1048576u /* settings, profiles and ledger together are far smaller */
#define STATE_FILES_MIN 16u      /* a save needs one; profiles one each */
#define LINK_TO_STUB "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"

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

/* --- names --- */

/* The list that systemd-resolved keeps for programs that ask servers themselves: of all links, and no more than three of it are read. */
static char *
examine_dns (const VpndEvidence *e, char **out_argument)
{
  gboolean is_wanted = (e->kind == VPND_STATE_CONNECTING || e->kind == VPND_STATE_CONNECTED) && e->dns_servers->len > 0;
  gboolean is_list = strcmp (e->dns_owner, "systemd-resolved") == 0 && g_str_has_suffix (e->resolv_conf_link, "/run/systemd/resolve/resolv.conf");
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();

  if (!is_wanted || e->dns_in_force)
    return NULL;
  for (guint i = 0; i < e->dns_servers->len; i++)
    g_ptr_array_add (parts, g_strdup (g_ptr_array_index (e->dns_servers, i)));
  g_ptr_array_add (parts, is_list ? g_strdup ("behind too many others in the list of systemd-resolved") : g_strdup_printf ("not what was read back (owner: %s)", e->dns_owner));
  *out_argument = g_strdup (is_list ? LINK_TO_STUB : "vpnctl reconnect");
  return vpnd_doctor_join (parts);
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

/* --- split tunnelling --- */

static char *
examine_split (const VpndEvidence *e, char **out_argument)
{
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();
  gboolean is_of_classifier = FALSE;

  for (guint i = 0; i < e->split_troubles->len; i++)
    {
      g_ptr_array_add (parts, g_strdup (g_ptr_array_index (e->split_troubles, i)));
      is_of_classifier |= strstr (g_ptr_array_index (e->split_troubles, i), "vpnd-classifier") != NULL;
    }
  *out_argument = g_strdup (is_of_classifier ? "systemctl restart vpnd-classifier" : "vpnctl split list");
  return parts->len > 0 ? vpnd_doctor_join (parts) : NULL;
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
  g_autoptr (GPtrArray) parts = vpnd_doctor_new_parts ();

  if (!e->has_capability)
    g_ptr_array_add (parts, g_strdup ("no CAP_NET_ADMIN"));
  if (e->sysctl_is_read_only)
    g_ptr_array_add (parts, g_strdup ("/proc/sys/net is read-only"));
  if (e->runtime_is_read_only)
    g_ptr_array_add (parts, g_strdup ("the runtime directory is read-only"));
  return parts->len > 0 ? vpnd_doctor_join (parts) : NULL;
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
 * vpnd_doctor_rows_of_host:
 * @out_n: (out): how many
 *
 * Returns: (transfer none) (array length=out_n): what is looked for
 */
const VpndDoctorRow *
vpnd_doctor_rows_of_host (guint *out_n)
{
  static const VpndDoctorRow rows[] = {
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
    { VPND_FINDING_DNS_NOT_IN_FORCE, FALSE, examine_dns, "{}" },
    { VPND_FINDING_DNS_FOUGHT_OVER, FALSE, examine_dns_repairs, "vpnctl dns" },
    { VPND_FINDING_RESOLV_CONF_MISSING, FALSE, examine_resolv_conf, "{}" },
    { VPND_FINDING_RESOLV_CONF_LOCKED, FALSE, examine_resolv_conf_lock, "chattr -i /etc/resolv.conf" },
    { VPND_FINDING_RESOLVED_MISSING, FALSE, examine_resolved_missing, "systemctl start systemd-resolved" },
    { VPND_FINDING_RESOLVED_HANGS, FALSE, examine_resolved_hangs, "systemctl restart systemd-resolved" },
    { VPND_FINDING_LOCAL_RESOLVER, FALSE, examine_local_resolver, "vpnctl settings set dns-servers {}" },
    { VPND_FINDING_SPLIT_IN_VAIN, FALSE, examine_split, "{}" },
    { VPND_FINDING_POLKIT_MISSING, FALSE, examine_polkit, "systemctl restart polkit" },
    { VPND_FINDING_EARLY_BOOT_OFF, FALSE, examine_early_boot, "systemctl enable vpnd-early-boot" },
    { VPND_FINDING_SERVICE_OFF, FALSE, examine_service, "systemctl enable vpnd" },
    { VPND_FINDING_SANDBOX, FALSE, examine_sandbox, "systemctl revert vpnd" },
    { VPND_FINDING_DESCRIPTORS, FALSE, examine_descriptors, "prlimit {}" },
    { VPND_FINDING_DISK_FULL, FALSE, examine_disk, "df -h /var/lib/vpnd" },
    { VPND_FINDING_DISK_READ_ONLY, FALSE, examine_read_only, "mount -o remount,rw \"$(findmnt -n -o TARGET -T /var/lib/vpnd)\"" },
  };

  *out_n = G_N_ELEMENTS (rows);
  return rows;
}
