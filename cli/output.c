/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Colours follow https://no-color.org and TERM=dumb. JSON is one object a line, flushed at once: a reader at the other end of a pipe does not wait.
 */
#include "config.h"

#include "output.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "failure.h"
#include "json.h"

#define SCHEMA 1
#define LAST_COLUMN_MIN 20 /* narrower than that, a text in lines is harder to read than one below the column before */
#define BELOW_INDENT 6     /* which then begins here */

/**
 * VpndOutput:
 * @json: objects instead of text
 * @out_color: colours on standard output
 * @err_color: colours on standard error
 * @progress: a line that is rewritten may be shown on standard error
 * @progress_shown: such a line is there now
 */
struct _VpndOutput
{
  gboolean json;
  gboolean out_color;
  gboolean err_color;
  gboolean progress;
  gboolean progress_shown;
};

static const char *const color_codes[] = {
  [VPND_COLOR_NONE] = "",
  [VPND_COLOR_GOOD] = "\033[32m",
  [VPND_COLOR_BUSY] = "\033[33m",
  [VPND_COLOR_BAD] = "\033[1;31m",
  [VPND_COLOR_BOLD] = "\033[1m",
  [VPND_COLOR_DIM] = "\033[2m",
};

/**
 * vpnd_output_new:
 * @json: write JSON
 * @no_color: never colour
 *
 * Returns: (transfer full): the output of this process
 */
VpndOutput *
vpnd_output_new (gboolean json, gboolean no_color)
{
  VpndOutput *output = g_new0 (VpndOutput, 1);
  const char *variable = g_getenv ("NO_COLOR");
  const char *term = g_getenv ("TERM");
  gboolean smart = term != NULL && *term != '\0' && !g_str_equal (term, "dumb");
  gboolean color = !json && !no_color && smart && (variable == NULL || *variable == '\0');

  output->json = json;
  output->out_color = color && isatty (STDOUT_FILENO);
  output->err_color = color && isatty (STDERR_FILENO);
  output->progress = !json && smart && isatty (STDERR_FILENO);
  return output;
}

/**
 * vpnd_output_free:
 * @output: (nullable) (transfer full): an output
 */
void
vpnd_output_free (VpndOutput *output)
{
  g_free (output);
}

/**
 * vpnd_output_is_json:
 * @output: an output
 *
 * Returns: whether only JSON may be written to it
 */
gboolean
vpnd_output_is_json (const VpndOutput *output)
{
  return output->json;
}

/**
 * vpnd_output_has_progress:
 * @output: an output
 *
 * Returns: whether vpnd_output_progress() shows anything
 */
gboolean
vpnd_output_has_progress (const VpndOutput *output)
{
  return output->progress;
}

/**
 * vpnd_output_clean:
 * @text: any bytes
 *
 * Returns: (transfer full): @text as UTF-8 in which control characters other than newline and tab are U+FFFD
 */
char *
vpnd_output_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (clean, g_unichar_iscntrl (c) && c != '\n' && c != '\t' ? 0xFFFD : c);
    }
  return g_string_free (clean, FALSE);
}

static void
write_colored (FILE *stream, gboolean has_color, VpndColor color, const char *text)
{
  g_autofree char *clean = vpnd_output_clean (text);

  if (has_color && color != VPND_COLOR_NONE)
    fprintf (stream, "%s%s\033[0m\n", color_codes[color], clean);
  else
    fprintf (stream, "%s\n", clean);
}

