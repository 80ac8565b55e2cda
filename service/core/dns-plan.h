/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The wanted DNS setting as an immutable value. Never talks to a resolver (backends/resolver-* do).
 */
#pragma once

#include "profile.h"
#include "settings.h"

G_BEGIN_DECLS

/**
 * VpndDnsPlan:
 * @ifname: our link, to which the setting belongs
 * @servers: (element-type VpndAddr) (owned): the host's resolvers, in order; empty plan: leave DNS alone
 * @outside: (element-type VpndAddr) (owned): those of @servers that are asked beside the tunnel; the others are inside it or on loopback
 * @search: (element-type utf8) (owned): search domains
 */
typedef struct
{
  gatomicrefcount ref_count;
  char ifname[16];
  GArray *servers;
  GArray *outside;
  GPtrArray *search;
} VpndDnsPlan;

VpndDnsPlan *vpnd_dns_plan_new (const char *ifname);
VpndDnsPlan *vpnd_dns_plan_build (const VpndProfile *profile, const VpndSettings *settings);
VpndDnsPlan *vpnd_dns_plan_ref (VpndDnsPlan *plan);
void vpnd_dns_plan_unref (VpndDnsPlan *plan);
gboolean vpnd_dns_plan_equal (const VpndDnsPlan *a, const VpndDnsPlan *b);
gboolean vpnd_dns_server_is_outside (const VpndAddr *server, const VpndProfile *profile);
gboolean vpnd_dns_plan_is_empty (const VpndDnsPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndDnsPlan, vpnd_dns_plan_unref)

G_END_DECLS
