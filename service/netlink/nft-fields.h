/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What encoder and decoder of nftables share: how the kernel loads each field, what it calls its type, hooks and chain types.
 * Tables and look-ups only; never touches a message.
 */
#pragma once

#include "ruleset.h"

G_BEGIN_DECLS

/* The rule's user data as nft(8) lays it out: type, length, value. 0 and 1 are its own; nft ignores types that it does not know. */
#define VPND_NFT_UDATA_EXPLICIT 86

/* What VPND_STATEMENT_QUEUE_TARGET writes: struct xt_NFQ_info_v3 of linux/netfilter/xt_NFQUEUE.h, padded as XT_ALIGN does */
#define VPND_NFT_QUEUE_TARGET_NAME "NFQUEUE"
#define VPND_NFT_QUEUE_TARGET_REVISION 3
#define VPND_NFT_QUEUE_TARGET_BYTES 8

/* The TCP option that VPND_STATEMENT_CLAMP_MSS writes (RFC 9293, 3.2): its kind, and where its value lies */
#define VPND_NFT_TCPOPT_MAXSEG 2
#define VPND_NFT_TCPOPT_OFFSET 2

typedef enum
{
  VPND_NFT_LOAD_META,
  VPND_NFT_LOAD_CT,
  VPND_NFT_LOAD_PAYLOAD,
  VPND_NFT_LOAD_FIB_SADDR,
  VPND_NFT_LOAD_FIB_DADDR,
  VPND_NFT_LOAD_SOCKET,
  VPND_NFT_LOAD_TCP_OPTION,
} VpndNftLoadKind;

/**
 * VpndNftLoad: how the kernel fetches a field
 * @kind: which expression
 * @key: NFT_META_*, NFT_CT_*, NFT_SOCKET_*, the base of a payload (NFT_PAYLOAD_*_HEADER), the result of a fib look-up, or the kind of an option that is there or not
 * @offset: in bytes behind the base, for payloads
 * @type: the number that nft(8) gives to the type of the field (its enum datatypes); the kernel only keeps it
 */
typedef struct
{
  VpndNftLoadKind kind;
  guint32 key;
  guint32 offset;
  guint32 type;
} VpndNftLoad;

const VpndNftLoad *vpnd_nft_field_load (VpndField field);
gboolean vpnd_nft_find_field (VpndNftLoadKind kind, guint32 key, VpndField *out_field);
gboolean vpnd_nft_find_payload (guint32 base, guint32 offset, guint8 nfproto, guint8 l4proto, VpndField *out_field);
gboolean vpnd_nft_find_type (guint32 type, VpndField *out_field);

gboolean vpnd_nft_field_is_address (VpndField field);
guint8 vpnd_nft_field_icmp_nfproto (VpndField field);

guint32 vpnd_nft_hook_number (VpndHook hook);
gboolean vpnd_nft_find_hook (guint32 number, VpndHook *out_hook);
const char *vpnd_nft_chain_type_name (VpndChainType type);
gboolean vpnd_nft_find_chain_type (const char *name, VpndChainType *out_type);

G_END_DECLS
