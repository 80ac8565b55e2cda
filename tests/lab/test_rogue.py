# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local network that attacks with what networks are made of: DHCP (a real server and a real client), router advertisements, addresses, names, neighbour
discovery, a second link, guests of this host. Each attack has a control that shows that it works on a host without protection."""
import contextlib
import ipaddress
import json
import re
import socket
import struct
import subprocess
import time

import pytest

import capture
import sandbox
from capture import ICMPV6, TCP, UDP, none, seen
from lab import (DEAD4, ECHO_PORT, GATEWAY4, HOST4, HOST6, NOBODY, OUTSIDE_DNS4, PEER4, PEER6, PEER_PORT, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_HOST6,
                 TUNNEL_PEER4)
from probes import leak_probes
from test_attack import leaked, packet, summed
from test_connect import only_transport
from test_leaks import assert_sealed
from test_repair import fake_logind, sleep_and_wake, traffic_again

ROGUE4 = "198.51.100.66"  # what the attacker says is the way
LEASES = ("198.51.100.100", "198.51.100.120")
LINK_LOCAL_ALL = "ff02::1"


# --- TunnelVision (CVE-2024-3661): DHCP option 121

@contextlib.contextmanager
def dhcp_server(lab, routes):
    """dnsmasq on the router, with classless routes (RFC 3442) by way of the attacker."""
    lab.lan.run("ip", "addr", "replace", f"{ROGUE4}/24", "dev", "lan0")
    option = ",".join(f"{route},{ROGUE4}" for route in routes)
    folder = lab.scratch.folder("dhcp-server")
    with open(folder / "log", "wb") as log:
        server = lab.lan.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--interface=lan0", "--bind-interfaces", "--no-ping",
                               f"--dhcp-range={LEASES[0]},{LEASES[1]},255.255.255.0,1h", f"--dhcp-option=3,{GATEWAY4}", f"--dhcp-option=6,{OUTSIDE_DNS4}",
                               f"--dhcp-option=121,{option}", f"--dhcp-leasefile={folder}/leases", "--pid-file=", "--log-facility=-", stdout=log, stderr=subprocess.STDOUT)
    sandbox.wait_until(lambda: "sockets bound" in (folder / "log").read_text(encoding="utf-8") or server.poll() is not None, sandbox.SOON_S, "dnsmasq")
    assert server.poll() is None, (folder / "log").read_text(encoding="utf-8")
    try:
        yield
    finally:
        server.kill()
        server.wait()


def dhcp_client(lab):
    """dhclient with Debian's own scripts, which put the address, the routes and the resolver of the lease in force; returns the address when they have."""
    folder = lab.host_run / "dhclient"
    folder.mkdir(exist_ok=True)
    with open(folder / "log", "wb") as log:
        client = lab.host.start("dhclient", "-4", "-1", "-d", "-lf", folder / "leases", "-pf", folder / "pid", "eth0", stdout=log, stderr=subprocess.STDOUT)
    found = sandbox.wait_until(lambda: re.search(r"bound to ([\d.]+)", (folder / "log").read_text(encoding="utf-8")) or client.poll() is not None, 30, "a lease")
    client.kill()  # what it has set up stays
    client.wait()
    assert found is not True, (folder / "log").read_text(encoding="utf-8")
    return found.group(1)


def way_to(lab, address, *words):
    """The next hop that the routes without ours give."""
    return json.loads(lab.host.run("ip", "-j", "route", "get", address, *words).stdout)[0].get("gateway")


# With option 121 a client leaves option 3 alone (RFC 3442): there is no default route but for these two halves.
HOSTILE_ROUTES = (f"{PUBLIC4}/32", "0.0.0.0/1", "128.0.0.0/1", f"{TUNNEL_PEER4}/32", f"{PEER4}/32")


