/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-hold.h. The verdict is NF_REPEAT: the packet meets the chain that held it from its beginning. That takes as long as the rules take to change, which nobody tells here, so it
 * is tried soon, and then less and less often while more comes. A kernel that holds nothing, and a queue that another program listens to, are no failure: what has just come is dropped then.
 */
#include "config.h"

#include "split-hold.h"

#include "nl-socket.h"
#include "queue-decode.h"
#include "queue-encode.h"
#include "queue-trial.h"
#include "reserved.h"

#define TIMEOUT_MS 5000u
#define LENGTH_MAX 1024u /* packets; those above are dropped */
#define DELAY_MIN_MS 2u  /* as long as the rules take to change on a quiet host */
#define DELAY_MAX_MS 64u /* in a flood of units */

struct _VpndSplitHold
{
  VpndNlSocket *socket; /* (owned) (nullable): while it is wanted */
  VpndQueueForm form;
  VpndQueueForm tried;
  GArray *held; /* (element-type guint32) (owned): ids */
  guint again;  /* source */
  guint delay_ms;
  gint64 quiet_from; /* monotonic time, us: what comes later than this is none of what was sent through again */
  VpndSplitHoldFunc func;
  gpointer func_data;
};

static gboolean
on_again (gpointer user_data)
{
  VpndSplitHold *self = user_data;
  g_autoptr (GBytes) messages = NULL;
  const guint32 seq = vpnd_nl_socket_next_seq (self->socket, self->held->len);

  self->again = 0;
  messages = vpnd_queue_encode_repeat (VPND_UNIT_QUEUE, (const guint32 *) (const void *) self->held->data, self->held->len, seq);
  g_array_set_size (self->held, 0);
  self->delay_ms = MIN (2 * self->delay_ms, DELAY_MAX_MS);
  self->quiet_from = g_get_monotonic_time () + 1000 * (gint64) self->delay_ms;
  vpnd_nl_socket_transact_async (self->socket, messages, TIMEOUT_MS, NULL, NULL, NULL); /* what is gone is gone */
  return G_SOURCE_REMOVE;
}

static void
on_message (const struct nlmsghdr *message, gpointer user_data)
{
  VpndSplitHold *self = user_data;
  VpndQueuePacket packet;

  if (message == NULL || !vpnd_queue_decode_packet (message, &packet) || packet.queue != VPND_UNIT_QUEUE)
    return;
  g_array_append_val (self->held, packet.id);
  if (self->again != 0)
    return;
  if (g_get_monotonic_time () > self->quiet_from)
    self->delay_ms = DELAY_MIN_MS;
  self->again = g_timeout_add_full (G_PRIORITY_HIGH, self->delay_ms, on_again, self, NULL);
}

static void
stop (VpndSplitHold *self)
{
  g_autoptr (GBytes) message = NULL;

  g_clear_handle_id (&self->again, g_source_remove);
  g_array_set_size (self->held, 0);
  self->form = VPND_QUEUE_NONE;
  if (self->socket == NULL)
    return;
  vpnd_nl_socket_set_notify (self->socket, NULL, NULL);
  message = vpnd_queue_encode_unbind (VPND_UNIT_QUEUE, vpnd_nl_socket_next_seq (self->socket, 1));
  vpnd_nl_socket_transact_async (self->socket, message, TIMEOUT_MS, NULL, NULL, NULL); /* which drops what is held */
  g_clear_object (&self->socket);
}

typedef VpndSplitHold Reference;

static void
reference_drop (Reference *self)
{
  g_rc_box_release (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reference, reference_drop)

/* Who waits for an answer has a reference; a stop in between leaves another socket, or none. */
static VpndNlReply *
take_reply (VpndSplitHold *self, GObject *source, GAsyncResult *result)
{
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, NULL);

  if ((GObject *) self->socket != source)
    return NULL;
  return g_steal_pointer (&reply);
}

static void try_form (VpndSplitHold *self, VpndQueueForm form);

static void
on_tried (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Reference) self = user_data;
  g_autoptr (VpndNlReply) reply = take_reply (self, source, result);

  if ((GObject *) self->socket != source)
    return;
  if (reply != NULL && reply->errors->len == 0)
    {
      self->form = self->tried;
      self->func (self->func_data);
    }
  else if (reply != NULL && self->tried == VPND_QUEUE_NATIVE)
    {
      try_form (self, VPND_QUEUE_TARGET);
    }
  else
    {
      stop (self);
    }
}

static void
try_form (VpndSplitHold *self, VpndQueueForm form)
{
  g_autoptr (GBytes) batch = vpnd_queue_trial_new (self->socket, form, VPND_UNIT_QUEUE);

  self->tried = form;
  vpnd_nl_socket_transact_async (self->socket, batch, TIMEOUT_MS, NULL, on_tried, g_rc_box_acquire (self));
}

static void
on_bound (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Reference) self = user_data;
  g_autoptr (VpndNlReply) reply = take_reply (self, source, result);

  if ((GObject *) self->socket != source)
    return;
  if (reply != NULL && reply->errors->len == 0)
    try_form (self, VPND_QUEUE_NATIVE);
  else
    stop (self);
}

/**
 * vpnd_split_hold_new:
 * @func: (scope notified): called when the kernel has said in which form it holds packets
 * @user_data: passed to @func
 *
 * Returns: (transfer full): a hold that nobody wants yet
 */
VpndSplitHold *
vpnd_split_hold_new (VpndSplitHoldFunc func, gpointer user_data)
{
  VpndSplitHold *self = g_rc_box_new0 (VpndSplitHold);

  self->held = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->delay_ms = DELAY_MIN_MS;
  self->func = func;
  self->func_data = user_data;
  return self;
}

/**
 * vpnd_split_hold_free:
 * @self: (transfer full): a hold; what it holds is dropped
 */
void
vpnd_split_hold_free (VpndSplitHold *self)
{
  stop (self);
  g_clear_pointer (&self->held, g_array_unref);
  g_rc_box_release (self);
}

/**
 * vpnd_split_hold_set:
 * @self: a hold
 * @is_wanted: whether packets may come
 */
void
vpnd_split_hold_set (VpndSplitHold *self, gboolean is_wanted)
{
  g_autoptr (GBytes) message = NULL;

  if (!is_wanted)
    stop (self);
  if (!is_wanted || self->socket != NULL)
    return;
  self->socket = vpnd_nl_socket_new (NETLINK_NETFILTER, NULL);
  if (self->socket == NULL)
    return;
  vpnd_nl_socket_set_notify (self->socket, on_message, self);
  message = vpnd_queue_encode_bind (VPND_UNIT_QUEUE, LENGTH_MAX, FALSE, vpnd_nl_socket_next_seq (self->socket, 1));
  vpnd_nl_socket_transact_async (self->socket, message, TIMEOUT_MS, NULL, on_bound, g_rc_box_acquire (self));
}

/**
 * vpnd_split_hold_get_form:
 * @self: a hold
 *
 * Returns: the form of a rule that holds packets for it; VPND_QUEUE_NONE while there is none
 */
VpndQueueForm
vpnd_split_hold_get_form (const VpndSplitHold *self)
{
  return self->form;
}
