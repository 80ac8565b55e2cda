/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-networkmanager.h. A setting on our own device would have to make it NetworkManager's: Reapply() on a device that somebody else
 * made takes it over, with its addresses and routes. The global configuration leaves all devices as they are. What it was is noted before it is
 * changed, and put back when it is still ours; while NetworkManager is away the note stays, and is acted upon when it comes back.
 * While it is set, it is read again whenever NetworkManager says that anything of its own changed, when it begins anew, and when
 * resolv.conf is touched: signals are hints, the reading decides.
 */
#include "config.h"

#include "resolver-networkmanager.h"

#include "error.h"
#include "file-watch.h"
#include "global-dns.h"
#include "host-file.h"
#include "resolv-conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define BUS_NAME "org.freedesktop.NetworkManager"
#define MANAGER_PATH "/org/freedesktop/NetworkManager"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
#define PROPERTY "GlobalDnsConfiguration"
#define NOTE_NAME "networkmanager-dns.before"
#define CALL_TIMEOUT_MS 1000 /* security model: any call to another daemon */
#define SETTLE_MS 50         /* one look for all the signals of one change */
#define LOOK_MS 20           /* it writes the file a moment after it has answered */
#define LOOKS_MAX 50         /* a second */
#define LATE_MS 1000         /* it owns its name a while before it has an answer to anything */
#define LATE_MAX 30          /* half a minute: then something else is wrong with it */

/**
 * VpndResolverNetworkmanager:
 * @connection: (owned): the system bus
 * @backup_dirfd: where the note is
 * @path: (owned): resolv.conf
 * @plan: (owned) (nullable): what is set, while it is watched
 * @ours: (owned) (nullable): a{sv}, the same as NetworkManager was told
 * @changed_id: subscription to PropertiesChanged, 0 for none
 * @owner_id: subscription to NameOwnerChanged, 0 for none
 * @watch: (owned) (nullable): tells when resolv.conf is touched
 * @settle: (owned) (nullable): fires when it is time to look
 * @checks: (owned) (nullable): cancels looks that are under way
 * @comeback_id: subscription to NameOwnerChanged while a restore waits for NetworkManager, 0 for none
 * @late: (owned) (nullable): the next try of a restore after it came back
 * @late_cancellable: (owned) (nullable): cancels it while it is under way
 * @n_late: how often it was tried
 */
struct _VpndResolverNetworkmanager
{
  GObject parent_instance;

  GDBusConnection *connection;
  int backup_dirfd;
  char *path;
  VpndDnsPlan *plan;
  GVariant *ours;
  guint changed_id;
  guint owner_id;
  VpndFileWatch *watch;
  GSource *settle;
  GCancellable *checks;
  guint comeback_id;
  GSource *late;
  GCancellable *late_cancellable;
  guint n_late;
};

/**
 * Change: an apply or a restore on its way
 * @plan: (owned) (nullable): what shall be; NULL to put back what was
 * @note: (owned) (nullable): the note that is kept meanwhile
 * @target: (owned) (nullable): a{sv}, what NetworkManager is told
 * @n_looks: how often the file was looked at
 */
typedef struct
{
  VpndDnsPlan *plan;
  VpndGlobalDnsNote *note;
  GVariant *target;
  guint n_looks;
} Change;

static void resolver_iface_init (VpndResolverInterface *iface);
static void restore_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndResolverNetworkmanager, vpnd_resolver_networkmanager, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init))

static void
unsubscribe (VpndResolverNetworkmanager *self, guint *id)
{
  if (*id != 0)
    g_dbus_connection_signal_unsubscribe (self->connection, *id);
  *id = 0;
}

static void
unwatch (VpndResolverNetworkmanager *self)
{
  unsubscribe (self, &self->changed_id);
  unsubscribe (self, &self->owner_id);
  g_clear_pointer (&self->watch, vpnd_file_watch_free);
  if (self->settle != NULL)
    g_source_destroy (self->settle);
  g_clear_pointer (&self->settle, g_source_unref);
  g_cancellable_cancel (self->checks);
  g_clear_object (&self->checks);
  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
  g_clear_pointer (&self->ours, g_variant_unref);
}

