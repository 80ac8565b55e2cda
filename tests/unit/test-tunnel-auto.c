/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * tunnel-auto between two scripted tunnels: which one is asked, in which order, and whose loss is heard.
 */
#include "config.h"

#include "error.h"
#include "tunnel-auto.h"

/* A tunnel that writes down what it was asked, and fails as told. */
#define SCRIPTED_TYPE (scripted_get_type ())
G_DECLARE_FINAL_TYPE (Scripted, scripted, TEST, SCRIPTED, GObject)

struct _Scripted
{
  GObject parent_instance;
  char name;
  GString *calls; /* (unowned): shared by both */
  int error_code; /* VpndError of the next calls, -1 for success */
};

static void scripted_iface_init (VpndTunnelInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (Scripted, scripted, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_TUNNEL, scripted_iface_init))

static void
answer (VpndTunnel *tunnel, char call, GAsyncReadyCallback callback, gpointer user_data)
{
  Scripted *self = TEST_SCRIPTED (tunnel);
  g_autoptr (GTask) task = g_task_new (tunnel, NULL, callback, user_data);

  g_string_append_printf (self->calls, "%c%c ", self->name, call);
  if (self->error_code >= 0)
    g_task_return_new_error (task, VPND_ERROR, self->error_code, "as told");
  else if (call != 'r')
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_pointer (task, g_array_new (FALSE, FALSE, sizeof (VpndPeerStats)), (GDestroyNotify) g_array_unref);
}

static void
scripted_create (VpndTunnel *tunnel, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_assert_cmpstr (ifname, ==, "vpnd0");
  answer (tunnel, 'c', callback, user_data);
}

static void
scripted_configure (VpndTunnel *tunnel, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  answer (tunnel, 's', callback, user_data);
}

static void
scripted_read_stats (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  answer (tunnel, 'r', callback, user_data);
}

static void
scripted_destroy (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_assert_cmpstr (ifname, ==, "vpnd0");
  answer (tunnel, 'd', callback, user_data);
}

static void
scripted_iface_init (VpndTunnelInterface *iface)
{
  iface->create_async = scripted_create;
  iface->configure_async = scripted_configure;
  iface->read_stats_async = scripted_read_stats;
  iface->destroy_async = scripted_destroy;
}

static void
scripted_class_init (ScriptedClass *klass)
{
}

static void
scripted_init (Scripted *self)
{
  self->error_code = -1;
}

typedef struct
{
  GString *calls;
  Scripted *kernel;
  Scripted *userspace;
  VpndTunnel *tunnel;
  GAsyncResult *result;
  GString *losses;
} Fixture;

static void
on_lost (VpndTunnel *tunnel, const char *reason, gpointer user_data)
{
  g_string_append (user_data, reason);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->calls = g_string_new (NULL);
  fixture->losses = g_string_new (NULL);
  fixture->kernel = g_object_new (SCRIPTED_TYPE, NULL);
  fixture->kernel->name = 'k';
  fixture->kernel->calls = fixture->calls;
  fixture->userspace = g_object_new (SCRIPTED_TYPE, NULL);
  fixture->userspace->name = 'u';
  fixture->userspace->calls = fixture->calls;
  fixture->tunnel = vpnd_tunnel_auto_new (VPND_TUNNEL (fixture->kernel), VPND_TUNNEL (fixture->userspace));
  g_signal_connect (fixture->tunnel, "lost", G_CALLBACK (on_lost), fixture->losses);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_assert_finalize_object (fixture->tunnel);
  g_assert_finalize_object (fixture->kernel);
  g_assert_finalize_object (fixture->userspace);
  g_string_free (fixture->calls, TRUE);
  g_string_free (fixture->losses, TRUE);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((Fixture *) user_data)->result = g_object_ref (result);
}

