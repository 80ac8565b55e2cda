/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The values of core/addr.h. Text forms are strict: what is not exactly an address is refused, never guessed
 * (no scope ids, no octal, no short forms like "10.1").
 */
#include "config.h"

#include "addr.h"

#include <arpa/inet.h>
#include <string.h>

/* The private ranges of the security model: RFC 1918, RFC 4193, and link-local of RFC 3927 and RFC 4291. */
static const VpndPrefix private_ranges[] = {
  { { AF_INET, { 10 } }, 8 },
  { { AF_INET, { 172, 16 } }, 12 },
  { { AF_INET, { 192, 168 } }, 16 },
  { { AF_INET, { 169, 254 } }, 16 },
  { { AF_INET6, { 0xfc } }, 7 },
  { { AF_INET6, { 0xfe, 0x80 } }, 10 },
};

/* What can never be the address of one host: "this network" (RFC 791), multicast, class E and broadcast; in IPv6 the unspecified
 * address, multicast, and IPv4-mapped addresses, which must not appear on a wire (RFC 4291, 2.5.5.2). */
static const VpndPrefix not_unicast_ranges[] = {
  { { AF_INET, { 0 } }, 8 },
  { { AF_INET, { 224 } }, 4 },
  { { AF_INET, { 240 } }, 4 },
  { { AF_INET6, { 0 } }, 128 },
  { { AF_INET6, { 0xff } }, 8 },
  { { AF_INET6, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } }, 96 },
};

