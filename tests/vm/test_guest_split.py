# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the emulated machine: split tunnelling by the installed package on Debian 12's kernels, with its own units, the machine's own control groups and the kernel's own WireGuard. What
the lab asks of vpnd and vpnd-classifier is asked again here, of these kernels."""
import json
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess

import pytest

import sandbox
import test_split
from lab import ECHO_PORT, PUBLIC4, built
from test_guest import GuestLab
from test_split import (INSIDE, OUTSIDE, Streams, Talker, act, first_act, goes, split_state, test_bound_to_a_profile, test_include_mode,  # noqa: F401 - tests
                        test_listed_goes_beside_and_others_inside, test_names_of_listed_programs_are_asked_outside, unheld, wait_split_state)

test_split.LAUNCHES = 300
STARTS = 25
UNITS = {
    "waits": "[Service]\nStandardOutput=append:/run/waits.said\nExecStart=/bin/sh -c 'until [ -e /run/go ]; do /bin/sleep 0.1; done; exec {other} {address} {port} of-unit'\n",
    "plain": "[Service]\nType=oneshot\nStandardOutput=append:/run/plain.said\nExecStart={other} {address} {port} of-plain\n",
    "kept": "[Service]\nType=oneshot\nStandardOutput=append:/run/kept.said\nExecStart={other} {address} {port} of-kept\n",
}


class Journal:
    """What vpnd has said, where the lab looks for the log of a daemon that it has started itself."""
    process = subprocess.Popen(["true"])

    def __init__(self, guest):
        self.guest = guest

    def log(self):
        return self.guest.host.run("journalctl", "--no-pager", "-b", "-o", "cat", "-u", "vpnd").stdout


def forget_flows():
    """Each test of the lab has a network of its own, these have that of the machine. A datagram with the port of a flow of the other class is refused while conntrack knows that flow
    (test_port_of_a_flow_of_another_class), and the hundreds of one test would refuse some of the next one's."""
    message = struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, socket.AF_UNSPEC, 0, 0)  # linux/netfilter/nfnetlink_conntrack.h: IPCTNL_MSG_CT_DELETE of all; a request, with an answer
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
        netlink.send(message)
        kind, error = struct.unpack_from("=4xH10xi", netlink.recv(256))
    assert (kind, error) == (2, 0)  # NLMSG_ERROR, which says that there was none


class SplitGuest(GuestLab):
    listed, other = "/usr/local/bin/listed", "/usr/local/bin/other"

    def prepare(self):
        self.daemon, self.talkers = Journal(self), []
        self.daemons.append(self.daemon)
        for path in (self.listed, self.other):
            shutil.copy(built("tests/lab-c/split-program"), path)
        for name, text in UNITS.items():
            pathlib.Path(f"/run/systemd/system/{name}.service").write_text(text.format(other=self.other, address=PUBLIC4, port=ECHO_PORT), encoding="ascii")
        self.host.run("systemctl", "daemon-reload")
        self.streams = Streams(self)

    def talk(self, path, uid=0):
        self.talkers.append(Talker(self, path, uid))
        return self.talkers[-1]

    def rules(self):
        return json.loads(self.vpnctl("split", "list", "--json").stdout)["rules"]

    def reset(self):
        """As it was before the test."""
        for talker in self.talkers:
            talker.process.kill()
            talker.process.wait()
        self.talkers.clear()
        for rule in self.rules():
            self.vpnctl("split", "remove", f"--{rule['kind']}", rule["value"])
        self.vpnctl("split", "mode", "exclude")
        self.vpnctl("disconnect", "--wait", timeout=120)
        for profile in json.loads(self.vpnctl("list", "--json").stdout)["profiles"]:
            self.vpnctl("remove", profile["name"])
        self.wan.run("nft", "delete", "table", "inet", "lab", check=False)  # of a peer that was silenced
        forget_flows()

    def classifier(self):
        return int(self.host.run("systemctl", "show", "-P", "MainPID", "vpnd-classifier").stdout)


@pytest.fixture(name="machine", scope="module")
def machine_fixture():
    subprocess.run(["systemctl", "start", "vpnd"], check=True)
    with SplitGuest() as one:
        one.prepare()
        one.before = one.snapshot()
        yield one
        one.streams.close()


@pytest.fixture(name="split")
def split_fixture(machine):
    yield machine
    machine.reset()


def test_no_launch_goes_the_wrong_way(split):
    test_split.test_no_launch_goes_the_wrong_way(split, False)


def test_a_program_that_runs_already(split):
    test_split.test_six_cells(split, "while", True)


def said(name):
    """What the program of the unit has said so far."""
    path = pathlib.Path(f"/run/{name}.said")
    return path.read_text(encoding="ascii").splitlines() if path.exists() else []


def start(split, name, n=1):
    """Starts the unit so often; returns what its program has said since."""
    before = len(said(name))
    split.host.run("sh", "-c", f"for i in $(seq {n}); do systemctl start {name}; done; exit 0", timeout=300)
    return said(name)[before:]


