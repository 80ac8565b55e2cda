/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-rig.h: the backends under test, and how a case is run on one.
 */
#include "config.h"

#include "resolver-rig.h"

#include "reserved.h"
#include "resolver-auto.h"
#include "resolver-file.h"
#include "resolver-networkmanager.h"
#include "resolver-resolvconf.h"
#include "resolver-resolved.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static VpndResolver *
make_file (Rig *rig)
{
  return vpnd_resolver_file_new (rig->backup_dirfd, rig->conf);
}

static VpndResolver *
make_resolved (Rig *rig)
{
  return vpnd_resolver_resolved_new (rig->client);
}

VpndResolver *
make_networkmanager (Rig *rig)
{
  return vpnd_resolver_networkmanager_new (rig->client, rig->backup_dirfd, rig->conf);
}

VpndResolver *
make_resolvconf (Rig *rig)
{
  return vpnd_resolver_resolvconf_new (rig->conf, rig->program, rig->run);
}

static VpndResolver *
make_auto (Rig *rig)
{
  return vpnd_resolver_auto_new (rig->client, rig->backup_dirfd, rig->conf);
}

static VpndResolver *
make_fake (Rig *rig)
{
  return g_object_ref (rig->host->resolver);
}

static void
prepare_nothing (Rig *rig)
{
}

static void
prepare_networkmanager (Rig *rig)
{
  rig->nm_id = own (rig, NM_NAME);
  nm_write (rig);
}

static void
prepare_resolved (Rig *rig)
{
  rig->resolved_id = own (rig, "org.freedesktop.resolve1");
}

static void
prepare_resolvconf (Rig *rig)
{
  g_autoptr (GError) error = NULL;
  const char *argv[] = { rig->program, "-u", NULL };
  g_autofree char *calls = path_in (rig, "calls");
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, &error);

  g_assert_no_error (error);
  g_assert_true (g_subprocess_wait_check (process, NULL, &error));
  g_assert_cmpint (g_unlink (calls), ==, 0);
}

static void
bring_fake (Rig *rig, const char *server)
{
  const char *const servers[] = { server, NULL };

  fake_host_set_outside (rig->host, servers);
}

static void
prepare_fake (Rig *rig)
{
  bring_fake (rig, "192.0.2.99");
}

static void
bring_auto (Rig *rig, const char *server)
{
  g_autofree char *text = g_strdup_printf ("nameserver %s\n", server);

  write_conf (rig, text);
}

static void
overwrite_fake (Rig *rig)
{
  fake_host_overwrite_dns (rig->host);
}

void
overwrite_conf (Rig *rig)
{
  write_conf (rig, "nameserver 192.0.2.7\n");
}

static void
overwrite_networkmanager (Rig *rig)
{
  nm_set (rig, "@a{sv} {}");
}

static void
overwrite_resolved (Rig *rig)
{
  resolved_revert (rig);
  g_assert_true (g_dbus_connection_emit_signal (rig->mock, NULL, "/org/freedesktop/resolve1", "org.freedesktop.DBus.Properties", "PropertiesChanged",
      g_variant_new_parsed ("('org.freedesktop.resolve1.Manager', @a{sv} {}, ['DNS'])"), NULL));
}

gboolean
conf_is_ours (Rig *rig)
{
  return conf_has (rig, OURS) && !conf_has (rig, "192.0.2.7");
}

gboolean
networkmanager_is_ours (Rig *rig)
{
  return conf_is_ours (rig) && g_variant_n_children (rig->global) > 0;
}

static gboolean
resolved_is_ours (Rig *rig)
{
  return g_variant_n_children (rig->dns) == 2 && rig->default_route;
}

static gboolean
resolved_is_before (Rig *rig)
{
  return g_variant_n_children (rig->dns) == 0 && !rig->default_route;
}

static gboolean
fake_is_ours (Rig *rig)
{
  return rig->host->dns != NULL && rig->host->dns->servers->len == 2;
}

static gboolean
fake_is_before (Rig *rig)
{
  return rig->host->dns == NULL;
}

/* The file backend puts back the newest wish of others. */
static gboolean
file_is_before (Rig *rig)
{
  return conf_has (rig, BEFORE) || conf_has (rig, "192.0.2.7");
}

gboolean
networkmanager_is_before (Rig *rig)
{
  return g_variant_n_children (rig->global) == 0 && conf_has (rig, NM_HEAD "nameserver 192.0.2.99\n");
}

