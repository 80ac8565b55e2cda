# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large transfers over paths of every size, in both directions and families, for the host and for a container behind it."""
import json
import socket
import struct
import subprocess

import pytest

import sandbox
from capture import ICMP, TCP, UDP
from lab import GATEWAY4, HOST4, PEER4, PEER6, PEER_PORT, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4
from test_attack import checksum, packet
from test_families import host_with
from test_policy import add_guest
from test_repair import FLOW_PORT, flow_fixture  # noqa: F401 - a fixture

BULK_PORT = 5001
BULK_BYTES = 600_000
BULK_SECONDS = 30  # on a path that swallows large packets nothing arrives at all

# Both directions of one transfer; each end tells the segment size that it uses in the end.
SERVER = """
import socket, sys, threading
def serve(connection):
    with connection:
        word = connection.recv(1, socket.MSG_WAITALL)
        if word == b"d":
            connection.sendall(bytes(int(sys.argv[2])))
        got = 0
        while word == b"u" and got < int(sys.argv[2]):
            got += len(connection.recv(65536))
        connection.sendall(b"%d\\n" % connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

CLIENT = """
import json, socket, sys
address, port, word, size, limit = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
with socket.create_connection((address, port), timeout=limit) as connection:
    connection.sendall(word.encode())
    if word == "u":
        connection.sendall(bytes(size))
    got = b""
    while word == "d" and len(got) < size:
        part = connection.recv(65536)
        assert part, "ended early"
        got += part
    tail = got[size:]
    while not tail.endswith(b"\\n"):
        part = connection.recv(100)
        assert part, "ended early"
        tail += part
    print(json.dumps([connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), int(tail)]))
"""


def add_bulk(lab):
    """A container on the host, and a server on the internet that sends and takes much."""
    add_guest(lab, lab.host_has_ipv6())
    server = lab.wan.start(PYTHON, "-c", SERVER, BULK_PORT, BULK_BYTES, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    return lab


@pytest.fixture(name="bulk")
def bulk_fixture(host):
    return add_bulk(host)


def shrink(lab, wan=1500, link=1500, is_silent=False):
    """The link of the host has the one MTU, the way behind the router the other; a silent router does not say so."""
    lab.lan.ip(f"link set wan0 mtu {wan}\nlink set lan0 mtu {link}")
    lab.wan.run("ip", "link", "set", "eth0", "mtu", wan)
    lab.host.run("ip", "link", "set", "eth0", "mtu", link)
    if is_silent:
        lab.lan.run("nft", "-f", "-", input="table inet quiet {\nchain out { type filter hook output priority 0;\n"
                                            "icmp type destination-unreachable drop\nicmpv6 type packet-too-big drop\n}\n}\n")


def transfer(node, address, word):
    """Returns the segment sizes in use at either end."""
    done = node.run(PYTHON, "-c", CLIENT, address, BULK_PORT, word, BULK_BYTES, BULK_SECONDS, timeout=3 * BULK_SECONDS, check=False)
    assert done.returncode == 0, f"{node.name} {word} {address}: {done.stderr.splitlines()[-1:]}"
    return json.loads(done.stdout)


def transfer_all(lab, addresses=(PUBLIC4, PUBLIC6), limit=None):
    for node in (lab.host, lab.guest):
        for address in addresses:
            for word in "ud":
                sizes = transfer(node, address, word)
                if limit:
                    assert max(sizes) <= limit - 40, (node.name, address, word, sizes)


def tunnel_mtu(lab):
    return json.loads(lab.host.run("ip", "-j", "link", "show", "vpnd0").stdout)[0]["mtu"]


def route4_mtu(lab):
    """The MTU of the tunnel's IPv4 default route, None where it is that of the link."""
    route = json.loads(lab.host.run("ip", "-j", "-4", "route", "show", "default", "table", "22096").stdout)[0]
    return (route.get("metrics") or [{}])[0].get("mtu")


V4, V6 = f"{PEER4}:{PEER_PORT}", f"[{PEER6}]:{PEER_PORT}"


@pytest.mark.parametrize("wan,link,endpoint,expected", [
    (1500, 9000, V4, 1420),  # a jumbo link says nothing about the way behind it
    (1492, 1500, V4, 1420),  # PPPoE behind the router: 1432 would fit
    (1492, 1500, V6, 1412),
    (1500, 1492, V6, 1412),  # PPPoE on the host itself
], ids=["jumbo", "pppoe", "pppoe6", "pppoe-here"])
def test_large_transfers(bulk, wan, link, endpoint, expected):
    shrink(bulk, wan, link)
    bulk.connect(endpoint=endpoint)
    sandbox.wait_until(lambda: tunnel_mtu(bulk) == expected, 2 * sandbox.SOON_S, f"an MTU of {expected}; it is {tunnel_mtu(bulk)}; {bulk.daemons[-1].log()}")
    assert bulk.status()["mtu"] == expected
    bulk.wan.run("ip", "link", "set", "wg0", "mtu", "1500")  # a far side that thinks the tunnel is as large as any link
    transfer_all(bulk, limit=expected)


