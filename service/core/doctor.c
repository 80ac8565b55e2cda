/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The findings of core/doctor.h: what each row of core/doctor-rows.h has found, and the cause of an error.
 */
#include "config.h"

#include "doctor.h"

#include <net/if_arp.h>
#include <string.h>

#include "doctor-rows.h"

/* One row a cause of the state error. */
static const struct
{
  VpndCause cause;
  VpndFindingCode code;
  const char *command;
} causes[] = {
  { VPND_CAUSE_OFFLINE, VPND_FINDING_OFFLINE, "{}" },
  { VPND_CAUSE_FIREWALL, VPND_FINDING_FIREWALL_FAILED, "modprobe nf_tables" },
  { VPND_CAUSE_TUNNEL, VPND_FINDING_TUNNEL_FAILED, "vpnctl reconnect" },
  { VPND_CAUSE_ROUTING, VPND_FINDING_ROUTING_FAILED, "vpnctl routes" },
  { VPND_CAUSE_DNS, VPND_FINDING_DNS_FAILED, "vpnctl dns" },
  { VPND_CAUSE_ENDPOINT, VPND_FINDING_ENDPOINT_UNRESOLVABLE, "vpnctl disconnect && vpnctl connect" },
  { VPND_CAUSE_FAMILY, VPND_FINDING_FAMILY_UNAVAILABLE, "vpnctl list" },
  { VPND_CAUSE_PROFILE, VPND_FINDING_PROFILE_UNUSABLE, "vpnctl list" },
  { VPND_CAUSE_CRASHED, VPND_FINDING_CRASHED, "vpnctl connect" },
  { VPND_CAUSE_SETTINGS, VPND_FINDING_SETTINGS_UNREADABLE, "vpnctl settings" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (causes) == VPND_N_CAUSES - 1);

static void
add (GPtrArray *findings, VpndFindingCode code, gboolean is_private, char *evidence, const char *command, const char *argument)
{
  VpndFinding *finding = g_new0 (VpndFinding, 1);
  const char *place = strstr (command, "{}");

  finding->code = code;
  finding->is_private = is_private;
  finding->evidence = evidence;
  if (place == NULL)
    finding->command = g_strdup (command);
  else
    finding->command = g_strdup_printf ("%.*s%s%s", (int) (place - command), command, argument != NULL ? argument : "", place + 2);
  g_ptr_array_add (findings, finding);
}

/* Turns on a link that could be; where none is known, shows them. */
static char *
make_link_command (const VpndEvidence *e)
{
  for (guint i = 0; e->survey != NULL && i < e->survey->links->len; i++)
    {
      const VpndSurveyLink *link = &g_array_index (e->survey->links, VpndSurveyLink, i);

      if (!link->is_up && link->type == ARPHRD_ETHER && link->kind[0] == '\0')
        return g_strdup_printf ("ip link set %s up", link->ifname);
    }
  return g_strdup ("ip -brief link");
}

static void
add_cause (GPtrArray *findings, const VpndEvidence *e)
{
  g_autofree char *link_command = make_link_command (e);
  gboolean is_feature = e->cause == VPND_CAUSE_FIREWALL && strstr (e->detail, "CONFIG_") != NULL; /* told by examine_nft_feature () */

  for (guint i = 0; e->kind == VPND_STATE_ERROR && !is_feature && i < G_N_ELEMENTS (causes); i++)
    if (causes[i].cause == e->cause)
      add (findings, causes[i].code, FALSE, g_strdup (*e->detail != '\0' ? e->detail : vpnd_cause_word (e->cause)), causes[i].command, link_command);
}

static void
add_rows (GPtrArray *findings, const VpndEvidence *e, const VpndDoctorRow *rows, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *argument = NULL;
      char *shown = rows[i].examine (e, &argument);

      if (shown != NULL)
        add (findings, rows[i].code, rows[i].is_private, shown, rows[i].command, argument);
    }
}

/**
 * vpnd_finding_free:
 * @finding: (transfer full) (nullable): a finding
 */
void
vpnd_finding_free (VpndFinding *finding)
{
  if (finding == NULL)
    return;
  g_free (finding->evidence);
  g_free (finding->command);
  g_free (finding);
}

static int
compare_findings_cb (gconstpointer a, gconstpointer b)
{
  const VpndFinding *one = *(VpndFinding *const *) a;
  const VpndFinding *other = *(VpndFinding *const *) b;
  int order = (int) vpnd_finding_severity (other->code) - (int) vpnd_finding_severity (one->code);

  return order != 0 ? order : (int) one->code - (int) other->code;
}

/**
 * vpnd_doctor_examine:
 * @evidence: what was collected
 *
 * Returns: (transfer full) (element-type VpndFinding): what it shows, the worst first; each code at most once
 */
GPtrArray *
vpnd_doctor_examine (const VpndEvidence *evidence)
{
  GPtrArray *findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_finding_free);
  const VpndDoctorRow *rows;
  guint n;

  add_cause (findings, evidence);
  rows = vpnd_doctor_rows_of_host (&n);
  add_rows (findings, evidence, rows, n);
  rows = vpnd_doctor_rows_of_network (&n);
  add_rows (findings, evidence, rows, n);
  g_ptr_array_sort (findings, compare_findings_cb);
  return findings;
}
