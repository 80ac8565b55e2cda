/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The systemd-resolved backend, and the choice of resolver-auto, against a resolve1 that the test plays on a private bus. It keeps what it
 * is told as the real one does, and can be made to refuse, to forget, not to answer, or not to know the link yet.
 */
#include "config.h"

#include "error.h"
#include "resolver-auto.h"
#include "resolver-file.h"
#include "resolver-calls.h"
#include "resolver-resolved.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#define LINK_NAME "lo" /* a link that every host has */
#define LINK_PATH "/org/freedesktop/resolve1/link/_31"
#define BEFORE "nameserver 192.0.2.99\n"

static const char xml[] =
    "<node><interface name='org.freedesktop.resolve1.Manager'>"
    "<method name='SetLinkDNS'><arg type='i' direction='in'/><arg type='a(iay)' direction='in'/></method>"
    "<method name='SetLinkDomains'><arg type='i' direction='in'/><arg type='a(sb)' direction='in'/></method>"
    "<method name='SetLinkDefaultRoute'><arg type='i' direction='in'/><arg type='b' direction='in'/></method>"
    "<method name='SetLinkDNSOverTLS'><arg type='i' direction='in'/><arg type='s' direction='in'/></method>"
    "<method name='RevertLink'><arg type='i' direction='in'/></method>"
    "<method name='GetLink'><arg type='i' direction='in'/><arg type='o' direction='out'/></method>"
    "<property name='DNS' type='a(iiay)' access='read'/><property name='Domains' type='a(isb)' access='read'/>"
    "</interface><interface name='org.freedesktop.resolve1.Link'>"
    "<property name='DNS' type='a(iay)' access='read'/><property name='Domains' type='a(sb)' access='read'/>"
    "<property name='DefaultRoute' type='b' access='read'/></interface></node>";

/**
 * Fixture:
 * @failing: (nullable): method that answers with @failure
 * @failure: D-Bus error name
 * @forgotten: (nullable): method that is answered and not obeyed
 * @silent: (nullable): method that is never answered
 * @unknown: how many calls more say NoSuchLink
 * @calls: methods called, each with a space behind
 */
typedef struct
{
  GTestDBus *bus;
  GDBusConnection *mock;
  GDBusConnection *client;
  guint owner_id;
  GVariant *dns, *domains;
  gboolean default_route;
  char *tls;
  const char *failing, *failure, *forgotten, *silent;
  guint unknown;
  GString *calls;
  char *folder, *conf;
  int run_dirfd;
} Fixture;

static void
revert (Fixture *fixture)
{
  g_clear_pointer (&fixture->dns, g_variant_unref);
  g_clear_pointer (&fixture->domains, g_variant_unref);
  g_clear_pointer (&fixture->tls, g_free);
  fixture->dns = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("(iay)"), NULL, 0));
  fixture->domains = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("(sb)"), NULL, 0));
  fixture->tls = g_strdup ("opportunistic");
  fixture->default_route = FALSE;
}

static void
obey (Fixture *fixture, const char *method, GVariant *arguments)
{
  if (g_str_equal (method, "SetLinkDNS"))
    {
      g_variant_unref (fixture->dns);
      fixture->dns = g_variant_get_child_value (arguments, 1);
    }
  else if (g_str_equal (method, "SetLinkDomains"))
    {
      g_variant_unref (fixture->domains);
      fixture->domains = g_variant_get_child_value (arguments, 1);
    }
  else if (g_str_equal (method, "SetLinkDefaultRoute"))
    g_variant_get_child (arguments, 1, "b", &fixture->default_route);
  else if (g_str_equal (method, "SetLinkDNSOverTLS"))
    {
      g_free (fixture->tls);
      g_variant_get_child (arguments, 1, "s", &fixture->tls);
    }
  else if (g_str_equal (method, "RevertLink"))
    revert (fixture);
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *arguments,
    GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *fixture = user_data;
  gint ifindex;

  g_variant_get_child (arguments, 0, "i", &ifindex);
  g_assert_cmpint (ifindex, ==, (gint) if_nametoindex (LINK_NAME));
  g_string_append_printf (fixture->calls, "%s ", method);
  if (g_strcmp0 (method, fixture->silent) == 0)
    g_object_unref (invocation);
  else if (g_strcmp0 (method, fixture->failing) == 0)
    g_dbus_method_invocation_return_dbus_error (invocation, fixture->failure, "refused by the test");
  else if (fixture->unknown > 0)
    {
      fixture->unknown--;
      g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.resolve1.NoSuchLink", "not known yet");
    }
  else
    {
      if (g_strcmp0 (method, fixture->forgotten) != 0)
        obey (fixture, method, arguments);
      g_dbus_method_invocation_return_value (invocation, g_str_equal (method, "GetLink") ? g_variant_new ("(o)", LINK_PATH) : NULL);
    }
}