@pytest.mark.parametrize("wan,link", [(1280, 1500), (1500, 1280)], ids=["there", "here"])
@pytest.mark.parametrize("endpoint,fits", [(V4, 1220), (V6, 1200)], ids=["by4", "by6"])
def test_a_path_of_1280(bulk, wan, link, endpoint, fits):
    """IPv6 allows no link smaller than 1280, so outside there are fragments; IPv4 inside does without."""
    shrink(bulk, wan, link)
    bulk.connect(endpoint=endpoint)
    sandbox.wait_until(lambda: (tunnel_mtu(bulk), route4_mtu(bulk)) == (1280, fits), 2 * sandbox.SOON_S, f"1280 and {fits}; {bulk.daemons[-1].log()}")
    if wan == 1280:  # else it is known before anything is measured
        assert [text for text in bulk.status()["warnings"] if text.startswith("mtu: ")], bulk.status()
    transfer_all(bulk)


@pytest.mark.parametrize("wan,endpoint,fits", [(1492, V6, 1412), (1400, V4, 1340)])
def test_a_path_that_does_not_say(bulk, wan, endpoint, fits):
    """No router tells that the packets are too large: sizes are tried, and after that large transfers pass."""
    shrink(bulk, wan, is_silent=True)
    bulk.connect(endpoint=endpoint)
    sandbox.wait_until(lambda: fits - 16 <= tunnel_mtu(bulk) <= fits, 2 * sandbox.SOON_S, f"{fits} or a little less; {tunnel_mtu(bulk)}; {bulk.daemons[-1].log()}")
    bulk.wan.run("ip", "link", "set", "wg0", "mtu", fits - 8)  # the way back is the far side's business
    transfer_all(bulk, limit=fits)
    assert bulk.status()["state"] == "connected"


def test_a_way_that_is_smaller_than_the_one_before(bulk):
    """The path changes while connected: measured anew."""
    bulk.connect(endpoint=V4)
    shrink(bulk, 1400)
    bulk.host.run("ip", "link", "set", "eth0", "mtu", "1499")  # another way, as when roaming
    sandbox.wait_until(lambda: tunnel_mtu(bulk) == 1340, 2 * sandbox.SOON_S, f"1340; {tunnel_mtu(bulk)}; {bulk.daemons[-1].log()}")
    transfer_all(bulk, (PUBLIC4,))


def test_a_profile_knows_better(bulk):
    """Its own MTU is not touched, whatever the path."""
    shrink(bulk, 1492)
    bulk.connect(endpoint=V6, extra="MTU = 1300\n")
    transfer_all(bulk, limit=1300)
    assert tunnel_mtu(bulk) == 1300 and bulk.status()["mtu"] == 1300


# Kind of host, MTU of the way and of the host's own link, whether the way says what is too large; what the link and the IPv4 route of the tunnel get. Without IPv6
# inside, nothing asks for 1280.
ONE_FAMILY_PATHS = {
    "pppoe6-here": ("ipv6-only", 1500, 1492, False, {(1412, None)}),
    "1280-there4": ("ipv6-disabled", 1280, 1500, False, {(1220, None)}),
    "1280-there6": ("ipv6-only", 1280, 1500, False, {(1280, 1200)}),
    "silent4": ("ipv6-disabled", 1400, 1500, True, {(size, None) for size in range(1324, 1341)}),
    "silent6": ("ipv6-only", 1492, 1500, True, {(size, None) for size in range(1396, 1413)}),
}


@pytest.mark.parametrize("path", ONE_FAMILY_PATHS)
def test_large_transfers_with_one_family(lab_with, path):
    """A host without IPv6, and one with nothing else: the same paths, and large transfers in every family that the tunnel has."""
    kind, wan, link, is_silent, expected = ONE_FAMILY_PATHS[path]
    lab = add_bulk(host_with(lab_with, kind))
    shrink(lab, wan, link, is_silent)
    lab.connect(endpoint=lab.endpoint)
    sandbox.wait_until(lambda: (tunnel_mtu(lab), route4_mtu(lab)) in expected, 2 * sandbox.SOON_S, f"one of {expected}; {tunnel_mtu(lab)}, {route4_mtu(lab)}; {lab.daemons[-1].log()}")
    if is_silent:
        lab.wan.run("ip", "link", "set", "wg0", "mtu", tunnel_mtu(lab) - 8)  # the way back is the far side's business
    transfer_all(lab, (PUBLIC4, PUBLIC6) if lab.has_ipv6 else (PUBLIC4,), limit=None if 1280 in (wan, link) and lab.has_ipv6 else tunnel_mtu(lab))
    assert lab.status()["state"] == "connected"


