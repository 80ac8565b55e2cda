/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Findings of a diagnosis in words for people, translated.
 */
#pragma once

#include "finding.h"

G_BEGIN_DECLS

const char *vpnd_finding_sentence (VpndFindingCode code);
const char *vpnd_severity_title (VpndSeverity severity);

G_END_DECLS
