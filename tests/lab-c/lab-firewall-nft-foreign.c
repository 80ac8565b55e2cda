/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The firewall on the real kernel, in a network namespace of its own, while another program, which `nft` plays, touches its table: what does not get in, what is
 * noticed and put back, and how long the host is open between the two.
 */
#include "config.h"

#include "firewall-host.h"

#include "netns.h"
#include "policy.h"
#include "random-policy.h"
#include "random-values.h"

#include <glib-unix.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLES 15
#define TORN_US (3 * G_USEC_PER_SEC)
#define QUIET_MS 1000
#define FLUSHES_MAX 400
#define HOLE_US_MAX 5000 /* what is promised, of the best one: the others measure what else this machine has to do */

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

  NETNS_DO ("ip link add hole0 type veth peer name hole1");
  NETNS_DO ("ip addr add 192.0.2.1/24 dev hole0");
  NETNS_DO ("ip link set hole1 up");
  NETNS_DO ("ip link set hole0 up");
  NETNS_DO ("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev hole0");
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
  NETNS_DO ("ip link delete hole0");
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
  sort_texts (blocks);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNET));
  g_test_add_func ("/firewall-nft/owner-survives-flush", test_owner_survives_flush);
  g_test_add_func ("/firewall-nft/tampering", test_tampering);
  g_test_add_func ("/firewall-nft/change-keeps-nothing-foreign", test_change_keeps_nothing_foreign);
  g_test_add_func ("/firewall-nft/restored-at-once", test_restored_at_once);
  g_test_add_func ("/firewall-nft/others-do-not-disturb", test_others_do_not_disturb);
  g_test_add_func ("/firewall-nft/torn-at-while-it-changes", test_torn_at_while_it_changes);
  return g_test_run ();
}
