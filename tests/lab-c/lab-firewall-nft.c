/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The firewall on the real kernel, in a network namespace of its own. `nft` plays the other program and the witness.
 */
#include "config.h"

#include "firewall-nft.h"

#include "error.h"
#include "policy.h"
#include "random-policy.h"
#include "random-ruleset.h"
#include "random-values.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANDOM_ROUNDS 150
#define CYCLES 1000
#define CHANGES 150
#define HOLES 15
#define TORN_US (3 * G_USEC_PER_SEC)
#define QUIET_MS 1000
#define FLUSHES_MAX 400
#define HOLE_US_MAX 250000 /* that it waits for nobody; how short it is, is told, since it measures the machine, too */

typedef struct
{
  gboolean is_done;
  gboolean is_good;
  GError *error;
} Outcome;

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->is_good = vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &outcome->error);
  outcome->is_done = TRUE;
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->is_good = vpnd_firewall_remove_finish (VPND_FIREWALL (source), result, &outcome->error);
  outcome->is_done = TRUE;
}

static void
wait_for (const gboolean *flag)
{
  while (!*flag)
    g_main_context_iteration (NULL, TRUE);
}

static gboolean
apply (VpndFirewall *firewall, VpndRuleset *ruleset, GError **error)
{
  Outcome outcome = { 0 };

  vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &outcome);
  wait_for (&outcome.is_done);
  if (outcome.error != NULL)
    g_propagate_error (error, outcome.error);
  return outcome.is_good;
}

static void
apply_ok (VpndFirewall *firewall, VpndRuleset *ruleset)
{
  g_autoptr (GError) error = NULL;
  gboolean is_good = apply (firewall, ruleset, &error);

  g_assert_no_error (error);
  g_assert_true (is_good);
}

static void
remove_ok (VpndFirewall *firewall)
{
  Outcome outcome = { 0 };

  vpnd_firewall_remove_async (firewall, NULL, on_removed, &outcome);
  wait_for (&outcome.is_done);
  g_assert_no_error (outcome.error);
  g_assert_true (outcome.is_good);
}

/* Runs nft(8) and returns what it prints; NULL when it fails. */
static char *
nft (const char *arguments)
{
  g_autofree char *command = g_strdup_printf ("nft %s", arguments);
  char *output = NULL;
  int status;

  g_assert_true (g_spawn_command_line_sync (command, &output, NULL, &status, NULL));
  if (!g_spawn_check_wait_status (status, NULL))
    g_clear_pointer (&output, g_free);
  return output;
}

static void
run_ip (const char *arguments)
{
  g_autofree char *command = g_strdup_printf ("ip %s", arguments);
  int status;

  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, &status, NULL));
  g_assert_true (g_spawn_check_wait_status (status, NULL));
}

static void
on_nft_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  gboolean *is_done = user_data;

  g_assert_true (g_subprocess_wait_check_finish (G_SUBPROCESS (source), result, NULL));
  *is_done = TRUE;
}

/* As nft(), while the main loop goes on. */
static void
nft_while_iterating (const char *arguments)
{
  g_autofree char *command = g_strdup_printf ("nft %s", arguments);
  g_auto (GStrv) argv = g_strsplit (command, " ", -1);
  g_autoptr (GSubprocess) process = g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_NONE, NULL);
  gboolean is_done = FALSE;

  g_assert_nonnull (process);
  g_subprocess_wait_check_async (process, NULL, on_nft_done, &is_done);
  wait_for (&is_done);
}

static gboolean
table_exists (void)
{
  g_autofree char *output = nft ("list table inet vpnd");

  return output != NULL;
}

static VpndFirewall *
new_firewall (gboolean allow_owner)
{
  g_autoptr (GError) error = NULL;
  VpndFirewall *firewall = vpnd_firewall_nft_new_full (allow_owner, &error);

  g_assert_no_error (error);
  return firewall;
}

static VpndRuleset *
small_ruleset (guint variant)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("vpnd");
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_DROP);
  VpndSet *set = vpnd_ruleset_add_set (ruleset, "ports", VPND_FIELD_UDP_DPORT, FALSE, FALSE);

  vpnd_set_add_port (set, 53, NULL);
  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo"));
  vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, VPND_OP_IN, "ports"));
  vpnd_rule_accept (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_TCP_DPORT, (guint16) (1000 + variant)));
  return ruleset;
}

