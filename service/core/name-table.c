/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See name-table.h. A name belongs to the longest domain that it is or stands below. An address belongs to the first name on the way to it (what was asked
 * for, then what that led to) that belongs to any. An address of an excluded and an included domain counts as included: in doubt it goes by the tunnel.
 */
#include "config.h"

#include "name-table.h"

#include <string.h>

typedef struct
{
  VpndAddr addr;
  gint64 expiry_us;
} Known;

typedef struct
{
  char *domain;
  VpndSplitClass class_;
  GArray *known;        /* (element-type Known) (owned): in order of arrival */
  GArray *addrs;        /* (element-type VpndAddr) (owned): what get_names () tells */
  gboolean has_refused; /* it was told */
} Entry;

struct VpndNameTable
{
  GHashTable *entries; /* (element-type utf8 Entry) (owned): keys are the entries' */
  GArray *protected_;  /* (element-type VpndPrefix) (owned) */
  GArray *names;       /* (element-type VpndSplitName) (owned) */
  guint count;         /* addresses in all */
  gboolean is_full;    /* it was told */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->domain);
  g_array_unref (entry->known);
  g_array_unref (entry->addrs);
  g_free (entry);
}

static Entry *
entry_new (const char *domain, VpndSplitClass class_)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->domain = g_strdup (domain);
  entry->class_ = class_;
  entry->known = g_array_new (FALSE, FALSE, sizeof (Known));
  entry->addrs = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  return entry;
}

/**
 * vpnd_name_table_new:
 *
 * Returns: (transfer full): a table without domains
 */
VpndNameTable *
vpnd_name_table_new (void)
{
  VpndNameTable *table = g_new0 (VpndNameTable, 1);

  table->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  table->protected_ = g_array_new (FALSE, FALSE, sizeof (VpndPrefix));
  table->names = g_array_new (FALSE, FALSE, sizeof (VpndSplitName));
  return table;
}

/**
 * vpnd_name_table_free:
 * @table: (transfer full): a table
 */
void
vpnd_name_table_free (VpndNameTable *table)
{
  g_hash_table_unref (table->entries);
  g_array_unref (table->protected_);
  g_array_unref (table->names);
  g_free (table);
}

/* --- which addresses are believed --- */

/* Of IPv4, what is no unicast address of the public internet (RFC 6890; 100.64/10: RFC 6598); the networks of documentation are not among them, as nobody
 * loses by them. Of IPv6 only global unicast (RFC 4291), without what carries an IPv4 address inside (6to4 and Teredo), which could be any of these. */
static const struct
{
  guint8 family;
  guint8 bytes[4];
  guint8 length;
} special[] = {
  { AF_INET, { 0 }, 8 },
  { AF_INET, { 10 }, 8 },
  { AF_INET, { 100, 64 }, 10 },
  { AF_INET, { 127 }, 8 },
  { AF_INET, { 169, 254 }, 16 },
  { AF_INET, { 172, 16 }, 12 },
  { AF_INET, { 192, 0, 0 }, 24 },
  { AF_INET, { 192, 168 }, 16 },
  { AF_INET, { 198, 18 }, 15 },
  { AF_INET, { 224 }, 3 },
  { AF_INET6, { 0x20, 0x01, 0, 0 }, 32 },
  { AF_INET6, { 0x20, 0x02 }, 16 },
};

/**
 * vpnd_name_table_may_take:
 * @addr: an address from an answer
 *
 * Returns: TRUE when a public host can have it
 */
gboolean
vpnd_name_table_may_take (const VpndAddr *addr)
{
  if (!vpnd_addr_is_set (addr) || (addr->family == AF_INET6 && addr->bytes[0] >> 5 != 1)) /* 2000::/3 */
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (special); i++)
    {
      VpndPrefix prefix = { .addr.family = special[i].family, .length = special[i].length };

      memcpy (prefix.addr.bytes, special[i].bytes, sizeof special[i].bytes);
      if (prefix.addr.family == addr->family && vpnd_prefix_contains (&prefix, addr))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_protected (const VpndNameTable *table, const VpndAddr *addr)
{
  for (guint i = 0; i < table->protected_->len; i++)
    {
      const VpndPrefix *prefix = &g_array_index (table->protected_, VpndPrefix, i);

      if (prefix->addr.family == addr->family && vpnd_prefix_contains (prefix, addr))
        return TRUE;
    }
  return FALSE;
}

/* --- what is set --- */

/* Moves what is known to the domain's new entry. */
static void
inherit (Entry *entry, Entry *former)
{
  GArray *empty = entry->known;

  entry->known = former->known;
  former->known = empty;
  entry->has_refused = former->has_refused;
}

static guint
count_addresses (const VpndNameTable *table)
{
  GHashTableIter iter;
  gpointer value;
  guint count = 0;

  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    count += ((const Entry *) value)->known->len;
  return count;
}

/**
 * vpnd_name_table_set_rules:
 * @table: a table
 * @config: all rules; those by domain count
 *
 * Addresses of a domain that stays, in its class or another, stay known; those of one that is no rule's any more go.
 *
 * Returns: TRUE when there were addresses of domains that have gone, or of such as have come to another class
 */
gboolean
vpnd_name_table_set_rules (VpndNameTable *table, const VpndSplitConfig *config)
{
  g_autoptr (GHashTable) former = g_steal_pointer (&table->entries);
  const guint former_count = table->count;
  gboolean has_moved = FALSE;

  table->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);
      Entry *present, *entry;

      if (rule->kind != VPND_SPLIT_DOMAIN)
        continue;
      entry = entry_new (rule->value, rule->class_);
      present = g_hash_table_lookup (former, rule->value);
      if (present != NULL)
        {
          has_moved = has_moved || (present->known->len > 0 && present->class_ != entry->class_);
          inherit (entry, present);
        }
      g_hash_table_replace (table->entries, entry->domain, entry);
    }
  table->count = count_addresses (table);
  return has_moved || table->count != former_count;
}

