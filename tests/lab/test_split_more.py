# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split tunnelling, the corners: kinds of launches, states, families, hostile routes, resolvers, other grounds for the classes, and what everybody hears and reads of it."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from xml.etree import ElementTree

import pytest

import sandbox
from capture import none
from lab import DEAD4, ECHO_PORT, GATEWAY4, GATEWAY6, HOST4, HOST6, IS_SANITIZED, NOBODY, OTHER_DNS4, OUTSIDE_DNS4, PUBLIC4, PUBLIC6, PYTHON, SOURCE, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4, Daemon, built
from test_split import INSIDE, OUTSIDE, STREAM_PORT, check_ways, environment, first_act, fixture_split, goes, processes, split_state, unheld, wait_split_state  # noqa: F401

SECOND_DNS = "10.64.0.53"  # of the tunnel
BIN = "/run/vpnd-lab/bin"
REFUSED = ("EPERM", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "EACCES")
OUTSIDE6, INSIDE6 = f"you are {HOST6}", f"you are {TUNNEL_HOST6}"

# A dynamic program whose first act is a datagram: what the file named on the command line runs. It says its number and where it went.
FIRST_ACT = (f"import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(8);s.sendto(b'of-listed',('{PUBLIC4}',{ECHO_PORT}));"
             "import os;os.write(1,b'%d %s\\n'%(os.getpid(),s.recv(99)))")

# Launches FILE WORDS... 32 times at once by the way that its first word names.
LAUNCHER = """
import os, subprocess, sys, threading
kind, file, *words = sys.argv[1:]
argv = [file, *words]
def by_fork():
    pid = os.fork()
    if pid == 0:
        os.execv(file, argv)
    os.waitpid(pid, 0)
def by_thread():
    pid = os.fork()
    if pid == 0:
        threading.Thread(target=os.execv, args=(file, argv)).start()
        threading.Event().wait()
    os.waitpid(pid, 0)
def by_descriptor():
    pid = os.fork()
    if pid == 0:
        os.execve(os.open(file, os.O_PATH), argv, os.environ)
    os.waitpid(pid, 0)
def by_grandchild():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.execv("/bin/sh", ["sh", "-c", '"$@" & wait', "sh", *argv])
    os.waitpid(pid, 0)
ways = {"fork": by_fork, "thread": by_thread, "descriptor": by_descriptor, "grandchild": by_grandchild,
        "vfork": lambda: subprocess.run(argv, close_fds=True),
        "posix_spawn": lambda: os.waitpid(os.posix_spawn(file, argv, os.environ), 0)}
def worker():
    for _ in range(4):
        ways[kind]()
workers = [threading.Thread(target=worker) for _ in range(8)]
for one in workers: one.start()
for one in workers: one.join()
"""
LAUNCHED = 32


def launch(lab, kind, *argv):
    """What all the launches have said."""
    return lab.host.run(PYTHON, "-c", LAUNCHER, kind, *argv, timeout=120).stdout.splitlines()


def program(lab, name, text=None, source=None):
    path = lab.host_run / "vpnd-lab/bin" / name
    if source:
        shutil.copy(source, path)
    else:
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)
    return f"{BIN}/{name}"


def rules(lab):
    return json.loads(lab.vpnctl("split", "list", "--json").stdout)["rules"]


# --- launches

@pytest.mark.parametrize("kind", ["fork", "thread", "descriptor", "grandchild", "vfork", "posix_spawn"])
def test_kinds_of_launches(split, kind):
    """Eight at a time, of a static and of a dynamic program: the first packet of each goes beside the tunnel, and those of a program without a rule inside."""
    dynamic = program(split, "dynamic", source=PYTHON)
    split.vpnctl("split", "add", "--path", split.listed, "--path", dynamic)
    split.connect()
    mark = split.capture.mark()
    went = sum(check_ways(split, launch(split, kind, *argv), OUTSIDE, LAUNCHED)
               for argv in ((split.listed, PUBLIC4, ECHO_PORT, "of-listed", 0, "named"), (dynamic, "-c", FIRST_ACT)))
    assert launch(split, kind, split.other, PUBLIC6, ECHO_PORT, "of-other") == [INSIDE6] * LAUNCHED
    frames = split.capture.since(mark)
    assert went <= len([frame for frame in frames if b"of-listed" in frame.raw and frame.dst == PUBLIC4]) <= went + len(unheld(split))
    assert not [frame for frame in frames if b"of-other" in frame.raw]


def test_what_is_the_program(split):
    """The file that is executed: through links, as a script, as its interpreter; not what a loader reads, nor what has the same text."""
    shell = program(split, "shell", source="/bin/sh")
    dynamic = program(split, "dynamic", source=PYTHON)
    script = program(split, "script", f"#!/bin/sh\nexec {split.other} {PUBLIC4} {ECHO_PORT} script\n")
    by_shell = program(split, "by-shell", f"#!{shell}\nexec {split.other} {PUBLIC4} {ECHO_PORT} by-shell\n")
    copy = program(split, "copy", source=split.host_run / "vpnd-lab/bin/listed")
    split.host.run("ln", "-s", split.listed, f"{BIN}/symlink")
    split.host.run("ln", split.listed, f"{BIN}/hardlink")
    for path in (split.listed, dynamic, script, shell):
        split.vpnctl("split", "add", "--path", path)
    split.connect()
    loader = split.host.run("sh", "-c", "readelf -l /usr/bin/python3 2>/dev/null | sed -n 's/.*interpreter: \\(.*\\)]/\\1/p'").stdout.strip() or "/lib64/ld-linux-x86-64.so.2"
    assert all(goes(split, path, OUTSIDE) for path in (split.listed, f"{BIN}/symlink", f"{BIN}/hardlink", script, by_shell)) and first_act(split, copy) == INSIDE
    assert check_ways(split, split.host.run(split.other, "--launch", 4, dynamic, "-c", FIRST_ACT, "").stdout.splitlines(), OUTSIDE, 4)
    assert split.host.run(loader, dynamic, "-c", FIRST_ACT).stdout.split(" ", 1)[1].strip() == INSIDE, "for the kernel the loader was launched (documented)"
    assert split.host.run("/bin/sh", f"{BIN}/script").stdout.strip() == INSIDE, "for the kernel the shell was launched"
    assert split.host.run(split.listed, "--launch", 3, split.other, PUBLIC4, ECHO_PORT, "child").stdout.split("\n")[:-1] == [OUTSIDE] * 3, "children stay in the class"


