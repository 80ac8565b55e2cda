/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine: holds the state, feeds one event at a time to core/transition, and has the executor perform the effects.
 * Decides nothing itself. Knows ports, never a concrete backend; knows no D-Bus.
 */
#pragma once

#include "profile.h"
#include "settings.h"
#include "split.h"
#include "status.h"

#include "authorizer.h"
#include "clock.h"
#include "facts-source.h"
#include "firewall.h"
#include "inspector.h"
#include "name-watch.h"
#include "names-lookup.h"
#include "prober.h"
#include "resolver.h"
#include "router.h"
#include "socket-killer.h"
#include "splitter.h"
#include "tunnel.h"

#include "ledger.h"
#include "profile-store.h"
#include "settings-store.h"
#include "split-store.h"

G_BEGIN_DECLS

/**
 * VpndEnginePorts: what the composition root hands in; all (unowned) here, the engine takes references
 */
typedef struct
{
  VpndFirewall *firewall;
  VpndTunnel *tunnel;
  VpndRouter *router;
  VpndResolver *resolver;
  VpndFactsSource *facts_source;
  VpndNamesLookup *names_lookup;
  VpndProber *prober;
  VpndClock *clock;
  VpndSocketKiller *socket_killer;
  VpndInspector *inspector;
  VpndSplitter *splitter;    /* (nullable): nothing goes beside the tunnel without it */
  VpndNameWatch *name_watch; /* (nullable): rules by domain take no effect without it */
} VpndEnginePorts;

/**
 * VpndSplitChange: what somebody wants changed of split tunnelling
 * @rule: (unowned) (nullable): the rule that comes, or with @is_removal goes
 * @is_removal: the rule goes
 * @profile: (unowned) (nullable): without @rule, a profile that is renamed
 * @new_name: (unowned) (nullable): its name from now on
 * @mode: without either, the mode that is wanted
 */
typedef struct
{
  VpndSplitRule *rule;
  gboolean is_removal;
  const char *profile;
  const char *new_name;
  VpndSplitMode mode;
} VpndSplitChange;

typedef enum
{
  VPND_STOP_REQUESTED,  /* somebody asked the service to end: open as before, unless lockdown */
  VPND_STOP_RESTART,    /* restart or upgrade: the rules stay */
  VPND_STOP_GOING_DOWN, /* the system goes down: the rules stay if protected or auto-connect */
} VpndStopReason;

#define VPND_TYPE_ENGINE (vpnd_engine_get_type ())
G_DECLARE_FINAL_TYPE (VpndEngine, vpnd_engine, VPND, ENGINE, GObject)

/* Signals:
 *  "changed" (): anything that vpnd_engine_dup_status () shows beyond counters has changed
 *  "connected" (utf8): the primary peer answered; its public key in the text that was received
 *  "disconnected" (): the connection ended
 *  "settings-changed" ()
 */
VpndEngine *vpnd_engine_new (const VpndEnginePorts *ports, VpndLedger *ledger, VpndProfileStore *profiles, VpndSettingsStore *settings_store, VpndSplitStore *split_store);

/* Recovers from an earlier instance, loads settings, applies what they demand. */
void vpnd_engine_start_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_start_finish (VpndEngine *self, GAsyncResult *result, GError **error);

/* Instead of a start: undoes what an earlier instance left, and turns lockdown and auto-connect off. */
void vpnd_engine_release_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_release_finish (VpndEngine *self, GAsyncResult *result, GError **error);

void vpnd_engine_stop_async (VpndEngine *self, VpndStopReason reason, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_stop_finish (VpndEngine *self, GAsyncResult *result, GError **error);

/* Completes when the tunnel is set up and protection is in force (not when the peer answered); on an error the state is as before. */
void vpnd_engine_activate_async (VpndEngine *self, VpndProfile *profile, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_activate_finish (VpndEngine *self, GAsyncResult *result, GError **error);

void vpnd_engine_deactivate_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_deactivate_finish (VpndEngine *self, GAsyncResult *result, GError **error);

void vpnd_engine_reconnect_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_reconnect_finish (VpndEngine *self, GAsyncResult *result, GError **error);

/* Completes when nothing is under way any more: the host may sleep. */
void vpnd_engine_suspend_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_suspend_finish (VpndEngine *self, GAsyncResult *result, GError **error);
void vpnd_engine_resume (VpndEngine *self);

VpndSettings *vpnd_engine_get_settings (VpndEngine *self);
/* Saves, then applies; on an error neither the file nor the state has changed. */
void vpnd_engine_set_settings_async (VpndEngine *self, VpndSettings *settings, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_set_settings_finish (VpndEngine *self, GAsyncResult *result, GError **error);

/* Completes when it stands in the file and in the rules of the firewall. */
void vpnd_engine_change_split_async (VpndEngine *self, const VpndSplitChange *change, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_change_split_finish (VpndEngine *self, GAsyncResult *result, GError **error);
void vpnd_engine_want_split_classes_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_engine_want_split_classes_finish (VpndEngine *self, GAsyncResult *result, GError **error);
VpndSplitTunnel *vpnd_engine_get_split (VpndEngine *self);

/* The status with fresh counters. */
void vpnd_engine_query_status_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndStatus *vpnd_engine_query_status_finish (VpndEngine *self, GAsyncResult *result, GError **error);
/* Who owns DNS, what is set, what is there: a{sv} as org.vpnd1.Diagnostics.Dns documents it. */
void vpnd_engine_query_dns_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GVariant *vpnd_engine_query_dns_finish (VpndEngine *self, GAsyncResult *result, GError **error);
/* Plan against kernel: (element-type VpndRouteEntry). */
void vpnd_engine_query_routes_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *vpnd_engine_query_routes_finish (VpndEngine *self, GAsyncResult *result, GError **error);
/* What is wrong: (element-type VpndFinding). */
void vpnd_engine_query_check_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *vpnd_engine_query_check_finish (VpndEngine *self, GAsyncResult *result, GError **error);
/* The status with the counters of the last poll; no I/O. */
VpndStatus *vpnd_engine_dup_status (VpndEngine *self);

G_END_DECLS
