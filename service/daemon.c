/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The composition root of daemon.h. Order at start: lock, directories, bus, objects, name, engine. The name comes before the engine
 * touches the host, so that a second instance ends without a trace; requests that come early wait in the engine.
 */
#include "config.h"

#include "daemon.h"

#include "adaptor.h"
#include "authorizer-polkit.h"
#include "clock-system.h"
#include "engine.h"
#include "error-bus.h"
#include "error.h"
#include "facts-rtnl.h"
#include "firewall-nft.h"
#include "inspector-host.h"
#include "log.h"
#include "name-watch-queue.h"
#include "names-lookup-gio.h"
#include "notify.h"
#include "prober-udp.h"
#include "reserved.h"
#include "resolver-auto.h"
#include "resolver-file.h"
#include "router-rtnl.h"
#include "sleep-logind.h"
#include "socket-killer-diag.h"
#include "split-store.h"
#include "splitter-cgroup.h"
#include "tunnel-auto.h"
#include "tunnel-kernel.h"
#include "tunnel-userspace.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define VPND_CLASSIFIER_SOCKET "/run/vpnd-classifier.socket" /* vpnd-classifier.socket */
#define SYSTEMD_TIMEOUT_MS 1000                              /* any bus call to another daemon (docs/security.md, "Timings") */

struct _VpndDaemon
{
  GObject parent_instance;

  GMainLoop *loop; /* (owned) */
  int exit_status;
  gboolean is_stopping;
  gboolean has_name;

  int state_dirfd;
  int runtime_dirfd;
  int lock_fd;

  VpndLogRing *ring;           /* (owned) */
  GDBusConnection *connection; /* (owned) (nullable): for what we ask others; NULL without a bus */
  GDBusConnection *service;    /* (owned) (nullable): for what others ask us: a flood there delays no answer to our own questions */
  VpndLedger *ledger;          /* (owned) */
  VpndProfileStore *profiles;  /* (owned) */
  VpndSettingsStore *settings; /* (owned) */
  VpndSplitStore *split;       /* (owned) */
  VpndEngine *engine;          /* (owned) */
  VpndAdaptor *adaptor;        /* (owned) (nullable) */
  VpndSleepLogind *sleep;      /* (owned) (nullable) */
  char *stand_in;              /* (owned) (nullable): a directory of ours in the place of one that cannot be used */
  GError *trouble;             /* (owned) (nullable): why */
  guint name_id;
  guint signal_ids[4];
};

G_DEFINE_FINAL_TYPE (VpndDaemon, vpnd_daemon, G_TYPE_OBJECT)

/* --- the end --- */

static void
quit (VpndDaemon *self, int exit_status)
{
  self->exit_status = exit_status;
  g_main_loop_quit (self->loop);
}

static void
on_stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndDaemon *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!vpnd_engine_stop_finish (VPND_ENGINE (source), result, &error))
    g_warning ("The host could not be left as it was: %s", error->message);
  quit (self, self->exit_status);
}

static void
stop (VpndDaemon *self, VpndStopReason reason, int exit_status)
{
  if (self->is_stopping)
    return;

  self->is_stopping = TRUE;
  self->exit_status = exit_status;
  (void) vpnd_notify (g_getenv ("NOTIFY_SOCKET"), "STOPPING=1", NULL); /* the service manager need not know */
  if (self->engine == NULL)
    quit (self, exit_status);
  else
    vpnd_engine_stop_async (self->engine, reason, NULL, on_stopped, self);
}

static void
on_system_state (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndDaemon *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) value = NULL;
  const char *state;

  if (reply == NULL)
    {
      /* No systemd on the bus: nobody takes the system down but by killing us. No answer of one that is there: it is busy with just that. */
      gboolean has_systemd = !g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) && !g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);

      stop (self, has_systemd ? VPND_STOP_GOING_DOWN : VPND_STOP_REQUESTED, 0);
      return;
    }
  g_variant_get (reply, "(v)", &value);
  state = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_get_string (value, NULL) : "";
  stop (self, strcmp (state, "stopping") == 0 ? VPND_STOP_GOING_DOWN : VPND_STOP_REQUESTED, 0);
}