def test_control_dhcp_option_121_takes_the_traffic(lab):
    lab.host.ip("-4", "addr", "flush", "dev", "eth0")
    with dhcp_server(lab, HOSTILE_ROUTES):
        address = dhcp_client(lab)
    for target in (PUBLIC4, TUNNEL_PEER4, "192.0.2.1", "9.9.9.9"):
        assert way_to(lab, target) == ROGUE4
    assert lab.echo(PUBLIC4) == address


@pytest.mark.parametrize("lan", ["block", "allow"])
@pytest.mark.parametrize("when", ["before", "while-connected"])
def test_tunnelvision_by_dhcp(host, when, lan):
    """Neither seen on the link nor cut off: TCP, UDP and names are answered through the tunnel."""
    host.vpnctl("lan", lan)
    if when == "while-connected":
        host.connect()
    else:
        host.host.ip("-4", "addr", "flush", "dev", "eth0")
    mark = host.capture.mark()
    with dhcp_server(host, HOSTILE_ROUTES):
        dhcp_client(host)
    assert way_to(host, PUBLIC4, "mark", "0x56000000") == ROGUE4, "the routes of the lease are in force"
    if when == "before":
        host.connect()
    host.wait_until_works(TUNNEL_HOST4)
    mark = mark if when == "while-connected" else host.capture.mark()
    for kind in ("udp", "tcp"):
        assert host.echo(PUBLIC4, kind) == TUNNEL_HOST4
        assert host.echo(PUBLIC6, kind) == TUNNEL_HOST6
    asked = len(host.services.questions)
    assert host.host.run("getent", "ahostsv4", "victim.example").stdout
    assert {question[:2] for question in host.services.questions[asked:]} == {(TUNNEL_PEER4, TUNNEL_HOST4)}
    probes = [{"kind": kind, "address": address, "port": port, "device": device, "wait": 50} for kind in ("udp", "tcp")
              for address, port in ((PUBLIC4, ECHO_PORT), (TUNNEL_PEER4, 53), (OUTSIDE_DNS4, 53), ("9.9.9.9", 853)) for device in ("eth0", None)]
    for uid in (0, NOBODY):
        host.probe(probes, uid=uid)
    frames = [frame for frame in host.capture.since(mark) if frame.from_host and frame.proto in (TCP, UDP)]
    assert not [frame for frame in frames if frame.dst in (PUBLIC4, PUBLIC6, TUNNEL_PEER4, OUTSIDE_DNS4, "9.9.9.9")]
    assert not [frame for frame in frames if (frame.dst, frame.dport) not in ((PEER4, PEER_PORT), ("255.255.255.255", 67))]


# --- TunnelVision: route information of a router advertisement (RFC 4191)

def router_link_local(lab):
    found = [a["local"] for link in json.loads(lab.lan.run("ip", "-j", "-6", "addr", "show", "dev", "lan0").stdout) for a in link["addr_info"] if a["scope"] == "link"]
    return found[0]


def advertisement(lab, prefixes):
    """Of high preference, to all hosts of the link: a default route and these more specific ones."""
    source = router_link_local(lab)
    raw = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x08, 1800, 0, 0)
    for prefix in map(ipaddress.ip_network, prefixes):
        raw += struct.pack("!BBBBI16s", 24, 3, prefix.prefixlen, 0x08, 1800, prefix.network_address.packed)
    return bytes.fromhex("333300000001") + lab.router_mac() + summed(source, LINK_LOCAL_ALL, ICMPV6, raw, 2)


HOSTILE_PREFIXES = (f"{PUBLIC6}/128", "2001:db8:2::/64", "::/1", "8000::/1", "fd00:64::1/128")


def listen_to_routers(lab):
    for key, value in (("accept_ra", 2), ("accept_ra_defrtr", 1), ("accept_ra_rt_info_max_plen", 128)):
        lab.host.sysctl(f"net.ipv6.conf.eth0.{key}", value)


