/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * bundle: everything that helps to find a fault, in one file, without what says who and where somebody is. Written with the rights of
 * who calls, for nobody else to read, and never over something or through a link.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "command.h"
#include "diagnosis.h"
#include "failure.h"
#include "json.h"
#include "names.h"
#include "scrub.h"

/**
 * Bundle:
 * @text: (owned): the report, before it is redacted
 * @scrub: (owned)
 * @client: (unowned) (nullable): %NULL where there is no bus
 * @missing: (element-type utf8) (owned): parts that could not be had
 */
typedef struct
{
  GString *text;
  VpndScrub *scrub;
  VpndClient *client;
  GPtrArray *missing;
} Bundle;

static void
bundle_clear (Bundle *bundle)
{
  g_string_free (bundle->text, TRUE);
  vpnd_scrub_free (bundle->scrub);
  g_ptr_array_unref (bundle->missing);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bundle, bundle_clear)

static void
begin_part (Bundle *bundle, const char *title)
{
  g_string_append_printf (bundle->text, "\n== %s ==\n", title);
}

static void
add_missing (Bundle *bundle, const char *title, const GError *error)
{
  g_autoptr (GError) plain = error != NULL ? g_error_copy (error) : NULL;

  if (plain != NULL)
    {
      (void) g_dbus_error_strip_remote_error (plain); /* one that is not from the bus has nothing to strip */
      plain->message[strcspn (plain->message, "\n")] = '\0';
    }
  g_string_append_printf (bundle->text, "(not included: %s)\n", plain != NULL ? plain->message : "no bus");
  g_ptr_array_add (bundle->missing, g_strdup (title));
}

/* Returns: (transfer full) (nullable): the reply; %NULL after noting that it is missing */
static GVariant *
ask (Bundle *bundle, const char *title, const char *interface, const char *member, const char *reply_type)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = bundle->client != NULL ? vpnd_client_call (bundle->client, interface, member, NULL, reply_type, &error) : NULL;

  begin_part (bundle, title);
  if (reply == NULL)
    add_missing (bundle, title, error);
  return reply;
}

static void
add_variant (Bundle *bundle, GVariant *value)
{
  g_autoptr (JsonNode) node = json_gvariant_serialize (value);
  g_autofree char *text = vpnd_json_to_string (node, TRUE);

  g_string_append_printf (bundle->text, "%s\n", text);
}

static void
add_versions (Bundle *bundle)
{
  g_autoptr (GVariant) properties = bundle->client != NULL ? vpnd_client_get_all (bundle->client, VPND_INTERFACE_DAEMON, NULL) : NULL;
  g_autofree char *os_name = g_get_os_info (G_OS_INFO_KEY_PRETTY_NAME);
  const char *version = "?";
  struct utsname kernel;

  if (properties != NULL)
    (void) g_variant_lookup (properties, "Version", "&s", &version);
  begin_part (bundle, "versions");
  g_string_append_printf (bundle->text, "vpnctl " VPND_VERSION "\nvpnd %s\n%s\n", version, os_name != NULL ? os_name : "?");
  if (uname (&kernel) == 0)
    g_string_append_printf (bundle->text, "%s %s %s\n", kernel.sysname, kernel.release, kernel.machine);
}

static void
add_status (Bundle *bundle)
{
  g_autoptr (GVariant) reply = ask (bundle, "status", VPND_INTERFACE_DAEMON, "status", "(s)");
  g_autoptr (JsonObject) status = NULL;
  const char *text;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(&s)", &text);
  status = vpnd_json_parse_object (text, -1, NULL);
  if (status != NULL)
    vpnd_scrub_add_name (bundle->scrub, "profile", json_object_get_string_member_with_default (status, "profile", ""));
  g_string_append_printf (bundle->text, "%s\n", text);
}

static void
add_settings (Bundle *bundle)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) settings = bundle->client != NULL ? vpnd_client_get_all (bundle->client, VPND_INTERFACE_SETTINGS, &error) : NULL;
  const char *profile;

  begin_part (bundle, "settings");
  if (settings == NULL)
    {
      add_missing (bundle, "settings", error);
      return;
    }
  if (g_variant_lookup (settings, "AutoConnectProfile", "&s", &profile))
    vpnd_scrub_add_name (bundle->scrub, "profile", profile);
  add_variant (bundle, settings);
}

