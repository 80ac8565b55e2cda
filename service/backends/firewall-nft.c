/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The firewall of firewall-nft.h. Operations run one after the other: apply (send the batch, read back, compare), remove, check (read
 * and compare, after another program touched the table), and restore (apply once more what was in force). What another program took away is
 * put back here and at once, before anybody is told: who hears of it may be busy, and the host is open until then. Whether the kernel has owner and persist is found out by the first apply:
 * kernels without persist refuse the flags with EOPNOTSUPP, and the batch goes again without them. Owner alone is never used, since
 * such a table goes away with us.
 * Never decides what is allowed.
 */
#include "config.h"

#include "firewall-nft.h"

#include "error.h"
#include "nft-change.h"
#include "nft-decode.h"
#include "nft-encode.h"
#include "nft-error.h"
#include "nft-reader.h"
#include "nl-socket.h"
#include "reserved.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define TIMEOUT_MS 5000 /* the kernel answers inside send (); this only bounds a bug */

/* A large set is a hash table that the kernel makes larger in the background (net/netfilter/nft_set_hash.c, rhashtable): read meanwhile, an element
 * may be missing or come twice. So what differs is looked at again before it counts. */
#define READINGS_MAX 8
#define OWNED (VPND_NFT_TABLE_OWNER | VPND_NFT_TABLE_PERSIST)
/* Place of the "add table" that carries the flags in a batch of vpnd_nft_encode_replace(). */
#define FLAGGED_MESSAGE 3u

typedef enum
{
  OPERATION_APPLY,
  OPERATION_REMOVE,
  OPERATION_CHECK,
  OPERATION_RESTORE,
} OperationKind;

/**
 * Operation:
 * @task: (owned): the caller's; one without a callback for check and restore
 * @ruleset: (owned) (nullable): for apply and remove; for restore what is in force at its start
 * @batch: (owned) (nullable): what was sent
 * @first_seq: sequence number of its first message
 * @flags: table flags in it
 * @readings: how often it was read back and differed
 * @is_change: the batch changes what differs from what is in force
 * @is_whole: the whole table has to go, because a change did not do
 */
typedef struct
{
  OperationKind kind;
  GTask *task;
  VpndRuleset *ruleset;
  GBytes *batch;
  guint32 first_seq;
  guint32 flags;
  guint readings;
  gboolean is_change;
  gboolean is_whole;
} Operation;

/**
 * VpndFirewallNft:
 * @socket: (owned): sends; the kernel's owner of the table
 * @watch: (owned) (nullable): listens while a table of ours is in force
 * @applied: (owned) (nullable): what is in force as far as we know
 * @seen: (owned) (nullable): the same as it was read back, with the kernel's numbers
 * @operations: (element-type Operation) (owned): the first one runs when @is_running
 * @look: (owned) (nullable): starts a check, once all notifications of a burst were read
 * @has_restore: a restore waits in @operations
 * @is_reported: "tampered" was emitted and nobody asked for rules since
 */
struct _VpndFirewallNft
{
  GObject parent_instance;

  VpndNlSocket *socket;
  VpndNlSocket *watch;
  gboolean allow_owner;
  VpndRuleset *applied;
  VpndRuleset *seen;
  guint32 applied_flags;
  GQueue operations;
  gboolean is_running;
  GSource *look;
  gboolean has_restore;
  gboolean is_reported;
};

static void vpnd_firewall_nft_iface_init (VpndFirewallInterface *iface);
static void run_next (VpndFirewallNft *self);
static void apply_send (VpndFirewallNft *self, Operation *operation);
static void apply_whole (VpndFirewallNft *self, Operation *operation);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndFirewallNft, vpnd_firewall_nft, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_FIREWALL, vpnd_firewall_nft_iface_init))

static void
operation_free (Operation *operation)
{
  g_clear_object (&operation->task);
  g_clear_pointer (&operation->ruleset, vpnd_ruleset_unref);
  g_clear_pointer (&operation->batch, g_bytes_unref);
  g_free (operation);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Operation, operation_free)

