/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line: which verb, which options, which operands; and the help made of the same tables.
 */
#pragma once

#include "command.h"

G_BEGIN_DECLS

gboolean vpnd_options_parse (char **argv, const VpndCommand **out_command, VpndOptions *out_options, char ***out_args, GError **error);
void vpnd_options_clear (VpndOptions *options);
char *vpnd_options_help (const VpndCommand *command);
char **vpnd_options_names (const VpndCommand *command);

G_END_DECLS
