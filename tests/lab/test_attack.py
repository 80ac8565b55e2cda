# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks: a flood of every kind of packet through all changes of state and kill -9 in the middle of them, a LAN that forges, local
users who look for keys or hold up root, a process that grows. Each has a control that shows that the attack itself works."""
import contextlib
import ipaddress
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

import sandbox
from capture import ACK, ETH_P_ARP, ICMP, ICMPV6, SYN, TCP, UDP, none, select_frames
from lab import (DEAD4, GATEWAY4, GATEWAY6, HERE, HOST4, HOST6, NOBODY, PEER4, PEER6, PEER_PORT, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_HOST6,
                 TUNNEL_PEER4, TUNNEL_PEER6)
from test_leaks import checksum

FLOOD_TOKEN = b"FLOOD-TOKEN"
MARK = 0x56000000  # VPND_MARK_VALUE of core/reserved.h


@contextlib.contextmanager
def flood(lab, interval=0.003):
    process = lab.host.start(PYTHON, HERE / "flood.py", interval, PUBLIC4, PUBLIC6, PEER4, PEER6, TUNNEL_HOST4, GATEWAY4, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"R\n"
    try:
        yield
        assert process.poll() is None, "the flood went on to the end"
    finally:
        process.kill()
        process.wait()


def leaked(frames):
    """What the host sent and the design does not allow: all but ARP for itself, its own neighbour discovery and the transport's packets."""
    def allowed(frame):
        if FLOOD_TOKEN in frame.raw:
            return False
        if frame.ethertype == ETH_P_ARP:
            return frame.src != TUNNEL_HOST4
        if frame.proto == ICMPV6:
            return frame.icmp_type in (133, 135, 136)
        return frame.proto == UDP and frame.dport == PEER_PORT and frame.dst in (PEER4, PEER6, DEAD4) and frame.src in (HOST4, HOST6)
    return [frame for frame in frames if frame.from_host and not allowed(frame)]


def import_all(lab):
    profiles = {"one": lab.profile(), "two": lab.profile(extra="MTU = 1300"), "six": lab.profile(endpoint=f"[{PEER6}]:{PEER_PORT}"),
                "dead": lab.profile(endpoint=f"{DEAD4}:{PEER_PORT}")}
    for name, text in profiles.items():
        lab.vpnctl("import", "-", name, input=text)


def test_the_flood_is_seen_without_protection(host):
    mark = host.capture.mark()
    with flood(host):
        host.capture.wait(lambda frame: frame.from_host and FLOOD_TOKEN in frame.raw and frame.src == TUNNEL_HOST4, mark, "a packet of the flood")
    frames = [frame for frame in host.capture.since(mark) if FLOOD_TOKEN in frame.raw]
    assert {UDP, 132, 47} <= {frame.proto for frame in frames}
    assert len({(frame.dst, frame.dport) for frame in frames}) > 15


def test_flood_through_every_change(host):
    import_all(host)
    host.vpnctl("settings", "set", "lockdown", "true")
    with flood(host):
        mark = host.capture.mark()
        for line in ("connect one", "reconnect", "connect two", "connect six", "connect dead", "connect one", "settings set mtu 1280",
                     "settings set mtu 0", "settings set ipv6 false", "settings set ipv6 true", "settings set dns-servers 9.9.9.9", "settings set dns-servers 10.64.0.1",
                     "disconnect --wait", "connect one", "disconnect --wait", "connect two", "settings reset"):
            host.vpnctl(*line.split())
            if line.startswith(("connect", "reconnect")) and "dead" not in line:
                host.wait_state("connected")
            if line == "settings reset":  # lockdown is off now, and the tunnel is up
                assert host.status()["blocking"] is True
            found = leaked(host.capture.since(mark))
            assert not found, f"during {line}: {found[0]}"
        host.kill_wireguard()
        host.wait_until_works(TUNNEL_HOST4)
        host.daemons[-1].process.send_signal(signal.SIGSTOP)
        host.kill_wireguard()
        host.host.run("ip", "link", "del", "vpnd0", check=False)
        found = leaked(host.capture.since(mark))
        host.daemons[-1].process.send_signal(signal.SIGCONT)
        assert not found, f"while vpnd is stopped: {found[0]}"


def blocking_status(lab):
    """The status as soon as the daemon has taken over what it found (it answers a moment earlier)."""
    def look():
        status = json.loads(lab.vpnctl("status", "--json", check=False).stdout.splitlines()[0])
        return status if status.get("blocking") else None
    return sandbox.wait_until(look, 5, "the daemon has taken over the rules")


