/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network sysctls that a tunnel needs, each a lower bound: a host that is stricter already stays as it is.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VpndSysctl:
 * @name: relative to /proc/sys/net
 * @minimum: the least value that will do
 */
typedef struct
{
  const char *name;
  gint64 minimum;
} VpndSysctl;

const VpndSysctl *vpnd_sysctl_plan (guint *out_n);
gboolean vpnd_sysctl_needs_raise (const VpndSysctl *sysctl, const char *present);

G_END_DECLS
