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
#define LENGTH_MAX 1024u      /* packets; those above are dropped. A message about each is 1 KiB at most, so all have room in the socket */
#define DELAY_MIN_MS 2u       /* as long as the rules take to change on a quiet host */
#define DELAY_MAX_MS 64u      /* in a flood of units */
#define ALL (G_MAXUINT32 / 4) /* numbers wrap around, and later ones are less than half of all ahead */
#define TELL_US (60 * G_USEC_PER_SEC)

struct _VpndSplitHold
{
  VpndNlSocket *socket; /* (owned) (nullable): while it is wanted */
  VpndQueueForm form;
  VpndQueueForm tried;
  guint n_held;   /* packets since the last verdict */
  guint32 last;   /* the newest of all */
  gint64 told_at; /* monotonic time, us; 0: never */
  guint again;    /* source */
  guint delay_ms;
  gint64 quiet_from; /* monotonic time, us: what comes later than this is none of what was sent through again */
  VpndSplitHoldFunc func;
  gpointer func_data;
};

/* All that waits goes through the rules at once, and what was not read yet, too: a part of it would come to stand behind the rest. So nothing stays, whatever became of the message about it. */
static gboolean
on_again (gpointer user_data)
{
  VpndSplitHold *self = user_data;
  g_autoptr (GBytes) message = NULL;

  if (vpnd_nl_socket_is_readable (self->socket))
    return G_SOURCE_CONTINUE; /* it ends: without a verdict no more are held than have room */
  message = vpnd_queue_encode_repeat (VPND_UNIT_QUEUE, self->last + ALL, vpnd_nl_socket_next_seq (self->socket, 1));
  self->again = 0;
  self->n_held = 0;
  self->delay_ms = MIN (2 * self->delay_ms, DELAY_MAX_MS);
  self->quiet_from = g_get_monotonic_time () + 1000 * (gint64) self->delay_ms;
  vpnd_nl_socket_transact_async (self->socket, message, TIMEOUT_MS, NULL, NULL, NULL); /* what is gone is gone */
  return G_SOURCE_REMOVE;
}

static void
tell_full (VpndSplitHold *self)
{
  const gint64 now = g_get_monotonic_time ();

  if (self->told_at != 0 && now < self->told_at + TELL_US)
    return;
  self->told_at = now;
  g_message ("Programs of units that have just come send more than the %u packets that wait until it is known where they belong; the rest is dropped", LENGTH_MAX);
}

static void
repeat_soon (VpndSplitHold *self)
{
  if (self->again != 0)
    return;
  if (g_get_monotonic_time () > self->quiet_from)
    self->delay_ms = DELAY_MIN_MS;
  self->again = g_timeout_add_full (G_PRIORITY_HIGH, self->delay_ms, on_again, self, NULL);
}

static void
on_message (const struct nlmsghdr *message, gpointer user_data)
{
  VpndSplitHold *self = user_data;
  VpndQueuePacket packet;

  if (message == NULL)
    {
      tell_full (self);
      repeat_soon (self);
      return;
    }
  if (!vpnd_queue_decode_packet (message, &packet) || packet.queue != VPND_UNIT_QUEUE)
    return;
  self->last = packet.id;
  if (++self->n_held == LENGTH_MAX)
    tell_full (self);
  repeat_soon (self);
}

static void
stop (VpndSplitHold *self)
{
  g_autoptr (GBytes) message = NULL;

  g_clear_handle_id (&self->again, g_source_remove);
  self->n_held = 0;
  self->last = 0;
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
  message = vpnd_queue_encode_bind (VPND_UNIT_QUEUE, LENGTH_MAX, 0, FALSE, vpnd_nl_socket_next_seq (self->socket, 1));
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