@pytest.mark.parametrize("seed", [1])
def test_killed_at_random_moments(host, seed):
    """kill -9 in the middle of whatever; afterwards and in between not one packet, and the end is still clean."""
    import_all(host)
    host.vpnctl("settings", "set", "lockdown", "true")
    chance, lines = random.Random(seed), ["connect one", "connect two", "connect six", "connect dead", "connect one --wait", "reconnect", "disconnect", "disconnect --wait",
                                          "settings set mtu 1290", "settings set ipv6 false", "settings set dns-servers 9.9.9.9", "settings set lockdown true"]
    with flood(host):
        for turn in range(25):
            words, moment = [chance.choice(lines) for _ in range(2)], chance.random() ** 2 * 0.25
            mark = host.capture.mark()
            clients = [host.host.start(host.vpnctl_path, *line.split(), env=host.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for line in words]
            with contextlib.suppress(subprocess.TimeoutExpired):
                host.daemons[-1].process.wait(moment)
            host.daemons[-1].kill()
            if chance.random() < 0.5:
                host.kill_wireguard()
            for client in clients:
                client.kill()
                client.wait()
            host.start_daemon()
            status = blocking_status(host)
            found = leaked(host.capture.since(mark))
            assert not found, f"turn {turn}, {words}, killed after {moment * 1000:.0f} ms, now {status['state']}: {found[0]}"
    host.vpnctl("disconnect", "--wait")
    host.vpnctl("settings", "set", "lockdown", "false")
    assert host.difference(host.before, host.snapshot()) == ""


# --- the LAN

def packet(src, dst, proto, payload):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    if len(a) == 16:
        return b"\x86\xdd" + struct.pack("!IHBB16s16s", 6 << 28, len(payload), proto, 255, a, b) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0, a, b)
    return b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def summed(src, dst, proto, segment, offset):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    pseudo = a + b + (struct.pack("!BBH", 0, proto, len(segment)) if len(a) == 4 else struct.pack("!IHBB", len(segment), 0, 0, proto))
    return packet(src, dst, proto, segment[:offset] + struct.pack("!H", checksum(pseudo + segment)) + segment[offset + 2:])


def datagram(src, dst, sport, dport):
    return summed(src, dst, UDP, struct.pack("!HHHH", sport, dport, 12, 0) + b"evil", 6)


def test_who_forges_the_server_reaches_the_device_alone(connected):
    """Packets with the server's address and port come to the port of the tunnel's device, which believes nobody without a key, and to no program."""
    lab = connected
    with lab.host.net():
        programs = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
    head = lab.host_mac() + lab.router_mac()
    mark = lab.capture.mark()
    assert lab.echo(PUBLIC4) == TUNNEL_HOST4
    device = next(frame.sport for frame in select_frames(lab.capture.since(mark), from_host=True, proto=UDP, dport=PEER_PORT))
    with contextlib.ExitStack() as stack:
        for program, source, address in zip(programs, (PEER4, PEER6), (HOST4, HOST6)):
            stack.enter_context(program).bind((address, 0))
            program.setblocking(False)
            port = program.getsockname()[1]
            lab.send_from_router([head + datagram(source, address, PEER_PORT, target) for target in (port, device, port)])
        lab.capture.fence()
        assert lab.echo(PUBLIC4) == TUNNEL_HOST4, "the device goes on"
        for program in programs:
            with pytest.raises(BlockingIOError):
                program.recv(100)
        lab.vpnctl("disconnect")
        for program, source, address in zip(programs, (PEER4, PEER6), (HOST4, HOST6)):  # the control
            program.setblocking(True)
            program.settimeout(5)
            lab.send_from_router([head + datagram(source, address, PEER_PORT, program.getsockname()[1])])
            assert program.recv(100) == b"evil"


SQUATTER = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))
taken = []
for port in range(61000, 65536):
    taken.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    taken[-1].bind(("::", port))
