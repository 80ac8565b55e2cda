/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of resolv.conf(5), and who owns the DNS setting of a host, as pure decisions. Never touches a file or the bus.
 */
#pragma once

#include "dns-plan.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_DNS_OWNER_FILE,           /* programs read /etc/resolv.conf, and nobody else minds it */
  VPND_DNS_OWNER_RESOLVED,       /* programs ask systemd-resolved */
  VPND_DNS_OWNER_NETWORKMANAGER, /* NetworkManager writes the file */
  VPND_DNS_OWNER_RESOLVCONF,     /* resolvconf(8) writes the file, openresolv's or Debian's */
  VPND_N_DNS_OWNERS
} VpndDnsOwner;

/**
 * VpndDnsFacts: what says who owns the DNS setting
 * @resolved_available: org.freedesktop.resolve1 is on the bus, or can be started by it
 * @link_target: (nullable): where the link /etc/resolv.conf points to; NULL when it is no link
 * @text: (nullable): what is read through /etc/resolv.conf; NULL when nothing can be
 * @networkmanager_running: org.freedesktop.NetworkManager is on the bus
 * @networkmanager_mode: (nullable): its DnsManager.Mode; NULL when it could not be asked
 * @networkmanager_rc_manager: (nullable): its DnsManager.RcManager
 * @has_resolvconf: there is a program resolvconf that is not resolvectl(1)
 * @resolved_running: org.freedesktop.resolve1 is on the bus
 */
typedef struct
{
  gboolean resolved_available;
  const char *link_target;
  const char *text;
  gboolean networkmanager_running;
  const char *networkmanager_mode;
  const char *networkmanager_rc_manager;
  gboolean has_resolvconf;
  gboolean resolved_running;
} VpndDnsFacts;

/**
 * VpndDnsVerdict:
 * @owner: who is to be told, or watched
 * @reason: (unowned): a static sentence for people
 * @resolved_too: systemd-resolved runs without being the owner; programs that ask it past resolv.conf (nss-resolve(8), the bus) are many
 */
typedef struct
{
  VpndDnsOwner owner;
  const char *reason;
  gboolean resolved_too;
} VpndDnsVerdict;

char *vpnd_resolv_conf_print (const VpndDnsPlan *plan, const char *before);
char **vpnd_resolv_conf_servers (const char *text);
gboolean vpnd_resolv_conf_starts_with (const char *text, const VpndDnsPlan *plan);
gboolean vpnd_resolv_conf_reaches (const char *text, const VpndDnsPlan *plan);
gboolean vpnd_resolv_conf_is_loopback_only (const char *text);
gboolean vpnd_resolv_conf_is_ours (const char *text, gsize length);
VpndDnsVerdict vpnd_dns_owner_decide (const VpndDnsFacts *facts);
const char *vpnd_dns_owner_word (VpndDnsOwner owner);

G_END_DECLS
