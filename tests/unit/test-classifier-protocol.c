/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What vpnd and vpnd-classifier say to each other: what goes in comes out, and what nobody may ask for is refused.
 */
#include "config.h"

#include "protocol.h"

static GBytes *
encode (VpndClassifierErrand errand, const char *mount)
{
  g_autoptr (GPtrArray) errands = g_ptr_array_new ();

  g_ptr_array_add (errands, &errand);
  return vpnd_classifier_encode_errands (mount, errands);
}

static void
test_errands (void)
{
  g_autoptr (GBytes) bytes = encode ((VpndClassifierErrand){ VPND_CLASSIFIER_RETURN, 17, 4711, (char *) "/user.slice/a b.scope" }, "/sys/fs/cgroup");
  g_autofree char *mount = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) errands = vpnd_classifier_decode_errands (bytes, &mount, &error);
  const VpndClassifierErrand *errand;

  g_assert_no_error (error);
  g_assert_cmpstr (mount, ==, "/sys/fs/cgroup");
  g_assert_cmpuint (errands->len, ==, 1);
  errand = g_ptr_array_index (errands, 0);
  g_assert_cmpint (errand->kind, ==, VPND_CLASSIFIER_RETURN);
  g_assert_cmpint (errand->pid, ==, 17);
  g_assert_cmpuint (errand->start_time, ==, 4711);
  g_assert_cmpstr (errand->origin, ==, "/user.slice/a b.scope");
}

/* Out of the hierarchy, into a class, or about a process that is not named exactly. */
static void
test_errands_that_are_refused (void)
{
  static const struct
  {
    VpndClassifierErrand errand;
    const char *mount;
    gboolean is_good;
  } cases[] = {
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/" }, "/m", TRUE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/a/..b/.c" }, "/m", TRUE },
    { { VPND_CLASSIFIER_LOOK, 1, 1, (char *) "" }, "/", TRUE },
    { { VPND_CLASSIFIER_LIST_SOCKETS, 1, 1, (char *) "" }, "/m", TRUE },
    { { VPND_CLASSIFIER_LOOK, 1, 1, (char *) "/a" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "a" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/a/../b" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/.." }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/a/." }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "//a" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/a/" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/vpnd.slice/vpnd-split.service/vpnd-excluded" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/vpnd-included/below" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/vpnd-bound-home" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 0, 1, (char *) "/a" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, -1, 1, (char *) "/a" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 0, (char *) "/a" }, "/m", FALSE },
    { { VPND_N_CLASSIFIER_ERRANDS, 1, 1, (char *) "" }, "/m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/a" }, "m", FALSE },
    { { VPND_CLASSIFIER_RETURN, 1, 1, (char *) "/a" }, "/m/../n", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) bytes = encode (cases[i].errand, cases[i].mount);
      g_autofree char *mount = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) errands = vpnd_classifier_decode_errands (bytes, &mount, &error);

      g_test_message ("case %u: %s", i, cases[i].errand.origin);
      g_assert_true ((errands != NULL) == cases[i].is_good);
      g_assert_true ((error == NULL) == cases[i].is_good);
      g_assert_true ((mount != NULL) == cases[i].is_good);
    }
}

static void
test_too_many_errands (void)
{
  VpndClassifierErrand errand = { VPND_CLASSIFIER_LOOK, 1, 1, (char *) "" };
  g_autoptr (GPtrArray) errands = g_ptr_array_new ();

  for (guint i = 0; i <= VPND_CLASSIFIER_MAX_ERRANDS; i++)
    {
      g_autoptr (GBytes) bytes = NULL;
      g_autofree char *mount = NULL;
      g_autoptr (GPtrArray) found = NULL;

      g_ptr_array_add (errands, &errand);
      if (i + 1 < VPND_CLASSIFIER_MAX_ERRANDS)
        continue;
      bytes = vpnd_classifier_encode_errands ("/m", errands);
      found = vpnd_classifier_decode_errands (bytes, &mount, NULL);
      g_assert_true ((found != NULL) == (errands->len <= VPND_CLASSIFIER_MAX_ERRANDS));
    }
}

static void
test_reports (void)
{
  g_autoptr (GArray) sockets = g_array_new (FALSE, FALSE, sizeof (guint32));
  const VpndClassifierReport report = { VPND_CLASSIFIER_SOCKETS, 3, 17, 4711, (char *) "/p", 5, 1000, (char *) "/o", sockets };
  g_autoptr (GBytes) bytes = NULL;
  g_auto (VpndClassifierReport) found = { 0 };
  g_autoptr (GError) error = NULL;

  for (guint32 i = 0; i < VPND_CLASSIFIER_MAX_SOCKETS; i++)
    g_array_append_val (sockets, i);
  bytes = vpnd_classifier_encode_report (&report);
  g_assert_cmpuint (g_bytes_get_size (bytes), <=, VPND_CLASSIFIER_MAX_REPORT_BYTES);
  g_assert_true (vpnd_classifier_decode_report (bytes, &found, &error));
  g_assert_cmpint (found.kind, ==, VPND_CLASSIFIER_SOCKETS);
  g_assert_cmpuint (found.class_index, ==, 3);
  g_assert_cmpint (found.pid, ==, 17);
  g_assert_cmpuint (found.start_time, ==, 4711);
  g_assert_cmpstr (found.path, ==, "/p");
  g_assert_cmpint (found.code, ==, 5);
  g_assert_cmpuint (found.uid, ==, 1000);
  g_assert_cmpstr (found.origin, ==, "/o");
  g_assert_cmpmem (found.sockets->data, found.sockets->len * sizeof (guint32), sockets->data, sockets->len * sizeof (guint32));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/classifier-protocol/errands", test_errands);
  g_test_add_func ("/classifier-protocol/errands-that-are-refused", test_errands_that_are_refused);
  g_test_add_func ("/classifier-protocol/too-many-errands", test_too_many_errands);
  g_test_add_func ("/classifier-protocol/reports", test_reports);
  return g_test_run ();
}
