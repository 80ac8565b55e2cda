/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-resolvconf.h. The program has no other interface than its command line; the two that are used have fixed words, and the record
 * comes by standard input. The words are those of wg-quick(8), which both implementations take: "-m 0 -x" puts the record first and hides the
 * others with openresolv, the prefix "tun." puts it first with Debian's (/etc/resolvconf/interface-order). Success is judged on what
 * resolv.conf says afterwards. A record lies in the program's directory under /run, so a later instance finds and removes it.
 */
#include "config.h"

#include "resolver-resolvconf.h"

#include "error.h"
#include "file-watch.h"
#include "host-file.h"
#include "reserved.h"
#include "resolv-conf.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORD_PREFIX "tun."
#define RUN_PATH "/run/resolvconf"
#define PROGRAM_TIMEOUT_MS 5000 /* a script that takes 0.1 s and may wait for another run of itself */

/**
 * VpndResolverResolvconf:
 * @path: (owned): resolv.conf
 * @program: (owned) (nullable): NULL to look for it each time
 * @run_path: (owned): where it keeps the records
 * @plan: (owned) (nullable): what is set, while it is watched
 * @watch: (owned) (nullable): tells when resolv.conf is touched
 * @target_watch: (owned) (nullable): the same for the file that it is a link to
 */
struct _VpndResolverResolvconf
{
  GObject parent_instance;

  char *path;
  char *program;
  char *run_path;
  VpndDnsPlan *plan;
  VpndFileWatch *watch;
  VpndFileWatch *target_watch;
};

static void resolver_iface_init (VpndResolverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndResolverResolvconf, vpnd_resolver_resolvconf, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init))

static void
unwatch (VpndResolverResolvconf *self)
{
  g_clear_pointer (&self->watch, vpnd_file_watch_free);
  g_clear_pointer (&self->target_watch, vpnd_file_watch_free);
  g_clear_pointer (&self->plan, vpnd_dns_plan_unref);
}

static void
vpnd_resolver_resolvconf_finalize (GObject *object)
{
  VpndResolverResolvconf *self = VPND_RESOLVER_RESOLVCONF (object);

  unwatch (self);
  g_free (self->path);
  g_free (self->program);
  g_free (self->run_path);
  G_OBJECT_CLASS (vpnd_resolver_resolvconf_parent_class)->finalize (object);
}

static void
vpnd_resolver_resolvconf_class_init (VpndResolverResolvconfClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vpnd_resolver_resolvconf_finalize;
}

static void
vpnd_resolver_resolvconf_init (VpndResolverResolvconf *self)
{
}

/**
 * vpnd_resolver_resolvconf_new:
 * @path: resolv.conf
 * @program: (nullable): the program, NULL for the one that is installed when it is needed
 * @run_path: (nullable): its directory, NULL for that of Debian's two packages
 *
 * Returns: (transfer full): the backend
 */
VpndResolver *
vpnd_resolver_resolvconf_new (const char *path, const char *program, const char *run_path)
{
  VpndResolverResolvconf *self = g_object_new (VPND_TYPE_RESOLVER_RESOLVCONF, NULL);

  self->path = g_strdup (path);
  self->program = g_strdup (program);
  self->run_path = g_strdup (run_path != NULL ? run_path : RUN_PATH);
  return VPND_RESOLVER (self);
}

/**
 * vpnd_resolvconf_find_program:
 *
 * Looks for openresolv's or Debian's; systemd has one that is resolvectl(1) under another name, and is not meant.
 *
 * Returns: (transfer none) (nullable): its path, NULL when there is none
 */
const char *
vpnd_resolvconf_find_program (void)
{
  static const char *const paths[] = { "/usr/sbin/resolvconf", "/sbin/resolvconf", "/usr/bin/resolvconf" };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *target = g_file_read_link (paths[i], NULL);
      g_autofree char *name = target != NULL ? g_path_get_basename (target) : NULL;

      if (g_file_test (paths[i], G_FILE_TEST_IS_EXECUTABLE))
        return g_strcmp0 (name, "resolvectl") != 0 ? paths[i] : NULL;
    }
  return NULL;
}

