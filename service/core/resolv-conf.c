/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decisions of core/resolv-conf.h.
 */
#include "config.h"

#include "resolv-conf.h"

#include <string.h>

#define HEADER "# Written by vpnd while the VPN is up; what was here before comes back when it ends.\n"

#define MARK_LINES 10  /* in which a writer of resolv.conf says who it is */
#define SERVERS_READ 3 /* MAXNS in <resolv.h>: the C library passes over those behind */

/* The files of systemd-resolved(8), section "/etc/resolv.conf": those that name its stub, and the list of what the links brought along, with
 * which programs ask the servers themselves. */
static const char *const resolved_stub_files[] = { "/run/systemd/resolve/stub-resolv.conf", "/usr/lib/systemd/resolv.conf", "/lib/systemd/resolv.conf" };
static const char *const resolved_uplink_files[] = { "/run/systemd/resolve/resolv.conf" };

/* Its stub listeners: with and without its own processing. */
static const char *const resolved_stubs[] = { "127.0.0.53", "127.0.0.54" };

/* The words of one line; empty for a comment. "#" and ";" start one in the first column only (resolv.conf(5)). */
static char **
split_line (const char *line)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) words = g_strsplit_set (line[0] == '#' || line[0] == ';' ? "" : line, " \t\r", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (words[i][0] != '\0')
      g_strv_builder_add (builder, words[i]);
  return g_strv_builder_end (builder);
}

/**
 * vpnd_resolv_conf_print:
 * @plan: a plan that is not empty
 * @before: (nullable): the text of before, whose "options" and "sortlist" stay
 *
 * Returns: (transfer full): the text that makes @plan the host's DNS
 */
char *
vpnd_resolv_conf_print (const VpndDnsPlan *plan, const char *before)
{
  GString *text = g_string_new (HEADER);
  guint n_search = 0;
  g_auto (GStrv) lines = g_strsplit (before != NULL ? before : "", "\n", -1);

  for (guint i = 0; i < plan->servers->len; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      g_string_append_printf (text, "nameserver %s\n", vpnd_addr_format (&g_array_index (plan->servers, VpndAddr, i), buffer));
    }
  for (guint i = 0; i < plan->search->len; i++)
    {
      const char *domain = g_ptr_array_index (plan->search, i);

      if (domain[0] != '~') /* here every name goes to the same servers */
        g_string_append_printf (text, "%s %s", n_search++ == 0 ? "search" : "", domain);
    }
  if (n_search > 0)
    g_string_append_c (text, '\n');

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = split_line (lines[i]);
      g_autofree char *line = g_strjoinv (" ", words);

      if (words[0] != NULL && (strcmp (words[0], "options") == 0 || strcmp (words[0], "sortlist") == 0))
        g_string_append_printf (text, "%s\n", line);
    }
  return g_string_free (text, FALSE);
}

/**
 * vpnd_resolv_conf_servers:
 * @text: the text of a resolv.conf
 *
 * Returns: (transfer full): the words after "nameserver", in order, whether they are addresses or not
 */
char **
vpnd_resolv_conf_servers (const char *text)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = split_line (lines[i]);

      if (words[0] != NULL && words[1] != NULL && strcmp (words[0], "nameserver") == 0)
        g_strv_builder_add (builder, words[1]);
    }
  return g_strv_builder_end (builder);
}

/**
 * vpnd_resolv_conf_starts_with:
 * @text: the text of a resolv.conf that another program has made
 * @plan: a plan
 *
 * Such a program may cut the list, after the third (MAXNS in <resolv.h>) or after a loopback address, and may add others behind.
 *
 * Returns: TRUE when programs that read @text ask the servers of @plan first
 */
gboolean
vpnd_resolv_conf_starts_with (const char *text, const VpndDnsPlan *plan)
{
  g_auto (GStrv) words = vpnd_resolv_conf_servers (text);

  for (guint i = 0; words[i] != NULL && i < plan->servers->len; i++)
    {
      VpndAddr addr;

      if (!vpnd_addr_parse (words[i], &addr) || !vpnd_addr_equal (&addr, &g_array_index (plan->servers, VpndAddr, i)))
        return FALSE;
    }
  return words[0] != NULL && plan->servers->len > 0;
}