/* Takes the running operation out, answers it, and starts the next one. */
static void
end_operation (VpndFirewallNft *self, GError *error)
{
  g_autoptr (VpndFirewallNft) alive = g_object_ref (self);
  g_autoptr (Operation) operation = g_queue_pop_head (&self->operations);

  (void) alive; /* held to the end: who hears the answer may let go of us */
  self->is_running = FALSE;
  if (error != NULL)
    g_task_return_error (operation->task, error);
  else
    g_task_return_boolean (operation->task, TRUE);
  run_next (self);
  if (operation->kind == OPERATION_RESTORE && self->applied != NULL && !self->is_reported)
    {
      self->is_reported = TRUE;
      vpnd_firewall_emit_tampered (VPND_FIREWALL (self));
    }
}

static void
remember (VpndFirewallNft *self, VpndRuleset *ruleset, guint32 flags)
{
  g_clear_pointer (&self->applied, vpnd_ruleset_unref);
  g_clear_pointer (&self->seen, vpnd_ruleset_unref);
  self->applied = ruleset != NULL ? vpnd_ruleset_ref (ruleset) : NULL;
  self->applied_flags = flags;
}

static gboolean
is_as_applied (VpndFirewallNft *self, const VpndNftTable *table)
{
  return table->is_present && table->flags == self->applied_flags && vpnd_ruleset_equal (table->ruleset, self->applied);
}

static void
queue_operation (VpndFirewallNft *self, OperationKind kind, GTask *task, VpndRuleset *ruleset)
{
  Operation *operation = g_new0 (Operation, 1);

  operation->kind = kind;
  operation->task = g_object_ref (task);
  operation->ruleset = ruleset != NULL ? vpnd_ruleset_ref (ruleset) : NULL;
  g_queue_push_tail (&self->operations, operation);
  run_next (self);
}

/* For an operation that nobody outside waits for. */
static void
queue_own_operation (VpndFirewallNft *self, OperationKind kind)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);

  g_task_set_source_tag (task, queue_own_operation);
  queue_operation (self, kind, task, NULL);
}

static void
queue_restore (VpndFirewallNft *self)
{
  if (self->has_restore)
    return;
  self->has_restore = TRUE;
  queue_own_operation (self, OPERATION_RESTORE);
}

static void
stop_look (VpndFirewallNft *self)
{
  if (self->look != NULL)
    g_source_destroy (self->look);
  g_clear_pointer (&self->look, g_source_unref);
}

static gboolean
on_look (gpointer user_data)
{
  VpndFirewallNft *self = user_data;

  stop_look (self); /* what comes from now on needs another look */
  queue_own_operation (self, OPERATION_CHECK);
  return G_SOURCE_REMOVE;
}

/* Another program's change of our table, or lost notifications. A table that is gone need not be looked at, and the messages about what
 * was in it come before the one about itself: the look waits for the end of the burst. Our own changes carry our port. */
static void
on_notification (const struct nlmsghdr *message, gpointer user_data)
{
  VpndFirewallNft *self = user_data;

  if (self->applied == NULL)
    return;
  if (message != NULL && (message->nlmsg_pid == vpnd_nl_socket_get_portid (self->socket) || !vpnd_nft_message_concerns_table (message, self->applied->table)))
    return;

  if (message != NULL && NFNL_MSG_TYPE (message->nlmsg_type) == NFT_MSG_DELTABLE)
    {
      stop_look (self);
      queue_restore (self);
    }
  else if (self->look == NULL)
    {
      self->look = g_idle_source_new ();
      g_source_set_priority (self->look, G_PRIORITY_DEFAULT);
      g_source_set_callback (self->look, on_look, self, NULL);
      g_source_attach (self->look, g_main_context_get_thread_default ());
    }
}

