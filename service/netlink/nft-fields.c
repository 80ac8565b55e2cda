/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tables of nft-fields.h. Sources: linux/netfilter/nf_tables.h, the header layouts of RFC 791, 8200, 768, 9293 and 4443,
 * and include/datatype.h of nftables for the type numbers.
 */
#include "config.h"

#include "nft-fields.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define UDP_HEADER_BYTES 8  /* RFC 768 */
#define TCP_OPTION_MPTCP 30 /* RFC 8684 */
#define ICMP_HEADER_BYTES 8 /* RFC 792: of an error, before the packet that it is about */

static const VpndNftLoad loads[] = {
  [VPND_FIELD_IIFNAME] = { VPND_NFT_LOAD_META, NFT_META_IIFNAME, 0, 41 },
  [VPND_FIELD_OIFNAME] = { VPND_NFT_LOAD_META, NFT_META_OIFNAME, 0, 41 },
  [VPND_FIELD_IIF] = { VPND_NFT_LOAD_META, NFT_META_IIF, 0, 20 },
  [VPND_FIELD_OIF] = { VPND_NFT_LOAD_META, NFT_META_OIF, 0, 20 },
  [VPND_FIELD_OIFTYPE] = { VPND_NFT_LOAD_META, NFT_META_OIFTYPE, 0, 23 },
  [VPND_FIELD_NFPROTO] = { VPND_NFT_LOAD_META, NFT_META_NFPROTO, 0, 2 },
  [VPND_FIELD_L4PROTO] = { VPND_NFT_LOAD_META, NFT_META_L4PROTO, 0, 12 },
  [VPND_FIELD_IP_SADDR] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 12, 7 },
  [VPND_FIELD_IP_DADDR] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 16, 7 },
  [VPND_FIELD_IP6_SADDR] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 8 },
  [VPND_FIELD_IP6_DADDR] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24, 8 },
  [VPND_FIELD_UDP_SPORT] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 13 },
  [VPND_FIELD_UDP_DPORT] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 13 },
  [VPND_FIELD_TCP_SPORT] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 13 },
  [VPND_FIELD_TCP_DPORT] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 13 },
  [VPND_FIELD_TH_DPORT] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 13 },
  [VPND_FIELD_UDP_START] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, UDP_HEADER_BYTES, 4 },
  [VPND_FIELD_TCP_FLAGS] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 15 },
  [VPND_FIELD_TCP_MPTCP] = { VPND_NFT_LOAD_TCP_OPTION, TCP_OPTION_MPTCP, 0, 1 },
  [VPND_FIELD_ICMP_TYPE] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 14 },
  [VPND_FIELD_ICMP_CODE] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 1, 32 },
  [VPND_FIELD_ICMPV6_TYPE] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 29 },
  [VPND_FIELD_ICMPV6_CODE] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 1, 33 },
  [VPND_FIELD_ICMP_INNER_START] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES, 4 },
  [VPND_FIELD_ICMP_INNER_L4PROTO] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + 9, 4 },
  [VPND_FIELD_ICMP_INNER_DADDR] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + 16, 4 },
  [VPND_FIELD_ICMP_INNER_PORTS] = { VPND_NFT_LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + 20, 4 },
  [VPND_FIELD_MARK] = { VPND_NFT_LOAD_META, NFT_META_MARK, 0, 19 },
  [VPND_FIELD_CT_MARK] = { VPND_NFT_LOAD_CT, NFT_CT_MARK, 0, 19 },
  [VPND_FIELD_CT_STATE] = { VPND_NFT_LOAD_CT, NFT_CT_STATE, 0, 26 },
  [VPND_FIELD_CT_STATUS] = { VPND_NFT_LOAD_CT, NFT_CT_STATUS, 0, 28 },
  [VPND_FIELD_SKUID] = { VPND_NFT_LOAD_META, NFT_META_SKUID, 0, 24 },
  [VPND_FIELD_SOCKET_CGROUP] = { VPND_NFT_LOAD_SOCKET, NFT_SOCKET_CGROUPV2, 0, 46 },
  [VPND_FIELD_NET_CLS] = { VPND_NFT_LOAD_META, NFT_META_CGROUP, 0, 39 },
  [VPND_FIELD_FIB_SADDR_TYPE] = { VPND_NFT_LOAD_FIB_SADDR, NFT_FIB_RESULT_ADDRTYPE, 0, 38 },
  [VPND_FIELD_FIB_DADDR_TYPE] = { VPND_NFT_LOAD_FIB_DADDR, NFT_FIB_RESULT_ADDRTYPE, 0, 38 },
};
G_STATIC_ASSERT (G_N_ELEMENTS (loads) == VPND_N_FIELDS);

static const struct
{
  VpndHook hook;
  guint32 number;
} hooks[] = {
  { VPND_HOOK_PREROUTING, NF_INET_PRE_ROUTING },
  { VPND_HOOK_INPUT, NF_INET_LOCAL_IN },
  { VPND_HOOK_FORWARD, NF_INET_FORWARD },
  { VPND_HOOK_OUTPUT, NF_INET_LOCAL_OUT },
  { VPND_HOOK_POSTROUTING, NF_INET_POST_ROUTING },
};

static const char *const chain_types[] = {
  [VPND_CHAIN_FILTER] = "filter",
  [VPND_CHAIN_ROUTE] = "route",
  [VPND_CHAIN_NAT] = "nat",
};