static void
test_apply_replace_remove (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);

  for (guint i = 0; i < RANDOM_ROUNDS; i++)
    {
      g_autoptr (VpndRuleset) ruleset = random_ruleset_new ("vpnd");

      apply_ok (firewall, ruleset); /* success is judged on what was read back */
      g_assert_true (vpnd_firewall_nft_is_owner (VPND_FIREWALL_NFT (firewall)));
    }
  g_assert_true (table_exists ());
  remove_ok (firewall);
  g_assert_false (table_exists ());
  remove_ok (firewall); /* nothing there: no error */
}

/* The rulesets that are in force in earnest, all kinds one after the other. */
static void
test_policy (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);

  for (guint i = 0; i < RANDOM_ROUNDS; i++)
    {
      g_autoptr (VpndRuleset) ruleset = i % 2 == 0 ? random_policy_new ((VpndPolicyKind) (i % 3)) : random_policy_new_split ((VpndPolicyKind) (i % 3));

      apply_ok (firewall, ruleset);
    }
  remove_ok (firewall);
}

static void
test_owner_survives_flush (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) ruleset = small_ruleset (1);
  g_autofree char *flushed = NULL;
  g_autofree char *added = NULL;
  g_autofree char *listed = NULL;

  apply_ok (firewall, ruleset);
  flushed = nft ("flush ruleset");
  g_assert_nonnull (flushed);
  added = nft ("add rule inet vpnd output accept");
  g_assert_null (added);
  listed = nft ("list table inet vpnd");
  g_assert_nonnull (listed);
  g_assert_nonnull (strstr (listed, "tcp dport 1001 accept"));
  remove_ok (firewall);
}

/* The table outlives its owner, and the next instance takes it over and replaces it. */
static void
test_adoption (void)
{
  VpndFirewall *first = new_firewall (TRUE);
  g_autoptr (VpndFirewall) second = NULL;
  g_autoptr (VpndRuleset) one = small_ruleset (1);
  g_autoptr (VpndRuleset) two = small_ruleset (2);
  g_autoptr (GError) error = NULL;

  apply_ok (first, one);
  second = new_firewall (TRUE);
  g_assert_false (apply (second, two, &error)); /* the owner lives */
  g_assert_error (error, VPND_ERROR, VPND_ERROR_FIREWALL);
  g_assert_nonnull (strstr (error->message, "table inet vpnd"));

  g_object_unref (first);
  g_assert_true (table_exists ());
  apply_ok (second, two);
  g_assert_true (vpnd_firewall_nft_is_owner (VPND_FIREWALL_NFT (second)));
  remove_ok (second);
}

static void
test_takes_over_a_plain_table (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) ruleset = small_ruleset (3);
  g_autofree char *added = nft ("add table inet vpnd { chain foreign { accept; }; }");

  g_assert_nonnull (added);
  apply_ok (firewall, ruleset);
  g_assert_true (vpnd_firewall_nft_is_owner (VPND_FIREWALL_NFT (firewall)));
  remove_ok (firewall);
}

typedef struct
{
  guint n_tampered;
  gboolean put_back;
  VpndRuleset *ruleset;
  Outcome outcome;
} Guard;

static void
on_tampered (VpndFirewall *firewall, gpointer user_data)
{
  Guard *guard = user_data;

  guard->n_tampered++;
  if (guard->put_back)
    {
      guard->outcome = (Outcome){ 0 };
      vpnd_firewall_apply_async (firewall, guard->ruleset, NULL, on_applied, &guard->outcome);
    }
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
test_tampering (void)
{
  static const char *const changes[] = {
    "flush ruleset",
    "delete table inet vpnd",
    "insert rule inet vpnd output accept",
    "add element inet vpnd ports { 54 }",
    "add chain inet vpnd other",
    "chain inet vpnd output '{ policy accept ; }'",
    "flush chain inet vpnd output",
    "add table inet vpnd '{ flags dormant ; }'",
  };
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);
  g_autoptr (VpndRuleset) ruleset = small_ruleset (4);
  Guard guard = { .put_back = TRUE, .ruleset = ruleset };

  g_signal_connect (firewall, "tampered", G_CALLBACK (on_tampered), &guard);
  apply_ok (firewall, ruleset);
  g_assert_false (vpnd_firewall_nft_is_owner (VPND_FIREWALL_NFT (firewall)));
  settle ();
  g_assert_cmpuint (guard.n_tampered, ==, 0); /* our own changes are not foreign */

  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree char *output = nft (changes[i]);
      g_autofree char *listed = NULL;

      g_test_message ("nft %s", changes[i]);
      g_assert_nonnull (output);
      guard.outcome.is_done = FALSE;
      wait_for (&guard.outcome.is_done);
      g_assert_no_error (guard.outcome.error);
      listed = nft ("list table inet vpnd");
      g_assert_nonnull (listed);
      g_assert_nonnull (strstr (listed, "tcp dport 1004 accept"));
      settle ();
      g_assert_cmpuint (guard.n_tampered, ==, i + 1); /* once a change */
    }
  remove_ok (firewall);
}

