# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the lab: a process namespace that takes everything down with it, and nodes (network + mount namespaces).

Nothing here has a name in the file system or in the machine's network: namespaces live by processes and file descriptors
of this session, so that parallel sessions cannot collide and the kernel removes everything however the session ends.
"""
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1

# By then has happened what takes less than a second on a machine with nothing else to do, with sanitizers or another suite beside, too. What is promised within
# a time has that time in its test.
SOON_S = 30

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def setns(fd, kind):
    _check(_libc.setns(fd, kind), "setns")


def mount(source, target, kind=None, flags=0, data=None):
    encode = lambda text: None if text is None else str(text).encode()  # noqa: E731
    _check(_libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)), f"mount {target}")


def wait_until(predicate, timeout, what):
    """Asks predicate every few milliseconds until it is true (its value is returned) or the deadline has passed."""
    deadline, pause = time.monotonic() + timeout, threading.Event()
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what}")
        pause.wait(0.005)


def own_cgroups():
    """The control groups of this process in the hierarchies that systemd and vpnd use, where they can be written: kind of file system -> folder."""
    paths = dict(line.split(":", 2)[1:] for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines())
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, (kind, _, options) = line.split(" - ")[0].split(), line.split(" - ")[1].split()
        hierarchy = {"cgroup2": "", "cgroup": "name=systemd"}.get(kind)
        if fields[3] == "/" and hierarchy in paths and (kind == "cgroup2" or hierarchy in options.split(",")):
            found.setdefault(kind, pathlib.Path(fields[4] + paths[hierarchy]))
    return {kind: folder for kind, folder in found.items() if os.access(folder, os.W_OK)}


def session_cgroup():
    """The session's folder in cgroup2."""
    return pathlib.Path(os.environ["VPND_LAB_CGROUP"])


def remove_folder(folder):
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def remove_cgroups(top):
    """Removes the folder and what is in it, as soon as the last process has left."""
    for folder in [*sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True), top]:
        wait_until(lambda folder=folder: remove_folder(folder), SOON_S, f"nobody stands in {folder}")


def remove_leftovers(folder):
    """Removes the folders of sessions that were killed, and with them whoever would have done it."""
    for top in folder.glob("lab-session-*"):
        with contextlib.suppress(OSError):  # another session is doing the same, or ends in just this moment
            tree = [*sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True), top]
            if not pathlib.Path("/proc", top.name.split("-")[2]).exists() and not any((path / "cgroup.procs").read_text(encoding="ascii") for path in tree):
                for path in tree:
                    path.rmdir()


def run_session(main):
    """Runs main() as first process of a new process namespace, in control groups of its own; does not return. When the session's
    parent or its first process ends, by whatever signal, the kernel ends every process in it, and with them the namespaces."""
    if os.geteuid() != 0:
        sys.exit("the lab needs root (network namespaces)")
    try:
        unshare(CLONE_NEWPID | CLONE_NEWNS)
    except OSError as error:
        sys.exit(f"cannot make process and mount namespaces here: {error}")
    scratch = tempfile.mkdtemp(prefix="vpnd-lab.")
    # Two systemds, or two vpnds, of sessions side by side would take each other's folders for their own.
    cgroups = {kind: folder / f"lab-session-{os.getpid()}-{scratch.rpartition('.')[2]}" for kind, folder in own_cgroups().items()}
    for folder in cgroups.values():
        remove_leftovers(folder.parent)
        folder.mkdir()
    child = os.fork()
    if child == 0:
        _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
        for folder in cgroups.values():
            (folder / "cgroup.procs").write_text("0", encoding="ascii")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
        code = 1
        try:
            mount(None, "/", flags=MS_REC | MS_PRIVATE)
            mount("proc", "/proc", "proc")
            mount("vpnd-lab", scratch, "tmpfs", data="mode=0755")
            os.environ["VPND_LAB_SCRATCH"] = scratch
            if "cgroup2" in cgroups:
                os.environ["VPND_LAB_CGROUP"] = str(cgroups["cgroup2"])
            code = main() or 0
        except SystemExit as error:
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
            code = error.code if isinstance(error.code, int) else (0 if error.code is None else 1)
        except KeyboardInterrupt:
            code = 130
        except BaseException:  # noqa: BLE001 - the last stop before the process ends
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: os.kill(child, got))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child too
    _, status = os.waitpid(child, 0)
    _libc.umount2(scratch.encode(), 2)  # MNT_DETACH: this process shares the session's mounts
    os.rmdir(scratch)
    for folder in cgroups.values():
        remove_cgroups(folder)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def listens(path):
    """Whether somebody takes connections to the socket at that path now."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


class Scratch:
    """A private tmpfs for the session's files: gone with its mount namespace. Its (empty) mount point is removed by run_session()."""

    def __init__(self):
        self.path = pathlib.Path(os.environ["VPND_LAB_SCRATCH"]) / f"lab{len(os.listdir(os.environ['VPND_LAB_SCRATCH']))}"
        self.path.mkdir()

    def folder(self, name, mode=0o755):
        path = self.path / name
        path.mkdir(parents=True)
        path.chmod(mode)
        return path


