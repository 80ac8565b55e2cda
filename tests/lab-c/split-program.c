/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The program of the lab whose way is looked at. Static and without a library, so that its first act is its own:
 *   FILE ADDRESS PORT TEXT [OWN_PORT [named]]   sends one datagram as its first act; prints the answer, or what went wrong, behind its own number if named
 *   FILE --launch N FILE ADDRESS PORT TEXT ...  launches FILE ... N times, one after the other
 *   FILE --unit N CGROUP FILE ADDRESS PORT TEXT   the same as a service manager starts a unit: each in a cgroup of that path that is made for it and removed behind it
 *   FILE --units N PREFIX FILE ADDRESS PORT TEXT   launches N at once, in the cgroups PREFIX1.service and so on
 *   FILE --time N FILE...              launches each FILE in turn, N times; prints the nanoseconds of each launch, one line a turn
 *   FILE --flood N MS FILE...          for MS ms N processes launch each FILE in turn, which must be no program, so that each launch fails; prints how many launches
 *   FILE --talk                        obeys lines: udp ADDRESS PORT | dns ADDRESS NAME | open ADDRESS PORT | use | class | child ADDRESS PORT | daemon ADDRESS PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 8000 /* of what takes less than one on a machine with nothing else to do */

static socklen_t
make_address (const char *text, const char *port, struct sockaddr_storage *out)
{
  struct sockaddr_in *v4 = (struct sockaddr_in *) out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) out;

  memset (out, 0, sizeof *out);
  if (inet_pton (AF_INET, text, &v4->sin_addr) == 1)
    {
      v4->sin_family = AF_INET;
      v4->sin_port = htons ((unsigned short) atoi (port));
      return sizeof *v4;
    }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons ((unsigned short) atoi (port));
  return inet_pton (AF_INET6, text, &v6->sin6_addr) == 1 ? sizeof *v6 : 0;
}

static void
print_errno (void)
{
  printf ("%s\n", strerrorname_np (errno));
  fflush (stdout);
}

/* Prints what comes, or why nothing does. */
static int
print_answer (int fd)
{
  char text[256];
  struct pollfd waiting = { .fd = fd, .events = POLLIN };
  ssize_t n;

  if (poll (&waiting, 1, ANSWER_MS) != 1)
    {
      printf ("silence\n");
      fflush (stdout);
      return 1;
    }
  n = recv (fd, text, sizeof text - 1, 0);
  if (n < 0)
    {
      print_errno ();
      return 1;
    }
  text[n] = '\0';
  printf ("%s\n", n > 0 ? text : "closed");
  fflush (stdout);
  return 0;
}