def advertise(lab):
    lab.send_from_router([advertisement(lab, HOSTILE_PREFIXES)])
    return sandbox.wait_until(lambda: all(text in lab.host.run("ip", "-6", "route").stdout for text in ("::/1 via", "8000::/1 via", f"{PUBLIC6} via")), sandbox.SOON_S, "the routes of the router")


def test_control_route_information_takes_the_traffic(lab):
    listen_to_routers(lab)
    advertise(lab)
    for target in (PUBLIC6, "2001:db8:9::1", "fd00:64::1"):
        assert way_to(lab, target) == router_link_local(lab)
    mark = lab.capture.mark()
    assert lab.echo(PUBLIC6) == HOST6
    seen(lab.capture.since(mark), from_host=True, dst=PUBLIC6, dport=ECHO_PORT)


@pytest.mark.parametrize("lan", ["block", "allow"])
@pytest.mark.parametrize("when", ["before", "while-connected"])
def test_tunnelvision_by_router_advertisement(host, when, lan):
    host.vpnctl("lan", lan)
    listen_to_routers(host)
    if when == "while-connected":
        host.connect(endpoint=f"[{PEER6}]:{PEER_PORT}")
    advertise(host)
    if when == "before":
        host.connect(endpoint=f"[{PEER6}]:{PEER_PORT}")
    host.wait_until_works(TUNNEL_HOST4)
    mark = host.capture.mark()
    for kind in ("udp", "tcp"):
        assert host.echo(PUBLIC6, kind) == TUNNEL_HOST6
        assert host.echo(PUBLIC4, kind) == TUNNEL_HOST4
    for uid in (0, NOBODY):
        host.probe([{"kind": kind, "address": address, "port": ECHO_PORT, "device": device, "wait": 50} for kind in ("udp", "tcp", "icmp")
                    for address in (PUBLIC6, "2001:db8:9::1", "fd00:64::1") if lan == "block" or address != "fd00:64::1" for device in ("eth0", None)], uid=uid)
    only_transport(host.capture.since(mark), PEER6)


# --- TunnelCrack

@pytest.mark.parametrize("lan", ["block", "allow"])
@pytest.mark.parametrize("address,target,tunnel", [("203.0.113.6/31", PUBLIC4, TUNNEL_HOST4), ("2001:db8:2::6/127", PUBLIC6, TUNNEL_HOST6)])
def test_tunnelcrack_local_net(host, address, target, tunnel, lan):
    """CVE-2023-36672 and 35838: the network says that a public server is in it. Not reached beside the tunnel, and not cut off either."""
    host.vpnctl("lan", lan)
    host.host.run("ip", "addr", "add", address, "dev", "eth0", *(("nodad",) if ":" in address else ()))
    mark = host.capture.mark()
    host.probe([{"kind": "udp", "address": target, "port": ECHO_PORT}])
    host.capture.wait(lambda frame: frame.from_host and (frame.arp_op == 1 and frame.dst == target or frame.icmp_type == 135), mark, "the control: the host looks for it on the link")
    host.connect()
    mark = host.capture.mark()
    for kind in ("udp", "tcp"):
        assert host.echo(target, kind) == tunnel
    for uid in (0, NOBODY):
        host.probe([{"kind": kind, "address": target, "port": port, "device": device, "wait": 50} for kind in ("udp", "tcp") for port in (53, 443) for device in ("eth0", None)], uid=uid)
    frames = host.capture.since(mark)
    none(frames, from_host=True, dst=target)


def test_tunnelcrack_network_that_holds_the_server(connected):
    """The network claims the server itself: the tunnel is cut off, which is a denial that any network can make, and nothing goes there."""
    connected.host.run("ip", "addr", "add", "203.0.113.3/31", "dev", "eth0")
    mark = connected.capture.mark()
    assert connected.echo(PUBLIC4, wait=300) is None
    assert_sealed(connected)
    frames = connected.capture.since(mark)
    none(frames, from_host=True, dst=PUBLIC4)
    none(frames, from_host=True, proto=TCP)
    assert connected.status()["blocking"] is True
    connected.host.run("ip", "addr", "del", "203.0.113.3/31", "dev", "eth0")
    connected.wait_until_works(TUNNEL_HOST4)


