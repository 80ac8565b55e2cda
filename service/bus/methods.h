/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of the methods: for each how its parameters become a typed request, and how that request is performed.
 * Knows nothing of senders, quotas and authorization: that is the gate's (adaptor).
 */
#pragma once

#include "services.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_METHOD_READS,   /* changes nothing */
  VPND_METHOD_CHANGES, /* the sender must still be there when it is performed */
  VPND_METHOD_STARTS,  /* the same; VPND_METHOD_ENDS of the same sender withdraws it */
  VPND_METHOD_ENDS,
} VpndMethodKind;

typedef enum
{
  VPND_DIALOG_NEVER,
  VPND_DIALOG_IF_ALLOWED, /* as the flag ALLOW_INTERACTIVE_AUTHORIZATION of the message says */
  VPND_DIALOG_ALWAYS,     /* clients of the original protocol cannot set that flag */
} VpndDialog;

/**
 * VpndCaller: who calls, as the message bus says
 * @uid: user of the connection
 * @pid: process of the connection
 */
typedef struct
{
  guint32 uid;
  gint32 pid;
} VpndCaller;

/**
 * VpndMethod:
 * @interface: D-Bus interface
 * @name: D-Bus member
 * @kind: what it does
 * @dialog: whether polkit may ask the user
 * @is_joined: a second call of a sender joins its first one that still waits for polkit: the later request counts, both get its result
 * @max_bytes: greatest size of the message body
 * @deadline_ms: by when there is an answer; the request is abandoned then
 * @decode: (nullable): parameters -> request; %NULL: there is nothing to decode, and the request is %NULL
 * @request_free: (nullable): frees the request
 * @set_caller: (nullable): the request depends on who calls: the bus is asked, and this completes it, before anybody is authorized
 * @action: (nullable): the polkit action of a request; %NULL: the one of the method itself
 * @run: (nullable): performs the request; the result of the task is the GVariant tuple of the reply
 * @read: (nullable): instead of @run, for what is answered at once: the floating tuple of the reply, or %NULL with an error
 */
typedef struct
{
  const char *interface;
  const char *name;
  VpndMethodKind kind;
  VpndDialog dialog;
  gboolean is_joined;
  gsize max_bytes;
  guint deadline_ms;
  gpointer (*decode) (const VpndServices *services, GVariant *parameters, GError **error);
  GDestroyNotify request_free;
  const char *(*action) (gconstpointer request);
  void (*run) (const VpndServices *services, gpointer request, GTask *task);
  GVariant *(*read) (const VpndServices *services, gconstpointer request, GError **error);
  gboolean (*set_caller) (const VpndServices *services, gpointer request, const VpndCaller *caller, GError **error);
} VpndMethod;

/* Clients of the protocol give up after 25 s (libdbus's default) and show an error: no later answer may change anything. */
#define VPND_DEADLINE_PROTOCOL_MS (24 * 1000)
#define VPND_DEADLINE_MS (120 * 1000) /* somebody types a password */

#define VPND_BODY_MAX_BYTES (64 * 1024 + 64) /* the text, and what D-Bus puts around it */
#define VPND_BODY_IMPORT_MAX_BYTES (256 * 1024 + 256)

const VpndMethod *vpnd_method_find (const char *interface, const char *name);
const VpndMethod *vpnd_methods_daemon (guint *out_n);
const VpndMethod *vpnd_methods_diagnostics (guint *out_n);
const VpndMethod *vpnd_methods_profiles (guint *out_n);
const VpndMethod *vpnd_methods_properties (guint *out_n);
const VpndMethod *vpnd_methods_split (guint *out_n);

void vpnd_method_return (GTask *task, GVariant *tuple);
void vpnd_method_return_error (GTask *task, GError *error);

G_END_DECLS
