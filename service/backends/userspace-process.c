/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See userspace-process.h. The record is the text "PID STARTTIME\n": a number may be given to another process, the pair of number and
 * time of start (proc(5), /proc/PID/stat, field 22) may not.
 */
#include "config.h"

#include "userspace-process.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <gio/gio.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 1000 /* it ends within 5 ms of SIGTERM; after this it is stuck and gets SIGKILL */
#define STAT_MAX_BYTES 1024
#define RECORD_MAX_BYTES 64
#define CHILD_TUN_FD 3
#define CHILD_UAPI_FD 4
#define CHILD_FIRST_FREE_FD 5

/**
 * VpndUserspaceProcess:
 * @pid: its number, for people; never used to signal it
 * @pidfd: the process itself; -1 once it has ended
 * @is_child: it is ours to reap
 * @watch: (owned) (nullable): wakes when it ends
 * @stopping: (owned) (nullable): the pending stop
 * @timer: (owned) (nullable): the patience of that
 * @is_killed: SIGKILL was sent
 */
struct _VpndUserspaceProcess
{
  GObject parent_instance;

  GPid pid;
  int pidfd;
  gboolean is_child;
  GSource *watch;
  GTask *stopping;
  GSource *timer;
  gboolean is_killed;
};

enum
{
  SIGNAL_EXITED,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration, never written again */

G_DEFINE_FINAL_TYPE (VpndUserspaceProcess, vpnd_userspace_process, G_TYPE_OBJECT)

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static char *
record_name (const char *ifname)
{
  return g_strdup_printf ("userspace-%s.pid", ifname);
}

/* Reads at most @size - 1 bytes of a small file. Returns: FALSE when it cannot be read or is empty. */
static gboolean
read_text (int dirfd, const char *path, char *buffer, gsize size)
{
  const int fd = openat (dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ssize_t n;

  if (fd < 0)
    return FALSE;
  do
    n = read (fd, buffer, size - 1);
  while (n < 0 && errno == EINTR);
  close (fd);
  if (n <= 0)
    return FALSE;
  buffer[n] = '\0';
  return TRUE;
}

/* Returns: time of start of process @pid in clock ticks since boot, 0 when there is no such process */
static guint64
read_start_time (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  char text[STAT_MAX_BYTES];
  g_auto (GStrv) fields = NULL;
  const char *after_name;
  guint64 start_time;

  if (!read_text (AT_FDCWD, path, text, sizeof text))
    return 0;
  after_name = strrchr (text, ')'); /* the name, field 2, may hold blanks and parentheses */
  if (after_name == NULL)
    return 0;
  fields = g_strsplit (after_name, " ", 22); /* [0] is ")", [1] is field 3 */
  if (g_strv_length (fields) < 21 || !g_ascii_string_to_unsigned (fields[20], 10, 1, G_MAXUINT64, &start_time, NULL))
    return 0;
  return start_time;
}

static gboolean
is_wireguard_go (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/exe", pid);
  g_autofree char *exe = g_file_read_link (path, NULL);

  /* An upgraded package leaves its running program with " (deleted)" behind the path. */
  return g_strcmp0 (exe, VPND_WIREGUARD_GO) == 0 || g_strcmp0 (exe, VPND_WIREGUARD_GO " (deleted)") == 0;
}

static gboolean
write_record (VpndUserspaceProcess *self, int runtime_dirfd, const char *ifname, GError **error)
{
  g_autofree char *name = record_name (ifname);
  g_autofree char *text = g_strdup_printf ("%d %" G_GUINT64_FORMAT "\n", self->pid, read_start_time (self->pid));
  const gsize size = strlen (text);
  int fd, code = 0;

  (void) unlinkat (runtime_dirfd, name, 0); /* a stale one, or none: O_EXCL tells what matters */
  fd = openat (runtime_dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 || write (fd, text, size) != (ssize_t) size)
    code = errno;
  if (fd >= 0)
    close (fd);
  if (code != 0)
    g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "recording the process of wireguard-go: %s", g_strerror (code));
  return code == 0;
}

static char *
describe_exit (VpndUserspaceProcess *self)
{
  siginfo_t info = { 0 };

  if (!self->is_child || waitid (P_PIDFD, (id_t) self->pidfd, &info, WEXITED | WNOHANG) < 0)
    return g_strdup ("wireguard-go ended");
  if (info.si_code == CLD_EXITED)
    return g_strdup_printf ("wireguard-go ended with status %d", info.si_status);
  return g_strdup_printf ("wireguard-go was ended by signal %d (%s)", info.si_status, g_strsignal (info.si_status));
}

static gboolean
on_ended (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (VpndUserspaceProcess) self = g_object_ref (user_data);
  g_autofree char *reason = describe_exit (self);
  g_autoptr (GTask) stopping = g_steal_pointer (&self->stopping);

  clear_source (&self->timer);
  clear_source (&self->watch);
  close (g_steal_fd (&self->pidfd));
  if (stopping != NULL)
    g_task_return_boolean (stopping, TRUE);
  else
    g_signal_emit (self, signals[SIGNAL_EXITED], 0, reason);
  return G_SOURCE_REMOVE;
}

static VpndUserspaceProcess *
process_new (GPid pid, int pidfd, gboolean is_child)
{
  VpndUserspaceProcess *self = g_object_new (VPND_TYPE_USERSPACE_PROCESS, NULL);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->pid = pid;
  self->pidfd = pidfd;
  self->is_child = is_child;
  self->watch = g_unix_fd_source_new (pidfd, G_IO_IN);
  g_source_set_callback (self->watch, G_SOURCE_FUNC (on_ended), self, NULL);
  g_source_set_static_name (self->watch, "vpnd wireguard-go");
  g_source_attach (self->watch, context);
  return self;
}

/* Starts @argv with @envp, at "/", with nothing open but the null device and copies of @tun_fd and @uapi_fd, without blocked signals, and in
 * a group of its own, so that no signal of our terminal reaches it. posix_spawn(3) does not copy our memory's tables as fork(2) does, which
 * would be half of the time of a connection. Returns: its number, or -1 with errno set. */
static GPid
spawn (const char *const *argv, const char *const *envp, int tun_fd, int uapi_fd)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  GPid pid = -1;
  int code;
  /* High numbers: the first copy must not close the source of the second. */
  const int tun_copy = fcntl (tun_fd, F_DUPFD_CLOEXEC, CHILD_FIRST_FREE_FD), uapi_copy = fcntl (uapi_fd, F_DUPFD_CLOEXEC, CHILD_FIRST_FREE_FD);

