/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The writer of log/log.h.
 */
#include "config.h"

#include "log.h"

#include "redact.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct
{
  GLogLevelFlags level;
  const char *word;
  char priority; /* of syslog(3), which a service manager reads as <N> at the start of a line (sd-daemon(3)) */
} levels[] = {
  { G_LOG_LEVEL_ERROR, "error", '3' },
  { G_LOG_LEVEL_CRITICAL, "critical", '3' },
  { G_LOG_LEVEL_WARNING, "warning", '4' },
  { G_LOG_LEVEL_MESSAGE, "notice", '5' },
  { G_LOG_LEVEL_INFO, "info", '6' },
  { G_LOG_LEVEL_DEBUG, "debug", '7' },
};

static guint
find_level (GLogLevelFlags level)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (levels) - 1 && (levels[i].level & level) == 0)
    i++;
  return i;
}

static const GLogField *
find_message (const GLogField *fields, gsize n_fields)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      return &fields[i];
  return NULL;
}

static void
write_journald (GLogLevelFlags level, const GLogField *fields, gsize n_fields, const char *message)
{
  g_autofree GLogField *copy = g_memdup2 (fields, n_fields * sizeof *fields);

  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (copy[i].key, "MESSAGE") == 0)
      {
        copy[i].value = message;
        copy[i].length = -1;
      }
  (void) g_log_writer_journald (level, copy, n_fields, NULL); /* there is nowhere left to tell that it failed */
}

/* Where lines go besides stderr; kept for the life of the process. */
typedef struct
{
  VpndLogRing *ring; /* (owned) */
  VpndLogFile *file; /* (owned) (nullable) */
} Sinks;

static void
sinks_free (gpointer data)
{
  Sinks *sinks = data;

  vpnd_log_ring_unref (sinks->ring);
  vpnd_log_file_free (sinks->file);
  g_free (sinks);
}

static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  Sinks *sinks = user_data;
  const GLogField *field = find_message (fields, n_fields);
  guint row = find_level (level);
  g_autofree char *text = NULL;
  g_autofree char *message = NULL;
  g_autofree char *line = NULL;
  g_autoptr (GDateTime) now = NULL;
  g_autofree char *stamp = NULL;

  if (field == NULL || ((level & G_LOG_LEVEL_DEBUG) && !g_log_get_debug_enabled ()))
    return G_LOG_WRITER_HANDLED;

  text = field->length < 0 ? g_strdup (field->value) : g_strndup (field->value, field->length);
  message = vpnd_log_redact (text);
  now = g_date_time_new_now_utc ();
  stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
  line = g_strdup_printf ("%s %s: %s", stamp, levels[row].word, message);
  vpnd_log_ring_append (sinks->ring, line);

  if (g_log_writer_is_journald (STDERR_FILENO))
    {
      write_journald (level, fields, n_fields, message);
      return G_LOG_WRITER_HANDLED;
    }
  if (sinks->file != NULL)
    vpnd_log_file_append (sinks->file, line);
  if (isatty (STDERR_FILENO))
    fprintf (stderr, "%s\n", line);
  else
    fprintf (stderr, "<%c>%s\n", levels[row].priority, message);
  return G_LOG_WRITER_HANDLED;
}

/**
 * vpnd_log_install:
 * @ring: (transfer none): where every line also goes
 * @file: (transfer full) (nullable): where lines go, too, when there is no journal
 *
 * Makes this the process's log writer, for its life: GLib's writer cannot be taken back. To be called once, by main.
 */
void
vpnd_log_install (VpndLogRing *ring, VpndLogFile *file)
{
  Sinks *sinks = g_new0 (Sinks, 1);

  sinks->ring = vpnd_log_ring_ref (ring);
  sinks->file = file;
  g_log_set_writer_func (write_log, sinks, sinks_free);
}

/**
 * vpnd_log_event:
 * @level: how grave
 * @message_id: one of VPND_MESSAGE_*
 * @format: printf format; made of literals and redacted values only
 * @...: its arguments
 *
 * Logs a notable event, which `journalctl MESSAGE_ID=...` finds.
 */
void
vpnd_log_event (GLogLevelFlags level, const char *message_id, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_log_structured (G_LOG_DOMAIN, level, "MESSAGE_ID", message_id, "MESSAGE", "%s", message);
}
