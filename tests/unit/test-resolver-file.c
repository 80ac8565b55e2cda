/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS by resolv.conf: the file backend on a real directory: whatever was there before comes back to the byte, also by another instance, and nothing outside the
 * directory is ever written. What is written, and who owns the setting, is in test-resolv-conf.c.
 */
#include "config.h"

#include "error.h"
#include "file-watch.h"
#include "host-file.h"
#include "net-values.h"
#include "remove-tree.h"
#include "resolver-auto.h"
#include "resolver-calls.h"
#include "resolver-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define IN_MEMORY "/dev/shm" /* a file system without a disk: each of some hundred writes waits for it otherwise. Before Linux 6.6 it has no attributes of users */

typedef struct
{
  char *path; /* with the folders "etc", "run" and "outside" */
  char *conf;
  int run_dirfd;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const char *const folders[] = { "etc", "run", "outside" };
  g_autofree char *run = NULL;

  fixture->path = g_build_filename (data != NULL && g_file_test (data, G_FILE_TEST_IS_DIR) ? data : g_get_tmp_dir (), "vpnd-resolver-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (fixture->path));
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *folder = g_build_filename (fixture->path, folders[i], NULL);

      g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
    }
  fixture->conf = g_build_filename (fixture->path, "etc", "resolv.conf", NULL);
  run = g_build_filename (fixture->path, "run", NULL);
  fixture->run_dirfd = open (run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (fixture->run_dirfd, >=, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  close (fixture->run_dirfd);
  support_remove_tree (fixture->path);
  g_free (fixture->path);
  g_free (fixture->conf);
}

static gboolean
apply (VpndResolver *resolver, const char *server, const char *search, GError **error)
{
  g_autoptr (VpndDnsPlan) plan = dns_plan_of (server, search);

  return resolver_apply (resolver, plan, NULL, error);
}

static VpndResolver *
open_backend (Fixture *fixture)
{
  return vpnd_resolver_file_new (fixture->run_dirfd, fixture->conf);
}

/* Everything there is to say of a file: kind, mode, owner, times, attributes, content. */
static char *
describe (const char *path)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *target = g_file_read_link (path, NULL);
  g_autofree char *content = NULL;
  char names[256] = { 0 }, value[256] = { 0 };
  struct stat status;

  if (lstat (path, &status) != 0)
    return g_strdup ("missing");
  g_string_append_printf (text, "mode %o owner %u:%u ", status.st_mode, status.st_uid, status.st_gid);
  if (target != NULL)
    g_string_append_printf (text, "-> %s", target);
  else
    {
      g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
      g_string_append_printf (text, "time %" G_GINT64_FORMAT ".%09ld ", (gint64) status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
      if (listxattr (path, names, sizeof names - 1) > 0)
        g_assert_cmpint (getxattr (path, names, value, sizeof value - 1), >=, 0);
      g_string_append_printf (text, "%s=%s %s", names, value, content);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
read_conf (Fixture *fixture)
{
  char *text = NULL;

  g_file_get_contents (fixture->conf, &text, NULL, NULL);
  return text;
}

static void
put (Fixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (fixture->path, name, NULL);

  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, NULL));
}

static void
make_missing (Fixture *fixture)
{
}
static void
make_empty (Fixture *fixture)
{
  put (fixture, "etc/resolv.conf", "");
}
static void
make_link (Fixture *fixture)
{
  put (fixture, "outside/target", "nameserver 192.0.2.99\noptions edns0\n");
  g_assert_cmpint (symlink ("../outside/target", fixture->conf), ==, 0);
}
static void
make_dangling (Fixture *fixture)
{
  g_assert_cmpint (symlink ("/nowhere/at/all", fixture->conf), ==, 0);
}

static void
make_special (Fixture *fixture)
{
  put (fixture, "etc/resolv.conf", "# no newline at the end, \xff bytes\nnameserver 192.0.2.99\nsearch old.example\n  options  ndots:2 rotate\nsortlist 10.0.0.0");
  g_assert_cmpint (chmod (fixture->conf, 0640), ==, 0);
  g_assert_cmpint (chown (fixture->conf, 12, 34), ==, 0);
  g_assert_cmpint (setxattr (fixture->conf, "user.note", "kept", 4, 0), ==, 0);
}

static void (*const originals[]) (Fixture *) = { make_missing, make_empty, make_link, make_dangling, make_special };

static void
each_original (Fixture *fixture, void (*run) (Fixture *fixture, const char *before))
{
  for (guint i = 0; i < G_N_ELEMENTS (originals); i++)
    {
      g_autofree char *before = NULL, *after = NULL;

      originals[i](fixture);
      before = describe (fixture->conf);
      run (fixture, before);
      after = describe (fixture->conf);
      g_assert_cmpstr (after, ==, before);
      g_assert_cmpint (faccessat (fixture->run_dirfd, "resolv-conf.before", F_OK, 0), !=, 0);
      (void) g_remove (fixture->conf); /* one of them is "missing" */
    }
}

static void
run_apply_restore (Fixture *fixture, const char *before)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = open_backend (fixture);
  g_autofree char *first = NULL, *second = NULL;
  struct stat status;

  g_assert_true (apply (resolver, "10.64.0.1", "corp.example", &error));
  g_assert_no_error (error);
  first = read_conf (fixture);
  g_assert_nonnull (strstr (first, "\nnameserver 10.64.0.1\nsearch corp.example\n"));
  g_assert_null (strstr (first, "192.0.2.99"));
  g_assert_null (strstr (first, "old.example"));
  g_assert_cmpint (lstat (fixture->conf, &status), ==, 0);
  g_assert_cmpint (status.st_mode, ==, S_IFREG | 0644);

  /* A second plan replaces the first, not the saved original. */
  g_assert_true (apply (resolver, "fc00::1", NULL, &error));
  second = read_conf (fixture);
  g_assert_nonnull (strstr (second, "\nnameserver fc00::1\n"));
  g_assert_null (strstr (second, "10.64.0.1"));
  g_assert_true (resolver_restore (resolver, &error));
  g_assert_no_error (error);

  /* Nothing is left to restore; what comes later stays. */
  g_assert_true (resolver_restore (resolver, &error));
}

/* The instance that applied is gone without a word; another puts back what it saved. */
static void
run_crash (Fixture *fixture, const char *before)
{
  VpndResolver *crashed = open_backend (fixture);
  g_autoptr (VpndResolver) next = NULL;

  g_assert_true (apply (crashed, "10.64.0.1", NULL, NULL));
  g_object_unref (crashed);
  next = open_backend (fixture);
  g_assert_true (vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (next)));
  g_assert_true (resolver_restore (next, NULL));
  g_assert_false (vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (next)));
}

