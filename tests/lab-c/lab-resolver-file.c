/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file backend where /etc/resolv.conf is a mount point, as in most containers, and where its directory is read-only: it cannot be
 * replaced, so it is overwritten; where another program writes the file at the moment in which it is replaced; and where the daemon is killed before any call that
 * changes what is on disk: this program's functions stand before those of the C library. In a mount namespace of the test's own; the machine's /etc is never touched.
 */
#include "config.h"

#include "host-file.h"
#include "net-values.h"
#include "resolver-auto.h"
#include "resolver-calls.h"
#include "resolver-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEFORE "nameserver 192.0.2.99\noptions edns0"
#define MEANWHILE "nameserver 192.0.2.98\n"

/* System calls have no user data. */
static const char *written_meanwhile;  /* the file that somebody writes before it changes its place the next time */
static gboolean *is_written_meanwhile; /* (nullable): it has been, also in a process that is dead by now */
static guint steps_to_death;           /* the calls until the one before which the process is killed; 0: it lives */

static void
step (void)
{
  if (steps_to_death > 0 && --steps_to_death == 0)
    kill (getpid (), SIGKILL);
}

static void
meet_other_program (const char *old_name, const char *new_name)
{
  const guint steps = steps_to_death;

  if (written_meanwhile != NULL && (g_str_has_suffix (written_meanwhile, old_name) || g_str_has_suffix (written_meanwhile, new_name)))
    {
      steps_to_death = 0; /* the other one lives */
      g_assert_true (g_file_set_contents (g_steal_pointer (&written_meanwhile), MEANWHILE, -1, NULL));
      if (is_written_meanwhile != NULL)
        *is_written_meanwhile = TRUE;
      steps_to_death = steps;
    }
  step ();
}

int
renameat2 (int old_dirfd, const char *old_name, int new_dirfd, const char *new_name, unsigned int flags)
{
  meet_other_program (old_name, new_name);
  return (int) syscall (SYS_renameat2, old_dirfd, old_name, new_dirfd, new_name, flags);
}

int
renameat (int old_dirfd, const char *old_name, int new_dirfd, const char *new_name)
{
  meet_other_program (old_name, new_name);
  return (int) syscall (SYS_renameat2, old_dirfd, old_name, new_dirfd, new_name, 0);
}

int
unlinkat (int dirfd, const char *name, int flags)
{
  step ();
  return (int) syscall (SYS_unlinkat, dirfd, name, flags);
}

int
symlinkat (const char *target, int dirfd, const char *name)
{
  step ();
  return (int) syscall (SYS_symlinkat, target, dirfd, name);
}

int
fsync (int fd)
{
  step ();
  return (int) syscall (SYS_fsync, fd);
}

/* The last one comes half-way. */
ssize_t
write (int fd, const void *data, size_t length)
{
  if (steps_to_death == 1)
    (void) syscall (SYS_write, fd, data, length / 2);
  step ();
  return syscall (SYS_write, fd, data, length);
}

static void
apply (VpndResolver *resolver)
{
  g_autoptr (VpndDnsPlan) plan = dns_plan_of ("10.64.0.1", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (resolver_apply (resolver, plan, NULL, &error));
  g_assert_no_error (error);
}

static void
restore (VpndResolver *resolver)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (resolver_restore (resolver, &error));
  g_assert_no_error (error);
}

static void
assert_content (const char *path, const char *expected, gboolean is_whole)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  if (is_whole)
    g_assert_cmpstr (text, ==, expected);
  else
    g_assert_nonnull (strstr (text, expected));
}

