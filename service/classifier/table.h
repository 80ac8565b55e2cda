/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules as the kernel knows them: which files they mean now, with a mark of fanotify(7) on each, followed when they are replaced. The guard is told
 * which of them are strict. Holds and moves nobody.
 */
#pragma once

#include "guard.h"
#include "protocol.h"

#include <sys/types.h>

G_BEGIN_DECLS

typedef struct _VpndTable VpndTable;

typedef struct
{
  dev_t device;
  ino_t inode;
} VpndFileId;

/**
 * VpndTarget:
 * @rule: (unowned): its rule, of the table
 * @index: of its rule
 * @file: where the path leads, while @code is 0
 * @code: why launches are not seen (errno), 0 when they are
 * @way: (owned): steps of its path that are watched
 */
typedef struct
{
  const VpndClassifierRule *rule;
  guint index;
  VpndFileId file;
  int code;
  GArray *way;
} VpndTarget;

/* @code is 0 when its launches are seen now, else why they are not (errno). */
typedef void (*VpndTableFunc) (const VpndClassifierRule *rule, int code, gpointer user_data);
typedef void (*VpndTableTurnFunc) (gpointer user_data);

VpndTable *vpnd_table_new (int fanotify_fd, VpndGuard *guard, GPtrArray *rules, const int *class_fds, guint n_classes, VpndTableFunc func, VpndTableTurnFunc turn_func, gpointer user_data);
void vpnd_table_free (VpndTable *table);
void vpnd_table_enter_force (VpndTable *self, VpndTable *old);
const GPtrArray *vpnd_table_lookup (const VpndTable *self, const VpndFileId *file);
int vpnd_table_get_class_fd (const VpndTable *self, guint index);
guint64 vpnd_table_get_class_id (const VpndTable *self, guint index);
const char *vpnd_table_get_class_name (const VpndTable *self, guint index);
gboolean vpnd_table_is_ours (const VpndTable *self, const char *place);
gboolean vpnd_table_is_class (const VpndTable *self, guint index, const char *place);
gboolean vpnd_table_is_unified (const VpndTable *self);
gboolean vpnd_table_is_elsewhere (VpndTable *self, guint index, int process, const char *origin);

G_END_DECLS
