/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-auto.h. Who owns DNS is found out by dns-owner.c. While the file backend has something
 * to put back, /etc/resolv.conf is ours and says nothing about who owned it: then the file backend stays. It is also what is left when
 * NetworkManager or resolvconf own the file and do not do what they are told. A resolved that runs and is not the owner is told besides, because
 * many programs ask it past resolv.conf; what comes of that is not awaited: the rules of the firewall hold for it anyway. One that comes while
 * ours is set, and knows nothing of it, is a reason to set all anew.
 */
#include "config.h"

#include "resolver-auto.h"

#include "dns-owner.h"
#include "dns-report.h"
#include "error.h"
#include "file-watch.h"
#include "host-file.h"
#include "resolv-conf.h"
#include "resolver-file.h"
#include "resolver-networkmanager.h"
#include "resolver-resolvconf.h"
#include "resolver-resolved.h"

#define RESOLVED_BUS_NAME "org.freedesktop.resolve1"

/* What may have to be put back. */
typedef enum
{
  APPLIED_FILE = 1 << 0,
  APPLIED_NETWORKMANAGER = 1 << 1,
  APPLIED_RESOLVCONF = 1 << 2,
  APPLIED_RESOLVED = 1 << 3,
} Applied;

#define RETRY_MIN_MS 1000  /* a file that cannot be written may be so for long */
#define RETRY_MAX_MS 60000 /* and then for ever */
#define N_APPLIED 4
#define N_LISTS G_N_ELEMENTS (lists)
#define APPLIED_ALL ((1u << N_APPLIED) - 1)
#define APPLIED_WRITERS (APPLIED_NETWORKMANAGER | APPLIED_RESOLVCONF) /* they write resolv.conf, and have our servers in it */

/* Where those whose stub a resolv.conf may name write the resolvers that they ask. */
static const char *const lists[] = { "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf" };

/**
 * VpndResolverAuto:
 * @connection: (owned) (nullable): the system bus
 * @file: (owned)
 * @networkmanager: (owned) (nullable): NULL without a bus
 * @resolvconf: (owned)
 * @resolved: (owned) (nullable): NULL without a bus
 * @path: (owned): resolv.conf
 * @plan: (owned) (nullable): what is set
 * @applied: set of Applied; after the start all, because an earlier instance may have crashed
 * @resolved_lacks_it: something is being set or is set, and resolved has not been told
 * @owner_id: subscription to NameOwnerChanged of resolved, 0 without a bus
 * @retry: (owned) (nullable): fires when a restore that failed is tried again
 * @retry_ms: after how long
 * @retrying: (owned) (nullable): cancels the try that is under way
 * @told: (owned) (element-type VpndAddr): the resolvers that somebody may have been told by us, until all is put back
 * @list_watches: (owned) (nullable): of @lists, once there is a directory for it
 */
struct _VpndResolverAuto
{
  GObject parent_instance;

  GDBusConnection *connection;
  VpndResolver *file;
  VpndResolver *networkmanager;
  VpndResolver *resolvconf;
  VpndResolver *resolved;
  char *path;
  VpndDnsPlan *plan;
  guint applied;
  gboolean resolved_lacks_it;
  guint owner_id;
  GSource *retry;
  guint retry_ms;
  GCancellable *retrying;
  GArray *told;
  VpndFileWatch *list_watches[N_LISTS];
};

static void resolver_iface_init (VpndResolverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndResolverAuto, vpnd_resolver_auto, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init))

static void
stop_retrying (VpndResolverAuto *self)
{
  if (self->retry != NULL)
    g_source_destroy (self->retry);
  g_clear_pointer (&self->retry, g_source_unref);
  g_cancellable_cancel (self->retrying);
  g_clear_object (&self->retrying);
  self->retry_ms = 0;
}

static void
vpnd_resolver_auto_dispose (GObject *object)
{
  VpndResolverAuto *self = VPND_RESOLVER_AUTO (object);

  stop_retrying (self);
  for (guint i = 0; i < N_LISTS; i++)
    g_clear_pointer (&self->list_watches[i], vpnd_file_watch_free);
  if (self->owner_id != 0)
    g_dbus_connection_signal_unsubscribe (self->connection, self->owner_id);
  self->owner_id = 0;
  g_clear_object (&self->connection);
  g_clear_object (&self->file);
  g_clear_object (&self->networkmanager);
  g_clear_object (&self->resolvconf);
  g_clear_object (&self->resolved);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
  g_clear_pointer (&self->told, g_array_unref);
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
  self->applied = APPLIED_ALL;
  self->told = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
}

