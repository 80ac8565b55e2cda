/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quotas of the gate, against a time that the test says.
 */
#include "config.h"

#include "quota.h"

#include "error.h"

static void
test_unanswered (void)
{
  g_autoptr (VpndQuota) quota = vpnd_quota_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < VPND_QUOTA_CALLS_PER_SENDER; i++)
    g_assert_true (vpnd_quota_begin_call (quota, ":1.1", 0, NULL));
  g_assert_false (vpnd_quota_begin_call (quota, ":1.1", 0, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED);
  g_assert_true (vpnd_quota_begin_call (quota, ":1.2", 0, NULL));
  vpnd_quota_end_call (quota, ":1.1");
  g_assert_true (vpnd_quota_begin_call (quota, ":1.1", 0, NULL));
}

static guint
count_at (VpndQuota *quota, gint64 now_us)
{
  guint n = 0;

  while (vpnd_quota_begin_call (quota, ":1.1", now_us, NULL))
    {
      vpnd_quota_end_call (quota, ":1.1");
      n++;
    }
  return n;
}

static void
test_rate (void)
{
  g_autoptr (VpndQuota) quota = vpnd_quota_new ();
  gint64 start_us = 12345678;

  g_assert_cmpuint (count_at (quota, start_us), ==, VPND_QUOTA_BURST);
  g_assert_cmpuint (count_at (quota, start_us), ==, 0);
  g_assert_cmpuint (count_at (quota, start_us + G_USEC_PER_SEC), ==, VPND_QUOTA_CALLS_PER_SECOND);
  g_assert_cmpuint (count_at (quota, start_us + G_USEC_PER_SEC / 2), ==, 0);
  g_assert_cmpuint (count_at (quota, start_us + 3600 * (gint64) G_USEC_PER_SEC), ==, VPND_QUOTA_BURST);
}

/* A few senders with all that they may have fill the total; then each gets one call at a time, and who comes new gets it, too. */
static void
test_total (void)
{
  g_autoptr (VpndQuota) quota = vpnd_quota_new ();
  const guint n_senders = 100;
  guint accepted = 0;

  for (guint i = 0; i < n_senders; i++)
    {
      g_autofree char *sender = g_strdup_printf (":1.%u", i);

      for (guint j = 0; j < VPND_QUOTA_CALLS_PER_SENDER; j++)
        accepted += vpnd_quota_begin_call (quota, sender, 0, NULL) ? 1 : 0;
    }
  g_assert_cmpuint (accepted, ==, VPND_QUOTA_CALLS + n_senders - VPND_QUOTA_CALLS / VPND_QUOTA_CALLS_PER_SENDER);

  for (guint i = 0; i < 10; i++)
    {
      g_assert_true (vpnd_quota_begin_call (quota, ":2.1", 0, NULL));
      g_assert_false (vpnd_quota_begin_call (quota, ":2.1", 0, NULL));
      vpnd_quota_end_call (quota, ":2.1");
    }
}

static void
test_dialogs (void)
{
  g_autoptr (VpndQuota) quota = vpnd_quota_new ();

  for (guint i = 0; i < VPND_QUOTA_DIALOGS; i++)
    g_assert_true (vpnd_quota_begin_dialog (quota));
  g_assert_false (vpnd_quota_begin_dialog (quota));
  vpnd_quota_end_dialog (quota);
  g_assert_true (vpnd_quota_begin_dialog (quota));
}

/* A client that reconnects for each call does not make us remember all of its names. */
static void
test_forgets (void)
{
  g_autoptr (VpndQuota) quota = vpnd_quota_new ();

  for (guint i = 0; i < 100000; i++)
    {
      g_autofree char *sender = g_strdup_printf (":1.%u", i);

      g_assert_true (vpnd_quota_begin_call (quota, sender, i * (gint64) 1000, NULL));
      vpnd_quota_end_call (quota, sender);
      g_assert_cmpuint (vpnd_quota_get_n_senders (quota), <, 200);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quota/unanswered", test_unanswered);
  g_test_add_func ("/quota/rate", test_rate);
  g_test_add_func ("/quota/total", test_total);
  g_test_add_func ("/quota/dialogs", test_dialogs);
  g_test_add_func ("/quota/forgets", test_forgets);
  return g_test_run ();
}
