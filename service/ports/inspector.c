/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndInspector: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "inspector.h"

G_DEFINE_INTERFACE (VpndInspector, vpnd_inspector, G_TYPE_OBJECT)

static void
vpnd_inspector_default_init (VpndInspectorInterface *iface)
{
}

/**
 * vpnd_inspector_survey_async:
 * @self: the port
 * @ifname: see VpndInspectorInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndInspectorInterface.
 */
void
vpnd_inspector_survey_async (VpndInspector *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_INSPECTOR (self));

  VPND_INSPECTOR_GET_IFACE (self)->survey_async (self, ifname, cancellable, callback, user_data);
}

/**
 * vpnd_inspector_survey_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndInspectorInterface.
 *
 * Returns: (transfer full) (nullable): see VpndInspectorInterface
 */
VpndRouteSurvey *
vpnd_inspector_survey_finish (VpndInspector *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_INSPECTOR (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * vpnd_inspector_inspect_async:
 * @self: the port
 * @ifname: see VpndInspectorInterface
 * @physical: see VpndInspectorInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndInspectorInterface.
 */
void
vpnd_inspector_inspect_async (VpndInspector *self, const char *ifname, const char *physical, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_INSPECTOR (self));

  VPND_INSPECTOR_GET_IFACE (self)->inspect_async (self, ifname, physical, cancellable, callback, user_data);
}

/**
 * vpnd_inspector_inspect_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndInspectorInterface.
 *
 * Returns: (transfer full) (nullable): see VpndInspectorInterface
 */
VpndEvidence *
vpnd_inspector_inspect_finish (VpndInspector *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_INSPECTOR (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
