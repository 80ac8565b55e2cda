/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd-classifier against the real fanotify and cgroup2. The programs that are launched say as their very first act in which cgroup they stand
 * (this program itself, copied: --say-cgroup). Needs root.
 */
#include "config.h"

#include "process.h"
#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 10000
#define RACE_LAUNCHES 400
#define CROWD 2000 /* three pages of cgroup.procs */
#define LATE 20    /* VPND_GUARD_FEW are taken at once */
#define DISTURBED 60
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
#define SAFE "other"

typedef struct
{
  char *folder;  /* (owned): with the programs and the socket */
  char *cgroups; /* (owned): where cgroup2 is mounted */
  char *class;   /* (owned): the cgroup of the class, under @cgroups */
  char *program; /* (owned): what rules name */
  GPid classifier;
  int channel;
} Lab;

/* --- the launched program --- */

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

/* --- the lab --- */

static void
write_text (const char *path, const char *text)
{
  const int fd = open (path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0755);

  g_assert_no_errno (fd);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (ssize_t) strlen (text));
  close (fd);
}

static char *
copy_program (const Lab *lab, const char *name)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *text = NULL;
  g_autofree char *path = g_build_filename (lab->folder, name, NULL);
  gsize size;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (self, &text, &size, &error);
  g_assert_no_error (error);
  g_file_set_contents_full (path, text, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0755, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&path);
}

static int
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

static void
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

static void
stop_classifier (Lab *lab, int number)
{
  int status;

  g_assert_no_errno (kill (lab->classifier, number));
  g_assert_cmpint (waitpid (lab->classifier, &status, 0), ==, lab->classifier);
  close (lab->channel);
}

static void
set_up (Lab *lab, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  lab->folder = g_dir_make_tmp ("vpnd-classifier-XXXXXX", &error);
  g_assert_no_error (error);
  lab->cgroups = g_build_filename (lab->folder, "cgroups", NULL);
  g_assert_no_errno (mkdir (lab->cgroups, 0700));
  g_assert_no_errno (mount ("none", lab->cgroups, "cgroup2", 0, NULL));
  lab->class = g_strdup_printf ("%s/vpnd-test-%d", lab->cgroups, getpid ());
  g_assert_no_errno (mkdir (lab->class, 0700));
  lab->program = copy_program (lab, "program");
  start_classifier (lab);
}

static void
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

static void
tear_down (Lab *lab, gconstpointer data)
{
  g_autofree char *remove = g_strdup_printf ("rm -r %s", lab->folder);

  stop_classifier (lab, SIGTERM);
  remove_cgroup (lab->class);
  g_assert_no_errno (umount (lab->cgroups));
  g_assert_true (g_spawn_command_line_sync (remove, NULL, NULL, NULL, NULL));
  g_free (lab->folder);
  g_free (lab->cgroups);
  g_free (lab->class);
  g_free (lab->program);
}

static VpndClassifierReport
next_report (const Lab *lab)
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

static void
expect (const Lab *lab, VpndClassifierReportKind kind, const char *path, int code)
{
  g_auto (VpndClassifierReport) report = next_report (lab);

  g_assert_cmpint (report.kind, ==, kind);
  g_assert_cmpstr (report.path, ==, path);
  g_assert_cmpint (report.code, ==, code);
}

static int
open_procs (const char *cgroup)
{
  g_autofree char *path = g_build_filename (cgroup, "cgroup.procs", NULL);
  const int fd = open (path, O_RDWR | O_CLOEXEC);

  g_assert_no_errno (fd);
  return fd;
}

static void
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

static void
send_table (const Lab *lab, GBytes *bytes, gboolean is_sealed)
{
  const int procs_fd = open_procs (lab->class);

  send_packet (lab, VPND_CLASSIFIER_TABLE, bytes, procs_fd, is_sealed);
  close (procs_fd);
}