static gboolean
is_told (VpndResolverAuto *self, const VpndAddr *addr)
{
  for (guint i = 0; i < self->told->len; i++)
    if (vpnd_addr_equal (&g_array_index (self->told, VpndAddr, i), addr))
      return TRUE;
  return FALSE;
}

static void
note_told (VpndResolverAuto *self, const VpndDnsPlan *plan)
{
  for (guint i = 0; i < plan->servers->len; i++)
    if (!is_told (self, &g_array_index (plan->servers, VpndAddr, i)))
      g_array_append_vals (self->told, &g_array_index (plan->servers, VpndAddr, i), 1);
}

static void
forget (VpndResolverAuto *self)
{
  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
  self->resolved_lacks_it = FALSE;
}

static void
on_overwritten (VpndResolverAuto *self, const char *reason)
{
  vpnd_resolver_emit_outside_changed (VPND_RESOLVER (self)); /* mostly a network that has come */
  vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), reason);
}

static void
on_list_changed (gpointer user_data)
{
  vpnd_resolver_emit_outside_changed (user_data);
}

/* A DHCP client tells them what it got after it has set the route, and nobody touches resolv.conf then. */
static void
watch_lists (VpndResolverAuto *self)
{
  for (guint i = 0; i < N_LISTS; i++)
    if (self->list_watches[i] == NULL)
      self->list_watches[i] = vpnd_file_watch_new (lists[i], on_list_changed, self); /* NULL where its writer never ran: looked for again */
}

/* What it has been told is watched by its own backend; one that came after has been told nothing, and programs that ask it get no answer. */
static void
on_resolved_owner (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal, GVariant *arguments,
    gpointer user_data)
{
  VpndResolverAuto *self = user_data;
  const char *new_owner;

  if (!self->resolved_lacks_it || !g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get (arguments, "(&s&s&s)", NULL, NULL, &new_owner);
  if (new_owner[0] != '\0')
    vpnd_resolver_emit_untold (VPND_RESOLVER (self), "systemd-resolved has started");
}

static VpndResolver *
adopt (VpndResolverAuto *self, VpndResolver *backend)
{
  g_signal_connect_object (backend, "overwritten", G_CALLBACK (on_overwritten), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (backend, "outside-changed", G_CALLBACK (vpnd_resolver_emit_outside_changed), self, G_CONNECT_SWAPPED);
  return backend;
}

/**
 * vpnd_resolver_auto_new:
 * @connection: (nullable): the system bus; NULL for none, then only what works without is used
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
  self->file = adopt (self, vpnd_resolver_file_new (backup_dirfd, self->path));
  self->resolvconf = adopt (self, vpnd_resolver_resolvconf_new (self->path, NULL, NULL));
  if (connection != NULL)
    {
      self->connection = g_object_ref (connection);
      self->networkmanager = adopt (self, vpnd_resolver_networkmanager_new (connection, backup_dirfd, self->path));
      self->resolved = adopt (self, vpnd_resolver_resolved_new (connection));
      self->owner_id = g_dbus_connection_signal_subscribe (connection, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", "/org/freedesktop/DBus",
          RESOLVED_BUS_NAME, G_DBUS_SIGNAL_FLAGS_NONE, on_resolved_owner, self, NULL);
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
    case APPLIED_NETWORKMANAGER:
      return self->networkmanager;
    case APPLIED_RESOLVCONF:
      return self->resolvconf;
    case APPLIED_RESOLVED:
      return self->resolved;
    }
  g_return_val_if_reached (NULL);
}

static Applied
applied_of (VpndDnsOwner owner)
{
  static const Applied applied[] = {
    [VPND_DNS_OWNER_FILE] = APPLIED_FILE,
    [VPND_DNS_OWNER_RESOLVED] = APPLIED_RESOLVED,
    [VPND_DNS_OWNER_NETWORKMANAGER] = APPLIED_NETWORKMANAGER,
    [VPND_DNS_OWNER_RESOLVCONF] = APPLIED_RESOLVCONF,
  };
  G_STATIC_ASSERT (G_N_ELEMENTS (applied) == VPND_N_DNS_OWNERS);

  return applied[owner];
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
static void retry_later (VpndResolverAuto *self);

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
      if (self->applied == 0)
        g_array_set_size (self->told, 0);
      if (restore->error != NULL && !restore->is_leftover)
        {
          if (!g_error_matches (restore->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            retry_later (self);
          g_task_return_error (task, g_steal_pointer (&restore->error));
        }
      else
        g_task_return_boolean (task, TRUE);
      return;
    }

  restore->current = (Applied) (restore->wanted & -restore->wanted); /* the lowest of the set */
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

/* @task ends with what has come of it; what fails of a leftover is tried again by the next restore. */
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
on_retried (GObject *source, GAsyncResult *result, gpointer user_data)
{
  (void) g_task_propagate_boolean (G_TASK (result), NULL); /* the first failure has been told; what fails again is tried again */
}

static gboolean
on_retry (gpointer user_data)
{
  VpndResolverAuto *self = user_data;
  g_autoptr (GTask) task = NULL;

  g_clear_pointer (&self->retry, g_source_unref);
  g_clear_object (&self->retrying);
  self->retrying = g_cancellable_new ();
  task = g_task_new (self, self->retrying, on_retried, NULL);
  g_task_set_source_tag (task, on_retry);
  start_restore (self, APPLIED_ALL, FALSE, task);
  return G_SOURCE_REMOVE;
}

/* What was not put back would stay until the next start, because nobody asks for it again. */
static void
retry_later (VpndResolverAuto *self)
{
  if (self->retry != NULL)
    return;
  self->retry_ms = CLAMP (self->retry_ms * 2, RETRY_MIN_MS, RETRY_MAX_MS);
  self->retry = g_timeout_source_new (self->retry_ms);
  g_source_set_callback (self->retry, on_retry, self, NULL);
  g_source_attach (self->retry, g_main_context_get_thread_default ());
}

static void
restore_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);

  g_task_set_source_tag (task, restore_async);
  stop_retrying (VPND_RESOLVER_AUTO (resolver));
  forget (VPND_RESOLVER_AUTO (resolver));
  start_restore (VPND_RESOLVER_AUTO (resolver), APPLIED_ALL, FALSE, task);
}