/* What a program sees of holes: how long it could send, in microseconds, one number a hole; until it is killed. */
static G_NORETURN void
watch_holes (int report_fd)
{
  const struct sockaddr_in target = { .sin_family = AF_INET, .sin_port = g_htons (9), .sin_addr.s_addr = g_htonl (0xC0000202) };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  gint64 opened = 0;

  for (;;)
    {
      gboolean is_sent = sendto (fd, "x", 1, 0, (const struct sockaddr *) &target, sizeof (target)) == 1;

      if (is_sent && opened == 0)
        opened = g_get_monotonic_time ();
      if (is_sent || opened == 0)
        continue;
      opened = g_get_monotonic_time () - opened;
      if (write (report_fd, &opened, sizeof (opened)) != sizeof (opened))
        _exit (1);
      opened = 0;
    }
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 difference = *(const gint64 *) a - *(const gint64 *) b;

  return difference < 0 ? -1 : difference > 0;
}

static gboolean
on_hole (int fd, GIOCondition condition, gpointer user_data)
{
  gint64 width;

  g_assert_cmpint (read (fd, &width, sizeof (width)), ==, sizeof (width));
  g_array_append_val (user_data, width);
  return G_SOURCE_CONTINUE;
}

/* What another program put into the table in the very instant of a change, and what is not even understood, does not outlive the change. */
static void
test_change_keeps_nothing_foreign (void)
{
  static const char *const edits[] = {
    "insert rule inet vpnd output tcp dport 4242 accept",
    "add chain inet vpnd foreign4242",
    "add element inet vpnd ports { 4242 }",
    "add element inet vpnd ports { '*' }",
    "chain inet vpnd output '{ policy accept ; }'",
    "add table inet vpnd '{ flags dormant ; }'",
  };
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (edits); i++)
    {
      g_autoptr (VpndRuleset) first = small_ruleset (2 * i);
      g_autoptr (VpndRuleset) second = small_ruleset (2 * i + 1);
      g_autofree char *edited = NULL;
      g_autofree char *listed = NULL;

      g_test_message ("nft %s", edits[i]);
      apply_ok (firewall, first);
      settle ();
      edited = nft (edits[i]);
      g_assert_nonnull (edited);
      apply_ok (firewall, second); /* nobody has heard of the edit yet */
      listed = nft ("list table inet vpnd");
      g_assert_nonnull (listed);
      g_assert_null (strstr (listed, "4242"));
      g_assert_null (strstr (listed, "*"));
      g_assert_null (strstr (listed, "dormant"));
      g_assert_nonnull (strstr (listed, "policy drop"));
      settle ();
    }
  remove_ok (firewall);
}

