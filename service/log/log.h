/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log: structured fields with stable names, one writer (journald when there, else stderr and a file, and always the ring), redaction by type. A line is composed only from literals and from values that went through a redactor: addresses, endpoints and keys never
 * reach a line above debug, keys never reach one at all.
 */
#pragma once

#include "addr.h"
#include "log-file.h"
#include "log-ring.h"

G_BEGIN_DECLS

/* One MESSAGE_ID for each notable event; journalctl MESSAGE_ID=... finds it. */
#define VPND_MESSAGE_STATE_CHANGED "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d001"
#define VPND_MESSAGE_EFFECT_FAILED "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d002"
#define VPND_MESSAGE_DENIED "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d003"
#define VPND_MESSAGE_RECOVERED "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d004"
#define VPND_MESSAGE_TAMPERED "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d005"
#define VPND_MESSAGE_NOT_BLOCKING "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d006"
#define VPND_MESSAGE_STORAGE "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d007"
#define VPND_MESSAGE_SPLIT "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d008"
#define VPND_MESSAGE_REPAIRED "5c9f4c3d3f5b4f0fa3c3c2a8b7a1d010"

void vpnd_log_install (VpndLogRing *ring, VpndLogFile *file);
void vpnd_log_event (GLogLevelFlags level, const char *message_id, const char *format, ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