static void
add_rule (GPtrArray *rules, const char *path, guint32 uid, gboolean is_strict)
{
  VpndClassifierRule *rule = g_new0 (VpndClassifierRule, 1);

  rule->path = g_strdup (path);
  rule->uid = uid;
  rule->is_strict = is_strict;
  g_ptr_array_add (rules, rule);
}

static void
send_list (const Lab *lab, const GPtrArray *rules)
{
  g_autoptr (GBytes) bytes = vpnd_classifier_encode_rules (rules);

  send_table (lab, bytes, TRUE);
}

/* Sends a table of @paths, NULL-terminated. */
static void
send_rules (const Lab *lab, const char *const *paths)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_rule_free);

  for (guint i = 0; paths[i] != NULL; i++)
    add_rule (rules, paths[i], VPND_CLASSIFIER_ANY_UID, FALSE);
  send_list (lab, rules);
}

/* Sends a table of one program that is there, and waits until it is in force. */
static void
apply_rule (const Lab *lab, const char *path)
{
  const char *paths[] = { path, NULL };

  send_rules (lab, paths);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
}

#define IN_CLASS 0
#define OUTSIDE 3
#define REFUSED 4

/* Launches @path by fork and exec; returns its exit status. */
static int
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

/* --- the tests --- */

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
  g_assert_cmpint (launch (lab, link, NULL), ==, IN_CLASS);
  expect (lab, VPND_CLASSIFIER_ARRIVED, link, 0);

  g_assert_no_errno (rename (lab->program, saved));
  expect (lab, VPND_CLASSIFIER_UNWATCHED, link, ENOENT);
  g_assert_no_errno (rename (fresh, lab->program));
  expect (lab, VPND_CLASSIFIER_WATCHED, link, 0);
  g_assert_cmpint (launch (lab, link, NULL), ==, IN_CLASS);
  expect (lab, VPND_CLASSIFIER_ARRIVED, link, 0);
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
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
  expect (lab, VPND_CLASSIFIER_ARRIVED, lab->program, 0);

  /* It becomes a program: from that moment it is held. */
  g_assert_no_errno (chmod (plain, 0755));
  expect (lab, VPND_CLASSIFIER_WATCHED, plain, 0);
}

static GPid
start_program (const Lab *lab, const char *what)
{
  const char *argv[] = { lab->program, what, NULL };
  g_autoptr (GError) error = NULL;
  GPid pid;

  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, end_with_parent, NULL, &pid, &error);
  g_assert_no_error (error);
  return pid;
}

static void
end_process (GPid pid)
{
  g_assert_no_errno (kill (pid, SIGKILL));
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
}

static void
assert_stands_in (GPid pid, const char *name)
{
  char place[256];

  g_assert_true (vpnd_process_read_cgroup (pid, TRUE, place, sizeof place));
  g_assert_true (g_str_has_suffix (place, name));
}

/* Soon: behind other errands. */
static void
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

