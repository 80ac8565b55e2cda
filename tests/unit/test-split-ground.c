/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which cgroup file system carries the classes, on the hosts that there are.
 */
#include "config.h"

#include "split-ground.h"

#define ROOT "25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
#define UNIFIED "31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n"
#define TMPFS "31 25 0:27 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,mode=755\n"
#define HYBRID "32 31 0:28 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"
#define NET_CLS "33 31 0:29 / /sys/fs/cgroup/net_cls,net_prio rw shared:11 - cgroup cgroup rw,net_cls,net_prio\n"
#define MEMORY "34 31 0:30 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n"
#define BLANK "35 31 0:31 / /mnt/my\\040groups rw - cgroup2 none rw\n"
#define PART "36 31 0:27 /system.slice /mnt/part rw - cgroup2 none rw\n" /* a bind mount */
#define OUTER "37 31 0:27 /.. /mnt/outer rw - cgroup2 none rw\n"         /* above our own cgroup namespace: cgroup_namespaces(7) */
#define COVERED "40 31 0:40 / /sys/fs/cgroup rw - tmpfs none rw\n"

static void
test_find (void)
{
  static const struct
  {
    const char *mountinfo;
    const char *wanted;
    VpndSplitGround ground;
    const char *path;
  } cases[] = {
    { ROOT UNIFIED, NULL, VPND_SPLIT_GROUND_CGROUP2, "/sys/fs/cgroup" },
    { ROOT TMPFS HYBRID NET_CLS MEMORY, NULL, VPND_SPLIT_GROUND_CGROUP2, "/sys/fs/cgroup/unified" },
    { ROOT TMPFS NET_CLS MEMORY HYBRID, NULL, VPND_SPLIT_GROUND_CGROUP2, "/sys/fs/cgroup/unified" },
    { ROOT TMPFS NET_CLS MEMORY, NULL, VPND_SPLIT_GROUND_NET_CLS, "/sys/fs/cgroup/net_cls,net_prio" },
    { ROOT TMPFS MEMORY, NULL, VPND_SPLIT_GROUND_NONE, NULL },
    { ROOT UNIFIED BLANK, NULL, VPND_SPLIT_GROUND_CGROUP2, "/sys/fs/cgroup" },
    { ROOT UNIFIED BLANK, "/mnt/my groups", VPND_SPLIT_GROUND_CGROUP2, "/mnt/my groups" },
    { ROOT UNIFIED BLANK, "/mnt/none", VPND_SPLIT_GROUND_NONE, NULL },
    { ROOT UNIFIED PART, "/mnt/part", VPND_SPLIT_GROUND_NONE, NULL },
    { ROOT PART OUTER UNIFIED, NULL, VPND_SPLIT_GROUND_CGROUP2, "/sys/fs/cgroup" },
    { ROOT PART OUTER NET_CLS, NULL, VPND_SPLIT_GROUND_NET_CLS, "/sys/fs/cgroup/net_cls,net_prio" },
    { ROOT UNIFIED COVERED, NULL, VPND_SPLIT_GROUND_NONE, NULL },
    { ROOT UNIFIED COVERED NET_CLS, NULL, VPND_SPLIT_GROUND_NET_CLS, "/sys/fs/cgroup/net_cls,net_prio" },
    { "", NULL, VPND_SPLIT_GROUND_NONE, NULL },
    { "garbage\n\n36 35 - - - - - - - -\n1 2 3 4 5 6 7 8 9 -", NULL, VPND_SPLIT_GROUND_NONE, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = NULL;

      g_assert_cmpint (vpnd_split_ground_find (cases[i].mountinfo, cases[i].wanted, &path), ==, cases[i].ground);
      g_assert_cmpstr (path, ==, cases[i].path);
    }
}

static void
test_level (void)
{
  g_assert_cmpuint (vpnd_split_ground_level ("/sys/fs/cgroup", "/sys/fs/cgroup/vpnd-excluded"), ==, 1);
  g_assert_cmpuint (vpnd_split_ground_level ("/sys/fs/cgroup", "/sys/fs/cgroup/system.slice//x/"), ==, 2);
  g_assert_cmpuint (vpnd_split_ground_level ("/sys/fs/cgroup", "/sys/fs/cgroup"), ==, 0);
  g_assert_cmpuint (vpnd_split_ground_level ("/sys/fs/cgroup", "/tmp/x"), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/split-ground/find", test_find);
  g_test_add_func ("/split-ground/level", test_level);
  return g_test_run ();
}
