# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers behind the host share the tunnel's address: what the tracking of connections could give to the wrong one, or let in."""
import contextlib
import json
import socket
import subprocess

import pytest

import sandbox
from capture import UDP, none, select_frames
from lab import HOST4, OUTSIDE_DNS4, PEER4, PEER_PORT, PUBLIC4, TUNNEL_HOST4
from test_connect import only_transport
from test_leaks import assert_sealed

BRIDGE4 = "172.17.0.1"
PORT, SERVER_PORT, FTP_PORT = 40000, 5000, 21


def add_guest(lab, number):
    node = sandbox.Node(f"guest{number}")
    lab.nodes.append(node)
    argv = lab.host.argv("ip", "link", "add", f"veth{number}", "type", "veth", "peer", "name", "eth0", "netns", f"/proc/self/fd/{node.net_fd}")
    subprocess.run(argv, pass_fds=(lab.host.net_fd, lab.host.mount_fd, node.net_fd), check=True)
    lab.host.ip(f"link set veth{number} master docker0 up\nlink set docker0 up")
    node.address = f"172.17.0.{number + 1}"
    node.ip(f"link set eth0 up\naddr add {node.address}/16 dev eth0\nroute add default via {BRIDGE4}")
    return node


@pytest.fixture(name="guests")
def guests_fixture(host):
    """The lab, connected, with two containers behind a bridge of the host."""
    host.host.sysctl("net.ipv4.ip_forward", 1)
    host.host.ip(f"link add docker0 type bridge\nlink set docker0 up\naddr add {BRIDGE4}/16 dev docker0")
    host.first, host.second = add_guest(host, 1), add_guest(host, 2)
    host.connect()
    host.wait_until_works(TUNNEL_HOST4)
    return host


@pytest.fixture(name="stack")
def stack_fixture():
    with contextlib.ExitStack() as stack:
        yield stack


def udp(stack, node, address="0.0.0.0", port=PORT, freebind=False):
    with node.net():
        sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    if freebind:
        sock.setsockopt(socket.IPPROTO_IP, 15, 1)
    sock.bind((address, port))
    sock.settimeout(sandbox.SOON_S)
    return sock


def got(sock):
    """What has come, without waiting."""
    sock.setblocking(False)
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(sock.recv(100))
    sock.settimeout(sandbox.SOON_S)
    return found


def barrier(ping, server):
    """A round trip through the tunnel: what the server sent before has been dealt with."""
    ping.sendto(b"ping", (PUBLIC4, SERVER_PORT))
    _, client = server.recvfrom(100)
    server.sendto(b"pong", client)
    assert ping.recv(100) == b"pong"


@pytest.mark.parametrize("order", ["victim-first", "attacker-first"])
def test_port_shadow(guests, stack, order):
    """CVE-2021-3773: a guest that takes the same port to the same server as another, or as the host, gets nothing that is for them."""
    server = udp(stack, guests.wan, PUBLIC4, SERVER_PORT)
    other_server = udp(stack, guests.wan, OUTSIDE_DNS4, SERVER_PORT)
    clients = {"victim": udp(stack, guests.first), "attacker": udp(stack, guests.second), "host": udp(stack, guests.host)}
    ping = udp(stack, guests.host, port=0)
    ports = {}
    for name in clients if order == "victim-first" else reversed(clients):
        clients[name].sendto(name.encode(), (PUBLIC4, SERVER_PORT))
        data, address = server.recvfrom(100)
        assert data.decode() == name and address[0] == TUNNEL_HOST4
        ports[name] = address
    assert len(set(ports.values())) == 3
    for name, address in ports.items():
        server.sendto(f"for {name}".encode(), address)
    for name, sock in clients.items():
        assert sock.recv(100) == f"for {name}".encode()
    # Another server that the attacker knows may not reach the victim through the flow, and neither is anything left over for anybody.
    other_server.sendto(b"unasked", ports["victim"])
    other_server.sendto(b"unasked", ports["attacker"])
    barrier(ping, server)
    assert got(clients["victim"]) == got(clients["attacker"]) == []


