/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file backend where /etc/resolv.conf is a mount point, as in most containers, and where its directory is read-only: it cannot be
 * replaced, so it is overwritten; and where another program writes the file at the moment in which it is replaced: this program's renameat2() stands before that of the C library. In a mount namespace of the test's own; the machine's /etc is never touched.
 */
#include "config.h"

#include "resolver-file.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BEFORE "nameserver 192.0.2.99\noptions edns0"
#define MEANWHILE "nameserver 192.0.2.98\n"

/* renameat2() has no user data. */
static const char *written_meanwhile; /* the file that somebody writes before the next call */

int
renameat2 (int old_dirfd, const char *old_name, int new_dirfd, const char *new_name, unsigned int flags)
{
  if (written_meanwhile != NULL)
    g_assert_true (g_file_set_contents (written_meanwhile, MEANWHILE, -1, NULL));
  written_meanwhile = NULL;
  return (int) syscall (SYS_renameat2, old_dirfd, old_name, new_dirfd, new_name, flags);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out_result = user_data;

  *out_result = g_object_ref (result);
}

static void
apply (VpndResolver *resolver)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndDnsPlan) plan = vpnd_dns_plan_new ("lo");
  g_autoptr (GAsyncResult) result = NULL;
  VpndAddr addr;

  g_assert_true (vpnd_addr_parse ("10.64.0.1", &addr));
  g_array_append_val (plan->servers, addr);
  vpnd_resolver_apply_async (resolver, plan, NULL, on_done, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (vpnd_resolver_apply_finish (resolver, result, &error));
  g_assert_no_error (error);
}

static void
restore (VpndResolver *resolver)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  vpnd_resolver_restore_async (resolver, NULL, on_done, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (vpnd_resolver_restore_finish (resolver, result, &error));
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
count (guint *n)
{
  (*n)++;
}

/* The newest wish comes back, and is what the host's network says by now. */
static void
test_written_meanwhile (void)
{
  g_autofree char *folder = g_dir_make_tmp ("vpnd-meanwhile-XXXXXX", NULL);
  g_autofree char *conf = g_build_filename (folder, "resolv.conf", NULL);
  g_autofree char *run = g_dir_make_tmp ("vpnd-meanwhile-run-XXXXXX", NULL);
  int run_dirfd = open (run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (VpndResolver) resolver = vpnd_resolver_file_new (run_dirfd, conf);
  g_autofree char *text = NULL;
  guint changes = 0;

  g_signal_connect_swapped (resolver, "outside-changed", G_CALLBACK (count), &changes);
  g_assert_true (g_file_set_contents (conf, BEFORE, -1, NULL));
  written_meanwhile = conf;
  apply (resolver);
  assert_content (conf, "\nnameserver 10.64.0.1\n", FALSE);
  text = vpnd_resolver_file_dup_text_before (VPND_RESOLVER_FILE (resolver));
  g_assert_cmpstr (text, ==, MEANWHILE);
  g_assert_cmpuint (changes, ==, 1);
  apply (resolver);
  g_assert_cmpuint (changes, ==, 1);
  restore (resolver);
  assert_content (conf, MEANWHILE, TRUE);

  g_assert_true (g_file_set_contents (conf, BEFORE, -1, NULL));
  apply (resolver);
  written_meanwhile = conf;
  restore (resolver);
  assert_content (conf, MEANWHILE, TRUE);
  g_clear_object (&resolver);
  g_assert_cmpint (g_remove (conf) + g_rmdir (folder) + g_rmdir (run), ==, 0);
  close (run_dirfd);
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
  return g_test_run ();
}
