/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See quota.h. A token bucket and a count for each sender. A sender without calls whose bucket is full again is the same as one
 * that was never seen, so it is forgotten; that bounds the table by the calls of the last two seconds.
 */
#include "config.h"

#include "quota.h"

#include "error.h"

#define TOKEN_US (G_USEC_PER_SEC / VPND_QUOTA_CALLS_PER_SECOND)
#define FULL_US ((gint64) VPND_QUOTA_BURST * TOKEN_US)
#define SWEEP_AT 64 /* senders; fewer are not worth looking for the forgettable ones */

/* The bucket is kept as the time at which it will be full: one call moves it by TOKEN_US. */
typedef struct
{
  guint calls;
  gint64 full_at_us;
} Sender;

struct _VpndQuota
{
  GHashTable *senders; /* (element-type utf8 Sender) (owned) */
  guint calls;
  guint dialogs;
  guint sweep_at;
};

/**
 * vpnd_quota_new:
 *
 * Returns: (transfer full): a quota that nobody has used
 */
VpndQuota *
vpnd_quota_new (void)
{
  VpndQuota *quota = g_new0 (VpndQuota, 1);

  quota->senders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  quota->sweep_at = SWEEP_AT;
  return quota;
}

/**
 * vpnd_quota_free:
 * @quota: (transfer full) (nullable): a quota
 */
void
vpnd_quota_free (VpndQuota *quota)
{
  if (quota == NULL)
    return;

  g_hash_table_unref (quota->senders);
  g_free (quota);
}

static gboolean
is_forgettable (gpointer key, gpointer value, gpointer user_data)
{
  const Sender *sender = value;
  const gint64 *now_us = user_data;

  return sender->calls == 0 && sender->full_at_us <= *now_us;
}

static void
sweep (VpndQuota *quota, gint64 now_us)
{
  if (g_hash_table_size (quota->senders) < quota->sweep_at)
    return;

  g_hash_table_foreach_remove (quota->senders, is_forgettable, &now_us);
  /* Twice of what is left: sweeping stays cheap whatever the number of senders. */
  quota->sweep_at = MAX (SWEEP_AT, 2 * g_hash_table_size (quota->senders));
}

/**
 * vpnd_quota_begin_call:
 * @quota: a quota
 * @sender: unique bus name
 * @now_us: monotonic microseconds
 * @error: VPND_ERROR_LIMITS_EXCEEDED
 *
 * Counts a call that is to be answered; on success vpnd_quota_end_call() must follow. A refused call costs nothing.
 *
 * Returns: TRUE when the call may go on
 */
gboolean
vpnd_quota_begin_call (VpndQuota *quota, const char *sender, gint64 now_us, GError **error)
{
  Sender *entry = g_hash_table_lookup (quota->senders, sender);

  /* Who has nothing going on is heard whatever others do: many clients of one user must not keep root from a disconnect. How many
   * there can be, the bus bounds (max_connections_per_user of dbus-daemon(1)). */
  if (quota->calls >= VPND_QUOTA_CALLS && entry != NULL && entry->calls > 0)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "the service has too many unanswered calls; try again later");
      return FALSE;
    }
  if (entry == NULL)
    {
      sweep (quota, now_us);
      entry = g_new0 (Sender, 1);
      g_hash_table_insert (quota->senders, g_strdup (sender), entry);
    }
  if (entry->calls >= VPND_QUOTA_CALLS_PER_SENDER)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "more than %d unanswered calls of one client", VPND_QUOTA_CALLS_PER_SENDER);
      return FALSE;
    }
  if (MAX (entry->full_at_us, now_us) + TOKEN_US > now_us + FULL_US)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "more than %d calls a second of one client", VPND_QUOTA_CALLS_PER_SECOND);
      return FALSE;
    }
  entry->full_at_us = MAX (entry->full_at_us, now_us) + TOKEN_US;
  entry->calls++;
  quota->calls++;
  return TRUE;
}

/**
 * vpnd_quota_end_call:
 * @quota: a quota
 * @sender: unique bus name of a call that was begun
 */
void
vpnd_quota_end_call (VpndQuota *quota, const char *sender)
{
  Sender *entry = g_hash_table_lookup (quota->senders, sender);

  g_return_if_fail (entry != NULL && entry->calls > 0);

  entry->calls--;
  quota->calls--;
}

/**
 * vpnd_quota_begin_dialog:
 * @quota: a quota
 *
 * Asks whether one more authorization may show a dialog. Without it the authorization goes on, silently: open dialogs of some
 * must not keep others, root above all, from what they may do without being asked.
 *
 * Returns: TRUE when it may; vpnd_quota_end_dialog() must follow
 */
gboolean
vpnd_quota_begin_dialog (VpndQuota *quota)
{
  if (quota->dialogs >= VPND_QUOTA_DIALOGS)
    return FALSE;

  quota->dialogs++;
  return TRUE;
}

/**
 * vpnd_quota_end_dialog:
 * @quota: a quota with a dialog
 */
void
vpnd_quota_end_dialog (VpndQuota *quota)
{
  g_return_if_fail (quota->dialogs > 0);

  quota->dialogs--;
}

/**
 * vpnd_quota_get_n_senders:
 * @quota: a quota
 *
 * Returns: the number of senders that are remembered
 */
guint
vpnd_quota_get_n_senders (const VpndQuota *quota)
{
  return g_hash_table_size (quota->senders);
}
