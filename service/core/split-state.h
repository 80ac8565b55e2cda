/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How far split tunnelling has come, in four steps that are climbed one by one. Pure.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  VPND_SPLIT_STATE_STARTED,     /* nothing can be told apart yet */
  VPND_SPLIT_STATE_INITIALIZED, /* the classes are there */
  VPND_SPLIT_STATE_READY,       /* launches are watched wherever a rule needs it */
  VPND_SPLIT_STATE_ENGAGED,     /* rules are in force beside a tunnel */
  VPND_N_SPLIT_STATES
} VpndSplitState;

/**
 * VpndSplitStateInput:
 * @has_ground: this host tells classes apart, and they are there
 * @needs_launches: a rule names a program
 * @holds_launches: programs are put into their class before they run
 * @has_rules: something is wanted
 * @is_protected: rules of the firewall are in force, for a tunnel that is wanted
 */
typedef struct
{
  gboolean has_ground;
  gboolean needs_launches;
  gboolean holds_launches;
  gboolean has_rules;
  gboolean is_protected;
} VpndSplitStateInput;

const char *vpnd_split_state_word (VpndSplitState state);
VpndSplitState vpnd_split_state_step (VpndSplitState state, const VpndSplitStateInput *input);
gboolean vpnd_split_state_is_legal (VpndSplitState from, VpndSplitState to);

G_END_DECLS
