/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What vpnd and vpnd-classifier say to each other: the table of rules and errands one way, reports the other way. Pure codec: values and bytes, no
 * socket. Both ends are root programs of one version on one machine, and each still checks what it gets.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_CLASSIFIER_MAX_RULES 100000
#define VPND_CLASSIFIER_MAX_TABLE_BYTES (32 * 1024 * 1024)
#define VPND_CLASSIFIER_MAX_REPORT_BYTES 16384 /* two paths */
#define VPND_CLASSIFIER_MAX_CLASSES 8
#define VPND_CLASSIFIER_MAX_ERRANDS 1000    /* in one packet */
#define VPND_CLASSIFIER_MAX_SOCKETS 2000u   /* in one report */
#define VPND_CLASSIFIER_ANY_UID G_MAXUINT32 /* no user has it: (uid_t) -1 */

/**
 * VpndClassifierRule:
 * @path: (owned): absolute path of an executable
 * @class_index: which of the cgroups that came with the table
 * @is_strict: who cannot be put into the class, or not in time, is not started: elsewhere it would be in the clear
 * @uid: only processes of this user; VPND_CLASSIFIER_ANY_UID for everybody's. Of the rules for one file that hold for a process the first counts
 */
typedef struct
{
  char *path;
  guint class_index;
  gboolean is_strict;
  guint32 uid;
} VpndClassifierRule;

typedef enum
{
  VPND_CLASSIFIER_APPLIED,   /* the table is in force, as far as no rule of it was reported unwatched */
  VPND_CLASSIFIER_WATCHED,   /* @path is there now, and its launches are seen */
  VPND_CLASSIFIER_UNWATCHED, /* launches of @path are not seen, for @code */
  VPND_CLASSIFIER_ARRIVED,   /* process @pid is about to run @path and stands in @class_index */
  VPND_CLASSIFIER_FOUND,     /* process @pid ran @path already and was moved into @class_index */
  VPND_CLASSIFIER_FAILED,    /* process @pid runs @path and could not be put into @class_index, for @code; ECANCELED: it was not started; EXDEV: it is of another mount namespace */
  VPND_CLASSIFIER_SEEN,      /* process @pid runs @path, which is no rule's: the answer to LOOK */
  VPND_CLASSIFIER_SOCKETS,   /* process @pid was moved, and has @sockets, which it may have opened before */
  VPND_CLASSIFIER_OVERFLOW,  /* launches or reports were lost: what was lost stands where it stood */
  VPND_N_CLASSIFIER_REPORTS
} VpndClassifierReportKind;

/**
 * VpndClassifierReport:
 * @kind: what happened
 * @class_index: of the rule
 * @pid: process, 0 when there is none
 * @start_time: of @pid in clock ticks since boot (proc(5), field 22), 0 when it is gone already
 * @path: (owned): of the rule, "" when there is none
 * @code: errno value, 0 when there is none
 * @uid: VpndClassifierRule.uid of the rule
 * @origin: (owned): where the process stood before, as /proc/PID/cgroup names it; "" when that is not known
 * @sockets: (owned) (nullable) (element-type guint32): their inodes; NULL for none
 */
typedef struct
{
  VpndClassifierReportKind kind;
  guint class_index;
  gint32 pid;
  guint64 start_time;
  char *path;
  gint32 code;
  guint32 uid;
  char *origin;
  GArray *sockets;
} VpndClassifierReport;

/* What carries a packet: its one byte of payload. */
typedef enum
{
  VPND_CLASSIFIER_TABLE,   /* with descriptors of the rules and of cgroup.procs of each class */
  VPND_CLASSIFIER_ERRANDS, /* with descriptors of the errands and of cgroup.procs of where who returns waits */
  VPND_N_CLASSIFIER_PACKETS
} VpndClassifierPacket;

typedef enum
{
  VPND_CLASSIFIER_LOOK,         /* say what the process runs */
  VPND_CLASSIFIER_LIST_SOCKETS, /* say which sockets it has */
  VPND_CLASSIFIER_RETURN,       /* put it, and what it started meanwhile, from where it waits to @origin, and say which sockets it has */
  VPND_N_CLASSIFIER_ERRANDS
} VpndClassifierErrandKind;

/**
 * VpndClassifierErrand:
 * @kind: what is asked for
 * @pid: of which process
 * @start_time: of @pid in clock ticks since boot: another process of that number is not meant
 * @origin: (owned): with RETURN, a cgroup as /proc/PID/cgroup names it; else ""
 */
typedef struct
{
  VpndClassifierErrandKind kind;
  gint32 pid;
  guint64 start_time;
  char *origin;
} VpndClassifierErrand;

void vpnd_classifier_rule_free (VpndClassifierRule *rule);
void vpnd_classifier_report_clear (VpndClassifierReport *report);
void vpnd_classifier_errand_free (VpndClassifierErrand *errand);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndClassifierRule, vpnd_classifier_rule_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndClassifierErrand, vpnd_classifier_errand_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VpndClassifierReport, vpnd_classifier_report_clear)

GBytes *vpnd_classifier_encode_rules (const GPtrArray *rules);
GPtrArray *vpnd_classifier_decode_rules (GBytes *bytes, guint n_classes, GError **error);
GBytes *vpnd_classifier_encode_report (const VpndClassifierReport *report);
gboolean vpnd_classifier_decode_report (GBytes *bytes, VpndClassifierReport *out_report, GError **error);
GBytes *vpnd_classifier_encode_errands (const char *mount, const GPtrArray *errands);
GPtrArray *vpnd_classifier_decode_errands (GBytes *bytes, char **out_mount, GError **error);

G_END_DECLS
