# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Beside the rules that other programs keep: theirs and ours both mean what they meant, whoever loads first and whenever they load again. Measured by
packets; the rulesets have the shape of what firewalld, ufw, docker and libvirt write (tables, priorities, policies, the order of jumps)."""
import contextlib
import dataclasses
import json
import pathlib
import socket
import subprocess

import pytest

import sandbox
from flooding import Flood, only_transport
from lab import DEAD4, ECHO_PORT, HERE, HOST4, PEER_PORT, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_HOST6
from test_leaks import assert_sealed

IN_OK, IN_NO = 4455, 4466      # ports of the host that their rules open, and do not
OUT_NO, GUEST_NO = 4477, 4488  # ports anywhere that their rules keep the host, and the guest, from
PUBLISHED, GUEST_PORT = 8080, 80


@dataclasses.dataclass
class Neighbour:
    """A program with rules, and the network that it keeps for a guest."""
    name: str
    bridge: str
    gateway4: str
    guest4: str
    gateway6: str = ""
    guest6: str = ""
    publishes: bool = False

    def rules(self):
        return (HERE / f"neighbours/{self.name}.nft").read_text(encoding="ascii")


NEIGHBOURS = {
    "firewalld": Neighbour("firewalld", "docker0", "172.17.0.1", "172.17.0.2", "fd17::1", "fd17::2"),
    "ufw": Neighbour("ufw", "docker0", "172.17.0.1", "172.17.0.2", "fd17::1", "fd17::2"),
    "docker": Neighbour("docker", "docker0", "172.17.0.1", "172.17.0.2", "fd17::1", "fd17::2", publishes=True),
    "libvirt": Neighbour("libvirt", "virbr0", "192.168.122.1", "192.168.122.2"),
}


def load(lab, text):
    lab.host.run("nft", "-f", "-", input=text)


def listed(lab):
    """Their rules as they are, without what counts packets."""
    names = [line.removeprefix("table ").split() for line in lab.host.run("nft", "list", "tables").stdout.splitlines()]
    return "\n".join(lab.host.run("nft", "-s", "list", "table", *name).stdout for name in names if name != ["inet", "vpnd"])


def add_guest(lab, one):
    lab.guest = sandbox.Node("guest")
    lab.nodes.append(lab.guest)
    lab.host.sysctl("net.ipv4.ip_forward", 1)
    lab.host.sysctl("net.ipv6.conf.all.forwarding", 1)
    width = 16 if one.bridge == "docker0" else 24
    lab.host.ip(f"link add {one.bridge} type bridge\nlink set {one.bridge} up\naddr add {one.gateway4}/{width} dev {one.bridge}")
    argv = lab.host.argv("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", f"/proc/self/fd/{lab.guest.net_fd}")
    subprocess.run(argv, pass_fds=(lab.host.net_fd, lab.host.mount_fd, lab.guest.net_fd), check=True)
    lab.host.ip(f"link set veth0 master {one.bridge} up\nlink set {one.bridge} up")
    lab.guest.ip(f"link set eth0 up\naddr add {one.guest4}/{width} dev eth0\nroute add default via {one.gateway4}")
    if one.guest6:
        lab.host.ip("addr", "add", f"{one.gateway6}/64", "dev", one.bridge, "nodad")
        lab.guest.ip(f"addr add {one.guest6}/64 dev eth0 nodad\nroute add default via {one.gateway6}")


def listen(lab, node, *ports):
    for port in ports:
        with node.net():
            server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        lab.closers.append(server.close)


def reaches(node, address, port, wait_s=3):
    """Whether a TCP connection from there gets an answer."""
    with node.net():
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with client:
        client.settimeout(wait_s)
        with contextlib.suppress(OSError):
            client.connect((address, port))
            client.getpeername()  # an ICMP error that arrives while the socket is busy can end connect() without one
            return True
    return False


def misses(node, address, port):
    """That it gets none. What answers at all, answers much sooner than this."""
    return not reaches(node, address, port, 0.3)


def guest_echo(lab, address, kind="udp"):
    program = (pathlib.Path(__file__).parent / "probe.py").read_text(encoding="utf-8")
    answer = json.loads(lab.guest.run(PYTHON, "-c", program, input=json.dumps([{"kind": kind, "address": address, "port": ECHO_PORT, "wait": 3000}])).stdout)[0]
    return answer["reply"].removeprefix("you are ") if answer["reply"] else None


def answered(ask, source):
    """The answer is @source; a datagram that a busy machine loses is sent again."""
    answers = []

    def is_there():
        answers.append(ask())
        return answers[-1] is not None
    sandbox.wait_until(is_there, 20, f"an answer to {source}")
    assert answers[-1] == source


@pytest.fixture(name="place")
def place_fixture(lab, request):
    """The lab with a guest behind a bridge, and servers wherever a packet may want to go."""
    lab.one = NEIGHBOURS[request.param]
    add_guest(lab, lab.one)
    listen(lab, lab.host, IN_OK, IN_NO)
    listen(lab, lab.wan, OUT_NO, GUEST_NO)
    listen(lab, lab.guest, GUEST_PORT)
    assert reaches(lab.host, PUBLIC4, OUT_NO) and reaches(lab.lan, HOST4, IN_NO), "the servers can be reached where nobody has rules"
    return lab


def check_open(lab):
    """Their rules alone."""
    one = lab.one
    assert "vpnd" not in lab.host.run("nft", "list", "tables").stdout
    assert reaches(lab.lan, HOST4, IN_OK) and misses(lab.lan, HOST4, IN_NO)
    assert reaches(lab.host, PUBLIC4, GUEST_NO) and misses(lab.host, PUBLIC4, OUT_NO)
    assert guest_echo(lab, PUBLIC4) == HOST4 and misses(lab.guest, PUBLIC4, GUEST_NO)
    assert reaches(lab.host, one.guest4, GUEST_PORT) and reaches(lab.guest, one.gateway4, IN_OK)
    assert reaches(lab.lan, HOST4, PUBLISHED) if one.publishes else misses(lab.lan, HOST4, PUBLISHED)
    assert lab.echo(PUBLIC4) == HOST4


def check_connected(lab):
    """Theirs and ours: what both let through, and nothing that one of them does not."""
    one = lab.one
    for kind in ("udp", "tcp"):
        answered(lambda: lab.echo(PUBLIC4, kind), TUNNEL_HOST4)
        answered(lambda: lab.echo(PUBLIC6, kind), TUNNEL_HOST6)
        answered(lambda: guest_echo(lab, PUBLIC4, kind), TUNNEL_HOST4)
        if one.guest6:
            answered(lambda: guest_echo(lab, PUBLIC6, kind), TUNNEL_HOST6)
    assert reaches(lab.wan, TUNNEL_HOST4, IN_OK), "what they open is open to the tunnel"
    assert misses(lab.wan, TUNNEL_HOST4, IN_NO), "what they close is closed to the tunnel, too"
    assert reaches(lab.host, PUBLIC4, GUEST_NO) and misses(lab.host, PUBLIC4, OUT_NO)
    assert misses(lab.guest, PUBLIC4, GUEST_NO)
    assert reaches(lab.host, one.guest4, GUEST_PORT) and reaches(lab.guest, one.gateway4, IN_OK)
    for port in (IN_OK, IN_NO, PUBLISHED):
        assert misses(lab.lan, HOST4, port), "the network outside reaches nothing"


def check_closed(lab):
    """Blocked: nothing beside what never leaves the host."""
    one = lab.one
    assert_sealed(lab)
    assert guest_echo(lab, PUBLIC4) is None
    assert reaches(lab.host, one.guest4, GUEST_PORT) and reaches(lab.guest, one.gateway4, IN_OK)


def reload(lab, how):
    """As their services start again: one program flushes all and loads, another takes its own tables away and loads."""
    if how == "flush, then load":
        lab.host.run("nft", "flush", "ruleset", check=False)
        load(lab, lab.one.rules())
    elif how == "flush and load at once":
        load(lab, "flush ruleset\n" + lab.one.rules())
    else:
        tables = [line.split("{")[0].removeprefix("table ").strip() for line in lab.one.rules().splitlines() if line.startswith("table ")]
        load(lab, "\n".join(f"delete table {table}" for table in tables) + lab.one.rules())


@pytest.mark.parametrize("place", NEIGHBOURS, indirect=True)
def test_loaded_before_and_reloaded(place):
    """Their rules are there first, and are loaded again in each of the usual ways, while a user floods."""
    load(place, place.one.rules())
    before = listed(place)
    check_open(place)
    place.start_daemon()
    place.connect()
    flood, mark = Flood(place), place.capture.mark()
    flood.on()
    check_connected(place)
    for how in ("flush, then load", "flush and load at once", "own tables"):
        reload(place, how)
        flood.wait(20)
        check_connected(place)
        assert listed(place) == before
    flood.wait(20)
    flood.off()
    only_transport(place.capture.since(mark), "the network outside asked, and nobody may answer")
    place.vpnctl("disconnect", "--wait")
    assert listed(place) == before
    check_open(place)


@pytest.mark.parametrize("place", NEIGHBOURS, indirect=True)
def test_loaded_while_protected(place):
    """Ours are there first: blocked, then connected; theirs arrive, and go back to what they were at the end."""
    place.start_daemon()
    place.vpnctl("settings", "set", "lockdown", "on")
    load(place, place.one.rules())
    before = listed(place)
    check_closed(place)
    reload(place, "flush, then load")
    check_closed(place)
    place.vpnctl("import", "-", "dead", input=place.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    place.vpnctl("connect", "dead")
    check_closed(place)
    place.connect()
    check_connected(place)
    place.vpnctl("disconnect", "--wait")
    check_closed(place)
    place.vpnctl("settings", "set", "lockdown", "off")
    assert listed(place) == before
    check_open(place)
