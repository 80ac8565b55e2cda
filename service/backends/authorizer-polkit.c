/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See authorizer-polkit.h. The authority is asked for at the first check and again after a failure, so a polkitd that comes late or
 * was restarted is found. Keeps no decision: polkit remembers what may be kept. Root is known to the bus and polkit never refuses it, so
 * polkit is not asked: one that hangs, is flooded or is not there must not keep root from ending protection or from seeing its state.
 * Without polkit nobody else may do anything.
 */
#include "config.h"

#include "authorizer-polkit.h"

#include "error.h"

#include <polkit/polkit.h>

/* The bus is asked who a sender is, and the sender's own call has come by it: when it is slow the sender waits as well, up to the deadline of the
 * shortest call (VPND_DEADLINE_PROTOCOL_MS). */
#define BUS_TIMEOUT_MS 20000

/* dbus-daemon(1) lets a connection wait for 128 answers (max_replies_per_connection) and refuses what goes beyond, root's questions too. Two lines of
 * these and VPND_QUOTA_DIALOGS leave no more than the calls about senders that are authorized already. */
#define IN_FLIGHT_MAX 24

typedef enum
{
  STEP_WHO, /* the bus is asked for the user: always quick */
  STEP_ASK, /* polkit is asked without a dialog: quick, unless it hangs */
  N_STEPS
} Step;

/* What one kind of question has going on. */
typedef struct
{
  GQueue waiting; /* (element-type GTask) (owned) */
  guint n_in_flight;
} Line;

struct _VpndAuthorizerPolkit
{
  GObject parent_instance;

  GDBusConnection *connection; /* (owned): where senders are */
  PolkitAuthority *authority;  /* (owned) (nullable) */
  Line lines[N_STEPS];
};

typedef struct
{
  char *sender;           /* (owned) */
  PolkitSubject *subject; /* (owned) */
  char *action;           /* (owned) */
  PolkitDetails *details; /* (owned) (nullable) */
  gboolean interactive;
  Step step;
} Check;

static void vpnd_authorizer_polkit_iface_init (VpndAuthorizerInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndAuthorizerPolkit, vpnd_authorizer_polkit, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_AUTHORIZER, vpnd_authorizer_polkit_iface_init))

static void
check_free (gpointer data)
{
  Check *check = data;

  g_free (check->sender);
  g_object_unref (check->subject);
  g_free (check->action);
  g_clear_object (&check->details);
  g_free (check);
}

static void ask_who (VpndAuthorizerPolkit *self, GTask *task);
static void ask (VpndAuthorizerPolkit *self, GTask *task);

/* In the order in which they came. */
static void
start_waiting (VpndAuthorizerPolkit *self, Step step)
{
  static void (*const starts[]) (VpndAuthorizerPolkit *, GTask *) = { [STEP_WHO] = ask_who, [STEP_ASK] = ask };
  Line *line = &self->lines[step];

  while (line->n_in_flight < IN_FLIGHT_MAX && !g_queue_is_empty (&line->waiting))
    {
      line->n_in_flight++;
      starts[step](self, g_queue_pop_head (&line->waiting));
    }
}

static void
stand_in_line (VpndAuthorizerPolkit *self, GTask *task, Step step)
{
  ((Check *) g_task_get_task_data (task))->step = step;
  g_queue_push_tail (&self->lines[step].waiting, task);
  start_waiting (self, step);
}

/* The check has its answer, or goes on in another way. */
static void
leave_line (GTask *task)
{
  VpndAuthorizerPolkit *self = VPND_AUTHORIZER_POLKIT (g_task_get_source_object (task));
  Check *check = g_task_get_task_data (task);

  if (check->step == N_STEPS)
    return;
  self->lines[check->step].n_in_flight--;
  start_waiting (self, check->step);
  check->step = N_STEPS;
}

static void
deny (GTask *task, const char *why)
{
  leave_line (task);
  g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED, "%s", why);
  g_object_unref (task);
}

static void
allow (GTask *task)
{
  leave_line (task);
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Check *check = g_task_get_task_data (task);
  g_autoptr (PolkitAuthorizationResult) answer = polkit_authority_check_authorization_finish (POLKIT_AUTHORITY (source), result, NULL);

  if (answer == NULL)
    deny (task, "polkit could not be asked; is it running?");
  else if (polkit_authorization_result_get_is_authorized (answer))
    allow (task);
  else if (polkit_authorization_result_get_is_challenge (answer) && !check->interactive)
    deny (task, "not authorized; it would need a password, and the client does not allow to ask for one");
  else if (polkit_authorization_result_get_is_challenge (answer))
    deny (task, "not authorized; it would need a password, and there is no authentication agent to ask for one");
  else
    deny (task, "not authorized");
}

static void
ask_polkit (VpndAuthorizerPolkit *self, GTask *task)
{
  const Check *check = g_task_get_task_data (task);

  polkit_authority_check_authorization (self->authority, check->subject, check->action, check->details,
      check->interactive ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
      g_task_get_cancellable (task), on_checked, task);
}

