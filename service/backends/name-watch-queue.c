/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See name-watch-queue.h. Which form of a rule the kernel takes is found out by a trial (queue-trial.c). Packets that are let go in one turn of the main loop go by one send.
 */
#include "config.h"

#include "name-watch-queue.h"

#include "error.h"
#include "nl-socket.h"
#include "queue-decode.h"
#include "queue-encode.h"
#include "queue-trial.h"
#include "reserved.h"

#include <errno.h>

#define DNS_PORT 53
#define TIMEOUT_MS 5000u
/* Answers that wait at the same time. A program that stops (SIGSTOP) while it listens holds as many; then answers go through unseen. */
#define LENGTH_MAX 32u
/* Of a packet. What is longer is no answer that is read, and goes on unseen: the socket has room for messages of 32 KiB, and a packet whose message is lost would wait for ever. */
#define COPY_BYTES 16384u

/* A packet that is held for its addresses. */
typedef struct
{
  guint32 id;
  guint64 ticket;
  gint64 due_us; /* monotonic */
} Held;

struct _VpndNameWatchQueue
{
  GObject parent_instance;

  VpndNlSocket *socket; /* (owned) (nullable): while it is started */
  VpndQueueForm form;
  guint64 last_ticket;
  GArray *held;   /* (element-type Held) (owned): in order of arrival */
  GArray *going;  /* (element-type guint32) (owned): ids to be let go in this turn */
  GSource *due;   /* (owned) (nullable): end of the time of the oldest */
  GSource *flush; /* (owned) (nullable) */
};

static void vpnd_name_watch_queue_iface_init (VpndNameWatchInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndNameWatchQueue, vpnd_name_watch_queue, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_NAME_WATCH, vpnd_name_watch_queue_iface_init))

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* --- letting go --- */

static void
flush (VpndNameWatchQueue *self)
{
  clear_source (&self->flush);
  if (self->going->len > 0 && self->socket != NULL)
    {
      const guint32 seq = vpnd_nl_socket_next_seq (self->socket, self->going->len);
      g_autoptr (GBytes) messages = vpnd_queue_encode_accept (VPND_NAME_QUEUE, (const guint32 *) (const void *) self->going->data, self->going->len, seq);

      vpnd_nl_socket_transact_async (self->socket, messages, TIMEOUT_MS, NULL, NULL, NULL); /* what is gone is gone */
    }
  g_array_set_size (self->going, 0);
}

static gboolean
on_flush (gpointer user_data)
{
  flush (user_data);
  return G_SOURCE_REMOVE;
}

static void
let_go (VpndNameWatchQueue *self, guint32 id)
{
  g_array_append_val (self->going, id);
  if (self->flush != NULL)
    return;
  self->flush = g_idle_source_new ();
  g_source_set_priority (self->flush, G_PRIORITY_HIGH);
  g_source_set_callback (self->flush, on_flush, self, NULL);
  g_source_set_static_name (self->flush, "vpnd names");
  g_source_attach (self->flush, g_main_context_get_thread_default ());
}

static gboolean on_due (gpointer user_data);

static void
watch_time (VpndNameWatchQueue *self)
{
  clear_source (&self->due);
  if (self->held->len == 0)
    return;
  self->due = g_timeout_source_new (0);
  g_source_set_ready_time (self->due, g_array_index (self->held, Held, 0).due_us);
  g_source_set_priority (self->due, G_PRIORITY_HIGH);
  g_source_set_callback (self->due, on_due, self, NULL);
  g_source_attach (self->due, g_main_context_get_thread_default ());
}

static gboolean
on_due (gpointer user_data)
{
  VpndNameWatchQueue *self = user_data;
  const gint64 now_us = g_get_monotonic_time ();
  guint count = 0;

  while (count < self->held->len && g_array_index (self->held, Held, count).due_us <= now_us)
    let_go (self, g_array_index (self->held, Held, count++).id);
  g_array_remove_range (self->held, 0, count);
  watch_time (self);
  return G_SOURCE_REMOVE;
}