def test_way_to_a_program_changes(split):
    """Far above the program: what is mounted there, turned, renamed or unmounted. The rule means what its path leads to now."""
    disk, place = split.host_run / "vpnd-lab/disk", "/run/vpnd-lab/opt"
    for version in ("1", "2", "3"):
        (disk / version / "bin").mkdir(parents=True)
        shutil.copy(split.host_run / "vpnd-lab/bin/listed", disk / version / "bin/app")
    (disk / "current").symlink_to("1")
    (split.host_run / "vpnd-lab/opt").mkdir()
    split.vpnctl("split", "add", "--path", f"{place}/current/bin/app", check=False)
    split.connect()
    assert [rule["effective"] for rule in rules(split)] == [False]
    for change in (f"mount --bind /run/vpnd-lab/disk {place}", f"ln -s 2 {place}/new; mv -T {place}/new {place}/current", f"mv {place}/2 {place}/old; mv {place}/3 {place}/2"):
        split.host.run("sh", "-c", change)
        sandbox.wait_until(lambda: first_act(split, f"{place}/current/bin/app") == OUTSIDE, 20, f"the rule follows: {change}")
    assert first_act(split, f"{place}/old/bin/app") == INSIDE
    split.host.run("umount", place)
    sandbox.wait_until(lambda: [rule["effective"] for rule in rules(split)] == [False], 20, "the rule has no effect")


def test_the_same_path_in_another_mount_namespace(split):
    """A container with a program at the same path, or with the same file, is not meant; of the file it is told, once, for a unit with a sandbox has such a namespace, too."""
    watch = Watch(split)
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    shown = f"{split.listed} {PUBLIC4} {ECHO_PORT} elsewhere"
    mark = split.capture.mark()
    assert split.host.run("unshare", "--mount", "sh", "-c", f"mount --bind {split.other} {split.listed} && exec {shown}").stdout.strip() == INSIDE
    pids = []

    def told():
        return [event["pid"] for event in list(watch.events) if event["event"] == "failed" and "its unit" in event["reason"]]

    for _ in range(2):
        pid, went = split.host.run("unshare", "--mount", "sh", "-c", f"echo $$; exec {shown}").stdout.splitlines()
        assert went == INSIDE
        pids.append(int(pid))
    assert not [frame for frame in split.capture.since(mark) if b"elsewhere" in frame.raw]
    sandbox.wait_until(told, 20, "it is told")
    assert goes(split, split.listed, OUTSIDE)
    split.vpnctl("split", "remove", "--path", split.listed)
    split.vpnctl("split", "add", "--path", split.listed)
    assert split.host.run("unshare", "--mount", "sh", "-c", f"exec {shown}").stdout.strip() == INSIDE
    sandbox.wait_until(lambda: len(told()) > 1, 20, "of a rule that comes anew it is told anew")
    assert told()[0] == pids[0] and pids[1] not in told()


def test_a_launch_that_waits_while_the_classifier_is_killed(split):
    """Both of its processes stand still, so nobody answers: the launch waits in the kernel; their end lets it go on, inside the tunnel."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    pid = split.classifier.pid
    guards = [int(word) for word in open(f"/proc/{pid}/task/{pid}/children", encoding="ascii").read().split()]
    assert len(guards) == 1
    for one in (pid, *guards):
        os.kill(one, signal.SIGSTOP)
    launched = split.host.start(split.listed, PUBLIC4, ECHO_PORT, "waiting", stdout=subprocess.PIPE, text=True)

    def waits():
        with open(f"/proc/{launched.pid}/stack", encoding="ascii") as stack:
            return "fanotify" in stack.read()
    sandbox.wait_until(waits, sandbox.SOON_S, "the launch waits")
    assert first_act(split, split.other) == INSIDE, "other launches wait for nobody"
    assert launched.poll() is None
    began = time.monotonic()
    split.classifier.kill()
    split.classifier.wait()
    assert launched.communicate(timeout=sandbox.SOON_S)[0].strip() == INSIDE and time.monotonic() - began < 3


def test_a_flood_of_launches(split):
    """As many as four processes can make of a listed program: nobody is stuck, the next go their ways, and the registry is empty again."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    began = time.monotonic()
    floods = [split.host.start(split.other, "--time", 2000, split.listed, stdout=subprocess.DEVNULL) for _ in range(4)]
    mark = split.capture.mark()
    while any(flood.poll() is None for flood in floods):
        assert goes(split, split.listed, OUTSIDE)
        assert first_act(split, split.other, "of-other", PUBLIC6) == INSIDE6
    print(f"{8000 / (time.monotonic() - began):.0f} listed launches a second")
    assert not [frame for frame in split.capture.since(mark) if b"of-other" in frame.raw]
    assert [flood.wait() for flood in floods] == [0] * 4
    sandbox.wait_until(lambda: not processes(split), 20, "all are forgotten")
    assert split_state(split) == "engaged" and goes(split, split.listed, OUTSIDE)


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM:")))


FLOOD = 50000


