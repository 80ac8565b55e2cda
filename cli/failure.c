/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One table for errors of the daemon, one for our own, one for the causes of the state error.
 */
#include "config.h"

#include "failure.h"

#include <glib/gi18n.h>
#include <string.h>

#include "names.h"

G_DEFINE_QUARK (vpnd - cli - error, vpnd_cli_error)

static const VpndExit error_exits[] = {
  [VPND_ERROR_FAILED] = VPND_EXIT_FAILED,
  [VPND_ERROR_INVALID_ARGUMENT] = VPND_EXIT_USAGE,
  [VPND_ERROR_INVALID_JSON] = VPND_EXIT_FAILED,
  [VPND_ERROR_INVALID_PROFILE] = VPND_EXIT_FAILED,
  [VPND_ERROR_TOO_LARGE] = VPND_EXIT_FAILED,
  [VPND_ERROR_NOT_AUTHORIZED] = VPND_EXIT_NOT_AUTHORIZED,
  [VPND_ERROR_NOT_FOUND] = VPND_EXIT_NOT_FOUND,
  [VPND_ERROR_EXISTS] = VPND_EXIT_FAILED,
  [VPND_ERROR_LIMITS_EXCEEDED] = VPND_EXIT_FAILED,
  [VPND_ERROR_NOT_SUPPORTED] = VPND_EXIT_FAILED,
  [VPND_ERROR_NOT_CONNECTED] = VPND_EXIT_FAILED,
  [VPND_ERROR_FIREWALL] = VPND_EXIT_BLOCKING_FAILED,
  [VPND_ERROR_TUNNEL] = VPND_EXIT_FAILED,
  [VPND_ERROR_ROUTING] = VPND_EXIT_FAILED,
  [VPND_ERROR_DNS] = VPND_EXIT_FAILED,
  [VPND_ERROR_KERNEL_FEATURE] = VPND_EXIT_FAILED,
  [VPND_ERROR_OFFLINE] = VPND_EXIT_OFFLINE,
  [VPND_ERROR_ENDPOINT_UNRESOLVABLE] = VPND_EXIT_FAILED,
  [VPND_ERROR_STORAGE] = VPND_EXIT_FAILED,
  [VPND_ERROR_CANCELLED] = VPND_EXIT_FAILED,
};
G_STATIC_ASSERT (G_N_ELEMENTS (error_exits) == VPND_N_ERRORS);

typedef struct
{
  VpndExit exit;
  const char *name;
} OwnError;