/* The same through resolver-auto without a bus: it uses the file. */
static void
run_auto (Fixture *fixture, const char *before)
{
  VpndResolver *crashed = vpnd_resolver_auto_new (NULL, fixture->run_dirfd, fixture->conf);
  g_autoptr (VpndResolver) next = NULL;
  g_autofree char *text = NULL;

  g_assert_true (resolver_restore (crashed, NULL));
  g_assert_true (apply (crashed, "10.64.0.1", NULL, NULL));
  text = read_conf (fixture);
  g_assert_nonnull (strstr (text, "nameserver 10.64.0.1"));
  g_object_unref (crashed); /* as long as it is there, what the next one puts back is another program's writing to it */
  next = vpnd_resolver_auto_new (NULL, fixture->run_dirfd, fixture->conf);
  g_assert_true (resolver_restore (next, NULL));
}

/* An empty plan leaves DNS alone, so it takes back what another plan did. */
static void
run_empty_plan (Fixture *fixture, const char *before)
{
  g_autoptr (VpndResolver) resolver = open_backend (fixture);

  g_assert_true (apply (resolver, NULL, NULL, NULL));
  g_assert_true (apply (resolver, "10.64.0.1", NULL, NULL));
  g_assert_true (apply (resolver, NULL, NULL, NULL));
}

static void
test_apply_restore (Fixture *fixture, gconstpointer data)
{
  each_original (fixture, run_apply_restore);
}

