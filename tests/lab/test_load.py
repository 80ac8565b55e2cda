# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes in quick succession, while a user floods: nothing out on the way, and at the end the kernel has just what the last settings ask for."""
import random
import re
import subprocess

import dbus
import dbus.bus
import pytest

import sandbox
from flooding import Flood, only_transport
from lab import HERE, NOBODY, PEER4, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4
from test_kill_points import Call

TOGGLES = 200
CHOICES = {
    "AllowLan": [True, False],
    "Lockdown": [True, False],
    "Ipv6": [True, False],
    "DestroySockets": [True, False],
    "Mtu": [dbus.UInt32(0), dbus.UInt32(1300), dbus.UInt32(1400)],
    "DnsServers": [[], ["10.64.0.1"], ["203.0.113.53", "2001:db8:2::53"], ["10.1.2.3"]],
    "ApiEndpoints": [[], [f"{PEER4}:1337/tcp"]],
    "CrashRecovery": ["block", "reconnect", "release"],
}
PORT = "ListenPort = 51777"  # else the device has another one with every connection, and the rules are about it
STATE = ("nft", "rule4", "rule6", "route4", "route6", "addr", "sysctl", "resolv.conf")


def plain(value):
    return dbus.Array(value, signature="s") if isinstance(value, list) else value


class Writer:
    """Writes settings one after the other, or many at once."""

    def __init__(self, lab):
        self.bus = dbus.bus.BusConnection(f"unix:path={lab.host_run}/dbus/system_bus_socket")

    def _call(self, member, signature, *arguments):
        return self.bus.call_blocking("org.vpnd1", "/org/vpnd1", "org.freedesktop.DBus.Properties", member, signature, ("org.vpnd1.Settings", *arguments), timeout=20)

    def write(self, name, value):
        self._call("Set", "ssv", name, plain(value))

    def read(self):
        return {str(name): value for name, value in self._call("GetAll", "s").items()}


def kernel_state(lab):
    """What of ours is on the host; the index of the link is another with every connection."""
    found = lab.snapshot()
    return {key: "\n".join(sorted(re.sub(r'"ifindex": \d+', '"ifindex": 0', found[key]).splitlines())) if key != "nft" else found[key] for key in STATE}


@pytest.mark.parametrize("backdrop", ["connected", "connecting", "disconnected"])
def test_settings_toggled_under_flood(host, backdrop):
    """200 changes of random settings to random values. Closed all the way (also while disconnected: by lockdown); then compared with a connection
    that was made with the last settings from the start."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance, writer, flood = random.Random(seed), Writer(host), Flood(host)
    names = [name for name in CHOICES if backdrop != "disconnected" or name != "Lockdown"]
    if backdrop == "disconnected":
        writer.write("Lockdown", True)
    elif backdrop == "connected":
        host.connect(extra=PORT)
    else:
        host.silence_peer()
        host.vpnctl("import", "-", "demo", input=host.profile(extra=PORT))
        host.vpnctl("connect", "demo")
    mark = host.capture.mark()
    flood.on()
    last = {}
    for _ in range(TOGGLES):
        name = chance.choice(names)
        last[name] = chance.choice(CHOICES[name])
        writer.write(name, last[name])
    flood.wait(20)
    flood.off()
    only_transport(host.capture.since(mark), f"seed {seed}")
    now = writer.read()
    assert all(now[name] == plain(value) for name, value in last.items()), f"seed {seed}: {now}, {last}"
    assert host.status()["blocking"] is True and host.status()["state"] == backdrop
    state = kernel_state(host)
    if backdrop == "connecting":
        host.revive_peer()
        host.wait_state("connected")
        state = kernel_state(host)
    again_from_the_start(host, backdrop)
    assert host.difference(state, kernel_state(host)) == "", f"seed {seed}"
    if backdrop != "disconnected":
        assert host.echo(PUBLIC4) == TUNNEL_HOST4
        assert (host.echo(PUBLIC6, **{} if now["Ipv6"] else {"wait": 1000}) is not None) == bool(now["Ipv6"])
    writer.write("Lockdown", False)
    host.vpnctl("disconnect", "--wait")
    assert host.difference(host.before, host.snapshot()) == ""


def again_from_the_start(lab, backdrop):
    """The same settings on a host that was never anything else."""
    if backdrop != "disconnected":
        lab.vpnctl("disconnect", "--wait")
        lab.vpnctl("connect", "demo", "--wait", "--timeout", "40")
        return
    assert lab.daemons[-1].stop() == 0
    lab.host.run("nft", "delete", "table", "inet", "vpnd", check=False)
    lab.start_daemon()
    sandbox.wait_until(lambda: lab.status()["blocking"], sandbox.SOON_S, "closed by lockdown")


@pytest.mark.parametrize("answers", [[], ["reply"]], ids=["no answers wanted", "answers wanted"])
def test_calls_without_end(connected, answers):
    """A user with 80 connections that call as fast as the bus takes it: root is late, for the bus has one line for all, but is never refused; and what the
    kernel tells is heard meanwhile."""
    program = (HERE / "call_flood.py").read_text(encoding="utf-8")
    flood = connected.host.start(*connected.as_user(NOBODY), PYTHON, "-c", program, "/run/dbus/system_bus_socket", 80, 0, *answers, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert flood.stdout.readline() == b"R\n"
    root = Call(f"unix:path={connected.host_run}/dbus/system_bus_socket", "org.vpnd1.Profiles", "Reconnect")
    connected.host.ip("rule", "del", "priority", "4890")
    sandbox.wait_until(lambda: "4890:" in connected.host.run("ip", "rule").stdout, sandbox.SOON_S, "the rule is put back")
    flood.stdin.close()
    sent = int(flood.stdout.readline())
    assert sent > 2000, "that was no flood"
    sandbox.wait_until(lambda: root.done, 120, "root's call is answered")
    assert root.error is None, f"{root.error} after {sent} calls\n{connected.daemons[-1].log()}"
    connected.wait_until_works(TUNNEL_HOST4)
