/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages: RFC 1035, 4.1. SVCB and HTTPS: RFC 9460. A compressed name may only point to bytes before those that it has read so far, which is all that an
 * encoder needs and cannot go round in circles. All counts are bounded, so the work for a message is, too.
 */
#include "config.h"

#include "dns-answer.h"

#include "error.h"

#include <string.h>

#define HEADER_BYTES 12u
#define FLAG_RESPONSE 0x8000u
#define OPCODE_MASK 0x7800u
#define RCODE_MASK 0x000fu
#define CLASS_IN 1u

#define TYPE_A 1u
#define TYPE_CNAME 5u
#define TYPE_AAAA 28u
#define TYPE_SVCB 64u
#define TYPE_HTTPS 65u

#define SVCB_KEY_IPV4HINT 4u
#define SVCB_KEY_IPV6HINT 6u

#define NAME_WIRE_MAX 255u   /* RFC 1035, 2.3.4, with the root */
#define RECORDS_MAX 256u     /* an answer for a host has some ten; what follows is not looked at */
#define TTL_SIGN 0x80000000u /* RFC 2181, 8: such a TTL is 0 */

typedef struct
{
  const guint8 *bytes;
  gsize size;
  gsize at;
} Reader;

/* A record of class IN; its data is part of the message. */
typedef struct
{
  char *owner;
  guint16 type;
  guint32 ttl_s;
  gsize data;
  gsize data_end;
} Record;

static void
record_clear (Record *record)
{
  g_free (record->owner);
}

static gboolean
read_u16 (Reader *reader, guint16 *out_value)
{
  if (reader->size - reader->at < 2)
    return FALSE;
  *out_value = (guint16) (reader->bytes[reader->at] << 8 | reader->bytes[reader->at + 1]);
  reader->at += 2;
  return TRUE;
}

static gboolean
read_u32 (Reader *reader, guint32 *out_value)
{
  guint16 high, low;

  if (!read_u16 (reader, &high) || !read_u16 (reader, &low))
    return FALSE;
  *out_value = (guint32) high << 16 | low;
  return TRUE;
}

static void
append_label (GString *text, const guint8 *label, gsize length)
{
  if (text->len > 0)
    g_string_append_c (text, '.');
  for (gsize i = 0; i < length; i++)
    {
      char c = (char) label[i];

      if (g_ascii_isalnum (c) || c == '-' || c == '_')
        g_string_append_c (text, g_ascii_tolower (c));
      else
        g_string_append_printf (text, "\\%03u", label[i]);
    }
}

