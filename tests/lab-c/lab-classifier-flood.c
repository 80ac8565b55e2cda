/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd-classifier when the machine is made to ask it without end.
 */
#include "config.h"

#include "classifier-lab.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLOODERS 2
#define FLOOD 50000 /* launches that are asked about */
#define FLOOD_LAUNCHES 40
#define FLOOD_MEMORY_KB 32768
#if defined(__SANITIZE_ADDRESS__)
#define FLOOD_EACH_US 400.0 /* the instruments cost that */
#else
#define FLOOD_EACH_US 100.0 /* time for ten thousand a second, whatever else this machine does */
#endif
#define GUARD_LIMIT_US 50000 /* VPND_GUARD_LIMIT_MS */

/* What those who take part write down, each for all to see. */
typedef struct
{
  _Atomic guint n_asked; /* launches of the file, each of which was answered, for it returned */
  _Atomic guint n_reports[VPND_N_CLASSIFIER_REPORTS];
  _Atomic gint is_over;
} Flood;

/* Launches files that are listed and are no programs, in turn: the kernel asks at their open, and execve(2) returns. Of programs a machine cannot start so many. */
static GPid
start_flooder (Flood *flood, char *const *files)
{
  const GPid pid = fork ();

  if (pid != 0)
    return pid;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (guint i = 0; !atomic_load (&flood->is_over); i = files[i + 1] != NULL ? i + 1 : 0)
    {
      char *argv[] = { files[i], NULL };

      if (execve (files[i], argv, NULL) == 0 || errno != ENOEXEC)
        _exit (1);
      atomic_fetch_add (&flood->n_asked, 1);
    }
  _exit (0);
}

/* Counts what is reported, as fast as it comes. */
static GPid
start_reader (const Lab *lab, Flood *flood)
{
  const GPid pid = fork ();

  if (pid != 0)
    return pid;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (;;)
    {
      g_auto (VpndClassifierReport) report = { 0 };
      char buffer[VPND_CLASSIFIER_MAX_REPORT_BYTES];
      const ssize_t n = recv (lab->channel, buffer, sizeof buffer, 0);
      g_autoptr (GBytes) bytes = n > 0 ? g_bytes_new_static (buffer, (gsize) n) : NULL;

      if (bytes == NULL || !vpnd_classifier_decode_report (bytes, &report, NULL))
        _exit (1);
      atomic_fetch_add (&flood->n_reports[report.kind], 1);
    }
}

static guint
read_memory_kb (pid_t pid, const char *key)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, key);
  g_assert_nonnull (line);
  return (guint) g_ascii_strtoull (line + strlen (key), NULL, 10);
}

/* Microseconds of a processor that it has used. */
static double
read_used_us (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/schedstat", pid);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return (double) g_ascii_strtoull (text, NULL, 10) / 1000;
}

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

/* Microseconds that @pid has run, and waited for a processor. */
static gint64
read_present_us (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/schedstat", pid);
  g_autofree char *text = NULL;
  guint64 ran_ns, waited_ns;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &ran_ns, &waited_ns), ==, 2);
  return (gint64) ((ran_ns + waited_ns) / 1000);
}

/* How long the launch of a program that is not listed waits for anything but a processor, which is all that somebody else may take from it. */
static gint64
measure_wait_us (const char *path)
{
  const gint64 begin = g_get_monotonic_time (), own_us = read_present_us (getpid ());
  const pid_t pid = vfork ();
  siginfo_t info;
  gint64 us;
  int status;

  if (pid == 0)
    {
      execl (path, path, "--say-cgroup", "/nobody-stands-here", NULL);
      _exit (5);
    }
  g_assert_no_errno (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT));
  us = g_get_monotonic_time () - begin - (read_present_us (getpid ()) - own_us) - read_present_us (pid);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (WEXITSTATUS (status), ==, OUTSIDE);
  return us;
}

static void
await_count (const _Atomic guint *count, guint n)
{
  const gint64 deadline = g_get_monotonic_time () + 3 * DEADLINE_MS * 1000;

  while (atomic_load (count) < n)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      sched_yield ();
    }
}

/* In the middle of it: what has nothing to do with it goes on as ever, and another program that is listed goes to its class. Returns: how many did not */
static guint
launch_amid (const Lab *lab, const Flood *flood, const char *other)
{
  gint64 others[FLOOD_LAUNCHES];
  guint n_late = 0;

  for (guint i = 0; i < FLOOD_LAUNCHES; i++)
    {
      await_count (&flood->n_asked, i * (FLOOD / FLOOD_LAUNCHES));
      others[i] = measure_wait_us (other);
      n_late += launch (lab, lab->program, NULL) != IN_CLASS;
    }
  await_count (&flood->n_asked, FLOOD);
  qsort (others, FLOOD_LAUNCHES, sizeof *others, compare_times);
  g_test_message ("the launch of another program waits for %.1f ms, at most %.1f ms", (double) others[FLOOD_LAUNCHES / 2] / 1000, (double) others[FLOOD_LAUNCHES - 1] / 1000);
  g_assert_cmpint (others[FLOOD_LAUNCHES / 2], <, GUARD_LIMIT_US);
  return n_late;
}

