/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The doubling of core/backoff.h.
 */
#include "config.h"

#include "backoff.h"

/**
 * vpnd_backoff_next:
 * @backoff: (inout): the repairs so far
 * @now_ms: the time, milliseconds of a clock that never goes back
 *
 * Allows one more repair and says when. The caller asks again only when that one has been made.
 *
 * Returns: how long to wait before it, milliseconds; 0 for at once, never more than VPND_BACKOFF_MAX_MS
 */
guint
vpnd_backoff_next (VpndBackoff *backoff, gint64 now_ms)
{
  gint64 due_ms;

  if (!backoff->is_started || now_ms - backoff->due_ms >= VPND_BACKOFF_QUIET_MS)
    {
      *backoff = (VpndBackoff){ TRUE, now_ms, VPND_BACKOFF_FIRST_MS };
      return 0;
    }

  due_ms = CLAMP (backoff->due_ms + backoff->step_ms, now_ms, now_ms + VPND_BACKOFF_MAX_MS);
  backoff->due_ms = due_ms;
  backoff->step_ms = MIN (backoff->step_ms * 2, VPND_BACKOFF_MAX_MS);
  return (guint) (due_ms - now_ms);
}