static gboolean
on_terminate (gpointer user_data)
{
  VpndDaemon *self = user_data;

  if (self->is_stopping)
    return G_SOURCE_CONTINUE;
  if (self->connection == NULL || g_dbus_connection_is_closed (self->connection))
    {
      stop (self, VPND_STOP_REQUESTED, 0);
      return G_SOURCE_CONTINUE;
    }
  g_dbus_connection_call (self->connection, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", "org.freedesktop.systemd1.Manager", "SystemState"), G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
      SYSTEMD_TIMEOUT_MS, NULL, on_system_state, self);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_restart (gpointer user_data)
{
  stop (VPND_DAEMON (user_data), VPND_STOP_RESTART, 0);
  return G_SOURCE_CONTINUE;
}

/* --- the bus --- */

static void
on_bus_closed (GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer user_data)
{
  g_warning ("The bus is gone: ending with the rules in force, to be started again");
  stop (VPND_DAEMON (user_data), VPND_STOP_RESTART, 1);
}

static void
on_settled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndSleepLogind) sleep = user_data;

  (void) vpnd_engine_suspend_finish (VPND_ENGINE (source), result, NULL); /* the host sleeps either way */
  vpnd_sleep_logind_release (sleep);
}

static void
on_sleep (gboolean is_going_to_sleep, gpointer user_data)
{
  VpndDaemon *self = user_data;

  if (is_going_to_sleep)
    vpnd_engine_suspend_async (self->engine, NULL, on_settled, g_object_ref (self->sleep));
  else
    vpnd_engine_resume (self->engine);
}

static void
on_engine_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndDaemon *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!vpnd_engine_start_finish (VPND_ENGINE (source), result, &error))
    {
      g_warning ("The network of this host cannot be read: %s", error->message);
      quit (self, 1); /* nothing was touched: a host that was closed stays closed */
      return;
    }
  if (self->connection == NULL)
    {
      g_warning ("There is no message bus to be controlled by; the host is left as the start made it");
      quit (self, 1);
      return;
    }
  (void) vpnd_notify (g_getenv ("NOTIFY_SOCKET"), "READY=1", NULL);
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  VpndDaemon *self = user_data;

  self->has_name = TRUE;
  vpnd_engine_start_async (self->engine, NULL, on_engine_started, self);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  VpndDaemon *self = user_data;

  if (self->is_stopping && self->has_name)
    return; /* without the name the engine was never started, and would not end */
  if (!self->has_name)
    {
      g_warning ("The name %s is taken or not ours to own: is another vpnd running, are we root, is the bus policy installed?", name);
      quit (self, 1);
      return;
    }
  g_warning ("The name %s was lost: ending with the rules in force", name);
  stop (self, VPND_STOP_RESTART, 1);
}

/* --- making everything --- */

/* The environment is for hosts whose cgroups stand elsewhere, and for tests. */
static VpndSplitter *
make_splitter (GError **error)
{
  const char *classifier_path = g_getenv ("VPND_CLASSIFIER_SOCKET");

  return vpnd_splitter_cgroup_new (classifier_path != NULL ? classifier_path : VPND_CLASSIFIER_SOCKET, g_getenv ("VPND_CGROUP_PATH"), error);
}

