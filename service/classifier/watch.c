/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See watch.h. The kernel asks (FAN_OPEN_EXEC_PERM, fanotify(7)) at the open of a marked inode for execution, of the process that is going to
 * run it, and holds it until it is answered: what the process does first, it does in its cgroup. Only marked inodes ask, so other launches
 * cost nothing.
 */
#include "config.h"

#include "watch.h"

#include "error.h"
#include "errands.h"
#include "guard.h"
#include "mounts.h"
#include "process.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ORIGIN_MAX_BYTES 4096          /* PATH_MAX: a longer place could not be opened again */
#define EVENTS_PER_TURN 64             /* then the rest of the loop has its turn */
#define ORIGINS_MAX 1024u              /* cgroups of those that start programs; then they are learnt anew */
#define RECENT_MAX 128u                /* each holds a descriptor, of which the guard expects few */
#define RECENT_SHARE 16u               /* of these a party has at most, before it makes room for itself */
#define RECENT_EVERY_MS 10             /* what such a process sends outside its class until then goes the way of others */
#define RECENT_US (2 * G_USEC_PER_SEC) /* a desktop has made the scope of what it launched by then */
#define TOLD_MAX 4096u                 /* 64 KB */
#define PROCESSES_PER_TURN 32          /* of a walk over those that run already: 1 ms at most, while execs wait */
#define TURN_US 2000                   /* a launch waits so long at most while thousands of rules are looked at */
#define ROOM_MS 2                      /* until the reader is looked at again that did not keep up */

/* A launch that was told: the process stands in the class of @rule since, as long as nobody takes it out. */
typedef struct
{
  guint64 process;                /* vpnd_process_get_identity() */
  const VpndClassifierRule *rule; /* (unowned): only compared */
} Told;

/* Who stands in a class by a rule for everybody. Of one launch the kernel asks several times, last about the loader, for which a user may have a rule of the own. */
typedef struct
{
  pid_t pid;
  guint class_hash; /* of the name, which outlives the table */
} Kept;

/* One that was launched a moment ago, whom its service manager may take out of the class again: systemd attaches a process to its unit after the fork, too, whatever that has
 * done meanwhile (exec_spawn() before version 254), and desktops have a scope made for what they have launched already. */
typedef struct
{
  pid_t pid;
  int held;                       /* (owned): vpnd_process_hold() */
  const VpndClassifierRule *rule; /* (unowned): of the table */
  gint64 until_us;                /* monotonic */
} Recent;

struct _VpndWatch
{
  GObject parent_instance;

  int fanotify_fd;
  guint fanotify_source;
  guint let_go_source;
  VpndGuard *guard;      /* (unowned): lives as long as we */
  VpndMounts *mounts;    /* (owned) */
  VpndTable *table;      /* (owned) (nullable) */
  GHashTable *origins;   /* (element-type guint64 utf8) (owned): where cgroups stand, by their numbers, which nobody gets anew (cgroup2 renames none) */
  Told *told;            /* (array length=TOLD_MAX) (owned): the last one of those whose number leads to the same place; of the rules in @table */
  Kept *kept;            /* (array length=TOLD_MAX) (owned): the last one of those whose pid leads to the same place */
  GHashTable *elsewhere; /* (element-type utf8) (owned): a set of make_rule_key(), of those that were told to be launched in another mount namespace */
  GArray *recent;        /* (element-type Recent) (owned): the oldest first; of the rules in @table */
  guint recent_source;
  GArray *walk; /* (element-type pid_t) (owned) (nullable): who ran already when the table came */
  guint walk_source;
  gint64 turn_us; /* when launches were last answered while rules are looked at */
  VpndWatchReportFunc func;
  VpndWatchRoomFunc room_func;
  gpointer func_data;
};

G_DEFINE_FINAL_TYPE (VpndWatch, vpnd_watch, G_TYPE_OBJECT)

static void
report_process (VpndWatch *self, VpndClassifierReportKind kind, const VpndClassifierRule *rule, pid_t pid, guint64 start_time, int code, const char *origin)
{
  const VpndClassifierReport it = { kind, rule->class_index, pid, start_time, rule->path, code, rule->uid, (char *) origin, NULL };

  self->func (&it, self->func_data);
}

