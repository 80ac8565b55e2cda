/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finds the refused message in the batch by its sequence number, and in a rule the expression by the offset that the kernel gives.
 */
#include "config.h"

#include "nft-error.h"

#include "error.h"
#include "nft-attr.h"
#include "nl-message.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* Expressions that a kernel may lack although it has nftables (net/netfilter/Kconfig). */
static const struct
{
  const char *name;
  const char *option;
} optional_expressions[] = {
  { "ct", "CONFIG_NFT_CT" },
  { "fib", "CONFIG_NFT_FIB_INET" },
  { "masq", "CONFIG_NFT_MASQ" },
  { "queue", "CONFIG_NFT_QUEUE" },
  { "nat", "CONFIG_NFT_NAT" },
  { "reject", "CONFIG_NFT_REJECT_INET" },
  { "socket", "CONFIG_NFT_SOCKET" },
};

static const struct nlmsghdr *
find_message (GBytes *batch, guint32 seq)
{
  VpndNlCursor cursor = { 0 };
  const struct nlmsghdr *message;

  cursor.data = g_bytes_get_data (batch, &cursor.size);
  while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
    if (message->nlmsg_seq == seq)
      return message;
  return NULL;
}

/* "rule 3 of chain output", counted from 1 as `nft list` shows them. */
static char *
describe_rule (GBytes *batch, const struct nlmsghdr *rule, const char *chain)
{
  VpndNlCursor cursor = { 0 };
  const struct nlmsghdr *message;
  guint index = 0;

  cursor.data = g_bytes_get_data (batch, &cursor.size);
  while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
    {
      VpndNftAttrs attrs;
      guint8 family;

      if (vpnd_nft_attrs_of_message (message, &family, &attrs) && NFNL_MSG_TYPE (message->nlmsg_type) == NFT_MSG_NEWRULE &&
          g_strcmp0 (vpnd_nft_attrs_string (&attrs, NFTA_RULE_CHAIN), chain) == 0)
        index++;
      if (message == rule)
        break;
    }
  return g_strdup_printf ("rule %u of chain %s", index, chain);
}

static char *
describe (GBytes *batch, const struct nlmsghdr *message)
{
  VpndNftAttrs attrs;
  guint8 family;
  const char *name;

  if (message == NULL || !vpnd_nft_attrs_of_message (message, &family, &attrs))
    return g_strdup ("nftables batch");
  switch (NFNL_MSG_TYPE (message->nlmsg_type))
    {
    case NFT_MSG_NEWCHAIN:
      name = vpnd_nft_attrs_string (&attrs, NFTA_CHAIN_NAME);
      return g_strdup_printf ("chain %s", name != NULL ? name : "");
    case NFT_MSG_NEWSET:
      name = vpnd_nft_attrs_string (&attrs, NFTA_SET_NAME);
      return g_strdup_printf ("set %s", name != NULL ? name : "");
    case NFT_MSG_NEWSETELEM:
      name = vpnd_nft_attrs_string (&attrs, NFTA_SET_ELEM_LIST_SET);
      return g_strdup_printf ("elements of set %s", name != NULL ? name : "");
    case NFT_MSG_NEWRULE:
      name = vpnd_nft_attrs_string (&attrs, NFTA_RULE_CHAIN);
      return describe_rule (batch, message, name != NULL ? name : "");
    default:
      name = vpnd_nft_attrs_string (&attrs, NFTA_TABLE_NAME);
      return g_strdup_printf ("table inet %s", name != NULL ? name : "");
    }
}

static const char *
expression_option (const VpndNftAttrs *element)
{
  const char *name = vpnd_nft_attrs_string (element, NFTA_EXPR_NAME);

  for (guint i = 0; name != NULL && i < G_N_ELEMENTS (optional_expressions); i++)
    if (strcmp (optional_expressions[i].name, name) == 0)
      return optional_expressions[i].option;
  return NULL;
}

/* The option of the expression at @offset; without an offset, of the first expression that may be missing. */
static const char *
rule_option (const struct nlmsghdr *message, const VpndNftAttrs *attrs, guint32 offset)
{
  VpndNftAttrs list = vpnd_nft_attrs_find (attrs, NFTA_RULE_EXPRESSIONS);
  VpndNftAttrs element;
  guint16 type;

  while (vpnd_nft_attrs_next (&list, &type, &element))
    {
      gsize start = (gsize) (element.data - (const guint8 *) message) - sizeof (struct nlattr);
      const char *option = expression_option (&element);

      if (option != NULL && (offset == 0 || (offset >= start && offset < start + sizeof (struct nlattr) + element.size)))
        return option;
    }
  return NULL;
}

static const char *
missing_option (const struct nlmsghdr *message, const VpndNlError *refusal)
{
  VpndNftAttrs attrs;
  guint8 family;
  const char *type;

  if (refusal->error != EOPNOTSUPP && refusal->error != ENOENT && refusal->error != EAFNOSUPPORT && refusal->error != EPROTONOSUPPORT)
    return NULL;
  if (message == NULL)
    return NULL;
  if (!vpnd_nft_attrs_of_message (message, &family, &attrs))
    return "CONFIG_NF_TABLES"; /* begin or end: nobody handles the batch */

  switch (NFNL_MSG_TYPE (message->nlmsg_type))
    {
    case NFT_MSG_NEWTABLE:
      return "CONFIG_NF_TABLES_INET";
    case NFT_MSG_NEWCHAIN:
      type = vpnd_nft_attrs_string (&attrs, NFTA_CHAIN_TYPE);
      if (type == NULL)
        return NULL;
      return strcmp (type, "nat") == 0 ? "CONFIG_NFT_NAT" : "CONFIG_NF_TABLES_INET";
    case NFT_MSG_NEWRULE:
      return rule_option (message, &attrs, refusal->offset);
    default:
      return NULL;
    }
}

/**
 * vpnd_nft_set_error:
 * @error: return location for an error
 * @batch: what was sent
 * @refusal: what the kernel said of one message in it
 *
 * Sets VPND_ERROR_KERNEL_FEATURE with the name of the option when the kernel lacks one, else VPND_ERROR_FIREWALL; in both cases with the
 * part of the table that was refused, the text of the errno and the kernel's own words.
 */
void
vpnd_nft_set_error (GError **error, GBytes *batch, const VpndNlError *refusal)
{
  const struct nlmsghdr *message = find_message (batch, refusal->seq);
  g_autofree char *what = describe (batch, message);
  const char *option = missing_option (message, refusal);
  gboolean has_words = refusal->extack != NULL && refusal->extack[0] != '\0';
  g_autofree char *words = has_words ? g_strdup_printf (" (%s)", refusal->extack) : g_strdup ("");

  if (option != NULL)
    g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "%s: %s%s: the kernel needs %s", what, g_strerror (refusal->error), words, option);
  else
    g_set_error (error, VPND_ERROR, VPND_ERROR_FIREWALL, "%s: %s%s", what, g_strerror (refusal->error), words);
}
