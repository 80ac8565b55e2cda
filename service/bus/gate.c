/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See gate.h. A call is one chain of asynchronous steps, one under way at a time: who calls (if it matters) -> authorize -> is the sender still there -> run.
 * What happens beside the chain (the sender leaves, time is up, a later call withdraws it) marks the call and cancels the step;
 * the step's end then ends the call. So each call ends exactly once, and nothing is committed after it was marked.
 */
#include "config.h"

#include "gate.h"

#include "actions.h"
#include "error.h"
#include "log.h"
#include "methods.h"
#include "names.h"
#include "properties.h"
#include "quota.h"
#include "redact.h"

#include <string.h>

#define DENIED_LOG_INTERVAL_US G_USEC_PER_SEC /* a client that is denied in a loop must not fill the log */
#define BUS_DAEMON "org.freedesktop.DBus"
#define BUS_DAEMON_PATH "/org/freedesktop/DBus"
#define BUS_CALL_TIMEOUT_MS 20000 /* when the bus is slow, the sender who called by it waits as well (VPND_DEADLINE_PROTOCOL_MS) */

struct _VpndGate
{
  gatomicrefcount ref_count;
  const VpndServices *services; /* (unowned): outlives the calls, see vpnd_gate_close */
  VpndAuthorizer *authorizer;   /* (owned) */
  VpndClock *clock;             /* (owned) */
  GDBusConnection *asking;      /* (owned): by which the bus itself is asked about senders */
  VpndQuota *quota;             /* (owned) */
  GPtrArray *calls;             /* (element-type Call) (unowned): all that are under way */
  gint64 denied_logged_us;
};

typedef struct
{
  VpndGate *gate;            /* (owned) */
  const VpndMethod *method;  /* (unowned) */
  GPtrArray *invocations;    /* (element-type GDBusMethodInvocation) (owned): all get the same answer */
  char *sender;              /* (owned) */
  gpointer request;          /* (owned) (nullable): freed by the method's request_free */
  const char *action;        /* (unowned) */
  GCancellable *cancellable; /* (owned): of the step under way */
  GError *verdict;           /* (owned) (nullable): why the call ends whatever its step says */
  guint deadline_id;
  guint watch_id;
  gboolean has_dialog;
  gboolean is_committed;
} Call;

/**
 * vpnd_gate_new:
 * @services: (transfer none): what the methods work on; must stay until vpnd_gate_close()
 * @authorizer: (transfer none): who decides
 * @clock: (transfer none): time for quotas and deadlines
 * @asking: (transfer none): another connection to the bus that the calls come from: its answers do not wait behind calls
 *
 * Returns: (transfer full): a gate
 */
VpndGate *
vpnd_gate_new (const VpndServices *services, VpndAuthorizer *authorizer, VpndClock *clock, GDBusConnection *asking)
{
  VpndGate *gate = g_new0 (VpndGate, 1);

  g_atomic_ref_count_init (&gate->ref_count);
  gate->services = services;
  gate->authorizer = g_object_ref (authorizer);
  gate->clock = g_object_ref (clock);
  gate->asking = g_object_ref (asking);
  gate->quota = vpnd_quota_new ();
  gate->calls = g_ptr_array_new ();
  gate->denied_logged_us = G_MININT64;
  return gate;
}

/**
 * vpnd_gate_ref:
 * @gate: a gate
 *
 * Returns: (transfer full): @gate
 */
VpndGate *
vpnd_gate_ref (VpndGate *gate)
{
  g_atomic_ref_count_inc (&gate->ref_count);
  return gate;
}

/**
 * vpnd_gate_unref:
 * @gate: (transfer full) (nullable): a gate
 */
void
vpnd_gate_unref (VpndGate *gate)
{
  if (gate == NULL || !g_atomic_ref_count_dec (&gate->ref_count))
    return;

  g_object_unref (gate->authorizer);
  g_object_unref (gate->clock);
  g_object_unref (gate->asking);
  vpnd_quota_free (gate->quota);
  g_ptr_array_unref (gate->calls);
  g_free (gate);
}