/* Without owner: the rules of "blocked" are back at once, though nobody asks for them. */
static void
test_restored_at_once (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  g_autoptr (VpndRuleset) ruleset = vpnd_policy_build (&(VpndPolicyInput){ .kind = VPND_POLICY_BLOCKED, .settings = settings, .facts = facts });
  g_autoptr (GArray) holes = g_array_new (FALSE, FALSE, sizeof (gint64));
  Guard guard = { .put_back = TRUE, .ruleset = ruleset };
  int fds[2];
  guint source;
  pid_t child;

  run_ip ("link add hole0 type veth peer name hole1");
  run_ip ("addr add 192.0.2.1/24 dev hole0");
  run_ip ("link set hole1 up");
  run_ip ("link set hole0 up");
  run_ip ("neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev hole0");
  g_signal_connect (firewall, "tampered", G_CALLBACK (on_tampered), &guard);
  apply_ok (firewall, ruleset);
  g_assert_no_errno (pipe (fds));
  child = fork ();
  if (child == 0)
    watch_holes (fds[1]);
  source = g_unix_fd_add (fds[0], G_IO_IN, on_hole, holes);
  /* A hole that falls between two turns of the witness is not seen. */
  while (holes->len < HOLES && guard.n_tampered < FLUSHES_MAX)
    {
      guard.outcome.is_done = FALSE;
      nft_while_iterating ("flush ruleset");
      wait_for (&guard.outcome.is_done);
      g_assert_no_error (guard.outcome.error);
      settle ();
    }
  g_assert_no_errno (kill (child, SIGKILL));
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
  g_source_remove (source);
  close (fds[0]);
  close (fds[1]);
  g_assert_cmpuint (holes->len, >=, HOLES);
  g_array_sort (holes, compare_times);
  g_test_message ("open for %" G_GINT64_FORMAT " us at best, %" G_GINT64_FORMAT " us in the middle, %" G_GINT64_FORMAT " us at worst",
      g_array_index (holes, gint64, 0), g_array_index (holes, gint64, holes->len / 2), g_array_index (holes, gint64, holes->len - 1));
  g_assert_cmpint (g_array_index (holes, gint64, 0), <, HOLE_US_MAX);
  remove_ok (firewall);
  run_ip ("link delete hole0");
}

static void
test_others_do_not_disturb (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);
  g_autoptr (VpndRuleset) ruleset = small_ruleset (5);
  g_autofree char *output = NULL;
  g_autofree char *back = NULL;
  Guard guard = { .ruleset = ruleset };

  g_signal_connect (firewall, "tampered", G_CALLBACK (on_tampered), &guard);
  apply_ok (firewall, ruleset);
  output = nft ("'add table inet other ; add chain inet other c ; add rule inet other c accept ; add table ip vpnd'");
  g_assert_nonnull (output);
  back = nft ("'add element inet vpnd ports { 99 } ; delete element inet vpnd ports { 99 }'"); /* no difference in the end */
  g_assert_nonnull (back);
  settle ();
  apply_ok (firewall, ruleset);
  settle ();
  g_assert_cmpuint (guard.n_tampered, ==, 0);

  remove_ok (firewall);
  g_clear_pointer (&output, g_free);
  output = nft ("flush ruleset");
  settle ();
  g_assert_cmpuint (guard.n_tampered, ==, 0); /* nothing of ours is in force */
}

/* The atomic transaction: a refused ruleset leaves the former one in force, and the error says where. */
static void
test_refusal_keeps_the_former (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) good = small_ruleset (6);
  g_autoptr (VpndRuleset) bad = small_ruleset (7);
  g_autoptr (GError) error = NULL;
  g_autofree char *listed = NULL;

  vpnd_rule_jump (vpnd_chain_add_rule (g_ptr_array_index (bad->chains, 0)), "missing");
  apply_ok (firewall, good);
  g_assert_false (apply (firewall, bad, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_FIREWALL);
  g_assert_nonnull (strstr (error->message, "rule 4 of chain output"));
  listed = nft ("list table inet vpnd");
  g_assert_nonnull (strstr (listed, "tcp dport 1006 accept"));
  remove_ok (firewall);
}

static void
test_operations_take_turns (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  Outcome outcomes[6] = { 0 };

  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (VpndRuleset) ruleset = small_ruleset (10 + i);

      vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &outcomes[i]);
    }
  vpnd_firewall_remove_async (firewall, NULL, on_removed, &outcomes[5]);
  wait_for (&outcomes[5].is_done);
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      g_assert_true (outcomes[i].is_done);
      g_assert_no_error (outcomes[i].error);
    }
  g_assert_false (table_exists ());
}

static gsize
resident_pages (void)
{
  g_autofree char *text = NULL;
  gsize pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%*u %zu", &pages), ==, 1);
  return pages;
}

