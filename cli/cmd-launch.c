/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * exclude, include: asks vpnd to put this very process into a class, sees in /proc that it is there, and becomes the command. Has no right
 * of its own to give away: no setuid, no capability, no descriptor that it opened outlives the exec. Where nothing would keep the command
 * inside the tunnel, include does not start it.
 */
#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "failure.h"
#include "names.h"
#include "wait.h"

#define OWN_CGROUPS "/proc/self/cgroup"

/* Returns: (transfer none) (nullable): the path in a line of cgroups(7), ID:CONTROLLERS:PATH, if it is that of the hierarchy that @ground names */
static const char *
get_path (const char *line, const char *ground)
{
  g_auto (GStrv) fields = g_strsplit (line, ":", 3);
  g_auto (GStrv) controllers = NULL;

  if (g_strv_length (fields) != 3)
    return NULL;
  controllers = g_strsplit (fields[1], ",", -1);
  if (g_str_equal (ground, "cgroup2") ? !g_str_equal (fields[0], "0") || *fields[1] != '\0' : !g_strv_contains ((const char *const *) controllers, ground))
    return NULL;
  return line + strlen (fields[0]) + strlen (fields[1]) + 2;
}

static gboolean
is_within (const char *path, const char *folder)
{
  const gsize length = strlen (folder);

  return length > 1 && strncmp (path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* What the kernel says of this process against what vpnd says of the class: only the two together are a success. */
static gboolean
check_entered (GVariant *properties, const char *class_, GError **error)
{
  g_autoptr (GVariant) classes = g_variant_lookup_value (properties, "Classes", G_VARIANT_TYPE ("a{ss}"));
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  const char *ground = "";
  const char *wanted = NULL;
  const char *found = NULL;

  (void) g_variant_lookup (properties, "Ground", "&s", &ground); /* absent: none */
  if (classes == NULL || !g_variant_lookup (classes, class_, "&s", &wanted))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, _ ("vpnd has no class \"%s\" in force"), class_);
      return FALSE;
    }
  if (!g_file_get_contents (OWN_CGROUPS, &text, NULL, error))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL && found == NULL; i++)
    found = get_path (lines[i], ground);
  if (found != NULL && is_within (found, wanted))
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, _ ("vpnd agreed, but this process is in the cgroup %s and not in %s"), found != NULL ? found : "-", wanted);
  return FALSE;
}

/* While vpnd is disconnected and blocks nothing, what is included goes in the clear as everything does. */
static gboolean
check_kept_inside (VpndClient *client, GError **error)
{
  g_autoptr (VpndStatus) status = vpnd_read_status (client, NULL, error);

  if (status == NULL || status->blocking)
    return status != NULL;
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_CONNECTED, _ ("vpnd blocks nothing now, so the command would not be kept inside the tunnel"));
  vpnd_failure_add_hint (error, "%s", _ ("To connect: vpnctl connect PROFILE"));
  return FALSE;
}

static gboolean
enter (VpndCli *cli, const char *class_, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = client != NULL ? vpnd_client_call (client, VPND_INTERFACE_SPLIT, "Enter", g_variant_new ("(s)", class_), "()", error) : NULL;
  g_autoptr (GVariant) properties = reply != NULL ? vpnd_client_get_all (client, VPND_INTERFACE_SPLIT, error) : NULL;

  return properties != NULL && check_entered (properties, class_, error) && (!g_str_equal (class_, "included") || check_kept_inside (client, error));
}

/* Returns only when it failed. */
static void
become (char **args, GError **error)
{
  int code;

  execvp (args[0], args);
  code = errno;
  g_set_error (error, VPND_CLI_ERROR, code == ENOENT ? VPND_CLI_ERROR_NO_COMMAND : VPND_CLI_ERROR_CANNOT_RUN, _ ("cannot run \"%s\": %s"), args[0], g_strerror (code));
}

static gboolean
launch (VpndCli *cli, const char *class_, char **args, GError **error)
{
  struct sigaction pipe_action;

  /* Talking on the bus changes it; the command gets it as we did. */
  (void) sigaction (SIGPIPE, NULL, &pipe_action); /* fails for no signal that exists */
  if (!enter (cli, class_, error))
    {
      vpnd_failure_not_started (error);
      return FALSE;
    }
  (void) sigaction (SIGPIPE, &pipe_action, NULL);
  become (args, error);
  return FALSE;
}

/**
 * vpnd_command_exclude:
 *
 * vpnctl exclude -- COMMAND [ARGUMENT...]
 */
gboolean
vpnd_command_exclude (VpndCli *cli, char **args, GError **error)
{
  return launch (cli, "excluded", args, error);
}

/**
 * vpnd_command_include:
 *
 * vpnctl include -- COMMAND [ARGUMENT...]
 */
gboolean
vpnd_command_include (VpndCli *cli, char **args, GError **error)
{
  return launch (cli, "included", args, error);
}
