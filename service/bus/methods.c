/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See methods.h. Finds a method in the tables of its interfaces.
 */
#include "config.h"

#include "methods.h"

#include <string.h>

/**
 * vpnd_method_find:
 * @interface: an interface
 * @name: a member
 *
 * Returns: (transfer none) (nullable): its row
 */
const VpndMethod *
vpnd_method_find (const char *interface, const char *name)
{
  static const VpndMethod *(*const tables[]) (guint *) = { vpnd_methods_daemon, vpnd_methods_diagnostics, vpnd_methods_profiles, vpnd_methods_properties, vpnd_methods_split };

  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    {
      guint n;
      const VpndMethod *methods = tables[i](&n);

      for (guint j = 0; j < n; j++)
        if (strcmp (methods[j].name, name) == 0 && strcmp (methods[j].interface, interface) == 0)
          return &methods[j];
    }
  return NULL;
}

/**
 * vpnd_method_return:
 * @task: (transfer full): the task of a run function
 * @tuple: the reply; a floating one is consumed
 */
void
vpnd_method_return (GTask *task, GVariant *tuple)
{
  g_task_return_pointer (task, g_variant_ref_sink (tuple), (GDestroyNotify) g_variant_unref);
  g_object_unref (task);
}

/**
 * vpnd_method_return_error:
 * @task: (transfer full): the task of a run function
 * @error: (transfer full): why it failed
 */
void
vpnd_method_return_error (GTask *task, GError *error)
{
  g_task_return_error (task, error);
  g_object_unref (task);
}