static gboolean
make_engine (VpndDaemon *self, GError **error)
{
  g_autoptr (VpndFirewall) firewall = vpnd_firewall_nft_new (error);
  g_autoptr (VpndRouter) router = firewall != NULL ? vpnd_router_rtnl_new (error) : NULL;
  g_autoptr (VpndFactsSource) facts = router != NULL ? vpnd_facts_rtnl_new (VPND_IFNAME, error) : NULL;
  g_autoptr (VpndSocketKiller) socket_killer = facts != NULL ? vpnd_socket_killer_diag_new (error) : NULL;
  g_autoptr (VpndTunnel) kernel = vpnd_tunnel_kernel_new ();
  g_autoptr (VpndTunnel) userspace = vpnd_tunnel_userspace_new (self->runtime_dirfd);
  g_autoptr (VpndTunnel) tunnel = vpnd_tunnel_auto_new (kernel, userspace);
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (self->connection, self->state_dirfd, VPND_RESOLV_CONF_PATH);
  g_autoptr (VpndNamesLookup) names = vpnd_names_lookup_gio_new ();
  g_autoptr (VpndProber) prober = vpnd_prober_udp_new ();
  g_autoptr (VpndClock) clock = vpnd_clock_system_new ();
  g_autoptr (VpndInspector) inspector = vpnd_inspector_host_new (self->connection, self->state_dirfd, self->runtime_dirfd, VPND_RESOLV_CONF_PATH);
  g_autoptr (VpndSplitter) splitter = socket_killer != NULL ? make_splitter (error) : NULL;
  g_autoptr (VpndNameWatch) name_watch = vpnd_name_watch_queue_new ();
  VpndEnginePorts ports = { firewall, tunnel, router, resolver, facts, names, prober, clock, socket_killer, inspector, splitter, name_watch };

  if (splitter == NULL)
    return FALSE;
  self->engine = vpnd_engine_new (&ports, self->ledger, self->profiles, self->settings, self->split);
  if (self->connection != NULL)
    {
      g_autoptr (VpndAuthorizer) authorizer = vpnd_authorizer_polkit_new (self->connection);

      self->adaptor = vpnd_adaptor_new (self->engine, self->profiles, self->ring, authorizer, clock, self->connection);
    }
  return TRUE;
}

static void
on_service_bus (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndDaemon *self = user_data;
  g_autoptr (GError) error = NULL;

  self->service = g_dbus_connection_new_for_address_finish (result, &error);
  if (self->service == NULL || !vpnd_adaptor_export (self->adaptor, self->service, &error))
    {
      g_warning ("%s", error->message);
      quit (self, 1);
      return;
    }
  g_signal_connect (self->service, "closed", G_CALLBACK (on_bus_closed), self);
  self->sleep = vpnd_sleep_logind_new (self->connection, on_sleep, self);
  self->name_id = vpnd_adaptor_own_name (self->adaptor, on_name_acquired, on_name_lost, self);
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndDaemon *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *address = NULL;

  self->connection = g_bus_get_finish (result, &error);
  if (self->connection == NULL)
    g_warning ("The system bus cannot be reached: %s", error->message);
  g_clear_error (&error);
  if (!make_engine (self, &error))
    {
      g_warning ("%s", error->message);
      quit (self, 1);
      return;
    }
  if (self->connection == NULL)
    {
      vpnd_engine_start_async (self->engine, NULL, on_engine_started, self);
      return;
    }

  g_dbus_connection_set_exit_on_close (self->connection, FALSE);
  g_signal_connect (self->connection, "closed", G_CALLBACK (on_bus_closed), self);
  address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, &error); /* reads the environment, for this kind of bus */
  if (address == NULL)
    {
      g_warning ("%s", error->message);
      quit (self, 1);
      return;
    }
  g_dbus_connection_new_for_address (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      on_service_bus, self);
}

/* A directory that is a real one, ours, and closed to everybody else. */
static int
open_directory (const char *path, GError **error)
{
  struct stat status;
  int fd;

  if (g_mkdir_with_parents (path, 0700) != 0 || (fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
    {
      int saved = errno;

      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "%s: %s", path, g_strerror (saved));
      return -1;
    }
  if (fstat (fd, &status) != 0 || status.st_uid != geteuid () || ((status.st_mode & 0077) != 0 && fchmod (fd, 0700) != 0))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "%s: it must belong to user %u and be closed to others", path, geteuid ());
      close (fd);
      return -1;
    }
  return fd;
}

static gboolean
take_lock (VpndDaemon *self, GError **error)
{
  self->lock_fd = openat (self->runtime_dirfd, "lock", O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600); /* a lock is no writing, so a file system may be read-only */
  if (self->lock_fd >= 0 && flock (self->lock_fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE;

  if (self->lock_fd >= 0 && errno == EWOULDBLOCK)
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_EXISTS, "Another vpnd works with this runtime directory");
  else
    g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "the runtime directory cannot be locked: %s", g_strerror (errno));
  return FALSE;
}

