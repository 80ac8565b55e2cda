/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the id of an application names: Exec as the specification quotes it, launchers that are no program of their own, units by their names;
 * and what lies in homes, which is not looked at.
 */
#include "config.h"

#include "app-entry.h"
#include "app-ids.h"
#include "error.h"
#include "remove-tree.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define USER 4242
#define SYSTEM_ENTRIES "usr/share/applications"
#define OWN_ENTRIES "home/ada/.local/share/applications"
#define ENTRY "[Desktop Entry]\nType=Application\nName=X\n"

typedef struct
{
  char *root; /* (owned): a host */
  guint32 uid;
} Fixture;

static void
put (const Fixture *fixture, const char *path, const char *text, mode_t mode)
{
  g_autofree char *full = g_build_filename (fixture->root, path, NULL);
  g_autofree char *folder = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0755), ==, 0);
  g_file_set_contents (full, text, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_chmod (full, mode), ==, 0);
}

/* Gives everything of the user's folder to the user, where the test may: otherwise it is the test's own user already. */
static void
give (const Fixture *fixture, const char *path)
{
  g_auto (GStrv) steps = g_strsplit (path, "/", -1);
  g_autoptr (GString) place = g_string_new (fixture->root);

  if (geteuid () != 0)
    return;
  for (guint i = 0; steps[i] != NULL; i++)
    {
      g_string_append_printf (place, "/%s", steps[i]);
      if (i > 0) /* "home" is root's */
        g_assert_cmpint (lchown (place->str, fixture->uid, fixture->uid), ==, 0);
    }
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *passwd = NULL;

  fixture->root = g_dir_make_tmp ("vpnd-apps-XXXXXX", NULL);
  g_assert_cmpint (g_chmod (fixture->root, 0755), ==, 0);
  fixture->uid = geteuid () == 0 ? USER : geteuid ();
  passwd = g_strdup_printf ("root:x:0:0::/root:/bin/sh\nbroken line\nada:x:%u:%u::/home/ada:/bin/sh\n", fixture->uid, fixture->uid);
  put (fixture, "etc/passwd", passwd, 0644);
  put (fixture, "usr/bin/tool", "#!/bin/sh\n", 0755);
  put (fixture, "usr/bin/other", "#!/bin/sh\n", 0755);
  put (fixture, "usr/bin/python3", "", 0755);
  put (fixture, "usr/bin/no-x", "", 0644);
  put (fixture, "opt/My App/app%1", "", 0755);
  put (fixture, "opt/secret/tool", "", 0755);
  put (fixture, "home/ada/bin/own", "", 0755);
  give (fixture, "home/ada/bin/own");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  support_remove_tree (fixture->root);
  g_free (fixture->root);
}

static char *
join_paths (const VpndApp *app)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < app->paths->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "|" : "", (const char *) app->paths->pdata[i]);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* @paths: NULL for "names nothing" */
static void
check (const Fixture *fixture, const char *id, const char *paths)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndApp) app = vpnd_app_find (fixture->root, id, &error);
  g_autofree char *found = app != NULL ? join_paths (app) : NULL;

  if (paths == NULL && app == NULL)
    g_assert_true (g_error_matches (error, VPND_ERROR, VPND_ERROR_NOT_FOUND) || g_error_matches (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT));
  g_assert_cmpstr (found, ==, paths);
}

