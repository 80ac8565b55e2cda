/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndClock by clock_gettime(2) and timerfd_create(2). GLib's own timers run on CLOCK_MONOTONIC, which stands still during suspend; each
 * schedule therefore is a timerfd of its own. There are never more than a handful.
 */
#include "config.h"

#include "clock-system.h"

#include <glib-unix.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct _VpndClockSystem
{
  GObject parent_instance;

  GHashTable *timers; /* (element-type guint Timer) (owned) */
  GMainContext *context;
  guint last_id;
};

/**
 * Timer:
 * @owner: (unowned): lives longer than its timers
 * @source: (owned)
 * @fd: the timerfd, -1 when there was none left and GLib's timer does it
 */
typedef struct
{
  VpndClockSystem *owner;
  guint id;
  VpndClockFunc func;
  gpointer user_data;
  GSource *source;
  int fd;
} Timer;

static void vpnd_clock_system_iface_init (VpndClockInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndClockSystem, vpnd_clock_system, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_CLOCK, vpnd_clock_system_iface_init))

static void
timer_free (gpointer data)
{
  Timer *timer = data;

  g_source_destroy (timer->source);
  g_source_unref (timer->source);
  if (timer->fd >= 0)
    close (timer->fd);
  g_free (timer);
}

static gint64
read_clock_us (clockid_t id)
{
  struct timespec now;

  clock_gettime (id, &now);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint64
vpnd_clock_system_now_us (VpndClock *clock)
{
  return read_clock_us (CLOCK_BOOTTIME);
}

static gint64
vpnd_clock_system_wall_us (VpndClock *clock)
{
  return read_clock_us (CLOCK_REALTIME);
}

/* The timer is forgotten before its function runs: the function may schedule, cancel or drop the clock. */
static void
timer_fire (Timer *timer)
{
  VpndClockFunc func = timer->func;
  gpointer user_data = timer->user_data;

  g_hash_table_remove (timer->owner->timers, GUINT_TO_POINTER (timer->id));
  func (user_data);
}

static gboolean
on_timerfd (gint fd, GIOCondition condition, gpointer user_data)
{
  timer_fire (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer user_data)
{
  timer_fire (user_data);
  return G_SOURCE_REMOVE;
}

static int
open_timerfd (guint delay_ms)
{
  struct itimerspec spec = { 0 };
  int fd = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

  if (fd < 0)
    return -1;
  spec.it_value.tv_sec = delay_ms / 1000;
  spec.it_value.tv_nsec = MAX (1, (long) (delay_ms % 1000) * 1000000); /* all zero would disarm it */
  timerfd_settime (fd, 0, &spec, NULL);
  return fd;
}

static guint
vpnd_clock_system_schedule (VpndClock *clock, guint delay_ms, VpndClockFunc func, gpointer user_data)
{
  VpndClockSystem *self = VPND_CLOCK_SYSTEM (clock);
  Timer *timer = g_new0 (Timer, 1);

  timer->owner = self;
  timer->func = func;
  timer->user_data = user_data;
  timer->fd = open_timerfd (delay_ms);
  do
    timer->id = ++self->last_id;
  while (timer->id == 0 || g_hash_table_contains (self->timers, GUINT_TO_POINTER (timer->id)));

  timer->source = timer->fd >= 0 ? g_unix_fd_source_new (timer->fd, G_IO_IN) : g_timeout_source_new (delay_ms);
  g_source_set_callback (timer->source, timer->fd >= 0 ? G_SOURCE_FUNC (on_timerfd) : on_timeout, timer, NULL);
  g_source_attach (timer->source, self->context);
  g_hash_table_insert (self->timers, GUINT_TO_POINTER (timer->id), timer);
  return timer->id;
}

static void
vpnd_clock_system_cancel (VpndClock *clock, guint id)
{
  g_hash_table_remove (VPND_CLOCK_SYSTEM (clock)->timers, GUINT_TO_POINTER (id));
}

static void
vpnd_clock_system_finalize (GObject *object)
{
  VpndClockSystem *self = VPND_CLOCK_SYSTEM (object);

  g_clear_pointer (&self->timers, g_hash_table_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  G_OBJECT_CLASS (vpnd_clock_system_parent_class)->finalize (object);
}

static void
vpnd_clock_system_class_init (VpndClockSystemClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vpnd_clock_system_finalize;
}

static void
vpnd_clock_system_init (VpndClockSystem *self)
{
  self->timers = g_hash_table_new_full (NULL, NULL, NULL, timer_free);
  self->context = g_main_context_ref_thread_default ();
}

static void
vpnd_clock_system_iface_init (VpndClockInterface *iface)
{
  iface->now_us = vpnd_clock_system_now_us;
  iface->wall_us = vpnd_clock_system_wall_us;
  iface->schedule = vpnd_clock_system_schedule;
  iface->cancel = vpnd_clock_system_cancel;
}

/**
 * vpnd_clock_system_new:
 *
 * Returns: (transfer full): a clock whose schedules fire on the thread-default main context of now
 */
VpndClock *
vpnd_clock_system_new (void)
{
  return g_object_new (VPND_TYPE_CLOCK_SYSTEM, NULL);
}
