/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a verb of vpnctl is: one row of the table in commands.c. The row drives parsing, the help, completions' tests and dispatch.
 */
#pragma once

#include "client.h"
#include "output.h"

G_BEGIN_DECLS

/* The options that only some verbs have; the others (--json, --no-color, --timeout, --help) belong to every verb. */
typedef enum
{
  VPND_OPTION_WAIT = 1 << 0,
  VPND_OPTION_VERBOSE = 1 << 1,
  VPND_OPTION_REPLACE = 1 << 2,
  VPND_OPTION_CLEAR = 1 << 3,
  VPND_OPTION_NAMES = 1 << 4,
  VPND_OPTION_RULE = 1 << 5, /* all that a rule of split tunnelling is made of */
  VPND_OPTION_ALL = 1 << 6,
  VPND_COMMAND_RUNS = 1 << 7, /* no option: the operands are a command line of somebody else, with options of its own */
} VpndOptionFlags;

/* The kinds of rules, each an option that may be given more than once. */
typedef enum
{
  VPND_RULE_PATH,
  VPND_RULE_APP,
  VPND_RULE_UNIT,
  VPND_RULE_UID,
  VPND_RULE_SUBNET,
  VPND_RULE_DOMAIN,
  VPND_N_RULE_OPTIONS
} VpndRuleOption;

#define VPND_TIMEOUT_NOT_GIVEN G_MININT /* no number that somebody types */

/**
 * VpndOptions: the command line, parsed.
 * @timeout_s: seconds; 0 for no limit, %VPND_TIMEOUT_NOT_GIVEN when not given
 * @rules: (owned): the values of each kind of rule, %NULL for none
 * @profile: (owned) (nullable): profile that a rule binds to
 */
typedef struct
{
  gboolean json;
  gboolean no_color;
  gboolean help;
  gboolean wait;
  gboolean verbose;
  gboolean replace;
  gboolean clear;
  gboolean names;
  gboolean exclude;
  gboolean include;
  gboolean own;
  gboolean all;
  char **rules[VPND_N_RULE_OPTIONS];
  char *profile;
  int timeout_s;
} VpndOptions;

/**
 * VpndCli: what a running verb has at hand.
 * @output: (unowned): standard output and its form
 * @client: (owned) (nullable): made on first use by vpnd_cli_client()
 */
typedef struct
{
  VpndOptions options;
  VpndOutput *output;
  VpndClient *client;
} VpndCli;

/**
 * VpndCommandFunc:
 * @cli: the context
 * @args: (array zero-terminated=1): the operands, as many as the row allows
 * @error: return location
 *
 * Returns: %TRUE on success; else the exit code is that of @error
 */
typedef gboolean (*VpndCommandFunc) (VpndCli *cli, char **args, GError **error);

/**
 * VpndCommand:
 * @synopsis: operands as the help and the manual show them, "" for none
 * @summary: (translatable): one line
 * @description: (translatable): the rest of the help
 */
typedef struct
{
  const char *name;
  const char *synopsis;
  guint min_args;
  guint max_args;
  guint flags;
  VpndCommandFunc run;
  const char *summary;
  const char *description;
} VpndCommand;

const VpndCommand *vpnd_commands (guint *out_n);
const VpndCommand *vpnd_command_by_name (const char *name);

VpndClient *vpnd_cli_client (VpndCli *cli, GError **error);

gboolean vpnd_command_connect (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_disconnect (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_reconnect (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_activate (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_status (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_monitor (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_import (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_export (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_list (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_show (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_remove (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_rename (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_bridge (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_split (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_split_ps (VpndCli *cli, GError **error);
gboolean vpnd_command_split_watch (VpndCli *cli, GError **error);
gboolean vpnd_command_exclude (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_include (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_settings (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_lockdown (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_lan (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_auto_connect (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_emergency_unlock (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_dns (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_routes (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_doctor (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_bundle (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_logs (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_version (VpndCli *cli, char **args, GError **error);
gboolean vpnd_command_help (VpndCli *cli, char **args, GError **error);

G_END_DECLS
