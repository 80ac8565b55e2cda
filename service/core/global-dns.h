/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NetworkManager's global DNS configuration (property GlobalDnsConfiguration) as a value, and the note of what it was before ours.
 * Never talks to NetworkManager (backends/resolver-networkmanager does).
 */
#pragma once

#include "dns-plan.h"

G_BEGIN_DECLS

/**
 * VpndGlobalDnsNote: what to put back, and when not to
 * @before: (owned): a{sv}, what NetworkManager had
 * @ours: (owned): a{sv}, what it was told
 * @file: (owned): resolv.conf before, as the caller writes files down; empty for none
 */
typedef struct
{
  GVariant *before;
  GVariant *ours;
  GBytes *file;
} VpndGlobalDnsNote;

GVariant *vpnd_global_dns_build (const VpndDnsPlan *plan, GVariant *before);
gboolean vpnd_global_dns_equal (GVariant *a, GVariant *b);
GBytes *vpnd_global_dns_note_to_bytes (const VpndGlobalDnsNote *note);
VpndGlobalDnsNote *vpnd_global_dns_note_from_bytes (GBytes *bytes);
void vpnd_global_dns_note_free (VpndGlobalDnsNote *note);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndGlobalDnsNote, vpnd_global_dns_note_free)

G_END_DECLS
