/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-names.h. An answer waits for its own addresses, whatever ruleset brings them. What an answer brings is merged with what comes while the rules are made
 * anew, so a flood of answers costs one ruleset in each pause.
 */
#include "config.h"

#include "split-names.h"

#include "name-table.h"

#include <string.h>

#define REPORT_PAUSE_US (60 * G_USEC_PER_SEC)
#define EXPIRY_PAUSE_MS 1000u /* what goes within it goes together */
#define WAITING_MAX 256u
#define US_PER_MS 1000
#define PAUSE_US (VPND_SPLIT_NAMES_PAUSE_MS * US_PER_MS)
#define CREDIT_MAX 30 /* rulesets in a row without a pause: a page of the web that asks for so many new names */

/* An answer that the watch holds. */
typedef struct
{
  guint64 ticket;
  gint64 until_us;
  GArray *addrs; /* (element-type VpndAddr) (owned) */
} Waiting;

struct _VpndSplitNames
{
  GObject parent_instance;

  VpndNameWatch *watch; /* (owned) */
  VpndClock *clock;     /* (owned) */
  VpndSplitNamesFunc changed;
  gpointer changed_data;
  VpndNameTable *table;      /* (owned) */
  VpndSplitPlan *plan;       /* (owned) (nullable): in force */
  GArray *waiting;           /* (element-type Waiting) (owned) */
  GCancellable *cancellable; /* (owned) (nullable): of the start that is under way */
  VpndQueueForm form;
  char *problem; /* (owned) (nullable) */
  gint64 called_us;
  gint64 reported_us; /* when it was told last that an answer has gone on too early; 0 for never */
  gint64 credited_us;
  guint credit;        /* calls that may come without a pause; one more comes back with each */
  gboolean is_awaited; /* the ruleset of the last call is not in force yet, as far as is known */
  guint call;          /* id of the clock's schedule, 0 for none */
  guint expiry;        /* the same */
  gint64 expiry_us;    /* when it is due */
};

G_DEFINE_FINAL_TYPE (VpndSplitNames, vpnd_split_names, G_TYPE_OBJECT)

static void
waiting_clear (gpointer data)
{
  g_clear_pointer (&((Waiting *) data)->addrs, g_array_unref);
}

/* --- telling that the rules have to be made anew --- */

static void
refill (VpndSplitNames *self, gint64 now_us)
{
  const gint64 periods = (now_us - self->credited_us) / PAUSE_US;

  self->credit = (guint) MIN (self->credit + periods, CREDIT_MAX);
  self->credited_us += periods * PAUSE_US;
}

static void
on_call (gpointer user_data)
{
  VpndSplitNames *self = user_data;

  self->call = 0;
  self->called_us = vpnd_clock_now_us (self->clock);
  refill (self, self->called_us);
  self->credit -= self->credit > 0;
  self->is_awaited = TRUE;
  self->changed (self->changed_data);
}

static void
cancel (VpndSplitNames *self, guint *id)
{
  if (*id != 0)
    vpnd_clock_cancel (self->clock, *id);
  *id = 0;
}

/* One ruleset after the other, as soon as the former is in force; without news of that, and when there have been many, in pauses. */
static void
schedule_call (VpndSplitNames *self)
{
  const gint64 now_us = vpnd_clock_now_us (self->clock);
  gint64 due_us = now_us;

  refill (self, now_us);
  if (self->credit == 0)
    due_us = self->credited_us + PAUSE_US;
  if (self->is_awaited)
    due_us = MAX (due_us, self->called_us + PAUSE_US);
  cancel (self, &self->call);
  self->call = vpnd_clock_schedule (self->clock, (guint) ((MAX (due_us - now_us, 0) + US_PER_MS - 1) / US_PER_MS), on_call, self);
}

static void
request_call (VpndSplitNames *self)
{
  if (self->call == 0)
    schedule_call (self);
}

static void on_expiry (gpointer user_data);

static void
watch_expiry (VpndSplitNames *self)
{
  const gint64 next_us = vpnd_name_table_next_expiry_us (self->table);
  gint64 delay_ms;

  if (self->expiry != 0 && next_us == self->expiry_us)
    return;
  cancel (self, &self->expiry);
  if (next_us == G_MAXINT64)
    return;
  delay_ms = (next_us - vpnd_clock_now_us (self->clock) + US_PER_MS - 1) / US_PER_MS;
  self->expiry_us = next_us;
  self->expiry = vpnd_clock_schedule (self->clock, (guint) MAX (delay_ms, (gint64) EXPIRY_PAUSE_MS), on_expiry, self);
}

static void
on_expiry (gpointer user_data)
{
  VpndSplitNames *self = user_data;

  self->expiry = 0;
  if (vpnd_name_table_expire (self->table, vpnd_clock_now_us (self->clock)))
    request_call (self);
  watch_expiry (self);
}

/* --- answers --- */

static int
compare_addrs (gconstpointer a, gconstpointer b)
{
  return vpnd_addr_compare (a, b);
}