static void
stop_waiting (VpndResolverNetworkmanager *self)
{
  unsubscribe (self, &self->comeback_id);
  if (self->late != NULL)
    g_source_destroy (self->late);
  g_clear_pointer (&self->late, g_source_unref);
  g_cancellable_cancel (self->late_cancellable);
  g_clear_object (&self->late_cancellable);
}

static void
vpnd_resolver_networkmanager_dispose (GObject *object)
{
  VpndResolverNetworkmanager *self = VPND_RESOLVER_NETWORKMANAGER (object);

  unwatch (self);
  stop_waiting (self);
  g_clear_object (&self->connection);
  G_OBJECT_CLASS (vpnd_resolver_networkmanager_parent_class)->dispose (object);
}

static void
vpnd_resolver_networkmanager_finalize (GObject *object)
{
  VpndResolverNetworkmanager *self = VPND_RESOLVER_NETWORKMANAGER (object);

  if (self->backup_dirfd >= 0)
    close (self->backup_dirfd);
  g_free (self->path);
  G_OBJECT_CLASS (vpnd_resolver_networkmanager_parent_class)->finalize (object);
}

static void
vpnd_resolver_networkmanager_class_init (VpndResolverNetworkmanagerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_resolver_networkmanager_dispose;
  G_OBJECT_CLASS (klass)->finalize = vpnd_resolver_networkmanager_finalize;
}

static void
vpnd_resolver_networkmanager_init (VpndResolverNetworkmanager *self)
{
  self->backup_dirfd = -1;
}

/**
 * vpnd_resolver_networkmanager_new:
 * @connection: the bus on which NetworkManager is
 * @backup_dirfd: directory for the note of what was before, one that outlives a power cut; duplicated
 * @path: resolv.conf
 *
 * Returns: (transfer full): the backend
 */
VpndResolver *
vpnd_resolver_networkmanager_new (GDBusConnection *connection, int backup_dirfd, const char *path)
{
  VpndResolverNetworkmanager *self = g_object_new (VPND_TYPE_RESOLVER_NETWORKMANAGER, NULL);

  self->connection = g_object_ref (connection);
  self->backup_dirfd = fcntl (backup_dirfd, F_DUPFD_CLOEXEC, 3);
  self->path = g_strdup (path);
  return VPND_RESOLVER (self);
}

static void
change_free (Change *change)
{
  g_clear_pointer (&change->plan, vpnd_dns_plan_unref);
  g_clear_pointer (&change->note, vpnd_global_dns_note_free);
  g_clear_pointer (&change->target, g_variant_unref);
  g_free (change);
}

/* (transfer full): @error as one of ours; cancellation stays what it is. */
static GError *
translate (GError *error, const char *what)
{
  GError *ours;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return error;
  g_dbus_error_strip_remote_error (error);
  ours = g_error_new (VPND_ERROR, VPND_ERROR_DNS, "NetworkManager: %s: %s", what, error->message);
  g_error_free (error);
  return ours;
}

static gboolean
is_away (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

/* --- the note, and resolv.conf --- */

static gboolean
save_note (VpndResolverNetworkmanager *self, const VpndGlobalDnsNote *note, GError **error)
{
  g_autoptr (GBytes) bytes = vpnd_global_dns_note_to_bytes (note);
  g_autoptr (VpndHostFile) file = vpnd_host_file_new_regular (0600, bytes);

  return vpnd_host_file_write (file, self->backup_dirfd, NOTE_NAME, error);
}

/* (nullable): the note; NULL with an error when there is one that cannot be read, NULL without one when there is none. */
static VpndGlobalDnsNote *
load_note (VpndResolverNetworkmanager *self, GError **error)
{
  g_autoptr (VpndHostFile) file = vpnd_host_file_read (self->backup_dirfd, NOTE_NAME, error);
  VpndGlobalDnsNote *note;

  if (file == NULL || file->kind == VPND_HOST_FILE_MISSING)
    return NULL;
  note = file->kind == VPND_HOST_FILE_REGULAR ? vpnd_global_dns_note_from_bytes (file->content) : NULL;
  if (note == NULL)
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_DNS, "the note of what NetworkManager had cannot be read");
  return note;
}

static gboolean
remove_note (VpndResolverNetworkmanager *self, GError **error)
{
  if (unlinkat (self->backup_dirfd, NOTE_NAME, 0) == 0 || errno == ENOENT)
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "cannot remove the note of what NetworkManager had: %s", g_strerror (errno));
  return FALSE;
}

