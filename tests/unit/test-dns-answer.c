/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is read of DNS answers: all that an encoder of our own writes, in any order, and nothing that does not hang together with the question.
 */
#include "config.h"

#include "dns-answer.h"

#include "dns-message.h"
#include "error.h"
#include "net-values.h"
#include "random-values.h"

#include <string.h>

#define ROUNDS 2000

static VpndDnsAnswer *
decode (const DnsMessage *message)
{
  g_autoptr (GError) error = NULL;
  VpndDnsAnswer *answer = vpnd_dns_answer_decode (message->bytes->data, message->bytes->len, &error);

  g_assert_no_error (error);
  g_assert_nonnull (answer);
  return answer;
}

static void
assert_refused (const guint8 *bytes, gsize size)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vpnd_dns_answer_decode (bytes, size, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
}

static void
add (DnsMessage *message, const char *owner, guint32 ttl_s, const char *text)
{
  const VpndAddr target = addr_of (text);

  dns_message_add_address (message, owner, ttl_s, &target);
}

/* "name address ttl" of each, joined by commas: what a test compares at one look. */
static char *
describe (const VpndDnsAnswer *answer)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < answer->addresses->len; i++)
    {
      const VpndDnsAddress *address = &g_array_index (answer->addresses, VpndDnsAddress, i);
      g_autofree char *text = vpnd_addr_to_string (&address->addr);

      g_assert_cmpuint (address->name, <, answer->names->len);
      g_ptr_array_add (parts, g_strdup_printf ("%s %s %u", (const char *) g_ptr_array_index (answer->names, address->name), text, address->ttl_s));
    }
  g_ptr_array_add (parts, NULL);
  return g_strjoinv (", ", (char **) parts->pdata);
}

static void
assert_says (const DnsMessage *message, const char *expected)
{
  g_autoptr (VpndDnsAnswer) answer = decode (message);
  g_autofree char *found = describe (answer);

  g_assert_cmpstr (found, ==, expected);
}

/* The bytes as a resolver sends them, written out: www.example.com is an alias of example.com (RFC 1035, 4.1.4). */
static void
test_bytes (void)
{
  static const guint8 bytes[] = {
    0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 1,                                          /* header */
    3, 'w', 'W', 'w', 7, 'E', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0, 0, 1, 0, 1, /* question */
    0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 16,                                       /* CNAME */
    0xc0, 16, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 198, 51, 100, 7,                              /* A, 300 s */
    0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0,                                                     /* OPT (RFC 6891) */
  };
  g_autoptr (VpndDnsAnswer) answer = vpnd_dns_answer_decode (bytes, sizeof bytes, NULL);
  g_autofree char *found = NULL;

  g_assert_nonnull (answer);
  g_assert_cmpuint (answer->names->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (answer->names, 0), ==, "www.example.com");
  found = describe (answer);
  g_assert_cmpstr (found, ==, "example.com 198.51.100.7 60");
  for (gsize size = 0; size < sizeof bytes; size++)
    assert_refused (bytes, size);
}

static void
test_chain_in_any_order (void)
{
  g_autoptr (DnsMessage) message = dns_message_new ("www.example.test", DNS_TYPE_A, TRUE);

  add (message, "edge.cdn.test", 20, "198.51.100.1");
  dns_message_add_cname (message, "lb.cdn.test", 600, "edge.cdn.test");
  add (message, "edge.cdn.test", 40, "2001:db8::1");
  dns_message_add_cname (message, "www.example.test", 30, "LB.cdn.test");
  assert_says (message, "edge.cdn.test 198.51.100.1 20, edge.cdn.test 2001:db8::1 30");
}

/* A resolver, or who forges its answer, may add what nobody asked for. */
static void
test_others_are_left_out (void)
{
  g_autoptr (DnsMessage) message = dns_message_new ("www.example.test", DNS_TYPE_A, TRUE);

  add (message, "bank.test", 300, "198.51.100.66");
  add (message, "example.test", 300, "198.51.100.67");
  dns_message_add_cname (message, "bank.test", 300, "www.example.test");
  dns_message_add (message, "www.example.test", DNS_TYPE_TXT, 300, (const guint8 *) "\3abc", 4);
  dns_message_add (message, "www.example.test", DNS_TYPE_A, 300, (const guint8 *) "abcde", 5);
  dns_message_add (message, "www.example.test", DNS_TYPE_AAAA, 300, (const guint8 *) "abcd", 4);
  add (message, "www.example.test", 300, "198.51.100.1");
  assert_says (message, "www.example.test 198.51.100.1 300");
}