static void
log_denied (VpndGate *gate, const VpndMethod *method)
{
  gint64 now_us = vpnd_clock_now_us (gate->clock);

  if (gate->denied_logged_us != G_MININT64 && now_us - gate->denied_logged_us < DENIED_LOG_INTERVAL_US)
    return;
  gate->denied_logged_us = now_us;
  vpnd_log_event (G_LOG_LEVEL_MESSAGE, VPND_MESSAGE_DENIED, "%s.%s: not authorized", method->interface, method->name);
}

/* Only errors of the documented domain leave; another one is a bug or a library's, and its text may say anything. */
static void
answer_error (GDBusMethodInvocation *invocation, const GError *error)
{
  if (error->domain == VPND_ERROR)
    g_dbus_method_invocation_return_gerror (invocation, error);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_dbus_method_invocation_return_error_literal (invocation, VPND_ERROR, VPND_ERROR_CANCELLED, "the request was abandoned");
  else
    {
      g_autofree char *text = vpnd_log_redact (error->message);

      vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_EFFECT_FAILED, "%s: %s", g_dbus_method_invocation_get_method_name (invocation), text);
      g_dbus_method_invocation_return_error_literal (invocation, VPND_ERROR, VPND_ERROR_FAILED, "internal error; the log says more");
    }
}

static void
leave_dialog (Call *call)
{
  if (call->has_dialog)
    vpnd_quota_end_dialog (call->gate->quota);
  call->has_dialog = FALSE;
}

/* Answers every invocation and frees the call. One of @reply and @error is given. */
static void
end_call (Call *call, GVariant *reply, const GError *error)
{
  leave_dialog (call);
  for (guint i = 0; i < call->invocations->len; i++)
    {
      GDBusMethodInvocation *invocation = g_object_ref (call->invocations->pdata[i]); /* the return functions take it */

      if (error == NULL)
        g_dbus_method_invocation_return_value (invocation, reply);
      else
        answer_error (invocation, error);
      vpnd_quota_end_call (call->gate->quota, call->sender);
    }

  if (call->deadline_id != 0)
    vpnd_clock_cancel (call->gate->clock, call->deadline_id);
  if (call->watch_id != 0)
    g_dbus_connection_signal_unsubscribe (call->gate->asking, call->watch_id);
  g_ptr_array_remove_fast (call->gate->calls, call);
  if (call->request != NULL && call->method->request_free != NULL)
    call->method->request_free (call->request);
  g_clear_error (&call->verdict);
  g_object_unref (call->cancellable);
  g_ptr_array_unref (call->invocations);
  g_free (call->sender);
  vpnd_gate_unref (call->gate);
  g_free (call);
}

/* Marks the call: its step is cancelled, and what the step says no longer counts unless it was committed before. */
static void
withdraw (Call *call, VpndError code, const char *message)
{
  if (call->verdict == NULL)
    call->verdict = g_error_new_literal (VPND_ERROR, (gint) code, message);
  g_cancellable_cancel (call->cancellable);
}

static void
on_deadline (gpointer user_data)
{
  Call *call = user_data;

  call->deadline_id = 0;
  withdraw (call, VPND_ERROR_CANCELLED, call->is_committed ? "it was not done in time" : "it was not authorized in time");
}

static void
on_sender_changed (GDBusConnection *connection, const char *bus, const char *path, const char *interface, const char *signal, GVariant *parameters, gpointer user_data)
{
  Call *call = user_data;
  const char *new_owner;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get (parameters, "(&s&s&s)", NULL, NULL, &new_owner);
  /* What is being performed goes on: a client may leave as soon as it has asked. */
  if (*new_owner == '\0' && !call->is_committed)
    withdraw (call, VPND_ERROR_CANCELLED, "the client left the bus");
}

