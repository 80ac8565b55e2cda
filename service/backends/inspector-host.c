/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The inspector of inspector-host.h. Everything is asked at the same time; the answer is complete when the last question is answered or
 * its second is over.
 */
#include "config.h"

#include "inspector-host.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>

#include "genl.h"
#include "host-look.h"
#include "nft-foreign-decode.h"
#include "nl-socket.h"
#include "route-reader.h"

#define QUESTION_TIMEOUT_MS 1000 /* any call to another daemon (docs/security.md, "Timings"); the kernel answers at once */
#define WIREGUARD_FAMILY "wireguard"

struct _VpndInspectorHost
{
  GObject parent_instance;

  GDBusConnection *connection; /* (owned) (nullable) */
  int state_dirfd;
  int runtime_dirfd;
  char *resolv_conf_path; /* (owned) */
};

static void vpnd_inspector_host_iface_init (VpndInspectorInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndInspectorHost, vpnd_inspector_host, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_INSPECTOR, vpnd_inspector_host_iface_init))

/**
 * Inspection:
 * @evidence: (owned)
 * @nft: (element-type GBytes) (owned): answers of both dumps
 * @names: (owned): who is on the bus, or can be started by it
 * @pending: questions without an answer
 */
typedef struct
{
  VpndEvidence *evidence;
  GPtrArray *nft;
  GStrvBuilder *names;
  guint pending;
} Inspection;

static void
inspection_free (Inspection *inspection)
{
  vpnd_evidence_free (inspection->evidence);
  g_ptr_array_unref (inspection->nft);
  g_strv_builder_unref (inspection->names);
  g_free (inspection);
}

/* Each question holds a reference to the task; so does whoever asks, until all are asked. */
static GTask *
begin_question (GTask *task)
{
  ((Inspection *) g_task_get_task_data (task))->pending++;
  return g_object_ref (task);
}

static void
end_question (GTask *task)
{
  Inspection *inspection = g_task_get_task_data (task);

  if (--inspection->pending == 0)
    {
      g_array_unref (inspection->evidence->tables);
      inspection->evidence->tables = vpnd_nft_decode_foreign (inspection->nft);
      g_task_return_pointer (task, g_steal_pointer (&inspection->evidence), (GDestroyNotify) vpnd_evidence_free);
    }
  g_object_unref (task);
}

/* --- the kernel --- */

static void
on_surveyed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Inspection *inspection = g_task_get_task_data (task);

  inspection->evidence->survey = vpnd_route_read_finish (result, NULL); /* NULL: nobody is accused */
  end_question (task);
}

static void
ask_routes (GTask *task, const char *ifname)
{
  g_autoptr (VpndNlSocket) socket = vpnd_nl_socket_new (NETLINK_ROUTE, NULL);

  if (socket != NULL)
    vpnd_route_read_async (g_task_get_source_object (task), socket, ifname, g_task_get_cancellable (task), on_surveyed, begin_question (task));
}

static void
on_nft_dumped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Inspection *inspection = g_task_get_task_data (task);
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, NULL);

  for (guint i = 0; reply != NULL && i < reply->messages->len; i++)
    g_ptr_array_add (inspection->nft, g_bytes_ref (g_ptr_array_index (reply->messages, i)));
  end_question (task);
}

static void
ask_nft (GTask *task)
{
  g_autoptr (VpndNlSocket) socket = vpnd_nl_socket_new (NETLINK_NETFILTER, NULL);
  g_autoptr (GBytes) chains = NULL;
  g_autoptr (GBytes) rules = NULL;

  if (socket == NULL)
    return;
  chains = vpnd_nft_encode_dump_all_chains (vpnd_nl_socket_next_seq (socket, 1));
  rules = vpnd_nft_encode_dump_all_rules (vpnd_nl_socket_next_seq (socket, 1));
  vpnd_nl_socket_transact_async (socket, chains, QUESTION_TIMEOUT_MS, g_task_get_cancellable (task), on_nft_dumped, begin_question (task));
  vpnd_nl_socket_transact_async (socket, rules, QUESTION_TIMEOUT_MS, g_task_get_cancellable (task), on_nft_dumped, begin_question (task));
}

static void
on_family (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Inspection *inspection = g_task_get_task_data (task);
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, NULL);

  if (reply != NULL && !reply->overrun)
    inspection->evidence->has_kernel_wireguard = vpnd_genl_decode_family (reply->messages, WIREGUARD_FAMILY) != 0;
  end_question (task);
}

