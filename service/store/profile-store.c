/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The stored profiles: read once at the start, then the values in memory and the files change together, the file first.
 */
#include "config.h"

#include "profile-store.h"

#include "error.h"
#include "known-addresses.h"
#include "profile-conf.h"
#include "profile-file.h"
#include "rename-note.h"
#include "safe-file.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#define DIR_NAME "profiles"
#define SUFFIX ".conf"
#define WANTED_NAME "wanted.conf"
#define LAST_NAME "last-profile" /* one line: the name */

/**
 * VpndProfileStore:
 * @state_dirfd: where the name of the last one activated is
 * @runtime_dirfd: where the wanted profile is
 * @profiles_dirfd: where the stored ones are
 * @profiles: (owned) (element-type utf8 VpndProfile): by name
 * @broken: (owned) (element-type utf8): names of the files that were kept aside
 * @rename: what other files have to follow yet; without names for none
 * @is_interrupted: an earlier instance has begun it
 */
struct _VpndProfileStore
{
  GObject parent_instance;

  int state_dirfd;
  int runtime_dirfd;
  int profiles_dirfd;
  GHashTable *profiles;
  GPtrArray *broken;
  VpndRename rename;
  gboolean is_interrupted;
};

G_DEFINE_FINAL_TYPE (VpndProfileStore, vpnd_profile_store, G_TYPE_OBJECT)

static void
vpnd_profile_store_finalize (GObject *object)
{
  VpndProfileStore *self = VPND_PROFILE_STORE (object);

  if (self->state_dirfd >= 0)
    close (self->state_dirfd);
  if (self->runtime_dirfd >= 0)
    close (self->runtime_dirfd);
  if (self->profiles_dirfd >= 0)
    close (self->profiles_dirfd);
  g_hash_table_unref (self->profiles);
  g_ptr_array_unref (self->broken);
  g_free (self->rename.from);
  g_free (self->rename.to);
  G_OBJECT_CLASS (vpnd_profile_store_parent_class)->finalize (object);
}

static void
vpnd_profile_store_class_init (VpndProfileStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vpnd_profile_store_finalize;
}

static void
vpnd_profile_store_init (VpndProfileStore *self)
{
  self->state_dirfd = -1;
  self->runtime_dirfd = -1;
  self->profiles_dirfd = -1;
  self->profiles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vpnd_profile_unref);
  self->broken = g_ptr_array_new_with_free_func (g_free);
}

/* (owned) cleared text of a file of @dirfd as a profile. */
static VpndProfile *
read_profile (int dirfd, const char *file_name, const char *name, GError **error)
{
  gsize length;
  char *text = vpnd_safe_file_read (dirfd, file_name, VPND_PROFILE_CONF_MAX_BYTES, &length, error);
  VpndProfile *profile;

  if (text == NULL)
    return NULL;

  profile = vpnd_profile_file_parse (name, text, length, error);
  explicit_bzero (text, length);
  g_free (text);
  return profile;
}

static gboolean
write_profile (int dirfd, const char *file_name, const VpndProfile *profile, VpndSafeFileFlags flags, GError **error)
{
  char *text = vpnd_profile_file_print (profile, error);
  gboolean is_written;

  if (text == NULL)
    return FALSE;

  is_written = vpnd_safe_file_write (dirfd, file_name, text, strlen (text), flags, error);
  vpnd_clear_free_string (text);
  return is_written;
}

static void
set_aside (VpndProfileStore *self, int dirfd, const char *file_name)
{
  char *aside = vpnd_safe_file_set_aside (dirfd, file_name, NULL); /* where even that fails, it is reported under its own name */

  g_ptr_array_add (self->broken, aside != NULL ? aside : g_strdup (file_name));
}

