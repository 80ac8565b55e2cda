/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Edit distance over bytes; names here are short and ASCII.
 */
#include "config.h"

#include "suggest.h"

#include <string.h>

static guint
distance (const char *a, const char *b)
{
  gsize columns = strlen (b) + 1;
  g_autofree guint *row = g_new (guint, columns);

  for (gsize j = 0; j < columns; j++)
    row[j] = (guint) j;
  for (gsize i = 1; i <= strlen (a); i++)
    {
      guint diagonal = row[0];

      row[0] = (guint) i;
      for (gsize j = 1; j < columns; j++)
        {
          guint substituted = diagonal + (g_ascii_tolower (a[i - 1]) != g_ascii_tolower (b[j - 1]));

          diagonal = row[j];
          row[j] = MIN (substituted, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[columns - 1];
}

/**
 * vpnd_suggest:
 * @wrong: what was typed
 * @names: (array zero-terminated=1): what there is
 *
 * Returns: (nullable) (transfer none): the name that was most likely meant, %NULL if none is near (a third of its letters)
 */
const char *
vpnd_suggest (const char *wrong, const char *const *names)
{
  const char *best = NULL;
  guint best_distance = G_MAXUINT;

  if (strlen (wrong) > 64) /* longer than any name here */
    return NULL;
  for (guint i = 0; names[i] != NULL; i++)
    {
      guint d = g_str_has_prefix (names[i], wrong) && strlen (wrong) >= 2 ? 1 : distance (wrong, names[i]);

      if (d < best_distance && d <= 1 + strlen (names[i]) / 3)
        {
          best = names[i];
          best_distance = d;
        }
    }
  return best;
}