/* How wide the terminal is; 0 where it is none. */
static guint
get_columns (FILE *stream)
{
  struct winsize size;

  return isatty (fileno (stream)) && ioctl (fileno (stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/**
 * vpnd_output_columns:
 * @output: an output
 *
 * Returns: how wide the terminal is; 0 where standard output is none
 */
guint
vpnd_output_columns (const VpndOutput *output)
{
  return get_columns (stdout);
}

/* Where the next line of a text that is too long begins: below the last column of the line, or below its first word. */
static guint
hanging_indent (const char *line)
{
  const char *start = line + strspn (line, " ");
  const char *at = start;

  for (const char *gap = strstr (start, "  "); gap != NULL; gap = strstr (at, "  "))
    at = gap + strspn (gap, " ");
  return (guint) g_utf8_strlen (line, at - line);
}

/* Breaks a line between words. Where its last column would be too narrow, that stands below. */
static char *
wrap_line (const char *line, guint columns)
{
  guint indent = hanging_indent (line);
  const char *last = g_utf8_offset_to_pointer (line, indent);
  g_auto (GStrv) words = NULL;
  GString *out;
  guint width;

  if (columns == 0 || g_utf8_strlen (line, -1) <= (glong) columns)
    return g_strdup (line);
  out = g_string_new_len (line, last - line);
  if (indent + LAST_COLUMN_MIN > columns && indent > strspn (line, " "))
    {
      while (out->len > 0 && out->str[out->len - 1] == ' ')
        g_string_truncate (out, out->len - 1);
      indent = BELOW_INDENT;
      g_string_append_printf (out, "\n%*s", (int) indent, "");
    }
  width = indent;
  words = g_strsplit (last, " ", -1);
  for (guint i = 0; words[i] != NULL; i++)
    {
      guint length = (guint) g_utf8_strlen (words[i], -1);

      if (width > indent && width + 1 + length > columns)
        {
          g_string_append_printf (out, "\n%*s", (int) indent, "");
          width = indent;
        }
      else if (width > indent)
        {
          g_string_append_c (out, ' ');
          width++;
        }
      g_string_append (out, words[i]);
      width += length;
    }
  return g_string_free (out, FALSE);
}

static gboolean
is_prose (const char *line)
{
  return *line != '\0' && *line != ' ';
}

/* Lines of prose were broken for a terminal of 80 columns. On a narrower one they would be broken twice: there each paragraph is made one line first. */
static char **
split_lines (const char *text, guint columns)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) joined = g_string_new (lines[0]);
  gboolean fits = TRUE;

  for (guint i = 0; lines[i] != NULL; i++)
    fits &= g_utf8_strlen (lines[i], -1) <= (glong) columns;
  if (columns == 0 || fits)
    return g_steal_pointer (&lines);
  for (guint i = 1; lines[i - 1] != NULL && lines[i] != NULL; i++)
    {
      g_string_append_c (joined, is_prose (lines[i - 1]) && is_prose (lines[i]) && !g_str_has_suffix (lines[i - 1], ":") ? ' ' : '\n');
      g_string_append (joined, lines[i]);
    }
  return g_strsplit (joined->str, "\n", -1);
}

static void
write_wrapped (FILE *stream, gboolean has_color, VpndColor color, const char *text)
{
  g_autofree char *clean = vpnd_output_clean (text);
  guint columns = get_columns (stream);
  g_auto (GStrv) lines = split_lines (clean, columns);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *wrapped = wrap_line (lines[i], columns);

      write_colored (stream, has_color, color, wrapped);
    }
}

/**
 * vpnd_output_paragraph:
 * @output: an output
 * @color: its colour on a terminal
 * @text: lines; broken between words where the terminal is narrower, the rest below the last column of the line. Lines that follow each other without
 *   an indent are one paragraph then
 */
void
vpnd_output_paragraph (VpndOutput *output, VpndColor color, const char *text)
{
  write_wrapped (stdout, output->out_color, color, text);
}

/**
 * vpnd_output_line:
 * @output: an output
 * @color: its colour on a terminal
 * @text: one line or more, without the last newline
 */
void
vpnd_output_line (VpndOutput *output, VpndColor color, const char *text)
{
  write_colored (stdout, output->out_color, color, text);
}

/**
 * vpnd_output_event_line:
 * @output: an output
 * @color: its colour on a terminal
 * @text: what has happened now
 *
 * Prints it behind the time of the day, at once: who follows events waits for each.
 */
void
vpnd_output_event_line (VpndOutput *output, VpndColor color, const char *text)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *stamp = g_date_time_format (now, "%H:%M:%S");
  g_autofree char *line = g_strdup_printf ("%s  %s", stamp, text);

  vpnd_output_line (output, color, line);
  (void) vpnd_output_flush (output); /* a reader that went away ends us by SIGPIPE */
}

/**
 * vpnd_output_raw:
 * @output: an output
 * @text: bytes, written as they are
 * @length_bytes: how many
 */
void
vpnd_output_raw (VpndOutput *output, const char *text, gsize length_bytes)
{
  (void) fwrite (text, 1, length_bytes, stdout); /* vpnd_output_flush() tells of a failure */
}