/* As many rules as the policy makes. */
static VpndRuleset *
usual_ruleset (void)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("vpnd");
  VpndSet *lan = vpnd_ruleset_add_set (ruleset, "lan", VPND_FIELD_IP_DADDR, TRUE, FALSE);

  for (guint i = 0; i < 8; i++)
    {
      VpndPrefix prefix = { .addr = { .family = AF_INET, .bytes = { (guint8) (10 + i) } }, .length = 8 };

      vpnd_set_add_prefix (lan, &prefix, NULL);
    }
  for (guint hook = VPND_HOOK_INPUT; hook <= VPND_HOOK_OUTPUT; hook++)
    {
      g_autofree char *name = g_strdup_printf ("chain%u", hook);
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, name, VPND_CHAIN_FILTER, (VpndHook) hook, 0, VPND_VERDICT_DROP);

      for (guint i = 0; i < 20; i++)
        {
          VpndRule *rule = vpnd_chain_add_rule (chain);

          vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_NE, "vpnd0");
          vpnd_rule_match_set (rule, VPND_FIELD_IP_DADDR, VPND_OP_IN, "lan");
          vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, (guint16) (100 + i));
          vpnd_rule_accept (rule);
        }
    }
  return ruleset;
}

static void
test_many_cycles (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) ruleset = usual_ruleset ();
  gint64 start;
  gsize before;

  for (guint i = 0; i < CYCLES / 10; i++)
    apply_ok (firewall, ruleset);
  before = resident_pages ();
  start = g_get_monotonic_time ();
  for (guint i = 0; i < CYCLES; i++)
    apply_ok (firewall, ruleset);
  g_test_message ("%u rules: %.0f us each replace, read back included", 60u, (double) (g_get_monotonic_time () - start) / CYCLES);
#ifndef __SANITIZE_ADDRESS__                             /* which keeps what is freed; it finds leaks by itself */
  g_assert_cmpuint (resident_pages (), <=, before + 32); /* the allocator may still settle; a leak of a reply is 10 KiB a cycle */
#else
  (void) before;
#endif
  remove_ok (firewall);
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static char *
sorted_pieces (const char *text, const char *delimiters)
{
  g_auto (GStrv) pieces = g_strsplit_set (text, delimiters, -1);

  qsort (pieces, g_strv_length (pieces), sizeof pieces[0], compare_lines);
  return g_strjoinv (" ", pieces);
}

/* A listing without two kinds of order: that of a set's elements, which the kernel hashes with a seed of its own for each set, and that
 * of the matches of a rule, since nft(8) moves looks at neighbouring ports together. */
static char *
sorted_lines (const char *text)
{
  /* Listed or left out, depending on how the matches were moved. */
  static const char *const implied[] = { "meta l4proto udp ", "meta l4proto tcp ", "meta l4proto ipv6-icmp ", "meta nfproto ipv4 ", "meta nfproto ipv6 " };
  GString *spread = g_string_new (text);
  g_auto (GStrv) lines = NULL;

  g_string_replace (spread, ",\n", "\n", 0);
  g_string_replace (spread, ", ", "\n", 0); /* elements; states have a comma without a blank */
  for (guint i = 0; i < G_N_ELEMENTS (implied); i++)
    g_string_replace (spread, implied[i], "", 0);
  lines = g_strsplit_set (spread->str, "\n{}", -1);
  g_string_free (spread, TRUE);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *sorted = sorted_pieces (g_strstrip (lines[i]), " ");

      g_free (lines[i]);
      lines[i] = sorted;
    }
  qsort (lines, g_strv_length (lines), sizeof lines[0], compare_lines);
  return g_strjoinv ("\n", lines);
}

/* The batch and the text are the same ruleset: what nft(8) lists after one is what it lists after the other. */
static void
test_loaded_by_nft (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (VpndRuleset) ruleset = random_ruleset_new_for_nft ("vpnd");
      g_autofree char *text = vpnd_ruleset_to_text (ruleset);
      g_autofree char *ours = NULL;
      g_autofree char *theirs = NULL;
      g_autofree char *deleted = NULL;
      g_autofree char *loaded = NULL;
      g_autofree char *sorted_ours = NULL;
      g_autofree char *sorted_theirs = NULL;

      apply_ok (firewall, ruleset);
      ours = nft ("-s list table inet vpnd");
      g_assert_nonnull (ours);
      remove_ok (firewall);
      g_assert_true (g_file_set_contents ("lab-firewall-nft.nft", text, -1, NULL));
      loaded = nft ("-f lab-firewall-nft.nft");
      g_assert_nonnull (loaded);
      theirs = nft ("-s list table inet vpnd");
      deleted = nft ("delete table inet vpnd");
      g_assert_nonnull (deleted);
      (void) unlink ("lab-firewall-nft.nft");
      sorted_ours = sorted_lines (ours);
      sorted_theirs = sorted_lines (theirs);
      if (!g_str_equal (sorted_ours, sorted_theirs))
        g_error ("nft lists after our batch:\n%s\nand after our text:\n%s", ours, theirs);
    }
}