static void
load_file (VpndProfileStore *self, const char *file_name)
{
  g_autofree char *name = NULL;
  g_autoptr (VpndProfile) profile = NULL;

  /* What a write left behind when it was cut off; it may hold keys. */
  if (file_name[0] == '.' && g_str_has_suffix (file_name, SUFFIX ".tmp"))
    {
      (void) vpnd_safe_file_remove (self->profiles_dirfd, file_name, VPND_SAFE_FILE_NONE, NULL); /* the next write tries again */
      return;
    }
  if (!g_str_has_suffix (file_name, SUFFIX))
    return;

  name = g_strndup (file_name, strlen (file_name) - strlen (SUFFIX));
  if (vpnd_profile_name_is_valid (name))
    profile = read_profile (self->profiles_dirfd, file_name, name, NULL);
  if (profile == NULL)
    set_aside (self, self->profiles_dirfd, file_name);
  else
    g_hash_table_insert (self->profiles, g_steal_pointer (&name), g_steal_pointer (&profile));
}

static gboolean
load_all (VpndProfileStore *self, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  int fd = vpnd_safe_file_dup_dir (self->profiles_dirfd, error);
  struct dirent *entry;
  DIR *dir;

  if (fd < 0)
    return FALSE;
  dir = fdopendir (fd);
  if (dir == NULL)
    {
      close (fd);
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot list the stored profiles");
      return FALSE;
    }

  /* First the names, then the files: renaming while reading a directory may show a name twice. */
  while ((entry = readdir (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (entry->d_name));
  closedir (dir);
  for (guint i = 0; i < names->len; i++)
    load_file (self, g_ptr_array_index (names, i));
  return TRUE;
}

/* A link, or a directory of someone else, in the place of ours is kept aside as a broken file is. */
static int
open_profiles (VpndProfileStore *self, GError **error)
{
  int fd = vpnd_safe_file_open_dir (self->state_dirfd, DIR_NAME, NULL);

  if (fd >= 0)
    return fd;
  set_aside (self, self->state_dirfd, DIR_NAME);
  return vpnd_safe_file_open_dir (self->state_dirfd, DIR_NAME, error);
}

/* The name of the last one activated, NULL for none. */
static char *
read_last (VpndProfileStore *self)
{
  gsize length;
  char *text = vpnd_safe_file_read (self->state_dirfd, LAST_NAME, VPND_PROFILE_NAME_MAX + 1, &length, NULL);

  return text != NULL ? g_strchomp (text) : NULL;
}

/* A convenience for auto-connect: a disk that is full must not keep anyone from connecting. */
static void
write_last (VpndProfileStore *self, const char *name)
{
  g_autofree char *before = read_last (self);
  g_autofree char *line = NULL;

  if (g_strcmp0 (before, name) == 0)
    return;
  line = g_strconcat (name, "\n", NULL);
  (void) vpnd_safe_file_write (self->state_dirfd, LAST_NAME, line, strlen (line), VPND_SAFE_FILE_DURABLE, NULL);
}

/* Which name the profile has says how far it went: its file is renamed first. Where both are there, or none, somebody else has been at it, and nothing is guessed. */
static void
find_interrupted_rename (VpndProfileStore *self)
{
  g_autofree char *name = NULL, *new_name = NULL, *last = NULL;
  gboolean has_old, has_new;

  if (!vpnd_rename_note_read (self->state_dirfd, &name, &new_name))
    return;
  has_old = g_hash_table_contains (self->profiles, name);
  has_new = g_hash_table_contains (self->profiles, new_name);
  if (has_old == has_new)
    {
      vpnd_rename_note_remove (self->state_dirfd);
      return;
    }
  self->is_interrupted = TRUE;
  self->rename.is_back = has_old;
  self->rename.from = has_new ? g_steal_pointer (&name) : g_steal_pointer (&new_name);
  self->rename.to = has_new ? g_steal_pointer (&new_name) : g_steal_pointer (&name);
  last = read_last (self);
  if (g_strcmp0 (last, self->rename.from) == 0)
    write_last (self, self->rename.to);
}

/**
 * vpnd_profile_store_new:
 * @state_dirfd: the state directory; duplicated
 * @runtime_dirfd: the runtime directory; duplicated
 * @error: return location for an error
 *
 * Reads all stored profiles. Files that cannot be used are kept aside, see vpnd_profile_store_get_broken ().
 *
 * Returns: (transfer full) (nullable): the store; NULL with VPND_ERROR_STORAGE
 */
VpndProfileStore *
vpnd_profile_store_new (int state_dirfd, int runtime_dirfd, GError **error)
{
  g_autoptr (VpndProfileStore) self = g_object_new (VPND_TYPE_PROFILE_STORE, NULL);

  self->state_dirfd = vpnd_safe_file_dup_dir (state_dirfd, error);
  if (self->state_dirfd < 0)
    return NULL;
  self->runtime_dirfd = vpnd_safe_file_dup_dir (runtime_dirfd, error);
  if (self->runtime_dirfd < 0)
    return NULL;
  self->profiles_dirfd = open_profiles (self, error);
  if (self->profiles_dirfd < 0 || !load_all (self, error))
    return NULL;
  find_interrupted_rename (self);
  return g_steal_pointer (&self);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  const VpndProfile *const *x = a;
  const VpndProfile *const *y = b;

  return strcmp ((*x)->name, (*y)->name);
}

/**
 * vpnd_profile_store_list:
 * @self: the store
 *
 * Returns: (transfer full) (element-type VpndProfile): all profiles, sorted by name
 */
GPtrArray *
vpnd_profile_store_list (VpndProfileStore *self)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_profile_unref);
  GHashTableIter iter;
  gpointer profile;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self), NULL);

  g_hash_table_iter_init (&iter, self->profiles);
  while (g_hash_table_iter_next (&iter, NULL, &profile))
    g_ptr_array_add (list, vpnd_profile_ref (profile));
  g_ptr_array_sort (list, compare_names);
  return list;
}

