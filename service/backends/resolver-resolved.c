/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-resolved.h. The four settings of a link are sent at once, because the bus keeps their order; then the link is looked up
 * and its properties are read. The domain "." as routing-only sends every name to our link, whatever the others say.
 * While it is set, the link is read again whenever resolved says that anything changed, and when resolved begins anew. resolved tells no
 * property of a link by itself, only those of its manager, and anybody can send such a signal: it is a hint, the reading decides.
 */
#include "config.h"

#include "resolver-resolved.h"

#include "error.h"
#include "reserved.h"

#include <net/if.h>
#include <string.h>

#define BUS_NAME "org.freedesktop.resolve1"
#define MANAGER_PATH "/org/freedesktop/resolve1"
#define MANAGER_INTERFACE "org.freedesktop.resolve1.Manager"
#define LINK_INTERFACE "org.freedesktop.resolve1.Link"
#define ERROR_NO_SUCH_LINK "org.freedesktop.resolve1.NoSuchLink"
#define CALL_TIMEOUT_MS 1000 /* security model: any call to another daemon */
#define RETRY_MS 20          /* resolved learns of a new link from the kernel, a moment after us */
#define RETRIES_MAX 25       /* half a second */
#define SETTLE_MS 50         /* one look for all the signals of one change */

/**
 * VpndResolverResolved:
 * @connection: (owned): the system bus
 * @ifindex: the link that was set last, 0 for none
 * @plan: (owned) (nullable): what it was set to, while it is watched
 * @changed_id: subscription to PropertiesChanged, 0 for none
 * @owner_id: subscription to NameOwnerChanged, 0 for none
 * @settle: (owned) (nullable): fires when it is time to look
 * @checks: (owned) (nullable): cancels looks that are under way
 */
struct _VpndResolverResolved
{
  GObject parent_instance;

  GDBusConnection *connection;
  guint ifindex;
  VpndDnsPlan *plan;
  guint changed_id;
  guint owner_id;
  GSource *settle;
  GCancellable *checks;
};

/**
 * Apply: an apply on its way
 * @plan: (owned)
 * @ifindex: our link
 * @pending: calls without a reply
 * @n_retries: how often all were sent again
 * @is_link_unknown: resolved has not heard of the link yet
 * @error: (owned) (nullable): the first that failed
 */
typedef struct
{
  VpndDnsPlan *plan;
  guint ifindex;
  guint pending;
  guint n_retries;
  gboolean is_link_unknown;
  GError *error;
} Apply;

static void resolver_iface_init (VpndResolverInterface *iface);
static void send_settings (GTask *task);
static void unwatch (VpndResolverResolved *self);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndResolverResolved, vpnd_resolver_resolved, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init))

static void
vpnd_resolver_resolved_dispose (GObject *object)
{
  unwatch (VPND_RESOLVER_RESOLVED (object));
  g_clear_object (&VPND_RESOLVER_RESOLVED (object)->connection);
  G_OBJECT_CLASS (vpnd_resolver_resolved_parent_class)->dispose (object);
}

static void
vpnd_resolver_resolved_class_init (VpndResolverResolvedClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_resolver_resolved_dispose;
}

static void
vpnd_resolver_resolved_init (VpndResolverResolved *self)
{
}

/**
 * vpnd_resolver_resolved_new:
 * @connection: the bus on which resolved is
 *
 * Returns: (transfer full): the backend
 */
VpndResolver *
vpnd_resolver_resolved_new (GDBusConnection *connection)
{
  VpndResolverResolved *self = g_object_new (VPND_TYPE_RESOLVER_RESOLVED, NULL);

  self->connection = g_object_ref (connection);
  return VPND_RESOLVER (self);
}

static void
apply_free (Apply *apply)
{
  vpnd_dns_plan_unref (apply->plan);
  g_clear_error (&apply->error);
  g_free (apply);
}

/* (transfer full): @error as one of ours; cancellation stays what it is. */
static GError *
translate (GError *error, const char *what)
{
  GError *ours;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return error;
  g_dbus_error_strip_remote_error (error);
  ours = g_error_new (VPND_ERROR, VPND_ERROR_DNS, "systemd-resolved: %s: %s", what, error->message);
  g_error_free (error);
  return ours;
}

