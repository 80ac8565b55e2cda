# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing leaves beside the tunnel: programs bound to the physical link, hostile routes, probes from the network.
That the same probes are seen without vpnd is proved in test_lab_itself.py."""
import ipaddress
import socket
import struct

import pytest

from capture import ACK, ETH_P_ARP, ICMP, ICMPV6, RST, SYN, TCP, UDP, none, seen, select_frames
from lab import (DEAD4, ECHO_PORT, GATEWAY4, GATEWAY6, HOST4, NOBODY, OUTSIDE_DNS4, PEER4, PEER_PORT, PRIVATE4, PUBLIC4, PUBLIC6, TUNNEL_HOST4,
                 TUNNEL_HOST6, TUNNEL_PEER4)
from probes import leak_probes


def assert_sealed(lab):
    """The whole set of probes, as root and as nobody: none seen, and programs are told at once."""
    mark = lab.capture.mark()
    answers = []
    for uid in (0, NOBODY):
        answers += lab.probe([probe | {"wait": 50} for probe in leak_probes(uid)], uid=uid)
    frames = lab.capture.since(mark)
    for frame in select_frames(frames, from_host=True, proto=lambda p: p != 0):
        transport = frame.proto == UDP and frame.dport == PEER_PORT and frame.dst in (PEER4, DEAD4) and b"probe" not in frame.raw
        ndp = frame.proto == ICMPV6 and frame.icmp_type in (133, 135, 136)
        assert transport or ndp, f"leaked: {frame}"
    for answer in answers:
        if answer["kind"] == "tcp":
            assert answer["result"] == "ECONNREFUSED", f"a program would hang: {answer}"
        elif answer["kind"] == "udp":
            assert answer["result"] in ("EPERM", "ECONNREFUSED"), answer


def test_sealed_while_connecting(host):
    host.vpnctl("import", "-", "dead", input=host.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    host.vpnctl("connect", "dead")
    assert_sealed(host)
    assert host.status()["state"] == "connecting"
    assert host.status()["blocking"] is True


def test_sealed_while_connected(connected):
    assert_sealed(connected)
    assert connected.status()["state"] == "connected"


def test_sealed_in_lockdown(host):
    host.vpnctl("settings", "set", "lockdown", "true")
    assert_sealed(host)
    assert host.status()["state"] == "disconnected" and host.status()["blocking"] is True
    host.vpnctl("settings", "set", "lockdown", "false")
    assert host.echo(PUBLIC4) == HOST4
    assert host.difference(host.before, host.snapshot()) == ""


def test_loopback_works_while_blocking(connected):
    for address in ("127.0.0.1", "::1"):
        with connected.host.net():
            with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
                with socket.create_connection(server.getsockname()[:2], 2):
                    pass


def test_dns_to_others_is_blocked_inside_and_outside(connected):
    """DNS only to the tunnel's resolver: not to another server through the tunnel either."""
    asked = len(connected.services.questions)
    mark = connected.capture.mark()
    for kind in ("udp", "tcp"):
        answer = connected.probe([{"kind": kind, "address": OUTSIDE_DNS4, "port": 53, "wait": 300}])[0]
        assert answer["result"] in ("EPERM", "ECONNREFUSED"), answer
    none(connected.capture.since(mark), dport=53)
    assert connected.services.questions[asked:] == []


def test_endpoint_is_not_reachable_for_programs(connected):
    """The hole for the transport is for the transport alone: not even root's packets to the very address and port get out."""
    mark = connected.capture.mark()
    for uid in (0, NOBODY):
        for device in ("eth0", None):
            connected.probe([{"kind": "udp", "address": PEER4, "port": PEER_PORT, "payload": "PLAINTEXT-HELLO", "device": device},
                             {"kind": "tcp", "address": PEER4, "port": PEER_PORT, "payload": "PLAINTEXT-HELLO", "device": device, "wait": 50},
                             {"kind": "icmp", "address": PEER4, "payload": "PLAINTEXT-HELLO", "device": device}], uid=uid)
    frames = connected.capture.since(mark)
    leaked = [frame for frame in frames if b"PLAINTEXT-HELLO" in frame.raw]
    assert not leaked, leaked[0]
    none(frames, from_host=True, proto=TCP)


