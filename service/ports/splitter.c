/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndSplitter: type registration, signals and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "splitter.h"

G_DEFINE_INTERFACE (VpndSplitter, vpnd_splitter, G_TYPE_OBJECT)

static void
vpnd_splitter_default_init (VpndSplitterInterface *iface)
{
  g_signal_new ("report", VPND_TYPE_SPLITTER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  g_signal_new ("standing-changed", VPND_TYPE_SPLITTER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

/**
 * vpnd_split_look_clear:
 * @look: what vpnd_splitter_look () filled in
 *
 * Frees what it holds.
 */
void
vpnd_split_look_clear (VpndSplitLook *look)
{
  g_clear_pointer (&look->executable, g_free);
}

/**
 * vpnd_splitter_prepare:
 * @self: the port
 * @bound: (element-type VpndSplitBound): see VpndSplitterInterface
 *
 * Dispatches; see VpndSplitterInterface.
 */
void
vpnd_splitter_prepare (VpndSplitter *self, const GArray *bound)
{
  g_return_if_fail (VPND_IS_SPLITTER (self));

  VPND_SPLITTER_GET_IFACE (self)->prepare (self, bound);
}

/**
 * vpnd_splitter_apply_async:
 * @self: the port
 * @config: see VpndSplitterInterface
 * @cancellable: (nullable): cancels waiting for it
 * @callback: called when it is in force
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndSplitterInterface.
 */
void
vpnd_splitter_apply_async (VpndSplitter *self, VpndSplitConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_SPLITTER (self));

  VPND_SPLITTER_GET_IFACE (self)->apply_async (self, config, cancellable, callback, user_data);
}

/**
 * vpnd_splitter_apply_finish:
 * @self: the port
 * @result: what the callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndSplitterInterface.
 *
 * Returns: see VpndSplitterInterface
 */
gboolean
vpnd_splitter_apply_finish (VpndSplitter *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_SPLITTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_splitter_dup_standing:
 * @self: the port
 *
 * Dispatches; see VpndSplitterInterface.
 *
 * Returns: (transfer full): see VpndSplitterInterface
 */
VpndSplitStanding *
vpnd_splitter_dup_standing (VpndSplitter *self)
{
  g_return_val_if_fail (VPND_IS_SPLITTER (self), NULL);

  return VPND_SPLITTER_GET_IFACE (self)->dup_standing (self);
}

/**
 * vpnd_splitter_check:
 * @self: the port
 * @rule: see VpndSplitterInterface
 * @error: return location for an error
 *
 * Dispatches; see VpndSplitterInterface.
 *
 * Returns: see VpndSplitterInterface
 */
gboolean
vpnd_splitter_check (VpndSplitter *self, const VpndSplitRule *rule, GError **error)
{
  g_return_val_if_fail (VPND_IS_SPLITTER (self), FALSE);

  return VPND_SPLITTER_GET_IFACE (self)->check (self, rule, error);
}

/**
 * vpnd_splitter_enter:
 * @self: the port
 * @process: see VpndSplitterInterface
 * @class_: see VpndSplitterInterface
 * @profile: (nullable): see VpndSplitterInterface
 * @out_origin: (out) (transfer full): see VpndSplitterInterface
 * @error: return location for an error
 *
 * Dispatches; see VpndSplitterInterface.
 *
 * Returns: see VpndSplitterInterface
 */
gboolean
vpnd_splitter_enter (VpndSplitter *self, const VpndSplitProcess *process, VpndSplitClass class_, const char *profile, char **out_origin, GError **error)
{
  g_return_val_if_fail (VPND_IS_SPLITTER (self), FALSE);

  return VPND_SPLITTER_GET_IFACE (self)->enter (self, process, class_, profile, out_origin, error);
}

/**
 * vpnd_splitter_leave:
 * @self: the port
 * @processes: (element-type VpndSplitProcess): see VpndSplitterInterface
 *
 * Dispatches; see VpndSplitterInterface.
 *
 * Returns: see VpndSplitterInterface
 */
guint
vpnd_splitter_leave (VpndSplitter *self, GArray *processes)
{
  g_return_val_if_fail (VPND_IS_SPLITTER (self), 0);

  return VPND_SPLITTER_GET_IFACE (self)->leave (self, processes);
}

/**
 * vpnd_splitter_look:
 * @self: the port
 * @pid: see VpndSplitterInterface
 * @out_look: (out caller-allocates): see VpndSplitterInterface
 *
 * Dispatches; see VpndSplitterInterface.
 *
 * Returns: see VpndSplitterInterface
 */
gboolean
vpnd_splitter_look (VpndSplitter *self, gint32 pid, VpndSplitLook *out_look)
{
  g_return_val_if_fail (VPND_IS_SPLITTER (self), FALSE);

  return VPND_SPLITTER_GET_IFACE (self)->look (self, pid, out_look);
}

/**
 * vpnd_splitter_list:
 * @self: the port
 * @class_: whose members
 * @profile: (nullable): with VPND_SPLIT_BOUND, of which profile
 *
 * Dispatches; see VpndSplitterInterface.
 *
 * Returns: (transfer full) (element-type gint32): see VpndSplitterInterface
 */
GArray *
vpnd_splitter_list (VpndSplitter *self, VpndSplitClass class_, const char *profile)
{
  g_return_val_if_fail (VPND_IS_SPLITTER (self), NULL);

  return VPND_SPLITTER_GET_IFACE (self)->list (self, class_, profile);
}

/**
 * vpnd_splitter_emit_report:
 * @self: the port; called by its implementation only
 * @report: what happened; valid during the call
 */
void
vpnd_splitter_emit_report (VpndSplitter *self, const VpndSplitterReport *report)
{
  g_signal_emit_by_name (self, "report", report);
}

/**
 * vpnd_splitter_emit_standing_changed:
 * @self: the port; called by its implementation only
 */
void
vpnd_splitter_emit_standing_changed (VpndSplitter *self)
{
  g_signal_emit_by_name (self, "standing-changed");
}