static void
on_rule (const VpndClassifierRule *rule, int code, gpointer user_data)
{
  report_process (user_data, code == 0 ? VPND_CLASSIFIER_WATCHED : VPND_CLASSIFIER_UNWATCHED, rule, 0, 0, code, NULL);
}

static void
report (VpndWatch *self, VpndClassifierReportKind kind)
{
  const VpndClassifierReport it = { .kind = kind };

  self->func (&it, self->func_data);
}

/* --- launches --- */

/* What is asked about: a file as a process sees it. */
typedef struct
{
  VpndFileId id;
  guint64 mount_id; /* 0 when the kernel does not tell */
} Program;

/* Asks nobody but the kernel: for the file may answer a server, or a program of the user who runs it, which never does. */
static gboolean
look_at (int fd, Program *out_program)
{
  struct statx info;

  if (fd < 0 || statx (fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &info) < 0)
    return FALSE;
  *out_program = (Program){ { makedev (info.stx_dev_major, info.stx_dev_minor), info.stx_ino }, info.stx_mask & STATX_MNT_ID ? info.stx_mnt_id : 0 };
  return TRUE;
}

static char *
make_rule_key (const VpndClassifierRule *rule)
{
  return g_strdup_printf ("%u %s", rule->uid, rule->path);
}

/* A container means its own programs, but a unit with a sandbox has another mount namespace, too, and its program is the one that the rule means. So it is told, once for a rule. */
static void
tell_elsewhere (VpndWatch *self, const VpndClassifierRule *rule, pid_t pid)
{
  if (g_hash_table_add (self->elsewhere, make_rule_key (rule)))
    report_process (self, VPND_CLASSIFIER_FAILED, rule, pid, 0, EXDEV, "");
}

/* A rule that comes anew is told anew. */
static void
forget_elsewhere (VpndWatch *self, const GPtrArray *rules)
{
  g_autoptr (GHashTable) before = g_steal_pointer (&self->elsewhere);

  self->elsewhere = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < rules->len && g_hash_table_size (before) > 0; i++)
    {
      g_autofree char *key = make_rule_key (g_ptr_array_index (rules, i));

      if (g_hash_table_remove (before, key))
        g_hash_table_add (self->elsewhere, g_steal_pointer (&key));
    }
}

/* Returns: (nullable): the first rule for @program that holds for the process */
static const VpndClassifierRule *
find_rule (VpndWatch *self, const Program *program, pid_t pid)
{
  const GPtrArray *targets = self->table != NULL ? vpnd_table_lookup (self->table, &program->id) : NULL;
  guint32 uid = VPND_CLASSIFIER_ANY_UID; /* of the process, once it is asked for */
  gboolean is_known = FALSE;

  for (guint i = 0; targets != NULL && i < targets->len; i++)
    {
      const VpndClassifierRule *rule = ((const VpndTarget *) g_ptr_array_index (targets, i))->rule;

      if (rule->uid != VPND_CLASSIFIER_ANY_UID && !is_known)
        is_known = vpnd_process_read_uid (pid, &uid);
      if (rule->uid != VPND_CLASSIFIER_ANY_UID && rule->uid != uid)
        continue;
      if (vpnd_mounts_has (self->mounts, program->mount_id))
        return rule;
      tell_elsewhere (self, rule, pid);
    }
  return NULL;
}

/* It went on before it stood in its class, so what it did first went the way of others: that is told, and what it may have opened is ended. */
static void
report_late (VpndWatch *self, const VpndClassifierRule *rule, int process, pid_t pid, guint64 start_time, int code, const char *origin)
{
  report_process (self, VPND_CLASSIFIER_FAILED, rule, pid, start_time, ETIMEDOUT, origin);
  if (code != 0 || start_time == 0)
    return;
  report_process (self, VPND_CLASSIFIER_FOUND, rule, pid, start_time, 0, origin);
  vpnd_errands_tell_sockets (self->func, self->func_data, process, pid, start_time);
}

/* A process that is held by us or by the kernel, and what is known of it. */
typedef struct
{
  pid_t pid;
  int held;          /* vpnd_process_hold(), -1 when its folder is there at once */
  int folder;        /* vpnd_process_open(), -1 while that is not needed */
  guint64 cgroup_id; /* where it stands, 0 when the kernel does not tell */
  char origin[ORIGIN_MAX_BYTES];
} Held;

static Told *
find_told (VpndWatch *self, guint64 process)
{
  return &self->told[process % TOLD_MAX];
}