static void
ask_wireguard (GTask *task)
{
  g_autoptr (VpndNlSocket) socket = vpnd_nl_socket_new (NETLINK_GENERIC, NULL);
  g_autoptr (GBytes) request = NULL;

  if (socket == NULL)
    return;
  request = vpnd_genl_encode_get_family (WIREGUARD_FAMILY, vpnd_nl_socket_next_seq (socket, 1));
  vpnd_nl_socket_transact_async (socket, request, QUESTION_TIMEOUT_MS, g_task_get_cancellable (task), on_family, begin_question (task));
}

/* --- the bus --- */

/* A question to a service that is on the bus: one property, which a service whose loop hangs cannot answer. */
typedef struct
{
  const char *name;
  const char *path;
  const char *interface;
  const char *property;
  gsize presence; /* offset of a VpndServicePresence in VpndEvidence; 0 for none */
  gsize value;    /* offset of a guint in VpndEvidence; 0 for none */
} Service;

static const Service services[] = {
  { "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", "BackendName", G_STRUCT_OFFSET (VpndEvidence, polkit), 0 },
  { "org.freedesktop.resolve1", "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager", "LLMNR", G_STRUCT_OFFSET (VpndEvidence, resolved), 0 },
  { "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1", "org.fedoraproject.FirewallD1", "version", G_STRUCT_OFFSET (VpndEvidence, firewalld), 0 },
  { "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager", "Connectivity", 0, G_STRUCT_OFFSET (VpndEvidence, connectivity) },
};

/* @task: (owned) */
typedef struct
{
  GTask *task;
  const Service *service;
} ServiceQuestion;

static void
set_presence (VpndEvidence *evidence, const Service *service, VpndServicePresence presence)
{
  if (service->presence != 0)
    *(VpndServicePresence *) G_STRUCT_MEMBER_P (evidence, service->presence) = presence;
}

static void
on_property (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree ServiceQuestion *question = user_data;
  VpndEvidence *evidence = ((Inspection *) g_task_get_task_data (question->task))->evidence;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) value = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    set_presence (evidence, question->service, VPND_SERVICE_HANGS);
  if (reply != NULL)
    g_variant_get (reply, "(v)", &value);
  if (value != NULL && question->service->value != 0 && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    *(guint *) G_STRUCT_MEMBER_P (evidence, question->service->value) = g_variant_get_uint32 (value);
  end_question (question->task);
}

static void
ask_services (GTask *task, const char *const *names)
{
  VpndInspectorHost *self = g_task_get_source_object (task);
  VpndEvidence *evidence = ((Inspection *) g_task_get_task_data (task))->evidence;

  for (gsize i = 0; i < G_N_ELEMENTS (services); i++)
    {
      ServiceQuestion *question;

      if (!g_strv_contains (names, services[i].name))
        {
          set_presence (evidence, &services[i], VPND_SERVICE_ABSENT);
          continue;
        }
      set_presence (evidence, &services[i], VPND_SERVICE_PRESENT);
      question = g_new (ServiceQuestion, 1);
      *question = (ServiceQuestion){ begin_question (task), &services[i] };
      g_dbus_connection_call (self->connection, services[i].name, services[i].path, "org.freedesktop.DBus.Properties", "Get",
          g_variant_new ("(ss)", services[i].interface, services[i].property), G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
          QUESTION_TIMEOUT_MS, g_task_get_cancellable (task), on_property, question);
    }
}

/* Returns: (transfer full) (nullable): the answer to GetUnitFileState */
static char *
finish_unit_state (GObject *source, GAsyncResult *result)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  char *state = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(s)", &state);
  return state;
}

static void
on_early_boot_state (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndEvidence *evidence = ((Inspection *) g_task_get_task_data (user_data))->evidence;

  vpnd_evidence_take (&evidence->early_boot_state, finish_unit_state (source, result));
  end_question (user_data);
}

static void
on_service_state (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndEvidence *evidence = ((Inspection *) g_task_get_task_data (user_data))->evidence;

  vpnd_evidence_take (&evidence->service_state, finish_unit_state (source, result));
  end_question (user_data);
}

