/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dns-owner.h. Each question has the usual limit; a service that does not answer counts as one that is not there. NetworkManager is asked only
 * where it could matter: a host without it, or with resolved before it, does not wait for it.
 */
#include "config.h"

#include "dns-owner.h"

#include "host-file.h"
#include "resolver-resolvconf.h"

#define RESOLVED_BUS_NAME "org.freedesktop.resolve1"
#define NETWORKMANAGER_BUS_NAME "org.freedesktop.NetworkManager"
#define CALL_TIMEOUT_MS 1000 /* security model: any call to another daemon */

/**
 * Find: one on its way
 * @connection: (owned) (nullable)
 * @path: (owned): resolv.conf
 * @is_ours: it says nothing about its owner
 * @is_resolved_available: it can be asked, or started
 * @is_resolved_running: it is on the bus
 * @verdict: what came of it
 */
typedef struct
{
  GDBusConnection *connection;
  char *path;
  gboolean is_ours;
  gboolean is_resolved_available;
  gboolean is_resolved_running;
  VpndDnsVerdict verdict;
} Find;

static void
find_free (Find *find)
{
  g_clear_object (&find->connection);
  g_free (find->path);
  g_free (find);
}

/* Returns: who owns DNS, by what is on disk and on the bus; @networkmanager: (nullable): a{sv} of its DNS manager */
static VpndDnsVerdict
judge (const Find *find, GVariant *networkmanager)
{
  g_autofree char *target = g_file_read_link (find->path, NULL);
  g_autofree char *text = vpnd_host_file_read_text (find->path);
  VpndDnsFacts facts = {
    .resolved_available = find->is_resolved_available,
    .resolved_running = find->is_resolved_running,
    .link_target = target,
    .text = text,
    .networkmanager_running = networkmanager != NULL,
    .has_resolvconf = vpnd_resolvconf_find_program () != NULL,
  };

  if (networkmanager != NULL)
    {
      (void) g_variant_lookup (networkmanager, "Mode", "&s", &facts.networkmanager_mode); /* absent: not known */
      (void) g_variant_lookup (networkmanager, "RcManager", "&s", &facts.networkmanager_rc_manager);
    }
  return vpnd_dns_owner_decide (&facts);
}

static void
end (GTask *task, VpndDnsVerdict verdict)
{
  Find *find = g_task_get_task_data (task);

  find->verdict = verdict;
  g_task_return_boolean (task, TRUE);
}

static void
on_networkmanager (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) properties = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  end (task, judge (g_task_get_task_data (task), properties));
}

static void
ask_networkmanager (GTask *task)
{
  const Find *find = g_task_get_task_data (task);
  const VpndDnsVerdict verdict = find->is_ours ? (VpndDnsVerdict){ .owner = VPND_DNS_OWNER_FILE, .reason = "resolv.conf is ours", .resolved_too = find->is_resolved_running }
                                               : judge (find, NULL);

  if (verdict.owner != VPND_DNS_OWNER_FILE || find->is_ours || find->connection == NULL)
    end (task, verdict);
  else
    g_dbus_connection_call (find->connection, NETWORKMANAGER_BUS_NAME, "/org/freedesktop/NetworkManager/DnsManager", "org.freedesktop.DBus.Properties", "GetAll",
        g_variant_new ("(s)", NETWORKMANAGER_BUS_NAME ".DnsManager"), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS,
        g_task_get_cancellable (task), on_networkmanager, g_object_ref (task));
}

static void
on_activatable (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Find *find = g_task_get_task_data (task);
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autofree const char **names = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(^a&s)", &names);
  find->is_resolved_available = names != NULL && g_strv_contains (names, RESOLVED_BUS_NAME);
  ask_networkmanager (task);
}

static void
on_has_owner (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Find *find = g_task_get_task_data (task);
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (reply != NULL)
    g_variant_get (reply, "(b)", &find->is_resolved_running);
  find->is_resolved_available = find->is_resolved_running;
  if (find->is_resolved_running || find->is_ours)
    ask_networkmanager (task);
  else
    g_dbus_connection_call (G_DBUS_CONNECTION (source), "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListActivatableNames", NULL,
        G_VARIANT_TYPE ("(as)"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MS, g_task_get_cancellable (task), on_activatable, g_object_ref (task));
}

/**
 * vpnd_dns_owner_find_async:
 * @connection: (nullable): the system bus; NULL for none
 * @path: resolv.conf
 * @is_ours: what it says now is from us, so that it is a file's, whoever had it before; only whether resolved runs is asked
 * @cancellable: (nullable): cancels the questions
 * @callback: called with the verdict
 * @user_data: passed to @callback
 *
 * Asks. Fails only when cancelled.
 */
void
vpnd_dns_owner_find_async (GDBusConnection *connection, const char *path, gboolean is_ours, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Find *find = g_new0 (Find, 1);

  g_task_set_source_tag (task, vpnd_dns_owner_find_async);
  g_task_set_task_data (task, find, (GDestroyNotify) find_free);
  find->path = g_strdup (path);
  find->is_ours = is_ours;
  if (connection == NULL)
    {
      ask_networkmanager (task);
      return;
    }
  find->connection = g_object_ref (connection);
  g_dbus_connection_call (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", g_variant_new ("(s)", RESOLVED_BUS_NAME),
      G_VARIANT_TYPE ("(b)"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MS, cancellable, on_has_owner, g_object_ref (task));
}

/**
 * vpnd_dns_owner_find_finish:
 * @result: what the callback received
 * @out_verdict: (out): who owns DNS, and whether resolved is told besides
 * @error: return location for an error
 *
 * Returns: FALSE only when cancelled
 */
gboolean
vpnd_dns_owner_find_finish (GAsyncResult *result, VpndDnsVerdict *out_verdict, GError **error)
{
  const Find *find = g_task_get_task_data (G_TASK (result));

  *out_verdict = find->verdict;
  return g_task_propagate_boolean (G_TASK (result), error);
}
