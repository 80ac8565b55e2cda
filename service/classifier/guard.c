/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See guard.h. The two share one page: whether an event is being judged, and how many were. The guard sleeps until there is an event, then
 * looks again and again: when nothing moved until the limit is near, it answers what is being judged and what waits. Which number the
 * judged event has is known only to the first process, which may have been stopped before it could tell: all that it may be are answered,
 * and refused if there is any strict rule. Whom it let go it writes down: the first process puts them where they belong as soon as it can.
 */
#include "config.h"

#include "guard.h"

#include "error.h"
#include "process.h"
#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_MS 8
#define LOOKS (VPND_GUARD_LIMIT_MS / LOOK_EVERY_MS - 1) /* without a step between: it stands still */

/* An answer names the event by the number of its descriptor in whoever read it, and the kernel takes the first that matches
 * (process_access_response): the guard's numbers must never be those of the first process, which holds few. */
#define LOWEST_EVENT_FD 512

#define REFUSED_PER_READ 64u

#define LET_GO_MAX 256u /* 12 KB. Those above are looked for among all that run */

#define STRICT_ALL G_MAXUINT32

/* What is known of the event that is being judged. */
typedef enum
{
  FATE_UNKNOWN, /* not even its number */
  FATE_LENIENT, /* it is no strict rule's */
  FATE_STRICT,  /* it is */
  FATE_ALLOWED, /* the guard has answered before that was known */
  FATE_REFUSED, /* as above */
} Fate;

struct _VpndGuard
{
  _Atomic gint32 is_judging; /* an event is being read, judged or answered */
  _Atomic guint32 steps;     /* grows at each beginning and end */
  _Atomic guint32 fate;      /* Fate */
  int event_fd;              /* tells the first process that there is something new below */
  int life_fd;               /* readable once the guard has ended: it alone has the other end of the pipe */
  _Atomic guint32 n_told;    /* written by the guard alone */
  _Atomic guint32 n_taken;   /* written by the first process alone */
  _Atomic gint32 has_lost;
  VpndGuardLetGo let_go[LET_GO_MAX];
  _Atomic guint32 n_strict; /* STRICT_ALL while those below are being written, or when they are too many */
  VpndGuardStrict strict[VPND_GUARD_MAX_STRICT];
};

/* ENOENT: there is no such event, or it is answered meanwhile. */
static void
answer (int fanotify_fd, int event_fd, gboolean is_refused)
{
  struct fanotify_response response = { .fd = event_fd, .response = is_refused ? FAN_DENY : FAN_ALLOW };

  while (write (fanotify_fd, &response, sizeof response) < 0 && errno == EINTR)
    ;
}

static gboolean
is_strict (const VpndGuard *page, const struct fanotify_event_metadata *event)
{
  const guint32 n = atomic_load (&page->n_strict);
  guint32 uid;
  struct stat info;

  if (n == 0 || n == STRICT_ALL || fstat (event->fd, &info) < 0)
    return n != 0;
  for (guint32 i = 0; i < n; i++)
    {
      const VpndGuardStrict *it = &page->strict[i];

      if (it->device != info.st_dev || it->inode != info.st_ino)
        continue;
      if (it->uid == VPND_CLASSIFIER_ANY_UID || !vpnd_process_read_uid (event->pid, &uid) || it->uid == uid)
        return TRUE;
    }
  return FALSE;
}

/* Who is held now: afterwards it may be gone. */
static void
tell (VpndGuard *page, const struct fanotify_event_metadata *event, gboolean is_refused)
{
  const guint32 n = atomic_load (&page->n_told);
  VpndGuardLetGo *it = &page->let_go[n % LET_GO_MAX];
  struct statx info;

  if (n - atomic_load (&page->n_taken) >= LET_GO_MAX || statx (event->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &info) < 0)
    {
      atomic_store (&page->has_lost, TRUE);
      return;
    }
  *it = (VpndGuardLetGo){ event->pid, vpnd_process_read_start_time (event->pid), makedev (info.stx_dev_major, info.stx_dev_minor), info.stx_ino,
    info.stx_mask & STATX_MNT_ID ? info.stx_mnt_id : 0, is_refused };
  atomic_store (&page->n_told, n + 1);
}