print(len(taken), flush=True)
sys.stdin.read()
"""


def test_a_user_who_takes_the_ports_of_the_device(host):
    """Without a port the device would never come up: where somebody has all of those that vpnd takes by habit (VPND_LISTEN_PORT_FIRST to _LAST), it takes another."""
    squatter = host.host.start(*host.as_user(NOBODY), PYTHON, "-c", SQUATTER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert squatter.stdout.readline() == b"4536\n"
        host.connect()
        assert host.echo(PUBLIC4) == TUNNEL_HOST4
        mark = host.capture.mark()
        assert host.echo(PUBLIC4) == TUNNEL_HOST4
        ports = {frame.sport for frame in select_frames(host.capture.since(mark), from_host=True, proto=UDP, dport=PEER_PORT)}
        assert len(ports) == 1 and not ports & set(range(61000, 65536)), ports
    finally:
        squatter.kill()
        squatter.wait()


def probes_to(src, dst, port):
    """A datagram, a SYN, a SYN+ACK and an echo request, also from the port of the transport."""
    for source_port in (PEER_PORT, 53):
        yield summed(src, dst, UDP, struct.pack("!HHHH", source_port, port, 9, 0) + b"x", 6)
        for flags in (SYN, SYN | ACK):
            yield summed(src, dst, TCP, struct.pack("!HHIIBBHHH", source_port, port, 1, 1, 5 << 4, flags, 1024, 0, 0), 16)
    if ":" in src:
        yield summed(src, dst, ICMPV6, struct.pack("!BBHHH", 128, 0, 0, 1, 1), 2)
    else:
        echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
        yield packet(src, dst, ICMP, echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:])


def listeners(lab, port):
    with lab.host.net():
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            sock.setblocking(False)
            yield sock


def forge(lab, sources, targets, port=7777):
    """Sends the probes; returns what a program on the host got and what the host answered."""
    sockets, mark = list(listeners(lab, port)), lab.capture.mark()
    head = lab.host_mac() + lab.router_mac()
    lab.send_from_router([head + raw for src in sources for dst in targets if (":" in src) == (":" in dst) for raw in probes_to(src, dst, port)])
    frames, got = lab.capture.since(mark), []
    for sock in sockets:
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(sock.recvfrom(2000))
        sock.close()
    return got, select_frames(frames, from_host=True, proto=lambda p: p in (TCP, ICMP)) + select_frames(frames, from_host=True, icmp_type=lambda t: t in (1, 129))


SOURCES = (GATEWAY4, GATEWAY6, PEER4, PEER6, PUBLIC4, PUBLIC6, "10.1.2.3", "fe80::99", "fd00::77", TUNNEL_PEER4, TUNNEL_HOST4, TUNNEL_HOST6)


def test_forged_packets_reach_no_program(connected):
    got, answers = forge(connected, SOURCES, (HOST4, HOST6, TUNNEL_HOST4, TUNNEL_HOST6))
    assert (got, [str(frame) for frame in answers]) == ([], [])


def test_forged_packets_never_reach_the_tunnel_address(connected):
    connected.vpnctl("settings", "set", "allow-lan", "true")
    got, answers = forge(connected, SOURCES, (TUNNEL_HOST4, TUNNEL_HOST6))
    assert (got, [str(frame) for frame in answers]) == ([], [])


def parts(src, dst, port, number):
    """A datagram in two parts."""
    whole = summed(src, dst, UDP, struct.pack("!HHHH", 53, port, 8 + 24, 0) + b"from insidefrom whomever", 6)
    if ":" in src:
        head, body = whole[2:42], whole[42:]
        for offset, piece in ((0, body[:16]), (16, body[16:])):
            yield whole[:2] + head[:4] + struct.pack("!HBB", 8 + len(piece), 44, head[7]) + head[8:] + struct.pack("!BBHI", UDP, 0, offset | (not offset), number) + piece
        return
    head, body = whole[2:22], whole[22:]
    for offset, piece in ((0, body[:16]), (16, body[16:])):
        part = head[:2] + struct.pack("!HHH", 20 + len(piece), number, offset // 8 | (0 if offset else 0x2000)) + head[8:10] + b"\0\0" + head[12:]
        yield whole[:2] + part[:10] + struct.pack("!H", checksum(part)) + part[12:] + piece


@pytest.mark.parametrize("src, dst", [(PUBLIC4, TUNNEL_HOST4), (PUBLIC6, TUNNEL_HOST6)])
def test_parts_of_datagrams_by_two_links(connected, src, dst):
    """On a host that tracks connections the kernel puts the parts of a datagram together before it asks most rules: one from the LAN becomes nothing of what comes by the tunnel."""
    connected.host.run("nft", "-f", "-", input="table inet lab { chain in { type filter hook input priority 0; ct state established accept\n}\n}\n")
    family = socket.AF_INET6 if ":" in src else socket.AF_INET
    program = list(listeners(connected, 7777))[family == socket.AF_INET6]
    program.settimeout(sandbox.SOON_S)
    with connected.wan.net(), socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as inside:
        for number, is_forged in ((1, True), (2, False)):
            first, second = parts(src, dst, 7777, number)
            if is_forged:
                connected.send_from_router([connected.host_mac() + connected.router_mac() + second])
                connected.capture.fence()
            for part in (first,) if is_forged else (first, second):
                inside.sendto(part[2:], (dst, 0))
            inside.sendto(summed(src, dst, UDP, struct.pack("!HHHH", 53, 7777, 11, 0) + b"end", 6)[2:], (dst, 0))
            got = list(iter(lambda: program.recv(100), b"end"))
            assert got == ([] if is_forged else [b"from insidefrom whomever"])


def test_forged_packets_from_inside_the_tunnel(host):
    """The LAN is allowed, and a frame of it claims a source inside the tunnel: its own addresses, its resolvers, the network of its addresses."""
    text = host.profile(dns=f"{TUNNEL_PEER4}, {TUNNEL_PEER6}").replace(f"{TUNNEL_HOST4}/32", f"{TUNNEL_HOST4}/24").replace(f"{TUNNEL_HOST6}/128", f"{TUNNEL_HOST6}/64")
    host.vpnctl("import", "-", "wide", input=text)
    host.vpnctl("settings", "set", "allow-lan", "true")
    host.vpnctl("connect", "wide", "--wait")
    inside = (TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4, TUNNEL_PEER6, "10.64.0.77", "fd00:64::77")
    got, answers = forge(host, inside, (HOST4, HOST6, TUNNEL_HOST4, TUNNEL_HOST6))
    assert (got, [str(frame) for frame in answers]) == ([], [])
    got, _ = forge(host, ("10.65.0.77", "fd00:65::77"), (HOST4, HOST6))  # the control: others of the private ranges are the LAN's
    assert len(got) == 4
    assert host.echo(TUNNEL_PEER4) == TUNNEL_HOST4 and host.echo(TUNNEL_PEER6) == TUNNEL_HOST6


def test_forged_packets_control(host):
    got, answers = forge(host, (GATEWAY4, GATEWAY6), (HOST4, HOST6))
    assert len(got) == 4 and {frame.proto for frame in answers} == {TCP, ICMP, ICMPV6}


def test_forged_icmp_does_not_move_the_transport(connected):
    """A redirect, a too small path MTU and port unreachable for the transport's own packets: it works on, and nothing goes elsewhere."""
    connected.host.sysctl("net.ipv4.conf.eth0.accept_redirects", 1)
    inner = packet(HOST4, PEER4, UDP, struct.pack("!HHHH", PEER_PORT, PEER_PORT, 8, 0))[2:]
    for kind, code, rest in ((5, 1, socket.inet_aton("198.51.100.66")), (3, 4, struct.pack("!HH", 0, 68)), (3, 3, b"\0" * 4)):
        raw = struct.pack("!BBH", kind, code, 0) + rest + inner
        raw = packet(GATEWAY4, HOST4, ICMP, raw[:2] + struct.pack("!H", checksum(raw)) + raw[4:])
        connected.send_from_router([connected.host_mac() + connected.router_mac() + raw] * 20)
    mark = connected.capture.mark()
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    assert leaked(connected.capture.since(mark)) == []
    none(connected.capture.since(mark), from_host=True, ethertype=ETH_P_ARP, dst="198.51.100.66")