/* The watch starts before the table is in force, so that nothing is missed. */
static gboolean
start_watch (VpndFirewallNft *self, GError **error)
{
  g_autoptr (VpndNlSocket) watch = NULL;

  if (self->watch != NULL)
    return TRUE;
  watch = vpnd_nl_socket_new (NETLINK_NETFILTER, error);
  if (watch == NULL || !vpnd_nl_socket_join (watch, NFNLGRP_NFTABLES, error))
    return FALSE;
  vpnd_nl_socket_set_notify (watch, on_notification, self);
  self->watch = g_steal_pointer (&watch);
  return TRUE;
}

static void
stop_watch (VpndFirewallNft *self)
{
  stop_look (self);
  if (self->watch != NULL)
    vpnd_nl_socket_set_notify (self->watch, NULL, NULL);
  g_clear_object (&self->watch);
}

static Operation *
current (VpndFirewallNft *self)
{
  return g_queue_peek_head (&self->operations);
}

static void on_read_back (GObject *source, GAsyncResult *result, gpointer user_data);

static void
read_back (VpndFirewallNft *self, Operation *operation)
{
  vpnd_nft_read_async (self->socket, operation->ruleset, g_task_get_cancellable (operation->task), on_read_back, g_object_ref (self));
}

static void
on_read_back (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndFirewallNft) self = user_data;
  Operation *operation = current (self);
  g_auto (VpndNftTable) table = { 0 };
  GError *error = NULL;

  if (!vpnd_nft_read_finish (VPND_NL_SOCKET (source), result, &table, &error))
    {
      if (operation->is_change && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_clear_error (&error); /* what another program put there may be what cannot be read, and a change keeps it */
          apply_whole (self, operation);
          return;
        }
      g_prefix_error_literal (&error, "reading back: ");
      end_operation (self, error);
    }
  else if (table.is_present && table.flags == VPND_NFT_TABLE_OWNER && operation->flags != 0)
    {
      self->allow_owner = FALSE; /* the kernel took owner and dropped persist: such a table would go away with us */
      apply_send (self, operation);
    }
  else if (!is_as_applied (self, &table) && table.is_present && ++operation->readings < READINGS_MAX)
    {
      read_back (self, operation);
    }
  else if (!is_as_applied (self, &table) && operation->is_change)
    {
      apply_whole (self, operation);
    }
  else if (!is_as_applied (self, &table))
    {
      end_operation (self, g_error_new (VPND_ERROR, VPND_ERROR_FIREWALL, "table inet %s is not in force as it was sent%s", operation->ruleset->table, table.is_present ? "" : ": it is missing"));
    }
  else
    {
      self->seen = g_steal_pointer (&table.ruleset);
      end_operation (self, NULL);
    }
}

static gboolean
is_owner_unknown (const Operation *operation, const VpndNlError *refusal)
{
  return operation->flags != 0 && refusal->error == EOPNOTSUPP && refusal->seq == operation->first_seq + FLAGGED_MESSAGE;
}

static void
on_apply_sent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndFirewallNft) self = user_data;
  Operation *operation = current (self);
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply != NULL && reply->errors->len > 0)
    {
      const VpndNlError *refusal = &g_array_index (reply->errors, VpndNlError, 0);

      if (operation->is_change)
        {
          apply_whole (self, operation); /* what was known of the table is not so */
          return;
        }
      if (is_owner_unknown (operation, refusal))
        {
          self->allow_owner = FALSE;
          apply_send (self, operation);
          return;
        }
      vpnd_nft_set_error (&error, operation->batch, refusal);
      end_operation (self, error);
      return;
    }

  /* Without an answer (lost, cancelled) the batch has most likely gone through, since the kernel works inside send(): watch for it. */
  remember (self, operation->ruleset, operation->flags);
  if (reply == NULL)
    end_operation (self, error);
  else
    read_back (self, operation);
}

/* A change of what differs is cheap, and packets that are held stay held. Where another program may have touched the table, it is not known what differs. */
static VpndNftChange *
plan_change (VpndFirewallNft *self, const Operation *operation)
{
  if (operation->kind != OPERATION_APPLY || operation->is_whole || self->applied == NULL || self->look != NULL || self->has_restore)
    return NULL;
  return vpnd_nft_change_new (self->seen != NULL ? self->seen : self->applied, operation->ruleset);
}