def test_more_launches_than_a_machine_can_make(split):
    """Of files that are listed and are no programs: each launch is asked about, answered and told, and fails. Meanwhile programs go their ways, and neither service grows."""
    nothing = [program(split, name, "no program\n") for name in ("nothing-a", "nothing-b")]
    split.vpnctl("split", "add", *(word for file in (*nothing, split.listed) for word in ("--path", file)))
    split.connect()
    services = [split.daemon.process.pid, split.classifier.pid]
    before, asked, began, mark = [memory_kb(pid) for pid in services], 0, time.monotonic(), split.capture.mark()
    while asked < FLOOD:
        flood = split.host.start(split.other, "--flood", 2, 1000, *nothing, stdout=subprocess.PIPE, text=True)
        while flood.poll() is None:
            assert goes(split, split.listed, OUTSIDE)
            assert first_act(split, split.other, "of-other", PUBLIC6) == INSIDE6
        assert flood.returncode == 0, "a launch was not answered as the kernel does"
        asked += int(flood.communicate()[0])
    print(f"{asked / (time.monotonic() - began):.0f} launches a second")
    assert not [frame for frame in split.capture.since(mark) if b"of-other" in frame.raw]
    assert all(memory_kb(pid) < kb + 32768 for pid, kb in zip(services, before)), [memory_kb(pid) for pid in services]
    assert split.classifier.poll() is None and split.daemon.process.poll() is None
    sandbox.wait_until(lambda: not processes(split), 20, "all are forgotten")
    assert split_state(split) == "engaged" and goes(split, split.listed, OUTSIDE)


MORE_THAN_THE_GUARD_NOTES = 300


def test_more_launches_than_the_guard_can_note(split):
    """While vpnd-classifier stands still, more are let go than it is told of one by one: all go inside meanwhile, that some were lost is told, and all are found in the end."""
    watch = Watch(split)
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    split.classifier.send_signal(signal.SIGSTOP)
    crowd = [split.talk(split.listed) for _ in range(MORE_THAN_THE_GUARD_NOTES)]
    assert {talker.way() for talker in crowd} == {INSIDE}
    split.classifier.send_signal(signal.SIGCONT)
    assert "too many to follow" in watch.wait("failed", pid=0, path="")["reason"]
    sandbox.wait_until(lambda: all(talker.ask("class").endswith("vpnd-excluded") for talker in crowd), 20, "all are in their class")
    assert {talker.way(PUBLIC6) for talker in crowd} == {OUTSIDE6}


# --- states and networks

def test_excluded_in_every_state(split):
    """Open, locked down, connecting, in error and connected: the listed program is out at once, by both families, and the other one never."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.vpnctl("import", "-", "dead", input=split.profile(endpoint=f"{DEAD4}:51820"))
    split.vpnctl("import", "-", "names", input=split.profile(endpoint="no-such-name.example:51820"))

    def look(state, other):
        assert split.status()["state"] == state
        mark = split.capture.mark()
        assert goes(split, split.listed, OUTSIDE) and goes(split, split.listed, OUTSIDE6, address=PUBLIC6), state
        ways = [first_act(split, split.other, f"in-{state}-other", address) for address in (PUBLIC4, PUBLIC6)]
        assert all(way in other for way in ways), (state, ways)
        if OUTSIDE not in other:
            assert not [frame for frame in split.capture.since(mark) if b"-other" in frame.raw], state
    look("disconnected", (OUTSIDE, OUTSIDE6))
    split.vpnctl("lockdown", "on")
    look("disconnected", REFUSED)
    split.vpnctl("connect", "dead")
    split.wait_state("connecting")
    look("connecting", (*REFUSED, "silence"))
    split.connect()
    look("connected", (INSIDE, INSIDE6))
    talker = split.talk(split.listed)
    split.daemon.kill()
    split.kill_wireguard()
    sandbox.wait_until(lambda: split.host.run("ip", "link", "show", "vpnd0", check=False).returncode, 20, "its link is gone")  # with its address, to which an answer might be on its way
    assert (talker.way(), talker.way(PUBLIC6)) == (OUTSIDE, OUTSIDE6), "without vpnd the rules stay"
    assert all(first_act(split, path) in (*REFUSED, "silence") for path in (split.listed, split.other)), "nobody holds launches now: both are inside or nowhere"
    split.daemon = split.start_daemon(env=environment(split))
    split.wait_state("error")
    wait_split_state(split, "engaged")
    look("error", REFUSED)
    split.vpnctl("disconnect")
    split.wait_state("disconnected")
    look("disconnected", REFUSED)
    split.vpnctl("lockdown", "off")
    look("disconnected", (OUTSIDE, OUTSIDE6))


def test_a_network_without_ipv6(split):
    """The tunnel has IPv6 and the network has none: the listed program learns at once that there is no way, and is not in the tunnel."""
    split.host.run("ip", "-6", "route", "flush", "default")
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    wait_split_state(split, "engaged")
    mark = split.capture.mark()
    before = len(split.services.echoes)
    began = time.monotonic()
    assert first_act(split, split.listed, address=PUBLIC6) in REFUSED
    assert time.monotonic() - began < 2, "refused, not left waiting"
    assert goes(split, split.listed, OUTSIDE)
    assert first_act(split, split.other, address=PUBLIC6) == INSIDE6
    assert [client for _server, client, _kind in split.services.echoes[before:]] == [HOST4, TUNNEL_HOST6]
    none(split.capture.since(mark), dst=PUBLIC6)


def test_tunnelvision_routes_and_strict_filters(split):
    """Routes that a hostile network gives, and rp_filter strict: everybody stays on the own side, and answers arrive."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    for words in (f"route add {PUBLIC4}/32 via {GATEWAY4} dev eth0 onlink", f"route add 0.0.0.0/1 via {GATEWAY4} dev eth0 onlink",
                  f"route add 128.0.0.0/1 via {GATEWAY4} dev eth0 onlink", f"-6 route add {PUBLIC6}/128 via {GATEWAY6} dev eth0 onlink",
                  f"-6 route add ::/1 via {GATEWAY6} dev eth0 onlink", f"-6 route add 8000::/1 via {GATEWAY6} dev eth0 onlink"):
        split.host.run("ip", *words.split())
    for link in ("all", "eth0"):
        split.host.sysctl(f"net.ipv4.conf.{link}.rp_filter", 1)
    mark = split.capture.mark()
    talker = split.talk(split.listed)
    assert (talker.way(), talker.way(PUBLIC6), talker.ask("open", PUBLIC4, STREAM_PORT)) == (OUTSIDE, OUTSIDE6, OUTSIDE)
    assert (first_act(split, split.other, "of-other"), first_act(split, split.other, "of-other", PUBLIC6)) == (INSIDE, INSIDE6)
    assert not [frame for frame in split.capture.since(mark) if b"of-other" in frame.raw]