/* Debian's keeps records in "interface", openresolv in "interfaces". */
static gboolean
has_record (VpndResolverResolvconf *self, const char *ifname)
{
  g_autofree char *name = g_strconcat (RECORD_PREFIX, ifname, NULL);
  g_autofree char *debian = g_build_filename (self->run_path, "interface", name, NULL);
  g_autofree char *openresolv = g_build_filename (self->run_path, "interfaces", name, NULL);

  return g_file_test (debian, G_FILE_TEST_EXISTS) || g_file_test (openresolv, G_FILE_TEST_EXISTS);
}

/* In resolv.conf itself, or at a resolver on this host that resolvconf tells of its records. */
static gboolean
is_in_force (VpndResolverResolvconf *self, const VpndDnsPlan *plan)
{
  g_autofree char *text = vpnd_host_file_read_text (self->path);

  return text != NULL && has_record (self, plan->ifname) && (vpnd_resolv_conf_starts_with (text, plan) || vpnd_resolv_conf_is_loopback_only (text));
}

/* --- the watch --- */

static void
on_touched (gpointer user_data)
{
  VpndResolverResolvconf *self = user_data;

  if (!is_in_force (self, self->plan))
    vpnd_resolver_emit_overwritten (VPND_RESOLVER (self), "resolv.conf was changed past our record at resolvconf");
}

static void
watch (VpndResolverResolvconf *self, VpndDnsPlan *plan)
{
  g_autofree char *target = g_file_read_link (self->path, NULL);

  unwatch (self);
  self->plan = vpnd_dns_plan_ref (plan);
  self->watch = vpnd_file_watch_new (self->path, on_touched, self); /* without inotify the setting holds until somebody changes it */
  if (target != NULL)
    {
      g_autofree char *directory = g_path_get_dirname (self->path);
      g_autofree char *absolute = g_canonicalize_filename (target, directory);

      self->target_watch = vpnd_file_watch_new (absolute, on_touched, self);
    }
}

/* --- the program --- */

/**
 * Run: one of the program
 * @process: (owned)
 * @limit: (owned) (nullable): fires when it takes too long
 * @is_late: it did
 * @plan: (owned) (nullable): what shall be in force afterwards; NULL when the record shall be gone
 */
typedef struct
{
  GSubprocess *process;
  GSource *limit;
  gboolean is_late;
  VpndDnsPlan *plan;
} Run;

static void
drop_limit (Run *run)
{
  if (run->limit != NULL)
    g_source_destroy (run->limit);
  g_clear_pointer (&run->limit, g_source_unref);
}

static void
run_free (Run *run)
{
  drop_limit (run);
  g_clear_object (&run->process);
  g_clear_pointer (&run->plan, vpnd_dns_plan_unref);
  g_free (run);
}

static gboolean
on_late (gpointer user_data)
{
  Run *run = user_data;

  run->is_late = TRUE;
  drop_limit (run);
  g_subprocess_force_exit (run->process);
  return G_SOURCE_REMOVE;
}

