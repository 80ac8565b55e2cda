/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd-classifier and launches: each stands in its class with its first act, whatever is done to files, to rules and to vpnd-classifier meanwhile.
 */
#include "config.h"

#include "classifier-lab.h"
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RACE_LAUNCHES 400
#define LATE 20           /* VPND_GUARD_FEW are taken at once */
#define PROMISED_US 50000 /* whatever happens, an answer takes no longer (docs/split-tunnel.md) */
#define LAUNCH_US 50000   /* bound for the launch itself on a busy machine; without anything to wait for it takes 1000 */
#define DISTURBED 60

/* The first act of each launch happens in the class, and of each other program outside it: no launch escapes. */
static void
test_no_launch_escapes (Lab *lab, gconstpointer data)
{
  g_autofree char *other = copy_program (lab, SAFE);

  apply_rule (lab, lab->program);
  for (guint i = 0; i < RACE_LAUNCHES; i++)
    {
      g_auto (VpndClassifierReport) report = { 0 };

      g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
      report = next_report (lab);
      g_assert_cmpint (report.kind, ==, VPND_CLASSIFIER_ARRIVED);
      g_assert_cmpint (report.pid, >, 0);
      if (i % 16 == 0)
        g_assert_cmpint (launch (lab, other, NULL), ==, OUTSIDE);
    }
}

/* Several at once, while both processors are busy. */
static void
test_no_launch_escapes_under_load (Lab *lab, gconstpointer data)
{
  pid_t busy[4];
  pid_t launchers[4];

  apply_rule (lab, lab->program);
  for (guint i = 0; i < G_N_ELEMENTS (busy); i++)
    if ((busy[i] = fork ()) == 0)
      {
        (void) prctl (PR_SET_PDEATHSIG, SIGKILL); /* a test that fails ends without us */
        for (volatile guint n = 0;; n++)
          ;
      }
  for (guint i = 0; i < G_N_ELEMENTS (launchers); i++)
    if ((launchers[i] = fork ()) == 0)
      {
        for (guint n = 0; n < RACE_LAUNCHES / 10; n++)
          if (launch (lab, lab->program, NULL) != IN_CLASS)
            _exit (1);
        _exit (0);
      }
  for (guint i = 0; i < G_N_ELEMENTS (launchers) * (RACE_LAUNCHES / 10); i++)
    {
      g_auto (VpndClassifierReport) report = next_report (lab);

      g_assert_cmpint (report.kind, ==, VPND_CLASSIFIER_ARRIVED);
    }
  for (guint i = 0; i < G_N_ELEMENTS (launchers); i++)
    {
      int status;

      g_assert_cmpint (waitpid (launchers[i], &status, 0), ==, launchers[i]);
      g_assert_cmpint (status, ==, 0);
    }
  for (guint i = 0; i < G_N_ELEMENTS (busy); i++)
    {
      g_assert_no_errno (kill (busy[i], SIGKILL));
      g_assert_cmpint (waitpid (busy[i], NULL, 0), ==, busy[i]);
    }
}

/* A package upgrade: rename over, unlink and make anew, a link that is turned. */
static void
test_replaced_file_is_followed (Lab *lab, gconstpointer data)
{
  g_autofree char *fresh = copy_program (lab, "fresh");
  g_autofree char *link = g_build_filename (lab->folder, "link", NULL);
  g_autofree char *second = copy_program (lab, "second");
  g_autofree char *saved = g_build_filename (lab->folder, "saved", NULL);

  g_assert_no_errno (symlink ("program", link));
  apply_rule (lab, link);
  launch_held (lab, link, link);

  g_assert_no_errno (rename (lab->program, saved));
  expect (lab, VPND_CLASSIFIER_UNWATCHED, link, ENOENT);
  g_assert_no_errno (rename (fresh, lab->program));
  expect (lab, VPND_CLASSIFIER_WATCHED, link, 0);
  launch_held (lab, link, link);
  g_assert_cmpint (launch (lab, saved, NULL), ==, OUTSIDE); /* the file of before is nobody's */

  g_assert_no_errno (unlink (link));
  expect (lab, VPND_CLASSIFIER_UNWATCHED, link, ENOENT);
  g_assert_no_errno (symlink ("second", link));
  expect (lab, VPND_CLASSIFIER_WATCHED, link, 0);
  g_assert_cmpint (launch (lab, second, NULL), ==, IN_CLASS);
}