/* Answers all that waits, until the first process moves again. */
static void
answer_waiting (VpndGuard *page, int fanotify_fd, guint32 steps)
{
  struct fanotify_event_metadata event;
  gboolean has_any = FALSE, is_refused;

  while (atomic_load (&page->steps) == steps && vpnd_guard_read (fanotify_fd, &event))
    {
      if (event.fd < 0)
        continue;
      is_refused = is_strict (page, &event);
      tell (page, &event, is_refused);
      answer (fanotify_fd, event.fd, is_refused);
      close (event.fd);
      has_any = TRUE;
    }
  if (has_any)
    (void) eventfd_write (page->event_fd, 1); /* fails when 2^64 of them were not read */
}

/* Answers the event that is being judged. */
static void
answer_judged (VpndGuard *page, int fanotify_fd)
{
  const gboolean has_strict = atomic_load (&page->n_strict) != 0;
  guint32 fate = FATE_UNKNOWN;

  if (atomic_compare_exchange_strong (&page->fate, &fate, has_strict ? FATE_REFUSED : FATE_ALLOWED))
    fate = has_strict ? FATE_REFUSED : FATE_ALLOWED;
  for (int fd = 0; atomic_load (&page->is_judging) && fd < LOWEST_EVENT_FD; fd++)
    answer (fanotify_fd, fd, fate == FATE_REFUSED || fate == FATE_STRICT);
}

G_GNUC_NORETURN static void
guard_run (VpndGuard *page, int fanotify_fd)
{
  const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000L * 1000L };
  struct pollfd waiting = { .fd = fanotify_fd, .events = POLLIN };

  for (;;)
    {
      guint32 steps = atomic_load (&page->steps);
      guint looks = 0;

      /* Without an event under way there is nothing to look after until the next one comes. */
      if (!atomic_load (&page->is_judging) && poll (&waiting, 1, -1) < 0 && errno != EINTR)
        _exit (1);
      for (; looks < LOOKS && atomic_load (&page->steps) == steps; looks++)
        nanosleep (&pause, NULL); /* lint: allow sleep: it only looks after the other, which never waits for it */
      if (looks < LOOKS || atomic_load (&page->steps) != steps)
        continue;
      if (atomic_load (&page->is_judging))
        answer_judged (page, fanotify_fd);
      answer_waiting (page, fanotify_fd, steps);
    }
}

/* The child's first steps: it must not outlive its parent, or it would keep the events alive that nobody judges. */
G_GNUC_NORETURN static void
become_guard (VpndGuard *page, int fanotify_fd, pid_t parent)
{
  int fd;

  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid () != parent)
    _exit (1);
  (void) prctl (PR_SET_NAME, "vpnd-clas-guard");
  (void) mlockall (MCL_CURRENT | MCL_ONFAULT); /* where that is allowed; nothing more is mapped later */
  (void) setpgid (0, 0);                       /* a signal to the terminal's or the parent's group is not ours */
  (void) signal (SIGTERM, SIG_IGN);            /* nor is that of a service manager, which means the first process: we end with it, and not before */
  do
    fd = fcntl (fanotify_fd, F_DUPFD_CLOEXEC, 3);
  while (fd >= 0 && fd < LOWEST_EVENT_FD - 1);
  if (fd < 0)
    _exit (1);
  guard_run (page, fanotify_fd);
}

static void
close_all (const int *fds, guint n)
{
  for (guint i = 0; i < n; i++)
    if (fds[i] >= 0)
      close (fds[i]);
}

/**
 * vpnd_guard_start:
 * @fanotify_fd: the group; must not block, and each event must be read by itself
 * @error: return location for an error
 *
 * Starts the guard; call before there is a thread or a connection. It lives as long as the calling process.
 *
 * Returns: (transfer none): what the judging process tells it. Errors: VPND_ERROR_FAILED
 */
VpndGuard *
vpnd_guard_start (int fanotify_fd, GError **error)
{
  VpndGuard *self = mmap (NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const pid_t parent = getpid ();
  int life[] = { -1, -1 };
  pid_t pid;

  if (self == MAP_FAILED)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "memory for the guard: %s", g_strerror (errno));
      return NULL;
    }
  self->event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  pid = self->event_fd >= 0 && pipe2 (life, O_CLOEXEC) == 0 ? fork () : -1;
  if (pid < 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "starting the guard: %s", g_strerror (errno));
      close_all ((const int[]){ self->event_fd, life[0], life[1] }, 3);
      (void) munmap (self, sizeof *self);
      return NULL;
    }
  if (pid == 0)
    become_guard (self, fanotify_fd, parent);
  close (life[1]);
  self->life_fd = life[0];
  return self;
}