/* Leaves the reader behind the name, or behind its first pointer. Returns: (transfer full) (nullable): NULL for what is no name */
static char *
read_name (Reader *reader)
{
  g_autoptr (GString) text = g_string_sized_new (64);
  gsize at = reader->at, lowest = reader->at, wire_bytes = 1;
  gboolean has_jumped = FALSE;

  while (at < reader->size && reader->bytes[at] != 0)
    {
      const guint8 length = reader->bytes[at];

      if (length >= 0xc0)
        {
          gsize target;

          if (reader->size - at < 2)
            return NULL;
          target = (gsize) (length & 0x3f) << 8 | reader->bytes[at + 1];
          if (target >= lowest || target < HEADER_BYTES)
            return NULL;
          if (!has_jumped)
            reader->at = at + 2;
          has_jumped = TRUE;
          at = lowest = target;
          continue;
        }
      wire_bytes += 1u + length;
      if (length > 63 || wire_bytes > NAME_WIRE_MAX || reader->size - at < 1u + length)
        return NULL;
      append_label (text, reader->bytes + at + 1, length);
      at += 1u + length;
    }
  if (at >= reader->size)
    return NULL;
  if (!has_jumped)
    reader->at = at + 1;
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static gboolean
read_record (Reader *reader, GArray *records)
{
  g_autofree char *owner = read_name (reader);
  Record record = { 0 };
  guint16 class_, size;

  if (owner == NULL || !read_u16 (reader, &record.type) || !read_u16 (reader, &class_) || !read_u32 (reader, &record.ttl_s) || !read_u16 (reader, &size) ||
      reader->size - reader->at < size)
    return FALSE;

  record.data = reader->at;
  record.data_end = reader->at += size;
  if (record.ttl_s >= TTL_SIGN)
    record.ttl_s = 0;
  if (class_ == CLASS_IN)
    {
      record.owner = g_steal_pointer (&owner);
      g_array_append_val (records, record);
    }
  return TRUE;
}

/* The answer section, the authority section (which tells no addresses), and the additional one. */
static GArray *
read_records (Reader *reader, guint count)
{
  g_autoptr (GArray) records = g_array_new (FALSE, FALSE, sizeof (Record));

  g_array_set_clear_func (records, (GDestroyNotify) record_clear);
  for (guint i = 0; i < MIN (count, RECORDS_MAX); i++)
    if (!read_record (reader, records))
      return NULL;
  return g_steal_pointer (&records);
}

/* --- the way from the question to the addresses --- */

typedef struct
{
  const Reader *message;
  VpndDnsAnswer *answer;
  guint32 ttls_s[VPND_DNS_NAMES_MAX]; /* of the way to each name */
} Walk;

static gint
find_name (const VpndDnsAnswer *answer, const char *name)
{
  for (guint i = 0; i < answer->names->len; i++)
    if (strcmp (g_ptr_array_index (answer->names, i), name) == 0)
      return (gint) i;
  return -1;
}

static void
add_name (Walk *walk, char *name, guint32 ttl_s)
{
  VpndDnsAnswer *answer = walk->answer;

  if (*name == '\0' || answer->names->len == VPND_DNS_NAMES_MAX || find_name (answer, name) >= 0)
    {
      g_free (name);
      return;
    }
  walk->ttls_s[answer->names->len] = ttl_s;
  g_ptr_array_add (answer->names, name);
}

/* The data of SVCB and HTTPS up to its parameters. Returns: (transfer full) (nullable): the target, "" for the owner itself */
static char *
read_service (const Walk *walk, const Record *record, Reader *out_reader, guint16 *out_priority)
{
  g_autofree char *target = NULL;

  *out_reader = (Reader){ .bytes = walk->message->bytes, .size = record->data_end, .at = record->data };
  if (!read_u16 (out_reader, out_priority))
    return NULL;
  target = read_name (out_reader);
  return g_steal_pointer (&target);
}

static void
follow (Walk *walk, const Record *record, guint name)
{
  const guint32 ttl_s = MIN (walk->ttls_s[name], record->ttl_s);
  Reader reader = { .bytes = walk->message->bytes, .size = record->data_end, .at = record->data };
  guint16 priority;
  char *target = NULL;

  if (record->type == TYPE_CNAME)
    target = read_name (&reader);
  else if (record->type == TYPE_SVCB || record->type == TYPE_HTTPS)
    target = read_service (walk, record, &reader, &priority);
  if (target != NULL)
    add_name (walk, target, ttl_s);
}

static void
add_address (Walk *walk, int family, gsize at, guint name, guint32 ttl_s)
{
  GArray *addresses = walk->answer->addresses;
  const VpndDnsAddress address = {
    .addr = vpnd_addr_from_bytes (family, walk->message->bytes + at), .name = name, .ttl_s = CLAMP (MIN (ttl_s, walk->ttls_s[name]), VPND_DNS_TTL_MIN_S, VPND_DNS_TTL_MAX_S)
  };

  for (guint i = 0; i < addresses->len; i++)
    if (vpnd_addr_equal (&g_array_index (addresses, VpndDnsAddress, i).addr, &address.addr))
      return;
  if (addresses->len < VPND_DNS_ADDRESSES_MAX)
    g_array_append_val (addresses, address);
}

/* Hints are addresses of the target. A record in the form of an alias (priority 0) has none. */
static void
add_hints (Walk *walk, const Record *record, guint owner)
{
  Reader reader;
  guint16 priority, key, size;
  g_autofree char *target = read_service (walk, record, &reader, &priority);
  const gint found = target == NULL ? -1 : *target == '\0' ? (gint) owner
                                                           : find_name (walk->answer, target);

  if (found < 0 || priority == 0)
    return;
  while (read_u16 (&reader, &key) && read_u16 (&reader, &size) && reader.size - reader.at >= size)
    {
      const gsize step = key == SVCB_KEY_IPV4HINT ? 4 : key == SVCB_KEY_IPV6HINT ? 16
                                                                                 : 0;

      for (gsize at = 0; step > 0 && size % step == 0 && at < size; at += step)
        add_address (walk, step == 4 ? AF_INET : AF_INET6, reader.at + at, (guint) found, record->ttl_s);
      reader.at += size;
    }
}

static void
collect (Walk *walk, const Record *record)
{
  const gint name = find_name (walk->answer, record->owner);
  const gsize size = record->data_end - record->data;

  if (name < 0)
    return;
  if (record->type == TYPE_A && size == 4)
    add_address (walk, AF_INET, record->data, (guint) name, record->ttl_s);
  else if (record->type == TYPE_AAAA && size == 16)
    add_address (walk, AF_INET6, record->data, (guint) name, record->ttl_s);
  else if (record->type == TYPE_SVCB || record->type == TYPE_HTTPS)
    add_hints (walk, record, (guint) name);
}

/* Records may stand in any order: the names come first, one after another, as far as they are known. */
static void
walk_records (Walk *walk, const GArray *records)
{
  for (guint i = 0; i < walk->answer->names->len; i++)
    for (guint j = 0; j < records->len; j++)
      {
        const Record *record = &g_array_index (records, Record, j);

        if (strcmp (record->owner, g_ptr_array_index (walk->answer->names, i)) == 0)
          follow (walk, record, i);
      }
  for (guint i = 0; i < records->len; i++)
    collect (walk, &g_array_index (records, Record, i));
}

static gboolean
read_header (Reader *reader, guint *out_records, const char **out_why)
{
  guint16 id, flags, questions, answers, authorities, additions;

  if (!read_u16 (reader, &id) || !read_u16 (reader, &flags) || !read_u16 (reader, &questions) || !read_u16 (reader, &answers) ||
      !read_u16 (reader, &authorities) || !read_u16 (reader, &additions))
    *out_why = "it is shorter than its header";
  else if ((flags & FLAG_RESPONSE) == 0 || (flags & OPCODE_MASK) != 0)
    *out_why = "it is no answer to a query";
  else if ((flags & RCODE_MASK) != 0)
    *out_why = "it says that there is no answer";
  else if (questions != 1)
    *out_why = "it does not say what was asked";
  *out_records = *out_why == NULL ? (guint) answers + authorities + additions : 0;
  return *out_why == NULL;
}

/**
 * vpnd_dns_answer_decode:
 * @bytes: (array length=size): a DNS message, as in a datagram
 * @size: its size in bytes
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): what it answers; without addresses when it has none. Errors: VPND_ERROR_DNS for what is no answer to one question
 *   (RFC 1035, 4.1), says that there is none, or is damaged
 */
VpndDnsAnswer *
vpnd_dns_answer_decode (const guint8 *bytes, gsize size, GError **error)
{
  g_autoptr (VpndDnsAnswer) answer = g_new0 (VpndDnsAnswer, 1);
  g_autoptr (GArray) records = NULL;
  g_autofree char *question = NULL;
  Reader reader = { .bytes = bytes, .size = size };
  Walk walk = { .message = &reader, .answer = answer };
  const char *why = NULL;
  guint n_records;
  guint16 type, class_;

  answer->names = g_ptr_array_new_with_free_func (g_free);
  answer->addresses = g_array_new (FALSE, FALSE, sizeof (VpndDnsAddress));
  if (read_header (&reader, &n_records, &why))
    {
      question = read_name (&reader);
      if (question == NULL || !read_u16 (&reader, &type) || !read_u16 (&reader, &class_) || class_ != CLASS_IN)
        why = "its question is damaged";
      else if ((records = read_records (&reader, n_records)) == NULL)
        why = "its records are damaged";
    }
  if (why != NULL)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_DNS, "a DNS message cannot be used: %s", why);
      return NULL;
    }
  add_name (&walk, g_steal_pointer (&question), VPND_DNS_TTL_MAX_S);
  walk_records (&walk, records);
  return g_steal_pointer (&answer);
}

/**
 * vpnd_dns_answer_free:
 * @answer: (transfer full): an answer
 */
void
vpnd_dns_answer_free (VpndDnsAnswer *answer)
{
  g_ptr_array_unref (answer->names);
  g_array_unref (answer->addresses);
  g_free (answer);
}