/* What cannot be watched is said of each rule, with the reason; the others hold. */
static void
test_unwatchable_rules_are_told (Lab *lab, gconstpointer data)
{
  g_autofree char *missing = g_build_filename (lab->folder, "none", "missing", NULL);
  g_autofree char *plain = g_build_filename (lab->folder, "plain", NULL);
  g_autofree char *fifo = g_build_filename (lab->folder, "fifo", NULL);
  g_autofree char *loop = g_build_filename (lab->folder, "loop", NULL);
  const char *paths[] = { missing, lab->folder, plain, fifo, loop, lab->program, NULL };

  write_text (plain, "no program\n");
  g_assert_no_errno (chmod (plain, 0644));
  g_assert_no_errno (mkfifo (fifo, 0755));
  g_assert_no_errno (symlink ("loop", loop));
  send_rules (lab, paths);
  expect (lab, VPND_CLASSIFIER_UNWATCHED, missing, ENOENT);
  expect (lab, VPND_CLASSIFIER_UNWATCHED, lab->folder, EISDIR);
  expect (lab, VPND_CLASSIFIER_UNWATCHED, plain, EACCES);
  expect (lab, VPND_CLASSIFIER_UNWATCHED, fifo, EACCES);
  expect (lab, VPND_CLASSIFIER_UNWATCHED, loop, ELOOP);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  launch_held (lab, lab->program, lab->program);

  /* It becomes a program: from that moment it is held. */
  g_assert_no_errno (chmod (plain, 0755));
  expect (lab, VPND_CLASSIFIER_WATCHED, plain, 0);
}

/* A process that runs already is moved when the rule comes, and told as the one that it is; so is one that is started then. */
static void
test_running_process_is_moved (Lab *lab, gconstpointer data)
{
  const char *paths[] = { lab->program, NULL };
  const GPid before = start_program (lab, "--wait");
  GPid after;

  send_rules (lab, paths);
  expect_process (lab, VPND_CLASSIFIER_FOUND, before);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  after = start_program (lab, "--wait");
  expect_process (lab, VPND_CLASSIFIER_ARRIVED, after);
  end_process (before);
  end_process (after);
}

/* A user's rule holds for nobody else, and of two rules for one file the first that holds counts. */
static void
test_rules_of_users (Lab *lab, gconstpointer data)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_rule_free);
  const guint32 uids[] = { 4711, getuid () };

  g_assert_no_errno (chmod (lab->folder, 0711)); /* a rule of a user's own leads through no folder that is closed to that user */
  for (guint n = 1; n <= G_N_ELEMENTS (uids); n++)
    {
      add_rule (rules, lab->program, uids[n - 1], FALSE);
      send_list (lab, rules);
      expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
      g_assert_cmpint (launch (lab, lab->program, NULL), ==, n == 1 ? OUTSIDE : IN_CLASS);
    }
  {
    g_auto (VpndClassifierReport) report = next_report (lab);

    g_assert_cmpint (report.kind, ==, VPND_CLASSIFIER_ARRIVED);
    g_assert_cmpuint (report.uid, ==, getuid ());
  }
}

/* A script is its own file, whatever interprets it; a program given to the loader is data, and stays outside (documented). */
static void
test_scripts_and_the_loader (Lab *lab, gconstpointer data)
{
  g_autofree char *script = g_build_filename (lab->folder, "script", NULL);
  g_autofree char *text = g_strdup_printf ("#!%s --interpret\n", lab->program);
  g_autofree char *other = copy_program (lab, SAFE);
  g_autofree char *script_text = g_strdup_printf ("#!%s\n", other);
  const char *paths[] = { script, NULL };

  g_assert_nonnull (text);
  write_text (script, script_text);
  send_rules (lab, paths);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  launch_held (lab, script, script);
  g_assert_cmpint (launch (lab, other, NULL), ==, OUTSIDE);
}

