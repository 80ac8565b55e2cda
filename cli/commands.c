/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verbs. Order is that of the help.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"

#define MANY 64 /* dns-servers takes several words */

static const VpndCommand commands[] = {
  { "connect", "[PROFILE]", 0, 1, VPND_OPTION_WAIT, vpnd_command_connect, N_ ("Connect to a stored profile"),
      N_ ("Without PROFILE: the one in use, else the one of the setting auto-connect-profile,\n"
          "else the only one. With --wait the exit code is 0 only if the server has answered.") },
  { "disconnect", "", 0, 0, VPND_OPTION_WAIT, vpnd_command_disconnect, N_ ("End the connection"),
      N_ ("The network is open afterwards, unless the setting lockdown is on.") },
  { "reconnect", "", 0, 0, VPND_OPTION_WAIT, vpnd_command_reconnect, N_ ("Start the session anew, without opening the network"), "" },
  { "status", "", 0, 0, VPND_OPTION_VERBOSE, vpnd_command_status, N_ ("Show the state of the connection"),
      N_ ("The first line is one of: Connected, Connecting, Disconnecting, Disconnected,\n"
          "Blocked: CAUSE. It is the same in every language. Exit code 7 says that traffic\n"
          "should be blocked and is not.") },
  { "monitor", "", 0, 0, 0, vpnd_command_monitor, N_ ("Show the state and every change, until Ctrl-C"),
      N_ ("With --json every line is an object with the key \"event\".") },
  { "import", "FILE [NAME]", 1, 2, VPND_OPTION_REPLACE, vpnd_command_import, N_ ("Store a WireGuard .conf file as a profile"),
      N_ ("NAME is that of the file without .conf if it is not given. FILE may be - for\n"
          "standard input; then NAME is needed. Commands in the file (PostUp and the like)\n"
          "are reported and never run.") },
  { "export", "NAME", 1, 1, 0, vpnd_command_export, N_ ("Print a profile as a .conf file, without its secret keys"), "" },
  { "list", "", 0, 0, VPND_OPTION_NAMES, vpnd_command_list, N_ ("List the stored profiles"), "" },
  { "show", "NAME", 1, 1, 0, vpnd_command_show, N_ ("Show one profile"), "" },
  { "rename", "OLD NEW", 2, 2, 0, vpnd_command_rename, N_ ("Rename a profile"), "" },
  { "remove", "NAME", 1, 1, 0, vpnd_command_remove, N_ ("Delete a profile"), "" },
  { "bridge", "NAME [ADDRESS:PORT/PROTOCOL LOCALPORT [USER] | off]", 1, 4, 0, vpnd_command_bridge, N_ ("Reach the server of a profile by a bridge and a proxy"),
      N_ ("A proxy of this machine takes WireGuard's datagrams at LOCALPORT of 127.0.0.1 and\n"
          "carries them to ADDRESS:PORT by PROTOCOL, udp or tcp; vpnd lets it through in place\n"
          "of the server, and does not start it. It runs as root, or as USER and marks its\n"
          "packets. Without more: what it is now. Holds from the next connect on.") },
  { "activate", "FILE", 1, 1, VPND_OPTION_WAIT, vpnd_command_activate, N_ ("Connect as a JSON file says, without storing it"),
      N_ ("FILE has the JSON object of the D-Bus method activate, see vpnctl(1);\n"
          "- is standard input.") },
  { "split", "add RULE... | remove RULE... | list | mode [exclude | include] | ps | watch", 1, 2, VPND_OPTION_RULE | VPND_OPTION_ALL, vpnd_command_split,
      N_ ("Choose what goes beside the tunnel, and see it"),
      N_ ("RULE is an option and its value: --path, --app, --unit, --uid, --subnet, --domain.\n"
          "Without --include or --profile what it names goes beside the tunnel. --own is for\n"
          "your programs alone, and --app then for applications of your home, too. list shows\n"
          "the rules, ps the processes they hold for, watch both as they change. In the mode\n"
          "include all else goes beside the tunnel.") },
  { "exclude", "-- COMMAND [ARGUMENT...]", 1, G_MAXUINT, VPND_COMMAND_RUNS, vpnd_command_exclude, N_ ("Run a command beside the tunnel"),
      N_ ("What it starts goes beside the tunnel, too. The exit code is that of COMMAND; 125\n"
          "says that it was not started, for it would have used the tunnel, 126 that it\n"
          "cannot be run, 127 that there is none.") },
  { "include", "-- COMMAND [ARGUMENT...]", 1, G_MAXUINT, VPND_COMMAND_RUNS, vpnd_command_include, N_ ("Run a command that uses the tunnel and nothing else"),
      N_ ("For the mode include, in which all else goes beside the tunnel. While vpnd connects\n"
          "or blocks, its packets are refused. While vpnd is disconnected and blocks nothing,\n"
          "all programs go in the clear: it is not started then. Exit codes as of exclude.") },
  { "settings", "[get KEY | set KEY VALUE... | reset]", 0, MANY, 0, vpnd_command_settings, N_ ("Show or change settings"),
      N_ ("Without more: all of them. A change holds at once and is kept. The value of a\n"
          "list is separated by commas or spaces; an empty one is written \"\".") },
  { "lockdown", "[on | off | get]", 0, 1, 0, vpnd_command_lockdown, N_ ("Block the network also while disconnected, or not"),
      N_ ("Without more: what it is now.") },
  { "lan", "[allow | block | get]", 0, 1, 0, vpnd_command_lan, N_ ("Allow or block the local network"),
      N_ ("Without more: what it is now.") },
  { "auto-connect", "[on [PROFILE] | off | get]", 0, 2, 0, vpnd_command_auto_connect, N_ ("Connect when the machine starts, or not"),
      N_ ("Without PROFILE: to the profile that was used last. Without more: what it is now.") },
  { "emergency-unlock", "", 0, 0, 0, vpnd_command_emergency_unlock, N_ ("Open the network whatever it takes"),
      N_ ("Ends the connection and turns lockdown and auto-connect off. If vpnd cannot be\nreached it says what root can do instead, with exit code 8.") },
  { "dns", "[query NAME]", 0, 2, 0, vpnd_command_dns, N_ ("Show who owns the DNS setting and what it is, or look a name up"),
      N_ ("Without more: who is asked and why, what vpnd has set, and what was read back.\n"
          "With NAME: its addresses, as any program of this machine finds them.") },
  { "routes", "", 0, 0, 0, vpnd_command_routes, N_ ("Show what is routed where and why, and whether the kernel has it"),
      N_ ("Each address, route and rule of the connection is present or missing in the kernel;\nwhat other programs put in between is foreign.") },
  { "doctor", "", 0, 0, VPND_OPTION_VERBOSE, vpnd_command_doctor, N_ ("Find out what is wrong, and how to mend it"),
      N_ ("Exit code 10 says that errors were found, 9 that warnings were; notes alone are\nsuccess. Nothing is sent to the network. Also works if vpnd does not run. With\n--verbose it asks for the rights to see more; root always has them.") },
  { "bundle", "[FILE]", 0, 1, 0, vpnd_command_bundle, N_ ("Write a report for whoever is to help, without keys, addresses and names"),
      N_ ("Without FILE: one in this directory, with a name of its own. FILE may be - for\nstandard output. Nothing is written over.") },
  { "logs", "", 0, 0, VPND_OPTION_CLEAR, vpnd_command_logs, N_ ("Show the log of vpnd, which holds no keys and addresses"), "" },
  { "version", "", 0, 0, 0, vpnd_command_version, N_ ("Show the versions of vpnctl and vpnd"), "" },
  { "help", "[COMMAND]", 0, 1, 0, vpnd_command_help, N_ ("Show what vpnctl can do, or the help of one command"), "" },
};

/**
 * vpnd_commands:
 * @out_n: (out): how many
 *
 * Returns: (transfer none): every verb
 */
const VpndCommand *
vpnd_commands (guint *out_n)
{
  *out_n = G_N_ELEMENTS (commands);
  return commands;
}

/**
 * vpnd_command_by_name:
 * @name: what was typed
 *
 * Returns: (nullable) (transfer none): the verb of exactly that name
 */
const VpndCommand *
vpnd_command_by_name (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, name))
      return &commands[i];
  return NULL;
}