class Node:
    """One machine of the lab: a network namespace and a mount namespace."""

    def __init__(self, name, binds=()):
        """binds: pairs (source, target) mounted inside the node only."""
        self.name = name
        self.processes = []
        ready_r, ready_w = os.pipe()
        go_r, go_w = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                unshare(CLONE_NEWNET | CLONE_NEWNS)
                mount(None, "/", flags=MS_REC | MS_PRIVATE)
                for source, target in binds:
                    mount(source, target, flags=MS_BIND | MS_REC)
                os.write(ready_w, b"1")
                os.close(go_w)
                os.read(go_r, 1)
            except BaseException as error:  # noqa: BLE001 - told by the pipe
                print(f"lab: node {name}: {error}", file=sys.stderr)
                sys.stderr.flush()
            finally:
                os._exit(0)
        os.close(ready_w)
        os.close(go_r)
        try:
            if os.read(ready_r, 1) != b"1":
                raise RuntimeError(f"node {name} could not be made")
            self.net_fd = os.open(f"/proc/{child}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self.mount_fd = os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(ready_r)
            os.close(go_w)
            os.waitpid(child, 0)
        self.run("ip", "link", "set", "lo", "up")

    def argv(self, *command):
        return ["nsenter", f"--net=/proc/self/fd/{self.net_fd}", f"--mount=/proc/self/fd/{self.mount_fd}", "--wd=/", *map(str, command)]

    def run(self, *command, check=True, env=None, timeout=60, input=None):  # noqa: A002 - the word of subprocess
        """Runs a command on the node and returns the finished process with its output as text."""
        done = subprocess.run(self.argv(*command), pass_fds=(self.net_fd, self.mount_fd), capture_output=True, text=True, env=env,
                              timeout=timeout, input=input, stdin=None if input is not None else subprocess.DEVNULL, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def start(self, *command, **options):
        """Starts a command on the node; it is ended with the lab."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.argv(*command), pass_fds=(self.net_fd, self.mount_fd), **options)
        self.processes.append(process)
        return process

    def ip(self, *words):
        """One ip command, or a batch with one line each."""
        if len(words) == 1 and "\n" in words[0]:
            self.run("ip", "-batch", "-", input="\n".join(line.strip() for line in words[0].splitlines() if line.strip()) + "\n")
        else:
            self.run("ip", *words)

    def sysctl(self, key, value):
        with self.net():
            pathlib.Path("/proc/sys", *key.split(".")).write_text(f"{value}\n", encoding="ascii")

    @contextlib.contextmanager
    def net(self):
        """The calling thread is inside the node's network; sockets made there stay there."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        setns(self.net_fd, CLONE_NEWNET)
        try:
            yield
        finally:
            setns(own, CLONE_NEWNET)
            os.close(own)

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr, process.stdin):
                if stream:
                    stream.close()
        self.processes.clear()
        os.close(self.net_fd)
        os.close(self.mount_fd)