/* The same file seen through another mount namespace is another program. */
static void
test_other_mount_namespace (Lab *lab, gconstpointer data)
{
  pid_t pid;
  int status;

  apply_rule (lab, lab->program);
  pid = fork ();
  if (pid == 0)
    {
      if (unshare (CLONE_NEWNS) < 0)
        _exit (5);
      _exit (launch (lab, lab->program, NULL));
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (WEXITSTATUS (status), ==, OUTSIDE);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
}

/* Stopped: the guard lets the launch go on, into the safe class, which is told. Killed: the kernel does. Nothing else ever waits. */
static void
test_stopped_or_killed (Lab *lab, gconstpointer data)
{
  g_autofree char *other = copy_program (lab, SAFE);
  gint64 us, least_us = G_MAXINT64;

  apply_rule (lab, lab->program);
  for (guint i = 0; i < 5; i++)
    {
      g_assert_no_errno (kill (lab->classifier, SIGSTOP));
      g_assert_cmpint (launch (lab, other, NULL), ==, OUTSIDE);
      g_assert_cmpint (launch (lab, lab->program, &us), ==, OUTSIDE);
      g_test_message ("a launch while the classifier stands still took %.1f ms", (double) us / 1000.0);
      least_us = MIN (least_us, us);
      g_assert_no_errno (kill (lab->classifier, SIGCONT));
      g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
      expect (lab, VPND_CLASSIFIER_FAILED, lab->program, ETIMEDOUT);
      expect (lab, VPND_CLASSIFIER_ARRIVED, lab->program, 0);
    }
  g_assert_cmpint (least_us, <, PROMISED_US + LAUNCH_US);
  stop_classifier (lab, SIGKILL);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, OUTSIDE);
  start_classifier (lab);
  apply_rule (lab, lab->program);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
}

/* Returns: the guard of the classifier */
static pid_t
find_guard (const Lab *lab)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task/%d/children", lab->classifier, lab->classifier);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return (pid_t) g_ascii_strtoll (text, NULL, 10);
}

/* Killed, the guard leaves nobody waiting: the classifier ends too, which lets all go whom either has held, and is started anew with another one. */
static void
test_killed_guard (Lab *lab, gconstpointer data)
{
  const gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * 1000;
  const pid_t guard = find_guard (lab);
  int status;
  pid_t ended;

  apply_rule (lab, lab->program);
  g_assert_cmpint (guard, >, 0);
  g_assert_no_errno (kill (guard, SIGKILL));
  while ((ended = waitpid (lab->classifier, &status, WNOHANG)) == 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      (void) launch (lab, lab->program, NULL);
    }
  g_assert_cmpint (ended, ==, lab->classifier);
  g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 1);
  close (lab->channel);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, OUTSIDE);
  start_classifier (lab);
  apply_rule (lab, lab->program);
  g_assert_no_errno (kill (lab->classifier, SIGSTOP));
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, OUTSIDE);
  g_assert_no_errno (kill (lab->classifier, SIGCONT));
}

/* The program of a strict rule starts in its class or not at all, which is told: stopped, the classifier lets go of everybody else only. */
static void
test_strict_or_not_at_all (Lab *lab, gconstpointer data)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_rule_free);
  g_autofree char *lenient = copy_program (lab, SAFE), *others = copy_program (lab, "others");
  const gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * 1000;

  g_assert_no_errno (chmod (lab->folder, 0711));
  add_rule (rules, lab->program, VPND_CLASSIFIER_ANY_UID, TRUE);
  add_rule (rules, lenient, VPND_CLASSIFIER_ANY_UID, FALSE);
  add_rule (rules, others, 4711, TRUE);
  send_list (lab, rules);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);

  g_assert_no_errno (kill (lab->classifier, SIGSTOP));
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, REFUSED);
  g_assert_cmpint (launch (lab, others, NULL), ==, OUTSIDE);
  g_assert_cmpint (launch (lab, lenient, NULL), ==, OUTSIDE);
  g_assert_no_errno (kill (lab->classifier, SIGCONT));
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
  expect (lab, VPND_CLASSIFIER_FAILED, lab->program, ECANCELED);
  expect (lab, VPND_CLASSIFIER_FAILED, lenient, ETIMEDOUT);
  expect (lab, VPND_CLASSIFIER_ARRIVED, lab->program, 0);

  g_assert_no_errno (rename (others, lab->program)); /* as a new version of it is put there */
  while (launch (lab, lab->program, NULL) != IN_CLASS)
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  g_assert_no_errno (kill (lab->classifier, SIGSTOP));
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, REFUSED);
  g_assert_no_errno (kill (lab->classifier, SIGCONT));

  g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
  remove_cgroup (lab->class);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, REFUSED);
  g_assert_cmpint (launch (lab, lenient, NULL), ==, OUTSIDE);
  g_assert_no_errno (mkdir (lab->class, 0700));
}

/* Stops the classifier and lets it go on, without end. */
static pid_t
start_disturber (const Lab *lab)
{
  const pid_t disturber = fork ();

  if (disturber != 0)
    return disturber;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (guint i = 0;; i = (i + 1) % 64)
    {
      (void) kill (lab->classifier, SIGSTOP);
      g_usleep (i * 1000); /* lint: allow sleep: it is a disturbance, and waits for nothing */
      (void) kill (lab->classifier, SIGCONT);
      g_usleep (1000); /* lint: allow sleep: as above */
    }
}