/**
 * Apply: an apply on its way
 * @plan: (owned)
 * @chosen: the backend that is told
 * @resolved_too: it is told besides
 */
typedef struct
{
  VpndDnsPlan *plan;
  Applied chosen;
  gboolean resolved_too;
} Apply;

static void
apply_free (Apply *apply)
{
  vpnd_dns_plan_unref (apply->plan);
  g_free (apply);
}

static void tell (GTask *task, Applied chosen);

/* What the former owner still has of ours goes last, so that there is no moment without. */
static void
clean_up (GTask *task)
{
  VpndResolverAuto *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);
  guint kept = apply->chosen | (apply->resolved_too ? APPLIED_RESOLVED : 0);

  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
  self->plan = vpnd_dns_plan_ref (apply->plan);
  start_restore (self, ~kept, TRUE, task);
}

static void
on_told_besides (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverAuto *self = g_task_get_source_object (task);

  self->resolved_lacks_it = !vpnd_resolver_apply_finish (VPND_RESOLVER (source), result, NULL); /* if not: the owner has it; this one may be half-way out itself */
  clean_up (task);
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverAuto *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);
  GError *error = NULL;

  if (!vpnd_resolver_apply_finish (VPND_RESOLVER (source), result, &error))
    {
      if ((apply->chosen & APPLIED_WRITERS) == 0 || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_task_return_error (task, error);
          return;
        }
      g_error_free (error); /* the file is left, and is read back, too */
      tell (task, APPLIED_FILE);
      return;
    }
  self->resolved_lacks_it = apply->chosen != APPLIED_RESOLVED;
  if (!apply->resolved_too)
    {
      clean_up (task);
      return;
    }
  self->applied |= APPLIED_RESOLVED;
  vpnd_resolver_apply_async (self->resolved, apply->plan, g_task_get_cancellable (task), on_told_besides, g_object_ref (task));
}

