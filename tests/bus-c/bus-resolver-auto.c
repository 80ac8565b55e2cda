/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The choice between the resolver backends: who is told, what is done when that one refuses or goes, and what comes back at the end.
 */
#include "config.h"

#include "resolver-rig.h"

#include "resolver-auto.h"

#include <glib/gstdio.h>

/* NetworkManager owns the file and is told; when it refuses, or hangs, the file itself is written over what is in it without us. */
static void
auto_networkmanager (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (rig->client, rig->backup_dirfd, rig->conf);

  g_assert_true (apply (rig, resolver, NULL));
  g_assert_true (networkmanager_is_ours (rig) && conf_has (rig, NM_HEAD));
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (networkmanager_is_before (rig));

  rig->is_deaf = TRUE;
  g_assert_true (apply (rig, resolver, NULL));
  g_assert_true (conf_is_ours (rig) && !conf_has (rig, NM_HEAD));
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (networkmanager_is_before (rig));
}

static void
auto_networkmanager_abstains (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (rig->client, rig->backup_dirfd, rig->conf);

  rig->mode = "none";
  g_assert_true (apply (rig, resolver, NULL));
  g_assert_cmpuint (g_variant_n_children (rig->global), ==, 0);
  g_assert_true (conf_is_ours (rig));
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (networkmanager_is_before (rig));
}

/* It goes while it holds our setting, and the next apply finds nobody but the file: what comes back at the end is what was there before us. */
static void
auto_networkmanager_goes (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (rig->client, rig->backup_dirfd, rig->conf);
  guint never = 0;

  g_assert_true (apply (rig, resolver, NULL));
  disown (rig, &rig->nm_id);
  g_assert_true (apply (rig, resolver, NULL));
  g_assert_true (conf_is_ours (rig) && !conf_has (rig, NM_HEAD));
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (conf_has (rig, NM_HEAD "nameserver 192.0.2.99\n"));
  rig->nm_id = own (rig, NM_NAME);
  resolver_run_until (&never, 1, 1500);
  g_assert_cmpuint (g_variant_n_children (rig->global), ==, 0);
}

/* What cannot be put back now is put back when it can, without being asked for again; and not any more once something else is set. */
static void
auto_restore_fails (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (rig->client, rig->backup_dirfd, rig->conf);
  guint never = 0;

  g_assert_true (apply (rig, resolver, NULL));
  refuse_file (rig);
  g_assert_false (resolver_restore (resolver, NULL));
  g_assert_cmpint (g_rmdir (rig->conf), ==, 0);
  g_assert_false (conf_has (rig, BEFORE));
  RESOLVER_WAIT (conf_has (rig, BEFORE));

  g_assert_true (apply (rig, resolver, NULL));
  refuse_file (rig);
  g_assert_false (resolver_restore (resolver, NULL));
  g_assert_cmpint (g_rmdir (rig->conf), ==, 0);
  g_assert_true (apply (rig, resolver, NULL));
  resolver_run_until (&never, 1, 1500);
  g_assert_true (conf_is_ours (rig));
  g_assert_true (resolver_restore (resolver, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_case ("auto", &kinds[KIND_NETWORKMANAGER], auto_networkmanager);
  add_case ("auto-abstains", &kinds[KIND_NETWORKMANAGER], auto_networkmanager_abstains);
  add_case ("auto-goes", &kinds[KIND_NETWORKMANAGER], auto_networkmanager_goes);
  add_case ("auto-restore-fails", &kinds[KIND_FILE], auto_restore_fails);
  return g_test_run ();
}
