/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A rule of split tunnelling as a checked value: what it names, the class it puts that into, and whose rule it is. Pure: whether the program,
 * unit or application exists is for those to say who look for it.
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_SPLIT_PATH,   /* an executable, by the path of its file */
  VPND_SPLIT_APP,    /* an application, by its id: .desktop, Flatpak, snap */
  VPND_SPLIT_UNIT,   /* a unit of systemd, with all its processes */
  VPND_SPLIT_UID,    /* all processes of a user */
  VPND_SPLIT_SUBNET, /* what goes to these addresses, whoever sends it */
  VPND_SPLIT_DOMAIN, /* what goes to the addresses of this name and the names below it */
  VPND_N_SPLIT_KINDS
} VpndSplitKind;

typedef enum
{
  VPND_SPLIT_EXCLUDED, /* beside the tunnel */
  VPND_SPLIT_INCLUDED, /* in the tunnel or nowhere */
  VPND_SPLIT_BOUND,    /* in the tunnel of one profile or nowhere */
  VPND_N_SPLIT_CLASSES
} VpndSplitClass;

#define VPND_SPLIT_OWNER_SYSTEM G_MAXUINT32 /* no user has it: (uid_t) -1 */
#define VPND_SPLIT_MAX_RULES 10000          /* a change of so many takes a second and 60 MB */
#define VPND_SPLIT_MAX_PROGRAMS 8           /* of one application of a user's own: 10 000 of these are no more than vpnd-classifier takes */
#define VPND_SPLIT_MAX_PROFILES 6           /* that programs are bound to: each is a class of its own, and vpnd-classifier takes eight */
#define VPND_SPLIT_MAX_PROFILES_OF_USERS 3  /* of these, what own rules of all users name together: the administrator always has room */

/**
 * VpndSplitRule: an immutable value with a count of references
 * @kind: what @value is
 * @value: (owned): in the one form that it has: equal rules have equal texts
 * @class_: where it puts what it names
 * @profile: (owned) (nullable): with VPND_SPLIT_BOUND, the profile's name
 * @owner_uid: user whose processes it is for; VPND_SPLIT_OWNER_SYSTEM for everybody's
 * @programs: (owned) (nullable) (array zero-terminated=1): of a user's own application, as the user says, absolute paths; NULL for all else
 */
typedef struct
{
  VpndSplitKind kind;
  char *value;
  VpndSplitClass class_;
  char *profile;
  guint32 owner_uid;
  char **programs;
} VpndSplitRule;

const char *vpnd_split_kind_to_string (VpndSplitKind kind);
gboolean vpnd_split_kind_from_string (const char *text, VpndSplitKind *out_kind);
const char *vpnd_split_class_to_string (VpndSplitClass class_);
char *vpnd_split_class_dup_word (VpndSplitClass class_, const char *profile);
gboolean vpnd_split_class_from_string (const char *text, VpndSplitClass *out_class);

VpndSplitRule *vpnd_split_rule_new (VpndSplitKind kind, const char *value, VpndSplitClass class_, const char *profile, guint32 owner_uid, GError **error);
VpndSplitRule *vpnd_split_rule_new_own_app (const char *id, const char *const *programs, VpndSplitClass class_, const char *profile, guint32 owner_uid, GError **error);
VpndSplitRule *vpnd_split_rule_dup_bound_to (const VpndSplitRule *rule, const char *profile);
VpndSplitRule *vpnd_split_rule_ref (VpndSplitRule *rule);
void vpnd_split_rule_unref (VpndSplitRule *rule);
gboolean vpnd_split_rule_equal (const VpndSplitRule *a, const VpndSplitRule *b);
gint vpnd_split_rule_compare (const VpndSplitRule *a, const VpndSplitRule *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitRule, vpnd_split_rule_unref)

GArray *vpnd_split_merge_subnets (GArray *subnets);

G_END_DECLS