def test_port_shadow_of_the_transport(guests, stack):
    """A guest that sends from the transport's own port to the server's own address and port: its packets go inside, the transport's answers stay the transport's."""
    mark = guests.capture.mark()
    guests.echo(PUBLIC4)
    port = select_frames(guests.capture.since(mark), from_host=True, proto=UDP, dport=PEER_PORT)[0].sport
    shadow = udp(stack, guests.first, port=port)
    mark = guests.capture.mark()
    for _ in range(20):
        shadow.sendto(b"SHADOW", (PEER4, PEER_PORT))
        assert guests.echo(PUBLIC4) == TUNNEL_HOST4
    assert got(shadow) == []
    frames = guests.capture.since(mark)
    only_transport(frames)
    assert not [frame for frame in frames if b"SHADOW" in frame.raw or (frame.from_host and frame.proto == UDP and frame.sport != port)]


HELPER = """table ip admin {
 ct helper ftp { type "ftp" protocol tcp; }
 chain out { type filter hook prerouting priority -100; tcp dport 21 ct helper set "ftp"; }
}
"""


def slipstream(lab, stack):
    """A guest's browser is made to say PORT to a server of the attacker's, who then connects to the port of another program. Returns what that program got."""
    with lab.wan.net():
        server = stack.enter_context(socket.create_server((PUBLIC4, FTP_PORT)))
    with lab.first.net():
        client = stack.enter_context(socket.create_connection((PUBLIC4, FTP_PORT), 5))
        program = stack.enter_context(socket.create_server(("0.0.0.0", 2222)))
    peer, _ = server.accept()
    stack.enter_context(peer)
    peer.settimeout(sandbox.SOON_S)
    client.send(b"USER x\r\n")  # the helper has to know where a line begins
    assert peer.recv(100) == b"USER x\r\n"
    client.send(f"PORT {lab.first.address.replace('.', ',')},{2222 >> 8},{2222 & 255}\r\n".encode())
    line = peer.recv(100).decode()
    numbers = [int(word) for word in line.split()[1].split(",")]
    address, port = ".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5]
    with lab.wan.net():
        attacker = stack.enter_context(socket.socket())
    attacker.bind((PUBLIC4, 0))
    attacker.settimeout(5)
    program.settimeout(5)
    with contextlib.suppress(OSError):
        attacker.connect((address, port))
    with contextlib.suppress(TimeoutError):
        return address, program.accept()[1][0]
    return address, None


def test_nat_slipstreaming(guests, stack):
    """A helper of the administrator's expects a connection for a guest: it is new and not an answer, so it is not let in."""
    guests.host.run("nft", "-f", "-", input=HELPER)
    address, caller = slipstream(guests, stack)
    assert address == TUNNEL_HOST4, "the helper was at work: it wrote the tunnel's address"
    assert caller is None
    guests.wait_until_works(TUNNEL_HOST4)


def test_control_nat_slipstreaming(guests, stack):
    """The same where nobody protects: the helper makes the hole, and the server comes through."""
    guests.vpnctl("disconnect", "--wait")
    guests.host.run("nft", "-f", "-", input=HELPER + f"table ip nat {{\n chain post {{ type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname eth0 snat to {HOST4}; }}\n}}\n")
    address, caller = slipstream(guests, stack)
    assert address == HOST4 and caller == PUBLIC4


def test_nothing_of_the_guests_leaks_with_an_administrators_nat(guests):
    """As docker sets it up: masquerading of the bridge on every other link. It changes no decision of ours."""
    guests.host.run("nft", "-f", "-", input="table ip nat {\n chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != docker0 masquerade; }\n}\n")
    mark = guests.capture.mark()
    done = guests.first.run("ping", "-c", "1", "-W", "8", PUBLIC4, check=False)
    assert done.returncode == 0, done.stdout
    assert_sealed(guests)
    guests.host.run("ip", "link", "del", "vpnd0", check=False)
    guests.first.run("ping", "-c", "1", "-W", "1", PUBLIC4, check=False)
    guests.wait_until_works(TUNNEL_HOST4)
    frames = guests.capture.since(mark)
    none(frames, from_host=True, dst=PUBLIC4)
    assert json.loads(guests.vpnctl("status", "--json").stdout)["blocking"] is True