/* The manager's own properties: those of every link, here one of a network besides ours. */
static GVariant *
manager_property (Fixture *fixture, const char *name)
{
  gboolean is_dns = g_str_equal (name, "DNS");
  GVariant *all = is_dns ? fixture->dns : fixture->domains;
  gint ifindex = (gint) if_nametoindex (LINK_NAME);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE (is_dns ? "a(iiay)" : "a(isb)"));
  if (is_dns)
    g_variant_builder_add_parsed (&builder, "(0, 2, [byte 192, 0, 2, 1])");
  if (is_dns)
    g_variant_builder_add_parsed (&builder, "(0, 99, [byte 1])"); /* a family that nobody knows */
  for (gsize i = 0; i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (all, i);
      g_autoptr (GVariant) first = g_variant_get_child_value (one, 0);
      g_autoptr (GVariant) second = g_variant_get_child_value (one, 1);

      g_variant_builder_add (&builder, is_dns ? "(i@i@ay)" : "(i@s@b)", ifindex, first, second);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
on_get (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name, GError **error, gpointer user_data)
{
  Fixture *fixture = user_data;

  if (g_str_has_suffix (interface, ".Manager"))
    return manager_property (fixture, name);
  if (g_str_equal (name, "DNS"))
    return g_variant_ref (fixture->dns);
  if (g_str_equal (name, "Domains"))
    return g_variant_ref (fixture->domains);
  return g_variant_new_boolean (fixture->default_route);
}

static void
on_name (GDBusConnection *connection, const char *name, gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
}

static GDBusConnection *
open_connection (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (g_test_dbus_get_bus_address (fixture->bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);

  g_assert_no_error (error);
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  return connection;
}

static void
own_name (Fixture *fixture)
{
  gboolean is_owned = FALSE;

  fixture->owner_id = g_bus_own_name_on_connection (fixture->mock, "org.freedesktop.resolve1", G_BUS_NAME_OWNER_FLAGS_NONE, on_name, NULL, &is_owned, NULL);
  while (!is_owned)
    g_main_context_iteration (NULL, TRUE);
}

static void
disown_name (Fixture *fixture)
{
  g_bus_unown_name (fixture->owner_id);
  fixture->owner_id = 0;
  g_assert_true (g_dbus_connection_flush_sync (fixture->mock, NULL, NULL));
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const GDBusInterfaceVTable vtable = { on_call, on_get, NULL, { NULL } };
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (xml, &error);
  g_autofree char *run = NULL;

  g_assert_no_error (error);
  fixture->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->bus);
  fixture->mock = open_connection (fixture);
  fixture->client = open_connection (fixture);
  fixture->calls = g_string_new (NULL);
  revert (fixture);
  g_assert_cmpuint (g_dbus_connection_register_object (fixture->mock, "/org/freedesktop/resolve1", info->interfaces[0], &vtable, fixture, NULL, &error), >, 0);
  g_assert_cmpuint (g_dbus_connection_register_object (fixture->mock, LINK_PATH, info->interfaces[1], &vtable, fixture, NULL, &error), >, 0);
  own_name (fixture);

  fixture->folder = g_dir_make_tmp ("vpnd-resolved-XXXXXX", NULL);
  fixture->conf = g_build_filename (fixture->folder, "resolv.conf", NULL);
  run = g_build_filename (fixture->folder, "run", NULL);
  g_assert_cmpint (g_mkdir (run, 0700), ==, 0);
  fixture->run_dirfd = open (run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *run = g_build_filename (fixture->folder, "run", NULL);

  if (fixture->owner_id != 0)
    disown_name (fixture);
  g_assert_true (g_dbus_connection_close_sync (fixture->client, NULL, NULL) && g_dbus_connection_close_sync (fixture->mock, NULL, NULL));
  g_clear_object (&fixture->client);
  g_clear_object (&fixture->mock);
  g_test_dbus_stop (fixture->bus);
  g_clear_object (&fixture->bus);
  g_variant_unref (fixture->dns);
  g_variant_unref (fixture->domains);
  g_free (fixture->tls);
  g_string_free (fixture->calls, TRUE);
  close (fixture->run_dirfd);
  (void) g_remove (fixture->conf); /* not every test makes it */
  g_assert_cmpint (g_rmdir (run) + g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->conf);
  g_free (fixture->folder);
}

static VpndDnsPlan *
make_plan (void)
{
  VpndDnsPlan *plan = vpnd_dns_plan_new (LINK_NAME);
  VpndAddr v4, v6;

  g_assert_true (vpnd_addr_parse ("10.64.0.1", &v4) && vpnd_addr_parse ("fc00::1", &v6));
  g_array_append_val (plan->servers, v4);
  g_array_append_val (plan->servers, v6);
  g_ptr_array_add (plan->search, g_strdup ("corp.example."));
  return plan;
}

static gboolean
apply (VpndResolver *resolver, GError **error)
{
  g_autoptr (VpndDnsPlan) plan = make_plan ();

  return resolver_apply (resolver, plan, NULL, error);
}

static void
assert_applied (Fixture *fixture)
{
  g_autoptr (GVariant) dns = g_variant_ref_sink (g_variant_new_parsed ("[(2, [byte 10, 64, 0, 1]), (10, [byte 0xfc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])]"));
  g_autoptr (GVariant) domains = g_variant_ref_sink (g_variant_new_parsed ("[('.', true), ('corp.example', false)]"));

  g_assert_true (g_variant_equal (fixture->dns, dns));
  g_assert_true (g_variant_equal (fixture->domains, domains));
  g_assert_true (fixture->default_route);
  g_assert_cmpstr (fixture->tls, ==, "no");
}

static void
test_apply_restore (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);

  g_assert_true (apply (resolver, &error));
  g_assert_no_error (error);
  assert_applied (fixture);
  g_assert_cmpstr (fixture->calls->str, ==, "SetLinkDNS SetLinkDomains SetLinkDefaultRoute SetLinkDNSOverTLS GetLink ");
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_false (fixture->default_route);
  g_assert_true (g_str_has_suffix (fixture->calls->str, "RevertLink "));
}

/* Whatever of the four it refuses or forgets is an error; only DNS over TLS may be unknown to it. */
static void
test_refused (Fixture *fixture, gconstpointer data)
{
  static const char *const methods[] = { "SetLinkDNS", "SetLinkDomains", "SetLinkDefaultRoute" };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (methods); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);

      revert (fixture);
      fixture->failing = i < G_N_ELEMENTS (methods) ? methods[i] : NULL;
      fixture->failure = "org.freedesktop.resolve1.LinkBusy";
      fixture->forgotten = i < G_N_ELEMENTS (methods) ? NULL : methods[i - G_N_ELEMENTS (methods)];
      g_assert_false (apply (resolver, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
    }
}

static void
test_no_tls (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);

  fixture->failing = "SetLinkDNSOverTLS";
  fixture->failure = "org.freedesktop.DBus.Error.UnknownMethod";
  g_assert_true (apply (resolver, &error));
  g_assert_no_error (error);
}