/* Whether nothing is to be done but to answer: who launches the same thing over and over is moved and told once, or it would take a processor from others. */
static gboolean
is_told (VpndWatch *self, const Held *it, const VpndClassifierRule *rule)
{
  const guint64 process = it->cgroup_id != 0 && it->cgroup_id == vpnd_table_get_class_id (self->table, rule->class_index) ? vpnd_process_get_identity (it->held) : 0;
  const Told *told = find_told (self, process);

  return process != 0 && told->process == process && told->rule == rule;
}

static void
note_told (VpndWatch *self, const Held *it, const VpndClassifierRule *rule)
{
  const guint64 process = it->cgroup_id != 0 ? vpnd_process_get_identity (it->held) : 0;

  *find_told (self, process) = (Told){ process, rule };
}

static void
note_kept (VpndWatch *self, const VpndClassifierRule *rule, pid_t pid)
{
  const char *name = vpnd_table_get_class_name (self->table, rule->class_index);

  if (rule->uid == VPND_CLASSIFIER_ANY_UID && name != NULL)
    self->kept[(guint) pid % TOLD_MAX] = (Kept){ pid, g_str_hash (name) };
}

/* Returns: whether the process stays where a rule for everybody has put it: such a one comes before a user's own, about whichever file of a launch each of them is */
static gboolean
is_kept (VpndWatch *self, const VpndClassifierRule *rule, pid_t pid)
{
  const Kept *kept = &self->kept[(guint) pid % TOLD_MAX];
  char place[ORIGIN_MAX_BYTES];
  const char *name;

  if (rule->uid == VPND_CLASSIFIER_ANY_UID || kept->pid != pid || !vpnd_process_read_cgroup (pid, vpnd_table_is_unified (self->table), place, sizeof place))
    return FALSE;
  name = strrchr (place, '/');
  return name != NULL && g_str_hash (name + 1) == kept->class_hash;
}

static gboolean on_recent (gpointer user_data);

/* Where a process stands that is to be moved, with as little as possible: its launch waits. The folder of a new process in /proc costs as much as the move. */
static void
read_origin (VpndWatch *self, Held *it)
{
  const char *known = it->cgroup_id != 0 ? g_hash_table_lookup (self->origins, &it->cgroup_id) : NULL;

  if (known != NULL)
    {
      g_strlcpy (it->origin, known, sizeof it->origin);
      return;
    }
  it->folder = vpnd_process_open (it->pid);
  if (!vpnd_process_get_cgroup (it->folder, vpnd_table_is_unified (self->table), it->origin, sizeof it->origin) || it->cgroup_id == 0)
    return;
  if (g_hash_table_size (self->origins) >= ORIGINS_MAX)
    g_hash_table_remove_all (self->origins);
  g_hash_table_insert (self->origins, g_memdup2 (&it->cgroup_id, sizeof it->cgroup_id), g_strdup (it->origin));
}

/* Returns: 0, or why it does not stand in its class (errno); @out_is_told: nothing has changed since it was told */
static int
classify (VpndWatch *self, const VpndClassifierRule *rule, Held *it, gboolean *out_is_told)
{
  int code = 0;

  *out_is_told = FALSE;
  if (it->pid <= 0)
    return ESRCH;
  it->held = vpnd_process_hold (it->pid); /* while it waits: the number is its own */
  it->cgroup_id = vpnd_table_is_unified (self->table) ? vpnd_process_get_cgroup_id (it->held) : 0;
  *out_is_told = is_kept (self, rule, it->pid);
  if (*out_is_told)
    return 0;
  *out_is_told = is_told (self, it, rule);
  if (!*out_is_told)
    {
      read_origin (self, it);
      code = vpnd_process_move (it->pid, vpnd_table_get_class_fd (self->table, rule->class_index));
    }
  if (code == 0)
    note_kept (self, rule, it->pid);
  return code;
}

/* The rules of a user's own count as one, so that nobody can launch so many programs that those of others are forgotten. */
static gboolean
is_same_party (const VpndClassifierRule *a, const VpndClassifierRule *b)
{
  return a == b || (a->uid != VPND_CLASSIFIER_ANY_UID && a->uid == b->uid);
}

