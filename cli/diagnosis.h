/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All that can be found out about this machine: by vpnd where it answers, and by vpnctl itself where it does not.
 */
#pragma once

#include "command.h"
#include "finding.h"

G_BEGIN_DECLS

/**
 * VpndDiagnosis:
 * @code: (owned): the word of the finding, also of one that this version does not know
 * @severity: how bad it is
 * @evidence: (owned): how it shows, "" where this user may not see it
 * @command: (owned): what mends it, "" likewise
 */
typedef struct
{
  char *code;
  VpndSeverity severity;
  char *evidence;
  char *command;
} VpndDiagnosis;

void vpnd_diagnosis_free (VpndDiagnosis *diagnosis);
GPtrArray *vpnd_diagnosis_collect (VpndCli *cli, gboolean wants_all);

G_END_DECLS
