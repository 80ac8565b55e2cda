/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * In which form the kernel takes a rule that holds packets: found out by a trial, a batch without its end, of which the kernel says what it thinks and which it takes back.
 * Makes the batch only; never sends.
 */
#pragma once

#include "nl-socket.h"
#include "ruleset.h"

G_BEGIN_DECLS

GBytes *vpnd_queue_trial_new (VpndNlSocket *socket, VpndQueueForm form, guint16 queue);

G_END_DECLS
