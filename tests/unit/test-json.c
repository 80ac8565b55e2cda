/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The JSON guard: what it takes, what it refuses, and that json-glib reads what it takes as it stands.
 */
#include "config.h"

#include "json.h"

#include "error-bus.h"

#include <string.h>

static const char *const accepted[] = {
  "{}",
  " { } ",
  "[]",
  "null",
  "\"\\ud83d\\ude00\\u00e9\\n\\/\"",
  "{\"a\":-0,\"b\":1e308,\"c\":-1.5E-3,\"d\":9223372036854775807,\"e\":-9223372036854775808}",
  "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}",
  "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", /* 16 deep */
};

static const struct
{
  const char *text;
  const char *word; /* stands in the message */
} refused[] = {
  { "", "unexpected end" },
  { " ", "unexpected end" },
  { "{", "string" },
  { "{\"a\"}", "':'" },
  { "{\"a\":1,}", "string" },
  { "{,}", "string" },
  { "[1,]", "unexpected character" },
  { "[1 2]", "','" },
  { "{\"a\":1 \"b\":2}", "','" },
  { "{a:1}", "string" },
  { "{'a':1}", "string" },
  { "// x\n{}", "unexpected character" },
  { "{}x", "after the end" },
  { "{}{}", "after the end" },
  { "\xef\xbb\xbf{}", "unexpected character" },
  { "nul", "unexpected character" },
  { "TRUE", "unexpected character" },
  { "NaN", "unexpected character" },
  { "Infinity", "unexpected character" },
  { "-", "malformed number" },
  { "+1", "unexpected character" },
  { "01", "malformed number" },
  { "-01", "malformed number" },
  { "1.", "malformed number" },
  { ".5", "unexpected character" },
  { "1e", "malformed number" },
  { "0x10", "after the end" },
  { "1e999", "out of range" },
  { "-1e999", "out of range" },
  { "9223372036854775808", "out of range" },
  { "99999999999999999999999", "out of range" },
  { "\"\t\"", "control character" },
  { "\"abc", "unterminated" },
  { "\"\\", "escape" },
  { "\"\\x41\"", "escape" },
  { "\"\\u12\"", "hexadecimal" },
  { "\"\\u0000\"", "\\u0000" },
  { "\"\\ud800\"", "surrogate" },
  { "\"\\ud800\\u0041\"", "surrogate" },
  { "\"\\udc00\"", "surrogate" },
  { "\"\\ud800x\"", "surrogate" },
  { "\"\xff\"", "UTF-8" },
  { "\"\xc0\xaf\"", "UTF-8" },
  { "\"\xed\xa0\x80\"", "UTF-8" },
  { "{\"a\":1,\"a\":2}", "\"a\"" },
  { "{\"a\":1,\"\\u0061\":2}", "\"a\"" },
  { "{\"x\":{\"serverPort\":1,\"server\\u0050ort\":2}}", "\"serverPort\"" },
  { "{\"\\/\":1,\"/\":2}", "duplicate key" },
  { "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "nested" }, /* 17 deep */
};

static void
test_accepted (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (accepted); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonParser) parser = json_parser_new ();

      g_assert_true (vpnd_json_check (accepted[i], strlen (accepted[i]), &error));
      g_assert_no_error (error);
      g_assert_true (json_parser_load_from_data (parser, accepted[i], -1, &error));
      g_assert_no_error (error);
    }
}

static void
test_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", refused[i].word);
      g_assert_false (vpnd_json_check (refused[i].text, strlen (refused[i].text), &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON);
      g_assert_nonnull (strstr (error->message, refused[i].word));
    }
}