/* a(iay) of SetLinkDNS. */
static GVariant *
servers_to_variant (const VpndDnsPlan *plan)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(iay)"));
  for (guint i = 0; i < plan->servers->len; i++)
    {
      const VpndAddr *addr = &g_array_index (plan->servers, VpndAddr, i);

      g_variant_builder_add (&builder, "(i@ay)", addr->family, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, addr->bytes, vpnd_addr_size (addr), 1));
    }
  return g_variant_builder_end (&builder);
}

/* The name of a search domain, and whether it is for routing only. resolved reports names without their final dot. */
static char *
normalize_domain (const char *domain, gboolean *out_is_routing_only)
{
  const char *name = domain[0] == '~' ? domain + 1 : domain;
  gsize length = strlen (name);

  *out_is_routing_only = domain[0] == '~';
  return g_strndup (name, length > 1 && name[length - 1] == '.' ? length - 1 : length);
}

/* resolved keeps a name once: the first of it is told, and one that is searched is routed too. */
static gboolean
is_told_already (const VpndDnsPlan *plan, guint index, const char *name, gboolean is_routing_only)
{
  for (guint i = 0; i < plan->search->len; i++)
    {
      gboolean is_other_routing_only;
      g_autofree char *other = normalize_domain (g_ptr_array_index (plan->search, i), &is_other_routing_only);

      if (i != index && g_ascii_strcasecmp (other, name) == 0 && (is_other_routing_only == is_routing_only ? i < index : is_routing_only))
        return TRUE;
    }
  return FALSE;
}

/* a(sb) of SetLinkDomains. A domain that another link claims too is asked here as well, if it is named; "." loses against it. */
static GVariant *
domains_to_variant (const VpndDnsPlan *plan)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sb)"));
  g_variant_builder_add (&builder, "(sb)", ".", TRUE);
  for (guint i = 0; i < plan->search->len; i++)
    {
      gboolean is_routing_only;
      g_autofree char *domain = normalize_domain (g_ptr_array_index (plan->search, i), &is_routing_only);

      if (strcmp (domain, ".") != 0 && !is_told_already (plan, i, domain, is_routing_only))
        g_variant_builder_add (&builder, "(sb)", domain, is_routing_only);
    }
  return g_variant_builder_end (&builder);
}

static gboolean
property_equals (GVariant *properties, const char *name, GVariant *wanted)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (wanted);
  g_autoptr (GVariant) value = g_variant_lookup_value (properties, name, g_variant_get_type (sunk));

  return value != NULL && g_variant_equal (value, sunk);
}

/* a{sv} of the link against @plan. */
static gboolean
says_plan (GVariant *properties, const VpndDnsPlan *plan)
{
  return property_equals (properties, "DNS", servers_to_variant (plan)) && property_equals (properties, "Domains", domains_to_variant (plan)) &&
      property_equals (properties, "DefaultRoute", g_variant_new_boolean (TRUE));
}

/* --- the watch --- */

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndResolverResolved *self = user_data; /* not ours when cancelled */
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) properties = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    properties = g_variant_get_child_value (reply, 0);
  if (properties == NULL || !says_plan (properties, self->plan))
    vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), "the setting of our link at systemd-resolved was changed");
}

static void
on_checked_link (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndResolverResolved *self = user_data; /* not ours when cancelled */
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  const char *path;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply == NULL)
    {
      vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), "systemd-resolved does not know our link any more");
      return;
    }
  g_variant_get (reply, "(&o)", &path);
  g_dbus_connection_call (self->connection, BUS_NAME, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", LINK_INTERFACE),
      G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, self->checks, on_checked, self);
}

