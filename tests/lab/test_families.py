# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that have one family only: switched off, not in the kernel at all, or IPv6 and nothing else. No lab has systemd."""
import pytest

import lab as lab_module
import sandbox
import services
from capture import none
from lab import (ECHO_PORT, GATEWAY6, HOST6, OUTSIDE_DNS4, OUTSIDE_DNS6, PEER4, PEER6, PEER_PORT, PRIVATE4, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4, TUNNEL_PEER6)
from test_connect import only_transport
from test_policy import LAN_HOST4, LAN_HOST6, LAN_PEER4, LAN_PEER6, NOBODYS4, ask, count_inside
from test_repair import flood

# What a kernel without IPv6 answers: no such family, and nothing of it in /proc.
WITHOUT_INET6 = """#!/usr/bin/python3
import ctypes, os, socket, struct, sys
LOAD, JUMP, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000
NUMBER, ARGUMENT = 0, 16
def step(code, yes, no, value):
    return struct.pack("HBBI", code, yes, no, value)
program = b"".join([step(LOAD, 0, 0, NUMBER), step(JUMP, 0, 3, 41), step(LOAD, 0, 0, ARGUMENT), step(JUMP, 0, 1, socket.AF_INET6), step(RETURN, 0, 0, ERRNO | 97), step(RETURN, 0, 0, ALLOW)])
buffer = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)))
if ctypes.CDLL(None, use_errno=True).prctl(22, 2, ctypes.byref(filter), 0, 0) != 0:
    sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
try:
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sys.exit("IPv6 is still there")
except OSError:
    pass
os.execv(VPND, [VPND, *sys.argv[1:]])
"""

OFF = (("net.ipv6.conf.all.disable_ipv6", 1), ("net.ipv6.conf.default.disable_ipv6", 1))


@pytest.fixture(name="without6")
def without6_fixture(lab_with, monkeypatch):
    """A host whose kernel has no IPv6, as far as vpnd and wireguard-go can tell."""
    lab = lab_with(sysctls=OFF)
    program = lab.scratch.path / "vpnd-without-inet6"
    program.write_text(WITHOUT_INET6.replace("VPND", repr(str(lab_module.built("service/vpnd")))), encoding="ascii")
    program.chmod(0o755)
    built = lab_module.built
    monkeypatch.setattr(lab_module, "built", lambda *names: program if names[0] == "service/vpnd" else built(*names))
    lab.host.run("mount", "-t", "tmpfs", "none", "/proc/sys/net/ipv6")
    assert lab.host.run("ls", "/proc/sys/net/ipv6").stdout == ""
    lab.before = lab.snapshot()
    lab.start_daemon()
    return lab


def test_kernel_without_ipv6(without6):
    """Connects, keeps all inside, repairs, and leaves nothing, on a kernel that knows no AF_INET6."""
    lab = without6
    lab.connect()
    mark = lab.capture.mark()
    with flood(lab):
        assert lab.echo(PUBLIC4) == TUNNEL_HOST4
        assert lab.echo(PUBLIC4, "tcp") == TUNNEL_HOST4
        lab.host.run("ip", "rule", "del", "priority", "4890")
        sandbox.wait_until(lambda: "4890" in lab.host.run("ip", "-4", "rule").stdout, sandbox.SOON_S, "the rule is back")
        lab.wait_until_works(TUNNEL_HOST4)
    only_transport(lab.capture.since(mark))
    status = lab.status()
    assert status["state"] == "connected" and not [text for text in status["warnings"] if "6" in text], status
    lab.vpnctl("disconnect", "--wait")
    assert lab.difference(lab.before, lab.snapshot()) == ""


def test_kernel_without_ipv6_and_a_server_with_it_only(without6):
    without6.vpnctl("import", "-", "six", input=without6.profile(endpoint=f"[{PEER6}]:{PEER_PORT}"))
    without6.vpnctl("connect", "six", check=False)
    status = without6.wait_state("error")
    assert status["cause"] == "ip-family-unavailable" and status["blocking"] is True


