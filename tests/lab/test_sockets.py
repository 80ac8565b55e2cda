# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that programs opened before the lock: ended, told to the program at once, and silent on the wire."""
import contextlib
import errno
import socket
import time

import pytest

import sandbox
from capture import TCP, UDP, none
from lab import GATEWAY4, GATEWAY6, HOST4, HOST6, PEER4, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4

PORT = 4712
SO_MARK = 36


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Pair:
    """A TCP connection from the host to a server elsewhere, which stays silent."""

    def __init__(self, client_node, server_node, address, source=None, dual=False):
        with server_node.net():
            server = socket.create_server((address, PORT), family=family_of(address))
        with client_node.net():
            self.client = socket.socket(socket.AF_INET6 if dual else family_of(address))
        with server:
            if source:
                self.client.bind((source, 0))
            self.client.settimeout(5)
            self.client.connect((f"::ffff:{address}" if dual else address, PORT))
            self.peer, _ = server.accept()
        self.port = self.client.getsockname()[1]

    def works(self):
        self.peer.settimeout(5)
        self.client.send(b"ping")
        return self.peer.recv(4) == b"ping"

    def close(self):
        self.client.close()
        self.peer.close()


def connected_udp(node, address, mark=None):
    with node.net():
        sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    if mark is not None:
        sock.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    sock.connect((address, PORT))
    return sock


def end_of(sock, timeout=1):
    """The error that a program gets within a second, None if the socket still lives."""
    sock.settimeout(timeout)
    try:
        sock.recv(1)
    except TimeoutError:
        return None
    except OSError as error:
        return errno.errorcode[error.errno]
    return "closed"


@pytest.mark.parametrize("address,dual", [(PUBLIC4, False), (PUBLIC6, False), (PUBLIC4, True)])
def test_tcp_of_before_is_ended_in_silence(host, address, dual):
    host.vpnctl("import", "-", "demo", input=host.profile())
    with contextlib.closing(Pair(host.host, host.wan, address, dual=dual)) as pair:
        assert pair.works()
        mark = host.capture.mark()
        start = time.monotonic()
        host.vpnctl("connect", "demo")
        assert end_of(pair.client) == "ECONNABORTED"
        assert time.monotonic() - start < 3  # vpnctl and the activation included
        host.wait_state("connected")
        frames = host.capture.since(mark)
    none(frames, from_host=True, proto=TCP)
    assert host.status()["warnings"] == []


def test_tcp_with_data_in_flight_is_ended_in_silence(host):
    """Half open, the far side gone silent, data unsent: no retransmission leaves after the lock."""
    host.vpnctl("import", "-", "demo", input=host.profile())
    with contextlib.closing(Pair(host.host, host.wan, PUBLIC4)) as pair:
        host.wan.run("nft", "-f", "-", input=f"add table inet quiet\nadd chain inet quiet in {{ type filter hook input priority 0; }}\nadd rule inet quiet in tcp dport {PORT} drop\n")
        pair.client.send(b"unanswered")
        host.vpnctl("connect", "demo")
        mark = host.capture.mark()
        assert end_of(pair.client) == "ECONNABORTED"
        sandbox.wait_until(lambda: host.status()["state"] == "connected", 10, "connected")
        frames = host.capture.since(mark)
    none(frames, from_host=True, proto=TCP)


@pytest.mark.parametrize("address", [PUBLIC4, PUBLIC6])
def test_connected_udp_of_before_is_ended(host, address):
    host.vpnctl("import", "-", "demo", input=host.profile())
    with connected_udp(host.host, address) as sock:
        mark = host.capture.mark()
        host.vpnctl("connect", "demo")
        assert end_of(sock) == "ECONNABORTED"
        with pytest.raises(OSError):
            sock.send(b"x")
        none(host.capture.since(mark), from_host=True, proto=UDP, dport=PORT)


def test_lockdown_is_a_lock(host):
    """It closes a host that was open, without a tunnel: what was open then does not wait for its end."""
    with contextlib.closing(Pair(host.host, host.wan, PUBLIC4)) as pair, connected_udp(host.host, PUBLIC6) as sock:
        assert pair.works()
        mark = host.capture.mark()
        host.vpnctl("lockdown", "on")
        assert end_of(pair.client) == "ECONNABORTED" and end_of(sock) == "ECONNABORTED"
        none(host.capture.since(mark), from_host=True, proto=TCP)
    host.vpnctl("lockdown", "off")
    host.vpnctl("settings", "set", "destroy-sockets", "false")
    with contextlib.closing(Pair(host.host, host.wan, PUBLIC4)) as pair:
        host.vpnctl("lockdown", "on")
        assert end_of(pair.client) is None
    host.vpnctl("lockdown", "off")


