/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lookup of names: what needs no network works, and in a namespace without one every other name is an error of the right kind.
 */
#include "config.h"

#include "names-lookup-gio.h"

#include "error.h"
#include "netns.h"

static GArray *
look_up (const char *host, GCancellable *cancellable, GError **error)
{
  g_autoptr (VpndNamesLookup) lookup = vpnd_names_lookup_gio_new ();
  g_autoptr (GAsyncResult) result = NULL;

  vpnd_names_lookup_lookup_async (lookup, host, cancellable, netns_on_result, &result);
  netns_wait_result (&result);
  return vpnd_names_lookup_lookup_finish (lookup, result, error);
}

static void
test_literals (void)
{
  static const char *const hosts[] = { "192.0.2.7", "2001:db8::7" };

  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) addrs = look_up (hosts[i], NULL, &error);
      g_autofree char *text = NULL;

      g_assert_no_error (error);
      g_assert_cmpuint (addrs->len, ==, 1);
      text = vpnd_addr_to_string (&g_array_index (addrs, VpndAddr, 0));
      g_assert_cmpstr (text, ==, hosts[i]);
    }
}

static void
test_unresolvable (void)
{
  static const char *const hosts[] = { "vpn.example.invalid", "0.0.0.0", "224.0.0.1", "" };

  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) addrs = look_up (hosts[i], NULL, &error);

      g_assert_null (addrs);
      g_assert_error (error, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE);
      g_assert_nonnull (strstr (error->message, hosts[i]));
    }
}

static void
test_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) addrs = NULL;

  g_cancellable_cancel (cancellable);
  addrs = look_up ("vpn.example.invalid", cancellable, &error);
  g_assert_null (addrs);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  netns_fresh (); /* before GIO starts its threads, which inherit it */
  g_test_add_func ("/names-lookup/literals", test_literals);
  g_test_add_func ("/names-lookup/unresolvable", test_unresolvable);
  g_test_add_func ("/names-lookup/cancelled", test_cancelled);
  return g_test_run ();
}