/**
 * vpnd_nft_field_load:
 * @field: a field
 *
 * Returns: (transfer none): how the kernel fetches it
 */
const VpndNftLoad *
vpnd_nft_field_load (VpndField field)
{
  g_return_val_if_fail (field < VPND_N_FIELDS, NULL);

  return &loads[field];
}

/**
 * vpnd_nft_find_field:
 * @kind: which expression; not for payloads
 * @key: its key
 * @out_field: (out): the field
 *
 * Returns: TRUE when there is such a field
 */
gboolean
vpnd_nft_find_field (VpndNftLoadKind kind, guint32 key, VpndField *out_field)
{
  for (guint i = 0; i < G_N_ELEMENTS (loads); i++)
    if (loads[i].kind == kind && loads[i].key == key)
      {
        *out_field = (VpndField) i;
        return TRUE;
      }
  return FALSE;
}

/**
 * vpnd_nft_find_payload:
 * @base: NFT_PAYLOAD_*_HEADER
 * @offset: in bytes
 * @nfproto: the family that the rule has matched so far, 0 for none
 * @l4proto: the protocol that the rule has matched so far, 0 for none
 * @out_field: (out): the field
 *
 * Returns: TRUE when a field lies there in a packet of that family and protocol
 */
gboolean
vpnd_nft_find_payload (guint32 base, guint32 offset, guint8 nfproto, guint8 l4proto, VpndField *out_field)
{
  for (guint i = 0; i < G_N_ELEMENTS (loads); i++)
    {
      guint8 wanted_nfproto = vpnd_field_implied_nfproto ((VpndField) i);
      guint8 wanted_l4proto = vpnd_field_implied_l4proto ((VpndField) i);

      if (loads[i].kind == VPND_NFT_LOAD_PAYLOAD && loads[i].key == base && loads[i].offset == offset &&
          (base == NFT_PAYLOAD_NETWORK_HEADER ? wanted_nfproto == nfproto : wanted_l4proto == l4proto))
        {
          *out_field = (VpndField) i;
          return TRUE;
        }
    }
  return FALSE;
}

/**
 * vpnd_nft_find_type:
 * @type: nft's number of a type
 * @out_field: (out): the first field of that type; all of them make the same set
 *
 * Returns: TRUE when there is one
 */
gboolean
vpnd_nft_find_type (guint32 type, VpndField *out_field)
{
  for (guint i = 0; i < G_N_ELEMENTS (loads); i++)
    if (loads[i].type == type)
      {
        *out_field = (VpndField) i;
        return TRUE;
      }
  return FALSE;
}

/**
 * vpnd_nft_field_is_address:
 * @field: a field
 *
 * Returns: TRUE when a mask of @field is a netmask
 */
gboolean
vpnd_nft_field_is_address (VpndField field)
{
  return vpnd_nft_field_load (field)->kind == VPND_NFT_LOAD_PAYLOAD && vpnd_nft_field_load (field)->key == NFT_PAYLOAD_NETWORK_HEADER;
}

/**
 * vpnd_nft_field_icmp_nfproto:
 * @field: a field
 *
 * Returns: the family that nft(8) adds to a match of @field, unless the rule has matched the protocol itself; 0 for none
 */
guint8
vpnd_nft_field_icmp_nfproto (VpndField field)
{
  guint8 l4proto = vpnd_field_implied_l4proto (field);

  return l4proto == IPPROTO_ICMP ? NFPROTO_IPV4 : l4proto == IPPROTO_ICMPV6 ? NFPROTO_IPV6
                                                                            : 0;
}

/**
 * vpnd_nft_hook_number:
 * @hook: a hook, not VPND_HOOK_NONE
 *
 * Returns: its NF_INET_* number
 */
guint32
vpnd_nft_hook_number (VpndHook hook)
{
  for (guint i = 0; i < G_N_ELEMENTS (hooks); i++)
    if (hooks[i].hook == hook)
      return hooks[i].number;
  g_return_val_if_reached (0);
}

/**
 * vpnd_nft_find_hook:
 * @number: NF_INET_*
 * @out_hook: (out): the hook
 *
 * Returns: TRUE when there is one
 */
gboolean
vpnd_nft_find_hook (guint32 number, VpndHook *out_hook)
{
  for (guint i = 0; i < G_N_ELEMENTS (hooks); i++)
    if (hooks[i].number == number)
      {
        *out_hook = hooks[i].hook;
        return TRUE;
      }
  return FALSE;
}

/**
 * vpnd_nft_chain_type_name:
 * @type: a chain type
 *
 * Returns: (transfer none): the kernel's name of it
 */
const char *
vpnd_nft_chain_type_name (VpndChainType type)
{
  g_return_val_if_fail (type < G_N_ELEMENTS (chain_types), NULL);

  return chain_types[type];
}

/**
 * vpnd_nft_find_chain_type:
 * @name: the kernel's name
 * @out_type: (out): the type
 *
 * Returns: TRUE when there is one
 */
gboolean
vpnd_nft_find_chain_type (const char *name, VpndChainType *out_type)
{
  for (guint i = 0; i < G_N_ELEMENTS (chain_types); i++)
    if (g_str_equal (chain_types[i], name))
      {
        *out_type = (VpndChainType) i;
        return TRUE;
      }
  return FALSE;
}