  sigemptyset (&none);
  posix_spawnattr_init (&attributes);
  posix_spawn_file_actions_init (&actions);
  (void) posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  (void) posix_spawnattr_setpgroup (&attributes, 0);
  (void) posix_spawnattr_setsigmask (&attributes, &none);
  code = posix_spawn_file_actions_addchdir_np (&actions, "/");
  if (code == 0)
    code = posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (code == 0)
    code = posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (code == 0)
    code = posix_spawn_file_actions_adddup2 (&actions, STDOUT_FILENO, STDERR_FILENO);
  if (code == 0)
    code = posix_spawn_file_actions_adddup2 (&actions, tun_copy, CHILD_TUN_FD); /* a failed copy is found here: EBADF */
  if (code == 0)
    code = posix_spawn_file_actions_adddup2 (&actions, uapi_copy, CHILD_UAPI_FD);
  if (code == 0)
    code = posix_spawn_file_actions_addclosefrom_np (&actions, CHILD_FIRST_FREE_FD);
  if (code == 0)
    code = posix_spawn (&pid, argv[0], &actions, &attributes, (char *const *) argv, (char *const *) envp);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);
  if (tun_copy >= 0)
    close (tun_copy);
  if (uapi_copy >= 0)
    close (uapi_copy);
  errno = code;
  return code == 0 ? pid : -1;
}

