/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The watch for sleep, against a login1 that the test plays on a private bus. A delay lock is one end of a pipe; that it is let go shows at the
 * other.
 */
#include "config.h"

#include "sleep-logind.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"
#define DEADLINE_MS 20000

static const char xml[] =
    "<node><interface name='org.freedesktop.login1.Manager'>"
    "<method name='Inhibit'><arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='h' direction='out'/></method>"
    "</interface></node>";

/**
 * Fixture:
 * @locks: how many were given
 * @lock_fd: our end of the last one, -1 for none
 * @is_silent: Inhibit is not answered
 * @told: what the watch told, 's' for going to sleep, 'w' for awake
 */
typedef struct
{
  GTestDBus *bus;
  GDBusConnection *mock;
  GDBusConnection *client;
  guint owner_id;
  guint locks;
  guint asked;
  int lock_fd;
  gboolean is_silent;
  GString *told;
  VpndSleepLogind *sleep;
} Fixture;

static void
forget_lock (Fixture *fixture)
{
  if (fixture->lock_fd >= 0)
    close (fixture->lock_fd);
  fixture->lock_fd = -1;
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *arguments,
    GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  const char *what, *who, *why, *mode;
  int ends[2];

  g_variant_get (arguments, "(&s&s&s&s)", &what, &who, &why, &mode);
  g_assert_cmpstr (what, ==, "sleep");
  g_assert_cmpstr (who, ==, "vpnd");
  g_assert_cmpstr (mode, ==, "delay");
  g_assert_cmpuint (strlen (why), >, 0);
  fixture->asked++;
  if (fixture->is_silent)
    {
      g_object_unref (invocation);
      return;
    }
  g_assert_cmpint (pipe2 (ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
  g_assert_cmpint (g_unix_fd_list_append (fds, ends[1], NULL), ==, 0);
  close (ends[1]);
  forget_lock (fixture);
  fixture->lock_fd = ends[0];
  fixture->locks++;
  g_dbus_method_invocation_return_value_with_unix_fd_list (invocation, g_variant_new ("(h)", 0), fds);
}

static gboolean
on_deadline (gpointer user_data)
{
  g_error ("nothing happened within the deadline");
  return G_SOURCE_REMOVE;
}

static void
wait_until (Fixture *fixture, gboolean (*is_so) (Fixture *, guint), guint number)
{
  guint deadline = g_timeout_add (DEADLINE_MS, on_deadline, NULL);

  while (!is_so (fixture, number))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

static gboolean
has_locks (Fixture *fixture, guint number)
{
  return fixture->locks == number;
}

static gboolean
has_asked (Fixture *fixture, guint number)
{
  return fixture->asked == number;
}

static gboolean
has_told (Fixture *fixture, guint number)
{
  return fixture->told->len == number;
}

/* End of file at our end: nobody holds the other any more. */
static gboolean
is_released (Fixture *fixture)
{
  char byte;

  return read (fixture->lock_fd, &byte, 1) == 0;
}

static void
on_synced (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  g_assert_nonnull (reply);
  *(gboolean *) user_data = TRUE;
}

/* Whatever @mock has sent so far has reached the client: a call of the client to the bus is answered behind it. */
static void
sync_client (Fixture *fixture)
{
  for (guint i = 0; i < 2; i++)
    {
      gboolean is_done = FALSE;

      g_dbus_connection_call (i == 0 ? fixture->mock : fixture->client, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL,
          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_synced, &is_done);
      while (!is_done)
        g_main_context_iteration (NULL, TRUE);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
on_sleep (gboolean is_going_to_sleep, gpointer user_data)
{
  g_string_append_c (((Fixture *) user_data)->told, is_going_to_sleep ? 's' : 'w');
}

static void
emit (Fixture *fixture, GDBusConnection *from, GVariant *arguments)
{
  g_autoptr (GError) error = NULL;

  g_dbus_connection_emit_signal (from, NULL, LOGIND_PATH, LOGIND_MANAGER, "PrepareForSleep", arguments, &error);
  g_assert_no_error (error);
}

static GDBusConnection *
connect_to_bus (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (g_test_dbus_get_bus_address (fixture->bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);

  g_assert_no_error (error);
  return connection;
}

static void
logind_starts (Fixture *fixture)
{
  fixture->owner_id = g_bus_own_name_on_connection (fixture->mock, LOGIND_NAME, G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL, NULL, NULL);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (xml, NULL);

  fixture->lock_fd = -1;
  fixture->told = g_string_new (NULL);
  fixture->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->bus);
  fixture->mock = connect_to_bus (fixture);
  fixture->client = connect_to_bus (fixture);
  g_assert_cmpuint (g_dbus_connection_register_object (fixture->mock, LOGIND_PATH, info->interfaces[0], &vtable, fixture, NULL, NULL), >, 0);
  fixture->sleep = vpnd_sleep_logind_new (fixture->client, on_sleep, fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->sleep);
  g_clear_handle_id (&fixture->owner_id, g_bus_unown_name);
  sync_client (fixture);
  g_clear_object (&fixture->client);
  g_clear_object (&fixture->mock);
  g_test_dbus_down (fixture->bus);
  g_clear_object (&fixture->bus);
  forget_lock (fixture);
  g_string_free (fixture->told, TRUE);
}

/* The whole way: a lock, told, held until let go, told again, another lock. */
static void
test_sleep_and_wake (Fixture *fixture, gconstpointer data)
{
  logind_starts (fixture);
  wait_until (fixture, has_locks, 1);
  sync_client (fixture);
  for (guint night = 1; night <= 3; night++)
    {
      emit (fixture, fixture->mock, g_variant_new ("(b)", TRUE));
      wait_until (fixture, has_told, 2 * night - 1);
      g_assert_false (is_released (fixture)); /* not before what is under way is finished */
      vpnd_sleep_logind_release (fixture->sleep);
      g_assert_true (is_released (fixture));

      emit (fixture, fixture->mock, g_variant_new ("(b)", FALSE));
      wait_until (fixture, has_told, 2 * night);
      wait_until (fixture, has_locks, 1 + night);
      sync_client (fixture);
      g_assert_false (is_released (fixture));
    }
  g_assert_cmpstr (fixture->told->str, ==, "swswsw");
  g_clear_object (&fixture->sleep);
  g_assert_true (is_released (fixture)); /* nothing is left behind */
}

/* Without logind nothing happens; one that comes, or comes again, is asked for a lock. */
static void
test_logind_comes_and_goes (Fixture *fixture, gconstpointer data)
{
  sync_client (fixture);
  g_assert_cmpuint (fixture->asked, ==, 0);
  for (guint i = 1; i <= 3; i++)
    {
      logind_starts (fixture);
      wait_until (fixture, has_locks, i);
      sync_client (fixture);
      g_clear_handle_id (&fixture->owner_id, g_bus_unown_name);
      sync_client (fixture);
      g_assert_true (is_released (fixture));
    }
  g_assert_cmpuint (fixture->told->len, ==, 0);
}

/* Only the owner of the name is believed, and only what has the form of the signal. */
static void
test_others_are_not_believed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusConnection) other = connect_to_bus (fixture);

  logind_starts (fixture);
  wait_until (fixture, has_locks, 1);
  emit (fixture, other, g_variant_new ("(b)", TRUE));
  emit (fixture, other, g_variant_new ("(b)", FALSE));
  emit (fixture, fixture->mock, g_variant_new ("(s)", "true"));
  emit (fixture, fixture->mock, NULL);
  g_assert_true (g_dbus_connection_flush_sync (other, NULL, NULL));
  sync_client (fixture);
  g_assert_cmpuint (fixture->told->len, ==, 0);
  emit (fixture, fixture->mock, g_variant_new ("(b)", TRUE));
  wait_until (fixture, has_told, 1);
}

/* A logind that does not answer delays nothing and nobody; its signals are heeded all the same. */
static void
test_no_answer (Fixture *fixture, gconstpointer data)
{
  fixture->is_silent = TRUE;
  logind_starts (fixture);
  wait_until (fixture, has_asked, 1);
  emit (fixture, fixture->mock, g_variant_new ("(b)", TRUE));
  wait_until (fixture, has_told, 1);
  vpnd_sleep_logind_release (fixture->sleep);
  emit (fixture, fixture->mock, g_variant_new ("(b)", FALSE));
  wait_until (fixture, has_told, 2);
  wait_until (fixture, has_asked, 2);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*run) (Fixture *, gconstpointer);
  } tests[] = {
    { "/sleep/sleep-and-wake", test_sleep_and_wake },
    { "/sleep/logind-comes-and-goes", test_logind_comes_and_goes },
    { "/sleep/others-are-not-believed", test_others_are_not_believed },
    { "/sleep/no-answer", test_no_answer },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
  return g_test_run ();
}