/**
 * vpnd_guard_set_strict:
 * @self: the guard
 * @strict: (array length=n_strict): the programs that are not to be let go; all that were set before are forgotten
 * @n_strict: how many; above VPND_GUARD_MAX_STRICT all programs are
 */
void
vpnd_guard_set_strict (VpndGuard *self, const VpndGuardStrict *strict, guint n_strict)
{
  atomic_store (&self->n_strict, STRICT_ALL); /* stopped in the middle, we leave it closed */
  if (n_strict > VPND_GUARD_MAX_STRICT)
    return;
  if (n_strict > 0)
    memcpy (self->strict, strict, n_strict * sizeof *strict);
  atomic_store (&self->n_strict, n_strict);
}

/**
 * vpnd_guard_read:
 * @fanotify_fd: the group
 * @out_event: (out): the next event, whose descriptor is the caller's
 *
 * An event whose file cannot be opened at once is none: the kernel has refused that launch, and tells of it by an error of read(2), as when nothing waits.
 *
 * Returns: FALSE when there is none, or too many were refused
 */
gboolean
vpnd_guard_read (int fanotify_fd, struct fanotify_event_metadata *out_event)
{
  struct pollfd waiting = { .fd = fanotify_fd, .events = POLLIN };

  for (guint i = 0; i < REFUSED_PER_READ; i++)
    {
      if (read (fanotify_fd, out_event, sizeof *out_event) == (ssize_t) sizeof *out_event) /* the size of one */
        return TRUE;
      if (poll (&waiting, 1, 0) != 1)
        return FALSE;
    }
  return FALSE;
}

/**
 * vpnd_guard_begin:
 * @self: the guard
 *
 * An event is going to be read.
 */
void
vpnd_guard_begin (VpndGuard *self)
{
  atomic_store (&self->fate, FATE_UNKNOWN);
  atomic_store (&self->is_judging, TRUE);
  atomic_fetch_add (&self->steps, 1);
}

/**
 * vpnd_guard_decide:
 * @self: the guard
 * @is_strict: whether the event that was read is to be refused if it cannot be answered in time
 *
 * To be called before anybody is moved.
 *
 * Returns: FALSE if the guard has refused it already
 */
gboolean
vpnd_guard_decide (VpndGuard *self, gboolean is_strict)
{
  guint32 fate = FATE_UNKNOWN;

  return atomic_compare_exchange_strong (&self->fate, &fate, is_strict ? FATE_STRICT : FATE_LENIENT) || fate == FATE_ALLOWED;
}

/**
 * vpnd_guard_end:
 * @self: the guard
 *
 * The event was answered, or there was none.
 */
void
vpnd_guard_end (VpndGuard *self)
{
  atomic_store (&self->is_judging, FALSE);
  atomic_fetch_add (&self->steps, 1);
}

/**
 * vpnd_guard_get_fd:
 * @self: the guard
 *
 * Returns: readable when vpnd_guard_take() has something
 */
int
vpnd_guard_get_fd (const VpndGuard *self)
{
  return self->event_fd;
}

/**
 * vpnd_guard_get_life_fd:
 * @self: the guard
 *
 * Returns: readable when the guard has ended. Whom it was about to answer then waits as long as the calling process lives, which is all that the kernel knows
 */
int
vpnd_guard_get_life_fd (const VpndGuard *self)
{
  return self->life_fd;
}

/**
 * vpnd_guard_take:
 * @self: the guard
 * @out_few: (out caller-allocates): room for VPND_GUARD_FEW
 * @out_has_lost: (out): whether there were more than could be written down; told once
 *
 * Returns: how many launches the guard answered, of those that were not taken yet: fewer than VPND_GUARD_FEW are all
 */
guint
vpnd_guard_take (VpndGuard *self, VpndGuardLetGo *out_few, gboolean *out_has_lost)
{
  const guint32 first = atomic_load (&self->n_taken);
  guint n;
  eventfd_t value;

  (void) eventfd_read (self->event_fd, &value); /* before looking: what comes after that is told again */
  *out_has_lost = atomic_exchange (&self->has_lost, FALSE);
  n = MIN (atomic_load (&self->n_told) - first, VPND_GUARD_FEW);
  for (guint i = 0; i < n; i++)
    out_few[i] = self->let_go[(first + i) % LET_GO_MAX];
  atomic_store (&self->n_taken, first + n);
  return n;
}
