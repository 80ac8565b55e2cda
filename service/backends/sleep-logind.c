/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The watch of sleep-logind.h: org.freedesktop.login1.Manager, signal PrepareForSleep and method Inhibit (org.freedesktop.login1(5)). The lock
 * is a file descriptor; closing it lets the host sleep. logind itself bounds the delay (InhibitDelayMaxSec, 5 s).
 */
#include "config.h"

#include "sleep-logind.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"
#define LOGIND_TIMEOUT_MS 1000 /* any bus call to another daemon (docs/security.md, "Timings") */

struct _VpndSleepLogind
{
  GObject parent_instance;

  GDBusConnection *connection; /* (owned) */
  VpndSleepFunc func;
  gpointer func_data;
  GCancellable *cancellable; /* (owned) (nullable): of the lock that is being asked for */
  guint signal_id;
  guint watch_id;
  int lock_fd; /* -1 for none */
};

G_DEFINE_FINAL_TYPE (VpndSleepLogind, vpnd_sleep_logind, G_TYPE_OBJECT)

static void
on_inhibited (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);
  VpndSleepLogind *self = user_data;
  gint32 handle;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* @user_data may be gone */
  g_clear_object (&self->cancellable);
  if (reply == NULL)
    {
      g_message ("The host may go to sleep before vpnd has finished what it does: %s", error->message);
      return;
    }
  g_variant_get (reply, "(h)", &handle);
  if (fds != NULL)
    self->lock_fd = g_unix_fd_list_get (fds, handle, NULL);
}

static void
forget_request (VpndSleepLogind *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
}

static void
take_lock (VpndSleepLogind *self)
{
  vpnd_sleep_logind_release (self);
  self->cancellable = g_cancellable_new ();
  g_dbus_connection_call_with_unix_fd_list (self->connection, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "Inhibit",
      g_variant_new ("(ssss)", "sleep", "vpnd", "Finishes what it does to the network", "delay"), G_VARIANT_TYPE ("(h)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, LOGIND_TIMEOUT_MS, NULL, self->cancellable, on_inhibited, self);
}

static void
on_prepare_for_sleep (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *member,
    GVariant *arguments, gpointer user_data)
{
  VpndSleepLogind *self = user_data;
  gboolean is_going_to_sleep;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(b)")))
    return;
  g_variant_get (arguments, "(b)", &is_going_to_sleep);
  if (!is_going_to_sleep)
    take_lock (self);
  self->func (is_going_to_sleep, self->func_data);
}

static void
on_logind_appeared (GDBusConnection *connection, const char *name, const char *owner, gpointer user_data)
{
  take_lock (VPND_SLEEP_LOGIND (user_data));
}

static void
on_logind_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  vpnd_sleep_logind_release (VPND_SLEEP_LOGIND (user_data));
}

/**
 * vpnd_sleep_logind_release:
 * @self: the watch
 *
 * Lets the host sleep. The lock is taken again when it wakes up.
 */
void
vpnd_sleep_logind_release (VpndSleepLogind *self)
{
  forget_request (self);
  if (self->lock_fd >= 0)
    close (self->lock_fd);
  self->lock_fd = -1;
}

static void
vpnd_sleep_logind_dispose (GObject *object)
{
  VpndSleepLogind *self = VPND_SLEEP_LOGIND (object);

  g_clear_handle_id (&self->watch_id, g_bus_unwatch_name);
  if (self->signal_id != 0)
    g_dbus_connection_signal_unsubscribe (self->connection, self->signal_id);
  self->signal_id = 0;
  vpnd_sleep_logind_release (self);
  g_clear_object (&self->connection);
  G_OBJECT_CLASS (vpnd_sleep_logind_parent_class)->dispose (object);
}

static void
vpnd_sleep_logind_class_init (VpndSleepLogindClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_sleep_logind_dispose;
}

static void
vpnd_sleep_logind_init (VpndSleepLogind *self)
{
  self->lock_fd = -1;
}

/**
 * vpnd_sleep_logind_new:
 * @connection: (transfer none): the system bus
 * @func: called before and after each sleep
 * @user_data: passed to @func
 *
 * Watches on the thread-default main context. logind may come, go and come again.
 *
 * Returns: (transfer full): the watch
 */
VpndSleepLogind *
vpnd_sleep_logind_new (GDBusConnection *connection, VpndSleepFunc func, gpointer user_data)
{
  VpndSleepLogind *self = g_object_new (VPND_TYPE_SLEEP_LOGIND, NULL);

  self->connection = g_object_ref (connection);
  self->func = func;
  self->func_data = user_data;
  self->signal_id = g_dbus_connection_signal_subscribe (connection, LOGIND_NAME, LOGIND_MANAGER, "PrepareForSleep", LOGIND_PATH, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_prepare_for_sleep, self, NULL);
  self->watch_id = g_bus_watch_name_on_connection (connection, LOGIND_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_logind_appeared, on_logind_vanished, self, NULL);
  return self;
}
