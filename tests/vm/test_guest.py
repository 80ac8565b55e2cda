# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the emulated machine: the installed package on Debian 12's kernels, with the kernel's own WireGuard, up to its removal."""
import json
import os
import pathlib
import subprocess

import pytest

import lab as lab_module
import sandbox
import test_bridge as bridges
from capture import TCP, UDP, none, seen
from lab import ECHO_PORT, GATEWAY4, GATEWAY6, HOST4, HOST6, NOBODY, PEER4, PEER_PORT, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4
from probes import leak_probes


class ThisMachine(sandbox.Node):
    """The guest itself, with its systemd, bus and resolved."""

    def __init__(self):  # noqa: super().__init__ would make namespaces
        self.name, self.processes = "host", []
        self.net_fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.mount_fd = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


class GuestLab(lab_module.Lab):
    def _make_nodes(self, resolv_conf):
        wan_run = self.scratch.folder("wan-run")
        self.host, self.lan, self.wan = ThisMachine(), sandbox.Node("lan"), sandbox.Node("wan", [(wan_run, "/run")])
        self.nodes += [self.host, self.lan, self.wan]
        self.host_run, self.vpnctl_path = pathlib.Path("/run"), "/usr/bin/vpnctl"

    def _start_bus(self, with_polkit):
        self.host.run("resolvectl", "dns", "eth0", lab_module.OUTSIDE_DNS4)

    def _start_peer(self):
        self.wan.run("ip", "link", "add", "wg0", "type", "wireguard")
        path = self.scratch.path / "peer.conf"
        path.write_text(f"[Interface]\nPrivateKey = {self.peer_private}\nListenPort = {PEER_PORT}\n[Peer]\nPublicKey = {self.host_public}\n"
                        f"PresharedKey = {self.preshared}\nAllowedIPs = {TUNNEL_HOST4}/32, {TUNNEL_HOST6}/128\n", encoding="ascii")
        self.wan.run("wg", "setconf", "wg0", path)
        self.wan.ip(f"addr add {TUNNEL_PEER4}/24 dev wg0\naddr add fd00:64::1/64 dev wg0 nodad\nlink set wg0 mtu 1420 up")

    def environment(self):
        return dict(os.environ)

    def vpnctl(self, *words, check=True, **options):
        done = super().vpnctl(*words, check=False, **options)
        if check and done.returncode:
            journal = self.host.run("journalctl", "--no-pager", "-n", "30", "-o", "short-monotonic", "-u", "vpnd", check=False).stdout
            raise AssertionError(f"vpnctl {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{journal}")
        return done

    def resolv_conf(self):
        return self.host.run("resolvectl", "dns").stdout


@pytest.fixture(name="guest", scope="module")
def guest_fixture():
    subprocess.run(["systemctl", "start", "vpnd"], check=True)
    with GuestLab() as one:
        one.before = one.snapshot()
        yield one


@pytest.fixture(name="connected")
def connected_fixture(guest):
    guest.vpnctl("import", "-", "demo", "--replace", input=guest.profile())
    guest.vpnctl("connect", "demo", "--wait", "--timeout", "60", timeout=120)
    yield guest
    guest.vpnctl("disconnect", "--wait", timeout=120)


def test_control_probes_are_seen(guest):
    mark = guest.capture.mark()
    guest.probe(leak_probes(0))
    seen(guest.capture.since(mark), from_host=True, dst=PUBLIC4, proto=UDP)
    seen(guest.capture.since(mark), from_host=True, dst=PUBLIC6, proto=UDP)


def test_connect_uses_the_kernel(connected):
    status = connected.status()
    assert status["backend"] == "kernel" and status["blocking"] is True
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    assert connected.echo(PUBLIC6, "tcp") == TUNNEL_HOST6
    assert "wireguard" in connected.host.run("ip", "-d", "link", "show", "vpnd0").stdout
    assert TUNNEL_PEER4 in connected.host.run("resolvectl", "dns", "vpnd0").stdout


def as_user(guest):
    """What the public server sees a program of an ordinary user as, by datagram and by stream, of both families."""
    answers = guest.probe([{"kind": kind, "address": address, "port": ECHO_PORT, "wait": 8000} for kind in ("udp", "tcp") for address in (PUBLIC4, PUBLIC6)], uid=NOBODY)
    return [(answer["reply"] or "nobody").removeprefix("you are ") for answer in answers]


def test_users_are_inside(connected):
    """What the kernel's WireGuard sends has the socket of the program inside, so the rules see it as that user's."""
    assert as_user(connected) == [TUNNEL_HOST4, TUNNEL_HOST6] * 2


def test_sealed(connected):
    mark = connected.capture.mark()
    connected.probe(leak_probes(0))
    frames = [f for f in connected.capture.since(mark) if f.from_host and f.proto not in (0, 58)]
    assert all(f.proto == UDP and f.dst == PEER4 and f.dport == PEER_PORT for f in frames), "\n".join(map(str, frames))
    none(frames, dport=53)


