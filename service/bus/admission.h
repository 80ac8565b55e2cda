/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The door before the gate: how many calls may wait for the main loop. Without it a user who sends faster than we work fills the loop, and what
 * the kernel has to tell waits behind. Knows senders and numbers only, never what a call is about.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_ADMISSION_PER_SENDER 256 /* calls of one sender that wait; more than the gate would take of it at once */
#define VPND_ADMISSION_ALL 512        /* in all, above which a sender may have one only: some 50 ms of work */

guint vpnd_admission_add (GDBusConnection *connection);

G_END_DECLS