static void
test_no_answer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);
  gint64 start_us = g_get_monotonic_time ();

  fixture->silent = "SetLinkDomains";
  g_assert_false (apply (resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 5 * G_USEC_PER_SEC);
}

static void
test_link_known_late (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);

  fixture->unknown = 9;
  g_assert_true (apply (resolver, &error));
  g_assert_no_error (error);
  assert_applied (fixture);
}

static void
test_nothing_to_revert (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);

  g_assert_true (resolver_restore (resolver, &error));
  g_assert_true (apply (resolver, &error));
  fixture->failing = "RevertLink";
  fixture->failure = "org.freedesktop.resolve1.NoSuchLink";
  g_assert_true (resolver_restore (resolver, &error));

  fixture->failing = NULL;
  g_assert_true (apply (resolver, &error));
  fixture->failing = "RevertLink";
  fixture->failure = "org.freedesktop.DBus.Error.AccessDenied";
  g_assert_false (resolver_restore (resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_clear_error (&error);

  disown_name (fixture);
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_no_error (error);
}

/* Split DNS: what comes after "~" is routed and not searched; a name is told once, and searching it is more than routing it. */
static void
test_domains (Fixture *fixture, gconstpointer data)
{
  static const char *const search[] = { "~corp.example.", "lan.example", "~.", "~lan.example", "corp.example", "LAN.example.", "~only.example", "~only.example" };
  g_autoptr (GVariant) expected = g_variant_ref_sink (g_variant_new_parsed ("[('.', true), ('lan.example', false), ('corp.example', false), ('only.example', true)]"));
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);
  g_autoptr (VpndDnsPlan) plan = make_plan ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_set_size (plan->search, 0);
  for (guint i = 0; i < G_N_ELEMENTS (search); i++)
    g_ptr_array_add (plan->search, g_strdup (search[i]));
  g_assert_true (resolver_apply (resolver, plan, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_variant_equal (fixture->domains, expected));
}

/* As resolved does: of the manager's property, not of the link's. */
static void
tell_changed (Fixture *fixture)
{
  g_assert_true (g_dbus_connection_emit_signal (fixture->mock, NULL, "/org/freedesktop/resolve1", "org.freedesktop.DBus.Properties", "PropertiesChanged",
      g_variant_new_parsed ("('org.freedesktop.resolve1.Manager', @a{sv} {}, ['DNS'])"), NULL));
}

/* What is still ours after a change of somebody else's is left alone; what is not is told, also when resolved began anew without it. */
static void
test_overwritten (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);
  guint count = 0;

  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &count);
  g_assert_true (apply (resolver, NULL));
  tell_changed (fixture);
  resolver_run_until (&count, 1, 200);
  g_assert_cmpuint (count, ==, 0);

  for (guint i = 1; i <= 3; i++)
    {
      revert (fixture);
      tell_changed (fixture);
      tell_changed (fixture); /* one look for both */
      resolver_run_until (&count, i, RESOLVER_DEADLINE_MS);
      g_assert_cmpuint (count, ==, i);
      g_assert_true (apply (resolver, NULL));
      assert_applied (fixture);
    }

  disown_name (fixture);
  resolver_run_until (&count, 4, 200);
  g_assert_cmpuint (count, ==, 3); /* not there: nobody can be told */
  own_name (fixture);
  resolver_run_until (&count, 4, 200);
  g_assert_cmpuint (count, ==, 3); /* it kept our setting over the restart */
  disown_name (fixture);
  revert (fixture);
  own_name (fixture);
  resolver_run_until (&count, 4, RESOLVER_DEADLINE_MS);
  g_assert_cmpuint (count, ==, 4);
  g_assert_true (apply (resolver, NULL));

  g_assert_true (resolver_restore (resolver, NULL));
  tell_changed (fixture);
  resolver_run_until (&count, 5, 200);
  g_assert_cmpuint (count, ==, 4);
}