def test_flushed_table_is_put_back(connected):
    """Where the kernel cannot make a table that others may not flush (6.1), it is watched and put back."""
    connected.host.run("nft", "flush", "ruleset")
    sandbox.wait_until(lambda: "table inet vpnd" in connected.host.run("nft", "list", "tables").stdout, sandbox.SOON_S, "the table is back")
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4


def test_disconnect_leaves_the_host_as_before(guest):
    guest.vpnctl("import", "-", "demo", "--replace", input=guest.profile())
    guest.vpnctl("connect", "demo", "--wait", "--timeout", "60", timeout=120)
    guest.vpnctl("disconnect", "--wait", timeout=120)
    assert guest.difference(guest.before, guest.snapshot()) == ""
    assert guest.echo(PUBLIC4) == HOST4


def transport_links(guest):
    """Where the tunnel's own packets leave, as vpnd has found it."""
    found = json.loads(guest.vpnctl("routes", "--json").stdout)["routes"]
    return {one["entry"].split(" dev ")[1] for one in found if one["kind"] == "default"}


def test_a_vrf_is_another_network(guest):
    """One that is there first, with a default route of its own and a better metric, whose route then comes and goes, as does a link that joins it: the way out stays the
    host's, in both families, and what is in the VRF is not let out past the tunnel."""
    before = guest.snapshot()
    guest.host.ip(f"""link add red type vrf table 77
        link set red up
        link add red0 type veth peer name red1
        link set red0 master red
        link set red0 up
        link set red1 up
        addr add 198.51.100.50/24 dev red0
        addr add 2001:db8:77::2/64 dev red0 nodad
        route add default via {GATEWAY4} dev red0 table 77 metric 1
        route add default via 2001:db8:77::1 dev red0 table 77 metric 1""")
    connect(guest)
    assert transport_links(guest) == {"eth0"}
    assert guest.echo(PUBLIC4) == TUNNEL_HOST4 and guest.echo(PUBLIC6) == TUNNEL_HOST6
    for family, gateway in (("-4", GATEWAY4), ("-6", "2001:db8:77::1")):
        for turn in ("del", "add", "del"):
            guest.host.run("ip", family, "route", turn, "default", "via", gateway, "dev", "red0", "table", "77", "metric", "1")
    guest.host.run("ip", "link", "set", "red0", "nomaster")
    guest.host.run("ip", "link", "set", "red0", "master", "red")
    assert transport_links(guest) == {"eth0"} and guest.status()["state"] == "connected"
    assert guest.echo(PUBLIC4) == TUNNEL_HOST4
    answers = guest.probe([{"kind": "udp", "address": PUBLIC4, "port": ECHO_PORT, "device": device, "wait": 100} for device in ("red", "red0")])
    assert all(answer["reply"] is None for answer in answers), answers
    assert [row for row in json.loads(guest.vpnctl("routes", "--json").stdout)["routes"] if row["state"] == "missing"] == []
    guest.vpnctl("disconnect", "--wait", timeout=120)
    guest.host.ip("link del red0\nlink del red")
    guest.host.run("sh", "-c", "ip rule del priority 1000; ip -6 rule del priority 1000", check=False)  # the kernel's own, of the first VRF; it stays
    assert guest.difference(before, guest.snapshot()) == ""


LEAK_SYSCTLS = ("net.ipv4.udp_l3mdev_accept", "net.ipv4.tcp_l3mdev_accept")


def test_the_way_out_leads_through_a_vrf(guest):
    """The physical link belongs to a VRF, and the host's own table leads there (route leaking): that is a way out. It is found, the tunnel works, with the local network
    allowed too, and nothing but the transport leaves; when the route goes, the host is offline, and it comes back with it."""
    way = f"route add default via {GATEWAY4} dev eth0\nroute add default via {GATEWAY6} dev eth0"
    for family in ("-4", "-6"):  # the kernel makes them for the first VRF only, and they may have been deleted since
        guest.host.run("ip", family, "rule", "add", "l3mdev", "priority", "1000", check=False)
    guest.host.ip(f"""link add blue type vrf table 78
        link set blue up
        link set eth0 master blue
        link set eth0 up
        addr replace {HOST6}/64 dev eth0 nodad
        {way}""")
    for name in LEAK_SYSCTLS:  # what such a host has: sockets that are in no VRF hear what comes in by one
        guest.host.sysctl(name, 1)
    assert guest.echo(PUBLIC4) == HOST4 and guest.echo(PUBLIC6, "tcp") == HOST6, "the control: the host reaches the internet"
    connect(guest)
    guest.vpnctl("lan", "allow")
    assert transport_links(guest) == {"eth0"}
    mark = guest.capture.mark()
    assert guest.echo(PUBLIC4) == TUNNEL_HOST4 and guest.echo(PUBLIC6, "tcp") == TUNNEL_HOST6
    guest.probe(leak_probes(0) + [{"kind": kind, "address": address, "port": ECHO_PORT, "device": device} for kind in ("udp", "tcp") for address in (PUBLIC4, PUBLIC6) for device in ("blue", "eth0")])
    for address in (PUBLIC4, PUBLIC6):
        none(guest.capture.since(mark), from_host=True, dst=address)
    seen(guest.capture.since(mark), from_host=True, dst=PEER4, dport=PEER_PORT)
    guest.host.ip(f"route del default via {GATEWAY4} dev eth0\nroute del default via {GATEWAY6} dev eth0")
    sandbox.wait_until(lambda: guest.status()["cause"] == "offline", 20, "offline")
    guest.host.ip(way)
    sandbox.wait_until(lambda: guest.echo(PUBLIC4, wait=300) == TUNNEL_HOST4, 60, "connected again")
    guest.vpnctl("lan", "block")
    guest.vpnctl("disconnect", "--wait", timeout=120)
    for name in LEAK_SYSCTLS:
        guest.host.sysctl(name, 0)
    guest.host.ip(f"""link set eth0 nomaster
        link del blue
        link set eth0 up
        addr replace {HOST6}/64 dev eth0 nodad
        route replace default via {GATEWAY4} dev eth0
        route replace default via {GATEWAY6} dev eth0""")
    guest.host.run("sh", "-c", "ip rule del priority 1000; ip -6 rule del priority 1000", check=False)
    assert guest.echo(PUBLIC4) == HOST4


