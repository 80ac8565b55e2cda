# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on split tunnelling: by users without rights, by the network that the host is in, and by kill -9."""
import socket
import subprocess

import pytest

from capture import UDP, select_frames
from lab import ECHO_PORT, HOST4, PUBLIC4, PYTHON
from test_split import INSIDE, OUTSIDE, STREAM_PORT, environment, first_act, fixture_split, wait_split_state  # noqa: F401


@pytest.mark.parametrize("what", ["mode", "uid", "subnet"])
def test_flows_end_with_what_led_them_out(split, what):
    """A connection that began beside the tunnel does not go on there when its rule is gone, or the mode that needs none."""
    words = {"uid": ["--uid", "0"], "subnet": ["--subnet", f"{PUBLIC4}/32"]}.get(what)
    if what == "mode":
        split.vpnctl("split", "add", "--path", split.listed, "--include")
        split.vpnctl("split", "mode", "include")
    else:
        split.vpnctl("split", "add", *words)
    split.connect()
    talker = split.talk(split.other)
    assert talker.ask("open", PUBLIC4, STREAM_PORT) == OUTSIDE
    assert talker.ask("use") == OUTSIDE
    if what == "mode":
        split.vpnctl("split", "mode", "exclude")
    else:
        split.vpnctl("split", "remove", *words)
    mark = split.capture.mark()
    assert talker.ask("use") == "ECONNRESET"
    assert not [frame for frame in select_frames(split.capture.since(mark), from_host=True, dst=PUBLIC4) if frame.dport == STREAM_PORT]
    assert talker.way() == INSIDE


def outside_sends(lab, packets):
    """The world sends to the host, from the address and to the ports that a program of it may be waiting at."""
    with lab.wan.net():
        for port, payload in packets:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((PUBLIC4, 0))
                sender.sendto(payload, (HOST4, port))


LISTEN = """
import socket
stream = socket.create_server(("", 5555))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("", 5555))
    sock.sendto(b"first", ("{far}", {port}))
    print(sock.recv(100).decode(), flush=True)
    stream.setblocking(False)
    input()
    sock.setblocking(False)
    for one in (sock.recv, stream.accept):
        try:
            print(one(*[100] if one == sock.recv else []), flush=True)
        except BlockingIOError:
            print("nothing", flush=True)
"""


def test_nobody_outside_begins_anything(split):
    """What is beside the tunnel gets answers from outside, and not what somebody there begins, not even the host that it talks with."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    program = split.host.start(split.vpnctl_path, "exclude", "--", PYTHON, "-c", LISTEN.format(far=PUBLIC4, port=ECHO_PORT), env=split.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline().strip() == OUTSIDE
    outside_sends(split, [(5555, b"uninvited")])
    with split.wan.net(), pytest.raises(TimeoutError):
        socket.create_connection((HOST4, 5555), 0.5).close()
    assert program.communicate("\n", timeout=20)[0].split() == ["nothing", "nothing"]


def test_killed_vpnd_opens_nothing(split):
    """kill -9 while engaged: each program stays on its side, those that start meanwhile, too, and after the new start."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    wait_split_state(split, "engaged")
    listed, other = split.talk(split.listed), split.talk(split.other)
    mark = split.capture.mark()
    split.daemon.kill()
    assert listed.way() == OUTSIDE
    for talker in (other, split.talk(split.other)):
        assert talker.way() in (INSIDE, "silence", "EPERM", "ECONNREFUSED")
    assert first_act(split, split.listed, "late") in (INSIDE, OUTSIDE, "silence", "EPERM", "ECONNREFUSED")
    split.daemon = split.start_daemon(env=environment(split))
    assert split.wait_state("error")["cause"] == "crashed"
    assert "vpnd-excluded" in listed.ask("class")
    assert listed.way() == OUTSIDE
    assert other.way() in ("EPERM", "ECONNREFUSED")
    frames = select_frames(split.capture.since(mark), from_host=True, proto=UDP, dst=PUBLIC4)
    assert {frame.raw[-4:] for frame in frames} <= {b"talk", b"late"} and len([f for f in frames if f.raw.endswith(b"talk")]) == 2
