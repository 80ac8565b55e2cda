/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See profile-rename.h. Three files, one after the other: the profile's, the settings', the rules'. What fails undoes those before it, and the rules come last
 * because they alone have no exact way back: something may be bound to the new name already. The store keeps a note until the end, so that after a crash in
 * between the next start has all three say the same (engine/engine-start.c).
 */
#include "config.h"

#include "profile-rename.h"

#include "methods.h"

#include "error.h"

#include <string.h>

typedef struct
{
  GTask *task; /* (owned) */
  VpndServices services;
  char *name;           /* (owned) */
  char *new_name;       /* (owned) */
  gboolean has_setting; /* which has been written */
  gboolean is_stuck;    /* the profile cannot have its old name back: the next start finishes what was begun */
  GError *error;        /* (owned) (nullable): why it is undone */
} Renaming;

static void
finish (Renaming *self)
{
  if (!self->is_stuck)
    vpnd_profile_store_end_rename (self->services.profiles);
  self->services.profiles_changed (self->services.user_data);
  if (self->error == NULL)
    vpnd_method_return (g_steal_pointer (&self->task), g_variant_new ("()"));
  else
    vpnd_method_return_error (g_steal_pointer (&self->task), g_steal_pointer (&self->error));
  g_object_unref (self->services.user_data);
  g_object_unref (self->services.settings_writer);
  g_object_unref (self->services.profiles);
  g_object_unref (self->services.engine);
  g_free (self->name);
  g_free (self->new_name);
  g_free (self);
}

static void
write_setting (Renaming *self, const char *name, GAsyncReadyCallback callback)
{
  vpnd_settings_writer_write_async (self->services.settings_writer, vpnd_setting_info_by_key ("auto-connect-profile"), g_variant_new_string (name), NULL, callback, self);
}

static void
on_setting_undone (GObject *source, GAsyncResult *result, gpointer user_data)
{
  (void) vpnd_settings_writer_write_finish (VPND_SETTINGS_WRITER (source), result, NULL); /* the first failure is the one to tell */
  finish (user_data);
}

static void
undo (Renaming *self, GError *error)
{
  self->error = error;
  self->is_stuck = !vpnd_profile_store_rename_back (self->services.profiles);
  if (self->has_setting && !self->is_stuck)
    write_setting (self, self->name, on_setting_undone);
  else
    finish (self);
}

/* Rules that stand in the file and are not in force yet are tried again by themselves, and the status tells. */
static void
on_rules_followed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  if (!vpnd_engine_change_split_finish (VPND_ENGINE (source), result, &error) && !g_error_matches (error, VPND_ERROR, VPND_ERROR_FIREWALL))
    {
      undo (user_data, error);
      return;
    }
  g_clear_error (&error);
  finish (user_data);
}

static gboolean
has_rules (const Renaming *self)
{
  VpndSplitTunnel *split = vpnd_engine_get_split (self->services.engine);
  g_autoptr (GPtrArray) profiles = split != NULL ? vpnd_split_config_dup_profiles (vpnd_split_tunnel_get_config (split)) : NULL;

  return profiles != NULL && g_ptr_array_find_with_equal_func (profiles, self->name, g_str_equal, NULL);
}

static void
follow_with_rules (Renaming *self)
{
  const VpndSplitChange change = { .profile = self->name, .new_name = self->new_name };

  if (has_rules (self))
    vpnd_engine_change_split_async (self->services.engine, &change, NULL, on_rules_followed, self);
  else
    finish (self);
}

static void
on_setting_followed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Renaming *self = user_data;
  GError *error = NULL;

  if (vpnd_settings_writer_write_finish (VPND_SETTINGS_WRITER (source), result, &error))
    {
      self->has_setting = TRUE;
      follow_with_rules (self);
    }
  else
    undo (self, error);
}

/**
 * vpnd_profile_rename:
 * @services: what methods work on
 * @name: name of a stored profile that is not in use
 * @new_name: its new name
 * @task: (transfer full): returns "()". Errors: those of vpnd_profile_store_rename(), and VPND_ERROR_STORAGE of the others; then all is as before
 */
void
vpnd_profile_rename (const VpndServices *services, const char *name, const char *new_name, GTask *task)
{
  const VpndSettings *settings = vpnd_engine_get_settings (services->engine);
  GError *error = NULL;
  Renaming *self;

  if (!vpnd_profile_store_rename (services->profiles, name, new_name, &error))
    {
      vpnd_method_return_error (task, error);
      return;
    }
  self = g_new0 (Renaming, 1);
  self->task = task;
  self->name = g_strdup (name);
  self->new_name = g_strdup (new_name);
  self->services = *services;
  g_object_ref (self->services.engine);
  g_object_ref (self->services.profiles);
  g_object_ref (self->services.settings_writer);
  g_object_ref (self->services.user_data);
  if (strcmp (settings->auto_connect_profile, name) == 0)
    write_setting (self, new_name, on_setting_followed);
  else
    follow_with_rules (self);
}