/* A map whose elements change at random, and with them what becomes of one key. */
static void
add_map (VpndRuleset *ruleset, VpndChain *chain)
{
  VpndSet *map = vpnd_ruleset_add_set (ruleset, "map", VPND_FIELD_SKUID, FALSE, TRUE);
  VpndVerdict verdicts[] = { { .kind = VPND_VERDICT_ACCEPT }, { .kind = VPND_VERDICT_DROP }, { .kind = VPND_VERDICT_GOTO, .chain = "other" } };

  vpnd_rule_accept (vpnd_chain_add_rule (vpnd_ruleset_add_chain (ruleset, "other", VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT)));
  for (guint32 i = 0; i < 20; i++)
    if (random_boolean (2))
      vpnd_set_add_u32 (map, i, &verdicts[g_test_rand_int_range (0, G_N_ELEMENTS (verdicts))]);
  vpnd_rule_vmap (vpnd_chain_add_rule (chain), VPND_FIELD_SKUID, "map");
}

/* Sets of addresses whose elements change at random, some of which touch each other. */
static VpndRuleset *
make_with_sets (void)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("vpnd");
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);
  static const VpndField fields[] = { VPND_FIELD_IP_DADDR, VPND_FIELD_IP6_DADDR };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (fields); i++)
    {
      g_autofree char *name = g_strdup_printf ("set%u", i);
      VpndSet *set = vpnd_ruleset_add_set (ruleset, name, fields[i / 2], i % 2 == 0, FALSE);

      for (guint j = 0; j < 40; j++)
        {
          VpndAddr addr = { .family = i / 2 == 0 ? AF_INET : AF_INET6 };

          addr.bytes[0] = 0x20;
          addr.bytes[vpnd_addr_size (&addr) - 1] = (guint8) (3 * j + (j % 3 == 0 ? 0 : 1));
          if (random_boolean (2))
            vpnd_set_add_addr (set, &addr, NULL);
        }
      vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chain), fields[i / 2], VPND_OP_IN, name));
    }
  add_map (ruleset, chain);
  return ruleset;
}

static char *
table_handle (void)
{
  g_autofree char *listing = nft ("-j list tables");

  g_assert_nonnull (listing);
  return g_steal_pointer (&listing);
}

/* A ruleset that differs in elements alone leaves chains and rules where they are; what was changed behind our back does not stay so. */
static void
test_elements_alone (void)
{
  for (guint owner = 0; owner < 2; owner++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndFirewall) firewall = vpnd_firewall_nft_new_full (owner == 0, &error);
      g_autoptr (VpndRuleset) first = make_with_sets ();
      g_autofree char *before = NULL;
      g_autofree char *after = NULL;

      g_assert_no_error (error);
      apply_ok (firewall, first);
      before = table_handle ();
      for (guint i = 0; i < 60; i++)
        {
          g_autoptr (VpndRuleset) next = make_with_sets ();

          apply_ok (firewall, next); /* it has been read back */
        }
      after = table_handle ();
      g_assert_cmpstr (after, ==, before);
      if (owner == 1)
        {
          g_autoptr (VpndRuleset) next = make_with_sets ();
          g_autofree char *flushed = nft ("flush set inet vpnd set0");
          g_autofree char *whole = NULL;

          g_assert_nonnull (flushed);
          apply_ok (firewall, next);
          whole = table_handle ();
          g_assert_cmpstr (whole, !=, before);
        }
      remove_ok (firewall);
    }
}

