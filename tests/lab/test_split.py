# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split tunnelling with the real vpnd, vpnd-classifier, cgroups and rules: each program goes its own way from its first packet on, whatever came first."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid

import pytest

import crowd
import sandbox
from capture import UDP, none, seen, select_frames
from lab import ECHO_PORT, HOST4, HOST6, NOBODY, OUTSIDE_DNS4, PEER4, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4, built

LAUNCHES = int(os.environ.get("VPND_SPLIT_LAUNCHES", "2000"))
STREAM_PORT = 7777
INSIDE, OUTSIDE = f"you are {TUNNEL_HOST4}", f"you are {HOST4}"


class Streams:
    """A server on the internet whose connections stay: each byte is answered with the address that it came from."""

    def __init__(self, lab):
        with lab.wan.net():
            self.listener = socket.create_server((PUBLIC4, STREAM_PORT))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, client = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, client[0]), daemon=True).start()

    @staticmethod
    def _serve(connection, address):
        with connection:
            try:
                while connection.recv(100):
                    connection.send(f"you are {address}".encode())
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Talker:
    """A program that runs on the host and obeys."""

    def __init__(self, split, path, uid=0):
        self.process = split.host.start(*split.as_user(uid), path, "--talk", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask("class")

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def way(self, address=PUBLIC4):
        return self.ask("udp", address, ECHO_PORT)

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture(name="split")
def fixture_split(lab):
    """The lab with vpnd and vpnd-classifier, a folder of its own for the classes, and copies of the program."""
    lab.classes = sandbox.session_cgroup() / uuid.uuid4().hex[:12]
    lab.classes.mkdir()
    lab.talkers = []
    programs = lab.host_run / "vpnd-lab/bin"
    for name in ("listed", "other"):
        shutil.copy(built("tests/lab-c/split-program"), programs / name)
    lab.listed, lab.other = "/run/vpnd-lab/bin/listed", "/run/vpnd-lab/bin/other"
    lab.start_classifier = lambda: start_classifier(lab)
    lab.talk = lambda path, uid=0: lab.talkers.append(Talker(lab, path, uid)) or lab.talkers[-1]
    lab.streams = Streams(lab)
    lab.start_classifier()
    lab.daemon = lab.start_daemon(env=environment(lab))
    yield lab
    lab.streams.close()
    for talker in lab.talkers:
        talker.process.kill()
        talker.process.wait()
    lab.close()
    sandbox.remove_cgroups(lab.classes)


def environment(lab):
    return {"VPND_CGROUP_PATH": str(lab.classes), "VPND_CLASSIFIER_SOCKET": "/run/vpnd-lab/classifier"}


def start_classifier(lab):
    """With the priority that its unit gives it: what it cannot answer within 50 ms goes by the tunnel."""
    lab.classifier = lab.host.start("nice", "-n", "-20", built("service/classifier/vpnd-classifier"), "--socket", "/run/vpnd-lab/classifier", "--mountinfo", "/proc/self/mountinfo",
                                    env=lab.environment())
    sandbox.wait_until(lambda: (lab.host_run / "vpnd-lab/classifier").exists(), sandbox.SOON_S, "vpnd-classifier listens")


def split_state(lab):
    return lab.bus_call("org.vpnd1", "/org/vpnd1", "org.freedesktop.DBus.Properties.Get", "org.vpnd1.SplitTunnel", "State").stdout.split("'")[1]


def wait_split_state(lab, state):
    sandbox.wait_until(lambda: split_state(lab) == state, 20, f"the state {state} of split tunnelling; {lab.daemon.log()}")


def act(lab, path, text="first", address=PUBLIC4, own_port=0):
    """Launches the program; its number, and what its first act comes to."""
    command = lab.host.argv(path, address, ECHO_PORT, text, own_port)
    launched = subprocess.Popen(command, pass_fds=(lab.host.net_fd, lab.host.mount_fd), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return launched.pid, launched.communicate(timeout=60)[0].strip()


def first_act(lab, *words, **options):
    return act(lab, *words, **options)[1]


UNHELD = re.compile(r"Split tunnelling: process (\d+): it (?:went on before it stood in its class|was not started): vpnd-classifier did not answer in time")


def unheld(lab):
    """The numbers of the processes of which vpnd has told that their launches were not held: the kernel or the guard let them go on, or refused them."""
    return {int(number) for daemon in lab.daemons for number in UNHELD.findall(daemon.log())}


def goes(lab, path, way, *words, own_port=0, **options):
    """Whether the first act of the program goes that way (or one of those). A launch that nobody could hold in time goes on in the safe class, or is refused, and that is told of it:
    of such a one nothing else is claimed, so another one is made. Any other that goes another way is an escape."""
    wanted = (way,) if isinstance(way, str) else way
    for turn in range(10):
        pid, went = act(lab, path, *words, own_port=own_port and own_port + turn, **options)
        if went in wanted:
            return True
        sandbox.wait_until(lambda pid=pid: pid in unheld(lab), 20, f"{path}, process {pid}: {went}, not {way}, and nobody tells that it was not held; {unheld(lab)}\n{lab.daemon.log()}")
    return False


def check_ways(lab, lines, way, number):
    """Of so many launches each has said its number and where its first act went: that way, if it was held. Returns how many went there."""
    told = dict(line.split(" ", 1) for line in lines)
    wrong = {int(pid) for pid, went in told.items() if went != way}
    sandbox.wait_until(lambda: wrong <= unheld(lab) and number - len(told) <= len(unheld(lab) - {int(pid) for pid in told}), 20,
                       f"each launch that did not go {way} is told; {[told[str(pid)] for pid in wrong]} and {number - len(told)} without a word, told {unheld(lab)}\n{lab.daemon.log()}")
    assert not unheld(lab), "each launch was held"
    return number - len(wrong) - (number - len(told))


def test_listed_goes_beside_and_others_inside(split):
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    wait_split_state(split, "engaged")
    mark = split.capture.mark()
    assert goes(split, split.listed, OUTSIDE)
    assert first_act(split, split.other) == INSIDE
    assert goes(split, split.listed, f"you are {HOST6}", address=PUBLIC6)
    assert first_act(split, split.other, address=PUBLIC6) == f"you are {TUNNEL_HOST6}"
    frames = split.capture.since(mark)
    assert len(select_frames(frames, from_host=True, proto=UDP, dst=PUBLIC4)) == 1
    assert len(select_frames(frames, from_host=True, proto=UDP, dst=PUBLIC6)) == 1


@pytest.mark.parametrize("load", [False, True], ids=["idle", "loaded"])
def test_no_launch_goes_the_wrong_way(split, load):
    """Every launch sends one packet as its first act; the echo server says which way each came, the router sees what was in the clear."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    busy = [split.host.start("sh", "-c", "while :; do :; done") for _ in range(os.cpu_count() if load else 0)]
    mark = split.capture.mark()
    number = LAUNCHES // 4 if load else LAUNCHES
    listed = split.host.start(split.other, "--launch", number, split.listed, PUBLIC4, ECHO_PORT, "of-listed", 0, "named", stdout=subprocess.PIPE, text=True)
    other = split.host.start(split.other, "--launch", number, split.other, PUBLIC4, ECHO_PORT, "of-other", 0, "named", stdout=subprocess.PIPE, text=True)
    ways = {}
    reader = threading.Thread(target=lambda: ways.update(other=other.communicate(timeout=300)[0].splitlines()))
    reader.start()
    ways["listed"] = listed.communicate(timeout=300)[0].splitlines()
    reader.join()
    for process in busy:
        process.kill()
        process.wait()
    # A datagram with the port of a flow of the other class that has just ended is refused, and goes no way at all.
    refused = {name: [line for line in lines if line.endswith(" EPERM")] for name, lines in ways.items()}
    held = {name: [line for line in lines if line not in refused[name]] for name, lines in ways.items()}
    assert max(map(len, refused.values())) < number // 4
    assert len(held["other"]) == number - len(refused["other"]) and {line.split(" ", 1)[1] for line in held["other"]} == {INSIDE}
    went = check_ways(split, held["listed"], OUTSIDE, number - len(refused["listed"]))
    frames = split.capture.since(mark)
    assert not [frame for frame in frames if b"of-other" in frame.raw]
    assert went <= len([frame for frame in frames if b"of-listed" in frame.raw and frame.dst == PUBLIC4]) <= went + len(unheld(split))


@pytest.mark.parametrize("address", [PUBLIC4, PUBLIC6])
@pytest.mark.parametrize("mode", ["exclude", "names", "include"])
def test_port_of_a_flow_of_another_class(split, mode, address):
    """The port and the peer of a program of another class that has just ended: conntrack still has its flow, with which nothing goes the wrong way."""
    split.vpnctl("split", "add", "--path", split.listed, *(["--include"] if mode == "include" else []))
    if mode == "include":
        split.vpnctl("split", "mode", "include")
    if mode == "names":
        split.vpnctl("split", "add", "--domain", "example.test")
    split.connect()
    wait_split_state(split, "engaged")
    assert all(rule["effective"] for rule in json.loads(split.vpnctl("split", "list", "--json").stdout)["rules"])
    inside, outside = (INSIDE, OUTSIDE) if address == PUBLIC4 else (f"you are {TUNNEL_HOST6}", f"you are {HOST6}")
    own = {split.listed: inside, split.other: outside} if mode == "include" else {split.listed: outside, split.other: inside}
    mark = split.capture.mark()
    expected = {}
    for own_port in range(20000, 20040):
        programs = [split.listed, split.other] if own_port % 2 else [split.other, split.listed]
        texts = [f"of-{path[-5:]}-{own_port}" for path in programs]
        acts = [act(split, programs[turn], texts[turn], address, own_port) for turn in (0, 1, 0)]
        right = [own[programs[0]], "EPERM", own[programs[0]]]  # the last: the flow is still its
        if [way for _, way in acts] != right:
            sandbox.wait_until(lambda acts=acts: unheld(split) & {pid for pid, _ in acts}, 20, f"the port {own_port}, {programs}: {acts}, not {right}, and all were held; {unheld(split)}")
            continue
        expected |= {texts[0]: 2 if right[0] == outside else 0, texts[1]: 0}
    assert len(expected) == 2 * 40, "each launch was held"
    frames = [frame for frame in split.capture.since(mark) if frame.dst == address]
    assert {text: sum(text.encode() in frame.raw for frame in frames) for text in expected} == expected


@pytest.mark.parametrize("is_connected", [True, False], ids=["connected", "disconnected"])
@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_six_cells(split, when, is_connected):
    """A rule that comes before the program runs, while it runs, or that goes while it runs: new sockets follow at once, connections of before end."""
    if is_connected:
        split.connect()
    default = INSIDE if is_connected else OUTSIDE
    if when != "while":
        split.vpnctl("split", "add", "--path", split.listed)
    talker = split.talk(split.listed)
    first = default if when == "while" else OUTSIDE
    assert talker.way() == first
    assert talker.ask("open", PUBLIC4, STREAM_PORT) == first
    assert talker.ask("use") == first
    assert ("vpnd-excluded" in talker.ask("class")) == (when != "while")
    if when == "while":
        split.vpnctl("split", "add", "--path", split.listed)
    elif when == "after":
        split.vpnctl("split", "remove", "--path", split.listed)
    changed = OUTSIDE if when != "after" else default
    assert talker.way() == changed
    assert ("vpnd-excluded" in talker.ask("class")) == (when != "after")
    if when == "before":
        assert talker.ask("use") == OUTSIDE
    else:
        sandbox.wait_until(lambda: talker.ask("use") in ("ECONNABORTED", "EPIPE"), sandbox.SOON_S, "the connection of the other class has ended")
    assert talker.ask("open", PUBLIC4, STREAM_PORT) == changed
    if not is_connected:
        split.connect()
        assert talker.way() == (INSIDE if when == "after" else OUTSIDE)
    talker.end()


def test_children_and_daemons_follow(split):
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    talker = split.talk(split.listed)
    for kind in ("child", "daemon"):
        assert talker.ask(kind, PUBLIC4, ECHO_PORT) == OUTSIDE
    other = split.talk(split.other)
    assert other.ask("child", PUBLIC4, ECHO_PORT) == INSIDE


def processes(lab):
    return json.loads(lab.vpnctl("split", "ps", "--all", "--json").stdout)["processes"]


def start_time(pid):
    """proc(5), field 22 of stat; the second may have blanks in it."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()[19])


def test_registry_follows_processes(split):
    split.vpnctl("split", "add", "--path", split.listed)
    began_us = time.time_ns() // 1000
    talker = split.talk(split.listed)
    row = sandbox.wait_until(lambda: [p for p in processes(split) if p["executable"] == split.listed], 20, "the process is listed")[0]
    assert (row["class"], row["reason"], row["uid"]) == ("excluded", f"path:{split.listed}", 0)
    assert row["pid"] == talker.process.pid and row["startTime"] == start_time(row["pid"]) and began_us <= row["since"] <= time.time_ns() // 1000
    talker.end()
    sandbox.wait_until(lambda: not processes(split), 20, "the process that ended is listed no more")


def test_own_rule_holds_for_its_user_alone(split):
    split.connect()
    (split.host_run / "vpnd-lab/bin/listed").chmod(0o755)
    split.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.AddOwn", "path", split.listed, "excluded", "", uid=0)
    assert goes(split, split.listed, OUTSIDE)
    as_nobody = split.host.run(*split.as_user(NOBODY), split.listed, PUBLIC4, ECHO_PORT, "first").stdout.strip()
    assert as_nobody == INSIDE


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_without_the_classifier_programs_use_the_tunnel(split, how):
    """Its death or silence stops no launch and opens nothing; when it is back, so is the rule."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    assert goes(split, split.listed, OUTSIDE)
    split.classifier.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    if how == "killed":
        split.classifier.wait()
        wait_split_state(split, "initialized")
        assert [r["effective"] for r in json.loads(split.vpnctl("split", "list", "--json").stdout)["rules"]] == [False]
        assert "vpnd-classifier" in " ".join(split.status()["warnings"])
    mark = split.capture.mark()
    assert first_act(split, split.listed, "unheld") == INSIDE
    assert first_act(split, split.other, "unheld") == INSIDE
    assert not [frame for frame in split.capture.since(mark) if b"unheld" in frame.raw]
    if how == "killed":
        split.start_classifier()
        wait_split_state(split, "engaged")
    else:
        split.classifier.send_signal(signal.SIGCONT)
    sandbox.wait_until(lambda: first_act(split, split.listed) == OUTSIDE, 20, "the rule holds again")


def test_class_that_another_program_removes(split):
    """It is made anew with another number, and the rules with it; what stood in the old one cannot be, for that one could not be removed."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    assert goes(split, split.listed, OUTSIDE)
    folder = split.classes / "vpnd-excluded"
    before = folder.stat().st_ino
    sandbox.wait_until(lambda: sandbox.remove_folder(folder) or (folder.exists() and folder.stat().st_ino != before), 20, "the class is removed")
    sandbox.wait_until(lambda: folder.exists() and folder.stat().st_ino != before, 20, "the class is there again")
    sandbox.wait_until(lambda: first_act(split, split.listed) == OUTSIDE, 20, "the rules know the new number")
    assert first_act(split, split.other) == INSIDE


def test_users_cannot_move_processes(split):
    split.vpnctl("split", "add", "--path", split.listed)
    done = split.host.run(*split.as_user(NOBODY), "sh", "-c", f"echo $$ > {split.classes}/vpnd-excluded/cgroup.procs", check=False)
    assert done.returncode != 0 and "denied" in done.stderr.lower()


def test_rules_outlive_the_daemon(split):
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    talker = split.talk(split.listed)
    assert talker.way() == OUTSIDE
    split.daemon.stop(signal.SIGUSR1)
    assert talker.way() == OUTSIDE, "the rules stay, and so do the classes"
    split.daemon = split.start_daemon(env=environment(split))
    split.wait_state("connected")
    assert talker.way() == OUTSIDE
    assert goes(split, split.listed, OUTSIDE)
    assert first_act(split, split.other) == INSIDE


def test_ten_thousand_processes(split):
    """All of a program that runs already, moved and returned; those that are gone by then are no matter."""
    number, gone = 10_000, 100
    parent = crowd.start(split, split.listed, number)
    split.vpnctl("split", "add", "--path", split.listed)
    procs = split.classes / "vpnd-excluded/cgroup.procs"
    members = procs.read_text(encoding="ascii").split()
    assert len(members) == number
    assert len(processes(split)) == number
    for pid in members[:gone]:
        os.kill(int(pid), signal.SIGKILL)
    split.vpnctl("split", "remove", "--path", split.listed)
    assert procs.read_text(encoding="ascii") == ""
    sandbox.wait_until(lambda: home_again(members[gone:]) and not processes(split), 60, "all are where they were before")
    crowd.end(members[gone:])
    parent.kill()


def home_again(pids):
    return all("/vpnd-" not in pathlib.Path("/proc", pid, "cgroup").read_text(encoding="ascii") for pid in pids)


def test_names_of_listed_programs_are_asked_outside(split):
    """Also if they ask the tunnel's resolver, which is what /etc/resolv.conf names; others ask inside, and no other resolver."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    listed, other = split.talk(split.listed), split.talk(split.other)
    assert listed.ask("dns", TUNNEL_PEER4, "from-listed") == "answered"
    assert other.ask("dns", TUNNEL_PEER4, "from-other") == "answered"
    asked = [q for q in split.services.questions if q[2].startswith("from-")]
    assert asked == [(OUTSIDE_DNS4, HOST4, "from-listed.example"), (TUNNEL_PEER4, TUNNEL_HOST4, "from-other.example")]
    assert listed.ask("dns", OUTSIDE_DNS4, "straight") == "answered"
    assert other.ask("dns", OUTSIDE_DNS4, "straight") in ("EPERM", "ECONNREFUSED")


def test_bound_to_a_profile(split):
    """In the tunnel of that profile or nowhere: neither beside it, nor in another one, nor without."""
    split.vpnctl("import", "-", "demo", input=split.profile())
    split.vpnctl("import", "-", "second", input=split.profile())
    split.vpnctl("split", "add", "--path", split.listed, "--profile", "demo")
    assert all(goes(split, split.listed, ("EPERM", "ECONNREFUSED", "EACCES"), address=address) for address in (PUBLIC4, PUBLIC6))
    split.vpnctl("connect", "demo", "--wait", "--timeout", "40")
    assert goes(split, split.listed, INSIDE) and goes(split, split.listed, f"you are {TUNNEL_HOST6}", address=PUBLIC6)
    split.vpnctl("connect", "second", "--wait", "--timeout", "40")
    assert first_act(split, split.other) == INSIDE
    assert all(goes(split, split.listed, ("EPERM", "ECONNREFUSED", "EACCES"), address=address) for address in (PUBLIC4, PUBLIC6))


def test_include_mode(split):
    """Only what is listed uses the tunnel, and nothing while there is none; all else goes beside it."""
    split.vpnctl("split", "add", "--path", split.listed, "--include")
    split.vpnctl("split", "mode", "include")
    split.connect()
    assert goes(split, split.listed, INSIDE) and goes(split, split.listed, f"you are {TUNNEL_HOST6}", address=PUBLIC6)
    assert first_act(split, split.other) == OUTSIDE and first_act(split, split.other, address=PUBLIC6) == f"you are {HOST6}"
    split.silence_peer()
    split.vpnctl("reconnect")
    split.wait_state("connecting")
    mark = split.capture.mark()
    assert all(goes(split, split.listed, ("EPERM", "ECONNREFUSED", "EACCES", "silence"), "of-listed", address=address) for address in (PUBLIC4, PUBLIC6))
    assert first_act(split, split.other) == OUTSIDE
    assert not [frame for frame in split.capture.since(mark) if b"of-listed" in frame.raw]
    split.vpnctl("disconnect")
    assert first_act(split, split.other) == OUTSIDE


def test_localhost_is_for_all(split):
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    with split.host.net():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
    def answer():
        server.sendto(b"hello", server.recvfrom(100)[1])
    threading.Thread(target=answer, daemon=True).start()
    assert split.talk(split.listed).ask("udp", "127.0.0.1", server.getsockname()[1]) == "hello"
    server.close()


def test_no_packet_of_the_transport_is_anything_else(split):
    """What the excluded program sends to the tunnel's own peer is its own packet, beside the tunnel."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    mark = split.capture.mark()
    assert goes(split, split.listed, OUTSIDE, "to-peer", address=PEER4)
    frames = split.capture.since(mark)
    seen(frames, from_host=True, dst=PEER4, dport=ECHO_PORT)
    none(frames, from_host=True, dst=PUBLIC4)
