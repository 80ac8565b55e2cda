/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See classifier-lab.h.
 */
#include "config.h"

#include "classifier-lab.h"

#include "leftovers.h"
#include "process.h"
#include "remove-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_LATE 10

/* Ends with 0 when it stands in the cgroup whose name is @wanted's end, with 3 otherwise. */
static int
say_cgroup (const char *wanted)
{
  char text[4096];
  const int fd = open ("/proc/self/cgroup", O_RDONLY);
  const ssize_t n = read (fd, text, sizeof text - 1);
  const char *line;

  text[MAX (n, 0)] = '\0';
  line = strstr (text, "0::");
  return line != NULL && g_str_has_suffix (g_strchomp ((char *) line), wanted) ? 0 : 3;
}

void
write_text (const char *path, const char *text)
{
  const int fd = open (path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0755);

  g_assert_no_errno (fd);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (ssize_t) strlen (text));
  close (fd);
}

char *
copy_program_from (const Lab *lab, const char *from, const char *name)
{
  g_autofree char *text = NULL;
  g_autofree char *path = g_build_filename (lab->folder, name, NULL);
  gsize size;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (from, &text, &size, &error);
  g_assert_no_error (error);
  g_file_set_contents_full (path, text, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0755, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&path);
}

char *
copy_program (const Lab *lab, const char *name)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);

  return copy_program_from (lab, self, name);
}

int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * 1000;
  const int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  while (connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      sched_yield ();
    }
  return fd;
}

/* A test that fails ends without us, and who reads its output would wait for the end of vpnd-classifier. */
static void
end_with_parent (gpointer user_data)
{
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
}

void
start_classifier (Lab *lab)
{
  g_autofree char *socket_path = g_build_filename (lab->folder, "socket", NULL);
  g_autofree char *binary = g_build_filename (g_getenv ("G_TEST_BUILDDIR"), "..", "..", "service", "classifier", "vpnd-classifier", NULL);
  const char *argv[] = { binary, "--socket", socket_path, "--mountinfo", "/proc/self/mountinfo", NULL };
  g_auto (GStrv) environment = g_environ_unsetenv (g_get_environ (), "G_DEBUG"); /* its warnings about bad callers are what is tested */
  g_autoptr (GError) error = NULL;

  g_spawn_async (NULL, (char **) argv, environment, G_SPAWN_DO_NOT_REAP_CHILD, end_with_parent, NULL, &lab->classifier, &error);
  g_assert_no_error (error);
  lab->channel = connect_to (socket_path);
}

void
stop_classifier (Lab *lab, int number)
{
  int status;

  g_assert_no_errno (kill (lab->classifier, number));
  g_assert_cmpint (waitpid (lab->classifier, &status, 0), ==, lab->classifier);
  close (lab->channel);
}

static char *
read_own_place (void)
{
  char place[256];

  g_assert_true (vpnd_process_read_cgroup (getpid (), TRUE, place, sizeof place));
  return g_strdup (place);
}

void
set_up (Lab *lab, gconstpointer data)
{
  g_autofree char *name = leftovers_new_name ("class");
  g_autoptr (GError) error = NULL;

  lab->folder = g_dir_make_tmp ("vpnd-classifier-XXXXXX", &error);
  g_assert_no_error (error);
  lab->cgroups = g_build_filename (lab->folder, "cgroups", NULL);
  g_assert_no_errno (mkdir (lab->cgroups, 0700));
  g_assert_no_errno (mount ("none", lab->cgroups, "cgroup2", 0, NULL));
  leftovers_remove (lab->cgroups);
  lab->class = g_build_filename (lab->cgroups, name, NULL);
  g_assert_no_errno (mkdir (lab->class, 0700));
  lab->program = copy_program (lab, "program");
  lab->home = read_own_place ();
  lab->late = g_hash_table_new (NULL, NULL);
  start_classifier (lab);
}

void
remove_cgroup (const char *path)
{
  const gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * 1000;

  while (rmdir (path) < 0) /* processes that ended a moment ago still count */
    {
      g_assert_cmpint (errno, ==, EBUSY);
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      sched_yield ();
    }
}

