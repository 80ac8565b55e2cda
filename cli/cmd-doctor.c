/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * doctor: what is wrong, how that shows, and the command that mends it.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"
#include "diagnosis.h"
#include "failure.h"
#include "finding-text.h"

static const VpndColor colors[] = {
  [VPND_SEVERITY_NOTE] = VPND_COLOR_BOLD,
  [VPND_SEVERITY_WARNING] = VPND_COLOR_BUSY,
  [VPND_SEVERITY_ERROR] = VPND_COLOR_BAD,
};
G_STATIC_ASSERT (G_N_ELEMENTS (colors) == VPND_N_SEVERITIES);

static void
print_json (VpndCli *cli, const GPtrArray *found)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  json_builder_set_member_name (builder, "findings");
  json_builder_begin_array (builder);
  for (guint i = 0; i < found->len; i++)
    {
      const VpndDiagnosis *diagnosis = g_ptr_array_index (found, i);

      json_builder_begin_object (builder);
      vpnd_output_json_string (builder, "code", diagnosis->code);
      vpnd_output_json_string (builder, "severity", vpnd_severity_word (diagnosis->severity));
      vpnd_output_json_string (builder, "evidence", diagnosis->evidence);
      vpnd_output_json_string (builder, "command", diagnosis->command);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  vpnd_output_json_end (cli->output, builder);
}

static void
print_line (VpndCli *cli, VpndColor color, const char *label, const char *text)
{
  g_autofree char *line = g_strdup_printf ("  %s%s", label, text);

  vpnd_output_paragraph (cli->output, color, line);
}

static void
print_finding (VpndCli *cli, const VpndDiagnosis *diagnosis)
{
  g_autofree char *head = g_strdup_printf ("%s: %s", vpnd_severity_title (diagnosis->severity), diagnosis->code);
  VpndFindingCode code;

  vpnd_output_line (cli->output, colors[diagnosis->severity], head);
  if (vpnd_finding_from_word (diagnosis->code, &code))
    print_line (cli, VPND_COLOR_NONE, "", vpnd_finding_sentence (code));
  if (*diagnosis->evidence != '\0')
    print_line (cli, VPND_COLOR_DIM, _ ("Seen: "), diagnosis->evidence);
  else
    print_line (cli, VPND_COLOR_DIM, _ ("Seen: "), _ ("for administrators only (vpnctl doctor --verbose)"));
  if (*diagnosis->command != '\0')
    {
      g_autofree char *command = g_strconcat ("  $ ", diagnosis->command, NULL);

      vpnd_output_line (cli->output, VPND_COLOR_NONE, command); /* in one piece, to be copied */
    }
}

static guint
count (const GPtrArray *found, VpndSeverity severity)
{
  guint n = 0;

  for (guint i = 0; i < found->len; i++)
    n += ((const VpndDiagnosis *) g_ptr_array_index (found, i))->severity == severity;
  return n;
}

/* The exit status is that of the worst; notes are none. */
static gboolean
judge (const GPtrArray *found, GError **error)
{
  guint errors = count (found, VPND_SEVERITY_ERROR);
  guint warnings = count (found, VPND_SEVERITY_WARNING);

  if (errors > 0)
    g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_FOUND_ERRORS, ngettext ("%u error was found", "%u errors were found", errors), errors);
  else if (warnings > 0)
    g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_FOUND_WARNINGS, ngettext ("%u warning was found", "%u warnings were found", warnings), warnings);
  return errors == 0 && warnings == 0;
}

/**
 * vpnd_command_doctor:
 *
 * vpnctl doctor [--verbose]
 */
gboolean
vpnd_command_doctor (VpndCli *cli, char **args, GError **error)
{
  g_autoptr (GPtrArray) found = vpnd_diagnosis_collect (cli, cli->options.verbose);

  if (vpnd_output_is_json (cli->output))
    print_json (cli, found);
  else
    for (guint i = 0; i < found->len; i++)
      print_finding (cli, g_ptr_array_index (found, i));
  if (!judge (found, error))
    return FALSE;
  if (!vpnd_output_is_json (cli->output))
    vpnd_output_line (cli->output, VPND_COLOR_GOOD, _ ("Nothing is wrong."));
  return TRUE;
}
