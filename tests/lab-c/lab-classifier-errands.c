/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What vpnd asks vpnd-classifier to do: to look at processes, and to bring back who has left a class.
 */
#include "config.h"

#include "classifier-lab.h"

#include "leftovers.h"
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEIGHBOURS 200                                 /* more than are looked after */
#define CROWD_US (G_USEC_PER_SEC + G_USEC_PER_SEC / 2) /* a launch is looked after for two seconds */
#define CROWDS_MAX 20
#define RACE_LOOKS 50 /* launches; it is looked at each 10 ms */
#define CROWD 2000    /* three pages of cgroup.procs */

static void
ask (const Lab *lab, const char *mount, VpndClassifierErrandKind kind, GPid pid, guint64 start_time, const char *origin)
{
  VpndClassifierErrand errand = { kind, pid, start_time, (char *) origin };
  g_autoptr (GPtrArray) errands = g_ptr_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  const int procs_fd = open_procs (lab->class);

  g_ptr_array_add (errands, &errand);
  bytes = vpnd_classifier_encode_errands (mount, errands);
  send_packet (lab, VPND_CLASSIFIER_ERRANDS, bytes, procs_fd, TRUE);
  close (procs_fd);
}

/* Where processes come from, as the path of a group below the mount. */
static char *
new_place (const char *what)
{
  g_autofree char *name = leftovers_new_name (what);

  return g_strconcat ("/", name, NULL);
}

/* Errands are done in order: when this one is answered, those before are done. */
static void
wait_for_errands (const Lab *lab)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);

  ask (lab, lab->cgroups, VPND_CLASSIFIER_LOOK, getpid (), vpnd_process_read_start_time (getpid ()), "");
  expect (lab, VPND_CLASSIFIER_SEEN, self, 0);
}

static void
put_into (const char *cgroup, GPid pid)
{
  const int fd = open_procs (cgroup);

  g_assert_cmpint (vpnd_process_move (pid, fd), ==, 0);
  close (fd);
}

/* What vpnd may not see itself is told of exactly the process that is meant. */
static void
test_looks (Lab *lab, gconstpointer data)
{
  const guint64 start_time = vpnd_process_read_start_time (getpid ());
  const int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct stat info;
  gboolean has_any = FALSE;
  g_auto (VpndClassifierReport) report = { 0 };

  g_assert_no_errno (fstat (fd, &info));
  ask (lab, lab->cgroups, VPND_CLASSIFIER_LOOK, getpid (), start_time + 1, ""); /* another process of that number: no answer */
  ask (lab, lab->cgroups, VPND_CLASSIFIER_LIST_SOCKETS, getpid (), start_time + 1, "");
  wait_for_errands (lab);
  ask (lab, lab->cgroups, VPND_CLASSIFIER_LIST_SOCKETS, getpid (), start_time, "");
  report = next_report (lab);
  g_assert_cmpint (report.kind, ==, VPND_CLASSIFIER_SOCKETS);
  g_assert_cmpint (report.pid, ==, getpid ());
  for (guint i = 0; i < report.sockets->len; i++)
    has_any |= g_array_index (report.sockets, guint32, i) == (guint32) info.st_ino;
  g_assert_true (has_any);
  close (fd);
}