/* Runs until there were enough; each launch was answered, for all of them returned. Returns: how many programs were let go before they stood in their class */
static guint
run_flood (const Lab *lab, Flood *flood, char *const *files, const char *other)
{
  const double used_us = read_used_us (lab->classifier);
  const gint64 begun = g_get_monotonic_time ();
  GPid flooders[FLOODERS];
  double each_us;
  guint n_late;

  for (guint i = 0; i < FLOODERS; i++)
    flooders[i] = start_flooder (flood, files);
  n_late = launch_amid (lab, flood, other);
  atomic_store (&flood->is_over, TRUE);
  for (guint i = 0; i < FLOODERS; i++)
    {
      int status;

      g_assert_cmpint (waitpid (flooders[i], &status, 0), ==, flooders[i]);
      g_assert_cmpint (status, ==, 0);
    }
  each_us = (read_used_us (lab->classifier) - used_us) / flood->n_asked;
  g_test_message ("%u launches, %.0f a second; %.1f us of a processor each", flood->n_asked, flood->n_asked / ((double) (g_get_monotonic_time () - begun) / 1e6), each_us);
  g_assert_cmpfloat (each_us, <, FLOOD_EACH_US);
  g_assert_cmpint (waitpid (lab->classifier, NULL, WNOHANG), ==, 0);
  return n_late;
}

/* Returns: (transfer full): two files that are listed and are no programs; besides the program is listed */
static char **
list_for_flood (const Lab *lab)
{
  char **files = g_new0 (char *, 3);

  files[0] = g_build_filename (lab->folder, "nothing", NULL);
  files[1] = g_build_filename (lab->folder, "as-well", NULL);
  write_text (files[0], "no program\n");
  write_text (files[1], "no program\n");
  send_rules (lab, (const char *[]){ files[0], files[1], lab->program, NULL });
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  return files;
}

/* All launches have been told, or that there were too many for who reads them, which may be the machine's doing. One that could not be held in time is told as that, and the next of the same
 * process may be of the file that was told last, which is not told again. */
static void
await_told (const Flood *flood, guint n_told)
{
  const gint64 deadline = g_get_monotonic_time () + 3 * DEADLINE_MS * 1000;

  while (flood->n_reports[VPND_CLASSIFIER_OVERFLOW] == 0 && flood->n_reports[VPND_CLASSIFIER_ARRIVED] + 2 * flood->n_reports[VPND_CLASSIFIER_FAILED] < n_told)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      sched_yield ();
    }
}

/* Ten thousand launches a second: of one file, which is told once, then of two in turn, each of which is told. */
static void
test_flood (Lab *lab, gconstpointer data)
{
  g_auto (GStrv) files = list_for_flood (lab);
  g_autofree char *other = copy_program (lab, SAFE);
  const guint before_kb = read_memory_kb (lab->classifier, "VmRSS:");

  for (guint n = 1; n <= 2; n++)
    {
      Flood *flood = mmap (NULL, sizeof *flood, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      char *const some[] = { files[0], n == 2 ? files[1] : NULL, NULL };
      const GPid reader = start_reader (lab, flood);

      const guint n_late = run_flood (lab, flood, some, other);
      const guint n_told = n == 1 ? FLOODERS + FLOOD_LAUNCHES : flood->n_asked + FLOOD_LAUNCHES;

      await_told (flood, n_told);
      g_assert_cmpuint (flood->n_reports[VPND_CLASSIFIER_ARRIVED], <=, n_told);
      if (n == 1)
        g_assert_cmpuint (flood->n_reports[VPND_CLASSIFIER_OVERFLOW], ==, 0);
      if (flood->n_reports[VPND_CLASSIFIER_OVERFLOW] == 0)
        g_assert_cmpuint (n_late, <=, flood->n_reports[VPND_CLASSIFIER_FAILED]);
      end_process (reader);
      g_assert_no_errno (munmap (flood, sizeof *flood));
    }
  g_assert_cmpuint (read_memory_kb (lab->classifier, "VmHWM:"), <, before_kb + FLOOD_MEMORY_KB);
}

/* The same for somebody who does not listen: each launch goes to its class all the same, memory has a limit, and what could not be told is told to be lost. */
static void
test_flood_that_nobody_hears (Lab *lab, gconstpointer data)
{
  g_auto (GStrv) files = list_for_flood (lab);
  g_autofree char *other = copy_program (lab, SAFE);
  const guint before_kb = read_memory_kb (lab->classifier, "VmRSS:");
  Flood *flood = mmap (NULL, sizeof *flood, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  GPid reader;

  (void) run_flood (lab, flood, files, other);
  g_assert_cmpuint (read_memory_kb (lab->classifier, "VmHWM:"), <, before_kb + FLOOD_MEMORY_KB);
  reader = start_reader (lab, flood);
  await_count (&flood->n_reports[VPND_CLASSIFIER_OVERFLOW], 1);
  g_assert_cmpuint (flood->n_reports[VPND_CLASSIFIER_ARRIVED], <, FLOOD);
  end_process (reader);
  launch_held (lab, lab->program, lab->program);
  g_assert_no_errno (munmap (flood, sizeof *flood));
}

int
main (int argc, char **argv)
{
  static const LabTest tests[] = {
    { "/classifier/flood", test_flood },
    { "/classifier/flood-that-nobody-hears", test_flood_that_nobody_hears },
  };

  return run_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