static void
vpnd_name_watch_queue_release (VpndNameWatch *watch, guint64 ticket)
{
  VpndNameWatchQueue *self = VPND_NAME_WATCH_QUEUE (watch);

  for (guint i = 0; i < self->held->len; i++)
    if (g_array_index (self->held, Held, i).ticket == ticket)
      {
        let_go (self, g_array_index (self->held, Held, i).id);
        g_array_remove_index (self->held, i);
        watch_time (self);
        return;
      }
}

static void
release_all (VpndNameWatchQueue *self)
{
  for (guint i = 0; i < self->held->len; i++)
    let_go (self, g_array_index (self->held, Held, i).id);
  g_array_set_size (self->held, 0);
  clear_source (&self->due);
}

/* --- what comes --- */

static void
on_message (const struct nlmsghdr *message, gpointer user_data)
{
  VpndNameWatchQueue *self = user_data;
  g_autoptr (VpndDnsAnswer) answer = NULL;
  VpndQueuePacket packet;
  const guint8 *data;
  gsize size;
  Held held;

  if (message == NULL || !vpnd_queue_decode_packet (message, &packet) || packet.queue != VPND_NAME_QUEUE)
    return;
  data = vpnd_queue_find_datagram (packet.payload, packet.size, DNS_PORT, &size);
  answer = data != NULL ? vpnd_dns_answer_decode (data, size, NULL) : NULL;
  if (answer == NULL || answer->addresses->len == 0)
    {
      let_go (self, packet.id);
      return;
    }
  held = (Held){ .id = packet.id, .ticket = ++self->last_ticket, .due_us = g_get_monotonic_time () + VPND_NAME_WATCH_HOLD_MS * 1000 };
  g_array_append_val (self->held, held);
  if (self->held->len == 1)
    watch_time (self);
  vpnd_name_watch_emit_answer (VPND_NAME_WATCH (self), held.ticket, answer);
}

/* --- starting and stopping --- */

static void
vpnd_name_watch_queue_stop (VpndNameWatch *watch)
{
  VpndNameWatchQueue *self = VPND_NAME_WATCH_QUEUE (watch);
  g_autoptr (GBytes) message = NULL;

  if (self->socket == NULL)
    return;
  release_all (self);
  flush (self);
  /* The kernel has worked at the verdicts inside send (); with the queue unbound, rules let everything by. */
  vpnd_nl_socket_set_notify (self->socket, NULL, NULL);
  message = vpnd_queue_encode_unbind (VPND_NAME_QUEUE, vpnd_nl_socket_next_seq (self->socket, 1));
  vpnd_nl_socket_transact_async (self->socket, message, TIMEOUT_MS, NULL, NULL, NULL);
  g_clear_object (&self->socket);
  self->form = VPND_QUEUE_NONE;
}

static void try_form (GTask *task, VpndQueueForm form);

static void
fail_start (GTask *task, GError *error)
{
  vpnd_name_watch_queue_stop (g_task_get_source_object (task));
  g_task_return_error (task, error);
}

/* A stop in between ends the start. */
static gboolean
was_stopped (GTask *task, GObject *socket)
{
  VpndNameWatchQueue *self = g_task_get_source_object (task);

  if ((GObject *) self->socket == socket)
    return FALSE;
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "listening to the netfilter queue has been stopped");
  return TRUE;
}

static void
on_tried (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndNameWatchQueue *self = g_task_get_source_object (task);
  const VpndQueueForm form = (VpndQueueForm) GPOINTER_TO_INT (g_task_get_task_data (task));
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (was_stopped (task, source))
    {
      g_clear_error (&error);
    }
  else if (reply == NULL)
    {
      fail_start (task, error);
    }
  else if (reply->errors->len == 0)
    {
      self->form = form;
      g_task_return_int (task, (gssize) form);
    }
  else if (form == VPND_QUEUE_NATIVE)
    {
      try_form (task, VPND_QUEUE_TARGET);
    }
  else
    {
      fail_start (task, g_error_new_literal (VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "rules by domain need a kernel with CONFIG_NFT_QUEUE, or with CONFIG_NFT_COMPAT and CONFIG_NETFILTER_XT_TARGET_NFQUEUE"));
    }
}

