/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd-classifier with the real fanotify and cgroup2, for the programs that try it: it is started for each test, which has its end of the socket. What is launched
 * is the test program itself, copied, and says as its very first act in which cgroup it stands. Needs root.
 */
#pragma once

#include "protocol.h"

G_BEGIN_DECLS

#define DEADLINE_MS 10000
#define SAFE "other"

/* What launch() comes to. */
#define IN_CLASS 0
#define OUTSIDE 3
#define REFUSED 4

typedef struct
{
  char *folder;     /* (owned): with the programs and the socket */
  char *cgroups;    /* (owned): where cgroup2 is mounted */
  char *class;      /* (owned): the cgroup of the class, under @cgroups */
  char *program;    /* (owned): what rules name */
  char *home;       /* (owned): the cgroup of this process, and of what it launches */
  GHashTable *late; /* (element-type GPid) (owned): of the launches that nobody could hold in time */
  GPid classifier;
  int channel;
} Lab;

typedef struct
{
  const char *name;
  void (*func) (Lab *lab, gconstpointer data);
} LabTest;

void write_text (const char *path, const char *text);
char *copy_program_from (const Lab *lab, const char *from, const char *name);
char *copy_program (const Lab *lab, const char *name);
int connect_to (const char *path);
void start_classifier (Lab *lab);
void stop_classifier (Lab *lab, int number);
void set_up (Lab *lab, gconstpointer data);
void remove_cgroup (const char *path);
void tear_down (Lab *lab, gconstpointer data);
VpndClassifierReport next_report (const Lab *lab);
void expect (const Lab *lab, VpndClassifierReportKind kind, const char *path, int code);
int open_procs (const char *cgroup);
void send_packet (const Lab *lab, VpndClassifierPacket kind, GBytes *bytes, int procs_fd, gboolean is_sealed);
void send_table (const Lab *lab, GBytes *bytes, gboolean is_sealed);
void add_rule (GPtrArray *rules, const char *path, guint32 uid, gboolean is_strict);
void send_list (const Lab *lab, const GPtrArray *rules);
void send_rules (const Lab *lab, const char *const *paths);
void apply_rule (const Lab *lab, const char *path);
int launch (const Lab *lab, const char *path, gint64 *out_us);
void launch_held (const Lab *lab, const char *path, const char *rule);
GPid start_program (const Lab *lab, const char *what);
void end_process (GPid pid);
void assert_stands_in (GPid pid, const char *name);
void await_place (GPid pid, const char *name);
void expect_process (const Lab *lab, VpndClassifierReportKind kind, GPid pid);
int run_tests (int argc, char **argv, const LabTest *tests, guint n);

G_END_DECLS
