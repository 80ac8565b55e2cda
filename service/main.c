/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd(8): options, locale, log writer, run. Everything else stands in daemon.c and early-boot.c.
 */
#include "config.h"

#include "daemon.h"
#include "early-boot.h"
#include "error.h"
#include "log.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* An option, else the first directory of the environment variable that systemd sets (systemd.exec(5)), else the default. */
static char *
pick_directory (const char *option, const char *variable, const char *fallback)
{
  const char *value = g_getenv (variable);

  if (option != NULL)
    return g_strdup (option);
  if (value != NULL && *value != '\0')
    return g_strndup (value, strcspn (value, ":"));
  return g_strdup (fallback);
}

int
main (int argc, char **argv)
{
  g_autofree char *state_option = NULL;
  g_autofree char *runtime_option = NULL;
  g_autofree char *logs_option = NULL;
  gboolean show_version = FALSE;
  gboolean debug = FALSE;
  gboolean early_boot = FALSE;
  gboolean emergency_unlock = FALSE;
  gboolean json = FALSE;
  int unlock_status;
  const GOptionEntry entries[] = {
    { "state-directory", 0, 0, G_OPTION_ARG_FILENAME, &state_option, N_ ("Where settings and profiles are kept (default: $STATE_DIRECTORY, else /var/lib/vpnd)"), N_ ("DIR") },
    { "runtime-directory", 0, 0, G_OPTION_ARG_FILENAME, &runtime_option, N_ ("Where the record of changes is kept (default: $RUNTIME_DIRECTORY, else /run/vpnd)"), N_ ("DIR") },
    { "logs-directory", 0, 0, G_OPTION_ARG_FILENAME, &logs_option, N_ ("Where the log is kept when there is no journal (default: $LOGS_DIRECTORY, else nowhere)"), N_ ("DIR") },
    { "early-boot", 0, 0, G_OPTION_ARG_NONE, &early_boot, N_ ("Close the network where the settings want it closed, and exit"), NULL },
    { "emergency-unlock", 0, 0, G_OPTION_ARG_NONE, &emergency_unlock, N_ ("Open the network while vpnd is not running, turn lockdown and auto-connect off, and exit"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_ ("With --emergency-unlock: say in JSON that the network is open"), NULL },
    { "debug", 0, 0, G_OPTION_ARG_NONE, &debug, N_ ("Log debug messages"), NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &show_version, N_ ("Print the version and exit"), NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (VpndLogRing) ring = vpnd_log_ring_new (VPND_LOG_RING_MAX_BYTES);
  g_autoptr (VpndDaemon) daemon = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndLogFile) log_file = NULL;
  g_autofree char *logs_directory = NULL;
  g_autofree char *state_directory = NULL;
  g_autofree char *runtime_directory = NULL;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, VPND_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  umask (0077);
  (void) prctl (PR_SET_DUMPABLE, 0);              /* keys are in memory: no core file, no ptrace by the same user */
  (void) prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* nor for the programs that we start: no way to more privileges than we have */

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, _ ("The VPN daemon. It is started by the service manager or by the message bus; vpnctl(1) controls it."));
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      g_printerr ("vpnd: %s\n", error != NULL ? error->message : _ ("unexpected argument"));
      return 2;
    }
  if (json && !emergency_unlock)
    {
      g_printerr ("vpnd: %s\n", _ ("--json is for --emergency-unlock alone"));
      return 2;
    }
  if (show_version)
    {
      g_print ("vpnd %s\n", VPND_VERSION);
      return 0;
    }

  /* systemd makes the directory also where the journal takes the lines; the writer then leaves it alone. */
  logs_directory = early_boot ? NULL : pick_directory (logs_option, "LOGS_DIRECTORY", NULL);
  if (logs_directory != NULL)
    log_file = vpnd_log_file_open (logs_directory, VPND_LOG_FILE_MAX_BYTES, &error);
  vpnd_log_install (ring, g_steal_pointer (&log_file));
  if (error != NULL)
    g_warning ("%s", error->message);
  g_clear_error (&error);
  g_log_set_debug_enabled (debug);
  state_directory = pick_directory (state_option, "STATE_DIRECTORY", "/var/lib/vpnd");
  runtime_directory = pick_directory (runtime_option, "RUNTIME_DIRECTORY", "/run/vpnd");
  if (early_boot)
    return vpnd_early_boot_run (state_directory, runtime_directory);
  daemon = (emergency_unlock ? vpnd_daemon_new_for_release : vpnd_daemon_new) (&(VpndDaemonOptions){ state_directory, runtime_directory }, ring, &error);
  if (daemon == NULL)
    {
      g_warning ("%s%s", error->message, emergency_unlock && g_error_matches (error, VPND_ERROR, VPND_ERROR_EXISTS) ? "; ask it: vpnctl emergency-unlock, or end it: systemctl kill -s KILL vpnd && systemctl stop vpnd" : "");
      return 1;
    }
  if (!emergency_unlock)
    return vpnd_daemon_run (daemon);
  unlock_status = vpnd_daemon_release (daemon);
  if (unlock_status == 0)
    g_print ("%s\n", json ? "{\"schema\":1,\"unlocked\":true}" : _ ("The network is open. Lockdown and auto-connect are off."));
  return unlock_status;
}