ONE_FAMILY = {"ipv6-disabled": PEER4, "ipv6-only": PEER6}  # and the server's address that is left


def host_with(lab_with, kind):
    """A host with one family, with the daemon; lab.peer and lab.endpoint are the server's, lab.has_ipv6 says which family it is."""
    lab = lab_with(sysctls=OFF if kind == "ipv6-disabled" else ())
    lab.peer, lab.has_ipv6 = ONE_FAMILY[kind], kind == "ipv6-only"
    lab.endpoint = f"[{PEER6}]:{PEER_PORT}" if lab.has_ipv6 else f"{PEER4}:{PEER_PORT}"
    if lab.has_ipv6:
        lab.host.run("ip", "-4", "addr", "flush", "dev", "eth0")
        assert lab.host.run("ip", "-4", "route").stdout == ""
    lab.before = lab.snapshot()
    lab.start_daemon()
    return lab


@pytest.fixture(name="only6")
def only6_fixture(lab_with):
    """A host with IPv6 and nothing else: no IPv4 address, no route."""
    return host_with(lab_with, "ipv6-only")


def test_host_with_ipv6_only(only6):
    """The tunnel brings IPv4 to a host that has none, and takes it away again."""
    lab = only6
    mark = lab.capture.mark()
    lab.connect(endpoint=f"[{PEER6}]:{PEER_PORT}")
    with flood(lab):
        for kind in ("udp", "tcp"):
            assert lab.echo(PUBLIC4, kind) == TUNNEL_HOST4
            assert lab.echo(PUBLIC6, kind) == TUNNEL_HOST6
        done = lab.probe([{"kind": "udp", "address": PUBLIC6, "port": ECHO_PORT, "device": "eth0", "wait": 100}])
        assert done[0]["reply"] is None
    frames = lab.capture.since(mark)
    only_transport(frames, PEER6)
    none(frames, dst=PUBLIC6)
    lab.vpnctl("disconnect", "--wait")
    assert lab.difference(lab.before, lab.snapshot()) == ""
    assert lab.echo(PUBLIC6) == HOST6


def test_host_with_ipv6_only_moves(only6):
    """Its only default route goes and comes: offline and closed, then connected by itself."""
    lab = only6
    lab.connect(endpoint=f"[{PEER6}]:{PEER_PORT}")
    mark = lab.capture.mark()
    lab.host.run("ip", "-6", "route", "del", "default")
    assert lab.wait_state("error")["cause"] == "offline"
    assert lab.probe([{"kind": "udp", "address": PUBLIC4, "port": ECHO_PORT}])[0]["result"] != "sent"
    lab.host.run("ip", "-6", "route", "add", "default", "via", GATEWAY6, "dev", "eth0")
    lab.wait_state("connected")
    lab.wait_until_works(TUNNEL_HOST4)
    only_transport(lab.capture.since(mark), PEER6)


def test_host_with_ipv6_only_and_a_server_without(only6):
    only6.vpnctl("import", "-", "four", input=only6.profile(endpoint=f"{PEER4}:{PEER_PORT}"))
    only6.vpnctl("connect", "four", check=False)
    status = only6.wait_state("error")
    assert status["cause"] == "ip-family-unavailable" and status["blocking"] is True


def test_names_on_a_host_with_ipv6_only(only6):
    """The resolver inside the tunnel has an IPv4 address, and is asked."""
    only6.connect(endpoint=f"[{PEER6}]:{PEER_PORT}")
    with only6.services.lock:
        before = len(only6.services.questions)
    only6.host.run("getent", "ahosts", "only6.example")
    with only6.services.lock:
        asked = only6.services.questions[before:]
    assert asked and {server for server, _, _ in asked} == {TUNNEL_PEER4}


