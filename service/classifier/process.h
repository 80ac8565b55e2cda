/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is asked of one process, and the one thing that is done to it: it is put into a cgroup.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

guint64 vpnd_process_read_start_time (pid_t pid);
int vpnd_process_open (pid_t pid);
guint64 vpnd_process_get_start_time (int folder);
int vpnd_process_hold (pid_t pid);
guint64 vpnd_process_get_identity (int held);
guint64 vpnd_process_get_cgroup_id (int held);
int vpnd_process_open_held (int held, pid_t pid);
gboolean vpnd_process_get_cgroup (int folder, gboolean is_unified, char *out_path, gsize size);
pid_t vpnd_process_read_parent (pid_t pid);
gboolean vpnd_process_read_uid (pid_t pid, guint32 *out_uid);
gboolean vpnd_process_read_cgroup (pid_t pid, gboolean is_unified, char *out_path, gsize size);
int vpnd_process_move (pid_t pid, int procs_fd);

G_END_DECLS
