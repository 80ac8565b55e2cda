/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-ground.h.
 */
#include "config.h"

#include "split-ground.h"

#include <string.h>

/* proc(5), /proc/PID/mountinfo: 36 35 98:0 /root /mount/point options [optional ...] - type source super-options */
#define FIELD_ROOT 3
#define FIELD_MOUNT_POINT 4
#define FIELDS_MIN 10

typedef struct
{
  char *root;        /* (owned): which folder of the file system stands there */
  char *mount_point; /* (owned) */
  char *type;        /* (owned) */
  char *options;     /* (owned): of the super block */
} Mount;

static void
mount_clear (Mount *mount)
{
  g_free (mount->root);
  g_free (mount->mount_point);
  g_free (mount->type);
  g_free (mount->options);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Mount, mount_clear)

static gboolean
parse_line (const char *line, Mount *out_mount)
{
  g_auto (GStrv) fields = g_strsplit (line, " ", -1);
  const guint n = g_strv_length (fields);
  guint dash = FIELD_MOUNT_POINT + 2;

  if (n < FIELDS_MIN)
    return FALSE;
  while (dash < n && strcmp (fields[dash], "-") != 0)
    dash++;
  if (dash + 3 >= n)
    return FALSE;
  out_mount->root = g_strdup (fields[FIELD_ROOT]);
  out_mount->mount_point = g_strcompress (fields[FIELD_MOUNT_POINT]); /* blanks and the like are written as \040 */
  out_mount->type = g_strdup (fields[dash + 1]);
  out_mount->options = g_strdup (fields[dash + 3]);
  return TRUE;
}

static gboolean
has_option (const char *options, const char *option)
{
  g_auto (GStrv) list = g_strsplit (options, ",", -1);

  return g_strv_contains ((const char *const *) list, option);
}

/* In a part of a hierarchy, as a bind mount shows it, cgroups neither stand as deep as they seem to nor are called as in /proc/PID/cgroup: rules would hold in vain. */
static VpndSplitGround
judge (const Mount *mount)
{
  if (strcmp (mount->root, "/") != 0)
    return VPND_SPLIT_GROUND_NONE;
  if (strcmp (mount->type, "cgroup2") == 0)
    return VPND_SPLIT_GROUND_CGROUP2;
  if (strcmp (mount->type, "cgroup") == 0 && has_option (mount->options, "net_cls"))
    return VPND_SPLIT_GROUND_NET_CLS;
  return VPND_SPLIT_GROUND_NONE;
}

/**
 * vpnd_split_ground_find:
 * @mountinfo: text of /proc/self/mountinfo
 * @wanted_path: (nullable): only a mount at this path counts
 * @out_path: (out) (transfer full) (nullable): where it is mounted; NULL when there is none
 *
 * Later lines cover earlier ones at the same place, so the last mount at a path is the one that is seen; of several places the first is taken,
 * which is the one that the system made for itself. A mount of a part of the hierarchy does not count.
 *
 * Returns: what was found; cgroup2 goes before net_cls, whose numbers any program of root may write into any cgroup
 */
VpndSplitGround
vpnd_split_ground_find (const char *mountinfo, const char *wanted_path, char **out_path)
{
  g_auto (GStrv) lines = g_strsplit (mountinfo, "\n", -1);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) order = g_ptr_array_new ();

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (Mount) mount = { NULL };
      char *path;

      if (!parse_line (lines[i], &mount) || (wanted_path != NULL && strcmp (wanted_path, mount.mount_point) != 0))
        continue;
      path = g_steal_pointer (&mount.mount_point);
      if (!g_hash_table_contains (seen, path))
        g_ptr_array_add (order, path);
      g_hash_table_insert (seen, path, GINT_TO_POINTER (judge (&mount))); /* a key that is there already stays, and ours is freed */
    }
  for (VpndSplitGround ground = VPND_SPLIT_GROUND_CGROUP2; ground <= VPND_SPLIT_GROUND_NET_CLS; ground++)
    for (guint i = 0; i < order->len; i++)
      if (GPOINTER_TO_INT (g_hash_table_lookup (seen, g_ptr_array_index (order, i))) == (gint) ground)
        {
          *out_path = g_strdup (g_ptr_array_index (order, i));
          return ground;
        }
  *out_path = NULL;
  return VPND_SPLIT_GROUND_NONE;
}

/**
 * vpnd_split_ground_level:
 * @mount_path: where cgroup2 is mounted
 * @cgroup_path: a cgroup in it, as a path of the file system
 *
 * Returns: how deep it stands, as `socket cgroupv2 level` of nft(8) counts: 1 right below the root, 0 for the root and for what is elsewhere
 */
guint
vpnd_split_ground_level (const char *mount_path, const char *cgroup_path)
{
  const gsize length = strlen (mount_path);
  guint level = 0;

  if (strncmp (mount_path, cgroup_path, length) != 0)
    return 0;
  for (const char *place = cgroup_path + length; *place != '\0'; place++)
    if (place[0] == '/' && place[1] != '/' && place[1] != '\0')
      level++;
  return level;
}