@pytest.mark.parametrize("name", [False, True], ids=["address", "spoofed-name"])
def test_tunnelcrack_server_ip(host, name):
    """CVE-2023-36671 and 36673: the name of the server is answered with the address of a victim. Its packets go through the tunnel like all others; the
    only thing that the link sees is the transport."""
    victim = PUBLIC4 if name else PEER4
    host.connect(endpoint=f"{'vpn.provider.example' if name else victim}:{PEER_PORT}")
    assert host.status()["peers"][0]["endpoint"].startswith(victim)
    mark = host.capture.mark()
    for kind in ("udp", "tcp"):
        assert host.echo(victim, kind) == TUNNEL_HOST4
    for uid in (0, NOBODY):
        host.probe([{"kind": kind, "address": victim, "port": port, "device": device, "wait": 50, "payload": "PLAINTEXT"} for kind in ("udp", "tcp", "icmp")
                    for port in (PEER_PORT, ECHO_PORT, 443, 53) for device in ("eth0", None)], uid=uid)
    frames = host.capture.since(mark)
    only_transport(frames, victim)
    assert not [frame for frame in frames if b"PLAINTEXT" in frame.raw]
    for family in ("-4", "-6"):
        assert victim not in host.host.run("ip", family, "route", "show", "table", "all").stdout.replace(f"local {victim}", "")


# --- what the link can learn (MLLVD-CR-24-03, CVE-2019-14899)

def solicitation(lab, target, to_all):
    """Who has the target? Asked of its group, and of the host straight."""
    source, packed = router_link_local(lab), ipaddress.ip_address(target).packed
    group = ipaddress.ip_address(bytes.fromhex("ff0200000000000000000001ff") + packed[13:])
    raw = struct.pack("!BBHI16s", 135, 0, 0, 0, packed) + b"\x01\x01" + lab.router_mac()
    return (b"\x33\x33" + group.packed[12:] if to_all else lab.host_mac()) + lab.router_mac() + summed(source, str(group) if to_all else target, ICMPV6, raw, 2)


@pytest.mark.parametrize("lan", ["block", "allow"])
def test_neighbour_solicitation_for_the_tunnel_address_is_not_answered(connected, lan):
    connected.vpnctl("lan", lan)
    mark = connected.capture.mark()
    connected.send_from_router([solicitation(connected, target, to_all) for target in (TUNNEL_HOST6, HOST6) for to_all in (True, False)])
    connected.capture.wait(lambda frame: frame.from_host and frame.icmp_type == 136 and frame.src == HOST6, mark, "the control: the answer for the host's own address")
    for frame in connected.capture.since(mark):
        assert not (frame.from_host and frame.icmp_type == 136 and ipaddress.ip_address(TUNNEL_HOST6).packed in frame.raw)


def test_control_neighbour_solicitation_without_protection(lab):
    lab.host.run("ip", "addr", "add", f"{TUNNEL_HOST6}/128", "dev", "eth0", "nodad")
    mark = lab.capture.mark()
    lab.send_from_router([solicitation(lab, TUNNEL_HOST6, True)])
    lab.capture.wait(lambda frame: frame.from_host and frame.icmp_type == 136 and ipaddress.ip_address(TUNNEL_HOST6).packed in frame.raw, mark, "an answer")


# --- names and networks that come late