static void
measure (const char *const *row, GArray *widths)
{
  for (guint i = 0; row[i] != NULL; i++)
    {
      guint width = (guint) g_utf8_strlen (row[i], -1);

      if (i >= widths->len)
        g_array_append_val (widths, width);
      else if (g_array_index (widths, guint, i) < width)
        g_array_index (widths, guint, i) = width;
    }
}

static void
print_row (VpndOutput *output, const char *indent, VpndColor color, const char *const *row, GArray *widths)
{
  g_autoptr (GString) line = g_string_new (indent);

  for (guint i = 0; row[i] != NULL; i++)
    {
      g_string_append (line, row[i]);
      if (row[i + 1] != NULL)
        for (guint pad = (guint) g_utf8_strlen (row[i], -1); pad < g_array_index (widths, guint, i) + 2; pad++)
          g_string_append_c (line, ' ');
    }
  while (line->len > 0 && line->str[line->len - 1] == ' ')
    g_string_truncate (line, line->len - 1);
  vpnd_output_paragraph (output, color, line->str);
}

/**
 * vpnd_output_table_width:
 * @indent: before each line
 * @headers: (nullable) (array zero-terminated=1): titles
 * @rows: (element-type GStrv): the cells
 *
 * Returns: how wide the table is
 */
guint
vpnd_output_table_width (const char *indent, const char *const *headers, GPtrArray *rows)
{
  g_autoptr (GArray) widths = g_array_new (FALSE, FALSE, sizeof (guint));
  guint width = (guint) g_utf8_strlen (indent, -1);

  if (headers != NULL)
    measure (headers, widths);
  for (guint i = 0; i < rows->len; i++)
    measure (rows->pdata[i], widths);
  for (guint i = 0; i < widths->len; i++)
    width += g_array_index (widths, guint, i) + (i > 0 ? 2 : 0);
  return width;
}

/**
 * vpnd_output_table:
 * @output: an output
 * @indent: before each line
 * @headers: (nullable) (array zero-terminated=1): titles
 * @rows: (element-type GStrv): the cells, as many in each row
 */
void
vpnd_output_table (VpndOutput *output, const char *indent, const char *const *headers, GPtrArray *rows)
{
  g_autoptr (GArray) widths = g_array_new (FALSE, FALSE, sizeof (guint));

  if (headers != NULL)
    measure (headers, widths);
  for (guint i = 0; i < rows->len; i++)
    measure (rows->pdata[i], widths);
  if (headers != NULL)
    print_row (output, indent, VPND_COLOR_BOLD, headers, widths);
  for (guint i = 0; i < rows->len; i++)
    print_row (output, indent, VPND_COLOR_NONE, rows->pdata[i], widths);
}

/**
 * vpnd_output_fitting_table:
 * @output: an output
 * @headers: (array zero-terminated=1): titles
 * @rows: (element-type GStrv): the cells, as many in each row
 *
 * As vpnd_output_table(); where that is too wide for the terminal, all but the first cell of a row stands below it.
 */
void
vpnd_output_fitting_table (VpndOutput *output, const char *const *headers, GPtrArray *rows)
{
  guint columns = vpnd_output_columns (output);

  if (columns == 0 || vpnd_output_table_width ("", headers, rows) <= columns)
    {
      vpnd_output_table (output, "", headers, rows);
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    {
      char **row = rows->pdata[i];
      g_autofree char *rest = g_strjoinv (", ", row + 1);
      g_autofree char *tail = g_strconcat ("    ", rest, NULL);

      vpnd_output_line (output, VPND_COLOR_NONE, row[0]);
      vpnd_output_paragraph (output, VPND_COLOR_DIM, tail);
    }
}

/**
 * vpnd_output_json_begin:
 *
 * Returns: (transfer full): a builder inside an object that has its version already
 */
JsonBuilder *
vpnd_output_json_begin (void)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "schema");
  json_builder_add_int_value (builder, SCHEMA);
  return builder;
}

/**
 * vpnd_output_json_begin_event:
 * @event: what happened
 *
 * Returns: (transfer full): a builder as of vpnd_output_json_begin (), which names the event
 */
JsonBuilder *
vpnd_output_json_begin_event (const char *event)
{
  JsonBuilder *builder = vpnd_output_json_begin ();

  vpnd_output_json_string (builder, "event", event);
  return builder;
}

static void
print_json (FILE *stream, JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = vpnd_json_to_string (root, FALSE);
  fprintf (stream, "%s\n", text);
  fflush (stream);
}

