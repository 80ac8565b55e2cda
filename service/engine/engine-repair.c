/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What other programs do to what is ours: it is noticed whenever we do not change it ourselves, told, and made an event, with patience for those who insist.
 * What is put right, and how, core decides.
 */
#include "config.h"

#include "engine-private.h"

#include "log.h"

#define REPAIR_WARNING "repaired: "

/* One line stands for all repairs; in the log each has its own. */
static void
note_repair (VpndEngine *self, const char *what)
{
  g_autofree char *text = NULL;

  self->repairs++;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_REPAIRED, "Another program has taken away: %s; putting it back", what);
  for (guint i = self->warnings->len; i > 0; i--)
    {
      if (g_str_has_prefix (g_ptr_array_index (self->warnings, i - 1), REPAIR_WARNING))
        g_ptr_array_remove_index (self->warnings, i - 1);
    }
  text = g_strdup_printf (REPAIR_WARNING "another program took away %s (%u %s in all)", what, self->repairs, self->repairs == 1 ? "time" : "times");
  vpnd_engine_add_warning (self, text);
}

static void
on_repair_due (gpointer user_data)
{
  VpndEngine *self = user_data;

  self->repair = 0;
  vpnd_engine_post (self, VPND_EVENT_DISTURBED);
}

/**
 * vpnd_engine_cancel_repair:
 * @self: the engine
 *
 * What was due is not asked for any more.
 */
void
vpnd_engine_cancel_repair (VpndEngine *self)
{
  if (self->repair != 0)
    vpnd_clock_cancel (self->ports.clock, self->repair);
  self->repair = 0;
}

/**
 * vpnd_engine_repair:
 * @self: the engine
 * @what: what another program has taken away
 *
 * Asks for it once more, at once or when the back-off says so; and tells it. While we change things ourselves nothing is asked for.
 */
void
vpnd_engine_repair (VpndEngine *self, const char *what)
{
  guint delay_ms;

  if (self->repair != 0 || self->is_busy || self->state->routes == NULL)
    return;

  note_repair (self, what);
  delay_ms = vpnd_backoff_next (&self->backoff, vpnd_clock_now_us (self->ports.clock) / 1000);
  if (delay_ms == 0)
    vpnd_engine_post (self, VPND_EVENT_DISTURBED);
  else
    self->repair = vpnd_clock_schedule (self->ports.clock, delay_ms, on_repair_due, self);
}

/**
 * vpnd_engine_watch_router:
 * @self: the engine
 * @plan: (nullable): what is in force, and to be watched whenever we do not change it ourselves; NULL for nothing
 */
void
vpnd_engine_watch_router (VpndEngine *self, VpndRoutePlan *plan)
{
  if (plan == NULL && !self->is_watching)
    return;
  self->is_watching = plan != NULL;
  vpnd_router_watch (self->ports.router, plan);
}

static void
on_dns_repair_due (gpointer user_data)
{
  VpndEngine *self = user_data;

  self->dns_repair = 0;
  vpnd_engine_post (self, VPND_EVENT_DNS_OVERWRITTEN);
}

/**
 * vpnd_engine_repair_dns:
 * @self: the engine
 *
 * At once, or when the back-off says so: two programs that both insist cost little.
 */
void
vpnd_engine_repair_dns (VpndEngine *self)
{
  if (self->dns_repair == 0 && (self->state->host & VPND_HOST_DNS))
    self->dns_repair = vpnd_clock_schedule (self->ports.clock, vpnd_backoff_next (&self->dns_backoff, vpnd_clock_now_us (self->ports.clock) / 1000), on_dns_repair_due, self);
}

/**
 * vpnd_engine_cancel_dns_repair:
 * @self: the engine
 *
 * There is no DNS setting of ours any more.
 */
void
vpnd_engine_cancel_dns_repair (VpndEngine *self)
{
  if (self->dns_repair != 0)
    vpnd_clock_cancel (self->ports.clock, self->dns_repair);
  self->dns_repair = 0;
}

static void
on_dns_overwritten (VpndResolver *resolver, const char *reason, gpointer user_data)
{
  VpndEngine *self = user_data;

  if (!(self->state->host & VPND_HOST_DNS) || self->dns_repair != 0) /* the latter: what is due sooner or later is told already */
    return;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_REPAIRED, "Another program has taken away: the DNS setting (%s); putting it back", reason);
  vpnd_engine_add_warning (self, VPND_ENGINE_DNS_WARNING " changed the DNS setting; ours was put back");
  vpnd_engine_repair_dns (self);
}

/* Nobody has changed anything, so nobody is warned. */
static void
on_dns_untold (VpndResolver *resolver, const char *reason, gpointer user_data)
{
  VpndEngine *self = user_data;

  if (!(self->state->host & VPND_HOST_DNS) || self->dns_repair != 0)
    return;
  vpnd_log_event (G_LOG_LEVEL_MESSAGE, VPND_MESSAGE_REPAIRED, "The DNS setting is made again: %s", reason);
  vpnd_engine_repair_dns (self);
}

static void
on_outside_changed (VpndResolver *resolver, gpointer user_data)
{
  vpnd_engine_look_for_outside_dns (VPND_ENGINE (user_data));
}

static void
on_firewall_tampered (VpndFirewall *firewall, gpointer user_data)
{
  VpndEngine *self = user_data;

  if (self->state->ruleset == NULL)
    return;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_TAMPERED, "Another program changed our rules; putting them back");
  vpnd_engine_add_warning (self, "rules: another program changed the rules of the firewall; ours were put back");
  vpnd_executor_doubt_blocking (self->executor);
  vpnd_engine_post (self, VPND_EVENT_TAMPERED);
}

static void
on_router_disturbed (VpndRouter *router, const char *what, gpointer user_data)
{
  vpnd_engine_repair (VPND_ENGINE (user_data), what);
}

/**
 * vpnd_engine_watch_for_others:
 * @self: the engine, with its ports
 *
 * From now on what other programs do to ours is put right.
 */
void
vpnd_engine_watch_for_others (VpndEngine *self)
{
  g_signal_connect (self->ports.resolver, "overwritten", G_CALLBACK (on_dns_overwritten), self);
  g_signal_connect (self->ports.resolver, "untold", G_CALLBACK (on_dns_untold), self);
  g_signal_connect (self->ports.resolver, "outside-changed", G_CALLBACK (on_outside_changed), self);
  g_signal_connect (self->ports.firewall, "tampered", G_CALLBACK (on_firewall_tampered), self);
  g_signal_connect (self->ports.router, "disturbed", G_CALLBACK (on_router_disturbed), self);
}

/**
 * vpnd_engine_ignore_others:
 * @self: the engine, which is being disposed of
 */
void
vpnd_engine_ignore_others (VpndEngine *self)
{
  vpnd_engine_cancel_repair (self);
  vpnd_engine_cancel_dns_repair (self);
  g_signal_handlers_disconnect_by_data (self->ports.resolver, self);
  g_signal_handlers_disconnect_by_data (self->ports.firewall, self);
  g_signal_handlers_disconnect_by_data (self->ports.router, self);
  vpnd_engine_watch_router (self, NULL);
}
