/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-auto.h. The decision itself is vpnd_dns_owner_decide (); this collects its facts. While the file backend has something
 * to put back, /etc/resolv.conf is ours and says nothing about who owned it: then the file backend stays.
 */
#include "config.h"

#include "resolver-auto.h"

#include "dns-report.h"
#include "error.h"
#include "host-file.h"
#include "resolv-conf.h"
#include "resolver-file.h"
#include "resolver-resolved.h"

#define RESOLVED_BUS_NAME "org.freedesktop.resolve1"
#define CALL_TIMEOUT_MS 1000 /* security model: any call to another daemon */

/* What may have to be put back. */
typedef enum
{
  APPLIED_FILE = 1 << 0,
  APPLIED_RESOLVED = 1 << 1,
} Applied;

/**
 * VpndResolverAuto:
 * @connection: (owned) (nullable): the system bus
 * @file: (owned)
 * @resolved: (owned) (nullable): NULL without a bus
 * @path: (owned): resolv.conf
 * @plan: (owned) (nullable): what is set
 * @applied: set of Applied; after the start all, because an earlier instance may have crashed
 */
struct _VpndResolverAuto
{
  GObject parent_instance;

  GDBusConnection *connection;
  VpndResolver *file;
  VpndResolver *resolved;
  char *path;
  VpndDnsPlan *plan;
  guint applied;
};

static void resolver_iface_init (VpndResolverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndResolverAuto, vpnd_resolver_auto, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init))

static void
vpnd_resolver_auto_dispose (GObject *object)
{
  VpndResolverAuto *self = VPND_RESOLVER_AUTO (object);

  g_clear_object (&self->connection);
  g_clear_object (&self->file);
  g_clear_object (&self->resolved);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
  G_OBJECT_CLASS (vpnd_resolver_auto_parent_class)->dispose (object);
}

static void
vpnd_resolver_auto_class_init (VpndResolverAutoClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_resolver_auto_dispose;
}

static void
vpnd_resolver_auto_init (VpndResolverAuto *self)
{
  self->applied = APPLIED_FILE | APPLIED_RESOLVED;
}

static void
on_overwritten (VpndResolverAuto *self, const char *reason)
{
  vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), reason);
}

/**
 * vpnd_resolver_auto_new:
 * @connection: (nullable): the system bus; NULL for none, then the file is used
 * @backup_dirfd: directory for the copy of the original file, one that outlives a power cut; duplicated
 * @path: (nullable): the file, NULL for VPND_RESOLV_CONF_PATH
 *
 * Returns: (transfer full): the backend
 */
VpndResolver *
vpnd_resolver_auto_new (GDBusConnection *connection, int backup_dirfd, const char *path)
{
  VpndResolverAuto *self = g_object_new (VPND_TYPE_RESOLVER_AUTO, NULL);

  self->path = g_strdup (path != NULL ? path : VPND_RESOLV_CONF_PATH);
  self->file = vpnd_resolver_file_new (backup_dirfd, self->path);
  g_signal_connect_object (self->file, "overwritten", G_CALLBACK (on_overwritten), self, G_CONNECT_SWAPPED);
  if (connection != NULL)
    {
      self->connection = g_object_ref (connection);
      self->resolved = vpnd_resolver_resolved_new (connection);
      g_signal_connect_object (self->resolved, "overwritten", G_CALLBACK (on_overwritten), self, G_CONNECT_SWAPPED);
    }
  return VPND_RESOLVER (self);
}

static VpndResolver *
backend_of (VpndResolverAuto *self, Applied applied)
{
  switch (applied)
    {
    case APPLIED_FILE:
      return self->file;
    case APPLIED_RESOLVED:
      return self->resolved;
    }
  g_return_val_if_reached (NULL);
}

/**
 * Restore: a restore on its way
 * @wanted: set of Applied that is to be put back
 * @current: the one that is being put back
 * @is_leftover: another backend has been told; what fails here is tried again by the next restore
 * @error: (owned) (nullable): the first that failed
 */
typedef struct
{
  guint wanted;
  Applied current;
  gboolean is_leftover;
  GError *error;
} Restore;

static void
restore_free (Restore *restore)
{
  g_clear_error (&restore->error);
  g_free (restore);
}

static void restore_next (GTask *task);

static void
on_restored (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverAuto *self = g_task_get_source_object (task);
  Restore *restore = g_task_get_task_data (task);
  GError *error = NULL;

  if (vpnd_resolver_restore_finish (VPND_RESOLVER (source), result, &error))
    self->applied &= ~(guint) restore->current;
  else if (restore->error == NULL)
    restore->error = error;
  else
    g_error_free (error);
  restore_next (task);
}