/* Returns: the place of who makes room for one of @rule: the oldest of the same party, when that has its share, else the oldest */
static guint
find_superfluous (const GArray *recent, const VpndClassifierRule *rule)
{
  guint oldest = 0, n = 0;

  for (guint i = recent->len; i-- > 0;)
    if (is_same_party (g_array_index (recent, Recent, i).rule, rule))
      {
        oldest = i;
        n++;
      }
  return n >= RECENT_SHARE ? oldest : 0;
}

static void
add_recent (VpndWatch *self, Held *it, const VpndClassifierRule *rule)
{
  const Recent recent = { it->pid, it->held, rule, g_get_monotonic_time () + RECENT_US };

  if (it->held < 0)
    return;
  if (self->recent->len == RECENT_MAX)
    g_array_remove_index (self->recent, find_superfluous (self->recent, rule));
  it->held = -1;
  g_array_append_val (self->recent, recent);
  if (self->recent_source == 0)
    self->recent_source = g_timeout_add (RECENT_EVERY_MS, on_recent, self);
}

static void
report_launch (VpndWatch *self, const VpndClassifierRule *rule, Held *it, int code, gboolean is_late)
{
  guint64 start_time;

  if (it->folder < 0)
    it->folder = vpnd_process_open_held (it->held, it->pid);
  start_time = vpnd_process_get_start_time (it->folder);
  if (is_late)
    report_late (self, rule, it->folder, it->pid, start_time, code, it->origin);
  else
    report_process (self, code == 0 ? VPND_CLASSIFIER_ARRIVED : VPND_CLASSIFIER_FAILED, rule, it->pid, start_time, code, it->origin);
  if (code != 0 || is_late)
    return;
  note_told (self, it, rule);
  add_recent (self, it, rule);
}

/* Between the move and the answer there is nothing that can be done later. */
static void
judge (VpndWatch *self, const struct fanotify_event_metadata *event)
{
  const VpndClassifierRule *rule = NULL;
  struct fanotify_response response = { .fd = event->fd, .response = FAN_ALLOW };
  Held it = { .pid = event->pid, .held = -1, .folder = -1 };
  gboolean is_refused, is_late, is_known = FALSE;
  Program program;
  int code = ESRCH;
  ssize_t n;

  if (self->table != NULL && look_at (event->fd, &program))
    rule = find_rule (self, &program, event->pid);
  is_refused = !vpnd_guard_decide (self->guard, rule != NULL && rule->is_strict);
  if (rule != NULL && !is_refused)
    code = classify (self, rule, &it, &is_known);
  if (rule != NULL && code != 0 && rule->is_strict)
    response.response = FAN_DENY;
  while ((n = write (self->fanotify_fd, &response, sizeof response)) < 0 && errno == EINTR)
    ;
  is_late = n < 0 && errno == ENOENT; /* the guard was first */
  is_refused = is_refused || (is_late && rule != NULL && rule->is_strict);
  if (rule != NULL && (!is_known || is_refused))
    report_launch (self, rule, &it, is_refused ? ECANCELED : code, is_late && !is_refused);
  if (it.held >= 0)
    close (it.held);
  if (it.folder >= 0)
    close (it.folder);
}

/* Answers some of those who wait, if anybody does. */
static void
answer_launches (VpndWatch *self)
{
  struct fanotify_event_metadata event;
  gboolean has_event = TRUE;

  for (guint i = 0; i < EVENTS_PER_TURN && has_event; i++)
    {
      vpnd_guard_begin (self->guard);
      has_event = vpnd_guard_read (self->fanotify_fd, &event); /* each is answered before the next is taken */
      if (has_event && event.fd >= 0)
        judge (self, &event);
      vpnd_guard_end (self->guard);
      if (has_event && event.fd >= 0)
        close (event.fd);
      else if (has_event && (event.mask & FAN_Q_OVERFLOW))
        report (self, VPND_CLASSIFIER_OVERFLOW);
    }
}

static gboolean
on_launch (gint fd, GIOCondition condition, gpointer user_data)
{
  answer_launches (user_data);
  return G_SOURCE_CONTINUE;
}

/* While the ways of rules are followed. Those of before hold until all that come have been. A flood of launches takes half of the time at most. */
static void
on_turn (gpointer user_data)
{
  VpndWatch *self = user_data;

  if (g_get_monotonic_time () - self->turn_us < TURN_US)
    return;
  answer_launches (self);
  self->turn_us = g_get_monotonic_time ();
}

