/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: each decoder of what vpnd and vpnd-classifier say to each other, on any bytes. What is taken is within its bounds.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "protocol.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autofree char *mount = NULL;
  g_autoptr (GPtrArray) rules = vpnd_classifier_decode_rules (bytes, 2, NULL);
  g_autoptr (GPtrArray) errands = vpnd_classifier_decode_errands (bytes, &mount, NULL);
  g_auto (VpndClassifierReport) report = { 0 };

  for (guint i = 0; rules != NULL && i < rules->len; i++)
    g_assert_cmpuint (((const VpndClassifierRule *) g_ptr_array_index (rules, i))->class_index, <, 2);
  g_assert_true ((errands != NULL) == (mount != NULL));
  for (guint i = 0; errands != NULL && i < errands->len; i++)
    {
      const VpndClassifierErrand *errand = g_ptr_array_index (errands, i);

      g_assert_true (errand->pid > 0 && errand->start_time != 0 && errand->kind < VPND_N_CLASSIFIER_ERRANDS);
      g_assert_null (strstr (errand->origin, "/../"));
      g_assert_null (strstr (errand->origin, "/vpnd-excluded"));
    }
  if (vpnd_classifier_decode_report (bytes, &report, NULL))
    g_assert_true (report.kind < VPND_N_CLASSIFIER_REPORTS && report.class_index < VPND_CLASSIFIER_MAX_CLASSES && report.pid >= 0);
  return 0;
}