def test_a_way_that_is_smaller_with_ipv6_only(lab_with):
    lab = add_bulk(host_with(lab_with, "ipv6-only"))
    lab.connect(endpoint=lab.endpoint)
    shrink(lab, 1400)
    lab.host.run("ip", "link", "set", "eth0", "mtu", "1499")  # another way, as when roaming
    sandbox.wait_until(lambda: tunnel_mtu(lab) == 1320, 2 * sandbox.SOON_S, f"1320; {tunnel_mtu(lab)}; {lab.daemons[-1].log()}")
    transfer_all(lab, (PUBLIC6,))


@pytest.mark.parametrize("endpoint", [V4, V6], ids=["ipv4", "ipv6"])
def test_answers_in_pieces(host, endpoint):
    """A server that lets its packets be cut up: the pieces behind the first have no ports, and come in all the same, also by a strict reverse path filter."""
    lab = host
    lab.connect(endpoint=endpoint)
    for key in ("all", "eth0"):
        lab.host.sysctl(f"net.ipv4.conf.{key}.rp_filter", 1)
    lab.wan.sysctl("net.ipv4.ip_no_pmtu_disc", 1)
    lab.wan.run("wg", "set", "wg0", "listen-port", PEER_PORT)  # another socket, which no longer forbids it
    lab.wan.run("ip", "link", "set", "wg0", "mtu", 1500)
    lab.wait_until_works(TUNNEL_HOST4)
    with lab.host.net():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with lab.wan.net():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((TUNNEL_HOST4, 0))
        receiver.settimeout(sandbox.SOON_S)
        sender.bind((PUBLIC4, 0))
        mark = lab.capture.mark()
        sender.sendto(bytes(1460), receiver.getsockname())
        assert len(receiver.recv(2000)) == 1460
    lab.capture.fence()
    frames = [frame for frame in lab.capture.since(mark) if frame.src in (PEER4, PEER6) and not frame.from_host]
    later = [frame for frame in frames if (struct.unpack_from("!H", frame.raw, 20)[0] & 0x1fff if endpoint == V4 else frame.raw[20] == 44 and frame.raw[56:58] > b"\0\7")]
    assert later, f"the control: pieces; {[str(frame) for frame in frames]}"


def too_large(inner, code=4, mtu=600):
    """What a router says about a packet of which it quotes the beginning."""
    head = struct.pack("!BBHHH", 3, code, 0, 0, mtu) + inner
    return head[:2] + struct.pack("!H", checksum(head)) + head[4:]


def quoted(src, dst, proto, sport, dport):
    """The beginning of a packet that src has sent, as an attacker would guess it."""
    return packet(src, dst, proto, struct.pack("!HHI", sport, dport, 7))[2:]


def test_only_news_of_the_transport_comes_in(connected, flow):  # noqa: F811 - a fixture
    """An attacker on the LAN says "too large": it is believed of the transport, which any router could say. Of a connection inside the tunnel it is not
    believed, whatever address it is sent to, for the effect would show that the connection is there; and no other error is heard."""
    lab, mark = connected, connected.capture.mark()
    peers = lab.wan.run("ss", "-Htn", "state", "established", "sport", "=", f":{FLOW_PORT}").stdout.split()
    inner_port = int(peers[-1].rsplit(":", 1)[1])
    flow()
    sport = next(frame.sport for frame in lab.capture.since(mark) if frame.from_host and frame.dst == PEER4 and frame.dport == PEER_PORT)

    def heard(dst, inner, code=4):
        """Whether the host's ICMP has got it."""
        def count():
            text = lab.host.run("cat", "/proc/net/snmp").stdout.splitlines()
            names, values = (line.split() for line in text if line.startswith("Icmp:"))
            return int(values[names.index("InDestUnreachs")])
        before = count()
        lab.send_from_router([lab.host_mac() + lab.router_mac() + packet(GATEWAY4, dst, ICMP, too_large(inner, code))])
        lab.capture.fence()
        flow()
        return count() - before

    transport = quoted(HOST4, PEER4, UDP, sport, PEER_PORT)
    inside = quoted(TUNNEL_HOST4, PUBLIC4, TCP, inner_port, FLOW_PORT)
    assert heard(HOST4, transport) == 1, "the control: a router on the way"
    assert heard(HOST4, transport, code=3) == 0
    assert heard(HOST4, inside) == 0
    assert heard(TUNNEL_HOST4, inside) == 0
    assert heard(HOST4, quoted(HOST4, PUBLIC4, UDP, 1000, 443)) == 0, "a flow that is not there"
    flow()