/**
 * vpnd_userspace_process_spawn:
 * @runtime_dirfd: directory for the record
 * @ifname: name of the tun device
 * @tun_fd: the tun device
 * @uapi_fd: the listening socket of the text protocol
 * @error: return location for an error
 *
 * Starts wireguard-go with copies of the two descriptors (its README: WG_TUN_FD, WG_UAPI_FD; "-f" keeps it in the foreground) and
 * records it.
 *
 * Returns: (transfer full) (nullable): the process. Errors: VPND_ERROR_KERNEL_FEATURE when the program is missing (there is nothing left
 *   that could be a WireGuard), VPND_ERROR_TUNNEL, VPND_ERROR_STORAGE
 */
VpndUserspaceProcess *
vpnd_userspace_process_spawn (int runtime_dirfd, const char *ifname, int tun_fd, int uapi_fd, GError **error)
{
  const char *argv[] = { VPND_WIREGUARD_GO, "-f", ifname, NULL };
  const char *const envp[] = { "LOG_LEVEL=error", "WG_TUN_FD=" G_STRINGIFY (CHILD_TUN_FD), "WG_UAPI_FD=" G_STRINGIFY (CHILD_UAPI_FD), NULL };
  g_autoptr (VpndUserspaceProcess) self = NULL;
  const GPid pid = spawn (argv, envp, tun_fd, uapi_fd);
  int pidfd;

  if (pid < 0)
    {
      const gboolean is_missing = errno == ENOENT;

      g_set_error (error, VPND_ERROR, is_missing ? VPND_ERROR_KERNEL_FEATURE : VPND_ERROR_TUNNEL,
          is_missing ? "%s is not installed, and user-space WireGuard was asked for or the kernel has none (CONFIG_WIREGUARD): install the package wireguard-go" : "starting %s failed",
          VPND_WIREGUARD_GO);
      return NULL;
    }
  pidfd = pidfd_open (pid, 0); /* the child is not reaped, so the number is still its own */
  if (pidfd < 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "watching wireguard-go: %s (pidfd_open, Linux 5.3)", g_strerror (errno));
      (void) kill (pid, SIGKILL);
      (void) waitpid (pid, NULL, 0);
      return NULL;
    }
  self = process_new (pid, pidfd, TRUE);
  if (!write_record (self, runtime_dirfd, ifname, error))
    {
      (void) pidfd_send_signal (pidfd, SIGKILL, NULL, 0); /* what is not recorded must not run */
      (void) waitid (P_PIDFD, (id_t) pidfd, NULL, WEXITED);
      return NULL;
    }
  return g_steal_pointer (&self);
}

/**
 * vpnd_userspace_process_find_recorded:
 * @runtime_dirfd: directory of the record
 * @ifname: name of the tun device
 *
 * Looks for a process that an earlier instance started and did not end.
 *
 * Returns: (transfer full) (nullable): the process; NULL when there is no record of one, or when what has its number is another process
 */
VpndUserspaceProcess *
vpnd_userspace_process_find_recorded (int runtime_dirfd, const char *ifname)
{
  g_autofree char *name = record_name (ifname);
  char text[RECORD_MAX_BYTES];
  g_auto (GStrv) words = NULL;
  guint64 pid, start_time;
  int pidfd;

  if (!read_text (runtime_dirfd, name, text, sizeof text))
    return NULL;
  words = g_strsplit (g_strchomp (text), " ", 2);
  if (g_strv_length (words) != 2 || !g_ascii_string_to_unsigned (words[0], 10, 2, G_MAXINT, &pid, NULL) ||
      !g_ascii_string_to_unsigned (words[1], 10, 1, G_MAXUINT64, &start_time, NULL))
    return NULL;

  /* First hold on to the process, then ask who it is: from here on the number cannot be given away unnoticed. */
  pidfd = pidfd_open ((pid_t) pid, 0);
  if (pidfd < 0)
    return NULL;
  if (read_start_time ((GPid) pid) != start_time || !is_wireguard_go ((GPid) pid))
    {
      close (pidfd);
      return NULL;
    }
  return process_new ((GPid) pid, pidfd, FALSE);
}