/* One after the other; a failure of one does not keep the other from its turn. */
static void
restore_next (GTask *task)
{
  VpndResolverAuto *self = g_task_get_source_object (task);
  Restore *restore = g_task_get_task_data (task);
  VpndResolver *backend;

  if (restore->wanted == 0)
    {
      if (restore->error != NULL && !restore->is_leftover)
        g_task_return_error (task, g_steal_pointer (&restore->error));
      else
        g_task_return_boolean (task, TRUE);
      return;
    }

  restore->current = (restore->wanted & APPLIED_FILE) != 0 ? APPLIED_FILE : APPLIED_RESOLVED;
  restore->wanted &= ~(guint) restore->current;
  backend = backend_of (self, restore->current);
  if (backend == NULL)
    {
      self->applied &= ~(guint) restore->current;
      restore_next (task);
      return;
    }
  vpnd_resolver_restore_async (backend, g_task_get_cancellable (task), on_restored, g_object_ref (task));
}

static void
start_restore (VpndResolverAuto *self, guint wanted, gboolean is_leftover, GTask *task)
{
  Restore *restore = g_new0 (Restore, 1);

  restore->is_leftover = is_leftover;
  restore->wanted = self->applied & wanted;
  g_task_set_task_data (task, restore, (GDestroyNotify) restore_free);
  restore_next (task);
}

static void
restore_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);

  g_task_set_source_tag (task, restore_async);
  g_clear_pointer (&VPND_RESOLVER_AUTO (resolver)->plan, vpnd_dns_plan_unref);
  start_restore (VPND_RESOLVER_AUTO (resolver), APPLIED_FILE | APPLIED_RESOLVED, FALSE, task);
}

/**
 * Apply: an apply on its way
 * @plan: (owned)
 * @chosen: the backend that is told
 */
typedef struct
{
  VpndDnsPlan *plan;
  Applied chosen;
} Apply;

static void
apply_free (Apply *apply)
{
  vpnd_dns_plan_unref (apply->plan);
  g_free (apply);
}

/* The new owner has been told; what the former owner still has of ours goes last, so that there is no moment without. */
static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverAuto *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);
  Applied chosen = apply->chosen;
  GError *error = NULL;

  if (!vpnd_resolver_apply_finish (VPND_RESOLVER (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
  self->plan = vpnd_dns_plan_ref (apply->plan);
  start_restore (self, ~(guint) chosen, TRUE, task);
}

static void
tell (GTask *task, Applied chosen)
{
  VpndResolverAuto *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);

  /* Also when it fails half-way there may be something to put back. */
  apply->chosen = chosen;
  self->applied |= chosen;
  vpnd_resolver_apply_async (backend_of (self, chosen), apply->plan, g_task_get_cancellable (task), on_applied, g_object_ref (task));
}

static void
decide (GTask *task, gboolean is_available)
{
  VpndResolverAuto *self = g_task_get_source_object (task);
  g_autofree char *target = g_file_read_link (self->path, NULL);
  g_autofree char *text = vpnd_host_file_read_text (self->path);
  VpndDnsFacts facts = { .resolved_available = is_available, .link_target = target, .text = text };

  tell (task, vpnd_dns_owner_decide (&facts).owner == VPND_DNS_OWNER_RESOLVED ? APPLIED_RESOLVED : APPLIED_FILE);
}

static void
on_activatable (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autofree const char **names = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(^a&s)", &names);
  decide (task, names != NULL && g_strv_contains (names, RESOLVED_BUS_NAME));
}

static void
on_has_owner (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  gboolean has_owner = FALSE;

  if (reply != NULL)
    g_variant_get (reply, "(b)", &has_owner);
  if (has_owner)
    decide (task, TRUE);
  else
    g_dbus_connection_call (G_DBUS_CONNECTION (source), "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListActivatableNames", NULL,
        G_VARIANT_TYPE ("(as)"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MS, g_task_get_cancellable (task), on_activatable, g_object_ref (task));
}

static void
apply_async (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverAuto *self = VPND_RESOLVER_AUTO (resolver);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Apply *apply;

  g_task_set_source_tag (task, apply_async);
  if (vpnd_dns_plan_is_empty (plan))
    {
      g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
      start_restore (self, APPLIED_FILE | APPLIED_RESOLVED, FALSE, task);
      return;
    }

  apply = g_new0 (Apply, 1);
  apply->plan = vpnd_dns_plan_ref (plan);
  g_task_set_task_data (task, apply, (GDestroyNotify) apply_free);
  if (self->connection == NULL || vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (self->file)))
    tell (task, APPLIED_FILE);
  else
    g_dbus_connection_call (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
        g_variant_new ("(s)", RESOLVED_BUS_NAME), G_VARIANT_TYPE ("(b)"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MS, cancellable, on_has_owner, g_object_ref (task));
}

static gboolean
finish (VpndResolver *resolver, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, resolver), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
on_report (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GVariant *report = vpnd_dns_report_finish (result, &error);

  if (report != NULL)
    g_task_return_pointer (task, report, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

static void
describe_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverAuto *self = VPND_RESOLVER_AUTO (resolver);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, describe_async);
  vpnd_dns_report_async (self->connection, VPND_RESOLVER_FILE (self->file), self->path, self->plan, cancellable, on_report, task);
}

static GVariant *
describe_finish (VpndResolver *resolver, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, resolver), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->describe_async = describe_async;
  iface->describe_finish = describe_finish;
  iface->apply_async = apply_async;
  iface->apply_finish = finish;
  iface->restore_async = restore_async;
  iface->restore_finish = finish;
}
