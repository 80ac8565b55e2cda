# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's resolver setting while others want it too."""
import json
import time

import pytest

import sandbox
from capture import none
from lab import TUNNEL_PEER4

WAYS = {
    "rename": "printf '{text}' > /etc/resolv.conf.new && mv /etc/resolv.conf.new /etc/resolv.conf",
    "in place": "printf '{text}' > /etc/resolv.conf",
    "link": "printf '{text}' > /etc/foreign.conf && ln -sfn foreign.conf /etc/resolv.conf",
    "deleted, then made": "rm /etc/resolv.conf && printf '{text}' > /etc/resolv.conf",
}


def overwrite(lab, way, number):
    """Writes a foreign setting in that way and returns how it reads."""
    text = f"# by another program\nnameserver 192.0.2.{number}\n"
    lab.host.run("sh", "-c", WAYS[way].format(text=text.replace("\n", "\\n")))
    return text


def wait_for_ours(lab):
    """Ours is there again within a second, and a program that asks is sent into the tunnel."""
    began = time.monotonic()
    sandbox.wait_until(lambda: f"nameserver {TUNNEL_PEER4}" in lab.resolv_conf(), 5, "the tunnel's resolver is back")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
def test_overwritten_twice(connected, first, second):
    mark = connected.capture.mark()
    overwrite(connected, first, 8)
    wait_for_ours(connected)
    newest = overwrite(connected, second, 9)
    wait_for_ours(connected)
    connected.host.run("getent", "hosts", f"again-{len(first)}-{len(second)}.lab.example")
    none(connected.capture.since(mark), dport=53)
    status = connected.status()
    assert status["state"] == "connected"
    assert any("DNS" in warning for warning in status["warnings"]), status["warnings"]
    assert "resolv.conf was changed" in connected.vpnctl("logs").stdout
    connected.vpnctl("disconnect", "--wait")
    assert connected.host.run("cat", "/etc/resolv.conf").stdout == newest
    assert ("symbolic link" in connected.host.run("stat", "-c", "%F", "/etc/resolv.conf").stdout) == (second == "link")


def test_deleted_comes_back_and_the_original_too(connected):
    connected.host.run("rm", "/etc/resolv.conf")
    wait_for_ours(connected)
    connected.vpnctl("disconnect", "--wait")
    assert connected.resolv_conf() == connected.before["resolv.conf"]


def test_a_mount_is_watched_too(lab_with):
    """A container's resolv.conf is a mount: written in place on either side of it."""
    lab = lab_with(resolv_conf="bind")
    lab.start_daemon()
    lab.connect()
    newest = overwrite(lab, "in place", 9)
    wait_for_ours(lab)
    lab.vpnctl("disconnect", "--wait")
    assert lab.host.run("cat", "/etc/resolv.conf").stdout == newest


def test_a_program_that_insists_costs_little(connected):
    """One that writes fifty times a second: repaired again and again, the tunnel stays, ours is there when it stops."""
    for _ in range(3):
        connected.host.run("sh", "-c", "i=0; while [ $i -lt 25 ]; do printf 'nameserver 192.0.2.9\\n' > /etc/r.new; mv /etc/r.new /etc/resolv.conf; sleep 0.02; i=$((i+1)); done")
    sandbox.wait_until(lambda: f"nameserver {TUNNEL_PEER4}" in connected.resolv_conf(), 5, "the tunnel's resolver is back")
    assert connected.status()["state"] == "connected"
    connected.vpnctl("disconnect", "--wait")
    assert connected.host.run("cat", "/etc/resolv.conf").stdout == "nameserver 192.0.2.9\n"


def test_changed_while_the_daemon_was_dead(connected):
    """What another program wrote after a crash is newer than what was saved before it."""
    connected.daemons[-1].kill()
    connected.kill_wireguard()
    newest = overwrite(connected, "rename", 9)
    connected.start_daemon()
    connected.wait_state("error")
    assert connected.host.run("cat", "/etc/resolv.conf").stdout == newest


def test_what_vpnctl_says(lab_with):
    """Who owns DNS, what is set, what is there; and a question that is answered through the tunnel only."""
    lab = lab_with()
    original = lab.host.run("cat", "/etc/resolv.conf").stdout.split()
    lab.start_daemon()
    before = json.loads(lab.vpnctl("dns", "--json").stdout)["dns"]
    assert (before["owner"], before["servers"], before["replaced"], before["inForce"]) == ("file", [], False, False)
    assert before["fileServers"] == original[original.index("nameserver") + 1:][:1]
    lab.connect()
    during = json.loads(lab.vpnctl("dns", "--json").stdout)["dns"]
    assert (during["owner"], during["replaced"], during["inForce"]) == ("file", True, True)
    assert during["servers"] == during["fileServers"] and TUNNEL_PEER4 in during["servers"]
    mark, asked = lab.capture.mark(), len(lab.services.questions)
    found = json.loads(lab.vpnctl("dns", "query", "asked.lab.example", "--json").stdout)
    assert found["addresses"]
    assert any(name == "asked.lab.example" and to == TUNNEL_PEER4 for to, _by, name in lab.services.questions[asked:])
    none(lab.capture.since(mark), dport=53)
    lab.vpnctl("disconnect", "--wait")
    assert json.loads(lab.vpnctl("dns", "--json").stdout)["dns"] == before