static void
test_https (void)
{
  g_autoptr (DnsMessage) message = dns_message_new ("www.example.test", DNS_TYPE_HTTPS, TRUE);
  const VpndAddr hints[] = { addr_of ("198.51.100.1"), addr_of ("198.51.100.2"), addr_of ("2001:db8::1") };
  const VpndAddr other[] = { addr_of ("198.51.100.9") };
  const VpndAddr ignored[] = { addr_of ("198.51.100.10") };

  dns_message_add_https (message, "www.example.test", 300, 1, "", hints, G_N_ELEMENTS (hints));
  dns_message_add_https (message, "www.example.test", 200, 2, "svc.cdn.test", other, 1);
  dns_message_add_https (message, "www.example.test", 300, 0, "alias.cdn.test", ignored, 1); /* an alias has no hints */
  add (message, "alias.cdn.test", 50, "198.51.100.11");
  assert_says (message, "www.example.test 198.51.100.1 300, www.example.test 198.51.100.2 300, www.example.test 2001:db8::1 300, "
                        "svc.cdn.test 198.51.100.9 200, alias.cdn.test 198.51.100.11 50");
}

static void
test_ttls (void)
{
  static const struct
  {
    guint32 said;
    const char *expected;
  } cases[] = {
    { 0, "a.test 198.51.100.1 1" },
    { 1, "a.test 198.51.100.1 1" },
    { 86400, "a.test 198.51.100.1 86400" },
    { 86401, "a.test 198.51.100.1 86400" },
    { 0x7fffffff, "a.test 198.51.100.1 86400" },
    { 0x80000000, "a.test 198.51.100.1 1" },
    { 0xffffffff, "a.test 198.51.100.1 1" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (DnsMessage) message = dns_message_new ("a.test", DNS_TYPE_A, TRUE);

      add (message, "a.test", cases[i].said, "198.51.100.1");
      assert_says (message, cases[i].expected);
    }
}

/* One label with dots in it is no name below the other domain. */
static void
test_dots_in_labels (void)
{
  static const guint8 bytes[] = { 0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0,
    9, 'a', '.', 'b', '.', 't', '\\', '\n', 0xff, 'Z', 0, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7 };
  g_autoptr (VpndDnsAnswer) answer = vpnd_dns_answer_decode (bytes, sizeof bytes, NULL);

  g_assert_nonnull (answer);
  g_assert_cmpstr (g_ptr_array_index (answer->names, 0), ==, "a\\046b\\046t\\092\\010\\255z");
  g_assert_cmpuint (answer->addresses->len, ==, 1);
}

static void
test_loops (void)
{
  static const guint8 itself[] = { 0, 0, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1 };
  static const guint8 forward[] = { 0, 0, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 18, 0, 1, 0, 1, 1, 'a', 0 };
  static const guint8 header[] = { 0, 0, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 4, 0, 1, 0, 1 };
  static const guint8 back[] = { 0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1, 1, 'b', 0xc0, 19, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0 };
  g_autoptr (DnsMessage) message = dns_message_new ("a.test", DNS_TYPE_A, TRUE);

  assert_refused (itself, sizeof itself);
  assert_refused (forward, sizeof forward);
  assert_refused (header, sizeof header);
  assert_refused (back, sizeof back);
  dns_message_add_cname (message, "a.test", 60, "b.test");
  dns_message_add_cname (message, "b.test", 60, "a.test");
  dns_message_add_cname (message, "a.test", 60, "a.test");
  add (message, "b.test", 60, "198.51.100.1");
  assert_says (message, "b.test 198.51.100.1 60");
}

static void
test_bounds (void)
{
  g_autoptr (DnsMessage) chain = dns_message_new ("n0.test", DNS_TYPE_A, TRUE);
  g_autoptr (DnsMessage) many = dns_message_new ("a.test", DNS_TYPE_A, TRUE);
  g_autoptr (VpndDnsAnswer) short_ = NULL;
  g_autoptr (VpndDnsAnswer) cut = NULL;

  for (guint i = 0; i < 40; i++)
    {
      g_autofree char *owner = g_strdup_printf ("n%u.test", i);
      g_autofree char *target = g_strdup_printf ("n%u.test", i + 1);

      dns_message_add_cname (chain, owner, 60, target);
      add (chain, owner, 60, "198.51.100.1");
    }
  short_ = decode (chain);
  g_assert_cmpuint (short_->names->len, ==, VPND_DNS_NAMES_MAX);
  for (guint i = 0; i < 200; i++)
    {
      const VpndAddr target = { AF_INET, { 198, 51, 100, (guint8) i } };

      dns_message_add_address (many, "a.test", 60, &target);
    }
  cut = decode (many);
  g_assert_cmpuint (cut->addresses->len, ==, VPND_DNS_ADDRESSES_MAX);
}

static void
test_headers (void)
{
  static const struct
  {
    guint at;
    guint8 value;
  } changes[] = { { 2, 0x01 }, { 2, 0x91 }, { 3, 0x83 }, { 3, 0x82 }, { 5, 0 }, { 5, 2 }, { 4, 1 }, { 7, 9 }, { 11, 1 } };
  g_autoptr (DnsMessage) message = dns_message_new ("a.test", DNS_TYPE_A, TRUE);

  add (message, "a.test", 60, "198.51.100.1");
  assert_says (message, "a.test 198.51.100.1 60");
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree guint8 *copy = g_memdup2 (message->bytes->data, message->bytes->len);

      copy[changes[i].at] = changes[i].value;
      assert_refused (copy, message->bytes->len);
    }
}

