/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See queue-trial.h.
 */
#include "config.h"

#include "queue-trial.h"

#include "nft-encode.h"

#define TRIAL_TABLE "vpnd-trial"

/* The least ruleset that has such a rule. */
static VpndRuleset *
make_trial (VpndQueueForm form, guint16 queue)
{
  VpndRuleset *ruleset = vpnd_ruleset_new (TRIAL_TABLE);
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "held", VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT);

  vpnd_rule_queue (vpnd_chain_add_rule (chain), form, queue);
  return ruleset;
}

/**
 * vpnd_queue_trial_new:
 * @socket: that it will be sent by
 * @form: the form that is tried; not VPND_QUEUE_NONE
 * @queue: number of the queue
 *
 * Returns: (transfer full): the messages; the reply to them has errors when the kernel does not know the form
 */
GBytes *
vpnd_queue_trial_new (VpndNlSocket *socket, VpndQueueForm form, guint16 queue)
{
  g_autoptr (VpndRuleset) ruleset = make_trial (form, queue);

  return vpnd_nft_encode_trial (ruleset, vpnd_nl_socket_next_seq (socket, vpnd_nft_replace_messages (ruleset)));
}