def test_names_through_every_change_of_state(host):
    """Programs that ask for names all the time, by the host's own resolver: no question is seen on the link, in no moment of any change."""
    for name, text in (("one", host.profile()), ("two", host.profile(extra="MTU = 1300")), ("dead", host.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))):
        host.vpnctl("import", "-", name, input=text)
    ask = "import itertools, os, socket, sys\nprint('R', flush=True)\nfor n in itertools.count():\n try:\n  socket.getaddrinfo(f'name-{os.getpid()}-{n}.example', 80)\n except OSError:\n  pass\n"
    environment = host.environment() | {"RES_OPTIONS": "timeout:1 attempts:1"}
    askers = [host.host.start(*host.as_user(uid), PYTHON, "-c", ask, env=environment, stdout=subprocess.PIPE) for uid in (0, NOBODY)]
    for asker in askers:
        assert asker.stdout.readline() == b"R\n"
    mark = host.capture.mark()
    host.capture.wait(lambda frame: frame.from_host and frame.dport == 53, mark, "the control: questions without protection")
    host.vpnctl("lockdown", "on")
    logind = fake_logind(host)
    mark, inside = host.capture.mark(), len(host.services.questions)
    for words in ("connect one --wait", "reconnect --wait", "connect two --wait", "connect dead", "connect one --wait", "settings set ipv6 false", "settings set ipv6 true",
                  "settings set dns-servers 9.9.9.9", "settings set dns-servers 10.64.0.1", "lan allow", "disconnect --wait", "connect two --wait", "disconnect --wait"):
        host.vpnctl(*words.split())
    host.vpnctl("connect", "one", "--wait")
    for old, new in ((HOST4, "198.51.100.78"), ("198.51.100.78", HOST4)):  # asleep, and awake with another address
        traffic_again(host, sleep_and_wake(host, logind, f"addr del {old}/24 dev eth0", f"addr add {new}/24 dev eth0", f"route replace default via {GATEWAY4} dev eth0"), 3)
    host.daemons[-1].kill()
    host.start_daemon()
    host.wait_state("error")
    frames = host.capture.since(mark)
    assert all(asker.poll() is None for asker in askers)
    for port in (53, 853, 5353, 5355):
        none(frames, from_host=True, dport=port)
    assert any(server == TUNNEL_PEER4 and name.startswith("name-") for server, _, name in host.services.questions[inside:]), "questions in the tunnel"


def test_ipv6_that_comes_after_an_ipv4_tunnel(host):
    """RFC 7359: the tunnel has IPv4 only, and the link gets IPv6 while it is up. Nothing leaves by it, and programs are told at once."""
    host.host.ip("-6", "addr", "flush", "dev", "eth0", "scope", "global")
    text = host.profile().replace(f", {TUNNEL_HOST6}/128", "").replace(", ::/0", "")
    host.vpnctl("import", "-", "four", input=text)
    host.vpnctl("connect", "four", "--wait")
    mark = host.capture.mark()
    host.host.ip(f"addr add {HOST6}/64 dev eth0 nodad\nroute replace default via 2001:db8:1::1 dev eth0")
    took = []
    for uid in (0, NOBODY):
        for device in ("eth0", None):
            for kind in ("tcp", "udp"):
                start = time.monotonic()
                answer = host.probe([{"kind": kind, "address": PUBLIC6, "port": ECHO_PORT, "device": device, "wait": 3000}], uid=uid)[0]
                took.append(time.monotonic() - start)
                assert answer["result"] in ("ECONNREFUSED", "EPERM", "ENETUNREACH", "EACCES", "EHOSTUNREACH"), (uid, device, answer)
        host.probe([probe for probe in leak_probes(uid) if ":" in probe["address"]], uid=uid)
    assert min(took) < 1, f"{took}: a start of the program included"
    assert host.echo(PUBLIC4) == TUNNEL_HOST4
    frames = host.capture.since(mark)
    none(frames, from_host=True, dst=PUBLIC6)
    only_transport(frames)


def listed(lab):
    return lab.host.run("nft", "list", "chain", "inet", "vpnd", "output").stdout


