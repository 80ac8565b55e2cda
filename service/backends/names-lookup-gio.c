/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndNamesLookup by GResolver, which calls getaddrinfo () in a thread of GIO's own pool.
 */
#include "config.h"

#include "names-lookup-gio.h"

#include "error.h"

struct _VpndNamesLookupGio
{
  GObject parent_instance;
};

static void vpnd_names_lookup_gio_iface_init (VpndNamesLookupInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndNamesLookupGio, vpnd_names_lookup_gio, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_NAMES_LOOKUP, vpnd_names_lookup_gio_iface_init))

static gboolean
contains_addr (const GArray *addrs, const VpndAddr *addr)
{
  for (guint i = 0; i < addrs->len; i++)
    {
      if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), addr))
        return TRUE;
    }
  return FALSE;
}

/* An endpoint is one host: what can never be one (0.0.0.0 of a blocking resolver, multicast) is no answer. */
static GArray *
usable_addrs (GList *answers)
{
  GArray *addrs = g_array_new (FALSE, TRUE, sizeof (VpndAddr));

  for (GList *l = answers; l != NULL; l = l->next)
    {
      GInetAddress *answer = l->data;
      int family = g_inet_address_get_family (answer) == G_SOCKET_FAMILY_IPV4 ? AF_INET : AF_INET6;
      VpndAddr addr = vpnd_addr_from_bytes (family, g_inet_address_to_bytes (answer));

      if (vpnd_addr_is_unicast (&addr) && !contains_addr (addrs, &addr))
        g_array_append_val (addrs, addr);
    }
  return addrs;
}

static void
on_looked_up (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  GList *answers = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &error);
  g_autoptr (GArray) addrs = usable_addrs (answers);
  const char *host = g_task_get_task_data (task);

  g_resolver_free_addresses (answers);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_task_return_error (task, g_steal_pointer (&error));
  else if (error != NULL)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE, "endpoint %s: %s", host, error->message);
  else if (addrs->len == 0)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE, "endpoint %s: the answer holds no address of a host", host);
  else
    g_task_return_pointer (task, g_steal_pointer (&addrs), (GDestroyNotify) g_array_unref);
}

static void
vpnd_names_lookup_gio_lookup_async (VpndNamesLookup *lookup, const char *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (lookup, cancellable, callback, user_data);
  g_autoptr (GResolver) resolver = g_resolver_get_default ();

  g_task_set_source_tag (task, vpnd_names_lookup_gio_lookup_async);
  g_task_set_task_data (task, g_strdup (host), g_free);
  g_resolver_lookup_by_name_async (resolver, host, cancellable, on_looked_up, g_steal_pointer (&task));
}

static void
vpnd_names_lookup_gio_class_init (VpndNamesLookupGioClass *klass)
{
}

static void
vpnd_names_lookup_gio_init (VpndNamesLookupGio *self)
{
}

static void
vpnd_names_lookup_gio_iface_init (VpndNamesLookupInterface *iface)
{
  iface->lookup_async = vpnd_names_lookup_gio_lookup_async;
}

/**
 * vpnd_names_lookup_gio_new:
 *
 * Returns: (transfer full): a lookup by the default GResolver
 */
VpndNamesLookup *
vpnd_names_lookup_gio_new (void)
{
  return g_object_new (VPND_TYPE_NAMES_LOOKUP_GIO, NULL);
}