/**
 * vpnd_userspace_process_forget:
 * @runtime_dirfd: directory of the record
 * @ifname: name of the tun device
 *
 * Removes the record; a no-op when there is none.
 */
void
vpnd_userspace_process_forget (int runtime_dirfd, const char *ifname)
{
  g_autofree char *name = record_name (ifname);

  (void) unlinkat (runtime_dirfd, name, 0); /* what stays names a process that is gone, which find_recorded notices */
}

/**
 * vpnd_userspace_process_is_running:
 * @self: a process
 *
 * Returns: TRUE until it is known to have ended
 */
gboolean
vpnd_userspace_process_is_running (VpndUserspaceProcess *self)
{
  g_return_val_if_fail (VPND_IS_USERSPACE_PROCESS (self), FALSE);

  return self->pidfd >= 0;
}

static gboolean
on_patience_lost (gpointer user_data)
{
  g_autoptr (VpndUserspaceProcess) self = g_object_ref (user_data);
  g_autoptr (GTask) stopping = NULL;

  if (!self->is_killed)
    {
      self->is_killed = TRUE;
      (void) pidfd_send_signal (self->pidfd, SIGKILL, NULL, 0); /* fails only when it has just ended, which the watch tells */
      return G_SOURCE_CONTINUE;
    }
  clear_source (&self->timer);
  stopping = g_steal_pointer (&self->stopping);
  g_task_return_new_error (stopping, VPND_ERROR, VPND_ERROR_TUNNEL, "wireguard-go (process %d) does not end", self->pid);
  return G_SOURCE_REMOVE;
}

/**
 * vpnd_userspace_process_stop_async:
 * @self: a process
 * @cancellable: (nullable): cancels nothing but the report; the process ends all the same
 * @callback: called when it has ended
 * @user_data: passed to @callback
 *
 * Asks the process to end (SIGTERM), and after a second makes it (SIGKILL). "exited" is not emitted any more.
 */
void
vpnd_userspace_process_stop_async (VpndUserspaceProcess *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_userspace_process_stop_async);
  if (self->pidfd < 0)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (self->stopping != NULL)
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_FAILED, "wireguard-go is being ended already");
      return;
    }
  (void) pidfd_send_signal (self->pidfd, SIGTERM, NULL, 0); /* fails only when it has just ended, which the watch tells */
  self->timer = g_timeout_source_new (PATIENCE_MS);
  g_source_set_callback (self->timer, on_patience_lost, self, NULL);
  g_source_attach (self->timer, g_task_get_context (task));
  self->stopping = g_steal_pointer (&task);
}

/**
 * vpnd_userspace_process_stop_finish:
 * @self: a process
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: TRUE when the process has ended. Errors: VPND_ERROR_TUNNEL
 */
gboolean
vpnd_userspace_process_stop_finish (VpndUserspaceProcess *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
vpnd_userspace_process_dispose (GObject *object)
{
  VpndUserspaceProcess *self = VPND_USERSPACE_PROCESS (object);

  /* A pending stop holds a reference, so there is none here. The process itself goes on: its record tells who may end it. */
  clear_source (&self->timer);
  clear_source (&self->watch);
  if (self->pidfd >= 0)
    close (g_steal_fd (&self->pidfd));
  G_OBJECT_CLASS (vpnd_userspace_process_parent_class)->dispose (object);
}

static void
vpnd_userspace_process_class_init (VpndUserspaceProcessClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_userspace_process_dispose;
  /* "exited" (with the reason, utf8): it ended without being asked to */
  signals[SIGNAL_EXITED] = g_signal_new ("exited", VPND_TYPE_USERSPACE_PROCESS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
vpnd_userspace_process_init (VpndUserspaceProcess *self)
{
  self->pidfd = -1;
}