void
tear_down (Lab *lab, gconstpointer data)
{
  stop_classifier (lab, SIGTERM);
  remove_cgroup (lab->class);
  g_assert_no_errno (umount (lab->cgroups));
  support_remove_tree (lab->folder);
  g_hash_table_unref (lab->late);
  g_free (lab->folder);
  g_free (lab->cgroups);
  g_free (lab->class);
  g_free (lab->program);
  g_free (lab->home);
}

static VpndClassifierReport
read_report (const Lab *lab)
{
  VpndClassifierReport report;
  char buffer[VPND_CLASSIFIER_MAX_REPORT_BYTES];
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  struct pollfd waiting = { .fd = lab->channel, .events = POLLIN };
  ssize_t n;

  g_assert_cmpint (poll (&waiting, 1, DEADLINE_MS), ==, 1);
  n = recv (lab->channel, buffer, sizeof buffer, 0);
  g_assert_cmpint (n, >, 0);
  bytes = g_bytes_new (buffer, (gsize) n);
  g_assert_true (vpnd_classifier_decode_report (bytes, &report, &error));
  g_assert_no_error (error);
  return report;
}

/* Who was launched late is found afterwards, and its sockets are told: that belongs to no other launch. */
VpndClassifierReport
next_report (const Lab *lab)
{
  for (;;)
    {
      VpndClassifierReport report = read_report (lab);

      if ((report.kind != VPND_CLASSIFIER_FOUND && report.kind != VPND_CLASSIFIER_SOCKETS) || !g_hash_table_contains (lab->late, GINT_TO_POINTER (report.pid)))
        return report;
      vpnd_classifier_report_clear (&report);
    }
}

void
expect (const Lab *lab, VpndClassifierReportKind kind, const char *path, int code)
{
  g_auto (VpndClassifierReport) report = next_report (lab);

  g_assert_cmpint (report.kind, ==, kind);
  g_assert_cmpstr (report.path, ==, path);
  g_assert_cmpint (report.code, ==, code);
}

int
open_procs (const char *cgroup)
{
  g_autofree char *path = g_build_filename (cgroup, "cgroup.procs", NULL);
  const int fd = open (path, O_RDWR | O_CLOEXEC);

  g_assert_no_errno (fd);
  return fd;
}

void
send_packet (const Lab *lab, VpndClassifierPacket kind, GBytes *bytes, int procs_fd, gboolean is_sealed)
{
  const int fds[] = { memfd_create ("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING), procs_fd };
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof fds)];
  } control = { 0 };
  guint8 payload = (guint8) kind;
  struct iovec iov = { .iov_base = &payload, .iov_len = 1 };
  struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  struct cmsghdr *part = CMSG_FIRSTHDR (&header);
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  g_assert_cmpint (write (fds[0], data, size), ==, (ssize_t) size);
  if (is_sealed)
    g_assert_no_errno (fcntl (fds[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN (sizeof fds);
  memcpy (CMSG_DATA (part), fds, sizeof fds);
  g_assert_cmpint (sendmsg (lab->channel, &header, 0), ==, 1);
  close (fds[0]);
}

void
send_table (const Lab *lab, GBytes *bytes, gboolean is_sealed)
{
  const int procs_fd = open_procs (lab->class);

  send_packet (lab, VPND_CLASSIFIER_TABLE, bytes, procs_fd, is_sealed);
  close (procs_fd);
}

void
add_rule (GPtrArray *rules, const char *path, guint32 uid, gboolean is_strict)
{
  VpndClassifierRule *rule = g_new0 (VpndClassifierRule, 1);

  rule->path = g_strdup (path);
  rule->uid = uid;
  rule->is_strict = is_strict;
  g_ptr_array_add (rules, rule);
}

void
send_list (const Lab *lab, const GPtrArray *rules)
{
  g_autoptr (GBytes) bytes = vpnd_classifier_encode_rules (rules);

  send_table (lab, bytes, TRUE);
}

/* Sends a table of @paths, NULL-terminated. */
void
send_rules (const Lab *lab, const char *const *paths)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_rule_free);

  for (guint i = 0; paths[i] != NULL; i++)
    add_rule (rules, paths[i], VPND_CLASSIFIER_ANY_UID, FALSE);
  send_list (lab, rules);
}