/* The next state leaves the table where it is. */
static int
compare_texts (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static void
begin_group (gpointer user_data)
{
  (void) setpgid (0, 0);
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static gboolean
on_quiet (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* What has been told is dealt with. */
static void
await_quiet (void)
{
  gboolean is_quiet = FALSE;

  g_timeout_add (QUIET_MS, on_quiet, &is_quiet);
  wait_for (&is_quiet);
}

/* A listing without the order of chains and sets, which tells when each was made. */
static char *
list_sorted (void)
{
  g_autofree char *text = nft ("-n list table inet vpnd");
  g_auto (GStrv) blocks = text != NULL ? g_strsplit (text, "\n\t}", -1) : NULL;

  if (blocks == NULL)
    return NULL;
  for (char **block = blocks; *block != NULL; block++)
    g_strstrip (g_str_has_prefix (*block, "table inet vpnd {") ? memset (*block, ' ', strlen ("table inet vpnd {")) : *block);
  qsort (blocks, g_strv_length (blocks), sizeof *blocks, compare_texts);
  return g_strjoinv ("\n", blocks);
}

/* Another program edits the table without end, in every way that nft knows, while the rules change: what is in force in the end is what was asked for last. */
static void
test_torn_at_while_it_changes (void)
{
  static const char script[] =
      "trap 'exit 0' PIPE; while :; do for h in 9 14 23 31 40; do"
      " echo insert rule inet vpnd output accept; echo delete rule inet vpnd output handle $h; echo flush chain inet vpnd input;"
      " echo add element inet vpnd dns_ports '{ 4242 }'; echo delete element inet vpnd dns_ports '{ 53 }';"
      " echo add rule inet vpnd mangle counter accept; echo chain inet vpnd output '{ policy accept ; }';"
      " echo add chain inet vpnd foreign; echo add table inet vpnd '{ flags dormant ; }'; done; echo delete table inet vpnd; done | nft -i >/dev/null 2>&1";
  const char *argv[] = { "sh", "-c", script, NULL };
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);
  g_autoptr (VpndRuleset) last = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *torn = NULL, *whole = NULL;
  const gint64 end = g_get_monotonic_time () + TORN_US;
  guint n_good = 0, n_refused = 0;
  GPid other;

  g_assert_true (g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, begin_group, NULL, &other, &error));
  while (g_get_monotonic_time () < end)
    {
      g_clear_pointer (&last, vpnd_ruleset_unref);
      last = random_policy_new_split ((VpndPolicyKind) g_test_rand_int_range (0, 3));
      if (apply (firewall, last, NULL))
        n_good++;
      else
        n_refused++; /* it was edited between its change and the look at it, which is told */
      settle ();
    }
  g_assert_no_errno (kill (-other, SIGKILL));
  g_assert_cmpint (waitpid (other, NULL, 0), ==, other);
  g_test_message ("%u changes, %u of which were found edited", n_good + n_refused, n_refused);
  await_quiet ();
  torn = list_sorted ();
  remove_ok (firewall);
  apply_ok (firewall, last);
  whole = list_sorted ();
  g_assert_cmpstr (torn, ==, whole);
  remove_ok (firewall);
}

static void
test_states_have_one_table (void)
{
  static const guint16 ports[][4] = { { 1, 2, 3 }, { 1, 4, 2, 3 }, { 4, 2, 3 }, { 2 }, { 1, 2, 3, 4 } };
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);
  g_autofree char *first = NULL;

  for (guint i = 0; i < 4 * G_N_ELEMENTS (ports); i++)
    {
      const guint16 *port = ports[i % G_N_ELEMENTS (ports)];
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("vpnd");
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);
      g_autofree char *table = NULL;

      for (guint r = 0; r < 10; r++) /* most is in all of them */
        vpnd_rule_accept (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, (guint16) (r + 1)));
      for (guint r = 0; r < G_N_ELEMENTS (ports[0]) && port[r] != 0; r++)
        vpnd_rule_accept (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_TCP_DPORT, port[r]));
      apply_ok (firewall, ruleset);
      table = table_handle ();
      if (first == NULL)
        first = g_strdup (table);
      g_assert_cmpstr (table, ==, first);
    }
  remove_ok (firewall);
}