def test_tunnelvision_routes_do_not_win(connected):
    """Routes that a hostile DHCP server or router advertises (host, halves of the internet, IPv6) do not pull traffic out."""
    for words in (f"route add {PUBLIC4}/32 via {GATEWAY4} dev eth0 onlink", f"route add 0.0.0.0/1 via {GATEWAY4} dev eth0 onlink",
                  f"route add 128.0.0.0/1 via {GATEWAY4} dev eth0 onlink", f"-6 route add {PUBLIC6}/128 via {GATEWAY6} dev eth0 onlink",
                  f"-6 route add ::/1 via {GATEWAY6} dev eth0 onlink", f"-6 route add 8000::/1 via {GATEWAY6} dev eth0 onlink"):
        connected.host.run("ip", *words.split())
    mark = connected.capture.mark()
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    assert connected.echo(PUBLIC4, "tcp") == TUNNEL_HOST4
    assert connected.echo(PUBLIC6) == TUNNEL_HOST6
    frames = connected.capture.since(mark)
    none(frames, dst=PUBLIC4)
    none(frames, dst=PUBLIC6)


def test_tunnelcrack_public_lan_goes_through_the_tunnel(connected):
    """The LAN claims the public prefix of a server: it is still reached through the tunnel."""
    connected.host.run("ip", "addr", "add", "203.0.113.6/31", "dev", "eth0")
    mark = connected.capture.mark()
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    none(connected.capture.since(mark), dst=PUBLIC4)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_frame(lab, src, dst):
    """A SYN+ACK straight to the host's link address, as an attacker on the LAN sends."""
    version = ipaddress.ip_address(dst).version
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    tcp = struct.pack("!HHIIBBHHH", 12345, 12345, 1, 1, 5 << 4, SYN | ACK, 1024, 0, 0)
    pseudo = a + b + (struct.pack("!BBH", 0, TCP, len(tcp)) if version == 4 else struct.pack("!IHBB", len(tcp), 0, 0, TCP))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, TCP, 0, a, b)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), TCP, 64, a, b)
    return lab.host_mac() + lab.router_mac() + struct.pack("!H", 0x0800 if version == 4 else 0x86DD) + head + tcp


@pytest.mark.parametrize("allow_lan", ["false", "true"])
@pytest.mark.parametrize("src,dst", [(GATEWAY4, TUNNEL_HOST4), (GATEWAY6, TUNNEL_HOST6), ("192.168.77.9", TUNNEL_HOST4), ("fd77::9", TUNNEL_HOST6), ("fe80::77", TUNNEL_HOST6)])
def test_cve_2019_14899_probe_gets_no_answer(connected, src, dst, allow_lan):
    """Also not for an attacker in the allowed local network, on a host that does not look where packets come from."""
    connected.lan.ip("addr add 192.168.77.9/24 dev lan0\naddr add fd77::9/64 dev lan0 nodad\naddr add fe80::77/64 dev lan0 nodad")
    connected.host.ip("addr add 192.168.77.2/24 dev eth0\naddr add fd77::2/64 dev eth0 nodad")
    for device in ("all", "eth0"):
        connected.host.sysctl(f"net.ipv4.conf.{device}.rp_filter", 0)
    connected.vpnctl("settings", "set", "allow-lan", allow_lan)
    mark = connected.capture.mark()
    connected.send_from_router([tcp_frame(connected, src, dst)] * 5)
    frames = connected.capture.since(mark)
    seen(frames, from_host=False, dst=dst, proto=TCP, flags=SYN | ACK)
    none(frames, from_host=True, proto=TCP, flags=lambda flags: flags & RST)
    none(frames, from_host=True, src=dst)


def test_cve_2019_14899_control(lab):
    """Without vpnd the same probe to an address of the host is answered by a reset: the probe is well made."""
    lab.host.run("ip", "addr", "add", f"{TUNNEL_HOST4}/32", "dev", "lo")
    lab.host.run("ip", "addr", "add", f"{TUNNEL_HOST6}/128", "dev", "lo", "nodad")
    mark = lab.capture.mark()
    lab.send_from_router([tcp_frame(lab, GATEWAY4, TUNNEL_HOST4), tcp_frame(lab, GATEWAY6, TUNNEL_HOST6)])
    for dst in (TUNNEL_HOST4, TUNNEL_HOST6):
        lab.capture.wait(lambda frame, dst=dst: frame.from_host and frame.src == dst and frame.flags & RST, mark, f"reset from {dst}")


def arp_request(lab, sender, target):
    return (b"\xff" * 6 + lab.router_mac() + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1) + lab.router_mac() + socket.inet_aton(sender)
            + b"\0" * 6 + socket.inet_aton(target) + b"\0" * 18)


