/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writes DNS messages as resolvers do, with or without compressed names. The counterpart of core/dns-answer, for tests.
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

#define DNS_TYPE_A 1
#define DNS_TYPE_CNAME 5
#define DNS_TYPE_TXT 16
#define DNS_TYPE_AAAA 28
#define DNS_TYPE_HTTPS 65

/**
 * DnsMessage:
 * @bytes: (owned): what is written so far
 * @offsets: (owned) (nullable): where a name stands, by its text; NULL writes every name whole
 */
typedef struct
{
  GByteArray *bytes;
  GHashTable *offsets;
} DnsMessage;

DnsMessage *dns_message_new (const char *question, guint16 type, gboolean compresses);
void dns_message_add (DnsMessage *message, const char *owner, guint16 type, guint32 ttl_s, const guint8 *data, gsize size);
void dns_message_add_address (DnsMessage *message, const char *owner, guint32 ttl_s, const VpndAddr *addr);
void dns_message_add_cname (DnsMessage *message, const char *owner, guint32 ttl_s, const char *target);
void dns_message_add_https (DnsMessage *message, const char *owner, guint32 ttl_s, guint16 priority, const char *target, const VpndAddr *hints, guint n_hints);
void dns_message_free (DnsMessage *message);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DnsMessage, dns_message_free)

G_END_DECLS