/* @read_only_dir: TRUE when nothing can be made beside the file either. */
static void
run_mounted (gboolean read_only_dir)
{
  g_autofree char *folder = g_dir_make_tmp ("vpnd-mounted-XXXXXX", NULL);
  g_autofree char *conf = g_build_filename (folder, "resolv.conf", NULL);
  g_autofree char *source = g_build_filename (g_get_tmp_dir (), "vpnd-mounted-source", NULL);
  g_autofree char *run = g_dir_make_tmp ("vpnd-mounted-run-XXXXXX", NULL);
  int run_dirfd = open (run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (VpndResolver) resolver = NULL;
  struct stat before, after;

  g_assert_cmpint (mount ("tmpfs", folder, "tmpfs", 0, "size=1m"), ==, 0);
  g_assert_true (g_file_set_contents (conf, "", 0, NULL));
  g_assert_true (g_file_set_contents_full (source, BEFORE, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, NULL));
  g_assert_cmpint (mount (source, conf, NULL, MS_BIND, NULL), ==, 0);
  if (read_only_dir)
    g_assert_cmpint (mount (NULL, folder, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ==, 0);
  g_assert_cmpint (stat (conf, &before), ==, 0);

  resolver = vpnd_resolver_file_new (run_dirfd, conf);
  apply (resolver);
  assert_content (conf, "\nnameserver 10.64.0.1\noptions edns0\n", FALSE);
  assert_content (source, "\nnameserver 10.64.0.1\noptions edns0\n", FALSE);
  restore (resolver);
  assert_content (conf, BEFORE, TRUE);

  /* It is still the same file, so the mount is still there. */
  g_assert_cmpint (stat (conf, &after), ==, 0);
  g_assert_true (before.st_ino == after.st_ino && before.st_mode == after.st_mode && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
  g_assert_cmpint (umount (conf), ==, 0);
  g_clear_object (&resolver);
  g_assert_cmpint (umount (folder), ==, 0);
  g_assert_cmpint (g_remove (source) + g_rmdir (folder) + g_rmdir (run), ==, 0);
  close (run_dirfd);
}

static void
test_mounted (void)
{
  run_mounted (FALSE);
}

static void
test_mounted_read_only (void)
{
  run_mounted (TRUE);
}

static void
assert_outside (VpndResolver *resolver, const char *expected)
{
  g_autofree char *first = resolver_first_outside (resolver);

  g_assert_cmpstr (first, ==, expected);
}

/* The newest wish comes back, and is what the host's network says by now. */
static void
test_written_meanwhile (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vpnd-meanwhile-XXXXXX", NULL);
  g_autofree char *conf = g_build_filename (folder, "resolv.conf", NULL);
  g_autofree char *run = g_dir_make_tmp ("vpnd-meanwhile-run-XXXXXX", NULL);
  int run_dirfd = open (run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (NULL, run_dirfd, conf);
  guint changes = 0;

  g_signal_connect (resolver, "outside-changed", G_CALLBACK (resolver_on_outside_changed), &changes);
  g_assert_true (g_file_set_contents (conf, BEFORE, -1, NULL));
  assert_outside (resolver, "192.0.2.99");
  written_meanwhile = conf;
  apply (resolver);
  assert_content (conf, "\nnameserver 10.64.0.1\n", FALSE);
  assert_outside (resolver, "192.0.2.98");
  g_assert_cmpuint (changes, ==, 1);
  apply (resolver);
  g_assert_cmpuint (changes, ==, 1);
  restore (resolver);
  assert_content (conf, MEANWHILE, TRUE);
  g_assert_cmpuint (changes, ==, 1);

  g_assert_true (g_file_set_contents (conf, BEFORE, -1, NULL));
  apply (resolver);
  written_meanwhile = conf;
  restore (resolver);
  assert_content (conf, MEANWHILE, TRUE);
  g_assert_cmpuint (changes, ==, 2);
  g_clear_object (&resolver);
  g_assert_cmpint (g_remove (conf) + g_rmdir (folder) + g_rmdir (run), ==, 0);
  close (run_dirfd);
}

typedef struct
{
  char *folder; /* a file system in memory: thousands of writes do not wait for a disk */
  char *etc, *run, *conf;
  int run_dirfd;
} Place;

static void
place_make (Place *place)
{
  place->folder = g_dir_make_tmp ("vpnd-killed-XXXXXX", NULL);
  g_assert_cmpint (mount ("tmpfs", place->folder, "tmpfs", 0, "size=16m"), ==, 0);
  place->etc = g_build_filename (place->folder, "etc", NULL);
  place->run = g_build_filename (place->folder, "run", NULL);
  place->conf = g_build_filename (place->etc, "resolv.conf", NULL);
  g_assert_cmpint (g_mkdir (place->etc, 0755) + g_mkdir (place->run, 0700), ==, 0);
  place->run_dirfd = open (place->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
place_free (Place *place)
{
  close (place->run_dirfd);
  g_assert_cmpint (umount (place->folder), ==, 0);
  g_assert_cmpint (g_rmdir (place->folder), ==, 0);
  g_free (place->folder);
  g_free (place->etc);
  g_free (place->run);
  g_free (place->conf);
}

/* Returns: whether the daemon was killed at it, before the call of that number */
static gboolean
is_killed (const Place *place, void (*act) (VpndResolver *resolver), const char *meanwhile, guint steps)
{
  pid_t child = fork ();
  int status;

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      VpndResolver *resolver = vpnd_resolver_auto_new (NULL, place->run_dirfd, place->conf);

      written_meanwhile = meanwhile;
      steps_to_death = steps;
      act (resolver);
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (status == 0 || (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL));
  return status != 0;
}

/* @text: (nullable): what the file says, or where the link leads; NULL for no file */
static void
put (const Place *place, const char *text)
{
  g_assert_true (g_remove (place->conf) == 0 || errno == ENOENT);
  if (text != NULL && text[0] == '/')
    g_assert_cmpint (symlink (text, place->conf), ==, 0);
  else if (text != NULL)
    g_assert_true (g_file_set_contents (place->conf, text, -1, NULL));
}

static void
assert_put (const Place *place, const char *text)
{
  g_autoptr (GDir) folder = g_dir_open (place->etc, 0, NULL);
  g_autofree char *target = g_file_read_link (place->conf, NULL);
  g_autofree char *content = NULL;
  const char *name;

  if (target == NULL)
    (void) g_file_get_contents (place->conf, &content, NULL, NULL);
  g_assert_cmpstr (target != NULL ? target : content, ==, text);
  while ((name = g_dir_read_name (folder)) != NULL)
    g_assert_cmpstr (name, ==, "resolv.conf");
  g_assert_cmpint (faccessat (place->run_dirfd, "resolv-conf.before", F_OK, 0), !=, 0);
}

/* The next daemon asks for the network's resolvers, and then does what it has to. */
static void
recover (const Place *place, void (*act) (VpndResolver *resolver), const char *expected)
{
  g_autoptr (VpndResolver) resolver = vpnd_resolver_auto_new (NULL, place->run_dirfd, place->conf);
  g_autofree char *known = resolver_first_outside (resolver);
  const char *said = g_strcmp0 (expected, MEANWHILE) == 0 ? "192.0.2.98" : g_strcmp0 (expected, BEFORE) == 0 ? "192.0.2.99"
                                                                                                             : "";
  guint changes = 0;

  g_signal_connect (resolver, "outside-changed", G_CALLBACK (resolver_on_outside_changed), &changes);
  act (resolver);
  assert_outside (resolver, said);
  if (g_strcmp0 (known, said) != 0)
    g_assert_cmpuint (changes, >, 0);
  if (act == apply)
    assert_content (place->conf, "\nnameserver 10.64.0.1\n", FALSE);
}

/* Killed before each call in turn, and once more while the next daemon clears up, nothing that anybody wrote is lost, and nothing is left. */
static void
test_killed (void)
{
  static const char *const originals[] = { BEFORE, "", NULL, "/nowhere/at/all" };
  void (*const acts[]) (VpndResolver * resolver) = { apply, restore };
  Place place;

  place_make (&place);
  is_written_meanwhile = mmap (NULL, sizeof (gboolean), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true (is_written_meanwhile != MAP_FAILED);
  for (guint i = 0; i < G_N_ELEMENTS (originals) * 4; i++)
    {
      const char *original = originals[i / 4];
      void (*const act) (VpndResolver * resolver) = acts[i / 2 % 2];
      void (*const next_act) (VpndResolver * resolver) = acts[i % 2];
      guint steps = 0;
      gboolean is_dead;

      do
        {
          const char *newest;

          put (&place, original);
          *is_written_meanwhile = FALSE;
          if (act == restore)
            g_assert_false (is_killed (&place, apply, NULL, 0));
          is_dead = is_killed (&place, act, place.conf, ++steps);
          newest = *is_written_meanwhile ? MEANWHILE : original;
          (void) is_killed (&place, next_act, NULL, (guint) g_test_rand_int_range (1, 25));
          recover (&place, next_act, newest);
          recover (&place, restore, newest);
          assert_put (&place, newest);
        }
      while (is_dead);
      g_assert_true (*is_written_meanwhile);
      g_assert_cmpuint (steps, >, 3);
    }
  g_assert_cmpint (munmap (is_written_meanwhile, sizeof (gboolean)), ==, 0);
  is_written_meanwhile = NULL;
  place_free (&place);
}

/**
 * Beside: what the next daemon finds
 * @owner: of what lies beside the file
 * @type: of that
 * @bytes: how large it is; 0 for what MEANWHILE is
 * @newest: (nullable): what another program has written since
 * @expected: what is there at the end
 */
typedef struct
{
  uid_t owner;
  mode_t type;
  off_t bytes;
  const char *newest;
  const char *expected;
} Beside;

/* Only what a program may have written is believed to have been the setting, and only as long as there is nothing newer. */
static void
test_beside (void)
{
  static const Beside cases[] = {
    { 0, S_IFREG, 0, NULL, MEANWHILE },
    { 12345, S_IFREG, 0, NULL, BEFORE },
    { 0, S_IFIFO, 0, NULL, BEFORE },
    { 0, S_IFREG, VPND_HOST_FILE_MAX_BYTES + 1, NULL, BEFORE },
    { 0, S_IFREG, 0, "nameserver 192.0.2.97\n", "nameserver 192.0.2.97\n" },
    { 0, S_IFREG, 0, "", MEANWHILE },
  };
  g_autofree char *beside = NULL;
  Place place;

  place_make (&place);
  beside = g_build_filename (place.etc, ".resolv.conf.vpnd-swap", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      put (&place, BEFORE);
      g_assert_false (is_killed (&place, apply, NULL, 0));
      if (cases[i].newest != NULL)
        put (&place, cases[i].newest);
      if (cases[i].type == S_IFREG)
        g_assert_true (g_file_set_contents (beside, MEANWHILE, -1, NULL));
      else
        g_assert_cmpint (mkfifo (beside, 0644), ==, 0);
      g_assert_cmpint (chown (beside, cases[i].owner, 0), ==, 0);
      if (cases[i].bytes > 0)
        g_assert_cmpint (truncate (beside, cases[i].bytes), ==, 0);
      g_assert_false (is_killed (&place, restore, NULL, 0));
      assert_put (&place, cases[i].expected);
    }
  place_free (&place);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (unshare (CLONE_NEWNS), ==, 0);
  g_assert_cmpint (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
  g_test_add_func ("/resolver-file/mounted", test_mounted);
  g_test_add_func ("/resolver-file/mounted-read-only", test_mounted_read_only);
  g_test_add_func ("/resolver-file/written-meanwhile", test_written_meanwhile);
  g_test_add_func ("/resolver-file/killed", test_killed);
  g_test_add_func ("/resolver-file/beside", test_beside);
  return g_test_run ();
}