/* Sends a table of one program that is there, and waits until it is in force. */
void
apply_rule (const Lab *lab, const char *path)
{
  const char *paths[] = { path, NULL };

  send_rules (lab, paths);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
}

/* Launches @path by fork and exec; returns its exit status. */
int
launch (const Lab *lab, const char *path, gint64 *out_us)
{
  g_autofree char *wanted = g_path_get_basename (lab->class);
  const gint64 begin = g_get_monotonic_time ();
  const pid_t pid = vfork ();
  int status;

  if (pid == 0)
    {
      execl (path, path, "--say-cgroup", wanted, NULL);
      _exit (errno == EPERM ? REFUSED : 5);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  if (out_us != NULL)
    *out_us = g_get_monotonic_time () - begin;
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

/* Launches @path, which arrives in the class for @rule; or is told that it could not be held in time, as when the machine stood still: then once more. */
void
launch_held (const Lab *lab, const char *path, const char *rule)
{
  for (guint i = 0; i < MOST_LATE; i++)
    {
      const int place = launch (lab, path, NULL);
      g_auto (VpndClassifierReport) report = next_report (lab);

      g_assert_cmpstr (report.path, ==, rule);
      if (report.kind == VPND_CLASSIFIER_ARRIVED)
        {
          g_assert_cmpint (place, ==, IN_CLASS);
          return;
        }
      g_assert_cmpint (report.kind, ==, VPND_CLASSIFIER_FAILED);
      g_assert_cmpint (report.code, ==, ETIMEDOUT);
      g_hash_table_add (lab->late, GINT_TO_POINTER (report.pid));
    }
  g_error ("no launch of %s was held in time", path);
}

GPid
start_program (const Lab *lab, const char *what)
{
  const char *argv[] = { lab->program, what, NULL };
  g_autoptr (GError) error = NULL;
  GPid pid;

  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, end_with_parent, NULL, &pid, &error);
  g_assert_no_error (error);
  return pid;
}

void
end_process (GPid pid)
{
  g_assert_no_errno (kill (pid, SIGKILL));
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
}

void
assert_stands_in (GPid pid, const char *name)
{
  char place[256];

  g_assert_true (vpnd_process_read_cgroup (pid, TRUE, place, sizeof place));
  g_assert_true (g_str_has_suffix (place, name));
}

/* Soon: behind other errands. */
void
await_place (GPid pid, const char *name)
{
  const gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * 1000;
  char place[256];

  while (!vpnd_process_read_cgroup (pid, TRUE, place, sizeof place) || !g_str_has_suffix (place, name))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      sched_yield ();
    }
}

void
expect_process (const Lab *lab, VpndClassifierReportKind kind, GPid pid)
{
  g_autofree char *wanted = g_path_get_basename (lab->class);
  g_auto (VpndClassifierReport) report = next_report (lab);

  g_assert_cmpint (report.kind, ==, kind);
  g_assert_cmpint (report.pid, ==, pid);
  g_assert_cmpuint (report.start_time, ==, vpnd_process_read_start_time (pid));
  g_assert_cmpstr (report.origin, ==, lab->home);
  assert_stands_in (pid, wanted);
}

/* The whole of a program of tests; or of what they launch, as its words say. */
int
run_tests (int argc, char **argv, const LabTest *tests, guint n)
{
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp (argv[i], "--say-cgroup") == 0)
      return say_cgroup (argv[i + 1]);
  if (argc > 1 && strcmp (argv[1], "--wait") == 0)
    return pause ();
  if (argc > 1 && strcmp (argv[1], "--wait-with-socket") == 0)
    return socket (AF_INET, SOCK_DGRAM, 0) < 0 ? 5 : pause ();

  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNS)); /* what a test that fails has mounted goes with it */
  g_assert_no_errno (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  for (guint i = 0; i < n; i++)
    g_test_add (tests[i].name, Lab, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