/* Returns: an open directory, in which @out_name is the file that is read through resolv.conf; -1 when there is none */
static int
open_target (VpndResolverNetworkmanager *self, char **out_name)
{
  char resolved[PATH_MAX];
  g_autofree char *directory = NULL;

  if (realpath (self->path, resolved) == NULL)
    return -1;
  directory = g_path_get_dirname (resolved);
  *out_name = g_path_get_basename (resolved);
  return open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* (transfer full): resolv.conf as bytes; empty when it cannot be read. */
static GBytes *
read_file (VpndResolverNetworkmanager *self)
{
  g_autofree char *name = NULL;
  int dirfd = open_target (self, &name);
  g_autoptr (VpndHostFile) file = dirfd >= 0 ? vpnd_host_file_read (dirfd, name, NULL) : NULL;

  if (dirfd >= 0)
    close (dirfd);
  return file != NULL ? vpnd_host_file_to_bytes (file) : g_bytes_new_static ("", 0);
}

/* Whether @text is what NetworkManager makes of @ours: our servers in our order and no other, or its own resolver that asks them. */
static gboolean
text_says (const char *text, GVariant *ours)
{
  g_autoptr (GVariant) domains = g_variant_lookup_value (ours, "domains", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) all = domains != NULL ? g_variant_lookup_value (domains, "*", G_VARIANT_TYPE_VARDICT) : NULL;
  g_autofree const char **servers = NULL;
  g_auto (GStrv) words = vpnd_resolv_conf_servers (text);

  if (all == NULL || !g_variant_lookup (all, "servers", "^a&s", &servers))
    return FALSE;
  return g_strv_equal ((const char *const *) words, servers);
}

/* NetworkManager is gone and has left our servers in resolv.conf, where nobody would ever take them out. */
static void
put_file_back (VpndResolverNetworkmanager *self, const VpndGlobalDnsNote *note)
{
  g_autoptr (VpndHostFile) before = vpnd_host_file_from_bytes (note->file);
  g_autofree char *text = vpnd_host_file_read_text (self->path);
  g_autofree char *name = NULL;
  int dirfd;

  if (before == NULL || text == NULL || !text_says (text, note->ours))
    return;
  dirfd = open_target (self, &name);
  if (dirfd < 0)
    return;
  (void) vpnd_host_file_write (before, dirfd, name, NULL); /* NetworkManager writes it anew when it is back */
  close (dirfd);
}

/* --- the watch --- */

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndResolverNetworkmanager *self = user_data; /* not ours when cancelled */
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) value = NULL;
  g_autofree char *text = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  text = vpnd_host_file_read_text (self->path);
  if (reply != NULL)
    g_variant_get (reply, "(v)", &value);
  if (value == NULL && text != NULL && text_says (text, self->ours))
    return; /* it is gone; what it wrote is still there */
  if (value == NULL || !g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT) || !vpnd_global_dns_equal (value, self->ours))
    vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), "the global DNS configuration of NetworkManager was changed");
  else if (text == NULL || (!text_says (text, self->ours) && !vpnd_resolv_conf_is_loopback_only (text)))
    vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), "resolv.conf was changed past NetworkManager");
}

