/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine on a host in memory, for the programs of tests/engine: it starts, is asked, crashes and starts again. Stores and ledger are the real
 * ones, in a directory of the test's.
 */
#pragma once

#include "engine.h"
#include "fake-host.h"
#include "log.h"

G_BEGIN_DECLS

typedef struct
{
  FakeHost *host;
  char *directory;
  int state_dirfd;
  int runtime_dirfd;
  VpndLedger *ledger;
  VpndProfileStore *profiles;
  VpndSettingsStore *settings;
  VpndSplitStore *split;
  VpndEngine *engine;
  guint connected;
  guint disconnected;
  char *pubkey;
} Rig;

typedef struct
{
  gboolean is_done;
  gboolean ok;
  GError *error;
} Answer;

VpndLogRing *rig_init (int *argc, char ***argv);
int rig_run (VpndLogRing *ring);
void on_answer (GObject *source, GAsyncResult *result, gpointer user_data);
void wait_for (Answer *answer);
void rig_make (Rig *rig);
void on_early_status (GObject *source, GAsyncResult *result, gpointer user_data);
void rig_boot (Rig *rig);
void rig_crash (Rig *rig);
Rig *rig_new (void);
void rig_free (Rig *rig);
VpndProfile *make_profile (const char *name);
gboolean activate (Rig *rig, VpndProfile *profile, GError **error);
void deactivate (Rig *rig);
void shake_hands (Rig *rig);
void assert_status (Rig *rig, const char *state, const char *cause, gboolean blocking);
void set_setting (Rig *rig, const char *key, GVariant *value);
int find_call (FakeHost *host, const char *name);
guint count_calls (FakeHost *host, const char *name);
void settle (void);
gboolean warns_of (Rig *rig, const char *text);

static inline void
answer_clear (Answer *answer)
{
  g_clear_error (&answer->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rig, rig_free)

G_END_DECLS