static const OwnError own_errors[] = {
  [VPND_CLI_ERROR_USAGE] = { VPND_EXIT_USAGE, "org.vpnd1.Cli.Usage" },
  [VPND_CLI_ERROR_TIMEOUT] = { VPND_EXIT_TIMEOUT, "org.vpnd1.Cli.Timeout" },
  [VPND_CLI_ERROR_UNREACHABLE] = { VPND_EXIT_UNREACHABLE, "org.vpnd1.Cli.Unreachable" },
  [VPND_CLI_ERROR_INTERRUPTED] = { VPND_EXIT_INTERRUPTED, "org.vpnd1.Cli.Interrupted" },
  [VPND_CLI_ERROR_BLOCKING] = { VPND_EXIT_BLOCKING_FAILED, "org.vpnd1.Cli.BlockingFailed" },
  [VPND_CLI_ERROR_FOUND_WARNINGS] = { VPND_EXIT_WARNINGS, "org.vpnd1.Cli.FoundWarnings" },
  [VPND_CLI_ERROR_FOUND_ERRORS] = { VPND_EXIT_ERRORS, "org.vpnd1.Cli.FoundErrors" },
  [VPND_CLI_ERROR_NOT_STARTED] = { VPND_EXIT_NOT_STARTED, "org.vpnd1.Cli.NotStarted" },
  [VPND_CLI_ERROR_CANNOT_RUN] = { VPND_EXIT_CANNOT_RUN, "org.vpnd1.Cli.CannotRun" },
  [VPND_CLI_ERROR_NO_COMMAND] = { VPND_EXIT_NO_COMMAND, "org.vpnd1.Cli.NoCommand" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (own_errors) == VPND_N_CLI_ERRORS);

/**
 * Cause:
 * @cause: the word of the contract
 * @error: as what a command that waited fails
 * @sentence: (translatable): what it means
 * @remedy: (translatable): what to do
 */
typedef struct
{
  const char *cause;
  VpndError error;
  const char *sentence;
  const char *remedy;
} Cause;

static const Cause causes[] = {
  { VPND_CAUSE_WORD_OFFLINE, VPND_ERROR_OFFLINE, N_ ("this machine has no network"),
      N_ ("Nothing needs to be done: vpnd goes on by itself when the network is back.") },
  { VPND_CAUSE_WORD_FIREWALL, VPND_ERROR_FIREWALL, N_ ("the packet filter could not be put in force"),
      N_ ("The kernel may lack nf_tables, or another program holds the table inet vpnd. vpnd tries again by itself; at once: vpnctl reconnect") },
  { VPND_CAUSE_WORD_TUNNEL, VPND_ERROR_TUNNEL, N_ ("the tunnel device could not be set up"),
      N_ ("The kernel needs WireGuard, or wireguard-go and /dev/net/tun must be there. vpnd tries again by itself; at once: vpnctl reconnect") },
  { VPND_CAUSE_WORD_ROUTING, VPND_ERROR_ROUTING, N_ ("addresses or routes could not be set"),
      N_ ("Another program may use the routing tables 22096 and 22097 or the same address. vpnd tries again by itself; at once: vpnctl reconnect") },
  { VPND_CAUSE_WORD_DNS, VPND_ERROR_DNS, N_ ("the name servers could not be set"),
      N_ ("See whether systemd-resolved runs, or whether /etc/resolv.conf can be written. vpnd tries again by itself; at once: vpnctl reconnect") },
  { VPND_CAUSE_WORD_ENDPOINT, VPND_ERROR_ENDPOINT_UNRESOLVABLE, N_ ("the host name of the server has no address"),
      N_ ("It is looked up again by itself, but a closed network answers few questions. Look at the name in the profile, or write the address there.") },
  { VPND_CAUSE_WORD_FAMILY, VPND_ERROR_OFFLINE, N_ ("this network lacks the IP version that the server needs"),
      N_ ("vpnd goes on by itself in a network that has it; or use a server with an address of the other version.") },
  { VPND_CAUSE_WORD_PROFILE, VPND_ERROR_INVALID_PROFILE, N_ ("the profile that was wanted is not there, or cannot be used as it is"),
      N_ ("See vpnctl list. Import it from a file of the provider (vpnctl import), connect to another one, or open the network (vpnctl disconnect).") },
  { VPND_CAUSE_WORD_CRASHED, VPND_ERROR_FAILED, N_ ("vpnd ended unexpectedly, and the network stays closed until you decide"),
      N_ ("Connect again (vpnctl connect), or open the network (vpnctl disconnect). The setting crash-recovery decides for you.") },
  { VPND_CAUSE_WORD_SETTINGS, VPND_ERROR_STORAGE, N_ ("the settings could not be read; the defaults hold"),
      N_ ("The file was kept aside in /var/lib/vpnd. Set what you need (vpnctl settings), then vpnctl connect or vpnctl disconnect.") },
};

static const VpndExit exit_codes[] = {
  VPND_EXIT_OK,
  VPND_EXIT_FAILED,
  VPND_EXIT_USAGE,
  VPND_EXIT_NOT_AUTHORIZED,
  VPND_EXIT_NOT_FOUND,
  VPND_EXIT_TIMEOUT,
  VPND_EXIT_OFFLINE,
  VPND_EXIT_BLOCKING_FAILED,
  VPND_EXIT_UNREACHABLE,
  VPND_EXIT_WARNINGS,
  VPND_EXIT_ERRORS,
  VPND_EXIT_NOT_STARTED,
  VPND_EXIT_CANNOT_RUN,
  VPND_EXIT_NO_COMMAND,
  VPND_EXIT_INTERRUPTED,
};

/**
 * vpnd_exit_codes:
 * @out_n: (out): how many
 *
 * Returns: (transfer none): every exit code, ascending
 */
const VpndExit *
vpnd_exit_codes (guint *out_n)
{
  *out_n = G_N_ELEMENTS (exit_codes);
  return exit_codes;
}

/**
 * vpnd_exit_meaning:
 * @code: an exit code
 *
 * Returns: (transfer none): what it means, translated
 */
const char *
vpnd_exit_meaning (VpndExit code)
{
  switch (code)
    {
    case VPND_EXIT_OK:
      return _ ("success");
    case VPND_EXIT_FAILED:
      return _ ("another failure");
    case VPND_EXIT_USAGE:
      return _ ("wrong option, argument or value");
    case VPND_EXIT_NOT_AUTHORIZED:
      return _ ("not authorized");
    case VPND_EXIT_NOT_FOUND:
      return _ ("no such profile, setting or file");
    case VPND_EXIT_TIMEOUT:
      return _ ("the time limit was reached");
    case VPND_EXIT_OFFLINE:
      return _ ("the machine is offline");
    case VPND_EXIT_BLOCKING_FAILED:
      return _ ("blocking failed: traffic may leave unprotected");
    case VPND_EXIT_UNREACHABLE:
      return _ ("vpnd cannot be reached");
    case VPND_EXIT_WARNINGS:
      return _ ("doctor found warnings");
    case VPND_EXIT_ERRORS:
      return _ ("doctor found errors");
    case VPND_EXIT_NOT_STARTED:
      return _ ("exclude, include: the command was not started");
    case VPND_EXIT_CANNOT_RUN:
      return _ ("exclude, include: the command cannot be run");
    case VPND_EXIT_NO_COMMAND:
      return _ ("exclude, include: there is no such command");
    case VPND_EXIT_INTERRUPTED:
      return _ ("interrupted while waiting");
    }
  g_assert_not_reached ();
}

static gboolean
bus_name_to_error (const char *name, VpndError *out_code)
{
  for (guint i = 0; i < VPND_N_ERRORS; i++)
    if (g_str_equal (vpnd_error_bus_name (i), name))
      {
        *out_code = i;
        return TRUE;
      }
  return FALSE;
}

/* GDBus folds the names of the bus's own errors into its domain; what is left of them means that vpnd was not there to answer. */
static VpndExit
bus_exit (const GError *error)
{
  static const GDBusError unreachable[] = {
    G_DBUS_ERROR_SERVICE_UNKNOWN,
    G_DBUS_ERROR_NAME_HAS_NO_OWNER,
    G_DBUS_ERROR_NO_REPLY,
    G_DBUS_ERROR_DISCONNECTED,
    G_DBUS_ERROR_NO_SERVER,
    G_DBUS_ERROR_TIMED_OUT,
    G_DBUS_ERROR_SPAWN_EXEC_FAILED,
    G_DBUS_ERROR_SPAWN_FORK_FAILED,
    G_DBUS_ERROR_SPAWN_CHILD_EXITED,
    G_DBUS_ERROR_SPAWN_CHILD_SIGNALED,
    G_DBUS_ERROR_SPAWN_FAILED,
    G_DBUS_ERROR_SPAWN_SETUP_FAILED,
    G_DBUS_ERROR_SPAWN_CONFIG_INVALID,
    G_DBUS_ERROR_SPAWN_SERVICE_INVALID,
    G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND,
    G_DBUS_ERROR_SPAWN_PERMISSIONS_INVALID,
    G_DBUS_ERROR_SPAWN_FILE_INVALID,
    G_DBUS_ERROR_SPAWN_NO_MEMORY,
  };
  static const GDBusError denied[] = { G_DBUS_ERROR_ACCESS_DENIED, G_DBUS_ERROR_AUTH_FAILED };

  for (guint i = 0; i < G_N_ELEMENTS (unreachable); i++)
    if (g_error_matches (error, G_DBUS_ERROR, (int) unreachable[i]))
      return VPND_EXIT_UNREACHABLE;
  for (guint i = 0; i < G_N_ELEMENTS (denied); i++)
    if (g_error_matches (error, G_DBUS_ERROR, (int) denied[i]))
      return VPND_EXIT_NOT_AUTHORIZED;
  return VPND_EXIT_FAILED;
}

/**
 * vpnd_failure_exit:
 * @error: any error of vpnctl's
 *
 * Returns: its exit code
 */
VpndExit
vpnd_failure_exit (const GError *error)
{
  g_autofree char *remote = g_dbus_error_get_remote_error (error);
  VpndError code;

  if (error->domain == VPND_CLI_ERROR)
    return own_errors[error->code].exit;
  if (error->domain == VPND_ERROR)
    return error_exits[error->code];
  if (remote != NULL && bus_name_to_error (remote, &code))
    return error_exits[code];
  if (g_strcmp0 (remote, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired") == 0)
    return VPND_EXIT_NOT_AUTHORIZED;
  if (remote != NULL && g_str_has_prefix (remote, "org.freedesktop.systemd1."))
    return VPND_EXIT_UNREACHABLE; /* systemd refuses to start the unit that the bus asked for */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return VPND_EXIT_TIMEOUT;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    return VPND_EXIT_UNREACHABLE;
  if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return VPND_EXIT_NOT_FOUND;
  return bus_exit (error);
}

/**
 * vpnd_failure_name:
 * @error: any error of vpnctl's
 *
 * Returns: (transfer full): the name for machines: that of D-Bus where the error came from there
 */
char *
vpnd_failure_name (const GError *error)
{
  char *remote = g_dbus_error_get_remote_error (error);

  if (remote != NULL)
    return remote;
  if (error->domain == VPND_CLI_ERROR)
    return g_strdup (own_errors[error->code].name);
  if (error->domain == VPND_ERROR)
    return g_strdup (vpnd_error_bus_name (error->code));
  return g_strdup (vpnd_failure_exit (error) == VPND_EXIT_NOT_FOUND ? vpnd_error_bus_name (VPND_ERROR_NOT_FOUND) : vpnd_error_bus_name (VPND_ERROR_FAILED));
}

/**
 * vpnd_failure_is:
 * @error: (nullable): an error
 * @code: an error of the daemon
 *
 * Returns: whether @error is that, come over the bus or made here
 */
gboolean
vpnd_failure_is (const GError *error, VpndError code)
{
  g_autofree char *name = error != NULL ? vpnd_failure_name (error) : NULL;

  return g_strcmp0 (name, vpnd_error_bus_name (code)) == 0;
}

/**
 * vpnd_failure_add_hint:
 * @error: (inout) (nullable): a set error
 * @format: what to do next, one line
 */
void
vpnd_failure_add_hint (GError **error, const char *format, ...)
{
  g_autofree char *hint = NULL;
  g_autofree char *message = NULL;
  va_list args;

  if (error == NULL || *error == NULL)
    return;
  va_start (args, format);
  hint = g_strdup_vprintf (format, args);
  va_end (args);
  message = g_strdup_printf ("%s\n%s", (*error)->message, hint);
  g_free ((*error)->message);
  (*error)->message = g_steal_pointer (&message);
}

/**
 * vpnd_failure_not_started:
 * @error: (inout) (nullable): a set error
 *
 * Makes it the failure of a command that runs another one: the codes below 125 are for that one.
 */
void
vpnd_failure_not_started (GError **error)
{
  if (error == NULL || *error == NULL)
    return;
  (void) g_dbus_error_strip_remote_error (*error); /* an error that is not from the bus has nothing to strip */
  (*error)->domain = VPND_CLI_ERROR;
  (*error)->code = VPND_CLI_ERROR_NOT_STARTED;
}

static const Cause *
find_cause (const char *cause)
{
  for (guint i = 0; i < G_N_ELEMENTS (causes); i++)
    if (g_strcmp0 (causes[i].cause, cause) == 0)
      return &causes[i];
  return NULL;
}

/**
 * vpnd_cause_to_error:
 * @cause: the property Cause
 *
 * Returns: the error as which a command that waited fails; %VPND_ERROR_FAILED for a word that this version does not know
 */
VpndError
vpnd_cause_to_error (const char *cause)
{
  const Cause *found = find_cause (cause);

  return found != NULL ? found->error : VPND_ERROR_FAILED;
}

/**
 * vpnd_cause_sentence:
 * @cause: the property Cause
 *
 * Returns: (transfer none): what it means, translated; @cause itself for a word that this version does not know
 */
const char *
vpnd_cause_sentence (const char *cause)
{
  const Cause *found = find_cause (cause);

  return found != NULL ? _ (found->sentence) : cause;
}

/**
 * vpnd_cause_remedy:
 * @cause: the property Cause
 *
 * Returns: (transfer none): what to do, translated; for a word that this version does not know where to look
 */
const char *
vpnd_cause_remedy (const char *cause)
{
  const Cause *found = find_cause (cause);

  return found != NULL ? _ (found->remedy) : _ ("See vpnctl logs.");
}