static void
get_property (VpndResolverNetworkmanager *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_dbus_connection_call (self->connection, BUS_NAME, MANAGER_PATH, PROPERTIES_INTERFACE, "Get", g_variant_new ("(ss)", BUS_NAME, PROPERTY), G_VARIANT_TYPE ("(v)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, cancellable, callback, user_data);
}

static gboolean
on_settled (gpointer user_data)
{
  VpndResolverNetworkmanager *self = user_data;

  g_clear_pointer (&self->settle, g_source_unref);
  get_property (self, self->checks, on_checked, self);
  return G_SOURCE_REMOVE;
}

static void
look_soon (gpointer user_data)
{
  VpndResolverNetworkmanager *self = user_data;

  if (self->plan == NULL || self->settle != NULL)
    return;
  self->settle = g_timeout_source_new (SETTLE_MS);
  g_source_set_callback (self->settle, on_settled, self, NULL);
  g_source_attach (self->settle, g_main_context_get_thread_default ());
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer user_data)
{
  look_soon (user_data);
}

static guint
subscribe_owner (VpndResolverNetworkmanager *self, GDBusSignalCallback callback)
{
  return g_dbus_connection_signal_subscribe (self->connection, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", "/org/freedesktop/DBus", BUS_NAME,
      G_DBUS_SIGNAL_FLAGS_NONE, callback, self, NULL);
}

/* Before it is set, so that no change after the reading is missed. What is heard until then says nothing. */
static void
start_listening (VpndResolverNetworkmanager *self)
{
  unwatch (self);
  stop_waiting (self);
  self->checks = g_cancellable_new ();
  self->changed_id = g_dbus_connection_signal_subscribe (self->connection, BUS_NAME, PROPERTIES_INTERFACE, "PropertiesChanged", MANAGER_PATH, BUS_NAME,
      G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
  self->owner_id = subscribe_owner (self, on_signal);
  self->watch = vpnd_file_watch_new (self->path, look_soon, self); /* without inotify the signals are left */
}

/* --- a change --- */

/* (transfer full) (nullable): the a{sv} of a reply to Get; NULL with an error of ours. */
static GVariant *
finish_get (GObject *source, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, error);
  g_autoptr (GVariant) value = NULL;

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(v)", &value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    return g_steal_pointer (&value);
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_DNS, "its global configuration is none");
  return NULL;
}

static void
complete (GTask *task)
{
  VpndResolverNetworkmanager *self = g_task_get_source_object (task);
  Change *change = g_task_get_task_data (task);
  GError *error = NULL;

  if (change->plan != NULL)
    {
      g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
      g_clear_pointer (&self->ours, g_variant_unref);
      self->plan = vpnd_dns_plan_ref (change->plan);
      self->ours = g_variant_ref (change->target);
      g_task_return_boolean (task, TRUE);
    }
  else if (remove_note (self, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* NetworkManager has taken the configuration; what counts is what programs read. Its own resolver (dnsmasq) asks for them then. */
static gboolean
on_look (gpointer user_data)
{
  GTask *task = user_data;
  VpndResolverNetworkmanager *self = g_task_get_source_object (task);
  Change *change = g_task_get_task_data (task);
  g_autofree char *text = NULL;
  gboolean is_ours;

  if (g_task_return_error_if_cancelled (task))
    return G_SOURCE_REMOVE;
  text = vpnd_host_file_read_text (self->path);
  is_ours = text != NULL && text_says (text, change->plan != NULL ? change->target : change->note->ours);
  if ((change->plan != NULL) == is_ours || (change->plan != NULL && text != NULL && vpnd_resolv_conf_is_loopback_only (text)))
    complete (task);
  else if (++change->n_looks < LOOKS_MAX)
    return G_SOURCE_CONTINUE;
  else if (change->plan == NULL)
    complete (task); /* the servers of before are the same, or the file is nobody's: it was told, and has said so */
  else
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "NetworkManager has taken our servers, but \"%s\" does not list them", self->path);
  return G_SOURCE_REMOVE;
}

static void
on_read_back (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Change *change = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GVariant) value = finish_get (source, result, &error);
  g_autoptr (GSource) look = NULL;

  if (value == NULL)
    {
      g_task_return_error (task, translate (error, "reading the global configuration back"));
      return;
    }
  if (!vpnd_global_dns_equal (value, change->target))
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS,
          "NetworkManager does not take a global DNS configuration; is there a section [global-dns-domain-*] in /etc/NetworkManager?");
      return;
    }
  look = g_timeout_source_new (LOOK_MS);
  g_source_set_callback (look, on_look, g_object_ref (task), g_object_unref);
  g_source_attach (look, g_task_get_context (task));
}

static void
on_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverNetworkmanager *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL)
    g_task_return_error (task, translate (error, "setting the global configuration"));
  else
    get_property (self, g_task_get_cancellable (task), on_read_back, g_object_ref (task));
}

static void
set_property (GTask *task)
{
  VpndResolverNetworkmanager *self = g_task_get_source_object (task);
  Change *change = g_task_get_task_data (task);

  g_dbus_connection_call (self->connection, BUS_NAME, MANAGER_PATH, PROPERTIES_INTERFACE, "Set", g_variant_new ("(ssv)", BUS_NAME, PROPERTY, change->target), NULL,
      G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, g_task_get_cancellable (task), on_set, g_object_ref (task));
}

/* --- apply --- */