/* A resolved that hangs does not hold us, and one that goes while it is asked is not used after. */
static void
test_overwritten_hangs (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndResolver) resolver = vpnd_resolver_resolved_new (fixture->client);
  gint64 start_us;
  guint count = 0;

  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &count);
  g_assert_true (apply (resolver, NULL));
  fixture->silent = "GetLink";
  tell_changed (fixture);
  start_us = g_get_monotonic_time ();
  resolver_run_until (&count, 1, RESOLVER_DEADLINE_MS);
  g_assert_cmpuint (count, ==, 1);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 2 * G_USEC_PER_SEC);

  tell_changed (fixture);
  resolver_run_until (&count, 2, 150);
  g_clear_object (&resolver);
  resolver_run_until (&count, 2, 1200);
  g_assert_cmpuint (count, ==, 1);
}

static char *
read_conf (Fixture *fixture)
{
  char *text = NULL;

  g_file_get_contents (fixture->conf, &text, NULL, NULL);
  return text;
}

static void
assert_conf (Fixture *fixture, const char *expected)
{
  g_autofree char *text = read_conf (fixture);

  g_assert_cmpstr (text, ==, expected);
}

/* Programs are sent to resolved: it is told, and the file stays as it is. */
static void
test_auto_resolved (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (fixture->client, fixture->run_dirfd, fixture->conf);

  g_assert_true (g_file_set_contents (fixture->conf, "nameserver 127.0.0.53\n", -1, NULL));
  g_assert_true (apply (resolver, &error));
  g_assert_no_error (error);
  assert_applied (fixture);
  assert_conf (fixture, "nameserver 127.0.0.53\n");
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_false (fixture->default_route);
}

