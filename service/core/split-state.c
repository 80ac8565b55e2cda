/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-state.h.
 */
#include "config.h"

#include "split-state.h"

static const char *const words[] = {
  [VPND_SPLIT_STATE_STARTED] = "started",
  [VPND_SPLIT_STATE_INITIALIZED] = "initialized",
  [VPND_SPLIT_STATE_READY] = "ready",
  [VPND_SPLIT_STATE_ENGAGED] = "engaged",
};
G_STATIC_ASSERT (G_N_ELEMENTS (words) == VPND_N_SPLIT_STATES);

/**
 * vpnd_split_state_word:
 * @state: a state
 *
 * Returns: its word
 */
const char *
vpnd_split_state_word (VpndSplitState state)
{
  g_return_val_if_fail (state < VPND_N_SPLIT_STATES, NULL);

  return words[state];
}

static VpndSplitState
find_goal (const VpndSplitStateInput *input)
{
  if (!input->has_ground)
    return VPND_SPLIT_STATE_STARTED;
  if (input->needs_launches && !input->holds_launches)
    return VPND_SPLIT_STATE_INITIALIZED;
  return input->has_rules && input->is_protected ? VPND_SPLIT_STATE_ENGAGED : VPND_SPLIT_STATE_READY;
}

/**
 * vpnd_split_state_step:
 * @state: where we are
 * @input: what is so
 *
 * Returns: the next state on the way to where @input belongs; @state itself when it is there
 */
VpndSplitState
vpnd_split_state_step (VpndSplitState state, const VpndSplitStateInput *input)
{
  const VpndSplitState goal = find_goal (input);

  if (goal > state)
    return state + 1;
  return goal < state ? state - 1 : state;
}

/**
 * vpnd_split_state_is_legal:
 * @from: a state
 * @to: another
 *
 * Returns: whether one may follow the other: one step up or down
 */
gboolean
vpnd_split_state_is_legal (VpndSplitState from, VpndSplitState to)
{
  return from + 1 == to || to + 1 == from;
}