typedef gboolean (*GoesFunc) (const VpndNameTable *table, const Known *known, gint64 now_us);

/* Returns: whether any went */
static gboolean
remove_if (VpndNameTable *table, GoesFunc goes, gint64 now_us)
{
  const guint former_count = table->count;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      GArray *known = ((Entry *) value)->known;
      guint kept = 0;

      for (guint i = 0; i < known->len; i++)
        if (!goes (table, &g_array_index (known, Known, i), now_us))
          g_array_index (known, Known, kept++) = g_array_index (known, Known, i);
      table->count -= known->len - kept;
      g_array_set_size (known, kept);
    }
  if (table->count == former_count)
    return FALSE;
  table->is_full = FALSE;
  return TRUE;
}

static gboolean
has_become_protected (const VpndNameTable *table, const Known *known, gint64 now_us)
{
  return is_protected (table, &known->addr);
}

static gboolean
has_expired (const VpndNameTable *table, const Known *known, gint64 now_us)
{
  return known->expiry_us <= now_us;
}

/**
 * vpnd_name_table_set_protected:
 * @table: a table
 * @prefixes: (element-type VpndPrefix): what belongs to the tunnel: its addresses inside, and the resolvers in it; no domain has an address of it
 *
 * Returns: TRUE when addresses that were known are gone by that
 */
gboolean
vpnd_name_table_set_protected (VpndNameTable *table, const GArray *prefixes)
{
  g_array_set_size (table->protected_, 0);
  if (prefixes->len > 0)
    g_array_append_vals (table->protected_, prefixes->data, prefixes->len);
  return remove_if (table, has_become_protected, 0);
}

/**
 * vpnd_name_table_has_domains:
 * @table: a table
 *
 * Returns: TRUE when any rule is by domain
 */
gboolean
vpnd_name_table_has_domains (const VpndNameTable *table)
{
  return g_hash_table_size (table->entries) > 0;
}

/* --- what comes and goes --- */

/* Returns: (nullable): the entry of the longest domain that @name is or stands below */
static Entry *
find_entry (const VpndNameTable *table, const char *name)
{
  while (name != NULL)
    {
      const char *dot = strchr (name, '.');
      Entry *entry = g_hash_table_lookup (table->entries, name);

      if (entry != NULL)
        return entry;
      name = dot != NULL ? dot + 1 : NULL;
    }
  return NULL;
}

static Entry *
find_entry_on_way (const VpndNameTable *table, const VpndDnsAnswer *answer, guint last)
{
  for (guint i = 0; i <= last && i < answer->names->len; i++)
    {
      Entry *entry = find_entry (table, g_ptr_array_index (answer->names, i));

      if (entry != NULL)
        return entry;
    }
  return NULL;
}

static Known *
find_known (Entry *entry, const VpndAddr *addr)
{
  for (guint i = 0; i < entry->known->len; i++)
    if (vpnd_addr_equal (&g_array_index (entry->known, Known, i).addr, addr))
      return &g_array_index (entry->known, Known, i);
  return NULL;
}

static void
drop_first_to_expire (VpndNameTable *table, Entry *entry)
{
  guint first = 0;

  for (guint i = 1; i < entry->known->len; i++)
    if (g_array_index (entry->known, Known, i).expiry_us < g_array_index (entry->known, Known, first).expiry_us)
      first = i;
  g_array_remove_index (entry->known, first);
  table->count--;
}

static void
refuse (Entry *entry, const VpndAddr *addr, VpndNameResult *result)
{
  if (!entry->has_refused)
    result->refused = *addr;
  entry->has_refused = TRUE;
}