/* With @is_named the number of the process stands before what it comes to; nothing is before the datagram. */
static int
ask_by_datagram (const char *address, const char *port, const char *text, const char *own_port, int is_named)
{
  struct sockaddr_storage to;
  const socklen_t size = make_address (address, port, &to);
  const int fd = socket (to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_storage own;
  int code = 1, is_sent, number;

  (void) make_address (to.ss_family == AF_INET ? "0.0.0.0" : "::", own_port, &own);
  is_sent = bind (fd, (struct sockaddr *) &own, size) == 0 && sendto (fd, text, strlen (text), 0, (struct sockaddr *) &to, size) >= 0;
  number = errno;
  if (is_named)
    printf ("%d ", (int) getpid ());
  errno = number;
  if (!is_sent)
    print_errno ();
  else
    code = print_answer (fd);
  close (fd);
  return code;
}

static int
launch (int n, char **argv)
{
  int failures = 0;

  for (int i = 0; i < n; i++)
    {
      pid_t pid;
      int status;

      if (posix_spawn (&pid, argv[0], NULL, NULL, argv, environ) != 0)
        {
          failures++;
          continue;
        }
      if (waitpid (pid, &status, 0) != pid || status != 0)
        failures++;
    }
  return failures > 0;
}

/* The process is made in the cgroup (CLONE_INTO_CGROUP, as systemd does): the least time that there can be between the two. Returns: -1 when it was not */
static pid_t
start_in (const char *cgroup, char **argv)
{
  struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
  pid_t pid;
  int fd;

  if (mkdir (cgroup, 0755) != 0)
    return -1;
  fd = open (cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  args.cgroup = (unsigned long) fd;
  pid = (pid_t) syscall (SYS_clone3, &args, sizeof args);
  if (pid == 0)
    {
      execve (argv[0], argv, environ);
      _exit (127);
    }
  close (fd);
  return pid;
}

static int
start_units (int n, const char *path, char **argv, int at_once)
{
  char cgroup[4096];
  int failures = 0;

  for (int i = 1; i <= n; i++)
    {
      (void) snprintf (cgroup, sizeof cgroup, at_once ? "%s%d.service" : "%s", path, i);
      failures += start_in (cgroup, argv) < 0;
      if (!at_once)
        {
          (void) wait (NULL);
          failures += rmdir (cgroup) != 0;
        }
    }
  while (wait (NULL) > 0)
    ;
  for (int i = 1; at_once && i <= n; i++)
    {
      (void) snprintf (cgroup, sizeof cgroup, "%s%d.service", path, i);
      failures += rmdir (cgroup) != 0;
    }
  return failures > 0;
}

/* From the call to the end of the program, which without words ends as its first act. */
static long
time_launch (char *file)
{
  char *argv[] = { file, NULL };
  struct timespec begun, ended;
  pid_t pid;
  int status;

  (void) clock_gettime (CLOCK_MONOTONIC, &begun);
  if (posix_spawn (&pid, file, NULL, NULL, argv, environ) != 0 || waitpid (pid, &status, 0) != pid)
    return -1;
  (void) clock_gettime (CLOCK_MONOTONIC, &ended);
  return (ended.tv_sec - begun.tv_sec) * 1000000000L + ended.tv_nsec - begun.tv_nsec;
}

static int
time_launches (int n, char **files)
{
  for (int i = 0; i < n; i++)
    {
      for (char **file = files; *file != NULL; file++)
        printf ("%ld ", time_launch (*file));
      printf ("\n");
    }
  return 0;
}

static int
open_stream (const char *address, const char *port)
{
  struct sockaddr_storage to;
  const socklen_t size = make_address (address, port, &to);
  const int fd = socket (to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connect (fd, (struct sockaddr *) &to, size) == 0)
    return fd;
  close (fd);
  return -1;
}

static void
use_stream (int fd)
{
  if (send (fd, "x", 1, MSG_NOSIGNAL) < 0)
    print_errno ();
  else
    (void) print_answer (fd);
}

static void
print_class (void)
{
  char text[4096];
  const int fd = open ("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  const ssize_t n = read (fd, text, sizeof text - 1);
  char *line;

  text[n > 0 ? n : 0] = '\0';
  close (fd);
  line = strstr (text, "0::");
  printf ("%.*s\n", line != NULL ? (int) strcspn (line, "\n") : 0, line != NULL ? line : "");
  fflush (stdout);
}

/* Asks the resolver for an address of NAME.example (RFC 1035). */
static void
ask_resolver (const char *address, const char *name)
{
  unsigned char question[128] = { 0, 1, 1, 0, 0, 1 };
  struct sockaddr_storage to;
  const socklen_t size = make_address (address, "53", &to);
  const int fd = socket (to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  size_t n = 12;
  unsigned char answer[512];
  struct pollfd waiting = { .fd = fd, .events = POLLIN };

  question[n++] = (unsigned char) strlen (name);
  memcpy (question + n, name, strlen (name));
  n += strlen (name);
  memcpy (question + n, "\7example\0\0\1\0\1", 13);
  n += 13;
  if (sendto (fd, question, n, 0, (struct sockaddr *) &to, size) < 0)
    print_errno ();
  else
    {
      printf ("%s\n", poll (&waiting, 1, ANSWER_MS) == 1 && recv (fd, answer, sizeof answer, 0) > 12 ? "answered" : "silence");
      fflush (stdout);
    }
  close (fd);
}

/* A child that asks; with @is_daemon a grandchild in a session of its own, whose parents are gone. */
static void
ask_by_child (const char *address, const char *port, int is_daemon)
{
  const pid_t pid = fork ();

  if (pid == 0 && is_daemon)
    {
      if (fork () != 0)
        _exit (0);
      setsid ();
      if (fork () != 0)
        _exit (0);
    }
  if (pid == 0)
    _exit (ask_by_datagram (address, port, "child", "0", 0));
  (void) waitpid (pid, NULL, 0);
}

static int
talk (void)
{
  char line[256];
  int stream = -1;

  while (fgets (line, sizeof line, stdin) != NULL)
    {
      char word[32] = "", address[64] = "", port[16] = "";

      (void) sscanf (line, "%31s %63s %15s", word, address, port);
      if (strcmp (word, "udp") == 0)
        (void) ask_by_datagram (address, port, "talk", "0", 0);
      else if (strcmp (word, "open") == 0)
        {
          if (stream >= 0)
            close (stream);
          stream = open_stream (address, port);
          if (stream < 0)
            print_errno ();
          else
            use_stream (stream);
        }
      else if (strcmp (word, "use") == 0)
        use_stream (stream);
      else if (strcmp (word, "dns") == 0)
        ask_resolver (address, port);
      else if (strcmp (word, "class") == 0)
        print_class ();
      else
        ask_by_child (address, port, strcmp (word, "daemon") == 0);
    }
  return 0;
}

static long long
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Ends when the time is over, and writes how many launches there were. */
static void
flood_until (long long end_ns, char **files, int words)
{
  unsigned long n = 0;

  for (int i = 0; now_ns () < end_ns; i = files[i + 1] != NULL ? i + 1 : 0, n++)
    if (execve (files[i], files + i, NULL) == 0 || errno != ENOEXEC)
      _exit (1);
  _exit (write (words, &n, sizeof n) == sizeof n ? 0 : 1);
}

static int
flood (int number, long long ms, char **files)
{
  const long long end_ns = now_ns () + ms * 1000000;
  unsigned long total = 0, n;
  int words[2];

  if (pipe (words) < 0)
    return 1;
  for (int i = 0; i < number; i++)
    if (fork () == 0)
      flood_until (end_ns, files, words[1]);
  for (int i = 0; i < number; i++)
    {
      int status;

      if (wait (&status) < 0 || status != 0 || read (words[0], &n, sizeof n) != sizeof n)
        return 1;
      total += n;
    }
  printf ("%lu\n", total);
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc > 6 && strcmp (argv[1], "--launch") == 0)
    return launch (atoi (argv[2]), argv + 3);
  if (argc > 7 && (strcmp (argv[1], "--unit") == 0 || strcmp (argv[1], "--units") == 0))
    return start_units (atoi (argv[2]), argv[3], argv + 4, argv[1][6] == 's');
  if (argc > 3 && strcmp (argv[1], "--time") == 0)
    return time_launches (atoi (argv[2]), argv + 3);
  if (argc > 4 && strcmp (argv[1], "--flood") == 0)
    return flood (atoi (argv[2]), atoll (argv[3]), argv + 4);
  if (argc > 1 && strcmp (argv[1], "--talk") == 0)
    return talk ();
  return argc > 3 ? ask_by_datagram (argv[1], argv[2], argv[3], argc > 4 ? argv[4] : "0", argc > 5) : 2;
}
