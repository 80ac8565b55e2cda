/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One wireguard-go process: started with two descriptors and nothing else, watched, ended; and the record in the runtime directory by
 * which a later instance of us finds it again. A process is signalled only through a descriptor of it (pidfd), never by a bare number.
 * Never talks to it (uapi-client does).
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_WIREGUARD_GO "/usr/bin/wireguard-go"

#define VPND_TYPE_USERSPACE_PROCESS (vpnd_userspace_process_get_type ())
G_DECLARE_FINAL_TYPE (VpndUserspaceProcess, vpnd_userspace_process, VPND, USERSPACE_PROCESS, GObject)

VpndUserspaceProcess *vpnd_userspace_process_spawn (int runtime_dirfd, const char *ifname, int tun_fd, int uapi_fd, GError **error);
VpndUserspaceProcess *vpnd_userspace_process_find_recorded (int runtime_dirfd, const char *ifname);
gboolean vpnd_userspace_process_is_running (VpndUserspaceProcess *self);
void vpnd_userspace_process_stop_async (VpndUserspaceProcess *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_userspace_process_stop_finish (VpndUserspaceProcess *self, GAsyncResult *result, GError **error);
void vpnd_userspace_process_forget (int runtime_dirfd, const char *ifname);

G_END_DECLS