static gboolean
check_name (const char *name, GError **error)
{
  if (vpnd_profile_name_is_valid (name))
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "name: must be 1 to %d of letters, digits, '.', '_', '-', not starting with '.' or '-'", VPND_PROFILE_NAME_MAX);
  return FALSE;
}

static VpndProfile *
peek (VpndProfileStore *self, const char *name, GError **error)
{
  VpndProfile *profile;

  if (!check_name (name, error))
    return NULL;

  profile = g_hash_table_lookup (self->profiles, name);
  if (profile == NULL)
    g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "there is no profile \"%s\"", name);
  return profile;
}

/**
 * vpnd_profile_store_lookup:
 * @self: the store
 * @name: name of a profile
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the profile; NULL with VPND_ERROR_NOT_FOUND or VPND_ERROR_INVALID_ARGUMENT
 */
VpndProfile *
vpnd_profile_store_lookup (VpndProfileStore *self, const char *name, GError **error)
{
  VpndProfile *profile;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self) && name != NULL, NULL);

  profile = peek (self, name, error);
  return profile != NULL ? vpnd_profile_ref (profile) : NULL;
}

/**
 * vpnd_profile_store_save:
 * @self: the store
 * @profile: a profile with a name
 * @replace: TRUE to replace one of that name
 * @error: return location for an error
 *
 * Stores a profile; it is on the disk when the call returns.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_INVALID_ARGUMENT, VPND_ERROR_EXISTS, VPND_ERROR_LIMITS_EXCEEDED,
 *   VPND_ERROR_TOO_LARGE or VPND_ERROR_STORAGE, and nothing has changed
 */
gboolean
vpnd_profile_store_save (VpndProfileStore *self, VpndProfile *profile, gboolean replace, GError **error)
{
  g_autofree char *file_name = NULL;
  gboolean is_new;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self) && profile != NULL, FALSE);

  if (!check_name (profile->name, error) || !vpnd_profile_validate (profile, error))
    return FALSE;
  is_new = !g_hash_table_contains (self->profiles, profile->name);
  if (!is_new && !replace)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_EXISTS, "there is a profile \"%s\" already", profile->name);
      return FALSE;
    }
  if (is_new && g_hash_table_size (self->profiles) >= VPND_PROFILES_MAX)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "there are %d profiles already; remove one", VPND_PROFILES_MAX);
      return FALSE;
    }

  file_name = g_strconcat (profile->name, SUFFIX, NULL);
  if (!write_profile (self->profiles_dirfd, file_name, profile, VPND_SAFE_FILE_DURABLE, error))
    return FALSE;
  g_hash_table_replace (self->profiles, g_strdup (profile->name), vpnd_profile_ref (profile));
  return TRUE;
}

