/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The exit codes of vpnctl, and from which error each comes. A GError whose message has several lines carries what to do next
 * in the second and later lines. Never prints (report.c does).
 */
#pragma once

#include <gio/gio.h>

#include "error.h"

G_BEGIN_DECLS

/* The order and the numbers are public: manual page, help and scripts rely on them. */
typedef enum
{
  VPND_EXIT_OK = 0,
  VPND_EXIT_FAILED = 1,
  VPND_EXIT_USAGE = 2,
  VPND_EXIT_NOT_AUTHORIZED = 3,
  VPND_EXIT_NOT_FOUND = 4,
  VPND_EXIT_TIMEOUT = 5,
  VPND_EXIT_OFFLINE = 6,
  VPND_EXIT_BLOCKING_FAILED = 7,
  VPND_EXIT_UNREACHABLE = 8,
  VPND_EXIT_WARNINGS = 9,
  VPND_EXIT_ERRORS = 10,
  VPND_EXIT_NOT_STARTED = 125, /* this and the next two as env(1), nohup(1) and their like have them */
  VPND_EXIT_CANNOT_RUN = 126,
  VPND_EXIT_NO_COMMAND = 127,
  VPND_EXIT_INTERRUPTED = 130, /* 128 + SIGINT, as shells count */
} VpndExit;

/**
 * VpndCliError: the failures that are vpnctl's own and never cross the bus.
 */
typedef enum
{
  VPND_CLI_ERROR_USAGE,
  VPND_CLI_ERROR_TIMEOUT,
  VPND_CLI_ERROR_UNREACHABLE,
  VPND_CLI_ERROR_INTERRUPTED,
  VPND_CLI_ERROR_BLOCKING,
  VPND_CLI_ERROR_FOUND_WARNINGS,
  VPND_CLI_ERROR_FOUND_ERRORS,
  VPND_CLI_ERROR_NOT_STARTED,
  VPND_CLI_ERROR_CANNOT_RUN,
  VPND_CLI_ERROR_NO_COMMAND,
  VPND_N_CLI_ERRORS
} VpndCliError;

#define VPND_CLI_ERROR (vpnd_cli_error_quark ())
GQuark vpnd_cli_error_quark (void);

const char *vpnd_exit_meaning (VpndExit code);
const VpndExit *vpnd_exit_codes (guint *out_n);

VpndExit vpnd_failure_exit (const GError *error);
char *vpnd_failure_name (const GError *error);
gboolean vpnd_failure_is (const GError *error, VpndError code);
void vpnd_failure_not_started (GError **error);
void vpnd_failure_add_hint (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

VpndError vpnd_cause_to_error (const char *cause);
const char *vpnd_cause_sentence (const char *cause);
const char *vpnd_cause_remedy (const char *cause);

G_END_DECLS
