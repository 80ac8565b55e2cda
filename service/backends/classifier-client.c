/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See classifier-client.h. The form of the packets stands in service/classifier/channel.c.
 */
#include "config.h"

#include "classifier-client.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 2000
#define FDS_MAX (1 + VPND_CLASSIFIER_MAX_CLASSES)
#define ERRANDS_MAX 100000u  /* that wait: as many as there may be processes in classes */
#define REPORTS_PER_TURN 256 /* then the rest of the loop has its turn */

struct _VpndClassifierClient
{
  char *path; /* (owned) */
  int socket;
  guint source;
  guint retry;
  guint delay_ms;
  GBytes *table;                              /* (owned) (nullable): NULL when nothing is wanted */
  int class_fds[VPND_CLASSIFIER_MAX_CLASSES]; /* our own copies: the table is sent again when its classes may have been given up long since */
  guint n_classes;
  GPtrArray *errands; /* (element-type VpndClassifierErrand) (owned): what is to be asked for next */
  guint turn;
  VpndClassifierErrandsFunc errands_func;
  VpndClassifierReportFunc report_func;
  VpndClassifierLinkFunc link_func;
  gpointer func_data;
};

static void connect_later (VpndClassifierClient *self);

static void
hang_up (VpndClassifierClient *self)
{
  g_clear_handle_id (&self->source, g_source_remove);
  g_clear_handle_id (&self->retry, g_source_remove);
  if (self->socket >= 0)
    close (self->socket);
  self->socket = -1;
}

static void
lose (VpndClassifierClient *self)
{
  hang_up (self);
  connect_later (self);
  self->link_func (FALSE, self->func_data);
}

static gboolean
on_packet (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndClassifierClient *self = user_data;
  g_autofree char *buffer = g_malloc (VPND_CLASSIFIER_MAX_REPORT_BYTES);

  for (guint i = 0; i < REPORTS_PER_TURN && self->socket == fd; i++)
    {
      const ssize_t n = recv (fd, buffer, VPND_CLASSIFIER_MAX_REPORT_BYTES, MSG_DONTWAIT);
      g_auto (VpndClassifierReport) report = { 0 };
      g_autoptr (GBytes) bytes = n > 0 ? g_bytes_new (buffer, (gsize) n) : NULL;
      g_autoptr (GError) error = NULL;

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        break;
      if (bytes == NULL || !vpnd_classifier_decode_report (bytes, &report, &error))
        {
          self->source = 0;
          lose (self);
          return G_SOURCE_REMOVE;
        }
      self->report_func (&report, self->func_data);
    }
  return self->socket == fd ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* A memory file that nobody can change any more. */
static int
make_file (GBytes *table)
{
  gsize size;
  const char *data = g_bytes_get_data (table, &size);
  int fd = memfd_create ("vpnd-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gsize done = 0;

  while (fd >= 0 && done < size)
    {
      const ssize_t n = write (fd, data + done, size - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      done += (gsize) n;
    }
  if (fd >= 0 && (done < size || fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

/* Sends @bytes as a file, and behind it @fds. */
static gboolean
send_packet (VpndClassifierClient *self, VpndClassifierPacket kind, GBytes *bytes, const int *more_fds, guint n)
{
  int fds[FDS_MAX];
  guint8 payload = (guint8) kind;
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof fds)];
  } control = { .bytes = { 0 } };
  struct iovec iov = { .iov_base = &payload, .iov_len = 1 };
  const gsize size = sizeof (int) * (1 + n);
  struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE (size) };
  struct cmsghdr *part = CMSG_FIRSTHDR (&header);
  ssize_t sent;

  fds[0] = make_file (bytes);
  if (fds[0] < 0)
    return FALSE;
  for (guint i = 0; i < n; i++)
    fds[1 + i] = more_fds[i];
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN (size);
  memcpy (CMSG_DATA (part), fds, size);
  do
    sent = sendmsg (self->socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  close (fds[0]);
  return sent == 1;
}

static gboolean
send_table (VpndClassifierClient *self)
{
  return send_packet (self, VPND_CLASSIFIER_TABLE, self->table, self->class_fds, self->n_classes);
}

/* Returns: FALSE when some are left */
static gboolean
send_errands (VpndClassifierClient *self)
{
  const char *mount = NULL;
  const int waiting_fd = self->errands_func (&mount, self->func_data);

  while (self->errands->len > 0)
    {
      const guint n = MIN (self->errands->len, VPND_CLASSIFIER_MAX_ERRANDS);
      g_autoptr (GPtrArray) part = g_ptr_array_new_full (n, NULL);
      g_autoptr (GBytes) bytes = NULL;

      for (guint i = 0; i < n; i++)
        g_ptr_array_add (part, g_ptr_array_index (self->errands, i));
      bytes = vpnd_classifier_encode_errands (mount != NULL ? mount : "/", part);
      if (!send_packet (self, VPND_CLASSIFIER_ERRANDS, bytes, &waiting_fd, waiting_fd >= 0 ? 1 : 0))
        return FALSE;
      g_ptr_array_remove_range (self->errands, 0, n);
    }
  return TRUE;
}

static gboolean
connect_now (VpndClassifierClient *self)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (self->path) >= sizeof address.sun_path)
    return FALSE;
  g_strlcpy (address.sun_path, self->path, sizeof address.sun_path);
  fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return FALSE;
  if (connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      close (fd);
      return FALSE;
    }
  self->socket = fd;
  self->source = g_unix_fd_add (fd, G_IO_IN, on_packet, self);
  return TRUE;
}

/* Sends what waits, as far as it can be; what cannot is tried again. */
static void
send_waiting (VpndClassifierClient *self)
{
  if (self->table == NULL && self->errands->len == 0)
    return;
  if (self->socket < 0)
    {
      if (!connect_now (self) || (self->table != NULL && !send_table (self)))
        {
          hang_up (self);
          connect_later (self);
          return;
        }
      if (self->table != NULL)
        self->link_func (TRUE, self->func_data);
    }
  if (!send_errands (self))
    connect_later (self);
}

static gboolean
on_retry (gpointer user_data)
{
  VpndClassifierClient *self = user_data;

  self->retry = 0;
  send_waiting (self);
  return G_SOURCE_REMOVE;
}

static void
connect_later (VpndClassifierClient *self)
{
  if ((self->table == NULL && self->errands->len == 0) || self->retry != 0)
    return;
  self->retry = g_timeout_add (self->delay_ms, on_retry, self);
  self->delay_ms = MIN (self->delay_ms * 2, RETRY_MAX_MS);
}

/**
 * vpnd_classifier_client_new:
 * @path: of the socket
 * @report_func: (scope notified): receives each report
 * @link_func: (scope notified): called when the other end has come back with the table, or has gone
 * @errands_func: (scope notified): called when errands are sent
 * @user_data: passed to all
 *
 * Returns: (transfer full): a client that is not connected
 */
VpndClassifierClient *
vpnd_classifier_client_new (const char *path, VpndClassifierReportFunc report_func, VpndClassifierLinkFunc link_func, VpndClassifierErrandsFunc errands_func, gpointer user_data)
{
  VpndClassifierClient *self = g_new0 (VpndClassifierClient, 1);

  self->path = g_strdup (path);
  self->socket = -1;
  self->delay_ms = RETRY_FIRST_MS;
  self->report_func = report_func;
  self->link_func = link_func;
  self->errands_func = errands_func;
  self->errands = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_errand_free);
  self->func_data = user_data;
  return self;
}