static void
expect_process (const Lab *lab, VpndClassifierReportKind kind, GPid pid)
{
  g_autofree char *wanted = g_path_get_basename (lab->class);
  g_auto (VpndClassifierReport) report = next_report (lab);

  g_assert_cmpint (report.kind, ==, kind);
  g_assert_cmpint (report.pid, ==, pid);
  g_assert_cmpuint (report.start_time, ==, vpnd_process_read_start_time (pid));
  g_assert_cmpstr (report.origin, ==, "/"); /* nobody here has a cgroup of the test's hierarchy */
  assert_stands_in (pid, wanted);
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

/* --- errands --- */

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
  g_autofree char *name = g_strdup_printf ("/vpnd-home-%d", getpid ());
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
  assert_stands_in (pid, "/"); /* it did not wait */

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
  g_autofree char *name = g_strdup_printf ("/vpnd-home-%d", getpid ());
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
  g_autofree char *name = g_strdup_printf ("/vpnd-home-%d", getpid ());
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
  g_autofree char *name = g_strdup_printf ("/vpnd-home-%d", getpid ());
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

/* Who asks for what nobody may ask for is dropped. */
static void
test_into_a_class_nobody_is_put_back (Lab *lab, gconstpointer data)
{
  char byte;

  ask (lab, lab->cgroups, VPND_CLASSIFIER_RETURN, getpid (), vpnd_process_read_start_time (getpid ()), "/vpnd-excluded");
  g_assert_cmpint (recv (lab->channel, &byte, 1, 0), ==, 0);
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
  g_assert_cmpint (launch (lab, script, NULL), ==, IN_CLASS);
  expect (lab, VPND_CLASSIFIER_ARRIVED, script, 0);
  g_assert_cmpint (launch (lab, other, NULL), ==, OUTSIDE);
}

/* The same file seen through another mount namespace is another program, unless the rule says otherwise. */
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
  gint64 us;

  apply_rule (lab, lab->program);
  for (guint i = 0; i < 5; i++)
    {
      g_assert_no_errno (kill (lab->classifier, SIGSTOP));
      g_assert_cmpint (launch (lab, other, NULL), ==, OUTSIDE);
      g_assert_cmpint (launch (lab, lab->program, &us), ==, OUTSIDE);
      g_test_message ("a launch while the classifier stands still took %.1f ms", (double) us / 1000.0);
      g_assert_no_errno (kill (lab->classifier, SIGCONT));
      g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
      expect (lab, VPND_CLASSIFIER_FAILED, lab->program, ETIMEDOUT);
      expect (lab, VPND_CLASSIFIER_ARRIVED, lab->program, 0);
    }
  stop_classifier (lab, SIGKILL);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, OUTSIDE);
  start_classifier (lab);
  apply_rule (lab, lab->program);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
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
      assert_stands_in (pids[i], "/");
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

/* --- a flood --- */

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
      g_assert_cmpint (launch (lab, other, &others[i]), ==, OUTSIDE);
      n_late += launch (lab, lab->program, NULL) != IN_CLASS;
    }
  await_count (&flood->n_asked, FLOOD);
  qsort (others, FLOOD_LAUNCHES, sizeof *others, compare_times);
  g_test_message ("the launch of another program takes %.1f ms, at most %.1f ms", (double) others[FLOOD_LAUNCHES / 2] / 1000, (double) others[FLOOD_LAUNCHES - 1] / 1000);
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

