/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Asks vpnd; where it cannot be asked, looks at the little that any program may look at. Never fails: not being able to ask is a finding.
 */
#include "config.h"

#include "diagnosis.h"

#include <string.h>
#include <unistd.h>

#include "failure.h"
#include "json.h"
#include "names.h"

#define LEDGER_PATH "/run/vpnd/ledger.json" /* what vpnd has changed; only root can read it */
#define RESOLV_CONF_PATH "/etc/resolv.conf"

/**
 * vpnd_diagnosis_free:
 * @diagnosis: (transfer full) (nullable): a finding
 */
void
vpnd_diagnosis_free (VpndDiagnosis *diagnosis)
{
  if (diagnosis == NULL)
    return;
  g_free (diagnosis->code);
  g_free (diagnosis->evidence);
  g_free (diagnosis->command);
  g_free (diagnosis);
}

static void
add (GPtrArray *found, VpndFindingCode code, const char *evidence, const char *command)
{
  VpndDiagnosis *diagnosis = g_new0 (VpndDiagnosis, 1);

  diagnosis->code = g_strdup (vpnd_finding_word (code));
  diagnosis->severity = vpnd_finding_severity (code);
  diagnosis->evidence = g_strdup (evidence);
  diagnosis->command = g_strdup (command);
  g_ptr_array_add (found, diagnosis);
}

static void
add_reply (GPtrArray *found, GVariant *reply)
{
  g_autoptr (GVariant) findings = g_variant_get_child_value (reply, 0);

  for (gsize i = 0; i < g_variant_n_children (findings); i++)
    {
      g_autoptr (GVariant) finding = g_variant_get_child_value (findings, i);
      VpndDiagnosis *diagnosis = g_new0 (VpndDiagnosis, 1);
      const char *severity = "";

      (void) g_variant_lookup (finding, "code", "s", &diagnosis->code);
      (void) g_variant_lookup (finding, "severity", "&s", &severity);
      (void) g_variant_lookup (finding, "evidence", "s", &diagnosis->evidence);
      (void) g_variant_lookup (finding, "command", "s", &diagnosis->command);
      diagnosis->severity = VPND_SEVERITY_ERROR; /* a word of another version is taken for the worst */
      (void) vpnd_severity_from_word (severity, &diagnosis->severity);
      if (diagnosis->code != NULL && diagnosis->evidence != NULL && diagnosis->command != NULL)
        g_ptr_array_add (found, diagnosis);
      else
        vpnd_diagnosis_free (diagnosis);
    }
}

/* Returns: (transfer full): the first line of an error, without the name of D-Bus before it */
static char *
first_line (const GError *error)
{
  g_autoptr (GError) plain = g_error_copy (error);
  char *end;

  (void) g_dbus_error_strip_remote_error (plain); /* one that is not from the bus has nothing to strip */
  end = strchr (plain->message, '\n');
  return g_strndup (plain->message, end != NULL ? (gsize) (end - plain->message) : strlen (plain->message));
}

static gboolean
has_left_something (void)
{
  g_autofree char *text = NULL;
  g_autoptr (JsonObject) ledger = NULL;
  gsize length;

  if (!g_file_get_contents (LEDGER_PATH, &text, &length, NULL))
    return FALSE;
  ledger = vpnd_json_parse_object (text, (gssize) length, NULL);
  /* One that cannot be read is taken as vpnd takes it: everything may have been changed. */
  return ledger == NULL || json_object_get_int_member_with_default (ledger, "changes", 1) != 0 || json_object_get_boolean_member_with_default (ledger, "protected", TRUE);
}

/* What anybody can see without vpnd. */
static void
look_alone (GPtrArray *found)
{
  if (has_left_something ())
    add (found, VPND_FINDING_LEFT_BEHIND, LEDGER_PATH, VPND_DAEMON_PATH " --emergency-unlock");
  if (!g_file_test (RESOLV_CONF_PATH, G_FILE_TEST_EXISTS))
    add (found, VPND_FINDING_RESOLV_CONF_MISSING, RESOLV_CONF_PATH, "touch " RESOLV_CONF_PATH);
  if (g_file_test ("/usr/bin/wireguard-go", G_FILE_TEST_IS_EXECUTABLE) && !g_file_test ("/sys/module/wireguard", G_FILE_TEST_EXISTS) && !g_file_test ("/dev/net/tun", G_FILE_TEST_EXISTS))
    add (found, VPND_FINDING_TUN_MISSING, "/dev/net/tun", "modprobe tun");
}

static void
compare_versions (VpndClient *client, GPtrArray *found)
{
  g_autoptr (GVariant) properties = vpnd_client_get_all (client, VPND_INTERFACE_DAEMON, NULL);
  g_autofree char *evidence = NULL;
  const char *version;

  if (properties == NULL || !g_variant_lookup (properties, "Version", "&s", &version) || g_str_equal (version, VPND_VERSION))
    return;
  evidence = g_strdup_printf ("vpnctl " VPND_VERSION ", vpnd %s", version);
  add (found, VPND_FINDING_VERSIONS_DIFFER, evidence, "systemctl restart vpnd");
}

static GVariant *
ask (VpndClient *client, gboolean wants_all, GPtrArray *found, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  GVariant *reply = NULL;

  if (wants_all)
    {
      reply = vpnd_client_call (client, VPND_INTERFACE_DIAGNOSTICS, "CheckAll", NULL, "(aa{sv})", &local_error);
      if (reply != NULL || vpnd_failure_exit (local_error) != VPND_EXIT_NOT_AUTHORIZED)
        {
          if (reply == NULL)
            g_propagate_error (error, g_steal_pointer (&local_error));
          return reply;
        }
    }
  reply = vpnd_client_call (client, VPND_INTERFACE_DIAGNOSTICS, "Check", NULL, "(aa{sv})", error);
  if (reply != NULL && wants_all)
    add (found, VPND_FINDING_NOT_PERMITTED, "org.vpnd1.logs", "sudo vpnctl doctor");
  return reply;
}

static int
compare_cb (gconstpointer a, gconstpointer b)
{
  const VpndDiagnosis *one = *(VpndDiagnosis *const *) a;
  const VpndDiagnosis *other = *(VpndDiagnosis *const *) b;

  return (int) other->severity - (int) one->severity;
}

/**
 * vpnd_diagnosis_collect:
 * @cli: the context
 * @wants_all: also what only administrators may see, if this user is one
 *
 * Returns: (transfer full) (element-type VpndDiagnosis): what was found, the worst first
 */
GPtrArray *
vpnd_diagnosis_collect (VpndCli *cli, gboolean wants_all)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_diagnosis_free);
  g_autoptr (GError) error = NULL;
  VpndClient *client = vpnd_cli_client (cli, &error);
  g_autoptr (GVariant) reply = client != NULL ? ask (client, wants_all || geteuid () == 0, found, &error) : NULL;
  g_autofree char *why = error != NULL ? first_line (error) : NULL;

  if (reply != NULL)
    {
      add_reply (found, reply);
      compare_versions (client, found);
    }
  else if (client != NULL && vpnd_failure_exit (error) == VPND_EXIT_NOT_AUTHORIZED)
    add (found, VPND_FINDING_NOT_PERMITTED, why, "sudo vpnctl doctor");
  else
    {
      add (found, client == NULL ? VPND_FINDING_BUS_UNREACHABLE : VPND_FINDING_DAEMON_UNREACHABLE, why, client == NULL ? "systemctl start dbus" : "systemctl start vpnd");
      look_alone (found);
    }
  g_ptr_array_sort (found, compare_cb);
  return found;
}
