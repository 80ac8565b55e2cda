/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ledger: what we changed on the host, written in the runtime directory before it is changed, so that a later start can undo it.
 * One small file, "ledger.json", 0600, replaced atomically at each entry (the runtime directory is a tmpfs: no fsync). Holds names and old
 * values, never a key. A ledger that cannot be read counts as "everything may have been changed and the host was protected".
 * A copy lies in the state directory, "ledger-copy.json", for one that is lost; it counts in the boot in which it was written.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VpndLedger VpndLedger;

VpndLedger *vpnd_ledger_open (int runtime_dirfd, int state_dirfd, GError **error);
void vpnd_ledger_free (VpndLedger *ledger);

/* Whether the ledger of the earlier instance was lost (one sentence, NULL for no), and old values with it. */
const char *vpnd_ledger_get_trouble (VpndLedger *ledger);
gboolean vpnd_ledger_is_complete (VpndLedger *ledger);

/* Set of VpndHostChange (core/state.h): what of ours may be on the host. */
guint vpnd_ledger_get_changes (VpndLedger *ledger);
gboolean vpnd_ledger_set_changes (VpndLedger *ledger, guint changes, GError **error);

/* (element-type utf8 utf8): sysctl name -> value from before us; transfer none. Setting merges: a name that is there keeps its oldest value;
 * NULL clears. */
GHashTable *vpnd_ledger_get_sysctls (VpndLedger *ledger);
gboolean vpnd_ledger_set_sysctls (VpndLedger *ledger, GHashTable *old_values, GError **error);

/* @is_protected: protection is wanted; an instance that starts and finds TRUE without @is_handover crashed before it.
 * @is_handover: the former instance ended in order and left its rules for the next. */
gboolean vpnd_ledger_get_protected (VpndLedger *ledger);
gboolean vpnd_ledger_get_handover (VpndLedger *ledger);
gboolean vpnd_ledger_set_target (VpndLedger *ledger, gboolean is_protected, gboolean is_handover, GError **error);

/* Crashes, by wall clock in microseconds; only the newest few are kept. */
guint vpnd_ledger_count_crashes (VpndLedger *ledger, gint64 since_us);
gboolean vpnd_ledger_add_crash (VpndLedger *ledger, gint64 now_us, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndLedger, vpnd_ledger_free)

G_END_DECLS