def test_what_may_stay_stays(host):
    """Loopback, own marks, an unconnected socket, and a local network that is allowed."""
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.vpnctl("lan", "allow")
    host.lan.run("ip", *"addr add 10.9.9.1/24 dev lan0".split())
    host.host.run("ip", *"addr add 10.9.9.2/24 dev eth0".split())
    with contextlib.ExitStack() as stack:
        loopback = [stack.enter_context(contextlib.closing(Pair(host.host, host.host, address))) for address in ("127.0.0.1", "::1", HOST4)]
        lan = stack.enter_context(contextlib.closing(Pair(host.host, host.lan, "10.9.9.1")))
        marked = stack.enter_context(connected_udp(host.host, PUBLIC4, mark=0x56000000))
        with host.host.net():
            unconnected = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        unconnected.bind(("0.0.0.0", 0))
        public = stack.enter_context(contextlib.closing(Pair(host.host, host.lan, GATEWAY4)))
        host.vpnctl("connect", "demo", "--wait", "--timeout", "20")
        assert end_of(public.client) == "ECONNABORTED"
        for pair in (*loopback, lan):
            assert pair.works()
        assert end_of(marked, 0.1) is None and end_of(unconnected, 0.1) is None


def test_lan_is_ended_where_it_is_blocked(host):
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.lan.run("ip", *"addr add 10.9.9.1/24 dev lan0".split())
    host.host.run("ip", *"addr add 10.9.9.2/24 dev eth0".split())
    with contextlib.closing(Pair(host.host, host.lan, "10.9.9.1")) as pair:
        host.vpnctl("connect", "demo", "--wait", "--timeout", "20")
        assert end_of(pair.client) == "ECONNABORTED"


def test_connections_inside_the_tunnel_survive_a_reconnect(connected):
    with contextlib.closing(Pair(connected.host, connected.wan, TUNNEL_PEER4, source=TUNNEL_HOST4)) as pair:
        assert pair.works()
        connected.vpnctl("reconnect", "--wait")
        assert end_of(pair.client, 0.2) is None


@pytest.mark.parametrize("how", ["disconnect", "stop", "disconnect-from-error"])
def test_connections_inside_the_tunnel_end_with_it(connected, how):
    """What they say would be seen in the clear, from the tunnel's address: the kernel lets a socket of IPv6 keep an address that is gone."""
    connected.wait_until_works(TUNNEL_HOST4)
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(contextlib.closing(Pair(connected.host, connected.wan, address))) for address in (PUBLIC4, PUBLIC6)]
        flows = [stack.enter_context(connected_udp(connected.host, address)) for address in (PUBLIC4, PUBLIC6)]
        assert all(pair.works() for pair in pairs)
        assert {sock.getsockname()[0] for sock in (*flows, *(pair.client for pair in pairs))} == {TUNNEL_HOST4, TUNNEL_HOST6}
        mark = connected.capture.mark()
        if how == "disconnect":
            connected.vpnctl("disconnect", "--wait")
        elif how == "stop":
            connected.daemons[-1].stop()
        else:
            connected.host.run("ip", "route", "del", "default")
            connected.host.run("ip", "-6", "route", "del", "default")
            connected.wait_state("error")
            connected.vpnctl("disconnect", "--wait")
            connected.host.ip(f"route add default via {GATEWAY4} dev eth0\nroute add default via {GATEWAY6} dev eth0")
        for sock in (*flows, *(pair.client for pair in pairs)):
            assert end_of(sock) == "ECONNABORTED"
            with pytest.raises(OSError):
                sock.send(b"INSIDE")
        frames = connected.capture.since(mark)
    none(frames, from_host=True, src=TUNNEL_HOST4)
    none(frames, from_host=True, src=TUNNEL_HOST6)
    assert not [frame for frame in frames if b"INSIDE" in frame.raw]


def test_udp_at_the_address_of_the_tunnel_is_told_of_its_end(connected):
    """A program that has asked for the tunnel's address to be sure of the way, and names its peers one by one: the kernel would let it go on, of IPv6."""
    with connected.host.net():
        own = [socket.socket(family_of(address), socket.SOCK_DGRAM) for address in (TUNNEL_HOST4, TUNNEL_HOST6)]
        other = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with contextlib.ExitStack() as stack:
        for sock, address in zip((*own, other), (TUNNEL_HOST4, TUNNEL_HOST6, HOST6), strict=True):
            stack.enter_context(sock).bind((address, 0))
        connected.vpnctl("reconnect", "--wait")
        assert [end_of(sock, 0.1) for sock in own] == [None, None], "the address is there still"
        connected.vpnctl("disconnect", "--wait")
        assert [end_of(sock) for sock in own] == ["ECONNABORTED", "ECONNABORTED"]
        assert end_of(other, 0.1) is None


def test_setting_off_leaves_them(host):
    """The control: without the feature the socket of before lives on, held by the rules, and comes back to life after it."""
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.vpnctl("settings", "set", "destroy-sockets", "off")
    with contextlib.closing(Pair(host.host, host.wan, PUBLIC4)) as pair:
        host.vpnctl("connect", "demo", "--wait", "--timeout", "20")
        assert end_of(pair.client, 0.3) is None
        host.vpnctl("disconnect", "--wait")
        assert pair.works()


def test_transport_lives(connected):
    """The transport's own socket is not taken for a program's: the tunnel carries traffic through every start."""
    for _ in range(3):
        connected.vpnctl("reconnect", "--wait")
        assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    assert connected.status()["peers"][0]["endpoint"].startswith(PEER4)