/**
 * vpnd_output_json_end:
 * @output: an output
 * @builder: from vpnd_output_json_begin(), complete but for the end
 *
 * Writes the object as one line.
 */
void
vpnd_output_json_end (VpndOutput *output, JsonBuilder *builder)
{
  print_json (stdout, builder);
}

/**
 * vpnd_output_json_string:
 * @builder: a builder inside an object
 * @key: the key
 * @value: (nullable): its text; null for %NULL
 */
void
vpnd_output_json_string (JsonBuilder *builder, const char *key, const char *value)
{
  g_autofree char *valid = value != NULL ? g_utf8_make_valid (value, -1) : NULL;

  json_builder_set_member_name (builder, key);
  if (valid != NULL)
    json_builder_add_string_value (builder, valid);
  else
    json_builder_add_null_value (builder);
}

/**
 * vpnd_output_json_variant:
 * @builder: a builder inside an object
 * @key: the key
 * @value: (transfer floating): a value of any D-Bus type
 */
void
vpnd_output_json_variant (JsonBuilder *builder, const char *key, GVariant *value)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (value);

  json_builder_set_member_name (builder, key);
  json_builder_add_value (builder, json_gvariant_serialize (held));
}

static void
clear_progress (VpndOutput *output)
{
  if (output->progress_shown)
    fputs ("\r\033[K", stderr);
  output->progress_shown = FALSE;
}

/**
 * vpnd_output_progress:
 * @output: an output
 * @text: (nullable): the line to show on the terminal until the next one; %NULL to take it away
 */
void
vpnd_output_progress (VpndOutput *output, const char *text)
{
  if (!output->progress)
    return;
  clear_progress (output);
  if (text != NULL)
    {
      g_autofree char *clean = vpnd_output_clean (text);

      /* No wrapping while it is shown: a line that wraps could not be taken away again. */
      fprintf (stderr, "\033[?7l%s\033[?7h", clean);
      output->progress_shown = TRUE;
    }
  fflush (stderr);
}

/**
 * vpnd_output_note:
 * @output: an output
 * @color: its colour on a terminal
 * @text: lines for a person, on standard error; nothing is written with JSON
 */
void
vpnd_output_note (VpndOutput *output, VpndColor color, const char *text)
{
  clear_progress (output);
  if (!output->json)
    write_wrapped (stderr, output->err_color, color, text);
}

static void
print_json_error (const GError *error, char **lines)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();
  g_autofree char *name = vpnd_failure_name (error);
  g_autofree char *hint = g_strjoinv ("\n", lines + 1);

  json_builder_set_member_name (builder, "error");
  json_builder_begin_object (builder);
  vpnd_output_json_string (builder, "name", name);
  vpnd_output_json_string (builder, "message", lines[0]);
  vpnd_output_json_string (builder, "hint", hint);
  json_builder_set_member_name (builder, "exitCode");
  json_builder_add_int_value (builder, vpnd_failure_exit (error));
  json_builder_end_object (builder);
  print_json (stderr, builder);
}

/**
 * vpnd_output_error:
 * @output: an output
 * @error: what failed; its further lines say what to do
 *
 * Writes it on standard error, as text or as a JSON object.
 */
void
vpnd_output_error (VpndOutput *output, const GError *error)
{
  g_autoptr (GError) plain = g_error_copy (error);
  g_auto (GStrv) lines = NULL;
  g_autofree char *first = NULL;

  (void) g_dbus_error_strip_remote_error (plain); /* an error that is not from the bus has nothing to strip */
  lines = g_strsplit (g_strchomp (plain->message), "\n", -1);
  clear_progress (output);
  if (output->json)
    {
      print_json_error (error, lines);
      return;
    }
  first = g_strdup_printf ("vpnctl: %s", lines[0] != NULL ? lines[0] : "");
  fflush (stdout);
  write_wrapped (stderr, output->err_color, VPND_COLOR_BAD, first);
  for (guint i = 1; lines[0] != NULL && lines[i] != NULL; i++)
    write_wrapped (stderr, output->err_color, VPND_COLOR_NONE, lines[i]);
}

/**
 * vpnd_output_flush:
 * @output: an output
 *
 * Returns: whether everything that was written has arrived (a full disk is a failure of the command)
 */
gboolean
vpnd_output_flush (VpndOutput *output)
{
  clear_progress (output);
  return fflush (stdout) == 0 && !ferror (stdout);
}