def test_a_unit(split):
    """By its own control group, in which systemd has put it."""
    pathlib.Path("/run/go").unlink(missing_ok=True)
    split.connect()
    split.host.run("systemctl", "start", "waits")
    split.vpnctl("split", "add", "--unit", "waits")
    wait_split_state(split, "engaged")
    mark = split.capture.mark()
    pathlib.Path("/run/go").touch()
    assert sandbox.wait_until(lambda: said("waits"), sandbox.SOON_S, "the unit's answer") == [OUTSIDE]
    assert start(split, "plain") == [INSIDE]
    frames = split.capture.since(mark)
    assert len([frame for frame in frames if b"of-unit" in frame.raw]) == 1 and not [frame for frame in frames if b"of-plain" in frame.raw]


def test_what_an_included_unit_sends_first(split):
    """In mode include the way of what has no rule is the clear: no first datagram of the unit goes it. Each is held by the kernel until vpnd has looked, and arrives."""
    split.connect()
    split.vpnctl("split", "add", "--include", "--unit", "kept", check=False)
    split.vpnctl("split", "mode", "include")
    wait_split_state(split, "engaged")
    mark = split.capture.mark()
    assert start(split, "kept", STARTS) == [INSIDE] * STARTS
    assert not [frame for frame in split.capture.since(mark) if b"of-kept" in frame.raw]
    assert start(split, "plain", 3) == [OUTSIDE] * 3


def test_no_warning(split):
    """After all of the above, of which nothing is a failure: neither ours, nor systemd's about us or about control groups."""
    ours = [f"--unit={unit}" for unit in ("vpnd", "vpnd-classifier.service", "vpnd-classifier.socket", "vpnd-split")]
    lines = split.host.run("journalctl", "--no-pager", "-b", "-p", "warning", "-o", "cat", *ours).stdout.splitlines()
    lines += [line for line in split.host.run("journalctl", "--no-pager", "-b", "-p", "warning", "-o", "cat", "_PID=1").stdout.splitlines() if re.search("vpnd|cgroup|control group", line)]
    assert not lines, "\n".join(lines)


def test_classifier_is_killed(split):
    """Again and again: systemd starts it anew. What is launched meanwhile uses the tunnel; nothing else leaves beside it."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    assert goes(split, split.listed, OUTSIDE)
    mark = split.capture.mark()
    first = split.classifier()
    for _ in range(8):
        split.host.run("systemctl", "kill", "--signal=KILL", "vpnd-classifier", check=False)  # fails when a process of the unit is gone before its turn
        assert first_act(split, split.listed) in (INSIDE, OUTSIDE)
        assert first_act(split, split.other, "of-other") == INSIDE
    assert split.classifier() != first
    assert not [frame for frame in split.capture.since(mark) if b"of-other" in frame.raw]
    sandbox.wait_until(lambda: split_state(split) == "engaged" and first_act(split, split.listed) == OUTSIDE, sandbox.SOON_S, "the rule holds again")


def test_classifier_is_stopped(split):
    """What cannot be held uses the tunnel, which is told; in mode include it is not started, for it would be in the clear."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    assert goes(split, split.listed, OUTSIDE)
    mark = split.capture.mark()
    pid = split.classifier()
    split.host.run("kill", "-STOP", pid)
    late, way = act(split, split.listed, "of-listed")
    assert way == INSIDE and first_act(split, split.other, "of-other") == INSIDE
    split.host.run("kill", "-CONT", pid)
    sandbox.wait_until(lambda: late in unheld(split), sandbox.SOON_S, "it is told")
    assert not [frame for frame in split.capture.since(mark) if b"of-" in frame.raw]
    assert goes(split, split.listed, OUTSIDE)


def test_include_mode_without_the_classifier(split):
    """A program that is to be inside the tunnel could not be told from the others: so all are inside. Stopped, it is not started at all."""
    split.vpnctl("split", "add", "--include", "--path", split.listed)
    split.vpnctl("split", "mode", "include")
    split.connect()
    assert first_act(split, split.other) == OUTSIDE
    mark = split.capture.mark()
    split.host.run("kill", "-STOP", split.classifier())
    assert first_act(split, split.listed, "of-listed") == ""
    split.host.run("systemctl", "stop", "vpnd-classifier.socket", "vpnd-classifier.service")
    wait_split_state(split, "initialized")
    assert [first_act(split, path, "of-either") for path in (split.listed, split.other)] == [INSIDE, INSIDE]
    frames = split.capture.since(mark)
    assert not [frame for frame in frames if b"of-listed" in frame.raw or b"of-either" in frame.raw]
    split.host.run("systemctl", "start", "vpnd-classifier.socket")
    wait_split_state(split, "engaged")
    assert first_act(split, split.other) == OUTSIDE
    assert goes(split, split.listed, INSIDE)


def test_zz_the_host_is_as_before(split):
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    assert goes(split, split.listed, OUTSIDE)
    split.vpnctl("disconnect", "--wait", timeout=120)
    assert first_act(split, split.listed) == OUTSIDE
    split.vpnctl("split", "remove", "--path", split.listed)
    assert split.difference(split.before, split.snapshot()) == ""
