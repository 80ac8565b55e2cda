/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How much a sender, and all of them together, may have going on. A value without a clock: the caller says what time it is.
 * Never knows what a call is about.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_QUOTA_CALLS_PER_SENDER 16  /* unanswered calls of one sender; vpnctl has at most 3 */
#define VPND_QUOTA_CALLS_PER_SECOND 100 /* sustained, for one sender; a GUI makes a few per second at most */
#define VPND_QUOTA_BURST 200            /* calls at once of a sender that has been quiet */
#define VPND_QUOTA_DIALOGS 64           /* authorizations in flight in which somebody may be asked for a password */
#define VPND_QUOTA_CALLS 512            /* unanswered calls in all, above which a sender may have one only; each holds at most one message */

typedef struct _VpndQuota VpndQuota;

VpndQuota *vpnd_quota_new (void);
void vpnd_quota_free (VpndQuota *quota);

gboolean vpnd_quota_begin_call (VpndQuota *quota, const char *sender, gint64 now_us, GError **error);
void vpnd_quota_end_call (VpndQuota *quota, const char *sender);
gboolean vpnd_quota_begin_dialog (VpndQuota *quota);
void vpnd_quota_end_dialog (VpndQuota *quota);
guint vpnd_quota_get_n_senders (const VpndQuota *quota);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndQuota, vpnd_quota_free)

G_END_DECLS