static const VpndPrefix loopback_ranges[] = {
  { { AF_INET, { 127 } }, 8 },
  { { AF_INET6, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, 128 },
};

static gboolean
is_in_any (const VpndPrefix *ranges, gsize n_ranges, const VpndAddr *addr)
{
  for (gsize i = 0; i < n_ranges; i++)
    if (vpnd_prefix_contains (&ranges[i], addr))
      return TRUE;
  return FALSE;
}

/**
 * vpnd_addr_parse:
 * @text: an IPv4 address in four decimal parts or an IPv6 address (RFC 4291); no brackets, scope or space
 * @out_addr: (out): the address; written only on success
 *
 * Reads an address.
 *
 * Returns: TRUE when @text is exactly an address
 */
gboolean
vpnd_addr_parse (const char *text, VpndAddr *out_addr)
{
  VpndAddr addr = { 0 };

  g_return_val_if_fail (text != NULL && out_addr != NULL, FALSE);

  if (inet_pton (AF_INET, text, addr.bytes) == 1)
    addr.family = AF_INET;
  else if (inet_pton (AF_INET6, text, addr.bytes) == 1)
    addr.family = AF_INET6;
  else
    return FALSE;

  *out_addr = addr;
  return TRUE;
}

/**
 * vpnd_addr_from_bytes:
 * @family: AF_INET or AF_INET6
 * @bytes: 4 or 16 bytes in network byte order
 *
 * Makes an address of what the kernel or the bus delivered.
 *
 * Returns: the address; not set when @family is neither
 */
VpndAddr
vpnd_addr_from_bytes (int family, const void *bytes)
{
  VpndAddr addr = { 0 };

  g_return_val_if_fail (bytes != NULL, addr);

  if (family != AF_INET && family != AF_INET6)
    return addr;

  addr.family = (guint8) family;
  memcpy (addr.bytes, bytes, vpnd_addr_size (&addr));
  return addr;
}

/**
 * vpnd_addr_size:
 * @addr: an address
 *
 * Returns: how many bytes of @addr count: 4, 16, or 0 when it is not set
 */
gsize
vpnd_addr_size (const VpndAddr *addr)
{
  if (addr->family == AF_INET)
    return 4;
  return addr->family == AF_INET6 ? 16 : 0;
}

/**
 * vpnd_addr_format:
 * @addr: an address
 * @buffer: at least VPND_ADDR_STRLEN bytes
 *
 * Writes the canonical text of @addr (RFC 5952), "" when it is not set.
 *
 * Returns: (transfer none): @buffer
 */
const char *
vpnd_addr_format (const VpndAddr *addr, char *buffer)
{
  if (!vpnd_addr_is_set (addr) || inet_ntop (addr->family, addr->bytes, buffer, VPND_ADDR_STRLEN) == NULL)
    buffer[0] = '\0';
  return buffer;
}

/**
 * vpnd_addr_to_string:
 * @addr: an address
 *
 * Returns: (transfer full): the text of vpnd_addr_format ()
 */
char *
vpnd_addr_to_string (const VpndAddr *addr)
{
  char buffer[VPND_ADDR_STRLEN];

  return g_strdup (vpnd_addr_format (addr, buffer));
}

/**
 * vpnd_addr_equal:
 * @a: an address
 * @b: an address
 *
 * Returns: TRUE when both are the same address, or both are not set
 */
gboolean
vpnd_addr_equal (const VpndAddr *a, const VpndAddr *b)
{
  return vpnd_addr_compare (a, b) == 0;
}

/**
 * vpnd_addr_compare:
 * @a: an address
 * @b: an address
 *
 * Orders addresses: not set, then IPv4, then IPv6, each by value.
 *
 * Returns: less than, equal to or greater than zero
 */
int
vpnd_addr_compare (const VpndAddr *a, const VpndAddr *b)
{
  if (a->family != b->family)
    return a->family < b->family ? -1 : 1;

  return memcmp (a->bytes, b->bytes, vpnd_addr_size (a));
}

/**
 * vpnd_addr_is_set:
 * @addr: an address
 *
 * Returns: TRUE when @addr holds an address
 */
gboolean
vpnd_addr_is_set (const VpndAddr *addr)
{
  return vpnd_addr_size (addr) != 0;
}

/**
 * vpnd_addr_is_loopback:
 * @addr: an address
 *
 * Returns: TRUE for 127.0.0.0/8 (RFC 1122, 3.2.1.3) and ::1
 */
gboolean
vpnd_addr_is_loopback (const VpndAddr *addr)
{
  return is_in_any (loopback_ranges, G_N_ELEMENTS (loopback_ranges), addr);
}

/**
 * vpnd_addr_is_private:
 * @addr: an address
 *
 * Returns: TRUE inside 10/8, 172.16/12, 192.168/16, 169.254/16, fc00::/7 or fe80::/10; loopback is not private
 */
gboolean
vpnd_addr_is_private (const VpndAddr *addr)
{
  return is_in_any (private_ranges, G_N_ELEMENTS (private_ranges), addr);
}

/**
 * vpnd_addr_is_unicast:
 * @addr: an address
 *
 * Returns: TRUE when @addr can be the address of one host; loopback can
 */
gboolean
vpnd_addr_is_unicast (const VpndAddr *addr)
{
  return vpnd_addr_is_set (addr) && !is_in_any (not_unicast_ranges, G_N_ELEMENTS (not_unicast_ranges), addr);
}

/* At most three digits, no sign, no leading zero: 0..999, or -1. */
static int
parse_prefix_length (const char *text)
{
  gsize length = strlen (text);
  int value = 0;

  if (length == 0 || length > 3 || (length > 1 && text[0] == '0'))
    return -1;

  for (gsize i = 0; i < length; i++)
    {
      if (!g_ascii_isdigit (text[i]))
        return -1;
      value = value * 10 + (text[i] - '0');
    }
  return value;
}

/**
 * vpnd_prefix_parse:
 * @text: an address, or an address, "/" and a length in bits
 * @out_prefix: (out): the prefix, host bits kept; written only on success
 *
 * Reads a prefix. Without a length it is the one host, as in wg(8).
 *
 * Returns: TRUE when @text is exactly a prefix
 */
gboolean
vpnd_prefix_parse (const char *text, VpndPrefix *out_prefix)
{
  char address[VPND_ADDR_STRLEN];
  const char *slash;
  VpndAddr addr;
  int length;

  g_return_val_if_fail (text != NULL && out_prefix != NULL, FALSE);

  slash = strchr (text, '/');
  if (slash != NULL)
    {
      if ((gsize) (slash - text) >= sizeof address)
        return FALSE;
      memcpy (address, text, slash - text);
      address[slash - text] = '\0';
    }

  if (!vpnd_addr_parse (slash != NULL ? address : text, &addr))
    return FALSE;

  length = slash != NULL ? parse_prefix_length (slash + 1) : (int) vpnd_addr_size (&addr) * 8;
  if (length < 0 || length > (int) vpnd_addr_size (&addr) * 8)
    return FALSE;

  *out_prefix = (VpndPrefix){ .addr = addr, .length = (guint8) length };
  return TRUE;
}

/**
 * vpnd_prefix_to_string:
 * @prefix: a prefix
 *
 * Returns: (transfer full): its text with the length, host bits as they are; "" when it is not set
 */
char *
vpnd_prefix_to_string (const VpndPrefix *prefix)
{
  char buffer[VPND_ADDR_STRLEN];

  if (!vpnd_addr_is_set (&prefix->addr))
    return g_strdup ("");
  return g_strdup_printf ("%s/%u", vpnd_addr_format (&prefix->addr, buffer), prefix->length);
}

/**
 * vpnd_prefix_equal:
 * @a: a prefix
 * @b: a prefix
 *
 * Returns: TRUE when address (host bits included) and length are the same
 */
gboolean
vpnd_prefix_equal (const VpndPrefix *a, const VpndPrefix *b)
{
  return vpnd_prefix_compare (a, b) == 0;
}

/**
 * vpnd_prefix_compare:
 * @a: a prefix
 * @b: a prefix
 *
 * Orders prefixes by address, then the shorter length first.
 *
 * Returns: less than, equal to or greater than zero
 */
int
vpnd_prefix_compare (const VpndPrefix *a, const VpndPrefix *b)
{
  int order = vpnd_addr_compare (&a->addr, &b->addr);

  return order != 0 ? order : (int) a->length - (int) b->length;
}

/**
 * vpnd_prefix_masked:
 * @prefix: a prefix
 *
 * Returns: the network of @prefix: its host bits cleared
 */
VpndPrefix
vpnd_prefix_masked (const VpndPrefix *prefix)
{
  VpndPrefix masked = *prefix;

  for (guint i = 0; i < sizeof masked.addr.bytes; i++)
    {
      guint kept_bits = prefix->length > i * 8 ? MIN (prefix->length - i * 8, 8) : 0;

      masked.addr.bytes[i] &= (guint8) (0xff00 >> kept_bits);
    }
  return masked;
}

/**
 * vpnd_prefix_host:
 * @addr: an address
 *
 * Returns: the /32 or /128 of @addr
 */
VpndPrefix
vpnd_prefix_host (const VpndAddr *addr)
{
  return (VpndPrefix){ .addr = *addr, .length = (guint8) (vpnd_addr_size (addr) * 8) };
}

/**
 * vpnd_prefix_contains:
 * @prefix: a prefix
 * @addr: an address
 *
 * Returns: TRUE when @addr is of the family of @prefix and inside its network; never for what is not set
 */
gboolean
vpnd_prefix_contains (const VpndPrefix *prefix, const VpndAddr *addr)
{
  VpndPrefix network, other;

  if (!vpnd_addr_is_set (addr) || prefix->addr.family != addr->family)
    return FALSE;

  network = vpnd_prefix_masked (prefix);
  other = vpnd_prefix_masked (&(VpndPrefix){ .addr = *addr, .length = prefix->length });
  return vpnd_addr_equal (&network.addr, &other.addr);
}

/**
 * vpnd_prefix_is_private:
 * @prefix: a network
 *
 * Returns: TRUE when every address of it is private in the sense of vpnd_addr_is_private()
 */
gboolean
vpnd_prefix_is_private (const VpndPrefix *prefix)
{
  for (gsize i = 0; i < G_N_ELEMENTS (private_ranges); i++)
    if (prefix->length >= private_ranges[i].length && vpnd_prefix_contains (&private_ranges[i], &prefix->addr))
      return TRUE;
  return FALSE;
}

/**
 * vpnd_prefix_append_private:
 * @prefix: a network
 * @prefixes: (element-type VpndPrefix): where its private part is appended: nothing, itself, or the private ranges inside it
 */
void
vpnd_prefix_append_private (const VpndPrefix *prefix, GArray *prefixes)
{
  if (vpnd_prefix_is_private (prefix))
    {
      g_array_append_vals (prefixes, prefix, 1);
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (private_ranges); i++)
    if (prefix->addr.family == private_ranges[i].addr.family && vpnd_prefix_contains (prefix, &private_ranges[i].addr))
      g_array_append_vals (prefixes, &private_ranges[i], 1);
}

/**
 * vpnd_prefix_is_default:
 * @prefix: a prefix
 *
 * Returns: TRUE for 0.0.0.0/0 and ::/0
 */
gboolean
vpnd_prefix_is_default (const VpndPrefix *prefix)
{
  return vpnd_addr_is_set (&prefix->addr) && prefix->length == 0;
}

/**
 * vpnd_endpoint_equal:
 * @a: an endpoint
 * @b: an endpoint
 *
 * Returns: TRUE when address and port are the same
 */
gboolean
vpnd_endpoint_equal (const VpndEndpoint *a, const VpndEndpoint *b)
{
  return a->port == b->port && vpnd_addr_equal (&a->addr, &b->addr);
}

/**
 * vpnd_endpoint_to_string:
 * @endpoint: an endpoint
 *
 * Returns: (transfer full): "192.0.2.1:51820" or "[2001:db8::1]:51820"; "" when it is not set
 */
char *
vpnd_endpoint_to_string (const VpndEndpoint *endpoint)
{
  char buffer[VPND_ADDR_STRLEN];

  if (!vpnd_addr_is_set (&endpoint->addr))
    return g_strdup ("");
  return g_strdup_printf (endpoint->addr.family == AF_INET6 ? "[%s]:%u" : "%s:%u", vpnd_addr_format (&endpoint->addr, buffer), endpoint->port);
}

/**
 * vpnd_service_port_parse:
 * @text: "192.0.2.1:443/tcp" or "[2001:db8::1]:443/udp", and nothing else
 * @out_service: (out): the service; written only on success
 *
 * Returns: TRUE when @text is the address of a host with a port and a protocol
 */
gboolean
vpnd_service_port_parse (const char *text, VpndServicePort *out_service)
{
  static const struct
  {
    const char *suffix;
    guint8 protocol;
  } protocols[] = { { "/tcp", IPPROTO_TCP }, { "/udp", IPPROTO_UDP } };
  VpndServicePort service = { .protocol = 0 };
  g_autofree char *endpoint = NULL;
  const char *colon;
  char *host;
  guint64 port;

  for (guint i = 0; i < G_N_ELEMENTS (protocols); i++)
    if (g_str_has_suffix (text, protocols[i].suffix))
      {
        service.protocol = protocols[i].protocol;
        endpoint = g_strndup (text, strlen (text) - strlen (protocols[i].suffix));
      }
  if (endpoint == NULL || (colon = strrchr (endpoint, ':')) == NULL || !g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
    return FALSE;

  endpoint[colon - endpoint] = '\0';
  host = endpoint;
  if (host[0] == '[' && g_str_has_suffix (host, "]"))
    {
      host[strlen (host) - 1] = '\0';
      host++;
    }
  service.endpoint.port = (guint16) port;
  if (!vpnd_addr_parse (host, &service.endpoint.addr) || !vpnd_addr_is_unicast (&service.endpoint.addr) ||
      (service.endpoint.addr.family == AF_INET6) != (host != endpoint))
    return FALSE;
  *out_service = service;
  return TRUE;
}

/**
 * vpnd_service_port_equal:
 * @a: a service
 * @b: a service
 *
 * Returns: TRUE when address, port and protocol are the same
 */
gboolean
vpnd_service_port_equal (const VpndServicePort *a, const VpndServicePort *b)
{
  return a->protocol == b->protocol && vpnd_endpoint_equal (&a->endpoint, &b->endpoint);
}

/**
 * vpnd_service_port_to_string:
 * @service: a service
 *
 * Returns: (transfer full): what vpnd_service_port_parse() takes
 */
char *
vpnd_service_port_to_string (const VpndServicePort *service)
{
  g_autofree char *endpoint = vpnd_endpoint_to_string (&service->endpoint);

  return g_strconcat (endpoint, service->protocol == IPPROTO_TCP ? "/tcp" : "/udp", NULL);
}
