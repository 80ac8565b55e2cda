/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses, prefixes, endpoints: text forms round-trip, classes are those of the RFCs, orders are orders.
 */
#include "config.h"

#include "addr.h"

#include <string.h>

#define ROUNDS 3000

static VpndAddr
random_addr (void)
{
  guint8 bytes[16];

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = g_test_rand_int_range (0, 4) == 0 ? 0 : (guint8) g_test_rand_int_range (0, 256);
  return vpnd_addr_from_bytes (g_test_rand_bit () ? AF_INET : AF_INET6, bytes);
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      VpndAddr addr = random_addr (), back = { 0 };
      VpndPrefix prefix = { addr, (guint8) g_test_rand_int_range (0, (int) vpnd_addr_size (&addr) * 8 + 1) }, prefix_back = { 0 };
      g_autofree char *text = vpnd_addr_to_string (&addr);
      g_autofree char *prefix_text = vpnd_prefix_to_string (&prefix);

      g_assert_true (vpnd_addr_parse (text, &back));
      g_assert_true (vpnd_addr_equal (&addr, &back));
      g_assert_true (vpnd_prefix_parse (prefix_text, &prefix_back));
      g_assert_true (vpnd_prefix_equal (&prefix, &prefix_back));
    }
}

static void
test_refused (void)
{
  static const char *const bad_addresses[] = { "", " 1.2.3.4", "1.2.3.4 ", "1.2.3", "01.2.3.4", "1.2.3.256", "0x7f.0.0.1", "10.1", "fe80::1%eth0",
    "[::1]", ":::", "1::2::3", "12345::", "1.2.3.4/32", "::1/128", "localhost", "1.2.3.4\n" };
  static const char *const bad_prefixes[] = { "1.2.3.4/", "1.2.3.4/33", "::/129", "1.2.3.4/-1", "1.2.3.4/+1", "1.2.3.4/ 8", "1.2.3.4/08", "1.2.3.4/8/8",
    "/8", "::/1000", "::/99999999999999999999", "1.2.3.4/0x8", "1.2.3.4/255.255.255.0", "" };
  VpndAddr addr = { .family = 77 };
  VpndPrefix prefix = { .length = 77 };

  for (guint i = 0; i < G_N_ELEMENTS (bad_addresses); i++)
    g_assert_false (vpnd_addr_parse (bad_addresses[i], &addr));
  for (guint i = 0; i < G_N_ELEMENTS (bad_prefixes); i++)
    g_assert_false (vpnd_prefix_parse (bad_prefixes[i], &prefix));
  g_assert_cmpuint (addr.family, ==, 77);
  g_assert_cmpuint (prefix.length, ==, 77);
}

typedef struct
{
  const char *text;
  gboolean is_private, is_loopback, is_unicast;
} ClassCase;

static void
test_classes (void)
{
  static const ClassCase cases[] = {
    { "9.255.255.255", FALSE, FALSE, TRUE },
    { "10.0.0.0", TRUE, FALSE, TRUE },
    { "10.255.255.255", TRUE, FALSE, TRUE },
    { "11.0.0.0", FALSE, FALSE, TRUE },
    { "172.15.255.255", FALSE, FALSE, TRUE },
    { "172.16.0.1", TRUE, FALSE, TRUE },
    { "172.31.255.255", TRUE, FALSE, TRUE },
    { "172.32.0.0", FALSE, FALSE, TRUE },
    { "192.167.255.255", FALSE, FALSE, TRUE },
    { "192.168.1.1", TRUE, FALSE, TRUE },
    { "192.169.0.0", FALSE, FALSE, TRUE },
    { "169.254.7.7", TRUE, FALSE, TRUE },
    { "100.64.0.1", FALSE, FALSE, TRUE },
    { "127.0.0.1", FALSE, TRUE, TRUE },
    { "127.255.255.254", FALSE, TRUE, TRUE },
    { "0.0.0.0", FALSE, FALSE, FALSE },
    { "0.1.2.3", FALSE, FALSE, FALSE },
    { "224.0.0.1", FALSE, FALSE, FALSE },
    { "239.255.255.250", FALSE, FALSE, FALSE },
    { "240.0.0.1", FALSE, FALSE, FALSE },
    { "255.255.255.255", FALSE, FALSE, FALSE },
    { "fbff::1", FALSE, FALSE, TRUE },
    { "fc00::1", TRUE, FALSE, TRUE },
    { "fdff:ffff::", TRUE, FALSE, TRUE },
    { "fe00::", FALSE, FALSE, TRUE },
    { "fe80::1", TRUE, FALSE, TRUE },
    { "febf:ffff::1", TRUE, FALSE, TRUE },
    { "fec0::1", FALSE, FALSE, TRUE },
    { "2001:db8::1", FALSE, FALSE, TRUE },
    { "::1", FALSE, TRUE, TRUE },
    { "::2", FALSE, FALSE, TRUE },
    { "::", FALSE, FALSE, FALSE },
    { "ff02::1", FALSE, FALSE, FALSE },
    { "::ffff:10.0.0.1", FALSE, FALSE, FALSE },
  };
  const VpndAddr unset = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      VpndAddr addr;

      g_assert_true (vpnd_addr_parse (cases[i].text, &addr));
      g_test_message ("%s", cases[i].text);
      g_assert_cmpint (vpnd_addr_is_private (&addr), ==, cases[i].is_private);
      g_assert_cmpint (vpnd_addr_is_loopback (&addr), ==, cases[i].is_loopback);
      g_assert_cmpint (vpnd_addr_is_unicast (&addr), ==, cases[i].is_unicast);
    }
  g_assert_false (vpnd_addr_is_private (&unset) || vpnd_addr_is_loopback (&unset) || vpnd_addr_is_unicast (&unset) || vpnd_addr_is_set (&unset));
}