static void
apply_whole (VpndFirewallNft *self, Operation *operation)
{
  operation->is_whole = TRUE;
  operation->readings = 0;
  apply_send (self, operation);
}

static void
apply_send (VpndFirewallNft *self, Operation *operation)
{
  g_autoptr (VpndNftChange) change = plan_change (self, operation);

  g_clear_pointer (&operation->batch, g_bytes_unref);
  operation->is_change = change != NULL;
  operation->flags = change != NULL ? self->applied_flags : self->allow_owner ? OWNED
                                                                              : 0;
  operation->first_seq = vpnd_nl_socket_next_seq (self->socket, change != NULL ? vpnd_nft_change_messages (change) : vpnd_nft_replace_messages (operation->ruleset));
  operation->batch = change != NULL ? vpnd_nft_change_encode (change, operation->first_seq) : vpnd_nft_encode_replace (operation->ruleset, operation->flags, 0, operation->first_seq);
  vpnd_nl_socket_transact_async (self->socket, operation->batch, TIMEOUT_MS, g_task_get_cancellable (operation->task), on_apply_sent, g_object_ref (self));
}

static void
apply_start (VpndFirewallNft *self, Operation *operation)
{
  GError *error = NULL;

  self->is_reported = FALSE;
  if (!start_watch (self, &error))
    end_operation (self, error);
  else
    apply_send (self, operation);
}

static void
removed (VpndFirewallNft *self)
{
  remember (self, NULL, 0);
  stop_watch (self);
  end_operation (self, NULL);
}

static void
on_read_after_remove (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndFirewallNft) self = user_data;
  g_auto (VpndNftTable) table = { 0 };
  GError *error = NULL;

  if (!vpnd_nft_read_finish (VPND_NL_SOCKET (source), result, &table, &error))
    end_operation (self, error);
  else if (table.is_present)
    end_operation (self, g_error_new_literal (VPND_ERROR, VPND_ERROR_FIREWALL, "the table is still there after its removal"));
  else
    removed (self);
}

static void
on_remove_sent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndFirewallNft) self = user_data;
  Operation *operation = current (self);
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply != NULL && reply->errors->len > 0)
    vpnd_nft_set_error (&error, operation->batch, &g_array_index (reply->errors, VpndNlError, 0));

  if (error != NULL)
    end_operation (self, error);
  else if (reply->overrun)
    vpnd_nft_read_async (self->socket, operation->ruleset, g_task_get_cancellable (operation->task), on_read_after_remove, g_object_ref (self));
  else
    removed (self);
}

static void
remove_start (VpndFirewallNft *self, Operation *operation)
{
  operation->first_seq = vpnd_nl_socket_next_seq (self->socket, VPND_NFT_DELETE_MESSAGES);
  operation->batch = vpnd_nft_encode_delete (operation->ruleset->table, operation->first_seq);
  vpnd_nl_socket_transact_async (self->socket, operation->batch, TIMEOUT_MS, g_task_get_cancellable (operation->task), on_remove_sent, g_object_ref (self));
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndFirewallNft) self = user_data;
  g_auto (VpndNftTable) table = { 0 };
  g_autoptr (GError) error = NULL;

  if (!vpnd_nft_read_finish (VPND_NL_SOCKET (source), result, &table, &error) || !is_as_applied (self, &table))
    queue_restore (self); /* what cannot be read cannot be trusted */
  end_operation (self, NULL);
}

static void
check_start (VpndFirewallNft *self)
{
  if (self->applied == NULL)
    end_operation (self, NULL);
  else
    vpnd_nft_read_async (self->socket, self->applied, NULL, on_checked, g_object_ref (self));
}

/* Whatever is in force now: a request that came before its turn may have changed it. */
static void
restore_start (VpndFirewallNft *self, Operation *operation)
{
  self->has_restore = FALSE;
  if (self->applied == NULL)
    {
      end_operation (self, NULL);
      return;
    }
  operation->ruleset = vpnd_ruleset_ref (self->applied);
  apply_send (self, operation);
}