static void
try_form (GTask *task, VpndQueueForm form)
{
  VpndNameWatchQueue *self = g_task_get_source_object (task);
  g_autoptr (GBytes) batch = vpnd_queue_trial_new (self->socket, form, VPND_NAME_QUEUE);

  g_task_set_task_data (task, GINT_TO_POINTER (form), NULL);
  vpnd_nl_socket_transact_async (self->socket, batch, TIMEOUT_MS, g_task_get_cancellable (task), on_tried, g_object_ref (task));
}

static void
on_bound (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply != NULL && reply->errors->len > 0)
    {
      const int code = g_array_index (reply->errors, VpndNlError, 0).error;

      if (code == EBUSY || code == EPERM)
        error = g_error_new (G_IO_ERROR, G_IO_ERROR_BUSY, "another program listens to the netfilter queue %u: %s", VPND_NAME_QUEUE, g_strerror (code));
      else
        error = g_error_new (VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "rules by domain need a kernel with CONFIG_NETFILTER_NETLINK_QUEUE: %s", g_strerror (code));
    }
  if (was_stopped (task, source))
    g_clear_error (&error);
  else if (error != NULL)
    fail_start (task, error);
  else
    try_form (task, VPND_QUEUE_NATIVE);
}

static void
vpnd_name_watch_queue_start_async (VpndNameWatch *watch, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndNameWatchQueue *self = VPND_NAME_WATCH_QUEUE (watch);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GBytes) message = NULL;
  GError *error = NULL;

  g_task_set_source_tag (task, vpnd_name_watch_queue_start_async);
  g_task_set_check_cancellable (task, FALSE); /* the transactions say it */
  if (self->form != VPND_QUEUE_NONE)
    {
      g_task_return_int (task, (gssize) self->form);
      return;
    }
  vpnd_name_watch_queue_stop (watch);
  self->socket = vpnd_nl_socket_new (NETLINK_NETFILTER, &error);
  if (self->socket == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  vpnd_nl_socket_set_notify (self->socket, on_message, self);
  message = vpnd_queue_encode_bind (VPND_NAME_QUEUE, LENGTH_MAX, COPY_BYTES, TRUE, vpnd_nl_socket_next_seq (self->socket, 1));
  vpnd_nl_socket_transact_async (self->socket, message, TIMEOUT_MS, cancellable, on_bound, g_object_ref (task));
}

static void
vpnd_name_watch_queue_dispose (GObject *object)
{
  vpnd_name_watch_queue_stop (VPND_NAME_WATCH (object));
  G_OBJECT_CLASS (vpnd_name_watch_queue_parent_class)->dispose (object);
}

static void
vpnd_name_watch_queue_finalize (GObject *object)
{
  VpndNameWatchQueue *self = VPND_NAME_WATCH_QUEUE (object);

  clear_source (&self->due);
  clear_source (&self->flush);
  g_array_unref (self->held);
  g_array_unref (self->going);
  G_OBJECT_CLASS (vpnd_name_watch_queue_parent_class)->finalize (object);
}

static void
vpnd_name_watch_queue_class_init (VpndNameWatchQueueClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_name_watch_queue_dispose;
  G_OBJECT_CLASS (klass)->finalize = vpnd_name_watch_queue_finalize;
}

static void
vpnd_name_watch_queue_iface_init (VpndNameWatchInterface *iface)
{
  iface->start_async = vpnd_name_watch_queue_start_async;
  iface->stop = vpnd_name_watch_queue_stop;
  iface->release = vpnd_name_watch_queue_release;
}

static void
vpnd_name_watch_queue_init (VpndNameWatchQueue *self)
{
  self->held = g_array_new (FALSE, FALSE, sizeof (Held));
  self->going = g_array_new (FALSE, FALSE, sizeof (guint32));
}

/**
 * vpnd_name_watch_queue_new:
 *
 * Returns: (transfer full): a watch that is not started; the kernel is asked when it starts
 */
VpndNameWatch *
vpnd_name_watch_queue_new (void)
{
  return g_object_new (VPND_TYPE_NAME_WATCH_QUEUE, NULL);
}