static gboolean
resolvconf_is_before (Rig *rig)
{
  g_autofree char *record = g_build_filename (rig->run, "interfaces", "tun." VPND_IFNAME, NULL);

  return !conf_has (rig, OURS) && conf_has (rig, "nameserver 192.0.2.99\n") && !g_file_test (record, G_FILE_TEST_EXISTS);
}

void
refuse_file (Rig *rig)
{
  g_assert_cmpint (g_unlink (rig->conf) + g_mkdir (rig->conf, 0700), ==, 0);
}

static void
recover_file (Rig *rig)
{
  g_assert_cmpint (g_rmdir (rig->conf), ==, 0);
  write_conf (rig, BEFORE);
}

static void
refuse_fake (Rig *rig)
{
  rig->host->fail_name = "resolver.apply";
}

static void
recover_fake (Rig *rig)
{
  rig->host->fail_name = NULL;
}

static void
refuse_service (Rig *rig)
{
  rig->is_deaf = TRUE;
}

static void
recover_service (Rig *rig)
{
  rig->is_deaf = FALSE;
}

void
flag_script (Rig *rig, const char *flag)
{
  g_autofree char *path = path_in (rig, flag);

  g_assert_true (g_file_set_contents (path, "", -1, NULL));
}

static void
unflag_script (Rig *rig, const char *flag)
{
  g_autofree char *path = path_in (rig, flag);

  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
refuse_resolvconf (Rig *rig)
{
  flag_script (rig, "forgets");
}

static void
recover_resolvconf (Rig *rig)
{
  unflag_script (rig, "forgets");
}

const Kind kinds[N_KINDS] = {
  [KIND_FILE] = { "file", VPND_IFNAME, TRUE, make_file, prepare_nothing, overwrite_conf, conf_is_ours, file_is_before, refuse_file, recover_file, NULL },
  [KIND_RESOLVED] = { "resolved", "lo", FALSE, make_resolved, prepare_resolved, overwrite_resolved, resolved_is_ours, resolved_is_before, refuse_service, recover_service, NULL },
  [KIND_NETWORKMANAGER] = { "networkmanager", VPND_IFNAME, TRUE, make_networkmanager, prepare_networkmanager, overwrite_networkmanager, networkmanager_is_ours, networkmanager_is_before,
      refuse_service, recover_service, NULL },
  [KIND_RESOLVCONF] = { "resolvconf", VPND_IFNAME, TRUE, make_resolvconf, prepare_resolvconf, overwrite_conf, conf_is_ours, resolvconf_is_before, refuse_resolvconf, recover_resolvconf, NULL },
  [KIND_AUTO] = { "auto", VPND_IFNAME, TRUE, make_auto, prepare_nothing, overwrite_conf, conf_is_ours, file_is_before, refuse_file, recover_file, bring_auto },
  [KIND_FAKE] = { "fake", VPND_IFNAME, TRUE, make_fake, prepare_fake, overwrite_fake, fake_is_ours, fake_is_before, refuse_fake, recover_fake, bring_fake },
};

/* --- the tests --- */

VpndDnsPlan *
make_plan (const char *ifname)
{
  VpndDnsPlan *plan = vpnd_dns_plan_new (ifname);
  VpndAddr v4, v6;

  g_assert_true (vpnd_addr_parse ("10.64.0.1", &v4) && vpnd_addr_parse ("fc00::1", &v6));
  g_array_append_val (plan->servers, v4);
  g_array_append_val (plan->servers, v6);
  g_ptr_array_add (plan->search, g_strdup ("corp.example"));
  g_ptr_array_add (plan->search, g_strdup ("~only.example"));
  return plan;
}

gboolean
apply (Rig *rig, VpndResolver *resolver, GError **error)
{
  g_autoptr (VpndDnsPlan) plan = make_plan (rig->kind->ifname);

  return resolver_apply (resolver, plan, NULL, error);
}

typedef struct
{
  const Kind *kind;
  void (*run) (Rig *rig);
} Case;

static void
run_case (gconstpointer data)
{
  const Case *one = data;
  Rig rig;

  rig_set_up (&rig, one->kind);
  one->run (&rig);
  rig_tear_down (&rig);
}

void
add_case (const char *name, const Kind *kind, void (*run) (Rig *rig))
{
  g_autofree char *path = g_strdup_printf ("/resolvers/%s/%s", kind->name, name);
  Case *one = g_new (Case, 1);

  one->kind = kind;
  one->run = run;
  g_test_add_data_func_full (path, one, run_case, g_free);
}