/* --- who runs already --- */

/* As at a launch, but for nobody holding the process: what ends or becomes another program in between is told apart by its folder in /proc. */
static void
put_running (VpndWatch *self, const VpndClassifierRule *rule, int process, pid_t pid)
{
  const guint index = rule->class_index;
  char origin[ORIGIN_MAX_BYTES];
  guint64 start_time;
  int code;

  (void) vpnd_process_get_cgroup (process, vpnd_table_is_unified (self->table), origin, sizeof origin);
  start_time = vpnd_process_get_start_time (process);
  code = start_time != 0 ? vpnd_process_move (pid, vpnd_table_get_class_fd (self->table, index)) : ESRCH;
  if (code == ESRCH)
    return;
  report_process (self, code == 0 ? VPND_CLASSIFIER_FOUND : VPND_CLASSIFIER_FAILED, rule, pid, start_time, code, origin);
  /* Who stood there before has opened everything there. */
  if (code == 0 && vpnd_table_is_elsewhere (self->table, index, process, origin))
    vpnd_errands_tell_sockets (self->func, self->func_data, process, pid, start_time);
}

static void
judge_running (VpndWatch *self, pid_t pid)
{
  const int process = vpnd_process_open (pid);
  const int fd = process >= 0 ? openat (process, "exe", O_PATH | O_CLOEXEC) : -1;
  const VpndClassifierRule *rule = NULL;
  Program program;

  if (look_at (fd, &program))
    rule = find_rule (self, &program, pid);
  if (fd >= 0)
    close (fd);
  if (rule != NULL && !is_kept (self, rule, pid))
    put_running (self, rule, process, pid);
  if (process >= 0)
    close (process);
}

/* --- who was launched a moment ago --- */

/* Whoever else has moved it since, vpnd may have: then it is where it belongs. Returns: whether it is to be looked at again */
static gboolean
look_after (VpndWatch *self, const Recent *recent)
{
  const guint64 id = vpnd_table_is_unified (self->table) ? vpnd_process_get_cgroup_id (recent->held) : 0;
  char place[ORIGIN_MAX_BYTES];
  gboolean is_ours;
  int process;

  if (id != 0 && id == vpnd_table_get_class_id (self->table, recent->rule->class_index))
    return TRUE;
  process = vpnd_process_open_held (recent->held, recent->pid);
  is_ours = process < 0 || !vpnd_process_get_cgroup (process, vpnd_table_is_unified (self->table), place, sizeof place) || vpnd_table_is_ours (self->table, place);
  if (!is_ours)
    put_running (self, recent->rule, process, recent->pid);
  if (process >= 0)
    close (process);
  return !is_ours || (process >= 0 && vpnd_table_is_class (self->table, recent->rule->class_index, place));
}

static gboolean
on_recent (gpointer user_data)
{
  VpndWatch *self = user_data;
  const gint64 now_us = g_get_monotonic_time ();

  for (guint i = 0; i < self->recent->len;)
    {
      const Recent *recent = &g_array_index (self->recent, Recent, i);

      if (look_after (self, recent) && now_us < recent->until_us)
        i++;
      else
        g_array_remove_index (self->recent, i);
    }
  if (self->recent->len > 0)
    return G_SOURCE_CONTINUE;
  self->recent_source = 0;
  return G_SOURCE_REMOVE;
}

static void
clear_recent (Recent *recent)
{
  close (recent->held);
}

/* --- whom the guard let go --- */

static void
judge_late (VpndWatch *self, const VpndGuardLetGo *it)
{
  const Program program = { { it->device, it->inode }, it->mount_id };
  const VpndClassifierRule *found = find_rule (self, &program, it->pid);
  const VpndClassifierRule *rule = found != NULL && !is_kept (self, found, it->pid) ? found : NULL;
  const int process = rule != NULL ? vpnd_process_open (it->pid) : -1;
  const gboolean is_there = !it->is_refused && it->start_time != 0 && vpnd_process_get_start_time (process) == it->start_time;
  char origin[ORIGIN_MAX_BYTES] = "";
  int code = ESRCH;

  if (is_there)
    {
      (void) vpnd_process_get_cgroup (process, vpnd_table_is_unified (self->table), origin, sizeof origin);
      code = vpnd_process_move (it->pid, vpnd_table_get_class_fd (self->table, rule->class_index));
      if (code == 0)
        note_kept (self, rule, it->pid);
    }
  if (rule != NULL && it->is_refused)
    report_process (self, VPND_CLASSIFIER_FAILED, rule, it->pid, it->start_time, ECANCELED, origin);
  else if (rule != NULL)
    report_late (self, rule, process, it->pid, it->start_time, code, origin);
  if (process >= 0)
    close (process);
}