/* More strict rules than the guard can hold: then it lets go of nobody, for it cannot tell. */
static void
test_too_many_strict (Lab *lab, gconstpointer data)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_rule_free);
  g_autofree char *lenient = copy_program (lab, SAFE);

  add_rule (rules, lenient, VPND_CLASSIFIER_ANY_UID, FALSE);
  for (guint i = 0; i <= VPND_GUARD_MAX_STRICT; i++)
    add_rule (rules, lab->program, VPND_CLASSIFIER_ANY_UID, TRUE);
  send_list (lab, rules);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  g_assert_no_errno (kill (lab->classifier, SIGSTOP));
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, REFUSED);
  g_assert_cmpint (launch (lab, lenient, NULL), ==, REFUSED);
  g_assert_no_errno (kill (lab->classifier, SIGCONT));
  g_assert_cmpint (launch (lab, lenient, NULL), ==, IN_CLASS);
}

/* Wherever in its work the classifier is stopped: a strict program is in its class or not there. Both happened. */
static void
test_strict_at_any_moment (Lab *lab, gconstpointer data)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_rule_free);
  guint n[REFUSED + 1] = { 0 };
  pid_t disturber;

  add_rule (rules, lab->program, VPND_CLASSIFIER_ANY_UID, TRUE);
  send_list (lab, rules);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  disturber = start_disturber (lab);
  for (guint i = 0; i < DISTURBED || n[REFUSED] == 0; i++)
    {
      const int how = launch (lab, lab->program, NULL);

      g_assert_true (how == IN_CLASS || how == REFUSED);
      n[how]++;
    }
  end_process (disturber);
  g_assert_no_errno (kill (lab->classifier, SIGCONT));
  g_assert_cmpuint (n[IN_CLASS], >, 0);
}

static void
await_socket (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd/3", pid);
  const gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * 1000;
  char target[64] = "";

  while (readlink (path, target, sizeof target - 1) < 0 || !g_str_has_prefix (target, "socket:"))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      sched_yield ();
    }
}

/* A service manager sends its signal to all processes of the unit, in any order: the guard looks after launches as long as there is somebody to look after, and the end is one in order. */
static void
test_stopped_by_its_manager (Lab *lab, gconstpointer data)
{
  const pid_t guard = find_guard (lab);
  int status;

  apply_rule (lab, lab->program);
  g_assert_cmpint (guard, >, 0);
  g_assert_no_errno (kill (guard, SIGTERM));
  g_assert_no_errno (kill (lab->classifier, SIGSTOP));
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, OUTSIDE); /* by the guard: who else should have answered */
  g_assert_no_errno (kill (lab->classifier, SIGCONT));
  expect (lab, VPND_CLASSIFIER_FAILED, lab->program, ETIMEDOUT);
  g_assert_no_errno (kill (lab->classifier, SIGTERM));
  g_assert_cmpint (waitpid (lab->classifier, &status, 0), ==, lab->classifier);
  g_assert_cmpint (status, ==, 0);
  close (lab->channel);
  start_classifier (lab);
}

/* Whom the guard let go is moved as soon as that can be, told as one that ran already, and so are its sockets. */
static void
test_late_is_better_than_never (Lab *lab, gconstpointer data)
{
  GPid pids[LATE];
  g_autoptr (GHashTable) late = g_hash_table_new (NULL, NULL), found = g_hash_table_new (NULL, NULL), with_sockets = g_hash_table_new (NULL, NULL);

  apply_rule (lab, lab->program);
  g_assert_no_errno (kill (lab->classifier, SIGSTOP));
  for (guint i = 0; i < LATE; i++)
    {
      pids[i] = start_program (lab, "--wait-with-socket");
      assert_stands_in (pids[i], lab->home);
      await_socket (pids[i]);
    }
  g_assert_no_errno (kill (lab->classifier, SIGCONT));
  while (g_hash_table_size (with_sockets) < LATE)
    {
      g_auto (VpndClassifierReport) report = next_report (lab);

      if (report.kind == VPND_CLASSIFIER_FAILED)
        g_assert_cmpint (report.code, ==, ETIMEDOUT);
      g_hash_table_add (report.kind == VPND_CLASSIFIER_FAILED ? late : report.kind == VPND_CLASSIFIER_FOUND ? found
                                                                                                            : with_sockets,
          GINT_TO_POINTER (report.pid));
    }
  g_assert_cmpuint (g_hash_table_size (late), ==, LATE);
  for (guint i = 0; i < LATE; i++)
    {
      g_autofree char *wanted = g_path_get_basename (lab->class);

      g_assert_true (g_hash_table_contains (found, GINT_TO_POINTER (pids[i])));
      g_assert_true (g_hash_table_contains (with_sockets, GINT_TO_POINTER (pids[i])));
      assert_stands_in (pids[i], wanted);
      end_process (pids[i]);
    }
}