/**
 * vpnd_profile_store_remove:
 * @self: the store
 * @name: name of a profile
 * @error: return location for an error
 *
 * Returns: TRUE when it is gone; else FALSE with VPND_ERROR_NOT_FOUND, VPND_ERROR_INVALID_ARGUMENT or VPND_ERROR_STORAGE
 */
gboolean
vpnd_profile_store_remove (VpndProfileStore *self, const char *name, GError **error)
{
  g_autofree char *file_name = NULL;
  g_autoptr (GError) local_error = NULL;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self) && name != NULL, FALSE);

  if (peek (self, name, error) == NULL)
    return FALSE;
  file_name = g_strconcat (name, SUFFIX, NULL);
  if (!vpnd_safe_file_remove (self->profiles_dirfd, file_name, VPND_SAFE_FILE_DURABLE, &local_error) &&
      !g_error_matches (local_error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  g_hash_table_remove (self->profiles, name);
  return TRUE;
}

static gboolean
move_profile (VpndProfileStore *self, const char *name, const char *new_name, GError **error)
{
  g_autofree char *file_name = g_strconcat (name, SUFFIX, NULL);
  g_autofree char *new_file_name = g_strconcat (new_name, SUFFIX, NULL);
  g_autofree char *last = NULL;

  if (!vpnd_safe_file_rename (self->profiles_dirfd, file_name, new_file_name, VPND_SAFE_FILE_DURABLE, error))
    return FALSE;
  last = read_last (self);
  if (g_strcmp0 (last, name) == 0)
    write_last (self, new_name);
  g_hash_table_replace (self->profiles, g_strdup (new_name), vpnd_profile_dup_named (g_hash_table_lookup (self->profiles, name), new_name));
  g_hash_table_remove (self->profiles, name);
  return TRUE;
}

/**
 * vpnd_profile_store_rename:
 * @self: the store
 * @name: name of a profile
 * @new_name: its new name
 * @error: return location for an error
 *
 * A note of it stays until vpnd_profile_store_end_rename (): what else names the profile has to follow first.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_NOT_FOUND, VPND_ERROR_EXISTS, VPND_ERROR_INVALID_ARGUMENT, VPND_ERROR_STORAGE, or
 *   VPND_ERROR_LIMITS_EXCEEDED while another one has not ended
 */
gboolean
vpnd_profile_store_rename (VpndProfileStore *self, const char *name, const char *new_name, GError **error)
{
  VpndProfile *profile;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self) && name != NULL && new_name != NULL, FALSE);

  profile = peek (self, name, error);
  if (profile == NULL || !check_name (new_name, error))
    return FALSE;
  if (g_hash_table_contains (self->profiles, new_name))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_EXISTS, "there is a profile \"%s\" already", new_name);
      return FALSE;
    }
  if (self->rename.from != NULL)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "the profile \"%s\" is being renamed: try again when that is done", self->rename.from);
      return FALSE;
    }
  if (!vpnd_rename_note_write (self->state_dirfd, name, new_name, error))
    return FALSE;
  if (!move_profile (self, name, new_name, error))
    {
      vpnd_rename_note_remove (self->state_dirfd);
      return FALSE;
    }
  self->rename = (VpndRename){ g_strdup (name), g_strdup (new_name), FALSE };
  return TRUE;
}

/**
 * vpnd_profile_store_rename_back:
 * @self: the store, after vpnd_profile_store_rename()
 *
 * Something cannot follow, so the profile has its old name again; what has followed has to come back.
 *
 * Returns: FALSE when even that cannot be written: then the next start finishes what was begun
 */
gboolean
vpnd_profile_store_rename_back (VpndProfileStore *self)
{
  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self) && self->rename.from != NULL, FALSE);

  return move_profile (self, self->rename.to, self->rename.from, NULL);
}

/**
 * vpnd_profile_store_end_rename:
 * @self: the store
 *
 * All that names the profile has followed, or come back. Without a rename it does nothing.
 */
