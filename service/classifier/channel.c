/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See channel.h. A table comes as one packet: a byte of payload, a descriptor of a memory file with the rules (memfd_create(2); a packet would
 * be too small for 100 000 of them), and one descriptor a class. Errands come the same way, with at most one descriptor more. A report
 * goes as one packet. A caller that does not read gets them later, and in the end loses some, which it is told; launches never wait for it.
 */
#include "config.h"

#include "channel.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEMD_FIRST_FD 3 /* sd_listen_fds(3) */
#define FDS_MAX (1 + VPND_CLASSIFIER_MAX_CLASSES)
#define LATER_MS 5        /* nobody waits to hear of a launch, but the next launch would wait for the processor that whoever hears of it uses */
#define TOGETHER_MAX 64u  /* in a storm of launches the timer has no turn */
#define PENDING_MAX 20000 /* about 8 MB: the processes of a program of which ten thousand run, and as many launches meanwhile */

struct _VpndChannel
{
  GObject parent_instance;

  int listener;
  int caller;
  guint listener_source;
  guint caller_source;
  GQueue pending;       /* (element-type GBytes) (owned): reports that wait for others, or that the caller has no room for yet */
  guint later_source;   /* they are to be sent */
  guint pending_source; /* there was no room */
  gboolean has_lost;    /* reports, since the caller last took all */
  VpndChannelRulesFunc func;
  VpndChannelErrandsFunc errands_func;
  gpointer func_data;
};

G_DEFINE_FINAL_TYPE (VpndChannel, vpnd_channel, G_TYPE_OBJECT)

static void
drop_caller (VpndChannel *self)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();

  g_clear_handle_id (&self->caller_source, g_source_remove);
  if (self->caller < 0)
    return;
  close (g_steal_fd (&self->caller));
  g_clear_handle_id (&self->later_source, g_source_remove);
  g_clear_handle_id (&self->pending_source, g_source_remove);
  g_queue_clear_full (&self->pending, (GDestroyNotify) g_bytes_unref);
  self->has_lost = FALSE;
  self->func (none, NULL, 0, self->func_data); /* rules that nobody answers for do not stay */
}

/* Returns: bytes of the memory file, NULL with @error when it is none, too large, or may still be changed */
static GBytes *
read_file (int fd, GError **error)
{
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  struct stat info;
  g_autoptr (GMappedFile) file = NULL;

  if (fstat (fd, &info) < 0 || (fcntl (fd, F_GET_SEALS) & seals) != seals || info.st_size > VPND_CLASSIFIER_MAX_TABLE_BYTES)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_FAILED, "what came is no sealed memory file of a bearable size");
      return NULL;
    }
  file = g_mapped_file_new_from_fd (fd, FALSE, error);
  return file != NULL ? g_mapped_file_get_bytes (file) : NULL;
}

static guint
take_descriptors (struct msghdr *header, int *fds)
{
  guint n = 0;

  for (struct cmsghdr *part = CMSG_FIRSTHDR (header); part != NULL; part = CMSG_NXTHDR (header, part))
    if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
      {
        n = (guint) ((part->cmsg_len - CMSG_LEN (0)) / sizeof (int));
        memcpy (fds, CMSG_DATA (part), n * sizeof (int));
      }
  return n;
}

static gboolean
take_table (VpndChannel *self, GBytes *bytes, const int *fds, guint n_fds, GError **error)
{
  g_autoptr (GPtrArray) rules = vpnd_classifier_decode_rules (bytes, n_fds, error);

  if (rules != NULL)
    self->func (rules, fds, n_fds, self->func_data);
  return rules != NULL;
}

static gboolean
take_errands (VpndChannel *self, GBytes *bytes, const int *fds, guint n_fds, GError **error)
{
  g_autofree char *mount = NULL;
  g_autoptr (GPtrArray) errands = vpnd_classifier_decode_errands (bytes, &mount, error);

  if (errands != NULL)
    self->errands_func (errands, mount, n_fds > 0 ? fds[0] : -1, self->func_data);
  return errands != NULL;
}

