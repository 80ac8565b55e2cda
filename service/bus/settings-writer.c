/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See settings-writer.h.
 */
#include "config.h"

#include "settings-writer.h"

#include "error.h"

#include <string.h>

typedef struct
{
  const VpndSettingInfo *info; /* (nullable): NULL resets all */
  GVariant *value;             /* (owned) (nullable) */
} Write;

struct _VpndSettingsWriter
{
  GObject parent_instance;

  VpndEngine *engine;         /* (owned) */
  VpndProfileStore *profiles; /* (owned) */
  GQueue tasks;               /* (element-type GTask) (owned): the first one is under way */
};

G_DEFINE_FINAL_TYPE (VpndSettingsWriter, vpnd_settings_writer, G_TYPE_OBJECT)

static void perform_first (VpndSettingsWriter *self);

static void
write_free (gpointer data)
{
  Write *write = data;

  g_clear_pointer (&write->value, g_variant_unref);
  g_free (write);
}

static void
vpnd_settings_writer_dispose (GObject *object)
{
  VpndSettingsWriter *self = VPND_SETTINGS_WRITER (object);

  g_clear_object (&self->engine);
  g_clear_object (&self->profiles);
  G_OBJECT_CLASS (vpnd_settings_writer_parent_class)->dispose (object);
}

static void
vpnd_settings_writer_class_init (VpndSettingsWriterClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_settings_writer_dispose;
}

static void
vpnd_settings_writer_init (VpndSettingsWriter *self)
{
  g_queue_init (&self->tasks);
}

/**
 * vpnd_settings_writer_new:
 * @engine: (transfer none): whose settings are written
 * @profiles: (transfer none): what a setting may name
 *
 * Returns: (transfer full): a writer
 */
VpndSettingsWriter *
vpnd_settings_writer_new (VpndEngine *engine, VpndProfileStore *profiles)
{
  VpndSettingsWriter *self = g_object_new (VPND_TYPE_SETTINGS_WRITER, NULL);

  self->engine = g_object_ref (engine);
  self->profiles = g_object_ref (profiles);
  return self;
}

/* The profile that auto-connect would start has to be there, or the next start finds a closed network and no way out of it. One that goes later is
 * the matter of who removes it. */
static gboolean
check_auto_connect (VpndSettingsWriter *self, const VpndSettingInfo *info, const VpndSettings *settings, GError **error)
{
  gboolean is_named = strcmp (info->key, "auto-connect-profile") == 0 || (strcmp (info->key, "auto-connect") == 0 && settings->auto_connect);
  g_autoptr (VpndProfile) profile = NULL;

  if (!is_named || settings->auto_connect_profile[0] == '\0')
    return TRUE;
  profile = vpnd_profile_store_lookup (self->profiles, settings->auto_connect_profile, NULL);
  if (profile != NULL)
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "auto-connect-profile: there is no profile \"%s\"; import it first, or name another", settings->auto_connect_profile);
  return FALSE;
}

/**
 * vpnd_settings_writer_prepare:
 * @self: a writer
 * @info: the setting
 * @value: its new value
 * @error: VPND_ERROR_INVALID_ARGUMENT that names the key, or VPND_ERROR_NOT_FOUND for a profile that is not stored
 *
 * Checks a write against the settings and the profiles of now.
 *
 * Returns: (transfer full) (nullable): the settings that there would be
 */
VpndSettings *
vpnd_settings_writer_prepare (VpndSettingsWriter *self, const VpndSettingInfo *info, GVariant *value, GError **error)
{
  g_autoptr (VpndSettings) settings = vpnd_settings_with (vpnd_engine_get_settings (self->engine), info, value, error);

  return settings != NULL && check_auto_connect (self, info, settings, error) ? g_steal_pointer (&settings) : NULL;
}

/* Ends the first task and begins the next. Each task holds a reference on the writer. */
static void
end_first (VpndSettingsWriter *self, GError *error)
{
  g_autoptr (GTask) task = g_queue_pop_head (&self->tasks);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
  if (!g_queue_is_empty (&self->tasks))
    perform_first (self);
}

static void
on_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndSettingsWriter *self = VPND_SETTINGS_WRITER (user_data);
  GError *error = NULL;

  (void) vpnd_engine_set_settings_finish (VPND_ENGINE (source), result, &error); /* the error says it */
  end_first (self, error);
}

static void
perform_first (VpndSettingsWriter *self)
{
  GTask *task = g_queue_peek_head (&self->tasks);
  const Write *write = g_task_get_task_data (task);
  g_autoptr (VpndSettings) settings = NULL;
  GError *error = NULL;

  if (write->info == NULL)
    settings = vpnd_settings_new_default ();
  else
    settings = vpnd_settings_writer_prepare (self, write->info, write->value, &error);
  if (settings == NULL)
    end_first (self, error);
  else
    vpnd_engine_set_settings_async (self->engine, settings, g_task_get_cancellable (task), on_set, self);
}

/**
 * vpnd_settings_writer_write_async:
 * @self: a writer
 * @info: (nullable): the setting; %NULL puts every setting back to its default
 * @value: (nullable): its new value
 * @cancellable: (nullable): passed to the engine
 * @callback: called when the setting is saved and applied
 * @user_data: passed to @callback
 *
 * Changes one setting after every change that was asked for before.
 */
void
vpnd_settings_writer_write_async (VpndSettingsWriter *self, const VpndSettingInfo *info, GVariant *value, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Write *write = g_new0 (Write, 1);

  g_task_set_source_tag (task, vpnd_settings_writer_write_async);
  /* What the engine did counts, also when the caller lost interest meanwhile. */
  g_task_set_check_cancellable (task, FALSE);
  write->info = info;
  write->value = value != NULL ? g_variant_ref_sink (value) : NULL;
  g_task_set_task_data (task, write, write_free);

  g_queue_push_tail (&self->tasks, task);
  if (g_queue_get_length (&self->tasks) == 1)
    perform_first (self);
}

/**
 * vpnd_settings_writer_write_finish:
 * @self: a writer
 * @result: what the callback received
 * @error: what vpnd_settings_writer_prepare () or the engine said
 *
 * Returns: TRUE when the setting is saved and applied
 */
gboolean
vpnd_settings_writer_write_finish (VpndSettingsWriter *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
