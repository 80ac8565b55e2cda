# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed package under a real systemd, with real D-Bus activation, polkit and resolved."""
import json
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

import booted  # noqa: E402
from capture import UDP, none, select_frames  # noqa: E402
from lab import HOST4, NOBODY, PEER4, PEER_PORT, PUBLIC4, TUNNEL_HOST4, TUNNEL_PEER4  # noqa: E402


@pytest.fixture(name="system", scope="module")
def system_fixture():
    one = booted.BootedLab()
    one.files_before = files(one)
    one.before = one.snapshot()
    one.install()
    yield one
    one.close()


@pytest.fixture(name="connected")
def connected_fixture(system):
    system.vpnctl("import", "-", "demo", "--replace", input=system.profile())
    system.vpnctl("connect", "demo", "--wait", "--timeout", "20")
    yield system
    system.vpnctl("disconnect", "--wait")


def files(one):
    out = one.host.run("find", "/etc", "/usr", "/lib/systemd", "/var/lib", "/var/log", "/run/vpnd", "-not", "-path", "/var/lib/dpkg/*", "-not", "-path", "/var/log/journal*",
                       check=False).stdout
    return set(out.splitlines())


def test_service_runs_and_is_enabled(system):
    assert system.host.run("systemctl", "is-enabled", "vpnd").stdout.strip() == "enabled"
    status = system.host.run("systemctl", "status", "--no-pager", "vpnd").stdout
    assert "active (running)" in status
    assert system.difference(system.before, system.snapshot()) == "", "installing changed the network"


def test_introspection_is_the_contract(system):
    out = system.host.run("busctl", "introspect", "org.vpnd1", "/org/vpnd1").stdout
    for word in ("org.vpnd1.Daemon", "org.vpnd1.Profiles", "org.vpnd1.Settings", ".activate", ".Import", ".Lockdown", ".connected"):
        assert word in out


def test_early_boot_unit_closes_and_the_daemon_takes_over(system):
    """The unit itself, with all its hardening; it is ordered before whatever brings the network up."""
    assert system.host.run("systemctl", "is-enabled", "vpnd-early-boot").stdout.strip() == "enabled"
    before = system.host.run("systemctl", "show", "--property=Before", "--value", "vpnd-early-boot").stdout.split()
    assert {"network-pre.target", "sysinit.target", "vpnd.service"} <= set(before)
    system.vpnctl("lockdown", "on")
    system.host.run("systemctl", "stop", "vpnd")
    system.host.run("nft", "delete", "table", "inet", "vpnd")
    assert system.echo(PUBLIC4) == HOST4
    system.host.run("systemctl", "restart", "vpnd-early-boot")
    assert system.echo(PUBLIC4, wait=200) is None
    mark = system.capture.mark()
    system.host.run("systemctl", "start", "vpnd")  # returns with READY=1: the host is in its state
    assert system.status()["blocking"] is True
    assert system.echo(PUBLIC4, wait=200) is None
    none(system.capture.since(mark), dst=PUBLIC4)
    system.vpnctl("emergency-unlock")
    assert system.echo(PUBLIC4) == HOST4
    assert system.difference(system.before, system.snapshot()) == ""


def test_bus_activation(system):
    system.host.run("systemctl", "stop", "vpnd")
    system.vpnctl("status")
    assert "active" == system.host.run("systemctl", "is-active", "vpnd").stdout.strip()


def test_only_root_may_own_the_name(system):
    done = system.host.run(*system.as_user(NOBODY), "gdbus", "call", "--system", "--dest", "org.freedesktop.DBus", "--object-path", "/org/freedesktop/DBus",
                           "--method", "org.freedesktop.DBus.RequestName", "org.vpnd1", "4", check=False)
    assert done.returncode != 0 and "AccessDenied" in done.stderr


def test_connect_with_resolved(connected):
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    assert TUNNEL_PEER4 in connected.host.run("resolvectl", "dns", "vpnd0").stdout
    assert "~." in connected.host.run("resolvectl", "domain", "vpnd0").stdout
    asked, mark = len(connected.services.questions), connected.capture.mark()
    connected.host.run("getent", "ahosts", "fresh.lab.example")
    assert any(question[0] == TUNNEL_PEER4 and "fresh" in question[2] for question in connected.services.questions[asked:])
    none(connected.capture.since(mark), dport=53)


def test_doctor_finds_nothing(connected):
    """The installed service, in its sandbox, on a system that is well."""
    assert json.loads(connected.vpnctl("doctor", "--json").stdout)["findings"] == []
    shown = connected.vpnctl("dns").stdout
    assert "systemd-resolved" in shown and TUNNEL_PEER4 in shown and "as it was set" in shown


def test_disconnect_restores_resolved_and_the_host(system):
    before = system.snapshot()
    system.vpnctl("import", "-", "demo", "--replace", input=system.profile())
    system.vpnctl("connect", "demo", "--wait", "--timeout", "20")
    system.vpnctl("disconnect", "--wait")
    assert system.difference(before, system.snapshot()) == ""
    assert system.echo(PUBLIC4) == HOST4