def add_link(lab, number, index=None):
    """Another link between the router and the host, with a router of its own and a better metric than any, as a phone that is plugged in."""
    subprocess.run(lab.host.argv("ip", "link", "add", f"eth{number}", *(["index", index] if index else []), "type", "veth", "peer", "name", f"lan{number}",
                                 "netns", f"/proc/self/fd/{lab.lan.net_fd}"), pass_fds=(lab.host.net_fd, lab.host.mount_fd, lab.lan.net_fd), check=True)
    lab.lan.ip(f"addr add 192.0.2.1/24 dev lan{number}\nlink set lan{number} up")
    found = capture.Capture(lab.lan, f"lan{number}", lab.host, f"eth{number}")
    lab.closers.append(found.close)
    lab.host.ip(f"addr add 192.0.2.2/24 dev eth{number}\nlink set eth{number} up\nroute prepend default via 192.0.2.1 dev eth{number}")
    return found


def test_second_link_that_is_plugged_in(connected):
    """A better default route by a new link: nothing but the transport leaves by either."""
    second = add_link(connected, 1)
    marks = connected.capture.mark(), second.mark()
    connected.wait_until_works(TUNNEL_HOST4)
    for uid in (0, NOBODY):
        for device in (None, "eth0", "eth1"):
            connected.probe([probe | {"device": device, "wait": 20} for probe in leak_probes(uid) if device or probe["kind"] != "raw"], uid=uid)
    assert connected.echo(PUBLIC4, "tcp") == TUNNEL_HOST4
    for link, mark in zip((connected.capture, second), marks, strict=True):
        none(link.since(mark), from_host=True, proto=TCP)
        found = [frame for frame in link.since(mark) if frame.from_host and frame.proto == UDP and (frame.dst, frame.dport) != (PEER4, PEER_PORT)]
        assert not found, found[0]
        assert not [frame for frame in link.since(mark) if frame.from_host and b"probe" in frame.raw]


def flow_inside(lab):
    """A socket that talks by the tunnel: its flow is established, in the words of connection tracking."""
    with lab.host.net():
        flow = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    flow.settimeout(1)
    flow.connect((PUBLIC6, ECHO_PORT))
    flow.send(b"probe")
    assert flow.recv(100).decode() == f"you are {TUNNEL_HOST6}"
    return flow


def test_link_with_the_index_of_the_tunnel(connected):
    """The tunnel's link is deleted, and a physical one has the number that it had: it is a link like any other, for flows of before, too."""
    index = connected.host.run("ip", "-o", "link", "show", "vpnd0").stdout.split(":")[0]
    with flow_inside(connected) as flow:
        sandbox.wait_until(lambda: f"oif {index} " in listed(connected) or 'oif "vpnd0"' in listed(connected), sandbox.SOON_S, "the number is in the rules")
        connected.host.ip("link", "del", "vpnd0")
        second = add_link(connected, 1, index)
        assert connected.host.run("ip", "-o", "link", "show", "eth1").stdout.split(":")[0] == index
        connected.host.ip("-6", "route", "add", PUBLIC6, "dev", "eth1")
        mark = second.mark()
        for _ in range(100):
            with contextlib.suppress(OSError):
                flow.send(b"probe")
        connected.wait_until_works(TUNNEL_HOST4)
        for _ in range(100):
            with contextlib.suppress(OSError):
                flow.send(b"probe")
    connected.probe([probe | {"device": "eth1", "wait": 20} for probe in leak_probes(NOBODY)], uid=NOBODY)
    none(second.since(mark), from_host=True, proto=TCP)
    assert not [frame for frame in second.since(mark) if frame.from_host and b"probe" in frame.raw]


