/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lookups of engine/resolve.h, one peer after the other.
 */
#include "config.h"

#include "resolve.h"

#include "error.h"

static gboolean
peer_needs_lookup (const VpndPeer *peer)
{
  return peer->host != NULL && peer->endpoints->len == 0;
}

/**
 * vpnd_resolve_profile_is_needed:
 * @profile: a profile
 *
 * Returns: TRUE when a peer of it is known by name only; with a bridge the name is the proxy's business
 */
gboolean
vpnd_resolve_profile_is_needed (const VpndProfile *profile)
{
  if (vpnd_bridge_is_set (&profile->bridge))
    return FALSE;
  for (guint i = 0; i < profile->peers->len; i++)
    if (peer_needs_lookup (g_ptr_array_index (profile->peers, i)))
      return TRUE;
  return FALSE;
}

/* The first address of each family, IPv4 first, as VpndPeer has them. */
static void
adopt_addresses (VpndPeer *peer, const GArray *addresses)
{
  static const int families[] = { AF_INET, AF_INET6 };

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    for (guint j = 0; j < addresses->len; j++)
      {
        const VpndAddr *addr = &g_array_index (addresses, VpndAddr, j);

        if (addr->family == families[i])
          {
            VpndEndpoint endpoint = { *addr, peer->port };

            g_array_append_val (peer->endpoints, endpoint);
            break;
          }
      }
}

static VpndPeer *
next_peer (VpndProfile *profile)
{
  for (guint i = 0; i < profile->peers->len; i++)
    {
      VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      if (peer_needs_lookup (peer))
        return peer;
    }
  return NULL;
}

static void on_addresses (GObject *source, GAsyncResult *result, gpointer user_data);

static void
look_up_next (VpndNamesLookup *names, GTask *task)
{
  VpndProfile *copy = g_task_get_task_data (task);
  VpndPeer *peer = next_peer (copy);

  if (peer == NULL)
    g_task_return_pointer (task, vpnd_profile_ref (copy), (GDestroyNotify) vpnd_profile_unref);
  else
    vpnd_names_lookup_lookup_async (names, peer->host, g_task_get_cancellable (task), on_addresses, g_object_ref (task));
}

static void
on_addresses (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) addresses = vpnd_names_lookup_lookup_finish (VPND_NAMES_LOOKUP (source), result, &error);
  VpndPeer *peer = next_peer (g_task_get_task_data (task));

  if (addresses == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  adopt_addresses (peer, addresses);
  if (peer->endpoints->len == 0)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE, "Endpoint: the host name has no usable address");
  else
    look_up_next (VPND_NAMES_LOOKUP (source), task);
}

/**
 * vpnd_resolve_profile_async:
 * @names: whom to ask
 * @profile: a profile
 * @cancellable: (nullable): cancels the lookups
 * @callback: called with the result
 * @user_data: passed to @callback
 */
void
vpnd_resolve_profile_async (VpndNamesLookup *names, VpndProfile *profile, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (names, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_resolve_profile_async);
  if (!vpnd_resolve_profile_is_needed (profile))
    {
      g_task_return_pointer (task, vpnd_profile_ref (profile), (GDestroyNotify) vpnd_profile_unref);
      return;
    }
  g_task_set_task_data (task, vpnd_profile_dup_named (profile, profile->name), (GDestroyNotify) vpnd_profile_unref);
  look_up_next (names, task);
}

/**
 * vpnd_resolve_profile_finish:
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_ENDPOINT_UNRESOLVABLE
 *
 * Returns: (transfer full) (nullable): the profile with an address for every endpoint; the very same one when it had them
 */
VpndProfile *
vpnd_resolve_profile_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