/* Ten thousand launches a second: of one file, which is told once, then of two in turn, each of which is told. */
static void
test_flood (Lab *lab, gconstpointer data)
{
  g_autofree char *nothing = g_build_filename (lab->folder, "nothing", NULL);
  g_autofree char *as_well = g_build_filename (lab->folder, "as-well", NULL);
  g_autofree char *other = copy_program (lab, SAFE);
  const char *paths[] = { nothing, as_well, lab->program, NULL };
  char *const files[] = { nothing, as_well, NULL };

  write_text (nothing, "no program\n");
  write_text (as_well, "no program\n");
  send_rules (lab, paths);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  for (guint n = 1; n <= 2; n++)
    {
      Flood *flood = mmap (NULL, sizeof *flood, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      char *const some[] = { files[0], n == 2 ? files[1] : NULL, NULL };
      const GPid reader = start_reader (lab, flood);

      const guint n_late = run_flood (lab, flood, some, other);
      const guint n_told = n == 1 ? FLOODERS + FLOOD_LAUNCHES : flood->n_asked + FLOOD_LAUNCHES;

      await_count (&flood->n_reports[VPND_CLASSIFIER_ARRIVED], n_told - MIN (n_told, flood->n_reports[VPND_CLASSIFIER_FAILED]));
      g_assert_cmpuint (flood->n_reports[VPND_CLASSIFIER_ARRIVED], <=, n_told);
      g_assert_cmpuint (n_late, <=, flood->n_reports[VPND_CLASSIFIER_FAILED]);
      g_assert_cmpuint (flood->n_reports[VPND_CLASSIFIER_OVERFLOW], ==, 0);
      end_process (reader);
      g_assert_no_errno (munmap (flood, sizeof *flood));
    }
  g_assert_cmpuint (read_memory_kb (lab->classifier, "VmHWM:"), <, FLOOD_MEMORY_KB);
}

/* The same for somebody who does not listen: each launch goes to its class all the same, memory has a limit, and what could not be told is told to be lost. */
static void
test_flood_that_nobody_hears (Lab *lab, gconstpointer data)
{
  g_autofree char *nothing = g_build_filename (lab->folder, "nothing", NULL);
  g_autofree char *as_well = g_build_filename (lab->folder, "as-well", NULL);
  g_autofree char *other = copy_program (lab, SAFE);
  const char *paths[] = { nothing, as_well, lab->program, NULL };
  char *const files[] = { nothing, as_well, NULL };
  Flood *flood = mmap (NULL, sizeof *flood, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  GPid reader;

  write_text (nothing, "no program\n");
  write_text (as_well, "no program\n");
  send_rules (lab, paths);
  expect (lab, VPND_CLASSIFIER_APPLIED, "", 0);
  (void) run_flood (lab, flood, files, other);
  g_assert_cmpuint (read_memory_kb (lab->classifier, "VmHWM:"), <, FLOOD_MEMORY_KB);
  reader = start_reader (lab, flood);
  await_count (&flood->n_reports[VPND_CLASSIFIER_OVERFLOW], 1);
  g_assert_cmpuint (flood->n_reports[VPND_CLASSIFIER_ARRIVED], <, FLOOD);
  end_process (reader);
  g_assert_cmpint (launch (lab, lab->program, NULL), ==, IN_CLASS);
  expect (lab, VPND_CLASSIFIER_ARRIVED, lab->program, 0);
  g_assert_no_errno (munmap (flood, sizeof *flood));
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
  g_assert_cmpint (launch (lab, second, NULL), ==, IN_CLASS);
  expect (lab, VPND_CLASSIFIER_ARRIVED, second, 0);

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
  static const struct
  {
    const char *name;
    void (*func) (Lab *lab, gconstpointer data);
  } tests[] = {
    { "/classifier/no-launch-escapes", test_no_launch_escapes },
    { "/classifier/no-launch-escapes-under-load", test_no_launch_escapes_under_load },
    { "/classifier/replaced-file-is-followed", test_replaced_file_is_followed },
    { "/classifier/unwatchable-rules-are-told", test_unwatchable_rules_are_told },
    { "/classifier/running-process-is-moved", test_running_process_is_moved },
    { "/classifier/rules-of-users", test_rules_of_users },
    { "/classifier/scripts-and-the-loader", test_scripts_and_the_loader },
    { "/classifier/other-mount-namespace", test_other_mount_namespace },
    { "/classifier/stopped-or-killed", test_stopped_or_killed },
    { "/classifier/strict-or-not-at-all", test_strict_or_not_at_all },
    { "/classifier/strict-at-any-moment", test_strict_at_any_moment },
    { "/classifier/late-is-better-than-never", test_late_is_better_than_never },
    { "/classifier/no-launch-is-forgotten", test_no_launch_is_forgotten },
    { "/classifier/flood", test_flood },
    { "/classifier/flood-that-nobody-hears", test_flood_that_nobody_hears },
    { "/classifier/is-urgent", test_is_urgent },
    { "/classifier/caller-leaves", test_caller_leaves },
    { "/classifier/looks", test_looks },
    { "/classifier/returns", test_returns },
    { "/classifier/origins", test_origins },
    { "/classifier/a-crowd-returns", test_a_crowd_returns },
    { "/classifier/children-return", test_children_return },
    { "/classifier/into-a-class-nobody-is-put-back", test_into_a_class_nobody_is_put_back },
  };

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
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Lab, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