/* The unit's SystemCallFilter leaves out chown () and its like, which then fail with EPERM. */
static void
forbid_chown (void)
{
  static const guint32 calls[] = { SYS_fchown, SYS_fchownat };
  struct sock_filter program[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, G_STRUCT_OFFSET (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, calls[0], 1, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, calls[1], 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = { .len = G_N_ELEMENTS (program), .filter = program };

  g_assert_cmpint (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
  g_assert_cmpint (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), ==, 0);
  g_assert_cmpint (fchownat (AT_FDCWD, "/", 0, 0, 0), ==, -1);
  g_assert_cmpint (errno, ==, EPERM);
}

static void
test_without_chown (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (originals); i++)
    {
      g_autofree char *before = NULL, *after = NULL, *text_before = NULL, *text_after = NULL;
      int status;
      pid_t child;

      originals[i](fixture);
      before = describe (fixture->conf);
      text_before = read_conf (fixture);
      child = fork ();
      g_assert_cmpint (child, >=, 0);
      if (child == 0)
        {
          forbid_chown ();
          run_apply_restore (fixture, before);
          _exit (0);
        }
      g_assert_cmpint (waitpid (child, &status, 0), ==, child);
      g_assert_cmpint (status, ==, 0);
      after = describe (fixture->conf);
      text_after = read_conf (fixture);
      g_assert_cmpstr (text_after, ==, text_before);
      if (originals[i] != make_special) /* that one belongs to somebody else, which cannot be had here */
        g_assert_cmpstr (after, ==, before);
      (void) g_remove (fixture->conf); /* one of them is "missing" */
    }
}

static void
test_crash (Fixture *fixture, gconstpointer data)
{
  each_original (fixture, run_crash);
}

static void
test_auto (Fixture *fixture, gconstpointer data)
{
  each_original (fixture, run_auto);
}

static void
test_empty_plan (Fixture *fixture, gconstpointer data)
{
  each_original (fixture, run_empty_plan);
}

/* The target of a link, and what lies under the name of our temporary file, are never written. */
static void
test_outside (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndResolver) resolver = open_backend (fixture);
  g_autofree char *temporary = g_build_filename (fixture->path, "etc", ".resolv.conf.vpnd", NULL);
  g_autofree char *target = g_build_filename (fixture->path, "outside", "target", NULL);
  g_autofree char *before = NULL, *during = NULL, *after = NULL;

  make_link (fixture);
  g_assert_cmpint (symlink ("../outside/target", temporary), ==, 0);
  before = describe (target);
  g_assert_true (apply (resolver, "10.64.0.1", NULL, NULL));
  during = describe (target);
  g_assert_true (resolver_restore (resolver, NULL));
  after = describe (target);
  g_assert_cmpstr (during, ==, before);
  g_assert_cmpstr (after, ==, before);
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndResolver) resolver = open_backend (fixture);
  g_autoptr (VpndResolver) nowhere = vpnd_resolver_file_new (fixture->run_dirfd, "/nowhere/at/all/resolv.conf");

  g_assert_false (apply (nowhere, "10.64.0.1", NULL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_clear_error (&error);

  g_assert_cmpint (g_mkdir (fixture->conf, 0700), ==, 0);
  g_assert_false (apply (resolver, "10.64.0.1", NULL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_assert_false (vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (resolver)));
  g_clear_error (&error);
  g_assert_cmpint (g_rmdir (fixture->conf), ==, 0);

  /* A saved copy that cannot be read is an error that keeps both files as they are. */
  put (fixture, "run/resolv-conf.before", "garbage");
  put (fixture, "etc/resolv.conf", "nameserver 10.64.0.1\n");
  g_assert_false (resolver_restore (resolver, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_assert_true (vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (resolver)));
}

typedef struct
{
  const char *name;
  const char *restored; /* what is there after the end, NULL for what was there at the start */
} Overwrite;

/* How another program gets at the file. */
static void
overwrite (Fixture *fixture, const char *how)
{
  g_autofree char *other = g_strconcat (fixture->conf, ".other", NULL);
  g_autoptr (GError) error = NULL;

  if (g_str_equal (how, "rename"))
    {
      g_file_set_contents (other, "nameserver 192.0.2.9\n", -1, &error);
      g_assert_cmpint (g_rename (other, fixture->conf), ==, 0);
    }
  else if (g_str_equal (how, "in-place"))
    {
      int fd = open (fixture->conf, O_WRONLY | O_TRUNC | O_CLOEXEC);

      g_assert_cmpint (write (fd, "nameserver 192.0.2.8\n", 21), ==, 21);
      close (fd);
    }
  else if (g_str_equal (how, "link"))
    {
      g_assert_cmpint (symlink ("../run/other", other), ==, 0);
      g_assert_cmpint (g_rename (other, fixture->conf), ==, 0);
    }
  else if (g_str_equal (how, "delete"))
    g_assert_cmpint (g_unlink (fixture->conf), ==, 0);
  else
    {
      int fd = open (fixture->conf, O_WRONLY | O_APPEND | O_CLOEXEC);

      g_assert_cmpint (write (fd, "nameserver 192.0.2.7\n", 21), ==, 21);
      close (fd);
    }
  g_assert_no_error (error);
}

static void
assert_is (Fixture *fixture, const char *content)
{
  g_autofree char *target = g_file_read_link (fixture->conf, NULL);
  g_autofree char *text = NULL;

  if (target == NULL)
    g_assert_true (g_file_get_contents (fixture->conf, &text, NULL, NULL));
  g_assert_cmpstr (target != NULL ? target : text, ==, content);
}

static void
on_witnessed (gpointer user_data)
{
  (*(guint *) user_data)++;
}

/* A watch like the backend's own, made after it, which hears the same and therefore tells later: when it has told of an @act, the backend has had its turn. */
static void
act_before_witness (Fixture *fixture, void (*act) (Fixture *fixture, VpndResolver *resolver), VpndResolver *resolver)
{
  guint n_told = 0;
  VpndFileWatch *witness = vpnd_file_watch_new (fixture->conf, on_witnessed, &n_told);

  g_assert_nonnull (witness);
  act (fixture, resolver);
  resolver_run_until (&n_told, 1, RESOLVER_DEADLINE_MS);
  g_assert_cmpuint (n_told, ==, 1);
  vpnd_file_watch_free (witness);
}

static void
write_ours (Fixture *fixture, VpndResolver *resolver)
{
  g_assert_true (apply (resolver, "10.64.0.1", NULL, NULL));
}

static void
write_foreign (Fixture *fixture, VpndResolver *resolver)
{
  overwrite (fixture, "rename");
}

/* Whatever another program does, and as often: it is told, and the newest of what it wanted is what comes back. */
static void
test_overwritten (Fixture *fixture, gconstpointer data)
{
  static const Overwrite ways[] = {
    { "rename", "nameserver 192.0.2.9\n" },
    { "in-place", "nameserver 192.0.2.8\n" },
    { "link", "../run/other" },
    { "delete", NULL },
    { "append", NULL },
  };
  g_autoptr (VpndResolver) resolver = open_backend (fixture);
  guint count = 0;

  g_signal_connect (resolver, "overwritten", G_CALLBACK (resolver_on_overwritten), &count);
  for (guint i = 0; i < G_N_ELEMENTS (ways) * G_N_ELEMENTS (ways); i++)
    {
      const Overwrite *first = &ways[i / G_N_ELEMENTS (ways)];
      const Overwrite *second = &ways[i % G_N_ELEMENTS (ways)];
      const char *restored = second->restored != NULL ? second->restored : first->restored;
      guint before = count;

      g_assert_true (g_unlink (fixture->conf) == 0 || errno == ENOENT);
      g_assert_true (g_file_set_contents (fixture->conf, "nameserver 192.0.2.1\n", -1, NULL));
      write_ours (fixture, resolver);
      if (first == second)
        act_before_witness (fixture, write_ours, resolver);
      g_assert_cmpuint (count, ==, before); /* our own writing is nobody else's */

      overwrite (fixture, first->name);
      resolver_run_until (&count, before + 1, RESOLVER_DEADLINE_MS);
      g_assert_cmpuint (count, ==, before + 1);
      write_ours (fixture, resolver);
      overwrite (fixture, second->name);
      resolver_run_until (&count, before + 2, RESOLVER_DEADLINE_MS);
      g_assert_cmpuint (count, ==, before + 2);
      write_ours (fixture, resolver);

      g_assert_true (resolver_restore (resolver, NULL));
      assert_is (fixture, restored != NULL ? restored : "nameserver 192.0.2.1\n");
      before = count;
      if (first == second)
        act_before_witness (fixture, write_foreign, resolver);
      g_assert_cmpuint (count, ==, before); /* what is not ours any more is not watched */
    }
}

/* Nobody looked: another program wrote after the crash, or just now. Its wish stands. */
static void
test_overwritten_unseen (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndResolver) resolver = open_backend (fixture);
  g_autoptr (VpndResolver) second = NULL;

  g_assert_true (g_file_set_contents (fixture->conf, "nameserver 192.0.2.1\n", -1, NULL));
  g_assert_true (apply (resolver, "10.64.0.1", NULL, NULL));
  overwrite (fixture, "rename");
  g_assert_true (apply (resolver, "10.64.0.2", NULL, NULL));
  g_assert_true (resolver_restore (resolver, NULL));
  assert_is (fixture, "nameserver 192.0.2.9\n");

  g_assert_true (apply (resolver, "10.64.0.1", NULL, NULL));
  g_clear_object (&resolver);
  overwrite (fixture, "in-place");
  second = open_backend (fixture);
  g_assert_true (resolver_restore (second, NULL));
  assert_is (fixture, "nameserver 192.0.2.8\n");
  g_assert_false (vpnd_resolver_file_is_applied (VPND_RESOLVER_FILE (second)));
}

/* Text that nobody should write: long, with NULs, without an end, or no file at all. */
static void
test_odd_content (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndResolver) resolver = open_backend (fixture);
  g_autofree char *large = g_strnfill (1024 * 1024, 'x');
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *before = NULL;
  gsize length;

  memcpy (large + 1000, "\noptions ndots:2\n\0\nnameserver", 28);
  g_assert_true (g_file_set_contents (fixture->conf, large, 1024 * 1024, NULL));
  before = describe (fixture->conf);
  g_assert_true (apply (resolver, "10.64.0.1", NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (fixture->conf, &text, &length, NULL));
  g_assert_cmpuint (length, <, 200);
  g_assert_nonnull (strstr (text, "options ndots:2\n"));
  g_assert_true (resolver_restore (resolver, NULL));
  {
    g_autofree char *after = describe (fixture->conf);

    g_assert_cmpstr (before, ==, after);
  }

  g_assert_cmpint (truncate (fixture->conf, VPND_HOST_FILE_MAX_BYTES), ==, 0);
  g_assert_false (apply (resolver, "10.64.0.1", NULL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
  g_assert_cmpint (g_unlink (fixture->conf), ==, 0);
  g_assert_cmpint (symlink ("/dev/zero", fixture->conf), ==, 0);
  g_assert_true (apply (resolver, "10.64.0.1", NULL, NULL));
  g_assert_true (resolver_restore (resolver, NULL));
  assert_is (fixture, "/dev/zero");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/resolver/file/apply-restore", Fixture, NULL, set_up, test_apply_restore, tear_down);
  g_test_add ("/resolver/file/without-chown", Fixture, NULL, set_up, test_without_chown, tear_down);
  g_test_add ("/resolver/file/crash", Fixture, NULL, set_up, test_crash, tear_down);
  g_test_add ("/resolver/file/auto", Fixture, NULL, set_up, test_auto, tear_down);
  g_test_add ("/resolver/file/empty-plan", Fixture, NULL, set_up, test_empty_plan, tear_down);
  g_test_add ("/resolver/file/outside", Fixture, NULL, set_up, test_outside, tear_down);
  g_test_add ("/resolver/file/overwritten", Fixture, IN_MEMORY, set_up, test_overwritten, tear_down);
  g_test_add ("/resolver/file/overwritten-unseen", Fixture, NULL, set_up, test_overwritten_unseen, tear_down);
  g_test_add ("/resolver/file/odd-content", Fixture, NULL, set_up, test_odd_content, tear_down);
  g_test_add ("/resolver/file/refused", Fixture, NULL, set_up, test_refused, tear_down);
  return g_test_run ();
}
