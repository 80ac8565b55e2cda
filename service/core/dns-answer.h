/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads what a DNS message answers: the name that was asked for, the names it leads to, and their addresses. Pure and strict: the bytes come from whoever
 * runs the resolver. Records that do not hang together with the question are left out, wherever they stand.
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

/* What a record says of its time is brought between these: none is believed for longer than a day. */
#define VPND_DNS_TTL_MIN_S 1u
#define VPND_DNS_TTL_MAX_S 86400u

#define VPND_DNS_NAMES_MAX 17u     /* the question and 16 further names: what resolvers follow */
#define VPND_DNS_ADDRESSES_MAX 64u /* what follows is left out */

/**
 * VpndDnsAddress:
 * @addr: from a record A or AAAA, or a hint of HTTPS or SVCB
 * @name: index in VpndDnsAnswer.names of the name whose address it is
 * @ttl_s: how long it may be believed: the least along the way from the question, VPND_DNS_TTL_MIN_S to VPND_DNS_TTL_MAX_S
 */
typedef struct
{
  VpndAddr addr;
  guint name;
  guint32 ttl_s;
} VpndDnsAddress;

/**
 * VpndDnsAnswer:
 * @names: (element-type utf8) (owned): the name asked for, then those that CNAME, HTTPS and SVCB lead to, in order; lower case, without a last dot,
 *   other characters than letters, digits, - and _ as \DDD (RFC 1035, 5.1), so that a dot is always between labels
 * @addresses: (element-type VpndDnsAddress) (owned): in the order of the message, each once
 */
typedef struct
{
  GPtrArray *names;
  GArray *addresses;
} VpndDnsAnswer;

VpndDnsAnswer *vpnd_dns_answer_decode (const guint8 *bytes, gsize size, GError **error);
void vpnd_dns_answer_free (VpndDnsAnswer *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndDnsAnswer, vpnd_dns_answer_free)

G_END_DECLS
