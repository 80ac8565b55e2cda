/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a refusal of the kernel is called: the place in the table, the kernel's words, the missing option.
 */
#include "config.h"

#include "error.h"
#include "nft-encode.h"
#include "nft-error.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

#define FIRST_SEQ 100u

/* Sequence numbers of the batch of sample(): begin, add, delete, add, two chains, a set, its elements, three rules, end. */
enum
{
  SEQ_BEGIN = FIRST_SEQ,
  SEQ_TABLE,
  SEQ_DELETE,
  SEQ_FLAGGED,
  SEQ_CHAIN,
  SEQ_NAT_CHAIN,
  SEQ_SET,
  SEQ_ELEMENTS,
  SEQ_RULE_PLAIN,
  SEQ_RULE_CT_FIB,
  SEQ_RULE_MASQUERADE,
  SEQ_END,
};

static GBytes *
sample (void)
{
  g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("vpnd");
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "input", VPND_CHAIN_FILTER, VPND_HOOK_INPUT, 0, VPND_VERDICT_DROP);
  VpndChain *nat = vpnd_ruleset_add_chain (ruleset, "nat", VPND_CHAIN_NAT, VPND_HOOK_POSTROUTING, 100, VPND_VERDICT_ACCEPT);
  VpndSet *set = vpnd_ruleset_add_set (ruleset, "ports", VPND_FIELD_UDP_DPORT, FALSE, FALSE);
  VpndRule *rule;

  vpnd_set_add_port (set, 53, NULL);
  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_IIFNAME, VPND_OP_EQ, "lo"));
  rule = vpnd_rule_match_established (vpnd_chain_add_rule (chain));
  vpnd_rule_match_u32 (rule, VPND_FIELD_FIB_SADDR_TYPE, VPND_OP_EQ, 2);
  vpnd_rule_accept (rule);
  vpnd_rule_statement (vpnd_chain_add_rule (nat), VPND_STATEMENT_MASQUERADE);
  g_assert_cmpuint (vpnd_nft_replace_messages (ruleset), ==, SEQ_END - SEQ_BEGIN + 1);
  return vpnd_nft_encode_replace (ruleset, 0, 0, FIRST_SEQ);
}

/* Where "fib" stands in the batch, counted from the start of its message. */
static guint32
offset_of (GBytes *batch, guint32 seq, const char *name)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (batch, &size);
  const struct nlmsghdr *message = (const struct nlmsghdr *) data;

  while (message->nlmsg_seq != seq)
    message = (const struct nlmsghdr *) ((const guint8 *) message + NLMSG_ALIGN (message->nlmsg_len));
  for (guint32 i = 0; i + strlen (name) < message->nlmsg_len; i++)
    if (memcmp ((const guint8 *) message + i, name, strlen (name) + 1) == 0)
      return i;
  g_assert_not_reached ();
}

static void
check (GBytes *batch, const VpndNlError *refusal, VpndError code, const char *place, const char *word)
{
  g_autoptr (GError) error = NULL;

  vpnd_nft_set_error (&error, batch, refusal);
  g_assert_error (error, VPND_ERROR, (int) code);
  g_assert_true (g_str_has_prefix (error->message, place));
  if (strstr (error->message, word) == NULL)
    g_error ("\"%s\" lacks \"%s\"", error->message, word);
}

static void
test_missing_features (void)
{
  g_autoptr (GBytes) batch = sample ();
  const struct
  {
    guint32 seq;
    int error;
    const char *expression;
    const char *place;
    const char *option;
  } cases[] = {
    { SEQ_BEGIN, EOPNOTSUPP, NULL, "nftables batch", "CONFIG_NF_TABLES" },
    { SEQ_TABLE, EOPNOTSUPP, NULL, "table inet vpnd", "CONFIG_NF_TABLES_INET" },
    { SEQ_TABLE, EAFNOSUPPORT, NULL, "table inet vpnd", "CONFIG_NF_TABLES_INET" },
    { SEQ_CHAIN, EOPNOTSUPP, NULL, "chain input", "CONFIG_NF_TABLES_INET" },
    { SEQ_NAT_CHAIN, ENOENT, NULL, "chain nat", "CONFIG_NFT_NAT" },
    { SEQ_RULE_CT_FIB, ENOENT, "ct", "rule 2 of chain input", "CONFIG_NFT_CT" },
    { SEQ_RULE_CT_FIB, ENOENT, "fib", "rule 2 of chain input", "CONFIG_NFT_FIB_INET" },
    { SEQ_RULE_CT_FIB, EOPNOTSUPP, NULL, "rule 2 of chain input", "CONFIG_NFT_CT" },
    { SEQ_RULE_MASQUERADE, ENOENT, "masq", "rule 1 of chain nat", "CONFIG_NFT_MASQ" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      VpndNlError refusal = { .seq = cases[i].seq, .error = cases[i].error };

      if (cases[i].expression != NULL)
        refusal.offset = offset_of (batch, cases[i].seq, cases[i].expression);
      check (batch, &refusal, VPND_ERROR_KERNEL_FEATURE, cases[i].place, cases[i].option);
    }
}

static void
test_other_refusals (void)
{
  g_autoptr (GBytes) batch = sample ();
  char words[] = "the kernel's own words";
  const struct
  {
    guint32 seq;
    int error;
    const char *place;
  } cases[] = {
    { SEQ_BEGIN, EPERM, "nftables batch" },
    { SEQ_TABLE, EPERM, "table inet vpnd" },
    { SEQ_SET, EINVAL, "set ports" },
    { SEQ_ELEMENTS, EEXIST, "elements of set ports" },
    { SEQ_RULE_PLAIN, ENOENT, "rule 1 of chain input" }, /* nothing optional in it: a name that is not there */
    { SEQ_RULE_CT_FIB, EMLINK, "rule 2 of chain input" },
    { SEQ_END + 1, EINVAL, "nftables batch" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      VpndNlError refusal = { .seq = cases[i].seq, .error = cases[i].error, .extack = words };

      check (batch, &refusal, VPND_ERROR_FIREWALL, cases[i].place, words);
      check (batch, &refusal, VPND_ERROR_FIREWALL, cases[i].place, g_strerror (cases[i].error));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nft-error/missing-features", test_missing_features);
  g_test_add_func ("/nft-error/other-refusals", test_other_refusals);
  return g_test_run ();
}