static gboolean
is_in_plan (const VpndSplitPlan *plan, const VpndAddr *addr)
{
  return g_array_binary_search (plan->excluded_addrs, addr, compare_addrs, NULL) || g_array_binary_search (plan->included_addrs, addr, compare_addrs, NULL);
}

static gboolean
are_in_force (VpndSplitNames *self, const GArray *addrs)
{
  if (self->plan == NULL)
    return FALSE;
  for (guint i = 0; i < addrs->len; i++)
    if (!is_in_plan (self->plan, &g_array_index (addrs, VpndAddr, i)))
      return FALSE;
  return TRUE;
}

static void
report (const VpndNameResult *result)
{
  if (vpnd_addr_is_set (&result->refused))
    g_message ("Split tunnelling: a resolver gave %s an address that no public host has or that the tunnel needs; it goes by the tunnel", result->domain);
  if (result->is_full)
    g_message ("Split tunnelling: the domains of the rules have more than %u addresses; the others go as if there were no rule", VPND_NAME_TABLE_MAX);
}

static void
wait_for_rules (VpndSplitNames *self, guint64 ticket, GArray *addrs)
{
  const gint64 now_us = vpnd_clock_now_us (self->clock);
  const Waiting waiting = { .ticket = ticket, .until_us = now_us + VPND_NAME_WATCH_HOLD_MS * US_PER_MS, .addrs = addrs };

  if (self->waiting->len >= WAITING_MAX)
    g_array_remove_index (self->waiting, 0); /* long gone: the watch holds fewer */
  g_array_append_val (self->waiting, waiting);
}

static void
on_answer (VpndNameWatch *watch, guint64 ticket, const VpndDnsAnswer *answer, gpointer user_data)
{
  VpndSplitNames *self = user_data;
  g_auto (VpndNameResult) result = { 0 };

  vpnd_name_table_add (self->table, answer, vpnd_clock_now_us (self->clock), &result);
  report (&result);
  if (are_in_force (self, result.addrs) || result.addrs->len == 0)
    vpnd_name_watch_release (self->watch, ticket);
  else
    wait_for_rules (self, ticket, g_steal_pointer (&result.addrs));
  if (result.domain != NULL)
    watch_expiry (self);
  if (result.has_changed)
    request_call (self);
}

/* The watch holds nothing for longer than its time. */
static void
report_overdue (VpndSplitNames *self, const Waiting *waiting)
{
  const gint64 now_us = vpnd_clock_now_us (self->clock);

  if (waiting->until_us > now_us || (self->reported_us != 0 && now_us - self->reported_us < REPORT_PAUSE_US))
    return;
  self->reported_us = now_us;
  g_message ("Split tunnelling: an answer went on before its addresses were in force; the first packets to them may have gone as if there were no rule");
}

/**
 * vpnd_split_names_in_force:
 * @self: the names
 * @plan: (nullable): what the ruleset was made of that is in force now; NULL: none is, or it knows no split tunnelling
 *
 * Lets the answers go all whose addresses stand in @plan; without a plan all.
 */
void
vpnd_split_names_in_force (VpndSplitNames *self, const VpndSplitPlan *plan)
{
  guint i = 0;

  g_return_if_fail (VPND_IS_SPLIT_NAMES (self));

  g_clear_pointer (&self->plan, vpnd_split_plan_unref);
  self->plan = plan != NULL ? vpnd_split_plan_ref ((VpndSplitPlan *) plan) : NULL;
  self->is_awaited = FALSE;
  if (self->call != 0)
    schedule_call (self);
  while (i < self->waiting->len)
    {
      const Waiting *waiting = &g_array_index (self->waiting, Waiting, i);

      if (plan != NULL && !are_in_force (self, waiting->addrs))
        {
          i++;
          continue;
        }
      report_overdue (self, waiting);
      vpnd_name_watch_release (self->watch, waiting->ticket);
      g_array_remove_index (self->waiting, i);
    }
}

/* --- rules --- */

static void
on_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndSplitNames) self = user_data;
  g_autoptr (GError) error = NULL;
  const VpndQueueForm form = vpnd_name_watch_start_finish (VPND_NAME_WATCH (source), result, &error);

  if (self->cancellable == NULL || g_cancellable_is_cancelled (self->cancellable)) /* stopped in between */
    return;
  g_clear_object (&self->cancellable);
  self->form = form;
  g_free (self->problem);
  self->problem = error != NULL ? g_strdup (error->message) : NULL;
  if (error != NULL)
    g_message ("Split tunnelling: rules by domain take no effect: %s", error->message);
  request_call (self);
}

static void
stop (VpndSplitNames *self)
{
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->problem, g_free);
  g_array_set_size (self->waiting, 0);
  self->form = VPND_QUEUE_NONE;
  vpnd_name_watch_stop (self->watch);
}

/**
 * vpnd_split_names_set_rules:
 * @self: the names
 * @config: all rules
 *
 * Listens as long as there are rules by domain. What is known of the domains that stay is kept; the caller makes the plan anew afterwards, as after every change
 * of the rules, and is called once more when listening has begun or cannot.
 */