/* The host of "vpn.example:51820"; an address is known by its form. */
static void
add_endpoint_names (Bundle *bundle, GVariant *profile)
{
  g_autofree const char **endpoints = NULL;

  if (!g_variant_lookup (profile, "endpoints", "^a&s", &endpoints))
    return;
  for (guint i = 0; endpoints[i] != NULL; i++)
    {
      const char *colon = strrchr (endpoints[i], ':');
      g_autofree char *host = g_strndup (endpoints[i], colon != NULL ? (gsize) (colon - endpoints[i]) : strlen (endpoints[i]));

      vpnd_scrub_add_name (bundle->scrub, "host", host);
    }
}

static void
add_profiles (Bundle *bundle)
{
  g_autoptr (GVariant) reply = ask (bundle, "profiles", VPND_INTERFACE_PROFILES, "List", "(aa{sv})");
  g_autoptr (GVariant) profiles = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  for (gsize i = 0; profiles != NULL && i < g_variant_n_children (profiles); i++)
    {
      g_autoptr (GVariant) profile = g_variant_get_child_value (profiles, i);
      const char *name;

      if (g_variant_lookup (profile, "name", "&s", &name))
        vpnd_scrub_add_name (bundle->scrub, "profile", name);
      add_endpoint_names (bundle, profile);
    }
  if (profiles != NULL)
    add_variant (bundle, profiles);
}

static void
add_findings (Bundle *bundle, VpndCli *cli)
{
  g_autoptr (GPtrArray) found = vpnd_diagnosis_collect (cli, TRUE);

  begin_part (bundle, "doctor");
  if (found->len == 0)
    g_string_append (bundle->text, "nothing\n");
  for (guint i = 0; i < found->len; i++)
    {
      const VpndDiagnosis *diagnosis = g_ptr_array_index (found, i);

      g_string_append_printf (bundle->text, "%s %s: %s\n  $ %s\n", vpnd_severity_word (diagnosis->severity), diagnosis->code, diagnosis->evidence, diagnosis->command);
    }
}

static void
add_routes (Bundle *bundle)
{
  g_autoptr (GVariant) reply = ask (bundle, "routes", VPND_INTERFACE_DIAGNOSTICS, "Routes", "(aa{sv})");
  g_autoptr (GVariant) entries = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  for (gsize i = 0; entries != NULL && i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      const char *words[] = { "kind", "entry", "state", "reason" };

      for (guint j = 0; j < G_N_ELEMENTS (words); j++)
        {
          const char *value = "";

          (void) g_variant_lookup (entry, words[j], "&s", &value); /* absent: "" */
          g_string_append_printf (bundle->text, "%s%s", j > 0 ? "  " : "", value);
        }
      g_string_append_c (bundle->text, '\n');
    }
}

static void
add_domains (Bundle *bundle, GVariant *dictionary, const char *key)
{
  g_autofree const char **domains = NULL;

  if (!g_variant_lookup (dictionary, key, "^a&s", &domains))
    return;
  for (guint i = 0; domains[i] != NULL; i++)
    vpnd_scrub_add_name (bundle->scrub, "domain", domains[i] + strspn (domains[i], "~."));
}

static void
add_dns (Bundle *bundle)
{
  g_autoptr (GVariant) reply = ask (bundle, "dns", VPND_INTERFACE_DIAGNOSTICS, "Dns", "(a{sv})");
  g_autoptr (GVariant) report = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
  g_autoptr (GVariant) links = report != NULL ? g_variant_lookup_value (report, "links", G_VARIANT_TYPE ("aa{sv}")) : NULL;

  if (report == NULL)
    return;
  add_domains (bundle, report, "search");
  for (gsize i = 0; links != NULL && i < g_variant_n_children (links); i++)
    {
      g_autoptr (GVariant) link = g_variant_get_child_value (links, i);

      add_domains (bundle, link, "domains");
    }
  add_variant (bundle, report);
}

static void
add_logs (Bundle *bundle)
{
  g_autoptr (GVariant) reply = ask (bundle, "logs", VPND_INTERFACE_DAEMON, "getLogs", "(s)");
  const char *text;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(&s)", &text);
  g_string_append_printf (bundle->text, "%s\n", text);
}