/* Returns: a descriptor from which @text is read; -1 with errno set */
static int
open_text (const char *text)
{
  const gsize length = strlen (text);
  int fd = memfd_create ("vpnd-resolvconf", MFD_CLOEXEC);

  if (fd < 0)
    return -1;
  if (write (fd, text, length) == (ssize_t) length && lseek (fd, 0, SEEK_SET) == 0)
    return fd;
  close (fd);
  return -1;
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndResolverResolvconf *self = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);
  GError *error = NULL;

  drop_limit (run);
  if (!g_subprocess_wait_finish (G_SUBPROCESS (source), result, &error))
    {
      g_subprocess_force_exit (run->process); /* cancelled: it is not to write later what nobody wants any more */
      g_task_return_error (task, error);
    }
  else if (run->is_late)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "resolvconf did not end within %d s, and was ended", PROGRAM_TIMEOUT_MS / 1000);
  else if (run->plan != NULL ? is_in_force (self, run->plan) : !has_record (self, VPND_IFNAME))
    {
      if (run->plan != NULL)
        watch (self, run->plan);
      g_task_return_boolean (task, TRUE);
    }
  else if (!g_subprocess_get_successful (run->process))
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "resolvconf has failed; try it by hand: resolvconf -u");
  else
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "resolvconf has ended well, but \"%s\" does not say what it was told", self->path);
}

/* What is run is named here and nowhere else; no word of it comes from a profile. */
static GSubprocess *
spawn (const char *const *argv, int stdin_fd, GError **error)
{
  static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);

  g_subprocess_launcher_set_environ (launcher, (char **) environment);
  g_subprocess_launcher_set_cwd (launcher, "/");
  if (stdin_fd >= 0)
    g_subprocess_launcher_take_stdin_fd (launcher, stdin_fd);
  return g_subprocess_launcher_spawnv (launcher, argv, error);
}

static void
start (VpndResolverResolvconf *self, GTask *task, gboolean is_adding, const char *ifname, int stdin_fd)
{
  Run *run = g_task_get_task_data (task);
  const char *program = self->program != NULL ? self->program : vpnd_resolvconf_find_program ();
  g_autofree char *record = g_strconcat (RECORD_PREFIX, ifname, NULL);
  const char *const add[] = { program, "-a", record, "-m", "0", "-x", NULL };
  const char *const del[] = { program, "-d", record, "-f", NULL };
  g_autoptr (GError) error = NULL;

  if (program != NULL)
    run->process = spawn (is_adding ? add : del, stdin_fd, &error);
  else if (stdin_fd >= 0)
    close (stdin_fd);
  if (run->process == NULL)
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "resolvconf: %s", error != NULL ? error->message : "the program is not installed any more");
      return;
    }

  run->limit = g_timeout_source_new (PROGRAM_TIMEOUT_MS);
  g_source_set_callback (run->limit, on_late, run, NULL);
  g_source_attach (run->limit, g_task_get_context (task));
  g_subprocess_wait_async (run->process, g_task_get_cancellable (task), on_ended, g_object_ref (task));
}

static void
remove_record (VpndResolverResolvconf *self, GTask *task)
{
  unwatch (self);
  if (!has_record (self, VPND_IFNAME))
    g_task_return_boolean (task, TRUE);
  else
    start (self, task, FALSE, VPND_IFNAME, -1);
}

static void
apply_async (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndResolverResolvconf *self = VPND_RESOLVER_RESOLVCONF (resolver);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Run *run = g_new0 (Run, 1);
  g_autofree char *text = NULL;
  int fd;

  g_task_set_source_tag (task, apply_async);
  g_task_set_task_data (task, run, (GDestroyNotify) run_free);
  if (vpnd_dns_plan_is_empty (plan))
    {
      remove_record (self, task);
      return;
    }
  unwatch (self);
  run->plan = vpnd_dns_plan_ref (plan);
  text = vpnd_resolv_conf_print (plan, NULL);
  fd = open_text (text);
  if (fd < 0)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_DNS, "handing a record to resolvconf: %s", g_strerror (errno));
  else
    start (self, task, TRUE, plan->ifname, fd);
}

static void
restore_async (VpndResolver *resolver, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);

  g_task_set_source_tag (task, restore_async);
  g_task_set_task_data (task, g_new0 (Run, 1), (GDestroyNotify) run_free);
  remove_record (VPND_RESOLVER_RESOLVCONF (resolver), task);
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->apply_async = apply_async;
  iface->restore_async = restore_async;
}