/* They are not, or it is not there: the file is written, and stays the choice while it is ours. One that runs is told besides, for those who ask
 * it past the file; that one has come asks for another apply. */
static void
test_auto_file (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (fixture->client, fixture->run_dirfd, fixture->conf);
  guint count = 0, overwritten = 0;

  g_signal_connect (resolver, "untold", G_CALLBACK (resolver_on_overwritten), &count);
  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &overwritten);
  for (guint i = 0; i < 2; i++)
    {
      const char *before = i == 0 ? BEFORE : "nameserver 127.0.0.53\n";
      g_autofree char *during = NULL;

      g_assert_true (g_file_set_contents (fixture->conf, before, -1, NULL));
      if (i == 1)
        disown_name (fixture);
      g_assert_true (apply (resolver, &error));
      g_assert_no_error (error);
      during = read_conf (fixture);
      g_assert_nonnull (strstr (during, "nameserver 10.64.0.1\nnameserver fc00::1\nsearch corp.example"));
      g_assert_cmpint (fixture->default_route, ==, i == 0);
      if (i == 1)
        own_name (fixture);
      resolver_run_until (&count, i, RESOLVER_DEADLINE_MS);
      g_assert_cmpuint (count, ==, i);
      g_assert_true (apply (resolver, &error));
      assert_conf (fixture, during);
      assert_applied (fixture);
      g_assert_true (resolver_restore (resolver, &error));
      assert_conf (fixture, before);
      g_assert_false (fixture->default_route);
    }
  disown_name (fixture);
  own_name (fixture);
  resolver_run_until (&count, 2, 200);
  g_assert_cmpuint (count, ==, 1);       /* nothing is set any more */
  g_assert_cmpuint (overwritten, ==, 0); /* nobody has done anything */
}

static char *
describe (VpndResolver *resolver)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) report = NULL;

  vpnd_resolver_describe_async (resolver, NULL, resolver_on_done, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  report = vpnd_resolver_describe_finish (resolver, result, NULL);
  g_assert_nonnull (report);
  return g_variant_print (report, FALSE);
}

static void
assert_says (VpndResolver *resolver, const char *const *parts)
{
  g_autofree char *text = describe (resolver);

  for (guint i = 0; parts[i] != NULL; i++)
    {
      g_test_message ("%s in %s", parts[i], text);
      g_assert_nonnull (strstr (text, parts[i]));
    }
}