/* Only who waits is put back, only if it is the one that is meant, and only below the mount; a place that is gone gives way to the one above it. */
static void
test_returns (Lab *lab, gconstpointer data)
{
  const char *argv[] = { lab->program, "--wait", NULL };
  g_autofree char *name = new_place ("home");
  g_autofree char *home = g_strconcat (lab->cgroups, name, NULL);
  g_autofree char *gone = g_strconcat (name, "/gone/deeper", NULL);
  g_autofree char *waiting = g_path_get_basename (lab->class);
  g_autoptr (GError) error = NULL;
  guint64 start_time;
  GPid pid;

  g_assert_no_errno (mkdir (home, 0700));
  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &error);
  g_assert_no_error (error);
  start_time = vpnd_process_read_start_time (pid);
  ask (lab, lab->cgroups, VPND_CLASSIFIER_RETURN, pid, start_time, name);
  wait_for_errands (lab);
  assert_stands_in (pid, lab->home); /* it did not wait */

  put_into (lab->class, pid);
  ask (lab, lab->cgroups, VPND_CLASSIFIER_RETURN, pid, start_time + 1, name);
  ask (lab, lab->folder, VPND_CLASSIFIER_RETURN, pid, start_time, "/cgroups"); /* no hierarchy, but what is around one */
  wait_for_errands (lab);
  assert_stands_in (pid, waiting);

  ask (lab, lab->cgroups, VPND_CLASSIFIER_RETURN, pid, start_time, name);
  wait_for_errands (lab);
  assert_stands_in (pid, name);

  put_into (lab->class, pid);
  ask (lab, lab->cgroups, VPND_CLASSIFIER_RETURN, pid, start_time, gone);
  wait_for_errands (lab);
  assert_stands_in (pid, name);

  g_assert_no_errno (kill (pid, SIGKILL));
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  g_assert_no_errno (rmdir (home));
}

static GPid
start_waiting (const Lab *lab, const char *home)
{
  const GPid pid = fork ();

  if (pid == 0)
    {
      (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
      close (lab->channel); /* which would be told as its socket */
      for (;;)
        pause ();
    }
  put_into (home, pid);
  put_into (lab->class, pid);
  return pid;
}

/* Sends errands for all of @pids, in packets that share one descriptor with us, as those of vpnd do. */
static void
ask_for_crowd (const Lab *lab, const GPid *pids, guint n, const char *origin, int procs_fd)
{
  for (guint done = 0; done < n;)
    {
      const guint part = MIN (n - done, VPND_CLASSIFIER_MAX_ERRANDS);
      g_autoptr (GPtrArray) errands = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_errand_free);
      g_autoptr (GBytes) bytes = NULL;

      for (guint i = 0; i < part; i++)
        {
          VpndClassifierErrand *errand = g_new0 (VpndClassifierErrand, 1);

          *errand = (VpndClassifierErrand){ VPND_CLASSIFIER_RETURN, pids[done + i], vpnd_process_read_start_time (pids[done + i]), g_strdup (origin) };
          g_ptr_array_add (errands, errand);
        }
      bytes = vpnd_classifier_encode_errands (lab->cgroups, errands);
      send_packet (lab, VPND_CLASSIFIER_ERRANDS, bytes, procs_fd, TRUE);
      done += part;
    }
}

/* Where a launched program stood before is told of each, also of those that come from a place that is known already. */
static void
test_origins (Lab *lab, gconstpointer data)
{
  g_autofree char *name = new_place ("home");
  g_autofree char *home = g_strconcat (lab->cgroups, name, NULL);

  g_assert_no_errno (mkdir (home, 0700));
  apply_rule (lab, lab->program);
  for (guint i = 0; i < 4; i++)
    {
      g_auto (VpndClassifierReport) report = { 0 };

      put_into (i % 2 == 0 ? home : lab->cgroups, getpid ());
      g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
      report = next_report (lab);
      g_assert_cmpint (report.kind, ==, VPND_CLASSIFIER_ARRIVED);
      g_assert_cmpstr (report.origin, ==, i % 2 == 0 ? name : "/");
    }
  remove_cgroup (home);
}