static gboolean
is_server_of (const VpndDnsPlan *plan, const VpndAddr *addr)
{
  for (guint i = 0; i < plan->servers->len; i++)
    if (vpnd_addr_equal (addr, &g_array_index (plan->servers, VpndAddr, i)))
      return TRUE;
  return FALSE;
}

/**
 * vpnd_resolv_conf_reaches:
 * @text: the text of a resolv.conf that lists the servers of several links
 * @plan: a plan
 *
 * Returns: TRUE when programs that read @text come, sooner or later, to a server of @plan, or to a resolver on this host
 */
gboolean
vpnd_resolv_conf_reaches (const char *text, const VpndDnsPlan *plan)
{
  g_auto (GStrv) words = vpnd_resolv_conf_servers (text);

  for (guint i = 0; words[i] != NULL && i < SERVERS_READ; i++)
    {
      VpndAddr addr;

      if (vpnd_addr_parse (words[i], &addr) && (vpnd_addr_is_loopback (&addr) || is_server_of (plan, &addr)))
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_resolv_conf_is_loopback_only:
 * @text: the text of a resolv.conf
 *
 * Returns: TRUE when it sends programs to a resolver on this host, and to no other
 */
gboolean
vpnd_resolv_conf_is_loopback_only (const char *text)
{
  g_auto (GStrv) words = vpnd_resolv_conf_servers (text);

  for (guint i = 0; words[i] != NULL; i++)
    {
      VpndAddr addr;

      if (!vpnd_addr_parse (words[i], &addr) || !vpnd_addr_is_loopback (&addr))
        return FALSE;
    }
  return words[0] != NULL;
}

/**
 * vpnd_resolv_conf_is_ours:
 * @text: bytes of a file, which may hold anything
 * @length: how many
 *
 * Returns: TRUE when vpnd_resolv_conf_print () wrote them, or somebody edited what it wrote
 */
gboolean
vpnd_resolv_conf_is_ours (const char *text, gsize length)
{
  return length >= strlen (HEADER) && memcmp (text, HEADER, strlen (HEADER)) == 0;
}

static gboolean
contains (const char *const *strings, gsize n_strings, const char *string)
{
  for (gsize i = 0; i < n_strings; i++)
    if (strcmp (strings[i], string) == 0)
      return TRUE;
  return FALSE;
}

/* The files of NetworkManager (man NetworkManager.conf, "rc-manager") and the folders of resolvconf(8). */
static const char *const networkmanager_prefixes[] = { "/run/NetworkManager/" };
static const char *const resolvconf_prefixes[] = { "/run/resolvconf/", "/etc/resolvconf/run/" };

/* (transfer full): the link's target as an absolute path; /var/run is a link to /run everywhere. */
static char *
resolve_target (const char *target)
{
  g_autofree char *absolute = g_canonicalize_filename (target, "/etc");

  return g_strdup (g_str_has_prefix (absolute, "/var/run/") ? absolute + strlen ("/var") : absolute);
}

static gboolean
has_prefix_of (const char *const *prefixes, gsize n_prefixes, const char *path)
{
  for (gsize i = 0; i < n_prefixes; i++)
    if (g_str_has_prefix (path, prefixes[i]))
      return TRUE;
  return FALSE;
}

/* Whether a comment of @text has @mark in it, in whatever case. The writers put theirs in the first lines. */
static gboolean
has_mark (const char *text, const char *mark)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", MARK_LINES + 1);
  g_autofree char *wanted = g_ascii_strdown (mark, -1);

  for (guint i = 0; lines[i] != NULL && i < MARK_LINES; i++)
    {
      g_autofree char *line = g_ascii_strdown (lines[i], -1);

      if (line[0] == '#' && strstr (line, wanted) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* Whether there are servers, and all are stubs of systemd-resolved. */
static gboolean
lists_only_stubs (const char *text)
{
  g_auto (GStrv) words = vpnd_resolv_conf_servers (text);

  for (guint i = 0; words[i] != NULL; i++)
    if (!contains (resolved_stubs, G_N_ELEMENTS (resolved_stubs), words[i]))
      return FALSE;
  return words[0] != NULL;
}

/* What the facts say, each a yes or no. */
typedef enum
{
  SIGN_RESOLVED = 1 << 0,        /* systemd-resolved can be asked */
  SIGN_RESOLVED_LINK = 1 << 1,   /* the file is a link to one of its files that name the stub */
  SIGN_RESOLVED_STUBS = 1 << 2,  /* the file lists its stubs and no other server */
  SIGN_NM = 1 << 3,              /* NetworkManager runs */
  SIGN_NM_LINK = 1 << 4,         /* the file is a link to NetworkManager's */
  SIGN_NM_MARK = 1 << 5,         /* the file says that NetworkManager wrote it */
  SIGN_NM_ABSTAINS = 1 << 6,     /* NetworkManager is told to leave DNS alone */
  SIGN_RESOLVCONF = 1 << 7,      /* resolvconf is installed */
  SIGN_RESOLVCONF_LINK = 1 << 8, /* the file is a link to resolvconf's */
  SIGN_RESOLVCONF_MARK = 1 << 9, /* the file says that resolvconf wrote it */
  SIGN_MISSING = 1 << 10,        /* nothing can be read */
  SIGN_UPLINK_LINK = 1 << 11,    /* the file is a link to its list of the links' servers */
} Sign;

static guint
read_signs (const VpndDnsFacts *facts)
{
  g_autofree char *target = facts->link_target != NULL ? resolve_target (facts->link_target) : NULL;
  const char *text = facts->text != NULL ? facts->text : "";
  const struct
  {
    gboolean is_there;
    Sign sign;
  } signs[] = {
    { facts->resolved_available, SIGN_RESOLVED },
    { target != NULL && contains (resolved_stub_files, G_N_ELEMENTS (resolved_stub_files), target), SIGN_RESOLVED_LINK },
    { target != NULL && contains (resolved_uplink_files, G_N_ELEMENTS (resolved_uplink_files), target), SIGN_UPLINK_LINK },
    { lists_only_stubs (text), SIGN_RESOLVED_STUBS },
    { facts->networkmanager_running, SIGN_NM },
    { target != NULL && has_prefix_of (networkmanager_prefixes, G_N_ELEMENTS (networkmanager_prefixes), target), SIGN_NM_LINK },
    { has_mark (text, "Generated by NetworkManager"), SIGN_NM_MARK },
    { g_strcmp0 (facts->networkmanager_mode, "none") == 0 || g_strcmp0 (facts->networkmanager_rc_manager, "unmanaged") == 0, SIGN_NM_ABSTAINS },
    { facts->has_resolvconf, SIGN_RESOLVCONF },
    { target != NULL && has_prefix_of (resolvconf_prefixes, G_N_ELEMENTS (resolvconf_prefixes), target), SIGN_RESOLVCONF_LINK },
    { has_mark (text, "generated by resolvconf") || has_mark (text, "resolv.conf from "), SIGN_RESOLVCONF_MARK },
    { facts->text == NULL, SIGN_MISSING },
  };
  guint found = 0;

  for (guint i = 0; i < G_N_ELEMENTS (signs); i++)
    if (signs[i].is_there)
      found |= signs[i].sign;
  return found;
}

/**
 * vpnd_dns_owner_decide:
 * @facts: what was found on the host
 *
 * Decides who owns the DNS setting. That a service runs is not enough: programs must be sent to it by /etc/resolv.conf, else telling
 * it changes nothing for them. A mark in the file counts only while its writer is there to write it again.
 *
 * Returns: the owner and why
 */
VpndDnsVerdict
vpnd_dns_owner_decide (const VpndDnsFacts *facts)
{
  static const struct
  {
    guint needs;
    guint excludes;
    VpndDnsVerdict verdict;
  } rules[] = {
    /* the first that fits; the last always does */
    { SIGN_RESOLVED | SIGN_RESOLVED_LINK, 0, { VPND_DNS_OWNER_RESOLVED, "resolv.conf is a link to the file of systemd-resolved", FALSE } },
    { SIGN_RESOLVED | SIGN_RESOLVED_STUBS, 0, { VPND_DNS_OWNER_RESOLVED, "resolv.conf lists the stub of systemd-resolved and no other server", FALSE } },
    /* Programs ask the servers of that list themselves; ours is in it, and those of other links are refused at once. The link is not replaced, because
     * resolved takes the servers of a file in its place for its own, and keeps them after the link is back (systemd 252). */
    { SIGN_RESOLVED | SIGN_UPLINK_LINK, 0, { VPND_DNS_OWNER_RESOLVED, "resolv.conf is a link to the list of servers that systemd-resolved keeps", FALSE } },
    { SIGN_RESOLVCONF | SIGN_RESOLVCONF_LINK, 0, { VPND_DNS_OWNER_RESOLVCONF, "resolv.conf is a link to the file of resolvconf", FALSE } },
    { SIGN_RESOLVCONF | SIGN_RESOLVCONF_MARK, 0, { VPND_DNS_OWNER_RESOLVCONF, "resolv.conf says that resolvconf wrote it", FALSE } },
    { SIGN_NM | SIGN_NM_LINK, SIGN_NM_ABSTAINS, { VPND_DNS_OWNER_NETWORKMANAGER, "resolv.conf is a link to the file of NetworkManager", FALSE } },
    { SIGN_NM | SIGN_NM_MARK, SIGN_NM_ABSTAINS, { VPND_DNS_OWNER_NETWORKMANAGER, "resolv.conf says that NetworkManager wrote it", FALSE } },
    { SIGN_MISSING, 0, { VPND_DNS_OWNER_FILE, "there is no resolv.conf that can be read", FALSE } },
    { SIGN_UPLINK_LINK, 0, { VPND_DNS_OWNER_FILE, "resolv.conf is a link to the list of systemd-resolved, which is not there", FALSE } },
    { SIGN_RESOLVED_LINK, SIGN_RESOLVED, { VPND_DNS_OWNER_FILE, "resolv.conf is a link to the file of systemd-resolved, which is not there", FALSE } },
    { SIGN_NM_ABSTAINS, 0, { VPND_DNS_OWNER_FILE, "NetworkManager is told to leave DNS alone", FALSE } },
    { SIGN_RESOLVED, 0, { VPND_DNS_OWNER_FILE, "systemd-resolved is there, but resolv.conf does not send programs to it", FALSE } },
    { 0, 0, { VPND_DNS_OWNER_FILE, "nobody but its reader minds resolv.conf", FALSE } },
  };
  guint signs = read_signs (facts);

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    if ((signs & rules[i].needs) == rules[i].needs && (signs & rules[i].excludes) == 0)
      {
        VpndDnsVerdict verdict = rules[i].verdict;

        verdict.resolved_too = facts->resolved_running && verdict.owner != VPND_DNS_OWNER_RESOLVED;
        return verdict;
      }
  g_assert_not_reached ();
}

/**
 * vpnd_dns_owner_word:
 * @owner: an owner
 *
 * Returns: (transfer none): its name for people and scripts
 */
const char *
vpnd_dns_owner_word (VpndDnsOwner owner)
{
  static const char *const words[] = {
    [VPND_DNS_OWNER_FILE] = "file",
    [VPND_DNS_OWNER_RESOLVED] = "systemd-resolved",
    [VPND_DNS_OWNER_NETWORKMANAGER] = "NetworkManager",
    [VPND_DNS_OWNER_RESOLVCONF] = "resolvconf",
  };
  G_STATIC_ASSERT (G_N_ELEMENTS (words) == VPND_N_DNS_OWNERS);

  return words[owner];
}