static gboolean
on_settled (gpointer user_data)
{
  VpndResolverResolved *self = user_data;

  g_clear_pointer (&self->settle, g_source_unref);
  g_dbus_connection_call (self->connection, BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE, "GetLink", g_variant_new ("(i)", (gint) self->ifindex), G_VARIANT_TYPE ("(o)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, self->checks, on_checked_link, self);
  return G_SOURCE_REMOVE;
}

static void
look_soon (VpndResolverResolved *self)
{
  if (self->plan == NULL || self->settle != NULL)
    return;
  self->settle = g_timeout_source_new (SETTLE_MS);
  g_source_set_callback (self->settle, on_settled, self, NULL);
  g_source_attach (self->settle, g_main_context_get_thread_default ());
}

static void
on_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer user_data)
{
  look_soon (user_data);
}

/* One that went away is no change yet: names cannot be asked at all, until it is back. */
static void
on_owner_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal, GVariant *arguments,
    gpointer user_data)
{
  const char *name;
  const char *new_owner;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get (arguments, "(&s&s&s)", &name, NULL, &new_owner);
  if (new_owner[0] != '\0')
    look_soon (user_data);
}

static void
unwatch (VpndResolverResolved *self)
{
  if (self->changed_id != 0)
    g_dbus_connection_signal_unsubscribe (self->connection, self->changed_id);
  if (self->owner_id != 0)
    g_dbus_connection_signal_unsubscribe (self->connection, self->owner_id);
  self->changed_id = self->owner_id = 0;
  if (self->settle != NULL)
    g_source_destroy (self->settle);
  g_clear_pointer (&self->settle, g_source_unref);
  g_cancellable_cancel (self->checks);
  g_clear_object (&self->checks);
  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
}

/* Before the link is set, so that no change after the reading is missed. What is heard until then says nothing. */
static void
start_listening (VpndResolverResolved *self)
{
  unwatch (self);
  self->checks = g_cancellable_new ();
  self->changed_id = g_dbus_connection_signal_subscribe (self->connection, BUS_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", NULL, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_changed, self, NULL);
  self->owner_id = g_dbus_connection_signal_subscribe (self->connection, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
      "/org/freedesktop/DBus", BUS_NAME, G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, self, NULL);
}

/* --- apply --- */

static void
on_properties (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Apply *apply = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) properties = NULL;

  if (reply == NULL)
    {
      g_task_return_error (task, translate (error, "reading the link back"));
      return;
    }

  properties = g_variant_get_child_value (reply, 0);
  if (says_plan (properties, apply->plan))
    {
      VpndResolverResolved *self = g_task_get_source_object (task);

      g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
      self->plan = vpnd_dns_plan_ref (apply->plan);
      g_task_return_boolean (task, TRUE);
    }
  else
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "systemd-resolved: the link does not say what it was told");
}

static void
on_link (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  const char *path;

  if (reply == NULL)
    {
      g_task_return_error (task, translate (error, "looking the link up"));
      return;
    }

  g_variant_get (reply, "(&o)", &path);
  g_dbus_connection_call (G_DBUS_CONNECTION (source), BUS_NAME, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", LINK_INTERFACE),
      G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MS, g_task_get_cancellable (task), on_properties, g_object_ref (task));
}

static void
call_manager (VpndResolverResolved *self, const char *method, GVariant *arguments, const char *reply_type, GDBusCallFlags flags, GAsyncReadyCallback callback, GTask *task)
{
  g_dbus_connection_call (self->connection, BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE, method, arguments, G_VARIANT_TYPE (reply_type), flags, CALL_TIMEOUT_MS,
      g_task_get_cancellable (task), callback, g_object_ref (task));
}

static gboolean
on_retry (gpointer user_data)
{
  GTask *task = user_data;
  Apply *apply = g_task_get_task_data (task);

  if (g_task_return_error_if_cancelled (task))
    return G_SOURCE_REMOVE;
  apply->n_retries++;
  apply->is_link_unknown = FALSE;
  g_clear_error (&apply->error);
  send_settings (task);
  return G_SOURCE_REMOVE;
}

static void
retry_soon (GTask *task)
{
  g_autoptr (GSource) source = g_timeout_source_new (RETRY_MS);

  g_source_set_callback (source, on_retry, g_object_ref (task), g_object_unref);
  g_source_attach (source, g_task_get_context (task));
}

static gboolean
is_remote_error (const GError *error, const char *name)
{
  g_autofree char *remote = g_dbus_error_get_remote_error (error);

  return g_strcmp0 (remote, name) == 0;
}