/* More than the kernel lists at once; nobody is overlooked, for who asked may write to the file meanwhile, which moves its place: that one is not ours. */
static void
test_a_crowd_returns (Lab *lab, gconstpointer data)
{
  GPid pids[CROWD];
  g_autofree char *name = new_place ("home");
  g_autofree char *home = g_strconcat (lab->cgroups, name, NULL);
  const int procs_fd = open_procs (lab->class);
  const off_t place = 5; /* in the middle of a number */

  g_assert_no_errno (mkdir (home, 0700));
  for (guint i = 0; i < CROWD; i++)
    pids[i] = start_waiting (lab, home);
  g_assert_cmpint (lseek (procs_fd, place, SEEK_SET), ==, place);
  ask_for_crowd (lab, pids, CROWD, name, procs_fd);
  wait_for_errands (lab);
  g_assert_cmpint (lseek (procs_fd, 0, SEEK_CUR), ==, place);
  for (guint i = 0; i < CROWD; i++)
    assert_stands_in (pids[i], name);
  for (guint i = 0; i < CROWD; i++)
    end_process (pids[i]);
  close (procs_fd);
  remove_cgroup (home);
}

/* What a process starts while it waits is known to nobody but to him who brings it home: it follows, and so do those behind it. */
static void
test_children_return (Lab *lab, gconstpointer data)
{
  g_autofree char *name = new_place ("home");
  g_autofree char *home = g_strconcat (lab->cgroups, name, NULL);
  g_autofree char *waiting = g_path_get_basename (lab->class);
  int words[2];
  GPid pid, child, grandchild, stranger;

  g_assert_no_errno (mkdir (home, 0700));
  g_assert_no_errno (pipe2 (words, O_CLOEXEC));
  pid = fork ();
  if (pid == 0)
    {
      (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
      close (lab->channel);
      put_into (lab->class, getpid ());
      for (guint i = 0; i < 2; i++) /* both print themselves, and wait as their parent does */
        if ((child = fork ()) == 0)
          {
            (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
            pid = getpid ();
            g_assert_cmpint (write (words[1], &pid, sizeof pid), ==, sizeof pid);
          }
        else
          break;
      for (;;)
        pause ();
    }
  g_assert_cmpint (read (words[0], &child, sizeof child), ==, sizeof child);
  g_assert_cmpint (read (words[0], &grandchild, sizeof grandchild), ==, sizeof grandchild);
  stranger = start_waiting (lab, home);

  ask (lab, lab->cgroups, VPND_CLASSIFIER_RETURN, pid, vpnd_process_read_start_time (pid), name);
  wait_for_errands (lab);
  await_place (pid, name);
  await_place (child, name);
  await_place (grandchild, name);
  assert_stands_in (stranger, waiting); /* who was not asked for, and comes from nobody who was */

  end_process (stranger);
  end_process (pid); /* and with it those that it started */
  close (words[0]);
  close (words[1]);
  remove_cgroup (home);
}

/* A service manager that attaches a process to its unit after that has run the program already (systemd before 254), or that makes a scope of it (desktops): it is taken back, told as
 * found, and so as often as that happens at the beginning. */
static void
test_taken_out_again (Lab *lab, gconstpointer data)
{
  g_autofree char *name = new_place ("home");
  g_autofree char *home = g_strconcat (lab->cgroups, name, NULL);
  g_autofree char *wanted = g_path_get_basename (lab->class);
  g_autofree char *other = copy_program (lab, SAFE);
  GPid pid;

  g_assert_no_errno (mkdir (home, 0700));
  apply_rule (lab, lab->program);
  pid = start_program (lab, "--wait");
  expect_process (lab, VPND_CLASSIFIER_ARRIVED, pid);
  for (guint i = 0; i < 3; i++)
    {
      g_auto (VpndClassifierReport) report = { 0 };

      put_into (home, pid);
      await_place (pid, wanted);
      report = next_report (lab);
      g_assert_cmpint (report.kind, ==, VPND_CLASSIFIER_FOUND);
      g_assert_cmpint (report.pid, ==, pid);
      g_assert_cmpstr (report.origin, ==, name);
    }
  end_process (pid);
  launch_held (lab, lab->program, lab->program);

  /* One whose rule has gone is left where it is put. */
  pid = start_program (lab, "--wait");
  expect_process (lab, VPND_CLASSIFIER_ARRIVED, pid);
  apply_rule (lab, other);
  put_into (home, pid);
  for (guint i = 0; i < RACE_LOOKS; i++)
    {
      launch_held (lab, other, other);
    }
  assert_stands_in (pid, name);
  end_process (pid);
  remove_cgroup (home);
}

/* A shell launches @path NEIGHBOURS times. @out_crowd: whom it launched. Returns: the shell, which ends with them */
static GPid
launch_crowd (Lab *lab, const char *path, GPid out_crowd[NEIGHBOURS])
{
  g_autofree char *script = g_strdup_printf ("n=%u; while [ $n -gt 0 ]; do %s 60 & n=$((n - 1)); done; wait", NEIGHBOURS, path);
  const char *argv[] = { "/bin/sh", "-c", script, NULL };
  g_autoptr (GError) error = NULL;
  GPid shell;

  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &shell, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < NEIGHBOURS; i++)
    {
      g_auto (VpndClassifierReport) report = next_report (lab);

      g_assert_cmpstr (report.path, ==, path);
      out_crowd[i] = report.pid;
    }
  return shell;
}

/* Nobody launches so many programs of another rule that this is forgotten. The crowd is of a program that starts sooner than those of tests do; where the machine takes
 * longer for it than anybody is looked after, that is no crowd, and another one comes. */
static void
test_taken_out_in_a_crowd (Lab *lab, gconstpointer data)
{
  g_autofree char *name = new_place ("home");
  g_autofree char *home = g_strconcat (lab->cgroups, name, NULL);
  g_autofree char *wanted = g_path_get_basename (lab->class);
  g_autofree char *theirs = copy_program_from (lab, "/bin/sleep", "theirs");
  const char *const paths[] = { lab->program, theirs, NULL };
  gboolean is_crowd = FALSE;

  g_assert_no_errno (mkdir (home, 0700));
  send_rules (lab, paths);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  for (guint i = 0; i < CROWDS_MAX && !is_crowd; i++)
    {
      const gint64 begun_us = g_get_monotonic_time ();
      const GPid pid = start_program (lab, "--wait");
      GPid crowd[NEIGHBOURS], shell;

      expect_process (lab, VPND_CLASSIFIER_ARRIVED, pid);
      shell = launch_crowd (lab, theirs, crowd);
      is_crowd = g_get_monotonic_time () - begun_us < CROWD_US;
      if (is_crowd)
        {
          put_into (home, pid);
          await_place (pid, wanted);
        }
      for (guint j = 0; j < NEIGHBOURS; j++)
        g_assert_no_errno (kill (crowd[j], SIGKILL));
      g_assert_cmpint (waitpid (shell, NULL, 0), ==, shell);
      end_process (pid);
    }
  g_assert_true (is_crowd);
  remove_cgroup (home);
}

/* Who asks for what nobody may ask for is dropped. */
static void
test_into_a_class_nobody_is_put_back (Lab *lab, gconstpointer data)
{
  char byte;

  ask (lab, lab->cgroups, VPND_CLASSIFIER_RETURN, getpid (), vpnd_process_read_start_time (getpid ()), "/vpnd-excluded");
  g_assert_cmpint (recv (lab->channel, &byte, 1, 0), ==, 0);
}

int
main (int argc, char **argv)
{
  static const LabTest tests[] = {
    { "/classifier/looks", test_looks },
    { "/classifier/returns", test_returns },
    { "/classifier/origins", test_origins },
    { "/classifier/a-crowd-returns", test_a_crowd_returns },
    { "/classifier/children-return", test_children_return },
    { "/classifier/taken-out-again", test_taken_out_again },
    { "/classifier/taken-out-in-a-crowd", test_taken_out_in_a_crowd },
    { "/classifier/into-a-class-nobody-is-put-back", test_into_a_class_nobody_is_put_back },
  };

  return run_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
