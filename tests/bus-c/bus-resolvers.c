/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One body of tests for every resolver backend: the file, systemd-resolved, NetworkManager, resolvconf and the choice between them; and for the fake of the port.
 */
#include "config.h"

#include "resolver-rig.h"

#include "error.h"

/* Set, read back, set again, put back; and put back when there is nothing. */
static void
body_apply_restore (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = rig->kind->make (rig);
  g_autoptr (GError) error = NULL;

  g_assert_true (resolver_restore (resolver, &error));
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (apply (rig, resolver, &error));
      g_assert_no_error (error);
      g_assert_true (rig->kind->is_ours (rig));
    }
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_true (rig->kind->is_before (rig));
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_true (rig->kind->is_before (rig));
}

static void
body_empty_plan (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = rig->kind->make (rig);
  g_autoptr (VpndDnsPlan) empty = vpnd_dns_plan_new (rig->kind->ifname);

  g_assert_true (apply (rig, resolver, NULL));
  g_assert_true (resolver_apply (resolver, empty, NULL, NULL));
  g_assert_true (rig->kind->is_before (rig));
}

/* The next instance knows what the former one did; also when it sets ours again before it puts back. */
static void
body_crash (Rig *rig)
{
  g_autoptr (VpndResolver) first = rig->kind->make (rig);
  g_autoptr (VpndResolver) second = rig->kind->make (rig);

  if (!rig->kind->is_kept_over_crash)
    return;
  g_assert_true (apply (rig, first, NULL));
  g_clear_object (&first);
  g_assert_true (resolver_restore (second, NULL));
  g_assert_true (rig->kind->is_before (rig));

  first = rig->kind->make (rig);
  g_assert_true (apply (rig, first, NULL));
  g_clear_object (&first);
  g_clear_object (&second);
  second = rig->kind->make (rig);
  g_assert_true (apply (rig, second, NULL));
  g_assert_true (rig->kind->is_ours (rig));
  g_assert_true (resolver_restore (second, NULL));
  g_assert_true (rig->kind->is_before (rig));
}

/* Told once each time, put back by the next apply, and told no more after the restore. */
static void
body_overwritten (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = rig->kind->make (rig);
  guint count = 0;

  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &count);
  g_assert_true (apply (rig, resolver, NULL));
  resolver_run_until (&count, 1, 250);
  g_assert_cmpuint (count, ==, 0);
  for (guint i = 1; i <= 3; i++)
    {
      rig->kind->overwrite (rig);
      resolver_run_until (&count, i, RESOLVER_DEADLINE_MS);
      g_assert_cmpuint (count, ==, i);
      g_assert_true (apply (rig, resolver, NULL));
      g_assert_true (rig->kind->is_ours (rig));
    }
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (rig->kind->is_before (rig));
  rig->kind->overwrite (rig);
  resolver_run_until (&count, 4, 250);
  g_assert_cmpuint (count, ==, 3);
}

static void
assert_outside (VpndResolver *resolver, const char *expected)
{
  g_autofree char *first = resolver_first_outside (resolver);

  g_assert_cmpstr (first, ==, expected);
}

/* The network's resolver is known while ours is set, and that there is another one is told. */
static void
body_outside_changed (Rig *rig)
{
  static const char *const servers[] = { "192.0.2.99", "192.0.2.5", "192.0.2.6" };
  g_autoptr (VpndResolver) resolver = rig->kind->make (rig);
  guint count = 0;

  if (rig->kind->bring == NULL)
    return;
  g_signal_connect (resolver, "outside-changed", G_CALLBACK (resolver_on_outside_changed), &count);
  assert_outside (resolver, servers[0]);
  for (guint i = 1; i < G_N_ELEMENTS (servers); i++)
    {
      g_assert_true (apply (rig, resolver, NULL));
      assert_outside (resolver, servers[i - 1]);
      count = 0;
      rig->kind->bring (rig, servers[i]);
      resolver_run_until (&count, 1, RESOLVER_DEADLINE_MS);
      g_assert_cmpuint (count, >, 0);
      assert_outside (resolver, servers[i]);
    }
  g_assert_true (resolver_restore (resolver, NULL));
  assert_outside (resolver, servers[G_N_ELEMENTS (servers) - 1]);
}

/* What does not come to be is an error, and can be put back all the same. */
static void
body_refused (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = rig->kind->make (rig);
  g_autoptr (GError) error = NULL;

  rig->kind->refuse (rig);
  g_assert_false (apply (rig, resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  rig->kind->recover (rig);
  g_clear_error (&error);
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_no_error (error);
  g_assert_true (rig->kind->is_before (rig));
  g_assert_true (apply (rig, resolver, &error));
  g_assert_true (rig->kind->is_ours (rig));
  g_assert_true (resolver_restore (resolver, &error));
}

static void
body_cancelled (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = rig->kind->make (rig);
  g_autoptr (VpndDnsPlan) plan = make_plan (rig->kind->ifname);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (resolver_apply (resolver, plan, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (rig->kind->is_before (rig));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Rig *rig);
  } body[] = {
    { "apply-restore", body_apply_restore },
    { "empty-plan", body_empty_plan },
    { "crash", body_crash },
    { "overwritten", body_overwritten },
    { "outside-changed", body_outside_changed },
    { "refused", body_refused },
    { "cancelled", body_cancelled },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < N_KINDS; i++)
    for (guint j = 0; j < G_N_ELEMENTS (body); j++)
      add_case (body[j].name, &kinds[i], body[j].run);
  return g_test_run ();
}
