/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The coordinator of split tunnelling on a host in memory, with the real store in a directory of the test's: for the programs test-split.c, -profiles.c and -told.c.
 */
#pragma once

#include "fake-host.h"
#include "split.h"

G_BEGIN_DECLS

#define USER 1000u
#define PROGRAM "/usr/bin/program"

typedef struct
{
  FakeHost *host;
  char *path; /* (owned) */
  int dirfd;
  VpndSplitStore *store;
  VpndSplitTunnel *split;
  GPtrArray *heard; /* (element-type utf8) (owned) */
  guint plans;
} Rig;

typedef struct
{
  gboolean is_done;
  GError *error;
} Answer;

typedef struct
{
  const char *name;
  void (*func) (Rig *rig, gconstpointer data);
} SplitTest;

int split_rig_run (int argc, char **argv, const SplitTest *tests, gsize n_tests);
void restart (Rig *rig);
VpndSplitStanding *make_standing (guint64 excluded_id);
VpndSplitRule *make_rule (VpndSplitClass class_, guint32 owner);
void on_answer (GObject *source, GAsyncResult *result, gpointer user_data);
int code_of (Answer *answer);
int change (Rig *rig, VpndSplitRule *rule, gboolean is_removal);
char *describe_processes (Rig *rig);
const char *class_of (Rig *rig, gint32 pid);

#define assert_processes(rig, text)                        \
  G_STMT_START                                             \
  {                                                        \
    g_autofree char *described = describe_processes (rig); \
                                                           \
    g_assert_cmpstr (described, ==, text);                 \
  }                                                        \
  G_STMT_END

G_END_DECLS
