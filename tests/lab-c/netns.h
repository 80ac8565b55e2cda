/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests against the real kernel: a network namespace of one's own for each test, the programs of iproute2 in it, and waiting with a
 * deadline. Header only.
 */
#pragma once

#include <errno.h>
#include <gio/gio.h>
#include <sched.h>
#include <string.h>

#define NETNS_DEADLINE_MS 10000 /* a bound for what takes milliseconds */
#define NETNS_TICK_MS 1000

/* Runs a command in the namespace of this thread and returns what it wrote. It must succeed. */
static inline char *
netns_run (const char *format, ...) G_GNUC_PRINTF (1, 2);

static inline char *
netns_run (const char *format, ...)
{
  g_autofree char *command = NULL;
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  char *output = NULL;
  int status;
  va_list args;

  va_start (args, format);
  command = g_strdup_vprintf (format, args);
  va_end (args);
  g_spawn_command_line_sync (command, &output, &errors, &status, &error);
  g_assert_no_error (error);
  if (status != 0)
    g_error ("%s: %s", command, errors);
  return output;
}

#define NETNS_DO(...) g_free (netns_run (__VA_ARGS__))

/* Feeds lines to "ip -batch -". */
static inline void
netns_batch (const char *options, const char *lines)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) ip = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE, &error, "ip", options, "-batch", "-", NULL);

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (ip, lines, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (ip));
}

/* Leaves the former namespace, which dies with its last socket. */
static inline void
netns_fresh (void)
{
  g_assert_cmpint (unshare (CLONE_NEWNET), ==, 0);
  NETNS_DO ("ip link set lo up");
}

/* A link that is up, with its other end in the same namespace. Neither gets a link-local address: the kernel makes it some time later, when
 * its link watch runs, and what a test compares would change meanwhile. */
static inline void
netns_add_link (const char *ifname)
{
  NETNS_DO ("ip link add %s type veth peer name p-%s", ifname, ifname);
  NETNS_DO ("ip link set %s addrgenmode none", ifname);
  NETNS_DO ("ip link set p-%s addrgenmode none", ifname);
  NETNS_DO ("ip link set p-%s up", ifname);
  NETNS_DO ("ip link set %s up", ifname);
}

static inline void
netns_on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static inline gboolean
netns_on_tick (gpointer user_data)
{
  guint *left = user_data;

  if (--*left == 0)
    g_error ("nothing happened within the deadline");
  return G_SOURCE_CONTINUE;
}

/* Of low priority: it finds that nothing else is to be done. */
static inline guint
netns_add_tick (guint *left)
{
  return g_timeout_add_full (G_PRIORITY_LOW, NETNS_TICK_MS, netns_on_tick, left, NULL);
}

/* Waits for what the main loop does. The deadline is of waiting alone, in ticks that find nothing else done: neither what the kernel works on inside a call, nor
 * the time that other processes have of a busy machine, passes for an answer that never comes. A test that goes on and on without an end is the business of meson. */
#define NETNS_WAIT(condition)                              \
  G_STMT_START                                             \
  {                                                        \
    guint netns_left = NETNS_DEADLINE_MS / NETNS_TICK_MS;  \
    const guint netns_tick = netns_add_tick (&netns_left); \
                                                           \
    while (!(condition))                                   \
      netns_iterate (&netns_left);                         \
    g_source_remove (netns_tick);                          \
  }                                                        \
  G_STMT_END

static inline void
netns_iterate (guint *left)
{
  const guint before = *left;

  if (g_main_context_iteration (NULL, TRUE) && *left == before)
    *left = NETNS_DEADLINE_MS / NETNS_TICK_MS;
}

static inline void
netns_wait_result (GAsyncResult **result)
{
  NETNS_WAIT (*result != NULL);
}
