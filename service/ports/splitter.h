/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: the classes of processes on this host. Makes them, keeps them, has launches put into them, moves processes in and out.
 * Real: backends/splitter-cgroup. Fake: tests/fakes/fake-host.
 */
#pragma once

#include "split-config.h"
#include "split-ground.h"
#include "split-standing.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  VPND_SPLITTER_ARRIVED,  /* the process was launched into its class */
  VPND_SPLITTER_FOUND,    /* it ran already and was moved; its connections of before have ended */
  VPND_SPLITTER_FAILED,   /* it belongs into a class and could not be put there: it stands where it stood */
  VPND_SPLITTER_DEPARTED, /* a process that had arrived, was found, or entered, has ended: only @pid is told */
  VPND_SPLITTER_SEEN,     /* what a process runs that was looked at: @pid, @start_time and @path are told */
  VPND_SPLITTER_LOST,     /* launches or reports were lost: who was launched meanwhile goes by the tunnel; nothing else is told */
  VPND_N_SPLITTER_REPORTS
} VpndSplitterReportKind;

/**
 * VpndSplitterReport:
 * @kind: what happened
 * @pid: the process
 * @start_time: of @pid, in clock ticks since boot (proc(5), field 22); 0 when it is gone already
 * @uid: its user; G_MAXUINT32 when it is gone already
 * @path: (unowned): its program
 * @rule: (unowned) (nullable): the rule that it came by
 * @origin: (unowned): the cgroup that it came from, as /proc/PID/cgroup names it; "" when that is not known
 * @code: with FAILED, why (errno)
 */
typedef struct
{
  VpndSplitterReportKind kind;
  gint32 pid;
  guint64 start_time;
  guint32 uid;
  const char *path;
  VpndSplitRule *rule;
  const char *origin;
  gint32 code;
} VpndSplitterReport;

/**
 * VpndSplitProcess: a process that is to be moved
 * @pid: its number
 * @start_time: so that another process of that number is not meant
 * @origin: (unowned): with leaving, where it shall go; "" for nowhere in particular
 */
typedef struct
{
  gint32 pid;
  guint64 start_time;
  const char *origin;
} VpndSplitProcess;

/**
 * VpndSplitLook: what is told of one process
 * @start_time: in clock ticks since boot
 * @parent: its parent's number
 * @uid: its real user
 * @executable: (owned): path of its program, "" when that is not known yet: then VPND_SPLITTER_SEEN tells
 */
typedef struct
{
  guint64 start_time;
  gint32 parent;
  guint32 uid;
  char *executable;
} VpndSplitLook;

void vpnd_split_look_clear (VpndSplitLook *look);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VpndSplitLook, vpnd_split_look_clear)

#define VPND_TYPE_SPLITTER (vpnd_splitter_get_type ())
G_DECLARE_INTERFACE (VpndSplitter, vpnd_splitter, VPND, SPLITTER, GObject)

/**
 * VpndSplitterInterface:
 * Signal "report" (VpndSplitterReport *): a process came into a class, or should have.
 * Signal "standing-changed" (): vpnd_splitter_dup_standing () is another one: a class was made anew with another id (then nobody is led into it before the next
 *   @apply_async), a unit came or went, a program was installed or removed, or launches are held or held no more.
 * @prepare: let the classes be those that need no rule and those of @bound (element-type VpndSplitBound, no two called the same), made where they are not there. Nobody is
 *   put into one by this, and what @apply_async was told goes on; who stands in a class that is given up stays there, and @list finds nobody there any more. Who
 *   stands in one that is kept is of the profile that it belongs to now.
 *   dup_standing tells them on return. The rules of the firewall have to know a class before @apply_async leads somebody into it
 * @apply_async: have the programs of @config, whose classes have been prepared, put into them at their launch, and move those that run already
 *   Answers: FALSE with VPND_ERROR_KERNEL_FEATURE where the host has no ground for classes; what a single rule lacks stands in the standing
 * @dup_standing: (transfer full): what is so now
 * @check: whether @rule names something that can ever take effect here. FALSE with VPND_ERROR_INVALID_ARGUMENT for a path that is no program, or that
 *   the rule's owner may not run; VPND_ERROR_NOT_FOUND for an application that is not installed; VPND_ERROR_NOT_SUPPORTED; VPND_ERROR_KERNEL_FEATURE
 * @enter: put the process and its children to come into the class of @class_, @profile with VPND_SPLIT_BOUND; its connections of before end.
 *   FALSE with VPND_ERROR_NOT_FOUND when there is no such process any more, VPND_ERROR_KERNEL_FEATURE without ground; out_origin gets where it was
 * @leave: take processes out of any class, at once, and bring them back to where they came from, soon; their connections of before end. Those that are
 *   gone or stand in none are left alone. Returns how many were moved
 * @look: FALSE when there is no such process; it is watched from now on, so that its end is told
 * @list: (transfer full) (element-type gint32): who stands in that class now
 */
struct _VpndSplitterInterface
{
  GTypeInterface parent_iface;

  void (*prepare) (VpndSplitter *self, const GArray *bound);
  void (*apply_async) (VpndSplitter *self, VpndSplitConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  VpndSplitStanding *(*dup_standing) (VpndSplitter *self);
  gboolean (*check) (VpndSplitter *self, const VpndSplitRule *rule, GError **error);
  gboolean (*enter) (VpndSplitter *self, const VpndSplitProcess *process, VpndSplitClass class_, const char *profile, char **out_origin, GError **error);
  guint (*leave) (VpndSplitter *self, GArray *processes);
  gboolean (*look) (VpndSplitter *self, gint32 pid, VpndSplitLook *out_look);
  GArray *(*list) (VpndSplitter *self, VpndSplitClass class_, const char *profile);
};

void vpnd_splitter_prepare (VpndSplitter *self, const GArray *bound);
void vpnd_splitter_apply_async (VpndSplitter *self, VpndSplitConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_splitter_apply_finish (VpndSplitter *self, GAsyncResult *result, GError **error);
VpndSplitStanding *vpnd_splitter_dup_standing (VpndSplitter *self);
gboolean vpnd_splitter_check (VpndSplitter *self, const VpndSplitRule *rule, GError **error);
gboolean vpnd_splitter_enter (VpndSplitter *self, const VpndSplitProcess *process, VpndSplitClass class_, const char *profile, char **out_origin, GError **error);
guint vpnd_splitter_leave (VpndSplitter *self, GArray *processes);
gboolean vpnd_splitter_look (VpndSplitter *self, gint32 pid, VpndSplitLook *out_look);
GArray *vpnd_splitter_list (VpndSplitter *self, VpndSplitClass class_, const char *profile);
void vpnd_splitter_emit_report (VpndSplitter *self, const VpndSplitterReport *report);
void vpnd_splitter_emit_standing_changed (VpndSplitter *self);

G_END_DECLS