static void
add_address (VpndNameTable *table, Entry *entry, const VpndDnsAddress *address, gint64 now_us, VpndNameResult *result)
{
  const gint64 expiry_us = now_us + (gint64) (address->ttl_s + VPND_NAME_TABLE_GRACE_S) * G_USEC_PER_SEC;
  const Known new_known = { .addr = address->addr, .expiry_us = expiry_us };
  Known *known = find_known (entry, &address->addr);

  if (!vpnd_name_table_may_take (&address->addr) || is_protected (table, &address->addr))
    {
      refuse (entry, &address->addr, result);
      return;
    }
  if (known != NULL)
    {
      known->expiry_us = MAX (known->expiry_us, expiry_us);
      g_array_append_val (result->addrs, address->addr);
      return;
    }
  if (entry->known->len >= VPND_NAME_TABLE_DOMAIN_MAX)
    drop_first_to_expire (table, entry);
  if (table->count >= VPND_NAME_TABLE_MAX)
    {
      result->is_full = !table->is_full;
      table->is_full = TRUE;
      return;
    }
  g_array_append_val (entry->known, new_known);
  g_array_append_val (result->addrs, address->addr);
  table->count++;
  result->has_changed = TRUE;
}

/**
 * vpnd_name_table_add:
 * @table: a table
 * @answer: what a resolver said
 * @now_us: a clock that never goes back, in microseconds
 * @out_result: (out): what it meant; to be cleared
 *
 * Takes the addresses of names that belong to a domain. One that is known is believed until the later of both times.
 */
void
vpnd_name_table_add (VpndNameTable *table, const VpndDnsAnswer *answer, gint64 now_us, VpndNameResult *out_result)
{
  *out_result = (VpndNameResult){ .addrs = g_array_new (FALSE, FALSE, sizeof (VpndAddr)) };
  for (guint i = 0; i < answer->addresses->len; i++)
    {
      const VpndDnsAddress *address = &g_array_index (answer->addresses, VpndDnsAddress, i);
      Entry *entry = find_entry_on_way (table, answer, address->name);

      if (entry == NULL)
        continue;
      if (out_result->domain == NULL)
        out_result->domain = entry->domain;
      add_address (table, entry, address, now_us, out_result);
    }
}

/**
 * vpnd_name_table_expire:
 * @table: a table
 * @now_us: as for vpnd_name_table_add()
 *
 * Returns: TRUE when addresses are gone because their time has run out
 */
gboolean
vpnd_name_table_expire (VpndNameTable *table, gint64 now_us)
{
  return remove_if (table, has_expired, now_us);
}

/**
 * vpnd_name_table_next_expiry_us:
 * @table: a table
 *
 * Returns: when the next address goes, by the clock of vpnd_name_table_add(); G_MAXINT64 when none is known
 */
gint64
vpnd_name_table_next_expiry_us (const VpndNameTable *table)
{
  gint64 next_us = G_MAXINT64;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const GArray *known = ((const Entry *) value)->known;

      for (guint i = 0; i < known->len; i++)
        next_us = MIN (next_us, g_array_index (known, Known, i).expiry_us);
    }
  return next_us;
}

static guint
addr_hash (gconstpointer key)
{
  const VpndAddr *addr = key;
  guint hash = addr->family;

  for (guint i = 0; i < sizeof addr->bytes; i++)
    hash = hash * 31 + addr->bytes[i];
  return hash;
}

static gboolean
addr_equal (gconstpointer a, gconstpointer b)
{
  return vpnd_addr_equal (a, b);
}

static GHashTable *
find_included (const VpndNameTable *table)
{
  GHashTable *included = g_hash_table_new (addr_hash, addr_equal);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Entry *entry = value;

      for (guint i = 0; entry->class_ == VPND_SPLIT_INCLUDED && i < entry->known->len; i++)
        g_hash_table_add (included, &g_array_index (entry->known, Known, i).addr);
    }
  return included;
}

/**
 * vpnd_name_table_get_names:
 * @table: a table
 *
 * Returns: (transfer none) (element-type VpndSplitName): the domains of which an address is known, for VpndSplitFacts; valid until @table changes
 */
const GArray *
vpnd_name_table_get_names (VpndNameTable *table)
{
  g_autoptr (GHashTable) included = find_included (table);
  GHashTableIter iter;
  gpointer value;

  g_array_set_size (table->names, 0);
  g_hash_table_iter_init (&iter, table->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;
      const VpndSplitName name = { .domain = entry->domain, .addrs = entry->addrs };

      g_array_set_size (entry->addrs, 0);
      for (guint i = 0; i < entry->known->len; i++)
        {
          const VpndAddr *addr = &g_array_index (entry->known, Known, i).addr;

          if (entry->class_ == VPND_SPLIT_INCLUDED || !g_hash_table_contains (included, addr))
            g_array_append_vals (entry->addrs, addr, 1);
        }
      if (entry->addrs->len > 0)
        g_array_append_val (table->names, name);
    }
  return table->names;
}

/**
 * vpnd_name_result_clear:
 * @result: a result
 */
void
vpnd_name_result_clear (VpndNameResult *result)
{
  g_clear_pointer (&result->addrs, g_array_unref);
}