void
vpnd_profile_store_end_rename (VpndProfileStore *self)
{
  g_return_if_fail (VPND_IS_PROFILE_STORE (self));

  if (self->rename.from == NULL)
    return;
  vpnd_rename_note_remove (self->state_dirfd);
  g_clear_pointer (&self->rename.from, g_free);
  g_clear_pointer (&self->rename.to, g_free);
  self->is_interrupted = FALSE;
}

/**
 * vpnd_profile_store_get_interrupted_rename:
 * @self: the store
 *
 * Returns: (transfer none) (nullable): a rename that was under way when an earlier instance ended: what named the profile by one name has to name it by the
 *   other; then vpnd_profile_store_end_rename(). NULL for none
 */
const VpndRename *
vpnd_profile_store_get_interrupted_rename (VpndProfileStore *self)
{
  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self), NULL);

  return self->is_interrupted ? &self->rename : NULL;
}

/**
 * vpnd_profile_store_get_broken:
 * @self: the store
 *
 * Returns: (transfer none) (element-type utf8): names of the files that could not be used and were kept aside since the start
 */
GPtrArray *
vpnd_profile_store_get_broken (VpndProfileStore *self)
{
  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self), NULL);

  return self->broken;
}

/**
 * vpnd_profile_store_set_wanted:
 * @self: the store
 * @profile: (nullable): the profile that is wanted now, NULL for none
 * @error: return location for an error
 *
 * Remembers the wanted profile across a crash, not across a boot; the name that it has as the last one activated; and the addresses of
 * the host names in it, see vpnd_profile_store_complete ().
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_STORAGE or VPND_ERROR_TOO_LARGE
 */
gboolean
vpnd_profile_store_set_wanted (VpndProfileStore *self, VpndProfile *profile, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self), FALSE);

  if (profile != NULL)
    {
      if (!write_profile (self->runtime_dirfd, WANTED_NAME, profile, VPND_SAFE_FILE_NONE, error))
        return FALSE;
      if (profile->name[0] != '\0')
        write_last (self, profile->name);
      vpnd_known_addresses_remember (self->state_dirfd, profile);
      return TRUE;
    }

  if (vpnd_safe_file_remove (self->runtime_dirfd, WANTED_NAME, VPND_SAFE_FILE_NONE, &local_error) ||
      g_error_matches (local_error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

/**
 * vpnd_profile_store_get_wanted:
 * @self: the store
 *
 * Reads the wanted profile; a file that cannot be used is kept aside and counts as none.
 *
 * Returns: (transfer full) (nullable): the profile, NULL for none
 */
VpndProfile *
vpnd_profile_store_get_wanted (VpndProfileStore *self)
{
  g_autoptr (GError) error = NULL;
  VpndProfile *profile;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self), NULL);

  profile = read_profile (self->runtime_dirfd, WANTED_NAME, NULL, &error);
  if (profile == NULL && !g_error_matches (error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
    set_aside (self, self->runtime_dirfd, WANTED_NAME);
  return profile;
}

/**
 * vpnd_profile_store_get_last:
 * @self: the store
 *
 * Returns: (transfer full) (nullable): the stored profile that was activated last; NULL when there is none, or it is gone
 */
VpndProfile *
vpnd_profile_store_get_last (VpndProfileStore *self)
{
  g_autofree char *name = NULL;
  VpndProfile *profile;

  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self), NULL);

  name = read_last (self);
  profile = name != NULL ? g_hash_table_lookup (self->profiles, name) : NULL;
  return profile != NULL ? vpnd_profile_ref (profile) : NULL;
}

/**
 * vpnd_profile_store_complete:
 * @self: the store
 * @profile: a profile with endpoints that are given by name
 *
 * Returns: (transfer full) (nullable): the profile with the addresses that those names had when they were last used; NULL when one of them
 *   has never been
 */
VpndProfile *
vpnd_profile_store_complete (VpndProfileStore *self, const VpndProfile *profile)
{
  g_return_val_if_fail (VPND_IS_PROFILE_STORE (self) && profile != NULL, NULL);

  return vpnd_known_addresses_complete (self->state_dirfd, profile);
}
