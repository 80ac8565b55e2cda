/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the engine share: its fields, and the queue of events. Included by engine/engine*.c only.
 */
#pragma once

#include "engine.h"

#include "backoff.h"
#include "executor.h"
#include "handshake.h"
#include "path-mtu.h"
#include "state.h"
#include "transition.h"

G_BEGIN_DECLS

/* An event that waits, with the request that it came from. */
typedef struct
{
  VpndEvent event;
  VpndProfile *profile; /* (owned) (nullable): what event.profile points to */
  GTask *task;          /* (owned) (nullable) */
} VpndEngineItem;

struct _VpndEngine
{
  GObject parent_instance;

  VpndEnginePorts ports;             /* each (owned) */
  VpndLedger *ledger;                /* (unowned) */
  VpndProfileStore *profiles;        /* (owned) */
  VpndSettingsStore *settings_store; /* (owned) */
  VpndExecutor *executor;            /* (owned) */
  VpndHandshake *handshake;          /* (owned) */
  VpndPathMtu *path_mtu;             /* (owned) */
  VpndSplitTunnel *split;            /* (owned) (nullable) */
  VpndSplitPlan *split_sent;         /* (owned) (nullable): what the ruleset on its way was made of */
  gboolean is_split_sent;            /* the effects under way put a ruleset in force or take it away */
  GCancellable *cancellable;         /* (owned): cancelled at dispose */
  GCancellable *retried_lookup;      /* (owned) (nullable): of the lookup for a profile that waits for its address */
  guint retried_lookup_due;          /* id of the clock's schedule, 0 for none */
  GCancellable *lookup;              /* (owned) (nullable): of the lookup for the latest activation */

  VpndState *state;       /* (owned) */
  VpndState *shown;       /* (owned): the state that status tells */
  VpndSettings *settings; /* (owned) */
  gboolean is_unsaved;    /* the settings in force stand in no file, because the file could not be used */
  GQueue queue;           /* (element-type VpndEngineItem) (owned) */
  GTask *request;         /* (owned) (nullable): what is being worked at, until nothing follows */
  GError *request_error;  /* (owned) (nullable): the first failure on the way */
  gboolean is_busy;       /* effects are being performed */
  gboolean is_started;    /* the event of the start has been posted; until then everything else waits */
  gboolean is_settled;    /* the start has been worked at: what status tells is so */
  GPtrArray *early;       /* (element-type GTask) (owned): who asked for the status before */

  gint64 since_us;           /* wall clock */
  gint64 attempt_started_us; /* clock */
  guint watch;               /* what the effect said that began the watch for the peer; its reports carry it */
  guint retry;               /* id of the clock's schedule, 0 for none */
  guint dns_repair;          /* id of the clock's schedule, 0 for none */
  VpndBackoff dns_backoff;   /* of the repairs of DNS */
  char *detail;              /* (owned): one sentence on the last failure, "" for none */
  GPtrArray *warnings;       /* (element-type utf8) (owned): what could not be undone, what had to be repaired; at most WARNINGS_MAX */
  GPtrArray *routes_waiters; /* (element-type GTask) (owned) (nullable): who waits for the reading of the routes that is under way */
  GPtrArray *check_waiters;  /* (element-type GTask) (owned) (nullable): who waits for the examination that is under way */

  gboolean is_watching; /* the router watches what is in force */
  VpndBackoff backoff;  /* of repairs */
  guint repair;         /* id of the clock's schedule, 0 for none */
  guint repairs;        /* since the last activation */
};

#define VPND_ENGINE_DNS_WARNING "dns: another program" /* how the warning of a repair of DNS begins */

VpndEngineItem *vpnd_engine_item_new (VpndEventKind kind, VpndProfile *profile, GTask *task);
void vpnd_engine_post (VpndEngine *self, VpndEventKind kind);
void vpnd_engine_post_request (VpndEngine *self, VpndEngineItem *item);
void vpnd_engine_process (VpndEngine *self);
void vpnd_engine_add_warning (VpndEngine *self, const char *text);
void vpnd_engine_repair (VpndEngine *self, const char *what);
void vpnd_engine_cancel_repair (VpndEngine *self);
void vpnd_engine_repair_dns (VpndEngine *self);
void vpnd_engine_cancel_dns_repair (VpndEngine *self);
void vpnd_engine_watch_router (VpndEngine *self, VpndRoutePlan *plan);
void vpnd_engine_watch_for_others (VpndEngine *self);
void vpnd_engine_ignore_others (VpndEngine *self);
void vpnd_engine_withdraw_lookup (VpndEngine *self);
void vpnd_engine_look_up_later (VpndEngine *self, guint delay_ms);
void vpnd_engine_make_split (VpndEngine *self, VpndSplitStore *store);
void vpnd_engine_look_for_outside_dns (VpndEngine *self);
void vpnd_engine_drop_split (VpndEngine *self);
void vpnd_engine_note_split (VpndEngine *self, VpndEventKind kind, const GPtrArray *effects);
void vpnd_engine_settle_split (VpndEngine *self, const GArray *failures);
void vpnd_engine_adopt_settings (VpndEngine *self, VpndSettings *settings);

G_END_DECLS