/* Whenever it is stopped and goes on: each launch arrives, or is told as late and found; none is forgotten. */
static void
test_no_launch_is_forgotten (Lab *lab, gconstpointer data)
{
  g_autofree char *wanted = g_path_get_basename (lab->class);
  pid_t disturber;

  apply_rule (lab, lab->program);
  disturber = start_disturber (lab);
  for (guint i = 0; i < DISTURBED; i++)
    {
      const GPid pid = start_program (lab, "--wait");

      await_place (pid, wanted);
      end_process (pid);
    }
  end_process (disturber);
  g_assert_no_errno (kill (lab->classifier, SIGCONT));
}

static void
assert_urgent (pid_t pid)
{
  g_assert_cmpint (sched_getscheduler (pid), ==, SCHED_RR);
}

/* It and its guard come before whatever else runs. */
static void
test_is_urgent (Lab *lab, gconstpointer data)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task/%d/children", lab->classifier, lab->classifier);
  g_autofree char *text = NULL;
  const struct sched_param param = { .sched_priority = 1 };
  const pid_t probe = fork ();
  gboolean is_refused;

  if (probe == 0)
    for (;;)
      pause ();
  is_refused = sched_setscheduler (probe, SCHED_RR, &param) < 0; /* by this machine, to everybody */
  end_process (probe);
  apply_rule (lab, lab->program);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpint (atoi (text), >, 0);
  if (is_refused)
    return;
  assert_urgent (lab->classifier);
  assert_urgent (atoi (text));
}

/* Rules of a vpnd that has left do not stay; another table takes the place of the one before; a bad one ends the conversation. */
static void
test_caller_leaves (Lab *lab, gconstpointer data)
{
  g_autofree char *socket_path = g_build_filename (lab->folder, "socket", NULL);
  g_autofree char *second = copy_program (lab, "second");
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  char byte;

  apply_rule (lab, lab->program);
  apply_rule (lab, second);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, OUTSIDE);
  launch_held (lab, second, second);

  close (lab->channel);
  lab->channel = connect_to (socket_path); /* taken after the end of the former */
  apply_rule (lab, lab->program);
  g_assert_cmpint (launch (lab, second, NULL), ==, OUTSIDE);

  send_table (lab, garbage, TRUE);
  g_assert_cmpint (recv (lab->channel, &byte, 1, 0), ==, 0);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, OUTSIDE);
  close (lab->channel);
  lab->channel = connect_to (socket_path);
  send_table (lab, garbage, FALSE); /* one that could still change under our eyes */
  g_assert_cmpint (recv (lab->channel, &byte, 1, 0), ==, 0);
}

int
main (int argc, char **argv)
{
  static const LabTest tests[] = {
    { "/classifier/no-launch-escapes", test_no_launch_escapes },
    { "/classifier/no-launch-escapes-under-load", test_no_launch_escapes_under_load },
    { "/classifier/replaced-file-is-followed", test_replaced_file_is_followed },
    { "/classifier/unwatchable-rules-are-told", test_unwatchable_rules_are_told },
    { "/classifier/running-process-is-moved", test_running_process_is_moved },
    { "/classifier/rules-of-users", test_rules_of_users },
    { "/classifier/scripts-and-the-loader", test_scripts_and_the_loader },
    { "/classifier/other-mount-namespace", test_other_mount_namespace },
    { "/classifier/stopped-or-killed", test_stopped_or_killed },
    { "/classifier/killed-guard", test_killed_guard },
    { "/classifier/stopped-by-its-manager", test_stopped_by_its_manager },
    { "/classifier/strict-or-not-at-all", test_strict_or_not_at_all },
    { "/classifier/too-many-strict", test_too_many_strict },
    { "/classifier/strict-at-any-moment", test_strict_at_any_moment },
    { "/classifier/late-is-better-than-never", test_late_is_better_than_never },
    { "/classifier/no-launch-is-forgotten", test_no_launch_is_forgotten },
    { "/classifier/is-urgent", test_is_urgent },
    { "/classifier/caller-leaves", test_caller_leaves },
  };

  return run_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
