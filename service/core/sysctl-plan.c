/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of core/sysctl-plan.h.
 */
#include "config.h"

#include "sysctl-plan.h"

static const VpndSysctl sysctls[] = {
  /* A strict rp_filter looks a reply's source up by mark, like the request (ip-sysctl.rst). */
  { "ipv4/conf/all/src_valid_mark", VPND_SYSCTL_AT_LEAST, 1 },
  /* 2: answer ARP only for an address of the link that is asked; the tunnel's address is not there for the LAN. */
  { "ipv4/conf/all/arp_ignore", VPND_SYSCTL_AT_LEAST, 2 },
  /* The kernel's WireGuard writes 0 when its link goes up (drivers/net/wireguard/device.c, wg_open()) and never puts it back: done here
   * before, so that the value of the host is known and restored. */
  { "ipv4/conf/all/send_redirects", VPND_SYSCTL_AT_MOST, 0 },
};

/**
 * vpnd_sysctl_plan:
 * @out_n: (out): number of rows
 *
 * Returns: (transfer none) (array length=out_n): the table
 */
const VpndSysctl *
vpnd_sysctl_plan (guint *out_n)
{
  *out_n = G_N_ELEMENTS (sysctls);
  return sysctls;
}

/**
 * vpnd_sysctl_needs_change:
 * @sysctl: a row of the table
 * @present: (nullable): the value that the kernel has, NULL when it has no such sysctl
 *
 * Returns: TRUE when @present is a number beyond the row's bound
 */
gboolean
vpnd_sysctl_needs_change (const VpndSysctl *sysctl, const char *present)
{
  gint64 value;

  if (present == NULL || !g_ascii_string_to_signed (present, 10, G_MININT64, G_MAXINT64, &value, NULL))
    return FALSE;
  switch (sysctl->bound)
    {
    case VPND_SYSCTL_AT_LEAST:
      return value < sysctl->value;
    case VPND_SYSCTL_AT_MOST:
      return value > sysctl->value;
    }
  return FALSE;
}
