/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See uapi.h. Both operations are answered in the same form, so there is one parser: lines key=value, the last of them errno=,
 * and an empty line.
 */
#include "config.h"

#include "uapi.h"

#include "clear-buffer.h"
#include "error.h"

#include <string.h>

#define LINE_MAX_BYTES 256       /* the longest legal line is an endpoint with a zone; longer ones are not understood */
#define REQUEST_GUESS_BYTES 1024 /* one device with one peer */
#define NS_PER_S 1000000000

static void
append_line (VpndClearBuffer *buffer, const char *key, const char *value)
{
  vpnd_clear_buffer_append_text (buffer, key);
  vpnd_clear_buffer_append_text (buffer, "=");
  vpnd_clear_buffer_append_text (buffer, value);
  vpnd_clear_buffer_append_text (buffer, "\n");
}

static void
append_number (VpndClearBuffer *buffer, const char *key, guint32 value)
{
  char text[16];

  g_snprintf (text, sizeof text, "%" G_GUINT32_FORMAT, value);
  append_line (buffer, key, text);
}

static void
append_key (VpndClearBuffer *buffer, const char *key, const guint8 *bytes)
{
  vpnd_clear_buffer_append_text (buffer, key);
  vpnd_clear_buffer_append_text (buffer, "=");
  vpnd_clear_buffer_append_hex (buffer, bytes, VPND_KEY_BYTES);
  vpnd_clear_buffer_append_text (buffer, "\n");
}

/* A key of zeros takes a preshared key away, a keepalive of 0 switches it off: both are always said, because the device may have one. */
static void
append_peer (VpndClearBuffer *buffer, const VpndTunnelPeer *peer)
{
  static const guint8 no_key[VPND_KEY_BYTES];

  append_key (buffer, "public_key", peer->public_key.bytes);
  append_key (buffer, "preshared_key", peer->preshared_key != NULL ? vpnd_secret_peek_bytes (peer->preshared_key) : no_key);
  if (vpnd_addr_is_set (&peer->endpoint.addr))
    {
      g_autofree char *endpoint = vpnd_endpoint_to_string (&peer->endpoint);

      append_line (buffer, "endpoint", endpoint);
    }
  append_number (buffer, "persistent_keepalive_interval", peer->persistent_keepalive_s);
  append_line (buffer, "replace_allowed_ips", "true");
  for (guint i = 0; i < peer->allowed_ips->len; i++)
    {
      g_autofree char *prefix = vpnd_prefix_to_string (&g_array_index (peer->allowed_ips, VpndPrefix, i));

      append_line (buffer, "allowed_ip", prefix);
    }
}

/**
 * vpnd_uapi_encode_set:
 * @config: what is wanted
 * @present: (nullable): what the device has now; NULL for a new device, whose peers (if any) are all replaced
 *
 * Peers of @present that @config has too are updated in place and keep their session; the others are removed.
 *
 * Returns: (transfer full): one request, which clears itself
 */
GBytes *
vpnd_uapi_encode_set (const VpndTunnelConfig *config, const VpndWgDevice *present)
{
  g_autoptr (VpndClearBuffer) buffer = vpnd_clear_buffer_new (REQUEST_GUESS_BYTES);
  g_autoptr (GArray) surplus = vpnd_wg_device_surplus_peers (present, config);

  vpnd_clear_buffer_append_text (buffer, "set=1\n");
  append_key (buffer, "private_key", vpnd_secret_peek_bytes (config->private_key));
  if (vpnd_wg_device_needs_port (present, config))
    append_number (buffer, "listen_port", config->listen_port);
  append_number (buffer, "fwmark", config->fwmark);
  if (present == NULL)
    append_line (buffer, "replace_peers", "true");
  for (guint i = 0; i < surplus->len; i++)
    {
      append_key (buffer, "public_key", g_array_index (surplus, VpndPublicKey, i).bytes);
      append_line (buffer, "remove", "true");
    }
  for (guint i = 0; i < config->peers->len; i++)
    append_peer (buffer, g_ptr_array_index (config->peers, i));
  vpnd_clear_buffer_append_text (buffer, "\n");
  return vpnd_clear_buffer_seal (g_steal_pointer (&buffer));
}

