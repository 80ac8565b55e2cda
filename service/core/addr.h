/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Network addresses, prefixes and endpoints as plain values.
 * Owns their text form and their arithmetic. Never resolves names and never asks the kernel.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>

G_BEGIN_DECLS

/**
 * VpndAddr:
 * @family: AF_INET, AF_INET6, or AF_UNSPEC for "no address" (the zero value)
 * @bytes: the address in network byte order; IPv4 uses the first four bytes, the rest is zero
 */
typedef struct
{
  guint8 family;
  guint8 bytes[16];
} VpndAddr;

/**
 * VpndPrefix:
 * @addr: the address; host bits may be set (an interface address) or clear (a network)
 * @length: prefix length in bits, 0..32 or 0..128
 */
typedef struct
{
  VpndAddr addr;
  guint8 length;
} VpndPrefix;

/**
 * VpndEndpoint:
 * @addr: the address
 * @port: the port, host byte order, 1..65535
 */
typedef struct
{
  VpndAddr addr;
  guint16 port;
} VpndEndpoint;

/**
 * VpndServicePort: one service on one host
 * @endpoint: its address and port
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 */
typedef struct
{
  VpndEndpoint endpoint;
  guint8 protocol;
} VpndServicePort;

#define VPND_ADDR_STRLEN 64 /* INET6_ADDRSTRLEN + "[]", "/128" or ":65535" */

gboolean vpnd_addr_parse (const char *text, VpndAddr *out_addr);
VpndAddr vpnd_addr_from_bytes (int family, const void *bytes);
gsize vpnd_addr_size (const VpndAddr *addr);
const char *vpnd_addr_format (const VpndAddr *addr, char *buffer);
char *vpnd_addr_to_string (const VpndAddr *addr);
gboolean vpnd_addr_equal (const VpndAddr *a, const VpndAddr *b);
int vpnd_addr_compare (const VpndAddr *a, const VpndAddr *b);
gboolean vpnd_addr_is_set (const VpndAddr *addr);
gboolean vpnd_addr_is_loopback (const VpndAddr *addr);
gboolean vpnd_addr_is_private (const VpndAddr *addr);
gboolean vpnd_addr_is_unicast (const VpndAddr *addr);

gboolean vpnd_prefix_parse (const char *text, VpndPrefix *out_prefix);
char *vpnd_prefix_to_string (const VpndPrefix *prefix);
gboolean vpnd_prefix_equal (const VpndPrefix *a, const VpndPrefix *b);
int vpnd_prefix_compare (const VpndPrefix *a, const VpndPrefix *b);
VpndPrefix vpnd_prefix_masked (const VpndPrefix *prefix);
VpndPrefix vpnd_prefix_host (const VpndAddr *addr);
gboolean vpnd_prefix_contains (const VpndPrefix *prefix, const VpndAddr *addr);
gboolean vpnd_prefix_is_default (const VpndPrefix *prefix);
gboolean vpnd_prefix_is_private (const VpndPrefix *prefix);
void vpnd_prefix_append_private (const VpndPrefix *prefix, GArray *prefixes);

gboolean vpnd_endpoint_equal (const VpndEndpoint *a, const VpndEndpoint *b);
char *vpnd_endpoint_to_string (const VpndEndpoint *endpoint);

gboolean vpnd_service_port_parse (const char *text, VpndServicePort *out_service);
gboolean vpnd_service_port_equal (const VpndServicePort *a, const VpndServicePort *b);
char *vpnd_service_port_to_string (const VpndServicePort *service);

G_END_DECLS