def test_arp_for_the_tunnel_address_is_not_answered(connected):
    mark = connected.capture.mark()
    connected.send_from_router([arp_request(connected, GATEWAY4, TUNNEL_HOST4), arp_request(connected, GATEWAY4, HOST4)])
    connected.capture.wait(lambda frame: frame.from_host and frame.arp_op == 2 and frame.src == HOST4, mark, "the answer for the host's own address")
    none(connected.capture.since(mark), from_host=True, arp_op=2, src=TUNNEL_HOST4)


def test_inbound_connections_are_dropped_silently(connected):
    with connected.host.net():
        server = socket.create_server(("0.0.0.0", 4444))
    with server:
        mark = connected.capture.mark()
        with connected.lan.net():
            client = socket.socket()
        with client:
            client.setblocking(False)
            client.connect_ex((HOST4, 4444))
            frames = connected.capture.since(mark)
        seen(frames, from_host=False, dst=HOST4, dport=4444)
        none(frames, from_host=True, proto=TCP)


@pytest.mark.parametrize("address,peer,lan,answered", [("192.168.77.2", "192.168.77.9", "block", False), ("192.168.77.2", "192.168.77.9", "allow", True),
                                                      ("fd77::2", "fd77::9", "block", False), ("fd77::2", "fd77::9", "allow", True), (HOST4, GATEWAY4, "allow", False)])
def test_inbound_connections_of_the_local_network(connected, address, peer, lan, answered):
    """Answered when it is allowed, else neither accepted nor refused: the host does not show that it is there. A public neighbour is no local network."""
    if address != HOST4:
        connected.lan.run("ip", "addr", "add", f"{peer}/{64 if ':' in peer else 24}", "dev", "lan0", *(("nodad",) if ":" in peer else ()))
        connected.host.run("ip", "addr", "add", f"{address}/{64 if ':' in peer else 24}", "dev", "eth0", *(("nodad",) if ":" in peer else ()))
    # A solicitation from an address that is not link-local is not answered either (rule 2), so the neighbour knows the way.
    connected.lan.run("ip", "neigh", "replace", address, "lladdr", connected.host_mac().hex(":"), "dev", "lan0")
    connected.vpnctl("lan", lan)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with connected.host.net():
        server = socket.create_server((address, 4444), family=family)
    mark = connected.capture.mark()
    for port in (4444, 4445):  # one listens, nobody does
        with connected.lan.net():
            client = socket.socket(family)
        with client:
            client.bind((peer, 0))
            client.setblocking(False)
            client.connect_ex((address, port))
            connected.capture.wait(lambda frame, port=port: not frame.from_host and frame.dport == port, mark, "the attempt")
            if answered:
                connected.capture.wait(lambda frame, port=port: frame.from_host and frame.sport == port and frame.flags & (SYN | RST), mark, "the answer")
            frames = connected.capture.since(mark)
    server.close()
    if not answered:
        none(frames, from_host=True, proto=TCP)


def test_allow_lan_opens_the_lan_only(connected):
    connected.vpnctl("settings", "set", "allow-lan", "true")
    mark = connected.capture.mark()
    connected.probe([{"kind": kind, "address": address, "port": ECHO_PORT, "device": "eth0"} for kind in ("tcp", "udp") for address in (PRIVATE4, PUBLIC4)]
                    + [{"kind": "udp", "address": PRIVATE4, "port": 53, "device": "eth0"}])
    frames = connected.capture.since(mark)
    seen(frames, dst=PRIVATE4, dport=ECHO_PORT, proto=UDP)
    none(frames, dst=PUBLIC4)
    none(frames, dport=53)
    connected.vpnctl("settings", "set", "allow-lan", "false")
    mark = connected.capture.mark()
    connected.probe([{"kind": "udp", "address": PRIVATE4, "port": ECHO_PORT, "device": "eth0"}])
    none(connected.capture.since(mark), dst=PRIVATE4)


def test_nothing_with_the_tunnel_address_on_the_link(connected):
    """The source address of the tunnel never shows on the physical link, even for a program that binds to both."""
    mark = connected.capture.mark()
    connected.probe([{"kind": "udp", "address": PUBLIC4, "port": ECHO_PORT, "device": "eth0", "source": TUNNEL_HOST4}])
    connected.echo(TUNNEL_PEER4)
    connected.vpnctl("disconnect", "--wait")
    frames = connected.capture.since(mark)
    none(frames, src=TUNNEL_HOST4)
    none(frames, proto=ICMP, src=TUNNEL_HOST4)