static gboolean
take_packet (VpndChannel *self, guint8 kind, const int *fds, guint n_fds)
{
  static gboolean (*const takers[VPND_N_CLASSIFIER_PACKETS]) (VpndChannel *, GBytes *, const int *, guint, GError **) = {
    [VPND_CLASSIFIER_TABLE] = take_table,
    [VPND_CLASSIFIER_ERRANDS] = take_errands,
  };
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  if (n_fds > 0 && kind < VPND_N_CLASSIFIER_PACKETS)
    bytes = read_file (fds[0], &error);
  if (bytes != NULL && takers[kind](self, bytes, fds + 1, n_fds - 1, &error))
    return TRUE;
  g_warning ("the caller is dropped: %s", error != NULL ? error->message : "a packet of no known kind, or without its file");
  return FALSE;
}

static gboolean
on_packet (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndChannel *self = user_data;
  guint8 payload = VPND_N_CLASSIFIER_PACKETS;
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof (int) * FDS_MAX)];
  } control;
  struct iovec iov = { .iov_base = &payload, .iov_len = sizeof payload };
  struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  int fds[FDS_MAX];
  guint n_fds;
  gboolean is_good;
  const ssize_t n = recvmsg (fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  n_fds = n > 0 ? take_descriptors (&header, fds) : 0;
  is_good = n > 0 && (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0 && take_packet (self, payload, fds, n_fds);
  for (guint i = 0; i < n_fds; i++)
    close (fds[i]);
  if (is_good)
    return G_SOURCE_CONTINUE;

  self->caller_source = 0;
  drop_caller (self);
  return G_SOURCE_REMOVE;
}

static gboolean
is_root (int fd)
{
  struct ucred who;
  socklen_t size = sizeof who;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == 0;
}

static gboolean
on_caller (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndChannel *self = user_data;
  int caller = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (caller < 0)
    return G_SOURCE_CONTINUE;
  if (!is_root (caller))
    {
      close (caller);
      return G_SOURCE_CONTINUE;
    }
  drop_caller (self); /* a restarted vpnd comes before the end of its predecessor is seen */
  self->caller = caller;
  self->caller_source = g_unix_fd_add (caller, G_IO_IN, on_packet, self);
  return G_SOURCE_CONTINUE;
}

static gboolean
send_bytes (VpndChannel *self, GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  return send (self->caller, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* Returns: whether all has been sent */
static gboolean
send_pending (VpndChannel *self)
{
  const VpndClassifierReport lost = { .kind = VPND_CLASSIFIER_OVERFLOW };
  g_autoptr (GBytes) overflow = NULL;

  while (!g_queue_is_empty (&self->pending) && send_bytes (self, g_queue_peek_head (&self->pending)))
    g_bytes_unref (g_queue_pop_head (&self->pending));
  if (!g_queue_is_empty (&self->pending))
    return FALSE; /* a caller that has gone is noticed where it is read */
  if (self->has_lost)
    {
      overflow = vpnd_classifier_encode_report (&lost);
      self->has_lost = !send_bytes (self, overflow);
    }
  return !self->has_lost;
}

static gboolean
on_room (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndChannel *self = user_data;

  if (!send_pending (self))
    return G_SOURCE_CONTINUE;
  self->pending_source = 0;
  return G_SOURCE_REMOVE;
}

static void
send_now (VpndChannel *self)
{
  g_clear_handle_id (&self->later_source, g_source_remove);
  if (self->pending_source == 0 && !send_pending (self))
    self->pending_source = g_unix_fd_add (self->caller, G_IO_OUT, on_room, self);
}

static gboolean
on_later (gpointer user_data)
{
  VpndChannel *self = user_data;

  self->later_source = 0;
  send_now (self);
  return G_SOURCE_REMOVE;
}

/**
 * vpnd_channel_report:
 * @self: the channel
 * @report: what to tell the caller; nobody is told when there is none
 *
 * Never waits. Launches are told some milliseconds later, several together; all else at once, behind them. A caller that is busy gets it later, in order; of one
 * that falls far behind reports are lost, which it is told, but for the one that it waits for (VPND_CLASSIFIER_APPLIED).
 */
void
vpnd_channel_report (VpndChannel *self, const VpndClassifierReport *report)
{
  g_return_if_fail (VPND_IS_CHANNEL (self));

  if (self->caller < 0)
    return;
  if (g_queue_get_length (&self->pending) < PENDING_MAX || report->kind == VPND_CLASSIFIER_APPLIED)
    g_queue_push_tail (&self->pending, vpnd_classifier_encode_report (report));
  else
    self->has_lost = TRUE;
  if (report->kind != VPND_CLASSIFIER_ARRIVED || g_queue_get_length (&self->pending) >= TOGETHER_MAX)
    send_now (self);
  else if (self->later_source == 0 && self->pending_source == 0)
    self->later_source = g_timeout_add (LATER_MS, on_later, self);
}

/**
 * vpnd_channel_has_room:
 * @self: the channel
 *
 * Returns: whether the caller keeps up: what can wait waits otherwise, instead of filling memory
 */
gboolean
vpnd_channel_has_room (const VpndChannel *self)
{
  return self->pending_source == 0;
}

static int
open_listener (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "the path of the socket is too long: %s", path);
      return -1;
    }
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  (void) unlink (path); /* of one that was killed; bind(2) tells what matters */
  fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  /* Nobody can connect before listen(2), so the mode is set in time. */
  if (fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && chmod (path, 0600) == 0 && listen (fd, 1) == 0)
    return fd;

  g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "listening on %s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

/**
 * vpnd_channel_listen:
 * @path: (nullable): of the socket to make; NULL takes the one that the service manager gave (LISTEN_FDS)
 * @func: (scope notified): receives each table
 * @errands_func: (scope notified): receives what else is asked for
 * @user_data: passed to both
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the channel. Errors: VPND_ERROR_FAILED
 */
VpndChannel *
vpnd_channel_listen (const char *path, VpndChannelRulesFunc func, VpndChannelErrandsFunc errands_func, gpointer user_data, GError **error)
{
  g_autoptr (VpndChannel) self = g_object_new (VPND_TYPE_CHANNEL, NULL);

  self->func = func;
  self->errands_func = errands_func;
  self->func_data = user_data;
  if (path != NULL)
    self->listener = open_listener (path, error);
  else if (g_strcmp0 (g_getenv ("LISTEN_FDS"), "1") == 0)
    self->listener = SYSTEMD_FIRST_FD;
  else
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_FAILED, "there is no socket from the service manager: give one with --socket");
  if (self->listener < 0)
    return NULL;
  self->listener_source = g_unix_fd_add (self->listener, G_IO_IN, on_caller, self);
  return g_steal_pointer (&self);
}

static void
vpnd_channel_dispose (GObject *object)
{
  VpndChannel *self = VPND_CHANNEL (object);

  g_clear_handle_id (&self->caller_source, g_source_remove);
  g_clear_handle_id (&self->later_source, g_source_remove);
  g_clear_handle_id (&self->pending_source, g_source_remove);
  g_queue_clear_full (&self->pending, (GDestroyNotify) g_bytes_unref);
  g_clear_handle_id (&self->listener_source, g_source_remove);
  if (self->caller >= 0)
    close (g_steal_fd (&self->caller));
  if (self->listener >= 0)
    close (g_steal_fd (&self->listener));
  G_OBJECT_CLASS (vpnd_channel_parent_class)->dispose (object);
}

static void
vpnd_channel_class_init (VpndChannelClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_channel_dispose;
}

static void
vpnd_channel_init (VpndChannel *self)
{
  self->listener = -1;
  self->caller = -1;
  g_queue_init (&self->pending);
}
