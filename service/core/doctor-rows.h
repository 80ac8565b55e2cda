/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rows of the table of core/doctor.h. Each looks at the evidence for one finding; none knows of the others. Private to service/core/doctor*.c.
 */
#pragma once

#include "evidence.h"
#include "finding.h"

G_BEGIN_DECLS

/**
 * VpndDoctorRow:
 * @code: what it looks for
 * @is_private: its evidence tells what only administrators may see
 * @examine: how it shows, (transfer full), NULL when there is nothing to find; @out_argument is for @command, (transfer full)
 * @command: what mends it; "{}" stands for the argument of @examine
 */
typedef struct
{
  VpndFindingCode code;
  gboolean is_private;
  char *(*examine) (const VpndEvidence *evidence, char **out_argument);
  const char *command;
} VpndDoctorRow;

/* Evidence of several parts. */
static inline GPtrArray *
vpnd_doctor_new_parts (void)
{
  return g_ptr_array_new_with_free_func (g_free);
}

static inline char *
vpnd_doctor_join (GPtrArray *parts)
{
  g_ptr_array_add (parts, NULL);
  return g_strjoinv ("; ", (char **) parts->pdata);
}

const VpndDoctorRow *vpnd_doctor_rows_of_host (guint *out_n);
const VpndDoctorRow *vpnd_doctor_rows_of_network (guint *out_n);

G_END_DECLS
