/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who stands in which class, since when and why: what is known of processes that were reported, entered, or were found in a class when somebody asked.
 * A value in memory; knows no process itself. Made for tens of thousands: texts that many share are kept once.
 */
#pragma once

#include "split-rule.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_SPLIT_BY_RULE,   /* its program is named by a rule */
  VPND_SPLIT_ASKED,     /* it asked for itself */
  VPND_SPLIT_INHERITED, /* it stands where the process stood that started it */
} VpndSplitHow;

/**
 * VpndSplitEntry: one process
 * @rule: (owned) (nullable): the rule that it came by; of an inherited one, of the process that it comes from, as far as that is known
 * @executable: (owned): a shared text
 * @class_word: (owned): a shared text: "excluded", "included" or "bound:PROFILE"
 * @origin: (owned): a shared text: the cgroup that it came from, "" when that is not known
 * @start_time: in clock ticks since boot
 * @since_us: wall clock
 * @pid: its number
 * @uid: its user
 * @how: why it stands there
 * @is_asked: it, or the process that it comes from, asked for itself
 * @is_announced: everybody was told of it
 * @is_spared: a change that it may have to go with has waited for word of it
 */
typedef struct
{
  VpndSplitRule *rule;
  char *executable;
  char *class_word;
  char *origin;
  guint64 start_time;
  gint64 since_us;
  gint32 pid;
  guint32 uid;
  VpndSplitHow how : 8;
  guint is_asked : 1;
  guint is_announced : 1;
  guint is_spared : 1;
} VpndSplitEntry;

typedef struct _VpndSplitRegistry VpndSplitRegistry;

VpndSplitRegistry *vpnd_split_registry_new (void);
void vpnd_split_registry_free (VpndSplitRegistry *self);
guint vpnd_split_registry_get_n (const VpndSplitRegistry *self);
VpndSplitEntry *vpnd_split_registry_add (VpndSplitRegistry *self, gint32 pid, guint64 start_time);
VpndSplitEntry *vpnd_split_registry_lookup (const VpndSplitRegistry *self, gint32 pid);
void vpnd_split_registry_remove (VpndSplitRegistry *self, gint32 pid);
GPtrArray *vpnd_split_registry_dup_sorted (const VpndSplitRegistry *self);

void vpnd_split_entry_set_rule (VpndSplitEntry *entry, VpndSplitRule *rule);
void vpnd_split_entry_set_texts (VpndSplitEntry *entry, const char *executable, const char *class_word, const char *origin);
char *vpnd_split_entry_dup_reason (const VpndSplitEntry *entry);
gboolean vpnd_split_entry_is_private (const VpndSplitEntry *entry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitRegistry, vpnd_split_registry_free)

G_END_DECLS