/* Returns: (transfer full): the whole report, redacted at the end, so that no part can pass by it */
static char *
make_report (Bundle *bundle, VpndCli *cli)
{
  static const char *const common[] = { "localhost", "root", "nobody", NULL }; /* every machine has these, and every sentence may */
  const struct
  {
    const char *kind;
    const char *name;
  } own_names[] = { { "machine", g_get_host_name () }, { "user", g_get_user_name () } };
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *date = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");

  for (guint i = 0; i < G_N_ELEMENTS (own_names); i++)
    if (!g_strv_contains (common, own_names[i].name))
      vpnd_scrub_add_name (bundle->scrub, own_names[i].kind, own_names[i].name);
  g_string_append_printf (bundle->text, "A report about vpnd, made %s. Keys, addresses, endpoints and names are replaced by words like (profile 1);\n"
                                        "the same word stands for the same thing.\n",
      date);
  add_versions (bundle);
  add_status (bundle);
  add_settings (bundle);
  add_profiles (bundle);
  add_findings (bundle, cli);
  add_routes (bundle);
  add_dns (bundle);
  add_logs (bundle);
  return vpnd_scrub_text (bundle->scrub, bundle->text->str);
}

static gboolean
write_all (int fd, const char *text)
{
  gsize left = strlen (text);

  while (left > 0)
    {
      ssize_t written = write (fd, text, left);

      if (written < 0 && errno == EINTR)
        continue;
      if (written <= 0)
        return FALSE;
      text += written;
      left -= (gsize) written;
    }
  return TRUE;
}

static gboolean
write_file (const char *path, const char *text, GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  gboolean is_written;

  if (fd < 0)
    {
      int saved = errno;

      g_set_error (error, VPND_ERROR, saved == EEXIST ? VPND_ERROR_EXISTS : VPND_ERROR_STORAGE, "%s: %s", path, g_strerror (saved));
      if (saved == EEXIST)
        vpnd_failure_add_hint (error, "%s", _ ("Nothing is written over; give another name."));
      return FALSE;
    }
  is_written = write_all (fd, text);
  is_written &= close (fd) == 0;
  if (is_written)
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, _ ("%s: it could not be written"), path);
  (void) unlink (path); /* half a report is none */
  return FALSE;
}

static void
tell (VpndCli *cli, const char *path, const GPtrArray *missing)
{
  g_autofree char *line = g_strdup_printf (_ ("Written to %s, which only you can read."), path);

  vpnd_output_note (cli->output, VPND_COLOR_GOOD, line);
  vpnd_output_note (cli->output, VPND_COLOR_NONE, _ ("In it: versions, status, settings, the list of profiles, what doctor finds, routes, DNS, the log."));
  vpnd_output_note (cli->output, VPND_COLOR_NONE, _ ("Not in it: keys, addresses, endpoints, names of profiles, servers, domains, this machine and you; "
                                                     "words like (profile 1) stand in their place. Names of network links are in it."));
  for (guint i = 0; i < missing->len; i++)
    {
      g_autofree char *text = g_strdup_printf (_ ("Could not be had: %s"), (const char *) g_ptr_array_index (missing, i));

      vpnd_output_note (cli->output, VPND_COLOR_BUSY, text);
    }
  vpnd_output_note (cli->output, VPND_COLOR_NONE, _ ("Read it before you give it to anybody."));
}

static void
print_json (VpndCli *cli, const char *path, GPtrArray *missing)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  json_builder_set_member_name (builder, "bundle");
  json_builder_begin_object (builder);
  vpnd_output_json_string (builder, "path", path);
  vpnd_output_json_variant (builder, "missing", g_variant_new_strv ((const char *const *) missing->pdata, missing->len));
  json_builder_end_object (builder);
  vpnd_output_json_end (cli->output, builder);
}

static char *
default_path (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  return g_date_time_format (now, "vpnd-report-%Y%m%d-%H%M%S.txt");
}

/**
 * vpnd_command_bundle:
 *
 * vpnctl bundle [FILE]
 */
gboolean
vpnd_command_bundle (VpndCli *cli, char **args, GError **error)
{
  g_autofree char *path = args[0] != NULL ? g_strdup (args[0]) : default_path ();
  gboolean is_standard_output = g_str_equal (path, "-");
  g_auto (Bundle) bundle = { g_string_new (NULL), vpnd_scrub_new (), NULL, g_ptr_array_new_with_free_func (g_free) };
  g_autofree char *report = NULL;

  if (is_standard_output && vpnd_output_is_json (cli->output))
    {
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("the report is a text: with --json it needs a file"));
      return FALSE;
    }
  bundle.client = vpnd_cli_client (cli, NULL); /* without a bus the report says so */
  report = make_report (&bundle, cli);
  if (is_standard_output)
    {
      vpnd_output_raw (cli->output, report, strlen (report));
      return TRUE;
    }
  if (!write_file (path, report, error))
    return FALSE;
  if (vpnd_output_is_json (cli->output))
    print_json (cli, path, bundle.missing);
  else
    tell (cli, path, bundle.missing);
  return TRUE;
}
