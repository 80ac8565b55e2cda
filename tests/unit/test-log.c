/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log: bounded ring, redaction as a second net, and the writer with planted secrets.
 */
#include "config.h"

#include "error.h"
#include "log.h"
#include "redact.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define KEY "cGxhbnRlZCBzZWNyZXQga2V5LCAzMiBieXRlcyBsbyE="
#define KEY_HEX "706c616e746564207365637265742068657820666f726d2c203332206279746573"

static void
test_ring_is_bounded (void)
{
  g_autoptr (VpndLogRing) ring = vpnd_log_ring_new (100);
  g_autofree char *text = NULL;

  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *line = g_strdup_printf ("line %u", i);
      g_autofree char *so_far = NULL;

      vpnd_log_ring_append (ring, line);
      so_far = vpnd_log_ring_dup_text (ring);
      g_assert_cmpuint (strlen (so_far), <, 100);
      g_assert_true (g_str_has_suffix (so_far, line));
    }
  text = vpnd_log_ring_dup_text (ring);
  g_assert_true (g_str_has_prefix (text, "line ")); /* whole lines only */
  vpnd_log_ring_clear (ring);
  g_free (g_steal_pointer (&text));
  text = vpnd_log_ring_dup_text (ring);
  g_assert_cmpstr (text, ==, "");
}

static void
test_redact (void)
{
  static const struct
  {
    const char *text;
    const char *redacted;
  } cases[] = {
    { "nothing to hide: 4.5 s, 12:30:59, ratio 3/4", "nothing to hide: 4.5 s, 12:30:59, ratio 3/4" },
    { "key " KEY, "key (hidden)" },
    { "PrivateKey=" KEY ".", "(hidden)" },
    { "hex " KEY_HEX "!", "hex (hidden)!" },
    { "to 192.0.2.7:51820, retry", "to (address), retry" },
    { "peer 192.0.2.7.", "peer (address)" },
    { "net 192.0.2.0/24 lost", "net (address) lost" },
    { "to [2001:db8::7]:51820", "to (address)" },
    { "via fe80::1%eth0: gone", "via (address) gone" },
    { "2001:db8::7", "(address)" },
    { "(10.64.0.7)", "((address))" },
    { "a::b", "(address)" },
    { "endpoint=192.0.2.7:51820=x", "endpoint=(address)=x" },
    { "dst=10.0.0.0/8 src=fc00::1", "dst=(address) src=(address)" },
    { "udp://192.0.2.7:53", "udp://(address)" },
    { "one\ntwo\x1b[31m", "one two [31m" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *redacted = vpnd_log_redact (cases[i].text);

      g_assert_cmpstr (redacted, ==, cases[i].redacted);
    }
}

static void
test_redact_finds_secrets_anywhere (void)
{
  static const char *const secrets[] = { KEY, KEY_HEX, "192.0.2.77", "2001:db8::77", "192.0.2.77:51820", "[2001:db8::77]:51820" };

  for (guint round = 0; round < 2000; round++)
    {
      const char *secret = secrets[g_test_rand_int_range (0, G_N_ELEMENTS (secrets))];
      GString *line = g_string_new (NULL);
      g_autofree char *redacted = NULL;

      for (int i = g_test_rand_int_range (0, 10); i > 0; i--)
        g_string_append_c (line, " \t,;()'\"<>|!?#*_-"[g_test_rand_int_range (0, 17)]);
      g_string_append (line, secret);
      for (int i = g_test_rand_int_range (0, 10); i > 0; i--)
        g_string_append_c (line, " \t,;()'\"<>|!?#*_-."[g_test_rand_int_range (0, 18)]);
      redacted = vpnd_log_redact (line->str);
      g_assert_null (strstr (redacted, secret));
      g_string_free (line, TRUE);
    }
}

/* Two bounded files; whole lines; a link in their place is not followed. */
static void
test_file (void)
{
  g_autofree char *directory = g_dir_make_tmp ("vpnd-log-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "vpnd.log", NULL);
  g_autofree char *old_path = g_build_filename (directory, "vpnd.log.old", NULL);
  g_autofree char *text = NULL;
  g_autofree char *old_text = NULL;
  g_autoptr (GError) error = NULL;
  VpndLogFile *file = vpnd_log_file_open (directory, 1000, &error);
  GStatBuf status;

  g_assert_no_error (error);
  for (guint i = 0; i < 500; i++)
    {
      g_autofree char *line = g_strdup_printf ("line %03u", i);

      vpnd_log_file_append (file, line);
      g_assert_cmpint (g_stat (path, &status), ==, 0);
      g_assert_cmpint (status.st_size, <=, 1000);
      g_assert_cmpint (status.st_mode & 0777, ==, 0600);
    }
  vpnd_log_file_free (file);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_true (g_file_get_contents (old_path, &old_text, NULL, NULL));
  g_assert_true (g_str_has_suffix (text, "line 499\n"));
  g_assert_true (g_str_has_prefix (old_text, "line "));

  file = vpnd_log_file_open (directory, 1000, &error); /* goes on where it was */
  vpnd_log_file_append (file, "more");
  vpnd_log_file_free (file);
  g_free (text);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_true (g_str_has_suffix (text, "line 499\nmore\n"));

  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (symlink (old_path, path), ==, 0);
  g_assert_null (vpnd_log_file_open (directory, 1000, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_STORAGE);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_unlink (old_path), ==, 0);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

/* Everything that is logged, at any level, through any entry, with a secret in it. */
static void
test_writer (void)
{
  g_autoptr (VpndLogRing) ring = vpnd_log_ring_new (VPND_LOG_RING_MAX_BYTES);
  g_autofree char *text = NULL;

  if (g_test_subprocess ())
    {
      vpnd_log_install (ring, NULL);
      g_log_set_debug_enabled (TRUE);
      g_message ("message " KEY);
      g_info ("info 192.0.2.77:51820");
      g_debug ("debug " KEY_HEX);
      vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_STORAGE, "event %s", "2001:db8::77");
      text = vpnd_log_ring_dup_text (ring);
      g_assert_nonnull (strstr (text, "notice: message (hidden)"));
      g_assert_nonnull (strstr (text, "info: info (address)"));
      g_assert_nonnull (strstr (text, "debug: debug (hidden)"));
      g_assert_nonnull (strstr (text, "warning: event (address)"));
      g_log_set_debug_enabled (FALSE);
      vpnd_log_ring_clear (ring);
      g_debug ("not wanted");
      g_free (g_steal_pointer (&text));
      text = vpnd_log_ring_dup_text (ring);
      g_assert_cmpstr (text, ==, "");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*message (hidden)*info (address)*debug (hidden)*event (address)*");
  g_test_trap_assert_stderr_unmatched ("*" KEY "*");
  g_test_trap_assert_stderr_unmatched ("*192.0.2.77*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log/ring-is-bounded", test_ring_is_bounded);
  g_test_add_func ("/log/redact", test_redact);
  g_test_add_func ("/log/redact-finds-secrets-anywhere", test_redact_finds_secrets_anywhere);
  g_test_add_func ("/log/file", test_file);
  g_test_add_func ("/log/writer", test_writer);
  return g_test_run ();
}