/* What is told of the host before, while and after, with the setting at resolved and in the file; one that hangs counts as absent. */
static void
test_describe (Fixture *fixture, gconstpointer data)
{
  static const char *const idle[] = { "'owner': <'systemd-resolved'>", "'replaced': <false>", "'fileServers': <['127.0.0.53']>", "'servers': <@as []>", "'inForce': <false>",
    "{'interface': <''>, 'servers': <['192.0.2.1']>, 'domains': <@as []>}", NULL };
  static const char *const set[] = { "'owner': <'systemd-resolved'>", "'servers': <['10.64.0.1', 'fc00::1']>, 'search': <['corp.example.']>, 'inForce': <true>",
    "{'interface': <'lo'>, 'servers': <['10.64.0.1', 'fc00::1']>, 'domains': <['~.', 'corp.example']>}", NULL };
  static const char *const lost[] = { "'servers': <['10.64.0.1', 'fc00::1']>", "'inForce': <false>", NULL };
  static const char *const file[] = { "'owner': <'file'>", "'replaced': <true>", "'fileServers': <['10.64.0.1', 'fc00::1']>", "'inForce': <true>", "'links': <@aa{sv} []>", NULL };
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (fixture->client, fixture->run_dirfd, fixture->conf);
  g_autoptr (VpndResolver) alone = vpnd_resolver_resolved_new (fixture->client);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (fixture->conf, "nameserver 127.0.0.53\n", -1, NULL));
  assert_says (resolver, idle);
  g_assert_true (apply (resolver, NULL));
  assert_says (resolver, set);
  revert (fixture);
  assert_says (resolver, lost);
  g_assert_true (resolver_restore (resolver, NULL));
  assert_says (resolver, idle);

  disown_name (fixture);
  g_assert_true (apply (resolver, NULL));
  assert_says (resolver, file);
  g_assert_true (resolver_restore (resolver, NULL));

  vpnd_resolver_describe_async (alone, NULL, resolver_on_done, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (vpnd_resolver_describe_finish (alone, result, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED);
}

/* The owner changes between two applies: the new one is told, and all get back what they had. */
static void
test_auto_switch (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (fixture->client, fixture->run_dirfd, fixture->conf);
  g_autofree char *during = NULL;

  g_assert_true (g_file_set_contents (fixture->conf, "nameserver 127.0.0.53\n", -1, NULL));
  g_assert_true (apply (resolver, &error));
  assert_applied (fixture);
  g_assert_true (g_file_set_contents (fixture->conf, BEFORE, -1, NULL));
  g_assert_true (apply (resolver, &error));
  g_assert_no_error (error);
  during = read_conf (fixture);
  g_assert_nonnull (strstr (during, "nameserver 10.64.0.1"));
  assert_applied (fixture);
  g_assert_true (resolver_restore (resolver, &error));
  assert_conf (fixture, BEFORE);
  g_assert_false (fixture->default_route);
}

/* One that is only told besides may refuse or hang: the file is what counts. */
static void
test_auto_besides (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (fixture->client, fixture->run_dirfd, fixture->conf);
  gint64 start_us = g_get_monotonic_time ();
  g_autofree char *during = NULL;

  g_assert_true (g_file_set_contents (fixture->conf, BEFORE, -1, NULL));
  fixture->silent = "SetLinkDomains";
  g_assert_true (apply (resolver, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 3 * G_USEC_PER_SEC);
  during = read_conf (fixture);
  g_assert_nonnull (strstr (during, "nameserver 10.64.0.1"));
  fixture->silent = NULL;
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_false (fixture->default_route);
  assert_conf (fixture, BEFORE);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*run) (Fixture *, gconstpointer);
  } tests[] = {
    { "/resolved/apply-restore", test_apply_restore },
    { "/resolved/refused", test_refused },
    { "/resolved/domains", test_domains },
    { "/resolved/no-tls", test_no_tls },
    { "/resolved/no-answer", test_no_answer },
    { "/resolved/link-known-late", test_link_known_late },
    { "/resolved/nothing-to-revert", test_nothing_to_revert },
    { "/resolved/overwritten", test_overwritten },
    { "/resolved/overwritten-hangs", test_overwritten_hangs },
    { "/auto/describe", test_describe },
    { "/auto/resolved", test_auto_resolved },
    { "/auto/file", test_auto_file },
    { "/auto/switch", test_auto_switch },
    { "/auto/besides", test_auto_besides },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
  return g_test_run ();
}
