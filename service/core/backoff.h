/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How soon may something be repaired again? At once the first time, then less and less often while another program keeps tearing at
 * it. Pure: the caller tells the time and does the waiting.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_BACKOFF_FIRST_MS 10   /* the second repair: a program that undoes things in several steps is done by then */
#define VPND_BACKOFF_MAX_MS 1000   /* two programs that fight cost no more than one repair a second */
#define VPND_BACKOFF_QUIET_MS 5000 /* after so long without a repair the next one is a first one again */

/**
 * VpndBackoff: all zero before the first use
 * @is_started: there was a repair
 * @due_ms: when the last repair was allowed
 * @step_ms: how long after it the next one is
 */
typedef struct
{
  gboolean is_started;
  gint64 due_ms;
  guint step_ms;
} VpndBackoff;

guint vpnd_backoff_next (VpndBackoff *backoff, gint64 now_ms);

G_END_DECLS