def test_bridge_with_the_kernels_transport(guest):
    """The kernel's socket is nobody's, and gets to the proxy; what programs send there does not. The relay has no mark, and connects while the tunnel is there."""
    bridges.add_bridge_addresses(guest)
    bridges.start_far_relay(guest)
    guest.vpnctl("import", "-", "demo", "--replace", input=guest.profile())
    guest.vpnctl("bridge", "demo", f"{bridges.BRIDGE4}:{bridges.TCP_PORT}/tcp", bridges.LOCAL_PORT)
    guest.vpnctl("connect", "demo")
    mark = guest.capture.mark()
    proxy = bridges.start_near_relay(guest)
    sandbox.wait_until(lambda: guest.status()["state"] == "connected", 90, "the tunnel by the relay")
    assert guest.status()["backend"] == "kernel"
    bridges.assert_works(guest)
    assert as_user(guest) == [TUNNEL_HOST4, TUNNEL_HOST6] * 2
    for uid in (0, NOBODY):
        for answer in guest.probe([{"kind": kind, "address": "127.0.0.1", "port": bridges.LOCAL_PORT, "payload": bridges.WORDS, "wait": 100} for kind in ("udp", "tcp")], uid=uid):
            assert answer["result"] in ("EPERM", "ECONNREFUSED"), answer
        guest.probe([{"kind": "udp", "address": PEER4, "port": PEER_PORT, "device": "eth0"}], uid=uid)
    frames = guest.capture.since(mark)
    bridges.assert_only(frames, bridges.BRIDGE4, TCP, bridges.TCP_PORT)
    assert not [f for f in frames if bridges.WORDS.encode() in f.raw]
    proxy.kill()
    proxy.wait()
    guest.vpnctl("disconnect", "--wait", timeout=120)
    assert guest.difference(guest.before, guest.snapshot()) == ""


def connect(guest):
    """By a profile of its own: a profile that is replaced keeps its bridge."""
    guest.vpnctl("import", "-", "plain", "--replace", input=guest.profile())
    guest.vpnctl("connect", "plain", "--wait", "--timeout", "60", timeout=120)


def test_stop_leaves_the_host_as_before(guest):
    connect(guest)
    guest.host.run("systemctl", "stop", "vpnd")
    assert guest.difference(guest.before, guest.snapshot()) == ""
    assert guest.echo(PUBLIC4) == HOST4


def test_stop_with_lockdown_leaves_the_rules_alone(guest):
    guest.host.run("systemctl", "start", "vpnd")
    connect(guest)
    guest.vpnctl("lockdown", "on")
    guest.host.run("systemctl", "stop", "vpnd")
    after = guest.snapshot()
    assert "table inet vpnd" in after["nft"]
    assert guest.difference(guest.before, after | {"nft": guest.before["nft"]}) == ""
    assert guest.echo(PUBLIC4, wait=500) is None
    guest.host.run("systemctl", "start", "vpnd")
    guest.vpnctl("lockdown", "off")
    assert guest.difference(guest.before, guest.snapshot()) == ""


def test_zz_purge_leaves_nothing(guest):
    """While connected, and with lockdown, which keeps the rules at a stop: the removal may not."""
    connect(guest)
    guest.vpnctl("lockdown", "on")
    guest.host.run("dpkg", "--purge", "vpnd", timeout=120)
    assert guest.difference(guest.before, guest.snapshot()) == ""
    assert guest.echo(PUBLIC4) == HOST4
    left = guest.host.run("find", "/", "/run", "-xdev", "-name", "*vpnd*", "-not", "-path", "/root/*", "-not", "-path", "/var/tmp/vpnd-lab*").stdout
    assert left == "", left