/* What is there is the original, unless it is ours of an earlier time. */
static void
on_present (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverNetworkmanager *self = g_task_get_source_object (task);
  Change *change = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GVariant) value = finish_get (source, result, &error);
  g_autoptr (VpndGlobalDnsNote) former = NULL;

  if (value == NULL)
    {
      g_task_return_error (task, translate (error, "reading the global configuration"));
      return;
    }
  former = load_note (self, &error);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  change->note = g_new0 (VpndGlobalDnsNote, 1);
  change->note->before = g_variant_ref (former != NULL && vpnd_global_dns_equal (value, former->ours) ? former->before : value);
  change->note->file = former != NULL ? g_bytes_ref (former->file) : read_file (self);
  change->target = vpnd_global_dns_build (change->plan, change->note->before);
  change->note->ours = g_variant_ref (change->target);
  if (save_note (self, change->note, &error))
    set_property (task);
  else
    g_task_return_error (task, error);
}

static void
apply_async (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverNetworkmanager *self = VPND_RESOLVER_NETWORKMANAGER (resolver);
  g_autoptr (GTask) task = NULL;
  Change *change;

  if (vpnd_dns_plan_is_empty (plan))
    {
      restore_async (resolver, cancellable, callback, user_data);
      return;
    }
  task = g_task_new (self, cancellable, callback, user_data);
  change = g_new0 (Change, 1);
  g_task_set_source_tag (task, apply_async);
  g_task_set_task_data (task, change, (GDestroyNotify) change_free);
  change->plan = vpnd_dns_plan_ref (plan);
  start_listening (self);
  get_property (self, cancellable, on_present, g_object_ref (task));
}

/* --- restore --- */

static void try_late (VpndResolverNetworkmanager *self);

static void
on_late_restored (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndResolverNetworkmanager *self = VPND_RESOLVER_NETWORKMANAGER (source);
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) && self->n_late++ < LATE_MAX)
    try_late (self); /* after the last try the note is still there, and the next start reads it */
}

static gboolean
on_late (gpointer user_data)
{
  VpndResolverNetworkmanager *self = user_data;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_clear_pointer (&self->late, g_source_unref);
  restore_async (VPND_RESOLVER (self), cancellable, on_late_restored, NULL);
  g_set_object (&self->late_cancellable, cancellable); /* only now: the restore itself ends whatever else waits */
  return G_SOURCE_REMOVE;
}

static void
try_late (VpndResolverNetworkmanager *self)
{
  if (self->late != NULL)
    return;
  self->late = g_timeout_source_new (LATE_MS);
  g_source_set_callback (self->late, on_late, self, NULL);
  g_source_attach (self->late, g_main_context_get_thread_default ());
}

static void
on_comeback (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal, GVariant *arguments, gpointer user_data)
{
  VpndResolverNetworkmanager *self = user_data;
  const char *new_owner;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get (arguments, "(&s&s&s)", NULL, NULL, &new_owner);
  self->n_late = 0;
  if (new_owner[0] != '\0')
    try_late (self);
}

static void
on_to_put_back (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverNetworkmanager *self = g_task_get_source_object (task);
  Change *change = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GVariant) value = finish_get (source, result, &error);

  if (value == NULL && is_away (error))
    {
      g_clear_error (&error);
      put_file_back (self, change->note);
      if (self->comeback_id == 0 && self->plan == NULL)
        self->comeback_id = subscribe_owner (self, on_comeback);
      g_task_return_boolean (task, TRUE);
    }
  else if (value == NULL)
    g_task_return_error (task, translate (error, "reading the global configuration"));
  else if (vpnd_global_dns_equal (value, change->note->ours))
    {
      change->target = g_variant_ref (change->note->before);
      set_property (task);
    }
  else
    complete (task); /* somebody else has set it since, and that stays */
}

static void
restore_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverNetworkmanager *self = VPND_RESOLVER_NETWORKMANAGER (resolver);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Change *change = g_new0 (Change, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, restore_async);
  g_task_set_task_data (task, change, (GDestroyNotify) change_free);
  unwatch (self);
  stop_waiting (self);
  change->note = load_note (self, &error);
  if (error != NULL)
    g_task_return_error (task, error);
  else if (change->note == NULL)
    g_task_return_boolean (task, TRUE);
  else
    get_property (self, cancellable, on_to_put_back, g_object_ref (task));
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->apply_async = apply_async;
  iface->restore_async = restore_async;
}
