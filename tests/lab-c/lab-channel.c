/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * When the classifier's end of the socket to vpnd tells what: the channel itself, in this process, so that the test says when the main loop has a turn. Needs
 * root, for the channel hears nobody else.
 */
#include "config.h"

#include "channel.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STORM 64 /* launches that are told without a turn of the main loop */

typedef struct
{
  char *folder; /* (owned) */
  char *path;   /* (owned): of the socket, in @folder */
  VpndChannel *channel;
  int caller;
} Lab;

static void
on_rules (GPtrArray *rules, const int *class_fds, guint n_classes, gpointer user_data)
{
}

static void
on_errands (GPtrArray *errands, const char *mount, int waiting_fd, gpointer user_data)
{
}

static void
set_up (Lab *lab, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GError) error = NULL;

  lab->folder = g_dir_make_tmp ("vpnd-channel-XXXXXX", &error);
  g_assert_no_error (error);
  lab->path = g_build_filename (lab->folder, "socket", NULL);
  lab->channel = vpnd_channel_listen (lab->path, on_rules, on_errands, NULL, &error);
  g_assert_no_error (error);
  lab->caller = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  g_strlcpy (address.sun_path, lab->path, sizeof address.sun_path);
  g_assert_no_errno (connect (lab->caller, (struct sockaddr *) &address, sizeof address));
  g_assert_true (g_main_context_iteration (NULL, TRUE)); /* it is accepted */
}

static void
tear_down (Lab *lab, gconstpointer data)
{
  g_object_unref (lab->channel);
  close (lab->caller);
  g_assert_no_errno (g_unlink (lab->path));
  g_assert_no_errno (g_rmdir (lab->folder));
  g_free (lab->path);
  g_free (lab->folder);
}

static void
launch (Lab *lab, gint32 pid)
{
  const VpndClassifierReport report = { .kind = VPND_CLASSIFIER_ARRIVED, .pid = pid, .path = (char *) "/usr/bin/true", .origin = (char *) "/" };

  vpnd_channel_report (lab->channel, &report);
}

/* Returns: how many reports have come; launches are those of the processes from @first on */
static guint
count_reports (Lab *lab, gint32 first)
{
  char buffer[4096];
  ssize_t size;
  guint n = 0;

  while ((size = recv (lab->caller, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (buffer, (gsize) size);
      g_auto (VpndClassifierReport) report = { 0 };
      g_autoptr (GError) error = NULL;

      g_assert_true (vpnd_classifier_decode_report (bytes, &report, &error));
      g_assert_no_error (error);
      if (report.kind == VPND_CLASSIFIER_ARRIVED)
        g_assert_cmpint (report.pid, ==, first + (gint32) n); /* in order */
      n++;
    }
  g_assert_cmpint (errno, ==, EAGAIN);
  return n;
}

/* A few launches wait for others, and are told when the main loop has time. */
static void
test_told_together (Lab *lab, gconstpointer data)
{
  guint told = 0;

  launch (lab, 1);
  launch (lab, 2);
  g_assert_cmpuint (count_reports (lab, 1), ==, 0);
  while (told == 0)
    {
      g_main_context_iteration (NULL, TRUE);
      told = count_reports (lab, 1);
    }
  g_assert_cmpuint (told, ==, 2);
}

/* While one launch follows the other the main loop has no turn, and vpnd would hear of none of them: it does, of each heap. */
static void
test_told_in_a_storm (Lab *lab, gconstpointer data)
{
  gint32 pid = 1;

  for (guint round = 0; round < 3; round++)
    {
      const gint32 first = pid;

      for (guint i = 1; i < STORM; i++)
        launch (lab, pid++);
      g_assert_cmpuint (count_reports (lab, first), ==, 0);
      launch (lab, pid++);
      g_assert_cmpuint (count_reports (lab, first), ==, STORM);
    }
}

/* What somebody waits for is told at once, behind the launches of before. */
static void
test_told_at_once (Lab *lab, gconstpointer data)
{
  const VpndClassifierReport applied = { .kind = VPND_CLASSIFIER_APPLIED };

  launch (lab, 1);
  vpnd_channel_report (lab->channel, &applied);
  g_assert_cmpuint (count_reports (lab, 1), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/channel/told-together", Lab, NULL, set_up, test_told_together, tear_down);
  g_test_add ("/channel/told-in-a-storm", Lab, NULL, set_up, test_told_in_a_storm, tear_down);
  g_test_add ("/channel/told-at-once", Lab, NULL, set_up, test_told_at_once, tear_down);
  return g_test_run ();
}
