/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See admission.h. GDBus reads messages in a thread of its own and runs filters there, so the counts have a lock. A mark is queued to the main
 * loop ahead of each call that is let in, with the same priority: when it is reached, the call has its turn.
 */
#include "config.h"

#include "admission.h"

#include "error.h"

typedef struct
{
  gatomicrefcount ref_count;
  GMainContext *context; /* (owned): where calls are worked at */
  GMutex lock;           /* of what follows */
  GHashTable *waiting;   /* (element-type utf8 guint) (owned): number of calls by sender; none is absent */
  guint n_waiting;
} Admission;

typedef struct
{
  Admission *admission; /* (owned) */
  char *sender;         /* (owned) */
} Mark;

static void
admission_unref (gpointer data)
{
  Admission *admission = data;

  if (!g_atomic_ref_count_dec (&admission->ref_count))
    return;
  g_main_context_unref (admission->context);
  g_mutex_clear (&admission->lock);
  g_hash_table_unref (admission->waiting);
  g_free (admission);
}

static void
mark_free (gpointer data)
{
  Mark *mark = data;

  admission_unref (mark->admission);
  g_free (mark->sender);
  g_free (mark);
}

static gboolean
on_reached (gpointer user_data)
{
  Mark *mark = user_data;
  Admission *admission = mark->admission;
  guint n;

  g_mutex_lock (&admission->lock);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (admission->waiting, mark->sender));
  admission->n_waiting--;
  if (n > 1)
    g_hash_table_insert (admission->waiting, g_strdup (mark->sender), GUINT_TO_POINTER (n - 1));
  else
    g_hash_table_remove (admission->waiting, mark->sender);
  g_mutex_unlock (&admission->lock);
  return G_SOURCE_REMOVE;
}

/* Who has nothing waiting is heard whatever others do; how many senders there can be, the bus bounds (max_connections_per_user). */
static gboolean
let_in (Admission *admission, const char *sender)
{
  gboolean has_room;
  guint n;

  g_mutex_lock (&admission->lock);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (admission->waiting, sender));
  has_room = n < VPND_ADMISSION_PER_SENDER && (n == 0 || admission->n_waiting < VPND_ADMISSION_ALL);
  if (has_room)
    {
      g_hash_table_insert (admission->waiting, g_strdup (sender), GUINT_TO_POINTER (n + 1));
      admission->n_waiting++;
    }
  g_mutex_unlock (&admission->lock);
  return has_room;
}

static void
refuse (GDBusConnection *connection, GDBusMessage *message)
{
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusMessage) reply = NULL;

  if (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED)
    return;
  error = g_error_new_literal (VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "too many calls wait already; try again later");
  name = g_dbus_error_encode_gerror (error);
  reply = g_dbus_message_new_method_error_literal (message, name, error->message);
  (void) g_dbus_connection_send_message (connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL); /* fails only when the bus is gone */
}

/* Runs in the thread of GDBus. */
static GDBusMessage *
filter (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer user_data)
{
  Admission *admission = user_data;
  const char *sender = g_dbus_message_get_sender (message);
  g_autoptr (GSource) source = NULL;
  Mark *mark;

  if (!is_incoming || sender == NULL || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return message;
  if (!let_in (admission, sender))
    {
      refuse (connection, message);
      g_object_unref (message);
      return NULL;
    }

  mark = g_new0 (Mark, 1);
  g_atomic_ref_count_inc (&admission->ref_count);
  mark->admission = admission;
  mark->sender = g_strdup (sender);
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT); /* that of the calls themselves */
  g_source_set_callback (source, on_reached, mark, mark_free);
  g_source_attach (source, admission->context);
  return message;
}

/**
 * vpnd_admission_add:
 * @connection: the connection that calls come by
 *
 * Lets a bounded number of calls wait for the main context of the caller, and answers all others with VPND_ERROR_LIMITS_EXCEEDED before
 * anything else is done with them.
 *
 * Returns: the id for g_dbus_connection_remove_filter()
 */
guint
vpnd_admission_add (GDBusConnection *connection)
{
  Admission *admission = g_new0 (Admission, 1);

  g_atomic_ref_count_init (&admission->ref_count);
  admission->context = g_main_context_ref_thread_default ();
  g_mutex_init (&admission->lock);
  admission->waiting = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return g_dbus_connection_add_filter (connection, filter, admission, admission_unref);
}