static void
test_nul (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (vpnd_json_check ("{}\0{}", 5, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON);
}

static void
test_limits (void)
{
  g_autofree char *text = g_malloc (VPND_JSON_MAX_BYTES + 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) deep = g_string_new (NULL);

  memset (text, 'a', VPND_JSON_MAX_BYTES + 1);
  text[0] = '"';
  text[VPND_JSON_MAX_BYTES - 1] = '"';
  g_assert_true (vpnd_json_check (text, VPND_JSON_MAX_BYTES, &error));
  g_assert_no_error (error);
  g_assert_false (vpnd_json_check (text, VPND_JSON_MAX_BYTES + 1, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE);
  g_clear_error (&error);

  /* The depth at which json-glib 1.6.6 overflows the stack, within a larger limit. */
  for (guint i = 0; i < 200000; i++)
    g_string_append_c (deep, '[');
  g_assert_false (vpnd_json_check_within (deep->str, deep->len, deep->len, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON);
}

/* A secret that stands where a name should is not repeated. */
static void
test_key_not_echoed (void)
{
  static const char key[] = "QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGE=";
  g_autofree char *text = g_strdup_printf ("{\"%s\":1,\"%s\":2}", key, key);
  g_autoptr (GError) error = NULL;

  g_assert_false (vpnd_json_check (text, strlen (text), &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON);
  g_assert_null (strstr (error->message, "QAAA"));
}

/* Whatever bytes: the guard ends, and what it takes json-glib takes too, with the same depth of nesting. */
static void
test_random (void)
{
  static const char alphabet[] = "{}[]\",:\\u0d8eE+-.19 \ntrufalsn";
  char text[24];

  for (guint round = 0; round < 200000; round++)
    {
      gsize length = (gsize) g_test_rand_int_range (0, sizeof text);

      for (gsize i = 0; i < length; i++)
        text[i] = alphabet[g_test_rand_int_range (0, sizeof alphabet - 1)];
      if (vpnd_json_check (text, length, NULL))
        {
          g_autoptr (JsonParser) parser = json_parser_new ();
          g_autoptr (GError) error = NULL;

          g_assert_true (json_parser_load_from_data (parser, text, (gssize) length, &error));
          g_assert_no_error (error);
        }
    }
}

static void
test_getters (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) object = vpnd_json_parse_object ("{\"s\":\"x\",\"i\":7,\"d\":7.0,\"b\":true,\"a\":[1,2],\"n\":null,\"u\":\"\\ud83d\\ude00\"}", -1, &error);
  const char *string = NULL;
  gint64 integer = -1;
  gboolean boolean = FALSE;
  JsonArray *array = NULL;

  g_assert_no_error (error);
  g_assert_true (vpnd_json_get_string (object, "s", TRUE, &string, NULL));
  g_assert_cmpstr (string, ==, "x");
  g_assert_true (vpnd_json_get_string (object, "u", TRUE, &string, NULL));
  g_assert_cmpstr (string, ==, "\xf0\x9f\x98\x80");
  g_assert_true (vpnd_json_get_integer (object, "i", TRUE, 1, 7, &integer, NULL));
  g_assert_cmpint (integer, ==, 7);
  g_assert_true (vpnd_json_get_boolean (object, "b", TRUE, &boolean, NULL));
  g_assert_true (boolean);
  g_assert_true (vpnd_json_get_array (object, "a", TRUE, 2, &array, NULL));
  g_assert_cmpuint (json_array_get_length (array), ==, 2);

  string = "before";
  g_assert_true (vpnd_json_get_string (object, "absent", FALSE, &string, NULL));
  g_assert_cmpstr (string, ==, "before");

  g_assert_false (vpnd_json_get_string (object, "absent", TRUE, &string, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "absent"));
  g_clear_error (&error);

  g_assert_false (vpnd_json_get_string (object, "i", FALSE, &string, NULL));
  g_assert_false (vpnd_json_get_string (object, "n", FALSE, &string, NULL));
  g_assert_false (vpnd_json_get_integer (object, "d", FALSE, 0, 9, &integer, NULL));
  g_assert_false (vpnd_json_get_integer (object, "s", FALSE, 0, 9, &integer, NULL));
  g_assert_false (vpnd_json_get_integer (object, "b", FALSE, 0, 9, &integer, NULL));
  g_assert_false (vpnd_json_get_integer (object, "i", FALSE, 0, 6, &integer, NULL));
  g_assert_false (vpnd_json_get_integer (object, "i", FALSE, 8, 9, &integer, NULL));
  g_assert_false (vpnd_json_get_boolean (object, "i", FALSE, &boolean, NULL));
  g_assert_false (vpnd_json_get_array (object, "s", FALSE, 9, &array, NULL));
  g_assert_false (vpnd_json_get_array (object, "a", FALSE, 1, &array, &error));
  g_assert_nonnull (strstr (error->message, "a:"));
  g_assert_null (vpnd_json_parse_object ("[]", -1, NULL));
}

static void
test_errors_cross_the_bus (void)
{
  vpnd_error_register_bus ();
  vpnd_error_register_bus ();
  for (guint code = 0; code < VPND_N_ERRORS; code++)
    {
      g_autoptr (GError) error = g_error_new (VPND_ERROR, (gint) code, "text");
      g_autofree char *name = g_dbus_error_encode_gerror (error);
      g_autoptr (GError) decoded = g_dbus_error_new_for_dbus_error (name, "text");

      g_assert_cmpstr (name, ==, vpnd_error_bus_name (code));
      g_assert_error (decoded, VPND_ERROR, (gint) code);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/accepted", test_accepted);
  g_test_add_func ("/json/refused", test_refused);
  g_test_add_func ("/json/nul", test_nul);
  g_test_add_func ("/json/limits", test_limits);
  g_test_add_func ("/json/key-not-echoed", test_key_not_echoed);
  g_test_add_func ("/json/random", test_random);
  g_test_add_func ("/json/getters", test_getters);
  g_test_add_func ("/json/errors-cross-the-bus", test_errors_cross_the_bus);
  return g_test_run ();
}
