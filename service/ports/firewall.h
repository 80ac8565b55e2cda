/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: the one nftables table that is ours.
 * apply replaces it whole in one transaction, reads it back, compares, and only then succeeds.
 * Real: backends/firewall-nft. Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "ruleset.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_FIREWALL (vpnd_firewall_get_type ())
G_DECLARE_INTERFACE (VpndFirewall, vpnd_firewall, VPND, FIREWALL, GObject)

/**
 * VpndFirewallInterface:
 * @apply_async: replace the table by @ruleset; errors: VPND_ERROR_FIREWALL (with the kernel's word),
 *   VPND_ERROR_KERNEL_FEATURE (names the CONFIG_ option)
 *   Answers: TRUE when the table that was read back equals the ruleset. On FALSE the former table may still be
 *   in force: the transaction is atomic, never half applied
 * @remove_async: delete the table; not an error when it is missing
 *
 * Signal "tampered": another program changed or removed the table (watched since the last successful apply).
 */
struct _VpndFirewallInterface
{
  GTypeInterface parent_iface;

  void (*apply_async) (VpndFirewall *self, VpndRuleset *ruleset, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*remove_async) (VpndFirewall *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
};

void vpnd_firewall_apply_async (VpndFirewall *self, VpndRuleset *ruleset, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_firewall_apply_finish (VpndFirewall *self, GAsyncResult *result, GError **error);
void vpnd_firewall_remove_async (VpndFirewall *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_firewall_remove_finish (VpndFirewall *self, GAsyncResult *result, GError **error);
void vpnd_firewall_emit_tampered (VpndFirewall *self);

G_END_DECLS