def test_restart_under_flood_lets_nothing_out(connected):
    """systemctl restart while programs send on every path, thousands of packets: only the transport is seen."""
    flood = ("import socket,sys,time\n"
             "s=[]\n"
             "for a,d in ((%r,b'eth0'),(%r,None)):\n"
             "  k=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
             "  d and k.setsockopt(socket.SOL_SOCKET,socket.SO_BINDTODEVICE,d)\n"
             "  s.append((k,a))\n"
             "print('flowing',flush=True)\n"
             "end=time.monotonic()+60\n"
             "import select\n"
             "while time.monotonic()<end and not select.select([sys.stdin],[],[],0.002)[0]:\n"
             "  for k,a in s:\n"
             "    try: k.sendto(b'FLOOD',(a,1337))\n"
             "    except OSError: pass\n") % (PUBLIC4, PUBLIC4)
    sender = connected.host.start("python3", "-c", flood, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert b"flowing" in sender.stdout.readline()
    mark = connected.capture.mark()
    connected.host.run("systemctl", "restart", "vpnd")
    connected.wait_state("connected", 30)
    sender.stdin.write(b"end\n")
    sender.stdin.close()
    sender.wait(10)
    for frame in select_frames(connected.capture.since(mark), from_host=True, proto=lambda p: p not in (0, 58)):
        assert frame.proto == UDP and frame.dst == PEER4 and frame.dport == PEER_PORT, f"left during restart: {frame}"
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4


def test_crash_is_restarted_by_systemd_and_blocks(system):
    system.vpnctl("import", "-", "demo", "--replace", input=system.profile())
    system.vpnctl("connect", "demo", "--wait", "--timeout", "20")
    old = system.host.run("systemctl", "show", "-P", "MainPID", "vpnd").stdout.strip()
    mark = system.capture.mark()
    system.host.run("kill", "-KILL", old)
    booted.sandbox.wait_until(lambda: system.host.run("systemctl", "show", "-P", "MainPID", "vpnd").stdout.strip() not in (old, "0"), 20, "vpnd is restarted")
    status = system.wait_state("error")
    assert status["cause"] == "crashed" and status["blocking"] is True
    system.probe([{"kind": "udp", "address": PUBLIC4, "port": 1337, "device": "eth0"}])
    none(system.capture.since(mark), dst=PUBLIC4)
    system.vpnctl("disconnect", "--wait")
    assert system.echo(PUBLIC4) == HOST4


def test_woken_soon_but_encryption_like_any_work(connected):
    def nice(pid):
        return connected.host.run("cut", "-d", " ", "-f", "19", f"/proc/{pid}/stat").stdout.strip()
    assert nice(connected.host.run("systemctl", "show", "-P", "MainPID", "vpnd").stdout.strip()) == "-10"
    assert nice(connected.host.run("pidof", "wireguard-go").stdout.strip()) == "0"


def test_sandbox(system):
    out = system.host.run("systemd-analyze", "security", "--no-pager", "vpnd").stdout
    exposure = float(re.search(r"exposure level for vpnd.service: ([0-9.]+)", out).group(1))
    assert exposure <= 2.0, out


def test_logind_waits_for_us(connected):
    """The real logind has our lock, and before it sleeps waits until it is let go, but not for ever."""
    locks = json.loads(connected.host.run("busctl", "--json=short", "call", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "ListInhibitors").stdout)
    assert ["sleep", "vpnd", "delay"] in [[what, who, mode] for what, who, _why, mode, _uid, _pid in locks["data"][0]], locks


def test_journal_holds_no_key(connected):
    connected.echo(PUBLIC4)
    text = connected.host.run("journalctl", "--no-pager", "-o", "json").stdout
    assert "vpnd" in text
    for secret in connected.secrets():
        assert secret not in text


def test_manual_pages_and_completion(system):
    out = system.host.run("dpkg", "-L", "vpnd").stdout
    for name in ("/usr/share/man/man1/vpnctl.1.gz", "/usr/share/man/man8/vpnd.8.gz", "/usr/share/bash-completion/completions/vpnctl",
                 "/usr/share/polkit-1/actions/org.vpnd1.policy", "/usr/share/dbus-1/system.d/org.vpnd1.conf", "/usr/share/dbus-1/system-services/org.vpnd1.service"):
        assert name in out, f"{name} is not in the package"


def test_zz_purge_leaves_nothing(system):
    system.vpnctl("import", "-", "demo", "--replace", input=system.profile())
    system.vpnctl("connect", "demo", "--wait", "--timeout", "20")
    system.vpnctl("lockdown", "on")  # a stop keeps the rules then; the removal may not
    system.host.run("dpkg", "--purge", "vpnd")
    assert system.difference(system.before, system.snapshot()) == ""
    left = files(system) - system.files_before
    left = {name for name in left if not name.startswith(("/var/lib/systemd/", "/var/log/"))} | {name for name in left if "vpnd" in name}
    assert not left, sorted(left)
    assert system.echo(PUBLIC4) == HOST4
