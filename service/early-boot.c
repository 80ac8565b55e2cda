/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The early boot of early-boot.h. No facts are read: the policy then lists no bridge, which is the tighter way round, and
 * the daemon's first ruleset adds them.
 */
#include "config.h"

#include "early-boot.h"

#include "facts.h"
#include "firewall-nft.h"
#include "log.h"
#include "policy.h"
#include "settings-store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The run of the one operation; @error is set when it failed. */
typedef struct
{
  GMainLoop *loop; /* (owned) */
  GError *error;   /* (owned) (nullable) */
} Run;

static void
run_clear (Run *run)
{
  g_clear_pointer (&run->loop, g_main_loop_unref);
  g_clear_error (&run->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

/* Whether a daemon is at work, as after an upgrade in the running system: the rules are its own matter then. */
static gboolean
has_daemon (const char *runtime_directory)
{
  g_autofree char *path = g_build_filename (runtime_directory, "lock", NULL);
  int fd = open (path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  gboolean is_locked;

  if (fd < 0)
    return FALSE;
  is_locked = flock (fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close (fd);
  return is_locked;
}

/* NULL without an error: there is nothing to keep to. NULL with one: what was wanted cannot be known. */
static VpndSettings *
read_settings (const char *state_directory, GError **error)
{
  VpndSettings *settings;
  struct stat status;
  int fd = open (state_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0 && errno == ENOENT)
    return NULL;
  if (fd < 0 || fstat (fd, &status) != 0 || status.st_uid != geteuid ())
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: it is not a directory that belongs to user %u and can be read", state_directory, geteuid ());
      settings = NULL;
    }
  else
    settings = vpnd_settings_store_peek (fd, error);
  if (fd >= 0)
    close (fd);
  return settings;
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Run *run = user_data;

  (void) vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &run->error);
  g_main_loop_quit (run->loop);
}

static gboolean
apply (const VpndSettings *settings, GError **error)
{
  g_autoptr (VpndFirewall) firewall = vpnd_firewall_nft_new (error);
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  g_autoptr (VpndRuleset) ruleset = vpnd_policy_build (&(VpndPolicyInput){ .kind = VPND_POLICY_BLOCKED, .settings = settings, .facts = facts });
  g_auto (Run) run = { 0 };

  if (firewall == NULL)
    return FALSE;

  run.loop = g_main_loop_new (NULL, FALSE);
  vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &run);
  g_main_loop_run (run.loop);
  if (run.error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&run.error));
  return FALSE;
}

/**
 * vpnd_early_boot_run:
 * @state_directory: where the settings are; need not be there
 * @runtime_directory: where a daemon that is at work has its lock; need not be there
 *
 * With lockdown, with auto-connect, or with settings that cannot be read: closes the host by the rules that the error state has. Otherwise, or when
 * a daemon is at work, does nothing, so that a machine that never asked for protection is not locked out.
 *
 * Returns: the exit status: 0 when the host is as it should be, 1 when it should be closed and is not
 */
int
vpnd_early_boot_run (const char *state_directory, const char *runtime_directory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSettings) settings = NULL;

  if (has_daemon (runtime_directory))
    return 0;
  settings = read_settings (state_directory, &error);
  if (settings == NULL && error == NULL)
    return 0;
  if (settings == NULL)
    {
      vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_STORAGE, "%s: the network is closed until vpnd has started", error->message);
      settings = vpnd_settings_new_default ();
    }
  else if (!settings->lockdown && !settings->auto_connect)
    return 0;

  g_clear_error (&error);
  if (apply (settings, &error))
    {
      g_message ("The network is closed until vpnd has started");
      return 0;
    }
  vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_NOT_BLOCKING, "The rules are NOT in force, traffic can leave outside the tunnel: %s", error->message);
  return 1;
}
