/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The boundaries of effects, by name, for the tests that end the process at each of them. In the product it is nothing at all: only the
 * program that the lab builds for itself (tests/lab-c) is compiled with VPND_FAULT_POINTS, and has the function.
 */
#pragma once

#include "effect.h"

G_BEGIN_DECLS

#ifdef VPND_FAULT_POINTS
void vpnd_fault_point (const char *when, const VpndEffect *effect);
#else
#define vpnd_fault_point(when, effect) ((void) 0)
#endif

G_END_DECLS
