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
  VPND_DNS_OWNER_FILE,     /* programs read /etc/resolv.conf, and nobody else minds it */
  VPND_DNS_OWNER_RESOLVED, /* programs ask systemd-resolved */
} VpndDnsOwner;

/**
 * VpndDnsFacts: what says who owns the DNS setting
 * @resolved_available: org.freedesktop.resolve1 is on the bus, or can be started by it
 * @link_target: (nullable): where the link /etc/resolv.conf points to; NULL when it is no link
 * @text: (nullable): what is read through /etc/resolv.conf; NULL when nothing can be
 */
typedef struct
{
  gboolean resolved_available;
  const char *link_target;
  const char *text;
} VpndDnsFacts;

char *vpnd_resolv_conf_print (const VpndDnsPlan *plan, const char *before);
gboolean vpnd_resolv_conf_is_ours (const char *text, gsize length);
VpndDnsOwner vpnd_dns_owner_decide (const VpndDnsFacts *facts);

G_END_DECLS
