/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The service with everything of service/bus in it, the real polkit authorizer and the real profile store, on a model of the engine.
 * usage: gate-daemon STATE-DIRECTORY RUNTIME-DIRECTORY SPEED; its clock runs SPEED times as fast as time. Prints "ready" when it
 * owns the name; ends with 3 when it lost the name or the bus, with 0 on SIGTERM.
 */
#include "config.h"

#include "adaptor.h"
#include "authorizer-polkit.h"
#include "log.h"
#include "splitter-cgroup.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>

#define TYPE_QUICK_CLOCK (quick_clock_get_type ())
G_DECLARE_FINAL_TYPE (QuickClock, quick_clock, QUICK, CLOCK, GObject)

struct _QuickClock
{
  GObject parent_instance;

  double speed;
};

typedef struct
{
  VpndClockFunc func;
  gpointer user_data;
} Timer;

static gint64
quick_clock_now_us (VpndClock *clock)
{
  return (gint64) ((double) g_get_monotonic_time () * QUICK_CLOCK (clock)->speed);
}

static gint64
quick_clock_wall_us (VpndClock *clock)
{
  return g_get_real_time ();
}

static gboolean
on_timer (gpointer user_data)
{
  Timer *timer = user_data;

  timer->func (timer->user_data);
  return G_SOURCE_REMOVE;
}

static guint
quick_clock_schedule (VpndClock *clock, guint delay_ms, VpndClockFunc func, gpointer user_data)
{
  Timer *timer = g_new0 (Timer, 1);

  timer->func = func;
  timer->user_data = user_data;
  return g_timeout_add_full (G_PRIORITY_DEFAULT, (guint) (delay_ms / QUICK_CLOCK (clock)->speed), on_timer, timer, g_free);
}

static void
quick_clock_cancel (VpndClock *clock, guint id)
{
  g_source_remove (id);
}

static void
quick_clock_iface_init (VpndClockInterface *iface)
{
  iface->now_us = quick_clock_now_us;
  iface->wall_us = quick_clock_wall_us;
  iface->schedule = quick_clock_schedule;
  iface->cancel = quick_clock_cancel;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (QuickClock, quick_clock, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_CLOCK, quick_clock_iface_init))

static void
quick_clock_class_init (QuickClockClass *klass)
{
}

static void
quick_clock_init (QuickClock *self)
{
}

typedef struct
{
  GMainLoop *loop;
  int code;
} Run;

static void
on_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  g_print ("ready\n");
}

static void
on_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Run *run = user_data;

  run->code = 3;
  g_main_loop_quit (run->loop);
}

static gboolean
on_term (gpointer user_data)
{
  Run *run = user_data;

  g_main_loop_quit (run->loop);
  return G_SOURCE_REMOVE;
}

static int
open_folder (const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    g_error ("%s cannot be opened", path);
  return fd;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Run run = { .loop = loop };
  g_autoptr (VpndLogRing) ring = vpnd_log_ring_new (VPND_LOG_RING_MAX_BYTES);
  g_autoptr (QuickClock) clock = g_object_new (TYPE_QUICK_CLOCK, NULL);
  g_autoptr (VpndAuthorizer) authorizer = NULL;
  g_autoptr (VpndEngine) engine = NULL;
  g_autoptr (VpndSplitStore) split_store = NULL;
  g_autoptr (VpndSplitter) splitter = NULL;
  VpndEnginePorts ports = { .clock = VPND_CLOCK (clock) };
  g_autoptr (VpndProfileStore) profiles = NULL;
  g_autoptr (VpndAdaptor) adaptor = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (GDBusConnection) service = NULL;

  g_assert_cmpint (argc, ==, 4);
  clock->speed = g_ascii_strtod (argv[3], NULL);
  vpnd_log_install (ring, NULL);
  vpnd_log_ring_append (ring, "planted line");
  profiles = vpnd_profile_store_new (open_folder (argv[1]), open_folder (argv[2]), &error);
  g_assert_no_error (error);
  split_store = vpnd_split_store_new (open_folder (argv[1]), &error);
  g_assert_no_error (error);
  splitter = vpnd_splitter_cgroup_new (g_getenv ("VPND_CLASSIFIER_SOCKET"), g_getenv ("VPND_CGROUP_PATH"), &error); /* until a test starts it, nobody holds launches: that is told, and no failure */
  g_assert_no_error (error);
  ports.splitter = splitter;
  engine = vpnd_engine_new (&ports, NULL, NULL, NULL, split_store);
  bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  g_assert_no_error (error);
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  authorizer = vpnd_authorizer_polkit_new (bus);

  adaptor = vpnd_adaptor_new (engine, profiles, ring, authorizer, VPND_CLOCK (clock), bus);
  service = g_dbus_connection_new_for_address_sync (g_getenv ("DBUS_SYSTEM_BUS_ADDRESS"), G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (vpnd_adaptor_export (adaptor, service, &error));
  g_assert_no_error (error);
  (void) vpnd_adaptor_own_name (adaptor, on_acquired, on_lost, &run);
  (void) g_unix_signal_add (SIGTERM, on_term, &run);
  g_main_loop_run (loop);
  vpnd_adaptor_unexport (adaptor);
  return run.code;
}
