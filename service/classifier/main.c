/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd-classifier(8): options, then the loop. It connects the channel to vpnd with the watch over launches and with the errands, and does nothing else: no
 * network, no bus, no file of its own.
 */
#include "config.h"

#include "channel.h"
#include "errands.h"
#include "error.h"
#include "watch.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define URGENT_NICE (-20)
#define URGENT_PRIORITY 1 /* the least that comes before all programs without one (sched(7)) */

typedef struct
{
  VpndChannel *channel; /* (owned) (nullable) */
  VpndWatch *watch;     /* (owned) (nullable) */
  VpndErrands *errands; /* (owned) */
  GMainLoop *loop;      /* (owned) */
  gboolean is_alone;    /* the guard has ended */
} Classifier;

static void
on_report (const VpndClassifierReport *report, gpointer user_data)
{
  const Classifier *self = user_data;

  vpnd_channel_report (self->channel, report);
}

static gboolean
has_room (gpointer user_data)
{
  const Classifier *self = user_data;

  return vpnd_channel_has_room (self->channel);
}

static void
on_rules (GPtrArray *rules, const int *class_fds, guint n_classes, gpointer user_data)
{
  const Classifier *self = user_data;

  vpnd_watch_set_rules (self->watch, rules, class_fds, n_classes);
}

static void
on_errands (GPtrArray *errands, const char *mount, int waiting_fd, gpointer user_data)
{
  const Classifier *self = user_data;

  vpnd_errands_add (self->errands, errands, mount, waiting_fd);
}

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

/* Somebody has killed it (as the kernel does for want of memory). Without it a launch could wait for ever, and one that it was about to answer does: our end lets it go, and we
 * are started again with a guard. */
static gboolean
on_guard_ended (gint fd, GIOCondition condition, gpointer user_data)
{
  Classifier *self = user_data;

  self->is_alone = TRUE;
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

/* Launches wait for us, and not for long: on a machine that is busy, too, we and the guard are asked first. Without the right to it we are merely slower. */
static void
become_urgent (void)
{
  const struct sched_param param = { .sched_priority = URGENT_PRIORITY };
  struct rlimit limit;

  (void) setpriority (PRIO_PROCESS, 0, URGENT_NICE);
  (void) sched_setscheduler (0, SCHED_RR, &param);
  /* What is used is not written to swap. With a limit, memory for a large table would be refused then. */
  if (getrlimit (RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
    (void) mlockall (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static gboolean
run (const char *socket_path, const char *mountinfo_path, GError **error)
{
  Classifier self = { .loop = g_main_loop_new (NULL, FALSE) };

  become_urgent ();
  self.errands = vpnd_errands_new (on_report, has_room, &self);
  self.watch = vpnd_watch_new (mountinfo_path, on_report, has_room, &self, error); /* before the socket: who connects finds it ready */
  if (self.watch != NULL)
    self.channel = vpnd_channel_listen (socket_path, on_rules, on_errands, &self, error);
  if (self.channel != NULL)
    {
      g_unix_signal_add (SIGTERM, on_signal, self.loop);
      g_unix_signal_add (SIGINT, on_signal, self.loop);
      g_unix_fd_add_full (G_PRIORITY_HIGH, vpnd_watch_get_life_fd (self.watch), G_IO_IN | G_IO_HUP, on_guard_ended, &self, NULL);
      g_main_loop_run (self.loop);
    }
  if (self.is_alone)
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_FAILED, "the guard (vpnd-clas-guard) has ended, who answers launches when this program does not");
  g_clear_object (&self.watch);
  g_clear_pointer (&self.errands, vpnd_errands_free);
  g_clear_object (&self.channel);
  g_main_loop_unref (self.loop);
  return error == NULL || *error == NULL;
}

int
main (int argc, char **argv)
{
  g_autofree char *socket_path = NULL;
  g_autofree char *mountinfo_path = NULL;
  gboolean show_version = FALSE;
  const GOptionEntry entries[] = {
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &socket_path, N_ ("Listen here for vpnd (default: the socket of the service manager)"), N_ ("PATH") },
    { "mountinfo", 0, 0, G_OPTION_ARG_FILENAME, &mountinfo_path, N_ ("The mounts of the host (default: /proc/1/mountinfo)"), N_ ("PATH") },
    { "version", 0, 0, G_OPTION_ARG_NONE, &show_version, N_ ("Print the version and exit"), NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, VPND_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, _ ("Puts programs into the class of their rule before they run. It is started for vpnd, which tells it the rules."));
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      g_printerr ("vpnd-classifier: %s\n", error != NULL ? error->message : _ ("unexpected argument"));
      return 2;
    }
  if (show_version)
    {
      g_print ("vpnd-classifier %s\n", VPND_VERSION);
      return 0;
    }
  if (!run (socket_path, mountinfo_path != NULL ? mountinfo_path : "/proc/1/mountinfo", &error))
    {
      g_printerr ("vpnd-classifier: %s\n", error->message);
      return 1;
    }
  return 0;
}