static void
on_ran (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_task_propagate_pointer (G_TASK (result), &error);

  if (reply == NULL && call->verdict != NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    end_call (call, NULL, call->verdict);
  else
    end_call (call, reply, error);
}

/* A user who switches off does not want what still waits for a password to come up afterwards. */
static void
withdraw_starts (VpndGate *gate, const char *sender)
{
  for (guint i = 0; i < gate->calls->len; i++)
    {
      Call *other = gate->calls->pdata[i];

      if (other->method->kind == VPND_METHOD_STARTS && !other->is_committed && strcmp (other->sender, sender) == 0)
        withdraw (other, VPND_ERROR_CANCELLED, "a later request of the same client ended it");
    }
}

/* What is read must be answered before anything else is sent: an answer that waits for the main loop can be overtaken by the signal of a
 * newer value, and the client would take the older for the present one. */
static void
answer_read (Call *call)
{
  g_autoptr (GError) error = NULL;
  GVariant *floating = call->method->read (call->gate->services, call->request, &error);
  g_autoptr (GVariant) reply = floating != NULL ? g_variant_ref_sink (floating) : NULL;

  end_call (call, reply, error);
}

/* In a turn of the main loop of its own: a task that ends in the turn that made it answers in a later one, and signals about a newer
 * state would overtake the reply. So a reply is sent in the moment in which its values are read. */
static gboolean
read_and_answer (gpointer user_data)
{
  GTask *task = g_object_ref (user_data);
  Call *call = g_task_get_task_data (task);

  if (call->verdict != NULL)
    vpnd_method_return_error (task, g_error_copy (call->verdict));
  else
    call->method->run (call->gate->services, call->request, task);
  return G_SOURCE_REMOVE;
}

static void
commit (Call *call)
{
  GTask *task;

  if (call->verdict != NULL)
    {
      end_call (call, NULL, call->verdict);
      return;
    }
  if (call->method->read != NULL)
    {
      answer_read (call);
      return;
    }
  call->is_committed = TRUE;
  if (call->method->kind == VPND_METHOD_ENDS)
    withdraw_starts (call->gate, call->sender);

  task = g_task_new (NULL, call->cancellable, on_ran, call);
  g_task_set_source_tag (task, commit);
  /* A request that was performed is answered so, even if it was cancelled in that moment. */
  g_task_set_check_cancellable (task, FALSE);
  if (call->method->kind == VPND_METHOD_READS)
    {
      g_autoptr (GSource) turn = g_idle_source_new ();

      g_task_set_task_data (task, call, NULL);
      g_task_attach_source (task, turn, read_and_answer);
      g_object_unref (task);
    }
  else
    call->method->run (call->gate->services, call->request, task);
}

static void
on_sender_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  gboolean is_there = FALSE;

  if (reply != NULL)
    g_variant_get (reply, "(b)", &is_there);
  if (!is_there)
    withdraw (call, VPND_ERROR_CANCELLED, "the client left the bus");
  commit (call);
}

static void
on_authorized (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GError) error = NULL;
  gboolean is_authorized = vpnd_authorizer_check_finish (VPND_AUTHORIZER (source), result, &error);

  leave_dialog (call);
  if (call->verdict != NULL)
    end_call (call, NULL, call->verdict);
  else if (!is_authorized)
    {
      log_denied (call->gate, call->method);
      if (error == NULL || error->domain != VPND_ERROR)
        withdraw (call, VPND_ERROR_NOT_AUTHORIZED, "not authorized");
      end_call (call, NULL, call->verdict != NULL ? call->verdict : error);
    }
  else if (call->method->kind == VPND_METHOD_READS)
    commit (call);
  else
    /* A signal that it left may have been sent before we asked for it: ask the bus itself. */
    g_dbus_connection_call (call->gate->asking, BUS_DAEMON, BUS_DAEMON_PATH, BUS_DAEMON, "NameHasOwner", g_variant_new ("(s)", call->sender),
        G_VARIANT_TYPE ("(b)"), G_DBUS_CALL_FLAGS_NONE, BUS_CALL_TIMEOUT_MS, call->cancellable, on_sender_checked, call);
}