static void begin_walk (VpndWatch *self);

static gboolean
on_let_go (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndWatch *self = user_data;
  VpndGuardLetGo few[VPND_GUARD_FEW];
  gboolean has_lost;
  guint n;

  do
    {
      n = vpnd_guard_take (self->guard, few, &has_lost);
      for (guint i = 0; i < n; i++)
        judge_late (self, &few[i]);
      if (has_lost)
        report (self, VPND_CLASSIFIER_OVERFLOW);
      if (has_lost && self->table != NULL)
        begin_walk (self);
    }
  while (n == VPND_GUARD_FEW);
  return G_SOURCE_CONTINUE;
}

/* --- who runs already --- */

static gboolean
on_walk (gpointer user_data)
{
  VpndWatch *self = user_data;

  if (!self->room_func (self->func_data)) /* a launch cannot wait, but these can */
    {
      self->walk_source = g_timeout_add (ROOM_MS, on_walk, self);
      return G_SOURCE_REMOVE;
    }
  for (guint i = 0; i < PROCESSES_PER_TURN && self->walk->len > 0; i++)
    {
      const pid_t pid = g_array_index (self->walk, pid_t, self->walk->len - 1);

      g_array_set_size (self->walk, self->walk->len - 1);
      judge_running (self, pid);
    }
  if (self->walk->len > 0)
    {
      self->walk_source = g_idle_add (on_walk, self);
      return G_SOURCE_REMOVE;
    }
  self->walk_source = 0;
  report (self, VPND_CLASSIFIER_APPLIED);
  return G_SOURCE_REMOVE;
}

static void
begin_walk (VpndWatch *self)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
  const char *name;

  g_clear_handle_id (&self->walk_source, g_source_remove);
  g_array_set_size (self->walk, 0);
  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      const pid_t pid = (pid_t) g_ascii_strtoull (name, NULL, 10);

      if (pid > 0)
        g_array_append_val (self->walk, pid);
    }
  self->walk_source = g_idle_add (on_walk, self); /* behind the launches, which are of a higher priority */
}

/**
 * vpnd_watch_set_rules:
 * @self: the watch
 * @rules: (transfer none) (element-type VpndClassifierRule): the whole table; replaces the former one without a moment between
 * @class_fds: cgroup.procs of each class, open for writing; copies are kept
 * @n_classes: how many, at most VPND_CLASSIFIER_MAX_CLASSES; each rule's class is below it
 *
 * Reports each rule whose program cannot be watched (VPND_CLASSIFIER_UNWATCHED), then puts the processes that run already into their classes
 * (VPND_CLASSIFIER_FOUND), then reports VPND_CLASSIFIER_APPLIED. An empty table is in force at once, and nothing is reported.
 */
void
vpnd_watch_set_rules (VpndWatch *self, GPtrArray *rules, const int *class_fds, guint n_classes)
{
  VpndTable *old, *table;

  g_return_if_fail (VPND_IS_WATCH (self));
  g_return_if_fail (n_classes <= VPND_CLASSIFIER_MAX_CLASSES);

  table = vpnd_table_new (self->fanotify_fd, self->guard, rules, class_fds, n_classes, on_rule, on_turn, self);
  memset (self->told, 0, TOLD_MAX * sizeof *self->told);
  forget_elsewhere (self, rules);
  g_array_set_size (self->recent, 0);
  g_clear_handle_id (&self->recent_source, g_source_remove);
  old = g_steal_pointer (&self->table);
  self->table = table;
  vpnd_table_enter_force (self->table, old);
  g_clear_handle_id (&self->walk_source, g_source_remove);
  if (rules->len > 0)
    begin_walk (self);
}

/* As g_unix_fd_add_full(), but without taking the descriptor out of the loop and back in at each event, which wakes the loop twice for nothing: nothing that a
 * launch leads to runs the loop. */
