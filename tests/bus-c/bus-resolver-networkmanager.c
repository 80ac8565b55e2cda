/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is particular to the resolver backend of NetworkManager: its dictionary, its file, and a service that hangs, goes and comes back.
 */
#include "config.h"

#include "resolver-rig.h"

#include "error.h"
#include "global-dns.h"

/* What was there comes back, to the last key; what somebody set since stays; and ours keeps the options. */
static void
nm_global_before (Rig *rig)
{
  static const char before[] = "{'searches': <['home.example']>, 'options': <['edns0']>, 'domains': <{'*': <{'servers': <['192.0.2.5']>}>, "
                               "'home.example': <{'servers': <['192.0.2.6']>, 'options': <['rotate']>}>}>}";
  g_autoptr (VpndResolver) resolver = make_networkmanager (rig);
  g_autoptr (GVariant) expected = g_variant_ref_sink (g_variant_new_parsed (before));
  g_autoptr (GVariant) ours = g_variant_ref_sink (g_variant_new_parsed (
      "{'searches': <['corp.example']>, 'options': <['edns0']>, 'domains': <{'*': <{'servers': <['10.64.0.1', 'fc00::1']>}>}>}"));

  nm_set (rig, before);
  g_assert_true (apply (rig, resolver, NULL));
  g_assert_true (vpnd_global_dns_equal (rig->global, ours));
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (vpnd_global_dns_equal (rig->global, expected));

  g_assert_true (apply (rig, resolver, NULL));
  nm_set (rig, "{'domains': <{'*': <{'servers': <['192.0.2.77']>}>}>}");
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (conf_has (rig, NM_HEAD "nameserver 192.0.2.77\n"));
}

/* It asks our servers by a resolver of its own: the file names that one, and is right. */
static void
nm_dnsmasq (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = make_networkmanager (rig);
  g_autoptr (GError) error = NULL;
  guint count = 0;

  rig->stub = "nameserver 127.0.0.1\n";
  nm_write (rig);
  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &count);
  g_assert_true (apply (rig, resolver, &error));
  g_assert_no_error (error);
  nm_tell (rig);
  resolver_run_until (&count, 1, 250);
  g_assert_cmpuint (count, ==, 0);
  overwrite_conf (rig);
  resolver_run_until (&count, 1, RESOLVER_DEADLINE_MS);
  g_assert_cmpuint (count, ==, 1);
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_cmpuint (g_variant_n_children (rig->global), ==, 0);
}

/* It takes the setting, and the file shows nothing of it. */
static void
nm_file_of_others (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = make_networkmanager (rig);
  g_autoptr (GError) error = NULL;

  rig->stub = "nameserver 192.0.2.44\n";
  nm_write (rig);
  g_assert_false (apply (rig, resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_cmpuint (g_variant_n_children (rig->global), ==, 0);
}

/* One that hangs holds us for a second, at each step. */
static void
nm_hangs (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = make_networkmanager (rig);
  g_autoptr (GError) error = NULL;
  gint64 start_us = g_get_monotonic_time ();
  guint count = 0;

  g_atomic_int_set (&rig->silent, TRUE);
  g_assert_false (apply (rig, resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 2 * G_USEC_PER_SEC);
  g_clear_error (&error);
  g_atomic_int_set (&rig->silent, FALSE);

  g_assert_true (apply (rig, resolver, &error));
  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &count);
  g_atomic_int_set (&rig->silent, TRUE);
  nm_tell (rig);
  resolver_run_until (&count, 1, 1500); /* what it wrote is still in the file: nothing is lost */
  g_assert_cmpuint (count, ==, 0);
  start_us = g_get_monotonic_time ();
  g_assert_false (resolver_restore (resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 2 * G_USEC_PER_SEC);
  g_atomic_int_set (&rig->silent, FALSE);
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (networkmanager_is_before (rig));
}

/* It goes while ours is set: the file that it left is mended at once, its own memory of us when it is back. A restart in between changes nothing. */
static void
nm_goes (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = make_networkmanager (rig);
  guint count = 0, never = 0;

  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &count);
  g_assert_true (apply (rig, resolver, NULL));
  disown (rig, &rig->nm_id);
  rig->nm_id = own (rig, NM_NAME);
  resolver_run_until (&count, 1, 250);
  g_assert_cmpuint (count, ==, 0);
  disown (rig, &rig->nm_id);
  g_assert_true (resolver_restore (resolver, NULL));
  g_assert_true (conf_has (rig, NM_HEAD "nameserver 192.0.2.99\n"));
  g_assert_cmpuint (g_variant_n_children (rig->global), >, 0);
  rig->nm_id = own (rig, NM_NAME);
  nm_write (rig); /* from its memory, where ours still is */
  g_atomic_int_set (&rig->silent, TRUE);
  resolver_run_until (&never, 1, 1500); /* it has its name and no answer yet */
  g_atomic_int_set (&rig->silent, FALSE);
  RESOLVER_WAIT (networkmanager_is_before (rig));
}

/* A note that is none is said to be so, and nothing is guessed. */
static void
nm_bad_note (Rig *rig)
{
  g_autoptr (VpndResolver) resolver = make_networkmanager (rig);
  g_autofree char *note = g_build_filename (rig->folder, "backup", "networkmanager-dns.before", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (note, "rubbish", -1, NULL));
  g_assert_false (resolver_restore (resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_case ("global-before", &kinds[KIND_NETWORKMANAGER], nm_global_before);
  add_case ("dnsmasq", &kinds[KIND_NETWORKMANAGER], nm_dnsmasq);
  add_case ("file-of-others", &kinds[KIND_NETWORKMANAGER], nm_file_of_others);
  add_case ("hangs", &kinds[KIND_NETWORKMANAGER], nm_hangs);
  add_case ("goes", &kinds[KIND_NETWORKMANAGER], nm_goes);
  add_case ("bad-note", &kinds[KIND_NETWORKMANAGER], nm_bad_note);
  return g_test_run ();
}