static void
ask_unit (GTask *task, const char *unit, GAsyncReadyCallback callback)
{
  VpndInspectorHost *self = g_task_get_source_object (task);

  g_dbus_connection_call (self->connection, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "GetUnitFileState",
      g_variant_new ("(s)", unit), G_VARIANT_TYPE ("(s)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, QUESTION_TIMEOUT_MS, g_task_get_cancellable (task), callback, begin_question (task));
}

static void
add_names (Inspection *inspection, GVariant *reply)
{
  g_autofree const char **names = NULL;

  g_variant_get (reply, "(^a&s)", &names);
  g_strv_builder_addv (inspection->names, names);
}

static void
on_names (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Inspection *inspection = g_task_get_task_data (task);
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (reply != NULL)
    {
      g_auto (GStrv) names = NULL;

      add_names (inspection, reply);
      names = g_strv_builder_end (inspection->names);
      inspection->evidence->has_bus = TRUE;
      ask_services (task, (const char *const *) names);
      if (g_strv_contains ((const char *const *) names, "org.freedesktop.systemd1"))
        {
          ask_unit (task, "vpnd-early-boot.service", on_early_boot_state);
          ask_unit (task, "vpnd.service", on_service_state);
        }
    }
  end_question (task);
}

static void
ask_bus (GTask *task, const char *method, GAsyncReadyCallback callback)
{
  VpndInspectorHost *self = g_task_get_source_object (task);

  g_dbus_connection_call (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", method, NULL, G_VARIANT_TYPE ("(as)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, QUESTION_TIMEOUT_MS, g_task_get_cancellable (task), callback, begin_question (task));
}

/* What can be started counts as there. */
static void
on_activatable (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (reply != NULL)
    add_names (g_task_get_task_data (task), reply);
  ask_bus (task, "ListNames", on_names);
  end_question (task);
}

/* --- the port --- */

static void
vpnd_inspector_host_survey_async (VpndInspector *inspector, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GError *error = NULL;
  g_autoptr (VpndNlSocket) socket = vpnd_nl_socket_new (NETLINK_ROUTE, &error);

  if (socket == NULL)
    g_task_report_error (inspector, callback, user_data, vpnd_inspector_host_survey_async, error);
  else
    vpnd_route_read_async (inspector, socket, ifname, cancellable, callback, user_data);
}

static void
vpnd_inspector_host_inspect_async (VpndInspector *inspector, const char *ifname, const char *physical, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndInspectorHost *self = VPND_INSPECTOR_HOST (inspector);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Inspection *inspection = g_new0 (Inspection, 1);

  g_task_set_source_tag (task, vpnd_inspector_host_inspect_async);
  g_task_set_task_data (task, inspection, (GDestroyNotify) inspection_free);
  inspection->evidence = vpnd_evidence_new ();
  inspection->nft = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  inspection->names = g_strv_builder_new ();
  inspection->pending = 1;
  vpnd_host_look (inspection->evidence, physical, self->state_dirfd, self->runtime_dirfd, self->resolv_conf_path);
  ask_routes (task, ifname);
  ask_nft (task);
  ask_wireguard (task);
  if (self->connection != NULL)
    ask_bus (task, "ListActivatableNames", on_activatable);
  end_question (task);
}

static void
vpnd_inspector_host_dispose (GObject *object)
{
  VpndInspectorHost *self = VPND_INSPECTOR_HOST (object);

  g_clear_object (&self->connection);
  g_clear_pointer (&self->resolv_conf_path, g_free);
  G_OBJECT_CLASS (vpnd_inspector_host_parent_class)->dispose (object);
}

static void
vpnd_inspector_host_class_init (VpndInspectorHostClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_inspector_host_dispose;
}

static void
vpnd_inspector_host_init (VpndInspectorHost *self)
{
}

static void
vpnd_inspector_host_iface_init (VpndInspectorInterface *iface)
{
  iface->survey_async = vpnd_inspector_host_survey_async;
  iface->inspect_async = vpnd_inspector_host_inspect_async;
}

/**
 * vpnd_inspector_host_new:
 * @connection: (nullable): the system bus
 * @state_dirfd: the state directory; must outlive the inspector
 * @runtime_dirfd: the runtime directory; must outlive the inspector
 * @resolv_conf_path: the file that programs read
 *
 * Returns: (transfer full): an inspector of this host
 */
VpndInspector *
vpnd_inspector_host_new (GDBusConnection *connection, int state_dirfd, int runtime_dirfd, const char *resolv_conf_path)
{
  VpndInspectorHost *self = g_object_new (VPND_TYPE_INSPECTOR_HOST, NULL);

  self->connection = connection != NULL ? g_object_ref (connection) : NULL;
  self->state_dirfd = state_dirfd;
  self->runtime_dirfd = runtime_dirfd;
  self->resolv_conf_path = g_strdup (resolv_conf_path);
  return VPND_INSPECTOR (self);
}
