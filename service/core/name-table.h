/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which addresses the domains of the rules have now, as resolvers said them. Bounded, and believes little: an address that is no host's of the public internet,
 * or that the tunnel itself needs, is never taken, for whoever runs the resolver could open the way to it by that. Pure: time is handed in.
 */
#pragma once

#include "dns-answer.h"
#include "split-plan.h"

G_BEGIN_DECLS

#define VPND_NAME_TABLE_DOMAIN_MAX 256u /* addresses of one domain: a new one takes the place of that whose time ends first */
#define VPND_NAME_TABLE_MAX 4096u       /* addresses in all: a new one is not taken */
#define VPND_NAME_TABLE_GRACE_S 30u     /* programs and resolvers on this host keep an address a little longer than its record says */

/**
 * VpndNameResult: what an answer meant
 * @domain: (unowned) (nullable): the domain of a rule that it concerns, the first one; NULL for none: nothing else is set then
 * @has_changed: addresses have come that were not known before
 * @addrs: (element-type VpndAddr) (owned): those of the answer that count now
 * @refused: an address that was not taken because no public host can have it, or because the tunnel needs it: told once for each domain
 * @is_full: an address was not taken for lack of room: told once
 */
typedef struct
{
  const char *domain;
  gboolean has_changed;
  GArray *addrs;
  VpndAddr refused;
  gboolean is_full;
} VpndNameResult;

typedef struct VpndNameTable VpndNameTable;

VpndNameTable *vpnd_name_table_new (void);
void vpnd_name_table_free (VpndNameTable *table);

gboolean vpnd_name_table_set_rules (VpndNameTable *table, const VpndSplitConfig *config);
gboolean vpnd_name_table_set_protected (VpndNameTable *table, const GArray *prefixes);
gboolean vpnd_name_table_has_domains (const VpndNameTable *table);

void vpnd_name_table_add (VpndNameTable *table, const VpndDnsAnswer *answer, gint64 now_us, VpndNameResult *out_result);
gboolean vpnd_name_table_expire (VpndNameTable *table, gint64 now_us);
gint64 vpnd_name_table_next_expiry_us (const VpndNameTable *table);
const GArray *vpnd_name_table_get_names (VpndNameTable *table);

void vpnd_name_result_clear (VpndNameResult *result);
gboolean vpnd_name_table_may_take (const VpndAddr *addr);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndNameTable, vpnd_name_table_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VpndNameResult, vpnd_name_result_clear)

G_END_DECLS