/* --- any answer that an encoder writes --- */

static char *
random_name (void)
{
  GString *name = g_string_new (NULL);

  for (gint32 labels = g_test_rand_int_range (1, 5); labels > 0; labels--)
    {
      if (name->len > 0)
        g_string_append_c (name, '.');
      for (gint32 i = g_test_rand_int_range (1, random_boolean (20) ? 64 : 12); i > 0; i--)
        g_string_append_c (name, "abcdefghijklmnopqrstuvwxyz0123456789-_"[g_test_rand_int_range (0, 38)]);
    }
  return g_string_free (name, FALSE);
}

static gboolean
contains (const GArray *addrs, const VpndAddr *wanted)
{
  for (guint i = 0; i < addrs->len; i++)
    if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), wanted))
      return TRUE;
  return FALSE;
}

static void
test_random (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      const guint n_names = (guint) g_test_rand_int_range (1, 8);
      g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
      g_autoptr (GArray) expected = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
      g_autoptr (VpndDnsAnswer) answer = NULL;
      g_autoptr (DnsMessage) message = NULL;
      guint next = 1;

      for (guint i = 0; i < n_names; i++)
        {
          g_autofree char *stem = random_name ();

          g_ptr_array_add (names, g_strdup_printf ("n%u.%s", i, stem)); /* none twice */
        }
      message = dns_message_new (g_ptr_array_index (names, 0), DNS_TYPE_A, random_boolean (2));
      while (next < n_names || random_boolean (2))
        {
          const VpndAddr target = random_addr (random_boolean (2) ? AF_INET : AF_INET6);
          const guint which = (guint) g_test_rand_int_range (0, (gint32) n_names);

          if (next < n_names && random_boolean (2))
            {
              dns_message_add_cname (message, g_ptr_array_index (names, next - 1), 60, g_ptr_array_index (names, next));
              next++;
            }
          else if (random_boolean (4))
            {
              g_autofree char *stranger = random_name ();

              dns_message_add_address (message, stranger, 60, &target);
            }
          else if (!contains (expected, &target) && expected->len < VPND_DNS_ADDRESSES_MAX)
            {
              dns_message_add_address (message, g_ptr_array_index (names, which), 60, &target);
              g_array_append_val (expected, target);
            }
        }
      answer = decode (message);
      g_assert_cmpuint (answer->names->len, ==, n_names);
      for (guint i = 0; i < n_names; i++)
        g_assert_cmpstr (g_ptr_array_index (answer->names, i), ==, g_ptr_array_index (names, i));
      g_assert_cmpuint (answer->addresses->len, ==, expected->len);
      for (guint i = 0; i < expected->len; i++)
        g_assert_true (vpnd_addr_equal (&g_array_index (answer->addresses, VpndDnsAddress, i).addr, &g_array_index (expected, VpndAddr, i)));
    }
}

/* Whatever the bytes are: an answer within its bounds, or the error. */
static void
test_damage (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autofree char *name = random_name ();
      g_autoptr (DnsMessage) message = dns_message_new (name, DNS_TYPE_A, TRUE);
      const VpndAddr hint = random_addr (AF_INET6);

      add (message, name, 60, "198.51.100.1");
      dns_message_add_https (message, name, 60, 1, "", &hint, 1);
      dns_message_add_cname (message, name, 60, "b.test");
      for (gint32 i = g_test_rand_int_range (1, 6); i > 0; i--)
        message->bytes->data[g_test_rand_int_range (0, (gint32) message->bytes->len)] = (guint8) g_test_rand_int_range (0, 256);
      {
        g_autoptr (GError) error = NULL;
        g_autofree guint8 *exact = g_memdup2 (message->bytes->data, message->bytes->len);
        g_autoptr (VpndDnsAnswer) answer = vpnd_dns_answer_decode (exact, message->bytes->len, &error);

        if (answer == NULL)
          g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
        else
          g_free (describe (answer));
      }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-answer/bytes", test_bytes);
  g_test_add_func ("/dns-answer/chain-in-any-order", test_chain_in_any_order);
  g_test_add_func ("/dns-answer/others-are-left-out", test_others_are_left_out);
  g_test_add_func ("/dns-answer/https", test_https);
  g_test_add_func ("/dns-answer/ttls", test_ttls);
  g_test_add_func ("/dns-answer/dots-in-labels", test_dots_in_labels);
  g_test_add_func ("/dns-answer/loops", test_loops);
  g_test_add_func ("/dns-answer/bounds", test_bounds);
  g_test_add_func ("/dns-answer/headers", test_headers);
  g_test_add_func ("/dns-answer/random", test_random);
  g_test_add_func ("/dns-answer/damage", test_damage);
  return g_test_run ();
}
