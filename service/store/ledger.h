/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ledger: what we changed on the host, written in the runtime directory before it is changed, so that a later start can undo it.
 * One small file, replaced atomically at each entry. Holds names and old values, never a key.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VpndLedger VpndLedger;

/* The kinds of change. Each has exactly one inverse, which core/effect.c states. */
typedef enum
{
  VPND_LEDGER_FIREWALL = 1 << 0,
  VPND_LEDGER_LINK = 1 << 1,
  VPND_LEDGER_ROUTES = 1 << 2,
  VPND_LEDGER_SYSCTLS = 1 << 3,
  VPND_LEDGER_DNS = 1 << 4,
} VpndLedgerKind;

VpndLedger *vpnd_ledger_open (int runtime_dirfd, GError **error);
void vpnd_ledger_free (VpndLedger *ledger);

guint vpnd_ledger_get_changes (VpndLedger *ledger);
gboolean vpnd_ledger_add (VpndLedger *ledger, VpndLedgerKind kind, GError **error);
gboolean vpnd_ledger_remove (VpndLedger *ledger, VpndLedgerKind kind, GError **error);

GHashTable *vpnd_ledger_get_sysctls (VpndLedger *ledger);
gboolean vpnd_ledger_set_sysctls (VpndLedger *ledger, GHashTable *old_values, GError **error);

gboolean vpnd_ledger_get_protected (VpndLedger *ledger);
gboolean vpnd_ledger_set_protected (VpndLedger *ledger, gboolean is_protected, GError **error);

guint vpnd_ledger_count_crashes (VpndLedger *ledger, gint64 since_us);
gboolean vpnd_ledger_add_crash (VpndLedger *ledger, gint64 now_us, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndLedger, vpnd_ledger_free)

G_END_DECLS