/* With one that cannot be copied the table cannot be sent: nobody holds launches then, which is told. */
static void
adopt_classes (VpndClassifierClient *self, const int *fds, guint n)
{
  for (guint i = 0; i < self->n_classes; i++)
    if (self->class_fds[i] >= 0)
      close (self->class_fds[i]);
  for (guint i = 0; i < n; i++)
    self->class_fds[i] = fds[i] >= 0 ? fcntl (fds[i], F_DUPFD_CLOEXEC, 0) : -1;
  self->n_classes = n;
}

/**
 * vpnd_classifier_client_free:
 * @self: (transfer full): a client
 */
void
vpnd_classifier_client_free (VpndClassifierClient *self)
{
  hang_up (self);
  adopt_classes (self, NULL, 0);
  g_clear_handle_id (&self->turn, g_source_remove);
  g_clear_pointer (&self->table, g_bytes_unref);
  g_ptr_array_unref (self->errands);
  g_free (self->path);
  g_free (self);
}

/* Rules that are gone are taken back, and errands under way go on. */
static void
leave_table (VpndClassifierClient *self)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GBytes) bytes = vpnd_classifier_encode_rules (none);

  if (self->socket >= 0 && !send_packet (self, VPND_CLASSIFIER_TABLE, bytes, NULL, 0))
    hang_up (self);
}

/**
 * vpnd_classifier_client_set_table:
 * @self: a client
 * @table: (nullable): what vpnd_classifier_encode_rules () made; NULL when there are no rules: the other end is told so
 * @class_fds: cgroup.procs of each class
 * @n_classes: how many
 *
 * Replaces the table, and connects if that has not been done.
 *
 * Returns: whether it was sent; if not, it will be as soon as the other end is there, and @link_func tells
 */
gboolean
vpnd_classifier_client_set_table (VpndClassifierClient *self, GBytes *table, const int *class_fds, guint n_classes)
{
  g_return_val_if_fail (n_classes <= VPND_CLASSIFIER_MAX_CLASSES, FALSE);

  if (table != NULL)
    g_bytes_ref (table);
  g_clear_pointer (&self->table, g_bytes_unref);
  self->table = table;
  adopt_classes (self, class_fds, n_classes);
  if (table == NULL)
    {
      leave_table (self);
      connect_later (self);
      return FALSE;
    }
  self->delay_ms = RETRY_FIRST_MS;
  if ((self->socket >= 0 || connect_now (self)) && send_table (self))
    return TRUE;
  hang_up (self);
  connect_later (self);
  return FALSE;
}

static gboolean
on_turn (gpointer user_data)
{
  VpndClassifierClient *self = user_data;

  self->turn = 0;
  if (self->retry != 0)
    return G_SOURCE_REMOVE; /* which sends them, too */
  self->delay_ms = RETRY_FIRST_MS;
  send_waiting (self);
  return G_SOURCE_REMOVE;
}

/**
 * vpnd_classifier_client_ask:
 * @self: a client
 * @kind: what is wanted
 * @pid: of which process
 * @start_time: its start, so that another process of that number is not meant
 * @origin: with VPND_CLASSIFIER_RETURN, where it shall go; else ""
 *
 * Sent with others of this turn of the main loop, as soon as the other end is there.
 */
void
vpnd_classifier_client_ask (VpndClassifierClient *self, VpndClassifierErrandKind kind, gint32 pid, guint64 start_time, const char *origin)
{
  VpndClassifierErrand *errand;

  if (self->errands->len >= ERRANDS_MAX)
    return;
  errand = g_new0 (VpndClassifierErrand, 1);
  *errand = (VpndClassifierErrand){ kind, pid, start_time, g_strdup (origin) };
  g_ptr_array_add (self->errands, errand);
  if (self->turn == 0)
    self->turn = g_idle_add_full (G_PRIORITY_DEFAULT, on_turn, self, NULL);
}