static guint
attach_launches (VpndWatch *self)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (self->fanotify_fd, G_IO_IN);

  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_set_can_recurse (source, TRUE);
  g_source_set_callback (source, G_SOURCE_FUNC (on_launch), self, NULL);
  return g_source_attach (source, NULL);
}

/**
 * vpnd_watch_new:
 * @mountinfo_path: of a process of the host's mount namespace
 * @func: (scope notified): receives each report
 * @room_func: (scope notified): says whether it takes more now
 * @user_data: passed to both
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): a watch without rules. Errors: VPND_ERROR_KERNEL_FEATURE when the kernel cannot hold launches
 *   (CONFIG_FANOTIFY_ACCESS_PERMISSIONS) or we may not ask it to (CAP_SYS_ADMIN); VPND_ERROR_FAILED
 */
VpndWatch *
vpnd_watch_new (const char *mountinfo_path, VpndWatchReportFunc func, VpndWatchRoomFunc room_func, gpointer user_data, GError **error)
{
  g_autoptr (VpndWatch) self = g_object_new (VPND_TYPE_WATCH, NULL);

  self->func = func;
  self->room_func = room_func;
  self->func_data = user_data;
  self->mounts = vpnd_mounts_open (mountinfo_path, error);
  if (self->mounts == NULL)
    return NULL;
  /* O_NONBLOCK: the kernel opens the file for each event that is read, and who owns it may keep such an open waiting for 45 s by a lease (fcntl(2), F_SETLEASE). Now it is
   * that launch which is refused. */
  self->fanotify_fd = fanotify_init (FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS, O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK);
  if (self->fanotify_fd < 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "holding the launch of programs: %s (CONFIG_FANOTIFY_ACCESS_PERMISSIONS, and CAP_SYS_ADMIN)", g_strerror (errno));
      return NULL;
    }
  self->guard = vpnd_guard_start (self->fanotify_fd, error);
  if (self->guard == NULL)
    return NULL;
  self->fanotify_source = attach_launches (self);
  self->let_go_source = g_unix_fd_add_full (G_PRIORITY_HIGH - 1, vpnd_guard_get_fd (self->guard), G_IO_IN, on_let_go, self, NULL); /* they run already */
  return g_steal_pointer (&self);
}

/**
 * vpnd_watch_get_life_fd:
 * @self: a watch
 *
 * Returns: readable when nobody would answer in our place any more: then the caller is to end, and the kernel lets go of whom is held
 */
int
vpnd_watch_get_life_fd (VpndWatch *self)
{
  g_return_val_if_fail (VPND_IS_WATCH (self), -1);

  return vpnd_guard_get_life_fd (self->guard);
}

static void
vpnd_watch_dispose (GObject *object)
{
  VpndWatch *self = VPND_WATCH (object);

  g_clear_handle_id (&self->walk_source, g_source_remove);
  g_clear_handle_id (&self->fanotify_source, g_source_remove);
  g_clear_handle_id (&self->let_go_source, g_source_remove);
  g_clear_pointer (&self->table, vpnd_table_free);
  g_clear_handle_id (&self->recent_source, g_source_remove);
  g_clear_pointer (&self->recent, g_array_unref);
  g_clear_pointer (&self->told, g_free);
  g_clear_pointer (&self->kept, g_free);
  g_clear_pointer (&self->walk, g_array_unref);
  g_clear_pointer (&self->origins, g_hash_table_unref);
  g_clear_pointer (&self->elsewhere, g_hash_table_unref);
  g_clear_pointer (&self->mounts, vpnd_mounts_free);
  if (self->fanotify_fd >= 0)
    close (g_steal_fd (&self->fanotify_fd)); /* the kernel lets go of whom it holds when the guard's copy is closed, too */
  G_OBJECT_CLASS (vpnd_watch_parent_class)->dispose (object);
}

static void
vpnd_watch_class_init (VpndWatchClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_watch_dispose;
}

static void
vpnd_watch_init (VpndWatch *self)
{
  self->fanotify_fd = -1;
  self->told = g_new0 (Told, TOLD_MAX);
  self->kept = g_new0 (Kept, TOLD_MAX);
  self->recent = g_array_new (FALSE, FALSE, sizeof (Recent));
  g_array_set_clear_func (self->recent, (GDestroyNotify) clear_recent);
  self->walk = g_array_new (FALSE, FALSE, sizeof (pid_t));
  self->elsewhere = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->origins = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
}
