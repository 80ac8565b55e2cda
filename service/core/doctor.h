/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Evidence in, findings out: what is wrong, how that shows, and the command that mends it. A pure function over a table with one row a
 * finding. Never looks at the host itself.
 */
#pragma once

#include "evidence.h"
#include "finding.h"

G_BEGIN_DECLS

/**
 * VpndFinding:
 * @code: what was found
 * @is_private: @evidence tells what only administrators may see
 * @evidence: (owned): how it shows: values and names, no sentences
 * @command: (owned): what mends it, or shows more where a person must decide
 */
typedef struct
{
  VpndFindingCode code;
  gboolean is_private;
  char *evidence;
  char *command;
} VpndFinding;

void vpnd_finding_free (VpndFinding *finding);
GPtrArray *vpnd_doctor_examine (const VpndEvidence *evidence);

G_END_DECLS