# --- local users

def processes(lab):
    """vpnd and wireguard-go of the host."""
    own, found = os.fstat(lab.host.net_fd).st_ino, {}
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            name = (entry / "comm").read_text(encoding="ascii").strip() if entry.name.isdigit() else ""
            if name in ("vpnd", "wireguard-go") and os.stat(entry / "ns/net").st_ino == own:
                found[name] = int(entry.name)
    return found


def test_keys_are_nowhere_to_be_found(connected):
    """Not in arguments, environment, answers or logs, and no file or process that holds them opens for another user."""
    paths = ["/run/vpnd", "/run/wireguard/vpnd0.sock", "/run/vpnd-lab/state"]
    for pid in processes(connected).values():
        open_to_all = pathlib.Path(f"/proc/{pid}/environ").read_bytes() + pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not [secret for secret in connected.secrets() if secret.encode() in open_to_all]
        paths += [f"/proc/{pid}/{name}" for name in ("environ", "mem", "fd", "maps", "auxv", "stack")]
    assert len(processes(connected)) == 2
    ask = "import json, socket, sys, os\nfound = {}\nfor p in json.load(sys.stdin):\n try:\n  found[p] = str(os.listdir(p) if os.path.isdir(p) else " \
          "socket.socket(socket.AF_UNIX).connect(p) if p.endswith('.sock') else open(p, 'rb').read(1))\n except OSError as error:\n  pass\nprint(json.dumps(found))"
    done = connected.host.run(*connected.as_user(NOBODY), PYTHON, "-c", ask, input=json.dumps(paths))
    assert json.loads(done.stdout) == {}
    texts = connected.outputs() | {words: connected.vpnctl(*words.split()).stdout for words in ("status --json", "logs", "export demo", "list")}
    assert not [name for name, text in texts.items() if any(secret in text for secret in connected.secrets())]