/* The mask laws, bit by bit: inside the length nothing changes, behind it everything is zero, and containing means equal bits. */
static void
test_mask_laws (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      VpndAddr addr = random_addr (), other = random_addr ();
      guint bits = (guint) vpnd_addr_size (&addr) * 8;
      VpndPrefix prefix = { addr, (guint8) g_test_rand_int_range (0, (int) bits + 1) };
      VpndPrefix masked = vpnd_prefix_masked (&prefix);
      gboolean same = addr.family == other.family;

      for (guint bit = 0; bit < bits; bit++)
        {
          guint mask = 0x80u >> (bit % 8);

          g_assert_cmpuint (masked.addr.bytes[bit / 8] & mask, ==, bit < prefix.length ? addr.bytes[bit / 8] & mask : 0);
          if (bit < prefix.length && (addr.bytes[bit / 8] & mask) != (other.bytes[bit / 8] & mask))
            same = FALSE;
        }
      g_assert_true (vpnd_prefix_contains (&prefix, &addr));
      g_assert_cmpint (vpnd_prefix_contains (&prefix, &other), ==, same);
      g_assert_cmpint (vpnd_prefix_is_default (&prefix), ==, prefix.length == 0);

      prefix = vpnd_prefix_host (&addr);
      g_assert_cmpuint (prefix.length, ==, bits);
      g_assert_cmpint (vpnd_prefix_contains (&prefix, &other), ==, vpnd_addr_equal (&addr, &other));
    }
}

static int
sign (int value)
{
  return (value > 0) - (value < 0);
}

static void
test_order_laws (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      VpndPrefix x[3];

      for (guint j = 0; j < 3; j++)
        x[j] = (VpndPrefix){ random_addr (), (guint8) g_test_rand_int_range (0, 33) };
      g_assert_cmpint (vpnd_prefix_compare (&x[0], &x[0]), ==, 0);
      g_assert_cmpint (sign (vpnd_prefix_compare (&x[0], &x[1])), ==, -sign (vpnd_prefix_compare (&x[1], &x[0])));
      if (vpnd_prefix_compare (&x[0], &x[1]) <= 0 && vpnd_prefix_compare (&x[1], &x[2]) <= 0)
        g_assert_cmpint (vpnd_prefix_compare (&x[0], &x[2]), <=, 0);
      if (x[0].addr.family == AF_INET && x[1].addr.family == AF_INET6)
        g_assert_cmpint (vpnd_addr_compare (&x[0].addr, &x[1].addr), <, 0);
    }
}

static void
test_endpoint (void)
{
  VpndEndpoint v4 = { .port = 51820 }, v6 = { .port = 1 }, copy;
  g_autofree char *text4 = NULL, *text6 = NULL, *empty = NULL;

  g_assert_true (vpnd_addr_parse ("192.0.2.1", &v4.addr) && vpnd_addr_parse ("2001:DB8::0:1", &v6.addr));
  text4 = vpnd_endpoint_to_string (&v4);
  text6 = vpnd_endpoint_to_string (&v6);
  empty = vpnd_endpoint_to_string (&(VpndEndpoint){ 0 });
  g_assert_cmpstr (text4, ==, "192.0.2.1:51820");
  g_assert_cmpstr (text6, ==, "[2001:db8::1]:1");
  g_assert_cmpstr (empty, ==, "");
  copy = v4;
  g_assert_true (vpnd_endpoint_equal (&v4, &copy));
  copy.port++;
  g_assert_false (vpnd_endpoint_equal (&v4, &copy) || vpnd_endpoint_equal (&v4, &v6));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/addr/round-trip", test_round_trip);
  g_test_add_func ("/addr/refused", test_refused);
  g_test_add_func ("/addr/classes", test_classes);
  g_test_add_func ("/addr/mask-laws", test_mask_laws);
  g_test_add_func ("/addr/order-laws", test_order_laws);
  g_test_add_func ("/addr/endpoint", test_endpoint);
  return g_test_run ();
}
