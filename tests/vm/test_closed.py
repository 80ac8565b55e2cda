# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the emulated machine, booted with lockdown and auto-connect, while test_flood sends: everything that may happen to a
service. Each test marks its place in the record of frames; run_vm.py judges that record, this only does it and looks at the guest."""
import json
import pathlib
import re
import subprocess

import pytest

import sandbox
import wire

PUBLIC4, TUNNEL_HOST4 = "203.0.113.7", "10.64.0.2"
HAS_PERSIST = not pathlib.Path("/proc/version").read_text(encoding="ascii").startswith("Linux version 6.1.")


def run(*words, check=True, timeout=120):
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=timeout).stdout


def status():
    return json.loads(run("vpnctl", "status", "--json"))


def echo():
    """Asks the echo server; returns the address that it saw."""
    probe = pathlib.Path(__file__).parent.parent / "lab/probe.py"
    wants = json.dumps([{"kind": "udp", "address": PUBLIC4, "port": 1337, "wait": 1000}])
    answer = json.loads(subprocess.run(["/usr/bin/python3", probe], input=wants, capture_output=True, text=True, check=True, timeout=60).stdout)[0]
    return (answer["reply"] or "").removeprefix("you are ")


def wait_connected():
    def connected():
        done = subprocess.run(["vpnctl", "status", "--json"], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode == 0 and json.loads(done.stdout)["state"] == "connected"
    sandbox.wait_until(connected, 90, "connected again")
    sandbox.wait_until(lambda: echo() == TUNNEL_HOST4, 60, "traffic through the tunnel")


def main_pid():
    return int(run("systemctl", "show", "--property=MainPID", "--value", "vpnd"))


def tables():
    return run("nft", "list", "tables")


@pytest.fixture(autouse=True)
def mark(request):
    wire.mark(request.node.name)


def test_an_excluded_program_waits_for_vpnd():
    """One that runs from before the network on. When it was let out is in the record; here its rule holds, and goes."""
    wait_connected()
    rules = json.loads(run("vpnctl", "split", "list", "--json"))["rules"]
    assert [(rule["value"], rule["effective"]) for rule in rules] == [(wire.BESIDE_PROGRAM, True)], rules
    wire.mark("vpnd began", int(run("systemctl", "show", "-P", "ExecMainStartTimestampMonotonic", "vpnd")) * 1000)
    run("vpnctl", "split", "remove", "--path", wire.BESIDE_PROGRAM)
    wire.mark("the rule is gone")


def test_boot_connects():
    """Auto-connect survived the boot; lockdown, too."""
    wait_connected()
    found = status()
    assert found["backend"] == "kernel" and found["blocking"] is True
    assert run("vpnctl", "lockdown", "get").strip().startswith("on")


def test_early_boot_was_first():
    """The unit had ended before the network began, though the settings are on a file system of their own."""
    def stamp(unit, name):
        return int(run("systemctl", "show", f"--property={name}", "--value", unit))
    journal = run("journalctl", "--no-pager", "-b", "-o", "short-monotonic", "-u", "vpnd-early-boot", "-u", "var-lib-vpnd.mount")
    assert run("systemctl", "show", "--property=Result", "--value", "vpnd-early-boot").strip() == "success", journal
    # Of a process that has ended already journald does not know any more which unit it was: the whole boot is asked.
    assert "The network is closed until vpnd has started" in run("journalctl", "--no-pager", "-b", "-o", "cat"), journal
    closed = stamp("vpnd-early-boot", "ExecMainExitTimestampMonotonic")
    assert 0 < closed <= stamp("network-pre.target", "ActiveEnterTimestampMonotonic") <= stamp("test-network", "ExecMainStartTimestampMonotonic")
    assert "/var/lib/vpnd" in run("findmnt", "-n", "-o", "TARGET", "/var/lib/vpnd")


def test_restart():
    before = main_pid()
    run("systemctl", "restart", "vpnd")
    wait_connected()
    assert main_pid() != before


def test_upgrade():
    before = main_pid()
    run("dpkg", "-i", "/root/vpnd-newer.deb")
    assert run("dpkg-query", "-W", "-f", "${Version}", "vpnd").endswith("+newer")
    wait_connected()
    assert main_pid() not in (0, before), "the upgrade did not start the new program"


def test_kill():
    before = main_pid()
    run("systemctl", "kill", "-s", "KILL", "vpnd", check=False)  # fails when a process of the unit is gone before its turn
    sandbox.wait_until(lambda: main_pid() not in (0, before), 60, "vpnd is started again")
    wait_connected()


def test_stop_keeps_the_rules():
    run("systemctl", "stop", "vpnd")
    assert "table inet vpnd" in tables()
    assert echo() == ""
    run("systemctl", "start", "vpnd")
    wait_connected()


def test_another_program_flushes_the_ruleset():
    """With owner and persist it cannot; without, the table is back at once. How long that took is in the flood."""
    run("nft", "flush", "ruleset")
    wire.mark("flushed")
    sandbox.wait_until(lambda: "table inet vpnd" in tables(), sandbox.SOON_S, "the table is back")
    wire.mark("table is back")
    if HAS_PERSIST:
        done = subprocess.run(["nft", "delete", "table", "inet", "vpnd"], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and re.search("not permitted|No such file", done.stderr), done.stderr
        assert "table inet vpnd" in tables()
    wait_connected()
