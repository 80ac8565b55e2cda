/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndFirewall on nf_tables, by netlink. Holds one socket for its lifetime: on kernels since 6.9 the table belongs to it (owner), and
 * outlives it (persist). Elsewhere the table is plain and watched.
 */
#pragma once

#include "firewall.h"

G_BEGIN_DECLS

#define VPND_TYPE_FIREWALL_NFT (vpnd_firewall_nft_get_type ())
G_DECLARE_FINAL_TYPE (VpndFirewallNft, vpnd_firewall_nft, VPND, FIREWALL_NFT, GObject)

VpndFirewall *vpnd_firewall_nft_new (GError **error);
VpndFirewall *vpnd_firewall_nft_new_full (gboolean allow_owner, GError **error);
gboolean vpnd_firewall_nft_is_owner (VpndFirewallNft *self);

G_END_DECLS