static gboolean
wants_dialog (const VpndMethod *method, GDBusMethodInvocation *invocation)
{
  GDBusMessageFlags flags = g_dbus_message_get_flags (g_dbus_method_invocation_get_message (invocation));

  switch (method->dialog)
    {
    case VPND_DIALOG_NEVER:
      return FALSE;
    case VPND_DIALOG_ALWAYS:
      return TRUE;
    case VPND_DIALOG_IF_ALLOWED:
      return (flags & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
    }
  g_assert_not_reached ();
}

static void
authorize (Call *call, GDBusMethodInvocation *invocation)
{
  if (strcmp (call->action, VPND_POLKIT_NONE) == 0)
    {
      commit (call);
      return;
    }
  call->watch_id = g_dbus_connection_signal_subscribe (call->gate->asking, BUS_DAEMON, BUS_DAEMON, "NameOwnerChanged", BUS_DAEMON_PATH, call->sender,
      G_DBUS_SIGNAL_FLAGS_NONE, on_sender_changed, call, NULL);
  call->deadline_id = vpnd_clock_schedule (call->gate->clock, call->method->deadline_ms, on_deadline, call);
  call->has_dialog = wants_dialog (call->method, invocation) && vpnd_quota_begin_dialog (call->gate->quota);
  vpnd_authorizer_check_async (call->gate->authorizer, call->sender, call->action, NULL, call->has_dialog, call->cancellable, on_authorized, call);
}

/* A bus that does not know the process (it has no such kernel) can say nothing of it. */
static gboolean
read_caller (GVariant *reply, VpndCaller *out_caller, GError **error)
{
  g_autoptr (GVariant) credentials = g_variant_get_child_value (reply, 0);
  guint32 pid;

  if (g_variant_lookup (credentials, "UnixUserID", "u", &out_caller->uid) && g_variant_lookup (credentials, "ProcessID", "u", &pid) && pid > 0 && pid <= G_MAXINT32)
    {
      out_caller->pid = (gint32) pid;
      return TRUE;
    }
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "the message bus does not say which process calls");
  return FALSE;
}

static void
on_caller (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GError) error = NULL;
  VpndCaller caller;

  if (call->verdict == NULL && reply == NULL)
    withdraw (call, VPND_ERROR_CANCELLED, "the client left the bus");
  if (call->verdict != NULL)
    end_call (call, NULL, call->verdict);
  else if (read_caller (reply, &caller, &error) && call->method->set_caller (call->gate->services, call->request, &caller, &error))
    authorize (call, g_ptr_array_index (call->invocations, 0));
  else
    end_call (call, NULL, error);
}

static void
ask_for_caller (Call *call)
{
  g_dbus_connection_call (call->gate->asking, BUS_DAEMON, BUS_DAEMON_PATH, BUS_DAEMON, "GetConnectionCredentials", g_variant_new ("(s)", call->sender), G_VARIANT_TYPE ("(a{sv})"),
      G_DBUS_CALL_FLAGS_NONE, BUS_CALL_TIMEOUT_MS, call->cancellable, on_caller, call);
}

static Call *
find_joinable (VpndGate *gate, const VpndMethod *method, const char *sender)
{
  for (guint i = 0; method->is_joined && i < gate->calls->len; i++)
    {
      Call *call = gate->calls->pdata[i];

      if (call->method == method && !call->is_committed && call->verdict == NULL && strcmp (call->sender, sender) == 0)
        return call;
    }
  return NULL;
}

