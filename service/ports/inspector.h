/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: looks at the host when somebody asks what is there, or what is wrong. Changes nothing and starts nothing.
 * Real: backends/inspector-host. Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "evidence.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_INSPECTOR (vpnd_inspector_get_type ())
G_DECLARE_INTERFACE (VpndInspector, vpnd_inspector, VPND, INSPECTOR, GObject)

/**
 * VpndInspectorInterface:
 * @survey_async: read links, rules, our routing tables, default routes, and the addresses of the link @ifname
 *   Answers: (transfer full) (nullable): NULL with VPND_ERROR_ROUTING when the kernel did not answer
 * @inspect_async: collect what the host shows: the part of VpndEvidence from @survey on, without DNS. The link @physical is the one whose
 *   reverse path filter counts, "" for none. What cannot be found out within a second is as on a host without fault
 *   Answers: (transfer full) (nullable): NULL only when cancelled
 */
struct _VpndInspectorInterface
{
  GTypeInterface parent_iface;

  void (*survey_async) (VpndInspector *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*inspect_async) (VpndInspector *self, const char *ifname, const char *physical, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
};

void vpnd_inspector_survey_async (VpndInspector *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndRouteSurvey *vpnd_inspector_survey_finish (VpndInspector *self, GAsyncResult *result, GError **error);
void vpnd_inspector_inspect_async (VpndInspector *self, const char *ifname, const char *physical, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndEvidence *vpnd_inspector_inspect_finish (VpndInspector *self, GAsyncResult *result, GError **error);

G_END_DECLS