static void
test_programs (void)
{
  static const struct
  {
    const char *exec;
    const char *program;
    gboolean is_shared;
  } cases[] = {
    { "firefox %u", "firefox", FALSE },
    { "/usr/lib/firefox/firefox", "/usr/lib/firefox/firefox", FALSE },
    { "\"/opt/My App/run\" --x \"%f\"", "/opt/My App/run", FALSE },
    { "\"/opt/\\$HOME/\\\"a\\\\b\"", "/opt/$HOME/\"a\\b", FALSE },
    { "/opt/a%%b", "/opt/a%b", FALSE },
    { "env A=1 B=2 -u C -i chromium --x", "chromium", FALSE },
    { "/usr/bin/env -- tool", "tool", FALSE },
    { "env -S tool", "env", TRUE },
    { "env A=1", "env", TRUE },
    { "/usr/bin/python3.11 /usr/share/x/x.py", "/usr/bin/python3.11", TRUE },
    { "python3 -m x", "python3", TRUE },
    { "sh -c 'exec firefox'", "sh", TRUE },
    { "/usr/bin/flatpak run org.x", "/usr/bin/flatpak", TRUE },
    { "snap run x", "snap", TRUE },
    { "pythonista", "pythonista", FALSE },
    { "%f", NULL, FALSE },
    { "%f tool", NULL, FALSE },
    { "to%kol", NULL, FALSE },
    { "", NULL, FALSE },
    { "   ", NULL, FALSE },
    { "\"\"", NULL, FALSE },
    { "\"open", NULL, FALSE },
    { "a\nb", NULL, FALSE },
    { "A=1 tool", NULL, FALSE },
    { "\377", NULL, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gboolean is_shared = TRUE;
      g_autofree char *program = vpnd_app_entry_parse_program (cases[i].exec, &is_shared);
      g_autofree char *printable = g_strescape (cases[i].exec, NULL); /* one is no UTF-8 */

      g_test_message ("%s", printable);
      g_assert_cmpstr (program, ==, cases[i].program);
      g_assert_cmpint (is_shared, ==, cases[i].is_shared);
    }
}

static void
test_system_entries (Fixture *fixture, gconstpointer data)
{
  put (fixture, SYSTEM_ENTRIES "/plain.desktop", ENTRY "Exec=tool %U\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/actions.desktop", ENTRY "Exec=tool\n[Desktop Action a]\nExec=other --a\n[Desktop Action b]\nExec=tool --b\n[X-Foreign]\nExec=no-x\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/quoted.desktop", ENTRY "Exec=\"/opt/My App/app%%1\" %f\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/script.desktop", ENTRY "Exec=python3 /usr/share/script.py\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/mixed.desktop", ENTRY "Exec=env X=1 python3 x\n[Desktop Action a]\nExec=/usr/bin/other\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/gone.desktop", ENTRY "Exec=/usr/bin/gone\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/no-x.desktop", ENTRY "Exec=no-x\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/folder.desktop", ENTRY "Exec=/usr/bin\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/relative.desktop", ENTRY "Exec=bin/tool\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/hidden.desktop", ENTRY "Hidden=true\nExec=tool\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/link.desktop", "[Desktop Entry]\nType=Link\nURL=file:///\nExec=tool\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/noise.desktop", "\177ELF no key file", 0644);
  put (fixture, SYSTEM_ENTRIES "/empty.desktop", "", 0644);
  put (fixture, SYSTEM_ENTRIES "/writable.desktop", ENTRY "Exec=tool\n", 0666);
  put (fixture, "usr/local/share/applications/plain.desktop", ENTRY "Exec=other\n", 0644);

  check (fixture, "plain", "/usr/bin/other"); /* /usr/local comes first */
  check (fixture, "actions", "/usr/bin/tool|/usr/bin/other");
  check (fixture, "quoted", "/opt/My App/app%1");
  check (fixture, "script", ""); /* never the interpreter */
  check (fixture, "mixed", "/usr/bin/other");
  check (fixture, "gone", NULL);
  check (fixture, "no-x", NULL);
  check (fixture, "folder", NULL);
  check (fixture, "relative", NULL);
  check (fixture, "hidden", NULL);
  check (fixture, "link", NULL);
  check (fixture, "noise", NULL);
  check (fixture, "empty", NULL);
  check (fixture, "writable", NULL);
  check (fixture, "nothing", NULL);
}

/* What a user says of the own application counts as it is; what is in a home decides nothing: not for all, and not for its user. */
static void
test_homes_are_not_read (Fixture *fixture, gconstpointer data)
{
  static const char *const programs[] = { "/home/ada/bin/own", "/usr/bin/other", NULL };
  g_autofree char *entry = g_build_filename (fixture->root, OWN_ENTRIES, "evil.desktop", NULL);
  g_autofree char *fifo = g_build_filename (fixture->root, OWN_ENTRIES, "fifo.desktop", NULL);
  g_autoptr (VpndApp) own = NULL;
  g_autofree char *found = NULL;

  put (fixture, SYSTEM_ENTRIES "/shared.desktop", ENTRY "Exec=tool\n", 0644);
  put (fixture, OWN_ENTRIES "/shared.desktop", ENTRY "Exec=other\n", 0644);
  put (fixture, OWN_ENTRIES "/mine.desktop", ENTRY "Exec=/home/ada/bin/own\n", 0644);
  put (fixture, "home/ada/.local/share/flatpak/app/org.mine/x", "", 0644);
  g_assert_cmpint (symlink ("../../../../../usr/share/applications/shared.desktop", entry), ==, 0);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  check (fixture, "shared", "/usr/bin/tool");
  for (guint i = 0; i < 4; i++)
    check (fixture, ((const char *const[]){ "mine", "org.mine", "evil", "fifo" })[i], NULL);

  own = vpnd_app_new_own (fixture->root, "shared", programs);
  found = join_paths (own);
  g_assert_cmpstr (found, ==, "/home/ada/bin/own|/usr/bin/other");
  g_assert_true (vpnd_app_has_unit (own, "app-gnome-shared-7.scope"));
  g_assert_false (vpnd_app_has_unit (own, "app-gnome-other-7.scope"));
}

static void
test_entries (void)
{
  static const struct
  {
    const char *text;
    const char *programs; /* NULL for "no application" */
  } cases[] = {
    { ENTRY "Exec=tool %U\n", "tool" },
    { ENTRY "Exec=tool\n[Desktop Action a]\nExec=/opt/other --a\n[Desktop Action b]\nExec=tool --b\n[X-Foreign]\nExec=third\n", "tool|/opt/other" },
    { ENTRY "Exec=python3 /home/ada/x.py\n", "" },
    { ENTRY "Exec=env X=1 sh x\n[Desktop Action a]\nExec=other\n", "other" },
    { ENTRY "Name[de]=\377\nExec=tool\n", "tool" },
    { ENTRY, "" },
    { ENTRY "Hidden=true\nExec=tool\n", NULL },
    { "[Desktop Entry]\nType=Link\nExec=tool\n", NULL },
    { "[Desktop Action a]\nExec=tool\n", NULL },
    { "root:x:0:0:secret", NULL },
    { "", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) programs = vpnd_app_entry_parse ("x", cases[i].text, &error);
      VpndApp app = { .paths = programs };
      g_autofree char *found = programs != NULL ? join_paths (&app) : NULL;

      g_test_message ("case %u", i);
      g_assert_cmpstr (found, ==, cases[i].programs);
      g_assert_true ((programs == NULL) == g_error_matches (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT));
      g_assert_null (error != NULL ? strstr (error->message, "secret") : NULL);
    }
}

/* What the user may run, without telling what is closed to that user. */
static void
test_closed_programs_of_users (Fixture *fixture, gconstpointer data)
{
  g_autofree char *secret = g_build_filename (fixture->root, "opt/secret", NULL);
  g_autofree char *private = g_build_filename (fixture->root, "home/ada/bin/own", NULL);

  if (geteuid () == 0) /* else the folder would be the user's own */
    {
      g_assert_cmpint (g_chmod (secret, 0700), ==, 0);
      g_assert_false (vpnd_app_user_may_run (fixture->root, "/opt/secret/tool", fixture->uid));
    }
  g_assert_cmpint (g_chmod (private, 0700), ==, 0);
  g_assert_true (vpnd_app_user_may_run (fixture->root, "/home/ada/bin/own", fixture->uid));
  g_assert_false (vpnd_app_user_may_run (fixture->root, "/home/ada/bin/own", fixture->uid + 1));
  g_assert_true (vpnd_app_user_may_run (fixture->root, "/usr/bin/tool", fixture->uid));
  g_assert_false (vpnd_app_user_may_run (fixture->root, "/usr/bin/no-x", fixture->uid));
  g_assert_false (vpnd_app_user_may_run (fixture->root, "/usr/bin", fixture->uid));
  g_assert_false (vpnd_app_user_may_run (fixture->root, "usr/bin/tool", fixture->uid));
}

static void
test_units (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *id;
    const char *unit;
    gboolean is_its;
  } cases[] = {
    { "org.mozilla.firefox", "app-flatpak-org.mozilla.firefox-1234.scope", TRUE },
    { "org.mozilla.firefox", "app-gnome-org.mozilla.firefox-1234.scope", TRUE },
    { "org.mozilla.firefox", "app-org.mozilla.firefox-1234.scope", TRUE },
    { "org.mozilla.firefox", "app-org.mozilla.firefox@abc.service", TRUE },
    { "org.mozilla.firefox", "app-kde-org.mozilla.firefox.service", TRUE },
    { "google-chrome", "app-gnome-google\\x2dchrome-77.scope", TRUE },
    { "google-chrome", "app-gnome-google-chrome-77.scope", FALSE },
    { "firefox", "app-flatpak-org.mozilla.firefox-1234.scope", FALSE },
    { "org.mozilla", "app-flatpak-org.mozilla.firefox-1234.scope", FALSE },
    { "firefox", "app-firefox-firefox.evil-1.scope", FALSE },
    { "firefox", "session-firefox-1.scope", FALSE },
    { "firefox", "app-firefox.slice", FALSE },
    { "firefox", "app-firefox-1.mount", FALSE },
    { "firefox", "app-.scope", FALSE },
    { "firefox", ".scope", FALSE },
    { "firefox", "", FALSE },
    { "web", "snap.web.daemon.service", TRUE },
    { "web", "snap.web.web-0f0f.scope", TRUE },
    { "web_web", "snap.web.web-0f0f.scope", TRUE },
    { "web", "snap.webby.web-0f0f.scope", FALSE },
    { "firefox", "snap.firefox.firefox-1.scope", FALSE }, /* there is no snap of that name */
  };

  put (fixture, "snap/web/current/x", "", 0644);
  put (fixture, "var/lib/flatpak/app/org.mozilla.firefox/x", "", 0644);
  put (fixture, "var/lib/flatpak/app/org.mozilla/x", "", 0644);
  put (fixture, SYSTEM_ENTRIES "/firefox.desktop", ENTRY "Exec=tool\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/google-chrome.desktop", ENTRY "Exec=tool\n", 0644);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndApp) app = vpnd_app_find (fixture->root, cases[i].id, &error);

      g_assert_no_error (error);
      g_test_message ("%s %s", cases[i].id, cases[i].unit);
      g_assert_cmpint (vpnd_app_has_unit (app, cases[i].unit), ==, cases[i].is_its);
    }
  check (fixture, "org.mozilla.firefox", "");
  check (fixture, "web", "");
}

