/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ring of log/log-ring.h: whole lines; the oldest go when the bound is reached.
 */
#include "config.h"

#include "log-ring.h"

#include <string.h>

struct _VpndLogRing
{
  gatomicrefcount ref_count;
  GMutex mutex;
  GQueue lines; /* (element-type utf8) (owned) */
  gsize bytes;  /* of all lines, a newline each */
  gsize max_bytes;
};

/**
 * vpnd_log_ring_new:
 * @max_bytes: how much text to keep, in bytes
 *
 * Returns: (transfer full): an empty ring
 */
VpndLogRing *
vpnd_log_ring_new (gsize max_bytes)
{
  VpndLogRing *ring = g_new0 (VpndLogRing, 1);

  g_atomic_ref_count_init (&ring->ref_count);
  g_mutex_init (&ring->mutex);
  g_queue_init (&ring->lines);
  ring->max_bytes = max_bytes;
  return ring;
}

/**
 * vpnd_log_ring_ref:
 * @ring: a ring
 *
 * Returns: (transfer full): @ring
 */
VpndLogRing *
vpnd_log_ring_ref (VpndLogRing *ring)
{
  g_atomic_ref_count_inc (&ring->ref_count);
  return ring;
}

/**
 * vpnd_log_ring_unref:
 * @ring: (transfer full) (nullable): a ring
 */
void
vpnd_log_ring_unref (VpndLogRing *ring)
{
  if (ring == NULL || !g_atomic_ref_count_dec (&ring->ref_count))
    return;

  g_queue_clear_full (&ring->lines, g_free);
  g_mutex_clear (&ring->mutex);
  g_free (ring);
}

/**
 * vpnd_log_ring_append:
 * @ring: a ring
 * @line: one line without its newline; one that alone is over the bound is cut to it
 */
void
vpnd_log_ring_append (VpndLogRing *ring, const char *line)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ring->mutex);
  char *copy = g_strndup (line, MIN (strlen (line), ring->max_bytes - 1)); /* g_strndup () allocates all that it may copy */

  ring->bytes += strlen (copy) + 1;
  g_queue_push_tail (&ring->lines, copy);
  while (ring->bytes > ring->max_bytes)
    {
      g_autofree char *oldest = g_queue_pop_head (&ring->lines);

      ring->bytes -= strlen (oldest) + 1;
    }
  (void) locker;
}

/**
 * vpnd_log_ring_dup_text:
 * @ring: a ring
 *
 * Returns: (transfer full): the lines, oldest first, joined by newlines; "" when there are none
 */
char *
vpnd_log_ring_dup_text (VpndLogRing *ring)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ring->mutex);
  GString *text = g_string_sized_new (ring->bytes + 1);

  for (GList *link = ring->lines.head; link != NULL; link = link->next)
    {
      if (text->len > 0)
        g_string_append_c (text, '\n');
      g_string_append (text, link->data);
    }
  (void) locker;
  return g_string_free (text, FALSE);
}

/**
 * vpnd_log_ring_clear:
 * @ring: a ring, which is empty afterwards
 */
void
vpnd_log_ring_clear (VpndLogRing *ring)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ring->mutex);

  g_queue_clear_full (&ring->lines, g_free);
  ring->bytes = 0;
  (void) locker;
}