def test_users_and_networks(split):
    """A user's packets and those to a network, of which another rule names a part: it is beside the tunnel as long as one of the rules names it."""
    split.vpnctl("split", "add", "--uid", str(NOBODY))
    split.connect()
    as_nobody = [*split.as_user(NOBODY), split.other, PUBLIC4, ECHO_PORT, "of-user"]
    assert split.host.run(*as_nobody).stdout.strip() == OUTSIDE
    assert first_act(split, split.other) == INSIDE
    split.vpnctl("split", "remove", "--uid", str(NOBODY))
    assert split.host.run(*as_nobody, 30000).stdout.strip() == INSIDE
    networks = ("203.0.113.0/24", f"{PUBLIC4}/32", "203.0.113.0/28")
    for network in networks:
        split.vpnctl("split", "add", "--subnet", network)
        assert first_act(split, split.other) == OUTSIDE
    split.vpnctl("split", "add", "--subnet", f"{PUBLIC6}/128")
    assert first_act(split, split.other, address=PUBLIC6) == OUTSIDE6
    assert first_act(split, split.other, address=TUNNEL_PEER4) == INSIDE
    for network in networks:
        assert first_act(split, split.other) == OUTSIDE
        split.vpnctl("split", "remove", "--subnet", network)
    assert first_act(split, split.other, own_port=30001) == INSIDE


