/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The door before the gate, on a connection of two ends in this process: what waits for the main loop is bounded, what goes beyond is answered
 * without it, and who has nothing waiting is let in.
 */
#include "config.h"

#include "admission.h"
#include "error-bus.h"

#include <sys/socket.h>

#define REFUSED "org.vpnd1.Error.LimitsExceeded"
#define DEADLINE_US (20 * G_USEC_PER_SEC)

typedef struct
{
  GDBusConnection *client;  /* (owned) */
  GDBusConnection *service; /* (owned) */
  GMutex lock;              /* of what follows */
  GCond changed;
  guint refused;
  guint answered; /* in another way */
} Fixture;

static void
connect_fd (int fd, GDBusConnectionFlags flags, const char *guid, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GSocket) sock = g_socket_new_from_fd (fd, NULL);
  g_autoptr (GSocketConnection) stream = g_socket_connection_factory_create_connection (sock);

  g_dbus_connection_new (G_IO_STREAM (stream), guid, flags, NULL, NULL, callback, user_data);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusConnection **connection = user_data;
  g_autoptr (GError) error = NULL;

  *connection = g_dbus_connection_new_finish (result, &error);
  g_assert_no_error (error);
}

/* Runs in the thread of GDBus: answers are counted though the main loop stands still. */
static GDBusMessage *
count_answer (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer user_data)
{
  Fixture *fixture = user_data;

  if (!is_incoming)
    return message;
  g_mutex_lock (&fixture->lock);
  if (g_strcmp0 (g_dbus_message_get_error_name (message), REFUSED) == 0)
    fixture->refused++;
  else
    fixture->answered++;
  g_cond_signal (&fixture->changed);
  g_mutex_unlock (&fixture->lock);
  return message;
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
export_object (GDBusConnection *service)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml ("<node><interface name='org.example.Nothing'><method name='Call'/></interface></node>", NULL);

  g_assert_cmpuint (g_dbus_connection_register_object (service, "/nothing", node->interfaces[0], &vtable, NULL, NULL, NULL), >, 0);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *guid = g_dbus_generate_guid ();
  int fds[2];

  vpnd_error_register_bus ();
  g_mutex_init (&fixture->lock);
  g_cond_init (&fixture->changed);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  connect_fd (fds[0], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, on_connected, &fixture->client);
  connect_fd (fds[1], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER, guid, on_connected, &fixture->service);
  while (fixture->client == NULL || fixture->service == NULL)
    g_main_context_iteration (NULL, TRUE);
  export_object (fixture->service);
  (void) vpnd_admission_add (fixture->service);
  (void) g_dbus_connection_add_filter (fixture->client, count_answer, fixture, NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_assert_true (g_dbus_connection_close_sync (fixture->client, NULL, NULL));
  g_clear_object (&fixture->client);
  g_clear_object (&fixture->service);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_mutex_clear (&fixture->lock);
  g_cond_clear (&fixture->changed);
}

static void
send_calls (Fixture *fixture, const char *sender, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (NULL, "/nothing", "org.example.Nothing", "Call");
      g_autoptr (GError) error = NULL;

      g_dbus_message_set_sender (message, sender);
      g_assert_true (g_dbus_connection_send_message (fixture->client, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error));
      g_assert_no_error (error);
    }
}

/* Neither fewer nor more, while the main loop stands still. */
static void
assert_refused (Fixture *fixture, guint expected)
{
  gint64 end_us = g_get_monotonic_time () + DEADLINE_US;
  gboolean is_in_time = TRUE;

  g_mutex_lock (&fixture->lock);
  while (fixture->refused < expected && is_in_time)
    is_in_time = g_cond_wait_until (&fixture->changed, &fixture->lock, end_us);
  g_assert_cmpuint (fixture->refused, ==, expected);
  g_assert_cmpuint (fixture->answered, ==, 0); /* the main loop stands still */
  g_mutex_unlock (&fixture->lock);
}

static void
assert_all_answered (Fixture *fixture, guint expected)
{
  gint64 end_us = g_get_monotonic_time () + DEADLINE_US;
  guint answered = 0;

  while (answered < expected)
    {
      g_main_context_iteration (NULL, FALSE);
      g_mutex_lock (&fixture->lock);
      answered = fixture->answered;
      g_mutex_unlock (&fixture->lock);
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
    }
  g_assert_cmpuint (answered, ==, expected);
}

static void
test_bounded (Fixture *fixture, gconstpointer data)
{
  const guint one = VPND_ADMISSION_PER_SENDER, all = VPND_ADMISSION_ALL;
  guint refused;

  send_calls (fixture, ":1.1", one + 300);
  assert_refused (fixture, 300);
  send_calls (fixture, ":1.2", all - one + 40);
  assert_refused (fixture, 340);

  /* Above the bound of all: each newcomer has one call. */
  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *sender = g_strdup_printf (":1.%u", 100 + i);

      send_calls (fixture, sender, 3);
    }
  refused = 340 + 20 * 2;
  assert_refused (fixture, refused);

  /* The main loop takes its turn: every call that was let in is worked at, and there is room again. */
  assert_all_answered (fixture, all + 20);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  send_calls (fixture, ":1.1", one);
  assert_all_answered (fixture, all + 20 + one);
  g_assert_cmpuint (fixture->refused, ==, refused);
}

/* Calls that want no answer get none, and are dropped all the same. */
static void
test_no_reply (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < VPND_ADMISSION_PER_SENDER + 100; i++)
    {
      g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (NULL, "/nothing", "org.example.Nothing", "Call");

      g_dbus_message_set_sender (message, ":1.1");
      g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
      g_assert_true (g_dbus_connection_send_message (fixture->client, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
    }
  send_calls (fixture, ":1.1", 1);
  assert_refused (fixture, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/admission/bounded", Fixture, NULL, set_up, test_bounded, tear_down);
  g_test_add ("/admission/no-reply", Fixture, NULL, set_up, test_no_reply, tear_down);
  return g_test_run ();
}