static GAsyncResult *
await (Fixture *fixture)
{
  while (fixture->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return g_steal_pointer (&fixture->result);
}

/* Each call first forgets what was asked before. */
static gboolean
create (Fixture *fixture, VpndBackend backend, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_string_truncate (fixture->calls, 0);
  vpnd_tunnel_create_async (fixture->tunnel, "vpnd0", backend, NULL, on_done, fixture);
  result = await (fixture);
  return vpnd_tunnel_create_finish (fixture->tunnel, result, error);
}

static gboolean
configure (Fixture *fixture, GError **error)
{
  static const guint8 bytes[VPND_KEY_BYTES];
  g_autoptr (VpndSecret) key = vpnd_secret_new (bytes);
  g_autoptr (VpndTunnelConfig) config = vpnd_tunnel_config_new (key, 0, 0);
  g_autoptr (GAsyncResult) result = NULL;

  g_string_truncate (fixture->calls, 0);
  vpnd_tunnel_configure_async (fixture->tunnel, "vpnd0", config, NULL, on_done, fixture);
  result = await (fixture);
  return vpnd_tunnel_configure_finish (fixture->tunnel, result, error);
}

static GArray *
read_stats (Fixture *fixture, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_string_truncate (fixture->calls, 0);
  vpnd_tunnel_read_stats_async (fixture->tunnel, "vpnd0", NULL, on_done, fixture);
  result = await (fixture);
  return vpnd_tunnel_read_stats_finish (fixture->tunnel, result, error);
}

static gboolean
destroy (Fixture *fixture, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_string_truncate (fixture->calls, 0);
  vpnd_tunnel_destroy_async (fixture->tunnel, "vpnd0", NULL, on_done, fixture);
  result = await (fixture);
  return vpnd_tunnel_destroy_finish (fixture->tunnel, result, error);
}

static void
assert_uses (Fixture *fixture, VpndBackend backend, char name)
{
  g_autofree char *configured = g_strdup_printf ("%cs ", name);
  g_autofree char *asked = g_strdup_printf ("%cr ", name);
  g_autofree char *destroyed = g_strdup_printf ("%cd ", name);
  g_autoptr (GArray) stats = NULL;

  g_assert_cmpint (vpnd_tunnel_get_active (fixture->tunnel), ==, backend);
  g_assert_true (configure (fixture, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, configured);
  stats = read_stats (fixture, NULL);
  g_assert_nonnull (stats);
  g_assert_cmpstr (fixture->calls->str, ==, asked);
  vpnd_tunnel_emit_lost (VPND_TUNNEL (fixture->kernel), "k");
  vpnd_tunnel_emit_lost (VPND_TUNNEL (fixture->userspace), "u");
  g_assert_cmpuint (fixture->losses->len, ==, 1);
  g_assert_cmpint (fixture->losses->str[0], ==, name);
  g_assert_true (destroy (fixture, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, destroyed);
  g_assert_cmpint (vpnd_tunnel_get_active (fixture->tunnel), ==, VPND_BACKEND_AUTO);
}

static void
test_auto_kernel (Fixture *fixture, gconstpointer data)
{
  g_assert_true (create (fixture, VPND_BACKEND_AUTO, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, "kc ");
  assert_uses (fixture, VPND_BACKEND_KERNEL, 'k');
}

static void
test_auto_userspace (Fixture *fixture, gconstpointer data)
{
  fixture->kernel->error_code = VPND_ERROR_KERNEL_FEATURE;
  g_assert_true (create (fixture, VPND_BACKEND_AUTO, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, "kc uc ");
  assert_uses (fixture, VPND_BACKEND_USERSPACE, 'u');
}

/* Only a missing feature sends it to the other one: any other failure would be the same there, or hide a fault. */
static void
test_auto_failure (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->kernel->error_code = VPND_ERROR_TUNNEL;
  g_assert_false (create (fixture, VPND_BACKEND_AUTO, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
  g_assert_cmpstr (fixture->calls->str, ==, "kc ");
  g_assert_cmpint (vpnd_tunnel_get_active (fixture->tunnel), ==, VPND_BACKEND_AUTO);
}

static void
test_forced (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (create (fixture, VPND_BACKEND_USERSPACE, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, "uc ");
  assert_uses (fixture, VPND_BACKEND_USERSPACE, 'u');
  g_assert_true (create (fixture, VPND_BACKEND_KERNEL, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, "kc ");
  fixture->kernel->error_code = VPND_ERROR_KERNEL_FEATURE;
  g_assert_false (create (fixture, VPND_BACKEND_KERNEL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE);
  g_assert_cmpstr (fixture->calls->str, ==, "kc ");
}

static void
test_fresh (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (configure (fixture, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
  g_clear_error (&error);
  g_assert_null (read_stats (fixture, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
  g_assert_cmpstr (fixture->calls->str, ==, "");
  g_assert_true (destroy (fixture, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, "kd ud ");
}

/* A device that could not be removed is still there, and the next attempt is made where it is. */
static void
test_destroy_failure (Fixture *fixture, gconstpointer data)
{
  g_assert_true (create (fixture, VPND_BACKEND_USERSPACE, NULL));
  fixture->userspace->error_code = VPND_ERROR_TUNNEL;
  g_assert_false (destroy (fixture, NULL));
  g_assert_cmpint (vpnd_tunnel_get_active (fixture->tunnel), ==, VPND_BACKEND_USERSPACE);
  fixture->userspace->error_code = -1;
  g_assert_true (destroy (fixture, NULL));
  g_assert_cmpstr (fixture->calls->str, ==, "ud ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
  ADD ("/tunnel-auto/auto/kernel", test_auto_kernel);
  ADD ("/tunnel-auto/auto/userspace", test_auto_userspace);
  ADD ("/tunnel-auto/auto/failure", test_auto_failure);
  ADD ("/tunnel-auto/forced", test_forced);
  ADD ("/tunnel-auto/fresh", test_fresh);
  ADD ("/tunnel-auto/destroy-failure", test_destroy_failure);
  return g_test_run ();
}