@pytest.mark.parametrize("where", ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"])
def test_resolvers_that_a_network_names_later(split, where):
    """A DHCP client writes them down after it has set the route: into resolv.conf, or into the list of whoever's stub that names. Two of the tunnel's are two of the network's."""
    def name(*servers):
        split.host.run("sh", "-ec", f"mkdir -p {os.path.dirname(where)}; printf 'nameserver %s\\n' {' '.join(servers)} > {where}.new; mv {where}.new {where}")

    split.host.run("sh", "-c", "echo nameserver 127.0.0.53 > /etc/resolv.conf")
    name(OUTSIDE_DNS4)
    split.vpnctl("split", "add", "--path", split.listed)
    split.vpnctl("import", "-", "two", input=split.profile(dns=f"{TUNNEL_PEER4}, {SECOND_DNS}"))
    split.vpnctl("connect", "two", "--wait", "--timeout", "40")
    listed = split.talk(split.listed)

    def asked(server):
        assert listed.ask("dns", server, "name") == "answered"
        return split.services.questions[-1][:2]

    assert asked(TUNNEL_PEER4) == asked(SECOND_DNS) == (OUTSIDE_DNS4, HOST4)
    name(OTHER_DNS4)
    sandbox.wait_until(lambda: asked(TUNNEL_PEER4) == (OTHER_DNS4, HOST4), 20, "the resolver of the new network is asked")
    name(OTHER_DNS4, OUTSIDE_DNS4)
    sandbox.wait_until(lambda: asked(SECOND_DNS) == (OUTSIDE_DNS4, HOST4), 20, "its second one is asked in the place of the tunnel's second one")
    assert asked(TUNNEL_PEER4) == (OTHER_DNS4, HOST4)


def test_names_by_a_stub_are_asked_inside(split):
    """Who asks a resolver on this host is answered as everybody: it is the stub that asks."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    with split.host.net():
        stub = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stub.bind(("127.0.0.53", 53))
        outward = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def serve():
        question, client = stub.recvfrom(500)
        outward.sendto(question, (TUNNEL_PEER4, 53))
        stub.sendto(outward.recv(500), client)
    threading.Thread(target=serve, daemon=True).start()
    assert split.talk(split.listed).ask("dns", "127.0.0.53", "by-stub") == "answered"
    assert [q for q in split.services.questions if q[2].startswith("by-stub")] == [(TUNNEL_PEER4, TUNNEL_HOST4, "by-stub.example")]
    stub.close()
    outward.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", HOST4, HOST6])
def test_localhost_by_each_address(split, address):
    """Of this host all addresses are near: a listed program asks another one, and is asked."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    with split.host.net():
        server = socket.create_server((address, STREAM_PORT), family=socket.AF_INET6 if ":" in address else socket.AF_INET)

    def serve():
        connection, client = server.accept()
        with connection:
            connection.recv(10)
            connection.send(f"you are {client[0]}".encode())
            connection.recv(10)
    threading.Thread(target=serve, daemon=True).start()
    mark = split.capture.mark()
    assert split.talk(split.listed).ask("open", address, STREAM_PORT) == f"you are {address}"
    none(split.capture.since(mark), dst=address)
    server.close()


# --- where the classes stand

def root_prop(lab, name):
    return lab.bus_call("org.vpnd1", "/org/vpnd1", "org.freedesktop.DBus.Properties.Get", "org.vpnd1.SplitTunnel", name).stdout.split("'")[1]


def restart(lab, **env):
    lab.daemon.stop()
    lab.daemon = lab.start_daemon(env=environment(lab) | env)


def test_classes_in_net_cls(split):
    """Where there is no cgroup2: chosen, told, and as good for programs; units cannot be told apart there."""
    base = f"/run/vpnd-lab/net_cls/vpnd-lab-{uuid.uuid4().hex[:12]}"
    split.host.run("sh", "-c", f"mkdir /run/vpnd-lab/net_cls && mount -t cgroup -o net_cls none /run/vpnd-lab/net_cls && mkdir {base}")
    restart(split, VPND_CGROUP_PATH=base)
    assert root_prop(split, "Ground") == "net_cls"
    split.vpnctl("split", "add", "--path", split.listed)
    refused = split.vpnctl("split", "add", "--unit", "nginx", check=False)
    assert refused.returncode != 0 and "CONFIG_CGROUPS" in refused.stderr
    running = split.talk(split.other)
    split.connect()
    wait_split_state(split, "engaged")
    for address, outside, inside in ((PUBLIC4, OUTSIDE, INSIDE), (PUBLIC6, OUTSIDE6, INSIDE6)):
        assert goes(split, split.listed, outside, address=address) and first_act(split, split.other, address=address) == inside
    assert split.vpnctl("exclude", "--", split.other, PUBLIC4, str(ECHO_PORT), "asked", "31000").stdout.strip() == OUTSIDE
    split.vpnctl("split", "add", "--path", split.other)
    assert running.way() == OUTSIDE, "one that runs already is moved"
    assert [p["executable"] for p in processes(split)] == [split.other]
    split.vpnctl("split", "remove", "--path", split.other)
    sandbox.wait_until(lambda: running.way() == INSIDE, sandbox.SOON_S, "it is back")
    running.end()
    split.vpnctl("disconnect", "--wait")
    split.daemon.stop()
    split.host.run("sh", "-c", f"rmdir {base}/*/ {base}")


HOST_WITHOUT_CGROUP2 = """#!/bin/sh -e
echo $$ > {base}/cgroup.procs
unset VPND_CGROUP_PATH
exec unshare --cgroup --mount sh -ec '
    umount -R /sys/fs/cgroup
    mount -t cgroup -o net_cls none /run/vpnd-lab/elsewhere
    exec "$@"' sh {program} "$@"
"""


def test_net_cls_where_there_is_no_cgroup2(split):
    """Nobody names a place, and cgroup2 is mounted nowhere: net_cls is found, where it is, and what has a rule goes beside the tunnel. The host of these two ends at a folder of the lab's."""
    base = f"/run/vpnd-lab/net_cls/vpnd-lab-{uuid.uuid4().hex[:12]}"
    split.host.run("sh", "-ec", f"mkdir /run/vpnd-lab/net_cls /run/vpnd-lab/elsewhere && mount -t cgroup -o net_cls none /run/vpnd-lab/net_cls && mkdir {base}")
    on_host = split.talk(split.other)
    split.daemon.stop()
    split.classifier.kill()
    split.classifier.wait()
    (split.host_run / "vpnd-lab/classifier").unlink()
    for name, path in (("vpnd", split.vpnd), ("classifier", built("service/classifier/vpnd-classifier"))):
        program(split, f"{name}-without-cgroup2", HOST_WITHOUT_CGROUP2.format(base=base, program=path))
    split.classifier = split.host.start("nice", "-n", "-20", f"{BIN}/classifier-without-cgroup2", "--socket", "/run/vpnd-lab/classifier", "--mountinfo", f"/proc/{on_host.process.pid}/mountinfo",
                                        env=split.environment())
    sandbox.wait_until(lambda: (split.host_run / "vpnd-lab/classifier").exists(), sandbox.SOON_S, "vpnd-classifier listens")
    split.vpnd = f"{BIN}/vpnd-without-cgroup2"
    split.daemon = Daemon(split, env={"VPND_CLASSIFIER_SOCKET": "/run/vpnd-lab/classifier"}).wait_ready()
    assert root_prop(split, "Ground") == "net_cls"
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    wait_split_state(split, "engaged")
    assert goes(split, split.listed, OUTSIDE) and goes(split, split.listed, OUTSIDE6, address=PUBLIC6) and first_act(split, split.other) == INSIDE
    split.vpnctl("disconnect", "--wait")
    split.daemon.stop()
    split.classifier.kill()
    split.classifier.wait()
    split.host.run("sh", "-c", f"rmdir {base}/*/ {base}")


@pytest.mark.parametrize("place", ["nowhere", "no cgroup", "a part"])
def test_a_place_that_carries_no_classes(split, place):
    """Refused to whoever makes a rule, told by the properties and the status, and all programs use the tunnel."""
    path = {"nowhere": "/run/vpnd-lab/nowhere", "no cgroup": "/run/vpnd-lab", "a part": "/run/vpnd-lab/part"}[place]
    split.vpnctl("split", "add", "--path", split.listed)
    if place == "a part":
        split.host.run("sh", "-c", f"mkdir {path} && mount --bind {split.classes} {path}")
    restart(split, VPND_CGROUP_PATH=path)
    assert (root_prop(split, "Ground"), split_state(split)) == ("none", "started")
    refused = split.vpnctl("split", "add", "--path", split.other, check=False)
    assert refused.returncode == 1 and path in refused.stderr and "CONFIG_CGROUPS" in refused.stderr
    assert [(rule["value"], rule["effective"], path in rule["reason"]) for rule in rules(split)] == [(split.listed, False, True)]
    assert path in " ".join(split.status()["warnings"])
    split.vpnctl("split", "add", "--subnet", f"{PUBLIC6}/128")
    split.connect()
    assert goes(split, split.listed, INSIDE)
    assert goes(split, split.listed, OUTSIDE6, address=PUBLIC6), "rules by address need no classes"
    assert split.vpnctl("exclude", "--", split.other, PUBLIC4, str(ECHO_PORT), "x", check=False).returncode == 125


# --- what is told

STATES = ["started", "initialized", "ready", "engaged"]


class Watch:
    """vpnctl split watch --json, as it goes."""

    def __init__(self, lab):
        self.process = lab.host.start(lab.vpnctl_path, "split", "watch", "--json", env=lab.environment(), stdout=subprocess.PIPE, text=True)
        self.events = []
        threading.Thread(target=self._read, daemon=True).start()
        self.wait("state")

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def wait(self, event, **wanted):
        def look():
            return [e for e in list(self.events) if e["event"] == event and all(e[key] == value for key, value in wanted.items())]
        return sandbox.wait_until(look, 20, f"{event} {wanted}; {self.events}")[-1]

    def states(self):
        return [e["state"] for e in self.events if e["event"] == "state"]


def test_states_and_events(split):
    """Up to engaged and back, a step at a time; arrivals, departures and failures by name."""
    watch = Watch(split)
    split.vpnctl("split", "add", "--path", split.listed)
    watch.wait("rules")
    split.connect()
    watch.wait("state", state="engaged")
    talker = split.talk(split.listed)
    said = {"pid": watch.wait("entered")["pid"], "path": split.listed, "reason": f"path:{split.listed}"}
    watch.wait("entered", **said)
    assert [p["pid"] for p in processes(split)] == [said["pid"]]
    talker.end()
    watch.wait("returned", **said)
    split.classifier.send_signal(signal.SIGSTOP)
    assert goes(split, split.listed, INSIDE)
    missed = split.talk(split.listed)
    assert missed.way() == INSIDE
    split.classifier.send_signal(signal.SIGCONT)
    assert "in time" in watch.wait("failed", path=split.listed)["reason"], "a launch that was missed is told"
    sandbox.wait_until(lambda: missed.way() == OUTSIDE, sandbox.SOON_S, "and it is moved all the same")
    missed.end()
    split.classifier.kill()
    split.classifier.wait()
    assert "vpnd-classifier" in watch.wait("failed", pid=0, path=split.listed)["reason"]
    watch.wait("state", state="initialized")
    split.start_classifier()
    sandbox.wait_until(lambda: watch.states()[-1] == "engaged", 20, f"it is engaged again: {watch.states()}")
    split.vpnctl("disconnect", "--wait")
    sandbox.wait_until(lambda: watch.states()[-1] == "ready", 20, f"it is ready: {watch.states()}")
    steps = [STATES.index(state) for state in watch.states()]
    steps = [step for i, step in enumerate(steps) if i == 0 or step != steps[i - 1]]
    assert all(abs(a - b) == 1 for a, b in zip(steps, steps[1:])), watch.states()


def test_a_host_without_room_for_another_thread(split):
    """Processes are told all the same, and vpnd obeys: nothing of that waits for a thread that cannot be made."""
    split.vpnctl("split", "add", "--path", split.listed)
    size = next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{split.daemon.process.pid}/status").read_text(encoding="utf-8").splitlines() if line.startswith("VmSize:"))
    if not IS_SANITIZED:  # which takes more than can be told
        split.host.run("prlimit", "--pid", split.daemon.process.pid, f"--as={(size + 4096) * 1024}:")  # less than the stack of a thread
    watch = Watch(split)
    assert all(goes(split, split.listed, OUTSIDE) for _ in range(5))
    assert split.vpnctl("split", "list", "--json", timeout=20).returncode == 0
    watch.wait("returned")


def test_what_is_over_at_once_is_told(split):
    """However short a program runs, everybody hears that it has come and gone."""
    watch = Watch(split)
    brief = program(split, "brief", source="/bin/true")
    split.vpnctl("split", "add", "--path", brief)
    split.host.run("sh", "-c", f"for i in $(seq 20); do {brief}; done")
    for event in ("entered", "returned"):
        sandbox.wait_until(lambda event=event: len([e for e in list(watch.events) if e["event"] == event and e["reason"] == f"path:{brief}"]) == 20, 20, f"{event}: {watch.events}")
    told = [(e["pid"], e["event"]) for e in watch.events if e.get("path") == brief]
    assert sorted(told) == sorted(set(told)) and not processes(split)
    assert all(told.index((pid, "entered")) < told.index((pid, "returned")) for pid, _ in told)


def test_what_begins_after_the_move_goes_on(split):
    """Of a process that is taken out of its class the connections of before end, and not those that it has begun since, however late vpnd-classifier tells which it has."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    before, after = split.talk(split.listed), split.talk(split.listed)
    assert before.ask("open", PUBLIC4, STREAM_PORT) == after.ask("open", PUBLIC4, STREAM_PORT) == OUTSIDE
    split.classifier.send_signal(signal.SIGSTOP)
    split.vpnctl("split", "remove", "--path", split.listed)
    assert "vpnd-returning" in after.ask("class") and after.ask("open", PUBLIC4, STREAM_PORT) == INSIDE
    split.classifier.send_signal(signal.SIGCONT)
    sandbox.wait_until(lambda: before.ask("use") in ("ECONNABORTED", "EPIPE"), 20, "the connection of before has ended")
    sandbox.wait_until(lambda: "vpnd-" not in after.ask("class"), 20, "it is back where it was")
    assert after.ask("use") == INSIDE


@pytest.mark.parametrize("words", [("--include",), ("--profile", "second")])
def test_what_must_not_be_in_the_clear_does_not_start_unheld(split, words):
    """While nobody holds its launch, a program that is to be in a tunnel only is not started, which is told; others are."""
    split.vpnctl("import", "-", "second", input=split.profile())
    split.vpnctl("split", "add", "--path", split.listed, *words)
    if "--include" in words:
        split.vpnctl("split", "mode", "include")
        split.connect()
    assert first_act(split, split.other) == OUTSIDE
    watch = Watch(split)
    split.classifier.send_signal(signal.SIGSTOP)
    mark = split.capture.mark()
    refused = split.host.run(split.listed, PUBLIC4, ECHO_PORT, "unheld", 0, check=False)
    assert refused.returncode == 126 and "not permitted" in refused.stderr, "as a shell says of a program that it may not run"
    assert first_act(split, split.other, "goes-on") == OUTSIDE
    split.classifier.send_signal(signal.SIGCONT)
    assert "not started" in watch.wait("failed", path=split.listed)["reason"]
    seen = split.capture.since(mark)
    assert any(b"goes-on" in frame.raw for frame in seen) and not any(b"unheld" in frame.raw for frame in seen)
    assert goes(split, split.listed, ((INSIDE,) if "--include" in words else ("EPERM", "ECONNREFUSED")))


def test_a_rule_in_vain_is_told_until_it_is_not(split):
    """To who makes it, in the list, in the status for people and for programs; and when there is a program, nowhere any more."""
    missing = f"{BIN}/missing"
    made = split.vpnctl("split", "add", "--path", missing, check=False)
    assert made.returncode == 1 and "no effect" in made.stderr and missing in made.stderr
    listed = split.vpnctl("split", "list").stdout
    assert f"path {missing}" in listed and "NO EFFECT" in listed
    assert [rule["effective"] for rule in rules(split)] == [False]
    assert missing in split.vpnctl("status").stdout
    assert [text for text in split.status()["warnings"] if missing in text]
    split.connect()
    program(split, "missing", source=split.host_run / "vpnd-lab/bin/other")
    sandbox.wait_until(lambda: rules(split)[0]["effective"], 20, "the rule holds")
    sandbox.wait_until(lambda: first_act(split, missing) == OUTSIDE, 20, "and its program goes beside the tunnel")
    assert not split.status()["warnings"] and missing not in split.vpnctl("status").stdout
    os.rename(split.host_run / "vpnd-lab/bin/missing", split.host_run / "vpnd-lab/bin/moved")
    sandbox.wait_until(lambda: not rules(split)[0]["effective"], 20, "the rule has lost its program")
    assert [text for text in split.status()["warnings"] if missing in text]


def test_a_rule_that_another_one_overrules(split):
    """To whoever makes it and in the list: it is kept, and has no effect as long as the other one is there."""
    split.connect()
    (split.host_run / "vpnd-lab/bin/listed").chmod(0o755)
    for strong, weak, path in ((("--path", split.listed), ("--own", "--path", split.listed), split.listed), (("--subnet", "203.0.113.0/24"), ("--subnet", f"{PUBLIC4}/32"), split.other)):
        split.vpnctl("split", "add", "--include", *strong)
        made = split.vpnctl("split", "add", *weak, check=False)
        assert made.returncode == 1 and "comes first" in made.stderr
        assert goes(split, path, INSIDE, own_port=34000)
        assert {(rule["class"], rule["effective"]) for rule in rules(split)} == {("included", True), ("excluded", False)}
        split.vpnctl("split", "remove", *strong)
        assert [rule["effective"] for rule in rules(split)] == [True] and goes(split, path, OUTSIDE, own_port=34100)
        split.vpnctl("split", "remove", *weak)


def test_a_profile_that_goes(split):
    """Bound to a profile that is renamed, a program is bound to it by its new name; to one that is removed, it is refused, and the list and the status say why."""
    split.vpnctl("import", "-", "first", input=split.profile())
    split.vpnctl("split", "add", "--path", split.listed, "--profile", "first")
    split.vpnctl("connect", "first", "--wait", "--timeout", "40")
    assert goes(split, split.listed, INSIDE)
    split.vpnctl("disconnect", "--wait")
    split.vpnctl("rename", "first", "second")
    assert goes(split, split.listed, REFUSED)
    split.vpnctl("connect", "second", "--wait", "--timeout", "40")
    assert rules(split)[0]["profile"] == "second" and rules(split)[0]["effective"] and not split.status()["warnings"]
    assert goes(split, split.listed, INSIDE, own_port=31000)
    split.vpnctl("disconnect", "--wait")
    split.vpnctl("import", "-", "third", input=split.profile())
    split.vpnctl("remove", "second")
    split.vpnctl("connect", "third", "--wait", "--timeout", "40")
    assert goes(split, split.listed, REFUSED)
    assert "no profile" in rules(split)[0]["reason"] and not rules(split)[0]["effective"]
    assert [text for text in split.status()["warnings"] if split.listed in text]
    split.vpnctl("split", "add", "--path", split.listed, "--profile", "third")
    assert rules(split)[0]["effective"] and not split.status()["warnings"]
    assert goes(split, split.listed, INSIDE, own_port=32000)


@pytest.mark.parametrize("is_last", [True, False])
def test_a_bound_program_goes_home(split, is_last):
    """When its rule goes, also when that was the last of its profile, so that there is no such class any more."""
    split.vpnctl("import", "-", "first", input=split.profile())
    if not is_last:
        split.vpnctl("split", "add", "--path", split.other, "--profile", "first")
    split.vpnctl("split", "add", "--path", split.listed, "--profile", "first")
    talker = split.talk(split.listed)

    def place():
        return pathlib.Path(f"/proc/{talker.process.pid}/cgroup").read_text(encoding="ascii")

    assert "vpnd-bound-first" in place() and talker.way() in REFUSED
    split.vpnctl("split", "remove", "--path", split.listed)
    sandbox.wait_until(lambda: "vpnd-" not in place().split("0::")[1], 20, "it stands where it stood")
    assert talker.way() == OUTSIDE


def test_a_running_program_keeps_no_name(split):
    """A profile is renamed while a user's program is bound to it: the program stays where it is, is of the profile by its new name, and is refused elsewhere, its old sockets too."""
    split.vpnctl("import", "-", "first", input=split.profile())
    (split.host_run / "vpnd-lab/bin/listed").chmod(0o755)
    split.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.AddOwn", "path", split.listed, "bound", "first", uid=0)
    talker = split.talk(split.listed)
    split.vpnctl("rename", "first", "second")
    assert {rule["profile"] for rule in rules(split)} == {"second"} and {row["class"] for row in processes(split)} == {"bound:second"}
    assert talker.way() in REFUSED
    split.vpnctl("import", "-", "first", input=split.profile())
    split.vpnctl("split", "add", "--path", split.other, "--profile", "first")
    for name, listed, other in (("first", REFUSED, (INSIDE,)), ("second", (INSIDE,), REFUSED)):
        split.vpnctl("connect", name, "--wait", "--timeout", "20")
        another = split.talk(split.other)
        assert talker.way() in listed and another.way() in other and first_act(split, split.listed) in listed
        another.end()
    split.daemon.stop(signal.SIGUSR1)
    split.daemon = split.start_daemon(env=environment(split))
    split.wait_state("connected")
    assert talker.way() == INSIDE and talker.ask("class").endswith("vpnd-bound-first")
    split.vpnctl("disconnect", "--wait")
    assert talker.way() in REFUSED and first_act(split, split.other) in REFUSED
    talker.end()


# --- who may what

def test_exclude_and_include(split):
    split.connect()
    words = ["--", split.other, PUBLIC4, str(ECHO_PORT), "asked"]
    assert split.vpnctl("exclude", *words).stdout.strip() == OUTSIDE
    assert split.vpnctl("include", *words).stdout.strip() == INSIDE
    assert split.vpnctl("exclude", "--", "sh", "-c", f"{' '.join(words[1:])}; exit 7", check=False).returncode == 7
    running = split.host.start(split.vpnctl_path, "exclude", "--", split.other, "--talk", env=split.environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wanted = [(running.pid, split.other, "asked")]
    sandbox.wait_until(lambda: [(p["pid"], p["executable"], p["reason"]) for p in processes(split)] == wanted, 20, "the registry has the command that vpnctl has become")
    running.stdin.close()
    running.wait(10)
    assert first_act(split, split.other, own_port=30003) == INSIDE
    assert not processes(split)
    split.vpnctl("disconnect", "--wait")
    mark = split.capture.mark()
    refused = split.vpnctl("include", *words, check=False)
    assert (refused.returncode, refused.stdout) == (125, "") and not [frame for frame in split.capture.since(mark) if b"asked" in frame.raw], "nothing would keep it inside"
    split.vpnctl("lockdown", "on")
    assert split.vpnctl("include", *words, check=False).stdout.strip() in REFUSED
    assert split.vpnctl("exclude", *words).stdout.strip() == OUTSIDE


def test_a_user_without_rights(split):
    """Whoever sits in no local session changes nothing, by no member, and exclude does not start what it cannot exclude."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    before = rules(split)
    calls = [("Add", "path", split.other, "excluded", ""), ("AddOwn", "path", split.other, "excluded", ""), ("AddOwnApp", "org.x.Own", f"['{split.other}']", "excluded", ""),
             ("Remove", "path", split.listed), ("RemoveOwn", "path", split.listed), ("Enter", "excluded"), ("Leave",), ("ProcessesAll",)]
    interface = ElementTree.parse(SOURCE / "dbus/org.vpnd1.xml").find("interface[@name='org.vpnd1.SplitTunnel']")
    assert {call[0] for call in calls} == {method.get("name") for method in interface.iter("method")} - {"List", "Processes"}, "every member but those that read"
    for member, *arguments in calls:
        done = split.bus_call("org.vpnd1", "/org/vpnd1", f"org.vpnd1.SplitTunnel.{member}", *arguments, uid=NOBODY)
        assert done.returncode != 0 and "org.vpnd1.Error.NotAuthorized" in done.stderr, (member, done)
    done = split.bus_call("org.vpnd1", "/org/vpnd1", "org.freedesktop.DBus.Properties.Set", "org.vpnd1.SplitTunnel", "Mode", "<'include'>", uid=NOBODY)
    assert done.returncode != 0
    for name in ("State", "Ground", "Classes"):
        assert split.bus_call("org.vpnd1", "/org/vpnd1", "org.freedesktop.DBus.Properties.Set", "org.vpnd1.SplitTunnel", name, "<'engaged'>").returncode != 0, "also root sets none of these"
    assert split.vpnctl("split", "mode").stdout == "exclude\n" and rules(split) == before
    started = split.vpnctl("exclude", "--", split.other, PUBLIC4, str(ECHO_PORT), "asked", uid=NOBODY, check=False)
    assert (started.returncode, started.stdout) == (125, "")
    assert first_act(split, split.other) == INSIDE


# --- what is too much

@pytest.mark.parametrize("number", [10_000, 10_001, 100_000])
def test_a_file_of_many_rules(split, number):
    """As many as there may be are read, and hold, and change; one more and the file is kept aside, told, and nothing of it holds."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.daemon.stop()
    path = split.host_run / "vpnd-lab/state/split.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["rules"] += [dict(whole["rules"][0], value=f"/opt/{i}") for i in range(number - 1)]
    path.write_text(json.dumps(whole), encoding="utf-8")
    split.daemon = split.start_daemon(env=environment(split))
    split.connect()
    if number > 10_000:
        assert rules(split) == [] and goes(split, split.listed, INSIDE)
        assert "split.json" in " ".join(split.status()["warnings"]) and list(path.parent.glob("split.json.broken*"))
        return
    wait_split_state(split, "engaged")
    assert goes(split, split.listed, OUTSIDE)
    refused = split.vpnctl("split", "add", "--path", split.other, check=False)
    assert refused.returncode == 1 and "10000" in refused.stderr
    split.vpnctl("split", "remove", "--path", "/opt/7")
    wait_split_state(split, "engaged")
    split.vpnctl("split", "add", "--path", split.other)
    assert goes(split, split.other, OUTSIDE)
    assert "9998 more rules" in split.status()["warnings"][-1] or len(split.status()["warnings"]) == 4