def test_index_of_the_tunnel_while_nobody_watches(connected):
    """vpnd and wireguard-go are dead, the rules stand as they were, and a physical link has the number that the tunnel's had."""
    index = connected.host.run("ip", "-o", "link", "show", "vpnd0").stdout.split(":")[0]
    with flow_inside(connected) as flow:
        connected.daemons[-1].kill()
        connected.kill_wireguard()
        sandbox.wait_until(lambda: "vpnd0" not in connected.host.run("ip", "link", "show").stdout, sandbox.SOON_S, "the tunnel's link is gone")
        second = add_link(connected, 1, index)
        connected.host.run("ip", "-6", "addr", "add", "2001:db8:9::2/64", "dev", "eth1", "nodad")
        connected.host.ip("-6", "route", "add", PUBLIC6, "via", "2001:db8:9::1", "dev", "eth1")
        connected.host.ip("-6", "neigh", "add", "2001:db8:9::1", "lladdr", "02:00:00:00:00:09", "dev", "eth1")
        mark = second.mark()
        for _ in range(100):
            with contextlib.suppress(OSError):
                flow.send(b"probe")
        connected.probe([probe | {"device": "eth1", "wait": 20} for probe in leak_probes(NOBODY)], uid=NOBODY)
    found = [frame for frame in second.since(mark) if frame.from_host and b"probe" in frame.raw]
    assert not found, (len(found), found[0])


def test_control_second_link_takes_the_traffic(lab):
    second = add_link(lab, 1)
    mark = second.mark()
    lab.probe([{"kind": "udp", "address": PUBLIC4, "port": ECHO_PORT}])
    second.wait(lambda frame: frame.from_host and frame.dst == PUBLIC4, mark, "the probe on the new link")


def test_no_probe_of_its_own(host):
    """Captive portals and connectivity: vpnd asks nobody anything, in no state. Beside the transport the host is silent."""
    host.vpnctl("import", "-", "dead", input=host.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    mark = host.capture.mark()
    host.host.ip("link set eth0 down\nlink set eth0 up")
    host.host.run("ip", "route", "replace", "default", "via", GATEWAY4, "dev", "eth0")
    assert host.status()["state"] == "disconnected"
    none(host.capture.since(mark), from_host=True, proto=TCP)
    none(host.capture.since(mark), from_host=True, proto=UDP)
    host.vpnctl("connect", "dead")
    host.capture.wait(lambda frame: frame.from_host and frame.dst == DEAD4, mark, "a handshake")
    host.host.ip("link set eth0 down\nlink set eth0 up")
    host.host.run("ip", "route", "replace", "default", "via", GATEWAY4, "dev", "eth0")
    host.connect()
    host.wait_until_works(TUNNEL_HOST4)
    found = [frame for frame in host.capture.since(mark) if frame.from_host and frame.proto in (TCP, UDP) and (frame.dst, frame.dport) not in ((DEAD4, PEER_PORT), (PEER4, PEER_PORT))]
    assert not found, found[0]
    assert leaked(host.capture.since(mark)) == [] or all(frame.proto == ICMPV6 for frame in leaked(host.capture.since(mark)))  # open at first: reports of groups


def test_endpoint_on_port_53(host):
    """Servers offer it where nothing else gets through: the transport may, names to the same address and port may not."""
    host.wan.run("nft", "-f", "-", input=f"table ip lab_port {{\n chain pre {{ type nat hook prerouting priority dstnat; ip daddr {PEER4} udp dport 53 redirect to :{PEER_PORT}; }}\n}}\n")
    host.connect(endpoint=f"{PEER4}:53")
    mark = host.capture.mark()
    for kind in ("udp", "tcp"):
        assert host.echo(PUBLIC4, kind) == TUNNEL_HOST4
    for uid in (0, NOBODY):
        host.probe([{"kind": kind, "address": PEER4, "port": 53, "device": device, "payload": "PLAINTEXT", "wait": 50} for kind in ("udp", "tcp") for device in ("eth0", None)], uid=uid)
    frames = host.capture.since(mark)
    assert not [frame for frame in frames if b"PLAINTEXT" in frame.raw]
    none(frames, from_host=True, proto=TCP)
    assert {(frame.dst, frame.dport) for frame in frames if frame.from_host and frame.proto == UDP} == {(PEER4, 53)}
