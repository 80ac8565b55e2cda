/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The function of host-look.h. What cannot be read stays as on a host without fault.
 */
#include "config.h"

#include "host-look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sysctl.h"
#include "userspace-process.h"

#define EARLIEST_S G_GINT64_CONSTANT (1767225600) /* 2026-01-01: a clock before this program was written is wrong */
#define PROC_FILE_MAX_BYTES 4096                  /* status and ip_tables_names are shorter */

/* Returns: (transfer full) (nullable): a file of procfs */
static char *
read_proc (const char *path)
{
  char buffer[PROC_FILE_MAX_BYTES];
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd >= 0 ? read (fd, buffer, sizeof buffer - 1) : -1;

  if (fd >= 0)
    close (fd);
  return size >= 0 ? g_strndup (buffer, (gsize) size) : NULL;
}

static guint64
read_number (const char *name, guint64 missing)
{
  g_autofree char *text = vpnd_sysctl_read (name);
  guint64 value;

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &value, NULL) ? value : missing;
}

static void
look_at_sysctls (VpndEvidence *evidence, const char *physical)
{
  g_autofree char *own = g_strconcat ("ipv4/conf/", *physical != '\0' ? physical : "all", "/rp_filter", NULL);

  /* The kernel takes the greater of both; 2 (loose) is greater and more lenient than 1 (ip-sysctl.rst). */
  evidence->rp_filter = (int) MAX (read_number ("ipv4/conf/all/rp_filter", 0), read_number (own, 0));
  evidence->src_valid_mark = (int) read_number ("ipv4/conf/all/src_valid_mark", 1);
  evidence->conntrack_count = read_number ("netfilter/nf_conntrack_count", 0);
  evidence->conntrack_max = read_number ("netfilter/nf_conntrack_max", 0);
}

static gboolean
is_read_only (int fd)
{
  struct statvfs status;

  return fd >= 0 && fstatvfs (fd, &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

/* Returns: how many are open; @limit when not even this look could have one */
static guint
count_descriptors (guint limit)
{
  DIR *directory = opendir ("/proc/self/fd");
  guint count = 0;

  if (directory == NULL)
    return errno == EMFILE ? limit : 0;
  for (const struct dirent *entry = readdir (directory); entry != NULL; entry = readdir (directory))
    count += entry->d_name[0] != '.';
  closedir (directory);
  return count - 1; /* without the one of this look */
}

static void
look_at_process (VpndEvidence *evidence, int runtime_dirfd)
{
  g_autofree char *status = read_proc ("/proc/self/status");
  const char *caps = status != NULL ? strstr (status, "\nCapEff:") : NULL;
  struct statvfs proc_sys_net; /* containers often have this part of /proc/sys for writing, and no other */
  struct rlimit limit;

  if (caps != NULL)
    evidence->has_capability = (g_ascii_strtoull (caps + strlen ("\nCapEff:"), NULL, 16) >> CAP_NET_ADMIN & 1) != 0;
  evidence->sysctl_is_read_only = statvfs ("/proc/sys/net", &proc_sys_net) == 0 && (proc_sys_net.f_flag & ST_RDONLY) != 0;
  evidence->runtime_is_read_only = is_read_only (runtime_dirfd);
  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < G_MAXUINT)
    evidence->fds_max = (guint) limit.rlim_cur;
  evidence->fds = count_descriptors (evidence->fds_max);
  evidence->pid = (guint) getpid ();
}

/* The latest time that the clock has shown when a file of ours was written. */
static gint64
newest_file_s (int dirfd)
{
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd >= 0 ? fdopendir (fd) : NULL;
  gint64 newest = 0;

  if (directory == NULL)
    {
      if (fd >= 0)
        close (fd);
      return 0;
    }
  for (const struct dirent *entry = readdir (directory); entry != NULL; entry = readdir (directory))
    {
      struct stat status;

      if (strcmp (entry->d_name, "..") != 0 && fstatat (fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        newest = MAX (newest, (gint64) status.st_mtim.tv_sec);
    }
  closedir (directory);
  return newest;
}

static void
look_at_state (VpndEvidence *evidence, int state_dirfd)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  gint64 shown_s = MAX (newest_file_s (state_dirfd), EARLIEST_S);
  struct statvfs status;

  evidence->clock_behind_s = MAX (shown_s - now_s, 0);
  if (fstatvfs (state_dirfd, &status) != 0)
    return;
  evidence->state_is_read_only = (status.f_flag & ST_RDONLY) != 0;
  if (status.f_blocks > 0)
    evidence->state_free_bytes = (guint64) status.f_bfree * status.f_frsize;
  if (status.f_files > 0)
    evidence->state_free_files = status.f_ffree;
}

static void
look_at_resolv_conf (VpndEvidence *evidence, const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int flags = 0;

  /* Without a descriptor left, or without the right, nothing is known of the file. */
  evidence->has_resolv_conf = fd >= 0 || (errno != ENOENT && errno != ENOTDIR && errno != ELOOP);
  if (fd < 0)
    return;
  evidence->resolv_conf_is_locked = is_read_only (fd) || (ioctl (fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL) != 0);
  close (fd);
}

/**
 * vpnd_host_look:
 * @evidence: what is filled in
 * @physical: name of the link to the network, "" for none
 * @state_dirfd: the state directory
 * @runtime_dirfd: the runtime directory
 * @resolv_conf_path: the file
 */
void
vpnd_host_look (VpndEvidence *evidence, const char *physical, int state_dirfd, int runtime_dirfd, const char *resolv_conf_path)
{
  g_autofree char *legacy4 = read_proc ("/proc/self/net/ip_tables_names");
  g_autofree char *legacy6 = read_proc ("/proc/self/net/ip6_tables_names");

  look_at_sysctls (evidence, physical);
  look_at_process (evidence, runtime_dirfd);
  look_at_state (evidence, state_dirfd);
  look_at_resolv_conf (evidence, resolv_conf_path);
  evidence->has_iptables_legacy = (legacy4 != NULL && *legacy4 != '\0') || (legacy6 != NULL && *legacy6 != '\0');
  evidence->has_wireguard_go = access (VPND_WIREGUARD_GO, X_OK) == 0;
  evidence->has_tun = access ("/dev/net/tun", R_OK | W_OK) == 0;
}
