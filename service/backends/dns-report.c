/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The report of backends/dns-report.h. systemd-resolved and NetworkManager are asked one after the other, each with the usual limit; one that
 * does not answer counts as one that is not there.
 */
#include "config.h"

#include "dns-report.h"

#include "host-file.h"
#include "reserved.h"
#include "resolv-conf.h"
#include "resolver-resolvconf.h"

#include <net/if.h>
#include <sys/socket.h>

#define CALL_TIMEOUT_MS 1000 /* security model: any call to another daemon */

/**
 * Report: one on its way
 * @connection: (owned) (nullable)
 * @file: (owned)
 * @path: (owned)
 * @plan: (owned) (nullable): what is set
 * @resolved: (owned) (nullable): a{sv}, the properties of its manager
 * @networkmanager: (owned) (nullable): a{sv}, the properties of its DNS manager
 */
typedef struct
{
  GDBusConnection *connection;
  VpndResolverFile *file;
  char *path;
  VpndDnsPlan *plan;
  GVariant *resolved;
  GVariant *networkmanager;
} Report;

/* What resolved says of one link. */
typedef struct
{
  gint ifindex;
  GPtrArray *servers; /* (element-type utf8) (owned) */
  GPtrArray *domains; /* (element-type utf8) (owned) */
} Link;

static void
report_free (Report *report)
{
  g_clear_object (&report->connection);
  g_clear_object (&report->file);
  g_free (report->path);
  g_clear_pointer (&report->plan, vpnd_dns_plan_unref);
  g_clear_pointer (&report->resolved, g_variant_unref);
  g_clear_pointer (&report->networkmanager, g_variant_unref);
  g_free (report);
}

static void
link_clear (gpointer data)
{
  Link *link = data;

  g_ptr_array_unref (link->servers);
  g_ptr_array_unref (link->domains);
}

static Link *
get_link (GArray *links, gint ifindex)
{
  Link fresh = { ifindex, g_ptr_array_new_with_free_func (g_free), g_ptr_array_new_with_free_func (g_free) };

  for (guint i = 0; i < links->len; i++)
    if (g_array_index (links, Link, i).ifindex == ifindex)
      {
        link_clear (&fresh);
        return &g_array_index (links, Link, i);
      }
  g_array_append_val (links, fresh);
  return &g_array_index (links, Link, links->len - 1);
}

static GVariant *
strings_to_variant (const GPtrArray *strings)
{
  return g_variant_new_strv ((const char *const *) strings->pdata, strings->len);
}

/* DNS is a(iiay): link, family, address; Domains is a(isb): link, name, for routing only. */
static GArray *
read_links (GVariant *resolved)
{
  GArray *links = g_array_new (FALSE, FALSE, sizeof (Link));
  g_autoptr (GVariant) servers = g_variant_lookup_value (resolved, "DNS", G_VARIANT_TYPE ("a(iiay)"));
  g_autoptr (GVariant) domains = g_variant_lookup_value (resolved, "Domains", G_VARIANT_TYPE ("a(isb)"));

  g_array_set_clear_func (links, link_clear);
  for (gsize i = 0; servers != NULL && i < g_variant_n_children (servers); i++)
    {
      g_autoptr (GVariant) bytes = NULL;
      gint ifindex, family;
      VpndAddr addr;
      gsize size;
      gconstpointer data;

      g_variant_get_child (servers, i, "(ii@ay)", &ifindex, &family, &bytes);
      data = g_variant_get_fixed_array (bytes, &size, 1);
      if (!(family == AF_INET && size == 4) && !(family == AF_INET6 && size == 16))
        continue;
      addr = vpnd_addr_from_bytes (family, data);
      g_ptr_array_add (get_link (links, ifindex)->servers, vpnd_addr_to_string (&addr));
    }
  for (gsize i = 0; domains != NULL && i < g_variant_n_children (domains); i++)
    {
      const char *name;
      gboolean is_routing_only;
      gint ifindex;

      g_variant_get_child (domains, i, "(i&sb)", &ifindex, &name, &is_routing_only);
      g_ptr_array_add (get_link (links, ifindex)->domains, g_strconcat (is_routing_only ? "~" : "", name, NULL));
    }
  return links;
}

static void
add_links (GVariantBuilder *report, GArray *links)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < links->len; i++)
    {
      const Link *link = &g_array_index (links, Link, i);
      char name[IF_NAMESIZE] = "";

      (void) if_indextoname ((guint) link->ifindex, name); /* 0 is no link but the global setting; one that is gone has no name */
      g_variant_builder_open (&builder, G_VARIANT_TYPE ("a{sv}"));
      g_variant_builder_add (&builder, "{sv}", "interface", g_variant_new_string (name));
      g_variant_builder_add (&builder, "{sv}", "servers", strings_to_variant (link->servers));
      g_variant_builder_add (&builder, "{sv}", "domains", strings_to_variant (link->domains));
      g_variant_builder_close (&builder);
    }
  g_variant_builder_add (report, "{sv}", "links", g_variant_builder_end (&builder));
}