static void
on_authority (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  VpndAuthorizerPolkit *self = VPND_AUTHORIZER_POLKIT (g_task_get_source_object (task));
  g_autoptr (PolkitAuthority) authority = polkit_authority_get_finish (result, NULL);

  if (authority == NULL)
    {
      deny (task, "polkit could not be asked; is it running?");
      return;
    }
  g_set_object (&self->authority, authority);
  ask_polkit (self, task);
}

static void
ask (VpndAuthorizerPolkit *self, GTask *task)
{
  if (g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    deny (task, "the question was withdrawn");
  else if (self->authority != NULL)
    ask_polkit (self, task);
  else
    polkit_authority_get_async (g_task_get_cancellable (task), on_authority, task);
}

/* The bus itself knows whether the sender is root; it is the bus that told us the sender's name, and names are never used again.
 * Whatever goes wrong here, the sender is not root. */
static void
on_user (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  VpndAuthorizerPolkit *self = VPND_AUTHORIZER_POLKIT (g_task_get_source_object (task));
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  guint32 uid = G_MAXUINT32;

  if (g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    {
      deny (task, "the question was withdrawn");
      return;
    }
  if (reply != NULL)
    g_variant_get (reply, "(u)", &uid);
  if (uid == 0)
    allow (task);
  else if (((Check *) g_task_get_task_data (task))->interactive)
    {
      leave_line (task); /* a person takes time; how many may be asked at once is the caller's to count */
      ask (self, task);
    }
  else
    {
      leave_line (task);
      stand_in_line (self, task, STEP_ASK);
    }
}

static void
ask_who (VpndAuthorizerPolkit *self, GTask *task)
{
  const Check *check = g_task_get_task_data (task);

  g_dbus_connection_call (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
      g_variant_new ("(s)", check->sender), G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, BUS_TIMEOUT_MS, g_task_get_cancellable (task), on_user, task);
}

static PolkitDetails *
details_from_table (GHashTable *table)
{
  PolkitDetails *details;
  GHashTableIter iter;
  gpointer key;
  gpointer value;

  if (table == NULL)
    return NULL;
  details = polkit_details_new ();
  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, &value))
    polkit_details_insert (details, key, value);
  return details;
}

static void
vpnd_authorizer_polkit_check_async (VpndAuthorizer *port, const char *sender, const char *action, GHashTable *details, gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndAuthorizerPolkit *self = VPND_AUTHORIZER_POLKIT (port);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Check *check = g_new0 (Check, 1);

  g_task_set_source_tag (task, vpnd_authorizer_polkit_check_async);
  check->sender = g_strdup (sender);
  check->subject = polkit_system_bus_name_new (sender);
  check->action = g_strdup (action);
  check->details = details_from_table (details);
  check->interactive = interactive;
  g_task_set_task_data (task, check, check_free);

  stand_in_line (self, task, STEP_WHO);
}

static gboolean
vpnd_authorizer_polkit_check_finish (VpndAuthorizer *port, GAsyncResult *result, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  g_return_val_if_fail (g_task_is_valid (result, port), FALSE);

  if (g_task_propagate_boolean (G_TASK (result), &local_error))
    return TRUE;
  if (local_error->domain == VPND_ERROR)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED, "the question was withdrawn");
  return FALSE;
}

static void
vpnd_authorizer_polkit_dispose (GObject *object)
{
  VpndAuthorizerPolkit *self = VPND_AUTHORIZER_POLKIT (object);

  g_clear_object (&self->authority);
  g_clear_object (&self->connection);
  G_OBJECT_CLASS (vpnd_authorizer_polkit_parent_class)->dispose (object);
}

static void
vpnd_authorizer_polkit_iface_init (VpndAuthorizerInterface *iface)
{
  iface->check_async = vpnd_authorizer_polkit_check_async;
  iface->check_finish = vpnd_authorizer_polkit_check_finish;
}

static void
vpnd_authorizer_polkit_class_init (VpndAuthorizerPolkitClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_authorizer_polkit_dispose;
}

static void
vpnd_authorizer_polkit_init (VpndAuthorizerPolkit *self)
{
  for (guint i = 0; i < N_STEPS; i++)
    g_queue_init (&self->lines[i].waiting);
}

/**
 * vpnd_authorizer_polkit_new:
 * @connection: the system bus (DBUS_SYSTEM_BUS_ADDRESS where that is set), the same that polkit is asked on
 *
 * Returns: (transfer full): an authorizer that asks the polkit of the system bus
 */
VpndAuthorizer *
vpnd_authorizer_polkit_new (GDBusConnection *connection)
{
  VpndAuthorizerPolkit *self = g_object_new (VPND_TYPE_AUTHORIZER_POLKIT, NULL);

  self->connection = g_object_ref (connection);
  return VPND_AUTHORIZER (self);
}