static void
start_call (VpndGate *gate, const VpndMethod *method, GDBusMethodInvocation *invocation, gpointer request, const char *action)
{
  const char *sender = g_dbus_method_invocation_get_sender (invocation);
  Call *call = find_joinable (gate, method, sender);

  if (call != NULL)
    {
      if (call->request != NULL && method->request_free != NULL)
        method->request_free (call->request);
      call->request = request;
      g_ptr_array_add (call->invocations, g_object_ref (invocation));
      return;
    }

  call = g_new0 (Call, 1);
  call->gate = vpnd_gate_ref (gate);
  call->method = method;
  call->invocations = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (call->invocations, g_object_ref (invocation));
  call->sender = g_strdup (sender);
  call->request = request;
  call->action = action;
  call->cancellable = g_cancellable_new ();
  g_ptr_array_add (gate->calls, call);
  if (method->set_caller != NULL)
    ask_for_caller (call);
  else
    authorize (call, invocation);
}

static gboolean
check_size (const VpndMethod *method, GDBusMethodInvocation *invocation, GError **error)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (invocation);
  gsize size = g_variant_get_size (g_dbus_method_invocation_get_parameters (invocation));

  if (size > method->max_bytes)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, "%s: the call has %" G_GSIZE_FORMAT " bytes; at most %" G_GSIZE_FORMAT " are accepted", method->name, size, method->max_bytes);
      return FALSE;
    }
  if (g_dbus_message_get_num_unix_fds (message) > 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: takes no file descriptors", method->name);
      return FALSE;
    }
  return TRUE;
}

/* Decodes and looks up the action; FALSE: the call is refused. */
static gboolean
prepare (VpndGate *gate, const VpndMethod *method, GVariant *parameters, gpointer *out_request, const char **out_action, GError **error)
{
  gpointer request = NULL;
  const char *action;

  if (method->decode != NULL && (request = method->decode (gate->services, parameters, error)) == NULL)
    return FALSE;
  action = method->action != NULL ? method->action (request) : vpnd_actions_for_method (method->interface, method->name);
  if (action == NULL)
    {
      if (request != NULL && method->request_free != NULL)
        method->request_free (request);
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED, "%s: nobody may call this", method->name);
      return FALSE;
    }
  *out_request = request;
  *out_action = action;
  return TRUE;
}

/**
 * vpnd_gate_pass:
 * @gate: a gate
 * @invocation: (transfer full): a call of a member of our interfaces, or of org.freedesktop.DBus.Properties on them
 *
 * Lets @invocation through, or answers it with an error of VPND_ERROR. Nothing that is wrong with the message itself ever reaches
 * polkit.
 */
void
vpnd_gate_pass (VpndGate *gate, GDBusMethodInvocation *invocation)
{
  g_autoptr (GDBusMethodInvocation) owned = invocation;
  const char *sender = g_dbus_method_invocation_get_sender (invocation);
  const VpndMethod *method = vpnd_method_find (g_dbus_method_invocation_get_interface_name (invocation), g_dbus_method_invocation_get_method_name (invocation));
  g_autoptr (GError) error = NULL;
  gpointer request = NULL;
  const char *action = NULL;

  if (method == NULL)
    error = g_error_new_literal (VPND_ERROR, VPND_ERROR_NOT_FOUND, "there is no such method");
  else if (sender == NULL)
    error = g_error_new_literal (VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED, "a caller without a bus name cannot be authorized");
  else if (check_size (method, invocation, &error) && vpnd_quota_begin_call (gate->quota, sender, vpnd_clock_now_us (gate->clock), &error))
    {
      if (prepare (gate, method, g_dbus_method_invocation_get_parameters (invocation), &request, &action, &error))
        {
          start_call (gate, method, invocation, request, action);
          return;
        }
      vpnd_quota_end_call (gate->quota, sender);
    }
  answer_error (g_steal_pointer (&owned), error);
}

/**
 * vpnd_gate_close:
 * @gate: a gate
 *
 * Withdraws every call that was not committed and asks the others to end; none is started after it.
 */
void
vpnd_gate_close (VpndGate *gate)
{
  for (guint i = gate->calls->len; i > 0; i--)
    withdraw (gate->calls->pdata[i - 1], VPND_ERROR_CANCELLED, "the service is ending");
}