static const char *
lookup_string (GVariant *properties, const char *name)
{
  const char *value = NULL;

  if (properties != NULL)
    (void) g_variant_lookup (properties, name, "&s", &value); /* absent: not known */
  return value;
}

static gboolean
servers_are (const VpndDnsPlan *plan, const char *const *servers, gsize n_servers)
{
  if (plan->servers->len != n_servers)
    return FALSE;
  for (gsize i = 0; i < n_servers; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      if (!g_str_equal (vpnd_addr_format (&g_array_index (plan->servers, VpndAddr, i), buffer), servers[i]))
        return FALSE;
    }
  return TRUE;
}

static gboolean
link_says (Report *report, GArray *links)
{
  for (guint i = 0; i < links->len; i++)
    {
      const Link *link = &g_array_index (links, Link, i);

      if (link->ifindex == (gint) if_nametoindex (report->plan->ifname))
        return servers_are (report->plan, (const char *const *) link->servers->pdata, link->servers->len);
    }
  return FALSE;
}

/* What NetworkManager asks by its own resolver: the first entry of its DNS manager's Configuration (aa{sv}). */
static gboolean
networkmanager_says (Report *report)
{
  g_autoptr (GVariant) entries = report->networkmanager != NULL ? g_variant_lookup_value (report->networkmanager, "Configuration", G_VARIANT_TYPE ("aa{sv}")) : NULL;
  g_autoptr (GVariant) first = entries != NULL && g_variant_n_children (entries) > 0 ? g_variant_get_child_value (entries, 0) : NULL;
  g_autofree const char **servers = NULL;

  return first != NULL && g_variant_lookup (first, "nameservers", "^a&s", &servers) && servers_are (report->plan, servers, g_strv_length ((char **) servers));
}

/* What is set against what is there: in the file, on our link at resolved, or at the resolver that the file's writer feeds. */
static gboolean
is_in_force (Report *report, VpndDnsOwner owner, GArray *links, const char *text)
{
  g_auto (GStrv) file_servers = vpnd_resolv_conf_servers (text);

  if (report->plan == NULL)
    return FALSE;
  if (vpnd_resolver_file_is_applied (report->file))
    return servers_are (report->plan, (const char *const *) file_servers, g_strv_length (file_servers));
  switch (owner)
    {
    case VPND_DNS_OWNER_RESOLVED:
      return link_says (report, links) && (text[0] == '\0' || vpnd_resolv_conf_reaches (text, report->plan));
    case VPND_DNS_OWNER_NETWORKMANAGER:
      return vpnd_resolv_conf_starts_with (text, report->plan) || (vpnd_resolv_conf_is_loopback_only (text) && networkmanager_says (report));
    case VPND_DNS_OWNER_RESOLVCONF:
      return vpnd_resolv_conf_starts_with (text, report->plan) || vpnd_resolv_conf_is_loopback_only (text);
    case VPND_DNS_OWNER_FILE:
      return FALSE;
    case VPND_N_DNS_OWNERS:
      break;
    }
  g_assert_not_reached ();
}

/* (transfer full): what of ours is where, for people. */
static char *
describe_way (Report *report, const VpndDnsVerdict *verdict)
{
  gboolean is_file = vpnd_resolver_file_is_applied (report->file);
  const char *mode = lookup_string (report->networkmanager, "Mode");
  const char *rc_manager = lookup_string (report->networkmanager, "RcManager");
  const char *program = vpnd_resolvconf_find_program ();
  const char *besides = verdict->resolved_too ? "; systemd-resolved is told besides, for programs that ask it themselves" : "";

  if (is_file || verdict->owner == VPND_DNS_OWNER_FILE)
    return g_strdup_printf ("the file is replaced, and comes back as it was%s", besides);
  switch (verdict->owner)
    {
    case VPND_DNS_OWNER_RESOLVED:
      return g_strdup ("on our link at systemd-resolved, with the route for all domains; other links are left alone");
    case VPND_DNS_OWNER_NETWORKMANAGER:
      return g_strdup_printf ("global configuration of NetworkManager (mode %s, rc-manager %s)%s", mode != NULL ? mode : "unknown",
          rc_manager != NULL ? rc_manager : "unknown", besides);
    case VPND_DNS_OWNER_RESOLVCONF:
      return g_strdup_printf ("a record of ours at %s, before those of other links%s", program != NULL ? program : "resolvconf", besides);
    case VPND_DNS_OWNER_FILE:
    case VPND_N_DNS_OWNERS:
      break;
    }
  g_assert_not_reached ();
}