static void
run_next (VpndFirewallNft *self)
{
  Operation *operation = current (self);

  if (self->is_running || operation == NULL)
    return;
  self->is_running = TRUE;
  switch (operation->kind)
    {
    case OPERATION_APPLY:
      apply_start (self, operation);
      break;
    case OPERATION_REMOVE:
      remove_start (self, operation);
      break;
    case OPERATION_CHECK:
      check_start (self);
      break;
    case OPERATION_RESTORE:
      restore_start (self, operation);
      break;
    }
}

static void
vpnd_firewall_nft_apply_async (VpndFirewall *firewall, VpndRuleset *ruleset, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (firewall, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_firewall_nft_apply_async);
  g_task_set_check_cancellable (task, FALSE); /* a table that is in force is reported as such */
  queue_operation (VPND_FIREWALL_NFT (firewall), OPERATION_APPLY, task, ruleset);
}

static void
vpnd_firewall_nft_remove_async (VpndFirewall *firewall, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (firewall, cancellable, callback, user_data);
  g_autoptr (VpndRuleset) nothing = vpnd_ruleset_new (VPND_NFT_TABLE);

  g_task_set_source_tag (task, vpnd_firewall_nft_remove_async);
  g_task_set_check_cancellable (task, FALSE);
  queue_operation (VPND_FIREWALL_NFT (firewall), OPERATION_REMOVE, task, nothing);
}

/**
 * vpnd_firewall_nft_is_owner:
 * @self: a firewall
 *
 * Returns: TRUE when the table that was applied last belongs to us and outlives us, so that no other program can change it
 */
gboolean
vpnd_firewall_nft_is_owner (VpndFirewallNft *self)
{
  g_return_val_if_fail (VPND_IS_FIREWALL_NFT (self), FALSE);

  return self->applied != NULL && self->applied_flags == OWNED;
}

/**
 * vpnd_firewall_nft_new_full:
 * @allow_owner: FALSE to behave as on a kernel without owner and persist
 * @error: return location for an error
 *
 * Returns: (transfer full): a firewall; NULL with VPND_ERROR_KERNEL_FEATURE or a G_IO_ERROR of the socket
 */
VpndFirewall *
vpnd_firewall_nft_new_full (gboolean allow_owner, GError **error)
{
  g_autoptr (VpndFirewallNft) self = g_object_new (VPND_TYPE_FIREWALL_NFT, NULL);

  self->allow_owner = allow_owner;
  self->socket = vpnd_nl_socket_new (NETLINK_NETFILTER, error);
  if (self->socket == NULL)
    return NULL;
  return VPND_FIREWALL (g_steal_pointer (&self));
}

/**
 * vpnd_firewall_nft_new:
 * @error: return location for an error
 *
 * Returns: (transfer full): a firewall; NULL with VPND_ERROR_KERNEL_FEATURE or a G_IO_ERROR of the socket
 */
VpndFirewall *
vpnd_firewall_nft_new (GError **error)
{
  return vpnd_firewall_nft_new_full (TRUE, error);
}

static void
vpnd_firewall_nft_dispose (GObject *object)
{
  VpndFirewallNft *self = VPND_FIREWALL_NFT (object);

  /* Operations hold a reference to us: here there is none. */
  stop_watch (self);
  g_clear_object (&self->socket);
  remember (self, NULL, 0);
  G_OBJECT_CLASS (vpnd_firewall_nft_parent_class)->dispose (object);
}

static void
vpnd_firewall_nft_class_init (VpndFirewallNftClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_firewall_nft_dispose;
}

static void
vpnd_firewall_nft_iface_init (VpndFirewallInterface *iface)
{
  iface->apply_async = vpnd_firewall_nft_apply_async;
  iface->remove_async = vpnd_firewall_nft_remove_async;
}

static void
vpnd_firewall_nft_init (VpndFirewallNft *self)
{
  g_queue_init (&self->operations);
}
