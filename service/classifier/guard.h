/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A second process that answers in the first one's place when that stands still (stopped, or stuck in the kernel): an exec never waits
 * longer than VPND_GUARD_LIMIT_MS for us. It refuses the programs of strict rules, allows all others, and never moves a process. It ends with the first.
 */
#pragma once

#include <glib.h>
#include <sys/fanotify.h>
#include <sys/types.h>

G_BEGIN_DECLS

#define VPND_GUARD_LIMIT_MS 50

#define VPND_GUARD_FEW 16u /* are taken at once */

#define VPND_GUARD_MAX_STRICT 16384u /* if there are more, everything that is held counts as strict */

typedef struct _VpndGuard VpndGuard;

/**
 * VpndGuardStrict:
 * @device: of a program's file
 * @inode: of the file
 * @uid: whose launches are meant; VPND_CLASSIFIER_ANY_UID for everybody's
 */
typedef struct
{
  dev_t device;
  ino_t inode;
  guint32 uid;
} VpndGuardStrict;

/**
 * VpndGuardLetGo:
 * @pid: a process whose launch the guard answered
 * @start_time: its start, in clock ticks since boot
 * @device: of the file that it was going to run
 * @inode: of the file
 * @mount_id: of the mount through which it sees the file (statx(2)), 0 when the kernel does not tell
 * @is_refused: it was not let go, but refused
 */
typedef struct
{
  pid_t pid;
  guint64 start_time;
  dev_t device;
  ino_t inode;
  guint64 mount_id;
  gboolean is_refused;
} VpndGuardLetGo;

VpndGuard *vpnd_guard_start (int fanotify_fd, GError **error);
void vpnd_guard_set_strict (VpndGuard *self, const VpndGuardStrict *strict, guint n_strict);
gboolean vpnd_guard_read (int fanotify_fd, struct fanotify_event_metadata *out_event);
void vpnd_guard_begin (VpndGuard *self);
gboolean vpnd_guard_decide (VpndGuard *self, gboolean is_strict);
void vpnd_guard_end (VpndGuard *self);
int vpnd_guard_get_fd (const VpndGuard *self);
int vpnd_guard_get_life_fd (const VpndGuard *self);
guint vpnd_guard_take (VpndGuard *self, VpndGuardLetGo *out_few, gboolean *out_has_lost);

G_END_DECLS