/**
 * vpnd_daemon_new:
 * @options: where files are
 * @ring: (transfer none): the log, for getLogs
 * @error: return location for an error: VPND_ERROR_STORAGE, VPND_ERROR_EXISTS
 *
 * Returns: (transfer full) (nullable): a daemon that has not touched the host yet
 */
VpndDaemon *
vpnd_daemon_new (const VpndDaemonOptions *options, VpndLogRing *ring, GError **error)
{
  g_autoptr (VpndDaemon) self = g_object_new (VPND_TYPE_DAEMON, NULL);

  self->ring = vpnd_log_ring_ref (ring);
  self->runtime_dirfd = open_directory (options->runtime_directory, error);
  if (self->runtime_dirfd < 0 || !take_lock (self, error))
    return NULL;
  self->state_dirfd = open_directory (options->state_directory, error);
  if (self->state_dirfd < 0)
    return NULL;
  self->ledger = vpnd_ledger_open (self->runtime_dirfd, self->state_dirfd, error);
  if (self->ledger == NULL)
    return NULL;
  self->profiles = vpnd_profile_store_new (self->state_dirfd, self->runtime_dirfd, error);
  if (self->profiles == NULL)
    return NULL;
  self->settings = vpnd_settings_store_new (self->state_dirfd, error);
  self->split = self->settings != NULL ? vpnd_split_store_new (self->state_dirfd, error) : NULL;
  return self->split != NULL ? g_steal_pointer (&self) : NULL;
}

/* A directory of directories, empty at the end. */
static void
remove_stand_in (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_stand_in (child);
      else
        (void) g_unlink (child);
    }
  (void) g_rmdir (path);
}

/**
 * vpnd_daemon_new_for_release:
 * @options: where files are
 * @ring: (transfer none): the log
 * @error: return location for an error: VPND_ERROR_STORAGE, VPND_ERROR_EXISTS
 *
 * As vpnd_daemon_new(), for vpnd_daemon_release() only: an empty directory stands in for one that cannot be used, for that is what a daemon may fail
 * of, and the way out must be open all the same.
 *
 * Returns: (transfer full) (nullable): a daemon that has not touched the host yet
 */
VpndDaemon *
vpnd_daemon_new_for_release (const VpndDaemonOptions *options, VpndLogRing *ring, GError **error)
{
  g_autoptr (GError) trouble = NULL;
  g_autoptr (GError) local_error = NULL;
  g_autofree char *path = NULL;
  VpndDaemon *self = vpnd_daemon_new (options, ring, &trouble);

  if (self != NULL)
    return self;
  if (!g_error_matches (trouble, VPND_ERROR, VPND_ERROR_EXISTS))
    path = g_dir_make_tmp ("vpnd-XXXXXX", NULL);
  if (path == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&trouble));
      return NULL;
    }

  const VpndDaemonOptions stand_ins[] = { { path, options->runtime_directory }, { options->state_directory, path }, { path, path } };
  for (guint i = 0; i < G_N_ELEMENTS (stand_ins) && self == NULL && !g_error_matches (local_error, VPND_ERROR, VPND_ERROR_EXISTS); i++)
    {
      g_clear_error (&local_error);
      self = vpnd_daemon_new (&stand_ins[i], ring, &local_error);
    }
  if (self == NULL)
    {
      remove_stand_in (path);
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  self->stand_in = g_steal_pointer (&path);
  self->trouble = g_steal_pointer (&trouble);
  return self;
}

static void
on_taken (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GVariant *answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL); /* NULL only when the bus is gone, or does not answer */

  g_clear_pointer (&answer, g_variant_unref);
  *(gboolean *) user_data = TRUE;
}

/* The loop has ended: the last signals and replies go out now, and nobody is served any more. The bus answers when it has taken what was sent before; flushing takes another
 * thread, and would wait for ever on a host that has no room for one. */
static void
say_the_rest (GDBusConnection *bus)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  gboolean is_taken = FALSE;

  g_main_context_push_thread_default (context);
  g_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, SYSTEMD_TIMEOUT_MS, NULL, on_taken, &is_taken);
  while (!is_taken)
    (void) g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
}