/* The last reply decides; the link is read back when all went well. */
static void
settle (GTask *task)
{
  VpndResolverResolved *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);

  if (--apply->pending > 0)
    return;
  if (apply->is_link_unknown && apply->n_retries < RETRIES_MAX)
    retry_soon (task);
  else if (apply->error != NULL)
    g_task_return_error (task, g_steal_pointer (&apply->error));
  else
    call_manager (self, "GetLink", g_variant_new ("(i)", apply->ifindex), "(o)", G_DBUS_CALL_FLAGS_NONE, on_link, task);
}

static void
on_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Apply *apply = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL && is_remote_error (error, ERROR_NO_SUCH_LINK))
    apply->is_link_unknown = TRUE;
  if (reply == NULL && apply->error == NULL)
    apply->error = translate (error, "setting the link");
  else
    g_clear_error (&error);
  settle (task);
}

/* A resolved without DNS over TLS refuses to be told not to use it. */
static void
on_set_tls (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  (void) reply; /* refused or not, the rest is the same */
  settle (task);
}

static void revert_link (VpndResolverResolved *self, guint ifindex, GTask *task);

static void
send_settings (GTask *task)
{
  VpndResolverResolved *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);
  gint ifindex = (gint) apply->ifindex;

  apply->pending = 4;
  call_manager (self, "SetLinkDNS", g_variant_new ("(i@a(iay))", ifindex, servers_to_variant (apply->plan)), "()", G_DBUS_CALL_FLAGS_NONE, on_set, task);
  call_manager (self, "SetLinkDomains", g_variant_new ("(i@a(sb))", ifindex, domains_to_variant (apply->plan)), "()", G_DBUS_CALL_FLAGS_NONE, on_set, task);
  call_manager (self, "SetLinkDefaultRoute", g_variant_new ("(ib)", ifindex, TRUE), "()", G_DBUS_CALL_FLAGS_NONE, on_set, task);
  call_manager (self, "SetLinkDNSOverTLS", g_variant_new ("(is)", ifindex, "no"), "()", G_DBUS_CALL_FLAGS_NONE, on_set_tls, task);
}

static void
apply_async (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverResolved *self = VPND_RESOLVER_RESOLVED (resolver);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Apply *apply = g_new0 (Apply, 1);

  g_task_set_source_tag (task, apply_async);
  apply->plan = vpnd_dns_plan_ref (plan);
  apply->ifindex = if_nametoindex (plan->ifname);
  g_task_set_task_data (task, apply, (GDestroyNotify) apply_free);
  if (vpnd_dns_plan_is_empty (plan))
    {
      revert_link (self, apply->ifindex, task);
      return;
    }
  if (apply->ifindex == 0)
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "there is no link \"%s\"", plan->ifname);
      return;
    }

  self->ifindex = apply->ifindex;
  start_listening (self);
  send_settings (task);
}

/* A link that is gone has taken its setting along, and so has a resolved that is. */
static gboolean
is_nothing_to_revert (const GError *error)
{
  return is_remote_error (error, ERROR_NO_SUCH_LINK) || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

static void
on_reverted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverResolved *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL && !is_nothing_to_revert (error))
    {
      g_task_return_error (task, translate (error, "reverting the link"));
      return;
    }
  g_clear_error (&error);
  self->ifindex = 0;
  g_task_return_boolean (task, TRUE);
}

static void
revert_link (VpndResolverResolved *self, guint ifindex, GTask *task)
{
  unwatch (self);
  if (ifindex == 0)
    g_task_return_boolean (task, TRUE);
  else
    call_manager (self, "RevertLink", g_variant_new ("(i)", (gint) ifindex), "()", G_DBUS_CALL_FLAGS_NO_AUTO_START, on_reverted, task);
}

static void
restore_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverResolved *self = VPND_RESOLVER_RESOLVED (resolver);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, restore_async);
  revert_link (self, self->ifindex != 0 ? self->ifindex : if_nametoindex (VPND_IFNAME), task);
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->apply_async = apply_async;
  iface->restore_async = restore_async;
}