static void
add_plan (GVariantBuilder *builder, const VpndDnsPlan *plan)
{
  g_autoptr (GPtrArray) servers = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) none = g_ptr_array_new ();

  for (guint i = 0; plan != NULL && i < plan->servers->len; i++)
    g_ptr_array_add (servers, vpnd_addr_to_string (&g_array_index (plan->servers, VpndAddr, i)));
  g_variant_builder_add (builder, "{sv}", "servers", strings_to_variant (servers));
  g_variant_builder_add (builder, "{sv}", "search", strings_to_variant (plan != NULL ? plan->search : none));
}

static GVariant *
make_report (Report *report)
{
  g_autofree char *target = NULL;
  g_autofree char *original = NULL;
  g_autofree char *text = vpnd_host_file_read_text (report->path);
  g_auto (GStrv) file_servers = vpnd_resolv_conf_servers (text != NULL ? text : "");
  g_autoptr (GVariant) nothing = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  g_autoptr (GArray) links = read_links (report->resolved != NULL ? report->resolved : nothing);
  VpndDnsFacts facts = { .resolved_available = report->resolved != NULL };
  VpndDnsVerdict verdict;
  g_autofree char *way = NULL;
  GVariantBuilder builder;

  vpnd_resolver_file_dup_original (report->file, &target, &original);
  facts.link_target = target;
  facts.text = original;
  facts.networkmanager_running = report->networkmanager != NULL;
  facts.networkmanager_mode = lookup_string (report->networkmanager, "Mode");
  facts.networkmanager_rc_manager = lookup_string (report->networkmanager, "RcManager");
  facts.has_resolvconf = vpnd_resolvconf_find_program () != NULL;
  facts.resolved_running = report->resolved != NULL;
  verdict = vpnd_dns_owner_decide (&facts);
  way = describe_way (report, &verdict);

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "owner", g_variant_new_string (vpnd_dns_owner_word (verdict.owner)));
  g_variant_builder_add (&builder, "{sv}", "reason", g_variant_new_string (verdict.reason));
  g_variant_builder_add (&builder, "{sv}", "way", g_variant_new_string (way));
  g_variant_builder_add (&builder, "{sv}", "path", g_variant_new_string (report->path));
  g_variant_builder_add (&builder, "{sv}", "link", g_variant_new_string (target != NULL ? target : ""));
  g_variant_builder_add (&builder, "{sv}", "replaced", g_variant_new_boolean (vpnd_resolver_file_is_applied (report->file)));
  g_variant_builder_add (&builder, "{sv}", "fileServers", g_variant_new_strv ((const char *const *) file_servers, -1));
  add_plan (&builder, report->plan);
  g_variant_builder_add (&builder, "{sv}", "inForce", g_variant_new_boolean (is_in_force (report, verdict.owner, links, text != NULL ? text : "")));
  add_links (&builder, links);
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static GVariant *
finish_get_all (GObject *source, GAsyncResult *result)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static void
on_networkmanager (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Report *report = g_task_get_task_data (task);

  report->networkmanager = finish_get_all (source, result);
  g_task_return_pointer (task, make_report (report), (GDestroyNotify) g_variant_unref);
}

static void
get_all (GTask *task, const char *name, const char *path, const char *interface, GAsyncReadyCallback callback)
{
  Report *report = g_task_get_task_data (task);

  g_dbus_connection_call (report->connection, name, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", interface),
      G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, g_task_get_cancellable (task), callback, g_object_ref (task));
}

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Report *report = g_task_get_task_data (task);

  report->resolved = finish_get_all (source, result);
  get_all (task, "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager/DnsManager", "org.freedesktop.NetworkManager.DnsManager", on_networkmanager);
}

/**
 * vpnd_dns_report_async:
 * @connection: (nullable): the system bus; NULL for none
 * @file: the backend of the file
 * @path: the file
 * @plan: (nullable): what is set, NULL for nothing
 * @cancellable: (nullable): cancels the questions
 * @callback: called with the report
 * @user_data: passed to @callback
 *
 * Collects. Fails only when cancelled.
 */
void
vpnd_dns_report_async (GDBusConnection *connection, VpndResolverFile *file, const char *path, VpndDnsPlan *plan, GCancellable *cancellable,
    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Report *report = g_new0 (Report, 1);

  g_task_set_source_tag (task, vpnd_dns_report_async);
  g_task_set_task_data (task, report, (GDestroyNotify) report_free);
  report->file = g_object_ref (file);
  report->path = g_strdup (path);
  report->plan = plan != NULL ? vpnd_dns_plan_ref (plan) : NULL;
  if (connection == NULL)
    {
      g_task_return_pointer (task, make_report (report), (GDestroyNotify) g_variant_unref);
      return;
    }
  report->connection = g_object_ref (connection);
  get_all (task, "org.freedesktop.resolve1", "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager", on_resolved);
}

/**
 * vpnd_dns_report_finish:
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): a{sv}; NULL only when cancelled
 */
GVariant *
vpnd_dns_report_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