/**
 * vpnd_uapi_encode_get:
 *
 * Returns: (transfer full): the request for everything. Its answer holds the private key
 */
GBytes *
vpnd_uapi_encode_get (void)
{
  static const char request[] = "get=1\n\n";

  return g_bytes_new_static (request, sizeof request - 1);
}

/**
 * vpnd_uapi_is_complete:
 * @text: (array length=len): what has been received
 * @len: its length in bytes
 *
 * Returns: TRUE when @text ends as an answer ends
 */
gboolean
vpnd_uapi_is_complete (const char *text, gsize len)
{
  return len >= 2 && text[len - 1] == '\n' && text[len - 2] == '\n';
}

/* What one answer says, while it is being read. */
typedef struct
{
  VpndWgDevice *device; /* (owned) */
  gint64 error_number;
  gboolean has_error_number;
} Answer;

static gboolean
parse_hex_key (const char *text, VpndPublicKey *out_key)
{
  if (strlen (text) != 2 * VPND_KEY_BYTES)
    return FALSE;

  for (guint i = 0; i < VPND_KEY_BYTES; i++)
    {
      const int high = g_ascii_xdigit_value (text[2 * i]);
      const int low = g_ascii_xdigit_value (text[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      out_key->bytes[i] = (guint8) (high << 4 | low);
    }
  return TRUE;
}

static VpndPeerStats *
current_peer (Answer *answer)
{
  GArray *peers = answer->device->peers;

  return peers->len > 0 ? &g_array_index (peers, VpndPeerStats, peers->len - 1) : NULL;
}

static gboolean
parse_public_key (Answer *answer, const char *value)
{
  VpndPeerStats peer = { 0 };

  if (!parse_hex_key (value, &peer.public_key))
    return FALSE;

  g_array_append_val (answer->device->peers, peer);
  return TRUE;
}

/* "192.0.2.1:51820" or "[2001:db8::1]:51820"; a link-local address has a "%zone", which is not part of our endpoints */
static gboolean
parse_endpoint (Answer *answer, const char *value)
{
  VpndPeerStats *peer = current_peer (answer);
  const char *colon = strrchr (value, ':');
  const gboolean is_bracketed = value[0] == '[';
  g_autofree char *host = NULL;
  guint64 port;
  char *zone;

  if (peer == NULL || colon == NULL || (is_bracketed && (colon - value < 2 || colon[-1] != ']')))
    return FALSE;

  host = is_bracketed ? g_strndup (value + 1, (gsize) (colon - value) - 2) : g_strndup (value, (gsize) (colon - value));
  zone = strchr (host, '%');
  if (zone != NULL)
    *zone = '\0';
  if (!g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT16, &port, NULL) || !vpnd_addr_parse (host, &peer->endpoint.addr))
    return FALSE;

  peer->endpoint.port = (guint16) port;
  return TRUE;
}

static gboolean
parse_errno (Answer *answer, const char *value)
{
  answer->has_error_number = g_ascii_string_to_signed (value, 10, -G_MAXINT, G_MAXINT, &answer->error_number, NULL);
  return answer->has_error_number;
}

/* The numbers of a device or a peer: where each goes and how large it may be. */
typedef enum
{
  LISTEN_PORT,
  FWMARK,
  RX_BYTES,
  TX_BYTES,
  HANDSHAKE_S,
  HANDSHAKE_NS,
  N_NUMBERS
} NumberKind;

static const struct
{
  const char *key;
  guint64 max;
} numbers[N_NUMBERS] = {
  [LISTEN_PORT] = { "listen_port", G_MAXUINT16 },
  [FWMARK] = { "fwmark", G_MAXUINT32 },
  [RX_BYTES] = { "rx_bytes", G_MAXUINT64 },
  [TX_BYTES] = { "tx_bytes", G_MAXUINT64 },
  [HANDSHAKE_S] = { "last_handshake_time_sec", G_MAXINT64 },
  [HANDSHAKE_NS] = { "last_handshake_time_nsec", NS_PER_S - 1 },
};

static gboolean
parse_number (Answer *answer, NumberKind kind, const char *value)
{
  VpndPeerStats *peer = current_peer (answer);
  guint64 number;

  if (!g_ascii_string_to_unsigned (value, 10, 0, numbers[kind].max, &number, NULL) || (kind != LISTEN_PORT && kind != FWMARK && peer == NULL))
    return FALSE;

  switch (kind)
    {
    case LISTEN_PORT:
      answer->device->listen_port = (guint16) number;
      return TRUE;
    case FWMARK:
      answer->device->fwmark = (guint32) number;
      return TRUE;
    case RX_BYTES:
      peer->rx_bytes = number;
      return TRUE;
    case TX_BYTES:
      peer->tx_bytes = number;
      return TRUE;
    case HANDSHAKE_S:
      peer->last_handshake_s = (gint64) number;
      return TRUE;
    case HANDSHAKE_NS:
      peer->last_handshake_ns = (guint32) number;
      return TRUE;
    case N_NUMBERS:
      break;
    }
  g_assert_not_reached ();
}

static gboolean
parse_line (Answer *answer, const char *key, const char *value)
{
  if (strcmp (key, "public_key") == 0)
    return parse_public_key (answer, value);
  if (strcmp (key, "endpoint") == 0)
    return parse_endpoint (answer, value);
  if (strcmp (key, "errno") == 0)
    return parse_errno (answer, value);
  for (NumberKind kind = 0; kind < N_NUMBERS; kind++)
    if (strcmp (key, numbers[kind].key) == 0)
      return parse_number (answer, kind, value);
  return TRUE;
}

/* Copies a line out only when its key is one of ours, so that no secret is ever in @line. */
static gboolean
read_line (Answer *answer, const char *start, gsize len)
{
  char line[LINE_MAX_BYTES];
  const char *equals = memchr (start, '=', len);
  const gsize key_len = equals != NULL ? (gsize) (equals - start) : 0;

  if (equals == NULL || memchr (start, '\0', len) != NULL)
    return FALSE;
  if ((key_len == strlen ("private_key") && memcmp (start, "private_key", key_len) == 0) ||
      (key_len == strlen ("preshared_key") && memcmp (start, "preshared_key", key_len) == 0))
    return TRUE;
  if (len >= sizeof line)
    return FALSE;

  memcpy (line, start, len);
  line[len] = '\0';
  line[key_len] = '\0';
  return parse_line (answer, line, line + key_len + 1);
}

/**
 * vpnd_uapi_parse_answer:
 * @text: (array length=len): one whole answer, its empty line included
 * @len: its length in bytes
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the device as the answer describes it (empty for the answer to "set"). NULL with
 *   VPND_ERROR_TUNNEL when the answer is malformed or its errno is not 0
 */
VpndWgDevice *
vpnd_uapi_parse_answer (const char *text, gsize len, GError **error)
{
  g_autoptr (VpndWgDevice) device = vpnd_wg_device_new ();
  Answer answer = { .device = device };
  gboolean is_valid = vpnd_uapi_is_complete (text, len);

  for (const char *line = text, *end; is_valid && line < text + len - 1; line = end + 1)
    {
      end = memchr (line, '\n', (gsize) (text + len - line));
      is_valid = !answer.has_error_number && read_line (&answer, line, (gsize) (end - line));
    }

  if (!is_valid || !answer.has_error_number)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_TUNNEL, "the answer of wireguard-go is malformed");
      return NULL;
    }
  if (answer.error_number != 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TUNNEL, "wireguard-go refused the request: %s", g_strerror ((int) ABS (answer.error_number)));
      return NULL;
    }
  return g_steal_pointer (&device);
}