void
vpnd_split_names_set_rules (VpndSplitNames *self, const VpndSplitConfig *config)
{
  g_return_if_fail (VPND_IS_SPLIT_NAMES (self));

  (void) vpnd_name_table_set_rules (self->table, config);
  watch_expiry (self);
  if (!vpnd_name_table_has_domains (self->table))
    {
      stop (self);
    }
  else if (self->form == VPND_QUEUE_NONE && self->cancellable == NULL)
    {
      self->cancellable = g_cancellable_new ();
      vpnd_name_watch_start_async (self->watch, self->cancellable, on_started, g_object_ref (self));
    }
}

/**
 * vpnd_split_names_set_protected:
 * @self: the names
 * @prefixes: (element-type VpndPrefix): the addresses inside of the tunnel, the networks that they are in, and the resolvers that are asked by it
 *
 * No name has an address of these, whatever a resolver says.
 */
void
vpnd_split_names_set_protected (VpndSplitNames *self, const GArray *prefixes)
{
  g_return_if_fail (VPND_IS_SPLIT_NAMES (self));

  if (!vpnd_name_table_set_protected (self->table, prefixes))
    return;
  watch_expiry (self);
  request_call (self);
}

/**
 * vpnd_split_names_get_queue:
 * @self: the names
 *
 * Returns: how rules hold answers, for VpndSplitFacts
 */
VpndQueueForm
vpnd_split_names_get_queue (VpndSplitNames *self)
{
  g_return_val_if_fail (VPND_IS_SPLIT_NAMES (self), VPND_QUEUE_NONE);

  return self->form;
}

/**
 * vpnd_split_names_get_problem:
 * @self: the names
 *
 * Returns: (transfer none) (nullable): why no rule by domain takes effect, in one sentence; NULL when they do, or will in a moment
 */
const char *
vpnd_split_names_get_problem (VpndSplitNames *self)
{
  g_return_val_if_fail (VPND_IS_SPLIT_NAMES (self), NULL);

  return self->problem;
}

/**
 * vpnd_split_names_is_starting:
 * @self: the names
 *
 * Returns: TRUE when it is not known yet whether rules by domain take effect; when it is, VpndSplitNamesFunc is called
 */
gboolean
vpnd_split_names_is_starting (VpndSplitNames *self)
{
  g_return_val_if_fail (VPND_IS_SPLIT_NAMES (self), FALSE);

  return self->cancellable != NULL;
}

/**
 * vpnd_split_names_get_names:
 * @self: the names
 *
 * Returns: (transfer none) (element-type VpndSplitName): what is known now, for VpndSplitFacts; valid until the main loop runs or anything of this is called
 */
const GArray *
vpnd_split_names_get_names (VpndSplitNames *self)
{
  g_return_val_if_fail (VPND_IS_SPLIT_NAMES (self), NULL);

  return vpnd_name_table_get_names (self->table);
}

/**
 * vpnd_split_names_new:
 * @watch: the port
 * @clock: the port
 * @changed: called when plan and ruleset have to be made anew; may call anything of this
 * @user_data: passed to @changed
 *
 * Returns: (transfer full): names without rules, which listen to nothing
 */
VpndSplitNames *
vpnd_split_names_new (VpndNameWatch *watch, VpndClock *clock, VpndSplitNamesFunc changed, gpointer user_data)
{
  VpndSplitNames *self = g_object_new (VPND_TYPE_SPLIT_NAMES, NULL);

  self->watch = g_object_ref (watch);
  self->clock = g_object_ref (clock);
  self->changed = changed;
  self->changed_data = user_data;
  g_signal_connect_object (watch, "answer", G_CALLBACK (on_answer), self, 0);
  return self;
}

static void
vpnd_split_names_dispose (GObject *object)
{
  VpndSplitNames *self = VPND_SPLIT_NAMES (object);

  if (self->watch != NULL)
    stop (self);
  if (self->clock != NULL)
    {
      cancel (self, &self->call);
      cancel (self, &self->expiry);
    }
  g_clear_object (&self->watch);
  g_clear_object (&self->clock);
  g_clear_pointer (&self->plan, vpnd_split_plan_unref);
  G_OBJECT_CLASS (vpnd_split_names_parent_class)->dispose (object);
}

static void
vpnd_split_names_finalize (GObject *object)
{
  VpndSplitNames *self = VPND_SPLIT_NAMES (object);

  vpnd_name_table_free (self->table);
  g_array_unref (self->waiting);
  G_OBJECT_CLASS (vpnd_split_names_parent_class)->finalize (object);
}

static void
vpnd_split_names_class_init (VpndSplitNamesClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_split_names_dispose;
  G_OBJECT_CLASS (klass)->finalize = vpnd_split_names_finalize;
}

static void
vpnd_split_names_init (VpndSplitNames *self)
{
  self->table = vpnd_name_table_new ();
  self->waiting = g_array_new (FALSE, FALSE, sizeof (Waiting));
  g_array_set_clear_func (self->waiting, waiting_clear);
}
