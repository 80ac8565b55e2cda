/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dns-message.h. RFC 1035, 4.1; RFC 9460, 2.2.
 */
#include "config.h"

#include "dns-message.h"

#include <string.h>

#define COUNT_OF_ANSWERS 6 /* offset in the header */
#define POINTER_MAX 0x3fffu

static void
put_u16 (GByteArray *bytes, guint16 value)
{
  const guint8 big[2] = { (guint8) (value >> 8), (guint8) value };

  g_byte_array_append (bytes, big, sizeof big);
}

static void
put_name (DnsMessage *message, const char *name, gboolean compresses)
{
  while (*name != '\0')
    {
      const char *dot = strchrnul (name, '.');
      const guint8 length = (guint8) (dot - name);
      gpointer offset;

      if (compresses && message->offsets != NULL && g_hash_table_lookup_extended (message->offsets, name, NULL, &offset))
        {
          put_u16 (message->bytes, (guint16) (0xc000u | GPOINTER_TO_UINT (offset)));
          return;
        }
      if (message->offsets != NULL && message->bytes->len <= POINTER_MAX)
        g_hash_table_insert (message->offsets, g_strdup (name), GUINT_TO_POINTER (message->bytes->len));
      g_byte_array_append (message->bytes, &length, 1);
      g_byte_array_append (message->bytes, (const guint8 *) name, length);
      name = *dot == '.' ? dot + 1 : dot;
    }
  g_byte_array_append (message->bytes, (const guint8 *) "", 1);
}

/**
 * dns_message_new:
 * @question: the name that was asked for
 * @type: of which records
 * @compresses: names that stand there already are pointed to
 *
 * Returns: (transfer full): an answer without records
 */
DnsMessage *
dns_message_new (const char *question, guint16 type, gboolean compresses)
{
  static const guint8 header[12] = { 0x12, 0x34, 0x81, 0x80, 0, 1 };
  DnsMessage *message = g_new0 (DnsMessage, 1);

  message->bytes = g_byte_array_new ();
  message->offsets = compresses ? g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL) : NULL;
  g_byte_array_append (message->bytes, header, sizeof header);
  put_name (message, question, FALSE);
  put_u16 (message->bytes, type);
  put_u16 (message->bytes, 1);
  return message;
}

static void
put_record (DnsMessage *message, const char *owner, guint16 type, guint32 ttl_s)
{
  guint8 *count = message->bytes->data + COUNT_OF_ANSWERS;
  const guint answers = ((guint) count[0] << 8 | count[1]) + 1;

  count[0] = (guint8) (answers >> 8);
  count[1] = (guint8) answers;
  put_name (message, owner, TRUE);
  put_u16 (message->bytes, type);
  put_u16 (message->bytes, 1);
  put_u16 (message->bytes, (guint16) (ttl_s >> 16));
  put_u16 (message->bytes, (guint16) ttl_s);
  put_u16 (message->bytes, 0);
}

static void
end_record (DnsMessage *message, guint start)
{
  const guint size = message->bytes->len - start;

  message->bytes->data[start - 2] = (guint8) (size >> 8);
  message->bytes->data[start - 1] = (guint8) size;
}

/**
 * dns_message_add:
 * @message: a message
 * @owner: whose record
 * @type: its type
 * @ttl_s: how long it may be believed, in seconds
 * @data: (array length=size): its data
 * @size: in bytes
 */
void
dns_message_add (DnsMessage *message, const char *owner, guint16 type, guint32 ttl_s, const guint8 *data, gsize size)
{
  guint start;

  put_record (message, owner, type, ttl_s);
  start = message->bytes->len;
  g_byte_array_append (message->bytes, data, (guint) size);
  end_record (message, start);
}

/**
 * dns_message_add_address:
 * @message: a message
 * @owner: whose address
 * @ttl_s: in seconds
 * @addr: of either family
 */
void
dns_message_add_address (DnsMessage *message, const char *owner, guint32 ttl_s, const VpndAddr *addr)
{
  dns_message_add (message, owner, addr->family == AF_INET ? DNS_TYPE_A : DNS_TYPE_AAAA, ttl_s, addr->bytes, vpnd_addr_size (addr));
}

/**
 * dns_message_add_cname:
 * @message: a message
 * @owner: the other name
 * @ttl_s: in seconds
 * @target: of which
 */
void
dns_message_add_cname (DnsMessage *message, const char *owner, guint32 ttl_s, const char *target)
{
  guint start;

  put_record (message, owner, DNS_TYPE_CNAME, ttl_s);
  start = message->bytes->len;
  put_name (message, target, TRUE);
  end_record (message, start);
}

/**
 * dns_message_add_https:
 * @message: a message
 * @owner: whose service
 * @ttl_s: in seconds
 * @priority: 0 for an alias
 * @target: where it is; "" for @owner itself
 * @hints: (array length=n_hints): addresses of the target
 * @n_hints: how many
 */
void
dns_message_add_https (DnsMessage *message, const char *owner, guint32 ttl_s, guint16 priority, const char *target, const VpndAddr *hints, guint n_hints)
{
  static const guint8 alpn[] = { 0, 1, 0, 3, 2, 'h', '2' };
  guint start;

  put_record (message, owner, DNS_TYPE_HTTPS, ttl_s);
  start = message->bytes->len;
  put_u16 (message->bytes, priority);
  put_name (message, target, FALSE);
  g_byte_array_append (message->bytes, alpn, sizeof alpn);
  for (guint pass = 0; pass < 2; pass++)
    {
      const guint8 family = pass == 0 ? AF_INET : AF_INET6;
      guint n = 0;

      for (guint i = 0; i < n_hints; i++)
        n += hints[i].family == family;
      if (n == 0)
        continue;
      put_u16 (message->bytes, pass == 0 ? 4 : 6);
      put_u16 (message->bytes, (guint16) (n * (pass == 0 ? 4 : 16)));
      for (guint i = 0; i < n_hints; i++)
        if (hints[i].family == family)
          g_byte_array_append (message->bytes, hints[i].bytes, (guint) vpnd_addr_size (&hints[i]));
    }
  end_record (message, start);
}

/**
 * dns_message_free:
 * @message: (transfer full): a message
 */
void
dns_message_free (DnsMessage *message)
{
  g_byte_array_unref (message->bytes);
  g_clear_pointer (&message->offsets, g_hash_table_unref);
  g_free (message);
}
