/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A firewall of the real kernel for the programs lab-firewall-nft*.c: what is asked of it is waited for, and `nft` plays the other program and the witness.
 */
#pragma once

#include "firewall-nft.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  gboolean is_done;
  gboolean is_good;
  GError *error;
} Outcome;

void on_applied (GObject *source, GAsyncResult *result, gpointer user_data);
void on_removed (GObject *source, GAsyncResult *result, gpointer user_data);
void wait_for (const gboolean *flag);
gboolean apply (VpndFirewall *firewall, VpndRuleset *ruleset, GError **error);
void apply_ok (VpndFirewall *firewall, VpndRuleset *ruleset);
void remove_ok (VpndFirewall *firewall);
char *nft (const char *arguments);
VpndFirewall *new_firewall (gboolean allow_owner);
VpndRuleset *small_ruleset (guint variant);
void sort_texts (char **texts);

G_END_DECLS