/* Each program of /snap/bin is the one that launches all snaps: matched by its file it would be every snap. */
static void
test_links_to_launchers (Fixture *fixture, gconstpointer data)
{
  g_autofree char *launcher = g_build_filename (fixture->root, "snap/bin/web.tool", NULL);
  g_autofree char *plain = g_build_filename (fixture->root, "usr/bin/plain", NULL);

  put (fixture, "snap/web/current/x", "", 0644);
  put (fixture, "snap/bin/x", "", 0644);
  put (fixture, "usr/bin/snap", "", 0755);
  put (fixture, "usr/bin/plain-3.1", "", 0755);
  g_assert_cmpint (symlink ("../../usr/bin/snap", launcher), ==, 0);
  g_assert_cmpint (symlink ("plain-3.1", plain), ==, 0);
  put (fixture, "var/lib/snapd/desktop/applications/web_tool.desktop", ENTRY "Exec=env A=B /snap/bin/web.tool %U\n", 0644);
  put (fixture, SYSTEM_ENTRIES "/plain.desktop", ENTRY "Exec=plain\n", 0644);
  check (fixture, "web_tool", "");
  check (fixture, "plain", "/usr/bin/plain");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/app-ids/programs", test_programs);
  g_test_add_func ("/app-ids/entries", test_entries);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/app-ids/system-entries", test_system_entries);
  ADD ("/app-ids/homes-are-not-read", test_homes_are_not_read);
  ADD ("/app-ids/closed-programs-of-users", test_closed_programs_of_users);
  ADD ("/app-ids/units", test_units);
  ADD ("/app-ids/links-to-launchers", test_links_to_launchers);
#undef ADD
  return g_test_run ();
}