/**
 * vpnd_daemon_run:
 * @self: the daemon
 *
 * Works until a signal ends it: SIGTERM, SIGINT and SIGHUP undo everything (or keep the rules, when the system goes down or
 * lockdown is on); SIGUSR1, which the unit sends for a restart, keeps the rules.
 *
 * Returns: the exit status
 */
int
vpnd_daemon_run (VpndDaemon *self)
{
  static const struct
  {
    int signum;
    GSourceFunc func;
  } handlers[] = { { SIGTERM, on_terminate }, { SIGINT, on_terminate }, { SIGHUP, on_terminate }, { SIGUSR1, on_restart } };

  G_STATIC_ASSERT (G_N_ELEMENTS (handlers) == G_N_ELEMENTS (self->signal_ids));
  vpnd_error_register_bus ();
  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    self->signal_ids[i] = g_unix_signal_add (handlers[i].signum, handlers[i].func, self);
  g_bus_get (G_BUS_TYPE_SYSTEM, NULL, on_bus, self);
  g_main_loop_run (self->loop);

  if (self->service != NULL && !g_dbus_connection_is_closed (self->service))
    say_the_rest (self->service);
  return self->exit_status;
}

static void
on_released (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndDaemon *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!vpnd_engine_release_finish (VPND_ENGINE (source), result, &error))
    g_warning ("Not everything could be undone: %s", error->message);
  if (self->trouble != NULL)
    g_warning ("%s: what is kept there was not heeded, so lockdown and auto-connect may still be on, and not everything may be as before", self->trouble->message);
  quit (self, error != NULL || self->trouble != NULL ? 1 : 0);
}

/**
 * vpnd_daemon_release:
 * @self: a daemon that does not run
 *
 * Undoes what an earlier instance left on the host, without a bus, and turns lockdown and auto-connect off.
 *
 * Returns: the exit status: 0 when the network is open and the host as before
 */
int
vpnd_daemon_release (VpndDaemon *self)
{
  g_autoptr (GError) error = NULL;

  if (!make_engine (self, &error))
    {
      g_warning ("%s", error->message);
      return 1;
    }
  vpnd_engine_release_async (self->engine, NULL, on_released, self);
  g_main_loop_run (self->loop);
  return self->exit_status;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
vpnd_daemon_dispose (GObject *object)
{
  VpndDaemon *self = VPND_DAEMON (object);

  for (guint i = 0; i < G_N_ELEMENTS (self->signal_ids); i++)
    g_clear_handle_id (&self->signal_ids[i], g_source_remove);
  g_clear_handle_id (&self->name_id, g_bus_unown_name);
  if (self->connection != NULL)
    g_signal_handlers_disconnect_by_data (self->connection, self);
  if (self->service != NULL)
    g_signal_handlers_disconnect_by_data (self->service, self);
  if (self->adaptor != NULL)
    vpnd_adaptor_unexport (self->adaptor);
  g_clear_object (&self->sleep);
  g_clear_object (&self->adaptor);
  g_clear_object (&self->engine);
  g_clear_object (&self->settings);
  g_clear_object (&self->split);
  g_clear_object (&self->profiles);
  g_clear_object (&self->connection);
  g_clear_object (&self->service);
  g_clear_pointer (&self->ledger, vpnd_ledger_free);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_clear_pointer (&self->ring, vpnd_log_ring_unref);
  close_fd (&self->lock_fd);
  close_fd (&self->state_dirfd);
  close_fd (&self->runtime_dirfd);
  if (self->stand_in != NULL)
    remove_stand_in (self->stand_in);
  g_clear_pointer (&self->stand_in, g_free);
  g_clear_error (&self->trouble);
  G_OBJECT_CLASS (vpnd_daemon_parent_class)->dispose (object);
}

static void
vpnd_daemon_class_init (VpndDaemonClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_daemon_dispose;
}

static void
vpnd_daemon_init (VpndDaemon *self)
{
  self->loop = g_main_loop_new (NULL, FALSE);
  self->state_dirfd = -1;
  self->runtime_dirfd = -1;
  self->lock_fd = -1;
}