/* What comes out of the far end of the link: IPv4, so neither ARP nor what the kernel tells neighbours. */
static int
capture_new (void)
{
  const struct sockaddr_ll far = { .sll_family = AF_PACKET, .sll_protocol = g_htons (ETH_P_IP), .sll_ifindex = (int) if_nametoindex ("far") };
  const int capture = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, g_htons (ETH_P_IP));

  g_assert_no_errno (capture);
  g_assert_no_errno (bind (capture, (const struct sockaddr *) &far, sizeof far));
  return capture;
}

/* Since the last call, whether there was room for them or not. */
static guint
count_captured (int capture)
{
  struct tpacket_stats stats;
  socklen_t size = sizeof stats;

  g_assert_no_errno (getsockopt (capture, SOL_PACKET, PACKET_STATISTICS, &stats, &size));
  return stats.tp_packets;
}

/* A process of root that sends to a host that no state lets it reach; it ends with this one. */
static pid_t
flood_new (void)
{
  const struct sockaddr_in host = { .sin_family = AF_INET, .sin_port = g_htons (9999), .sin_addr.s_addr = g_htonl (0xcb007163) }; /* 203.0.113.99 */
  const pid_t pid = fork ();
  int flow;

  g_assert_no_errno (pid);
  if (pid != 0)
    return pid;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  flow = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (;;)
    (void) sendto (flow, "", 1, MSG_DONTWAIT, (const struct sockaddr *) &host, sizeof host);
}

/* Whatever state follows on which, in part or in whole, no packet meets something between the two. */
static void
test_nothing_gets_out_between (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) first = random_policy_new (VPND_POLICY_BLOCKED);
  pid_t flood;
  int capture;

  run_ip ("link add near type veth peer name far");
  run_ip ("addr add 192.0.2.1/24 dev near");
  run_ip ("link set far up");
  run_ip ("link set near up");
  run_ip ("neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev near");
  run_ip ("route add default via 192.0.2.2");
  capture = capture_new ();
  flood = flood_new ();
  while (count_captured (capture) == 0) /* the capture sees it */
    g_thread_yield ();

  apply_ok (firewall, first);
  (void) count_captured (capture);
  for (guint i = 0; i < CHANGES; i++)
    {
      g_autoptr (VpndRuleset) next = random_policy_new ((VpndPolicyKind) (i % 3));

      apply_ok (firewall, next);
      g_assert_cmpuint (count_captured (capture), ==, 0);
    }

  remove_ok (firewall);
  while (count_captured (capture) == 0) /* and it went on all the time */
    g_thread_yield ();
  g_assert_no_errno (kill (flood, SIGKILL));
  g_assert_no_errno (waitpid (flood, NULL, 0));
  g_assert_no_errno (close (capture));
  run_ip ("link del near");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNET));
  g_test_add_func ("/firewall-nft/apply-replace-remove", test_apply_replace_remove);
  g_test_add_func ("/firewall-nft/policy", test_policy);
  g_test_add_func ("/firewall-nft/owner-survives-flush", test_owner_survives_flush);
  g_test_add_func ("/firewall-nft/adoption", test_adoption);
  g_test_add_func ("/firewall-nft/takes-over-a-plain-table", test_takes_over_a_plain_table);
  g_test_add_func ("/firewall-nft/tampering", test_tampering);
  g_test_add_func ("/firewall-nft/change-keeps-nothing-foreign", test_change_keeps_nothing_foreign);
  g_test_add_func ("/firewall-nft/restored-at-once", test_restored_at_once);
  g_test_add_func ("/firewall-nft/others-do-not-disturb", test_others_do_not_disturb);
  g_test_add_func ("/firewall-nft/refusal-keeps-the-former", test_refusal_keeps_the_former);
  g_test_add_func ("/firewall-nft/operations-take-turns", test_operations_take_turns);
  g_test_add_func ("/firewall-nft/loaded-by-nft", test_loaded_by_nft);
  g_test_add_func ("/firewall-nft/elements-alone", test_elements_alone);
  g_test_add_func ("/firewall-nft/torn-at-while-it-changes", test_torn_at_while_it_changes);
  g_test_add_func ("/firewall-nft/states-have-one-table", test_states_have_one_table);
  g_test_add_func ("/firewall-nft/nothing-gets-out-between", test_nothing_gets_out_between);
  g_test_add_func ("/firewall-nft/many-cycles", test_many_cycles);
  return g_test_run ();
}