# kind of host, resolvers of the setting, which are asked inside the tunnel, which outside
NAMES = {
    "ipv6-disabled, default": ([], {TUNNEL_PEER4}, set()),
    "ipv6-disabled, custom-public": ([OUTSIDE_DNS4], {OUTSIDE_DNS4}, set()),
    "ipv6-disabled, custom-private": ([LAN_PEER4, PRIVATE4], set(), {LAN_PEER4, PRIVATE4}),
    "ipv6-disabled, custom-loopback": (["127.0.0.1"], set(), set()),
    "ipv6-only, default": ([], {TUNNEL_PEER4}, set()),
    "ipv6-only, custom-public": ([OUTSIDE_DNS4, OUTSIDE_DNS6], {OUTSIDE_DNS4, OUTSIDE_DNS6}, set()),
    "ipv6-only, custom-private": ([LAN_PEER6], set(), {LAN_PEER6}),
    "ipv6-only, custom-loopback": (["127.0.0.1", "::1"], set(), set()),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_go_where_the_settings_say_with_one_family(lab_with, case):
    """Every resolver over every link, by UDP and TCP, 53 and 853: seen at the allowed ones only, and on their side of the host only."""
    servers, inside, outside = NAMES[case]
    has_ipv6 = case.startswith("ipv6-only")
    lab = lab_with(sysctls=() if has_ipv6 else OFF)
    lab.lan.ip(f"addr add {LAN_PEER4}/24 dev lan0\naddr add {LAN_PEER6}/64 dev lan0 nodad")
    lab.closers.append(services.Services(lab.lan, ECHO_PORT, [], [LAN_PEER4, LAN_PEER6, PRIVATE4]).close)
    if has_ipv6:
        lab.host.run("ip", "-4", "addr", "flush", "dev", "eth0")
        lab.host.run("ip", "addr", "add", f"{LAN_HOST6}/64", "dev", "eth0", "nodad")
    else:
        lab.host.run("ip", "addr", "add", f"{LAN_HOST4}/24", "dev", "eth0")
    lab.start_daemon()
    lab.connect(endpoint=f"[{PEER6}]:{PEER_PORT}" if has_ipv6 else f"{PEER4}:{PEER_PORT}")
    lab.vpnctl("settings", "set", "dns-servers", ",".join(servers))
    assert all(f"nameserver {server}\n" in lab.resolv_conf() for server in servers or [TUNNEL_PEER4])
    lab.wait_until_works(TUNNEL_HOST4)
    count_inside(lab, "start")
    mark = lab.capture.mark()
    for server in (TUNNEL_PEER4, TUNNEL_PEER6, OUTSIDE_DNS4, OUTSIDE_DNS6, LAN_PEER4, LAN_PEER6, PRIVATE4, NOBODYS4):
        assert all(ask(lab, server)) == (server in inside | outside), server
        lab.probe([{"kind": kind, "address": server, "port": port, "device": device, "wait": 50} for kind in ("udp", "tcp") for port in (53, 853) for device in ("eth0", "vpnd0")])
    frames = lab.capture.since(mark)
    assert count_inside(lab, "read") == inside
    for port in (53, 853):
        assert {frame.dst for frame in frames if frame.from_host and frame.dport == port} == outside
    assert lab.echo(PUBLIC4) == TUNNEL_HOST4


def test_ipv6_is_switched_off_while_connected(connected):
    """Another program disables IPv6 on every link: IPv4 goes on, nothing leaks, and IPv6 comes back with the switch."""
    mark = connected.capture.mark()
    with flood(connected):
        connected.host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        connected.wait_until_works(TUNNEL_HOST4)
        with connected.host.net():
            assert not [line for line in open("/proc/net/if_inet6", encoding="ascii") if "vpnd0" in line]
        connected.host.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
        sandbox.wait_until(lambda: connected.echo(PUBLIC6, wait=300) == TUNNEL_HOST6, sandbox.SOON_S, f"IPv6 is back; {connected.status()}\n{connected.daemons[-1].log()}")
    only_transport(connected.capture.since(mark))
    assert connected.status()["state"] == "connected"