static void
tell_chosen (GTask *task)
{
  VpndResolverAuto *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);

  /* Also when it fails half-way there may be something to put back. */
  self->applied |= apply->chosen;
  vpnd_resolver_apply_async (backend_of (self, apply->chosen), apply->plan, g_task_get_cancellable (task), on_applied, g_object_ref (task));
}

static void
on_taken_out (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  (void) g_task_propagate_boolean (G_TASK (result), NULL); /* a leftover's: never an error */
  if (!g_task_return_error_if_cancelled (task))
    tell_chosen (task);
}

/* Before the file is kept as the original, those who write it take our servers out of it: else it would come back with them. */
static void
tell (GTask *task, Applied chosen)
{
  VpndResolverAuto *self = g_task_get_source_object (task);
  Apply *apply = g_task_get_task_data (task);

  apply->chosen = chosen;
  if (chosen == APPLIED_FILE && (self->applied & APPLIED_WRITERS) != 0 && !vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (self->file)))
    {
      g_autoptr (GTask) taking_out = g_task_new (self, g_task_get_cancellable (task), on_taken_out, g_object_ref (task));

      g_task_set_source_tag (taking_out, tell);
      start_restore (self, APPLIED_WRITERS, TRUE, taking_out);
    }
  else
    tell_chosen (task);
}

static void
on_owner_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Apply *apply = g_task_get_task_data (task);
  VpndDnsVerdict verdict;
  GError *error = NULL;

  if (!vpnd_dns_owner_find_finish (result, &verdict, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  apply->resolved_too = verdict.resolved_too;
  tell (task, applied_of (verdict.owner));
}

static void
apply_async (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverAuto *self = VPND_RESOLVER_AUTO (resolver);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Apply *apply;

  g_task_set_source_tag (task, apply_async);
  stop_retrying (self);
  if (vpnd_dns_plan_is_empty (plan))
    {
      forget (self);
      start_restore (self, APPLIED_ALL, FALSE, task);
      return;
    }

  self->resolved_lacks_it = TRUE;
  note_told (self, plan);
  apply = g_new0 (Apply, 1);
  apply->plan = vpnd_dns_plan_ref (plan);
  g_task_set_task_data (task, apply, (GDestroyNotify) apply_free);
  vpnd_dns_owner_find_async (self->connection, self->path, vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (self->file)), cancellable, on_owner_found,
      g_object_ref (task));
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

/* Appends the resolvers in @text that are not of this host. Returns: whether some were left out for being ours */
static gboolean
add_servers (VpndResolverAuto *self, GArray *servers, const char *text, gboolean has_ours)
{
  g_auto (GStrv) words = text != NULL ? vpnd_resolv_conf_servers (text) : NULL;
  gboolean is_hidden = FALSE;

  for (guint i = 0; words != NULL && words[i] != NULL; i++)
    {
      VpndAddr addr;

      if (!vpnd_addr_parse (words[i], &addr) || vpnd_addr_is_loopback (&addr))
        continue;
      if (has_ours && is_told (self, &addr))
        is_hidden = TRUE;
      else
        g_array_append_val (servers, addr);
    }
  return is_hidden;
}

/* The file as it was before us, or as its owner writes it, with ours; where it names a stub of this host, the lists of those whose stub it is. */
static GArray *
dup_outside (VpndResolver *resolver)
{
  VpndResolverAuto *self = VPND_RESOLVER_AUTO (resolver);
  g_autoptr (GArray) servers = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_autofree char *before = vpnd_resolver_file_dup_text_before (VPND_RESOLVER_FILE (self->file));
  gboolean is_hidden;

  watch_lists (self);
  is_hidden = add_servers (self, servers, before, !vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (self->file)));
  for (guint i = 0; i < N_LISTS && servers->len == 0; i++)
    {
      g_autofree char *text = vpnd_host_file_read_text (lists[i]);

      is_hidden = add_servers (self, servers, text, TRUE) || is_hidden;
    }
  return servers->len > 0 || !is_hidden ? g_steal_pointer (&servers) : NULL;
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->describe_async = describe_async;
  iface->dup_outside = dup_outside;
  iface->apply_async = apply_async;
  iface->restore_async = restore_async;
}
