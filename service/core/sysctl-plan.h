/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network sysctls that a tunnel needs or changes, each a bound: a host that is stricter already stays as it is.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  VPND_SYSCTL_AT_LEAST,
  VPND_SYSCTL_AT_MOST,
} VpndSysctlBound;

/**
 * VpndSysctl:
 * @name: relative to /proc/sys/net
 * @bound: on which side of @value the kernel's value may be
 * @value: the bound, written when the kernel's value is beyond it
 */
typedef struct
{
  const char *name;
  VpndSysctlBound bound;
  gint64 value;
} VpndSysctl;

const VpndSysctl *vpnd_sysctl_plan (guint *out_n);
gboolean vpnd_sysctl_needs_change (const VpndSysctl *sysctl, const char *present);

G_END_DECLS