def test_a_user_with_raw_sockets_does_not_get_through_the_hole_of_the_transport(connected):
    """CAP_NET_RAW, which mtr-packet gives to everybody, can set our mark (MUL-02-002); only root's sockets may then leave."""
    send = "import socket, sys\nfor kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):\n s = socket.socket(socket.AF_INET, kind, 17)\n" \
           f" s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, {MARK})\n data = b'FLOOD-TOKEN' if kind == socket.SOCK_DGRAM else " \
           f"bytes.fromhex('1234{PEER_PORT:04x}00130000') + b'FLOOD-TOKEN'\n" \
           f" try:\n  s.sendto(data, ('{PEER4}', {PEER_PORT}))\n except OSError as e:\n  pass\nprint('sent')"
    for uid, is_let in ((NOBODY, False), (0, True)):
        mark = connected.capture.mark()
        words = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw", "--", PYTHON, "-c", send]
        assert connected.host.run(*words).stdout == "sent\n"
        found = [frame for frame in connected.capture.since(mark) if FLOOD_TOKEN in frame.raw]
        assert bool(found) == is_let, f"user {uid}: {[str(frame) for frame in found]}"


def test_a_hung_polkit_leaves_root_in_charge(connected):
    connected.polkit.send_signal(signal.SIGSTOP)
    try:
        start = time.monotonic()
        connected.vpnctl("status", timeout=15)
        connected.vpnctl("reconnect", timeout=15)
        connected.vpnctl("disconnect", "--wait", timeout=15)
        assert time.monotonic() - start < 10
    finally:
        connected.polkit.send_signal(signal.SIGCONT)


# --- growth

def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")).group(1))


def test_nothing_grows_with_the_number_of_connections(connected):
    pid = processes(connected)["vpnd"]

    def cycle(n):
        for _ in range(n):
            connected.vpnctl("disconnect", "--wait")
            connected.vpnctl("connect", "demo")
            connected.wait_state("connected")
    cycle(5)
    before, files = rss_kib(pid), len(os.listdir(f"/proc/{pid}/fd"))
    cycle(15)
    grown = rss_kib(pid) - before
    # A sanitizer keeps what was freed, and looks for leaks itself when the daemon ends.
    keeps_freed = "libasan" in pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    assert keeps_freed or grown < 1024, f"{grown} KiB more after 15 cycles"
    sandbox.wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= files, 10, "as many open files as before")


def test_the_bus_dies(connected):
    """vpnd ends at once, to be started again, and its rules stay."""
    with flood(connected):
        mark = connected.capture.mark()
        connected.bus.kill()
        connected.bus.wait()
        assert connected.daemons[-1].process.wait(10) != 0
        found = leaked(connected.capture.since(mark))
        assert not found, found[0]
    assert "table inet vpnd" in connected.host.run("nft", "list", "tables").stdout


def test_table_against_frames_of_pppoe(connected):
    """The way around of docs/known-issues.md, to the letter: a frame that no rule for IP packets sees is seen without it and not with it, and the tunnel works."""
    text = (HERE.parents[1] / "docs/known-issues.md").read_text(encoding="utf-8")
    table = re.search(r"```\n( *table netdev .*?)```", text, re.S)[1]
    with connected.host.net():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("eth0", 0))
        for is_loaded in (False, True):
            if is_loaded:
                connected.host.run("nft", "-f", "-", input=table)
            mark = connected.capture.mark()
            for kind in ("8863", "8864"):
                with contextlib.suppress(OSError):
                    sender.send(bytes.fromhex("ff" * 6 + "020000000001" + kind) + b"WHO-IS-THERE" * 5)
            found = [frame for frame in connected.capture.since(mark) if b"WHO-IS-THERE" in frame.raw]
            assert len(found) == (0 if is_loaded else 2), found
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
