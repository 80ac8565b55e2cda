# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings open beside the tunnel, and that nothing else opens with it: the local network, resolvers of one's own."""
import contextlib
import json
import pathlib
import socket
import subprocess

import pytest

import sandbox
import services
from capture import none, seen
from lab import (DEAD4, ECHO_PORT, GATEWAY4, HOST4, HOST6, NOBODY, OUTSIDE_DNS4, OUTSIDE_DNS6, PEER_PORT, PRIVATE4, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_HOST6,
                 TUNNEL_PEER4)
from test_attack import probes_to
from test_life import early_boot, write_settings
from test_trouble import crash

IP_TRANSPARENT = 19  # linux/in.h
LAN_HOST4, LAN_HOST6 = "192.168.77.2", "fd77::2"        # the host's addresses on the private network of its link
RENUMBERED6 = "fd77::22"                                 # what it has instead in another network
LINK4, LINK6 = (HOST4, LAN_HOST4), (HOST6, LAN_HOST6)    # which of them the kernel chooses is its own affair
LAN_PEER4, LAN_PEER6 = "192.168.77.9", "fd77::9"        # another machine there


@pytest.fixture(name="lan")
def lan_fixture(host):
    """The lab with a private network on the link beside the public one, and a machine on it that answers echo and DNS."""
    host.lan.ip(f"""addr add {LAN_PEER4}/24 dev lan0
        addr add {LAN_PEER6}/64 dev lan0 nodad""")
    host.host.ip(f"""addr add {LAN_HOST4}/24 dev eth0
        addr add {LAN_HOST6}/64 dev eth0 nodad""")
    host.lan_services = services.Services(host.lan, ECHO_PORT, [LAN_PEER4, LAN_PEER6], [LAN_PEER4, LAN_PEER6, PRIVATE4])
    host.closers.append(host.lan_services.close)
    host.connect()
    host.wait_until_works(TUNNEL_HOST4)
    sandbox.wait_until(lambda: all(handshake(host)), sandbox.SOON_S, "the time of the handshake")
    return host


def handshake(lab):
    """When the session was made: the same as before means that the tunnel was not touched."""
    return [peer["handshake"] for peer in lab.status()["peers"]]


def allow_lan(lab, allow):
    lab.vpnctl("settings", "set", "allow-lan", "true" if allow else "false")


def test_lan_is_reachable_only_when_allowed(lan):
    """Changed while connected: the LAN comes and goes, the session and the traffic in it stay."""
    before = handshake(lan)
    assert lan.echo(LAN_PEER4, wait=300) is None and lan.echo(LAN_PEER6, wait=300) is None
    allow_lan(lan, True)
    for kind in ("udp", "tcp"):
        assert lan.echo(LAN_PEER4, kind) in LINK4
        assert lan.echo(LAN_PEER6, kind) in LINK6
        assert lan.echo(PUBLIC4, kind) == TUNNEL_HOST4
        assert lan.echo(PUBLIC6, kind) == TUNNEL_HOST6
    allow_lan(lan, False)
    mark = lan.capture.mark()
    assert lan.echo(LAN_PEER4, wait=300) is None and lan.echo(LAN_PEER6, wait=300) is None
    frames = lan.capture.since(mark)
    none(frames, dst=LAN_PEER4)
    none(frames, dst=LAN_PEER6)
    assert lan.echo(PUBLIC4) == TUNNEL_HOST4
    assert handshake(lan) == before


def test_lan_gets_no_names_and_no_public_addresses(lan):
    """TunnelCrack and TunnelVision with the LAN allowed: what the network claims beyond its private addresses goes through the tunnel."""
    allow_lan(lan, True)
    for words in ("addr add 203.0.113.6/31 dev eth0", f"route add 0.0.0.0/1 via {GATEWAY4} dev eth0 onlink",
                  f"route add {PUBLIC4}/32 dev eth0", f"-6 route add {PUBLIC6}/128 dev eth0", "-6 route add ::/1 dev eth0"):
        lan.host.run("ip", *words.split())
    mark = lan.capture.mark()
    assert lan.echo(PUBLIC4) == TUNNEL_HOST4
    assert lan.echo(PUBLIC6) == TUNNEL_HOST6
    answers = lan.probe([{"kind": kind, "address": address, "port": port, "wait": 3000} for kind in ("udp", "tcp") for port in (53, 853)
                         for address in (LAN_PEER4, LAN_PEER6)])
    assert {answer["result"] for answer in answers} <= {"EPERM", "ECONNREFUSED"}, answers
    frames = lan.capture.since(mark)
    none(frames, dst=PUBLIC4)
    none(frames, dst=PUBLIC6)
    none(frames, dport=53)
    none(frames, dport=853)
    assert lan.echo(LAN_PEER4) in LINK4


def test_lan_does_not_get_the_resolver_of_the_tunnel(lan):
    """The LAN claims the network of the tunnel's resolver: it is asked inside the tunnel all the same, and a connection to it stays there."""
    lan.host.run("ip", "addr", "add", "10.64.0.77/24", "dev", "eth0")
    allow_lan(lan, True)
    mark = lan.capture.mark()
    assert lan.echo(TUNNEL_PEER4) == TUNNEL_HOST4
    frames = lan.capture.since(mark)
    none(frames, dst=TUNNEL_PEER4)
    lan.probe([{"kind": "udp", "address": "10.64.0.78", "port": ECHO_PORT}])
    lan.capture.wait(lambda frame: frame.arp_op == 1 and frame.dst == "10.64.0.78", mark, "the rest of that network is local")
    seen(lan.capture.since(mark), arp_op=1, dst="10.64.0.78")


@pytest.mark.parametrize("why", ["setting", "network"])
def test_flow_inside_the_tunnel_does_not_move_to_the_lan(lan, why):
    """A flow to a private address that began inside the tunnel, when that address becomes the LAN's: by the setting, or because the network claims it. The socket has
    the tunnel's address; neither this nor what it says is seen on the link. One that begins then is the LAN's."""
    if why == "network":
        lan.host.run("ip", "addr", "flush", "dev", "eth0", "to", f"{LAN_HOST4}/24")
        lan.host.run("ip", "-6", "addr", "flush", "dev", "eth0", "to", f"{LAN_HOST6}/64")
        allow_lan(lan, True)
        sandbox.wait_until(lambda: all("eth0" not in lan.host.run("ip", "route", "get", peer).stdout for peer in (LAN_PEER4, LAN_PEER6)), sandbox.SOON_S, "the addresses are the tunnel's")
    with lan.host.net():
        flows = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
    for flow, peer, own in zip(flows, (LAN_PEER4, LAN_PEER6), (TUNNEL_HOST4, TUNNEL_HOST6), strict=True):
        flow.connect((peer, ECHO_PORT))
        assert flow.getsockname()[0] == own
        flow.send(b"inside")
    mark = lan.capture.mark()
    if why == "network":
        lan.host.ip(f"addr add {LAN_HOST4}/24 dev eth0\naddr add {LAN_HOST6}/64 dev eth0 nodad")
    else:
        allow_lan(lan, True)
    sandbox.wait_until(lambda: lan.echo(LAN_PEER4, wait=300) in LINK4 and lan.echo(LAN_PEER6, wait=300) in LINK6, sandbox.SOON_S, "the LAN")
    for flow in flows:
        for _ in range(3):
            try:
                flow.send(b"FLOW-OF-THE-TUNNEL")
            except OSError:
                pass  # it is told
        flow.close()
    # A program that asks for it by name gets no further.
    lan.probe([{"kind": kind, "address": peer, "port": ECHO_PORT, "source": own, "device": device} for kind in ("udp", "tcp")
               for peer, own in ((LAN_PEER4, TUNNEL_HOST4), (LAN_PEER6, TUNNEL_HOST6)) for device in (None, "eth0")], uid=NOBODY)
    frames = lan.capture.since(mark)
    none(frames, from_host=True, src=TUNNEL_HOST4)
    none(frames, from_host=True, src=TUNNEL_HOST6)
    assert not [frame for frame in frames if b"FLOW-OF-THE-TUNNEL" in frame.raw]
    seen(frames, from_host=True, src=lambda address: address in LINK4, dst=LAN_PEER4)


@pytest.mark.parametrize("why", ["offline", "killed", "crashed"])
def test_nothing_with_the_address_of_the_tunnel_while_blocked(lan, why):
    """The network has lost its way out, or vpnd and wireguard-go were killed, or it is the start after that; the tunnel is gone, the local network is allowed. The
    kernel lets sockets of IPv6 keep the tunnel's address, and root's take any: what they send stays here as long as the connection is wanted."""
    allow_lan(lan, True)
    with lan.host.net():
        flows = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2)]
        flows.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    flows[2].setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    for flow, own in zip(flows, (TUNNEL_HOST6, TUNNEL_HOST6, TUNNEL_HOST4), strict=True):
        flow.bind((own, 0))
    flows[0].connect((LAN_PEER6, ECHO_PORT))
    if why == "offline":
        for family in ("-4", "-6"):
            lan.host.run("ip", family, "route", "del", "default")
    else:
        crash(lan)
    if why == "crashed":
        lan.start_daemon()
    assert why == "killed" or lan.wait_state("error")["cause"] == why
    sandbox.wait_until(lambda: "vpnd0" not in lan.host.run("ip", "link").stdout, sandbox.SOON_S, "the link is gone")
    mark = lan.capture.mark()
    for flow, peer in zip(flows, (LAN_PEER6, LAN_PEER6, LAN_PEER4), strict=True):
        for _ in range(3):
            try:
                flow.sendto(b"FLOW-OF-THE-TUNNEL", (peer, ECHO_PORT))
            except OSError:
                pass  # it is told
        flow.close()
    assert lan.echo(LAN_PEER4) in LINK4 and lan.echo(LAN_PEER6) in LINK6, "the local network as such is open"
    frames = lan.capture.since(mark)
    none(frames, from_host=True, src=TUNNEL_HOST4)
    none(frames, from_host=True, src=TUNNEL_HOST6)
    for own in (TUNNEL_HOST4, TUNNEL_HOST6):
        none(frames, from_host=True, dst=own)  # an error that tells of a refusal would hold what was refused
    assert not [frame for frame in frames if b"FLOW-OF-THE-TUNNEL" in frame.raw]


def test_a_lost_address_is_not_told_what_was_refused(lan):
    """The network is renumbered while the host is blocked and the local network is open. Sockets of IPv6 keep the address of before; what they send elsewhere is refused,
    and nothing goes to that address, where a stranger may be by now."""
    allow_lan(lan, True)
    lan.vpnctl("lockdown", "on")
    lan.vpnctl("disconnect", "--wait")
    with lan.host.net():
        flows = [socket.socket(socket.AF_INET6, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM)]
    for flow in flows:
        flow.setblocking(False)
        flow.bind((LAN_HOST6, 0))
    lan.host.ip(f"addr add {RENUMBERED6}/64 dev eth0 nodad\naddr del {LAN_HOST6}/64 dev eth0")
    way = lan.host.run("ip", "-6", "route", "get", LAN_HOST6).stdout
    assert "dev eth0" in way and "local" not in way, f"the control: {way}"
    router = next(address["local"] for link in json.loads(lan.lan.run("ip", "-j", "-6", "addr", "show", "dev", "lan0").stdout) for address in link["addr_info"] if address["scope"] == "link")
    mark = lan.capture.mark()
    for flow, port in zip(flows, (ECHO_PORT, 53, ECHO_PORT, 853), strict=True):
        for _ in range(3):
            with contextlib.suppress(OSError):  # it is told
                flow.sendto(b"FLOW-OF-BEFORE", (PUBLIC6, port)) if flow.type == socket.SOCK_DGRAM else flow.connect((PUBLIC6, port))
    told = lan.probe([{"kind": kind, "address": address, "port": 53, "source": source, "device": device, "wait": 500}
                      for kind in ("udp", "tcp") for address, source, device in ((PUBLIC6, RENUMBERED6, None), (router, None, "eth0"))])
    assert [answer["result"] for answer in told] == ["EPERM", "EPERM", "ECONNREFUSED", "ECONNREFUSED"], f"whose address is there is told: {told}"
    assert lan.echo(LAN_PEER6) in (*LINK6, RENUMBERED6), "the local network as such is open"
    for flow in flows:
        flow.close()
    frames = lan.capture.since(mark)
    none(frames, from_host=True, dst=lambda address: address in (LAN_HOST6, PUBLIC6))
    none(frames, from_host=True, dst="ff02::1:ff00:" + LAN_HOST6.rsplit(":", 1)[1])  # not even looked for
    assert not [frame for frame in frames if b"FLOW-OF-BEFORE" in frame.raw]


def test_host_is_reachable_from_the_lan_only_when_allowed(lan):
    for allow in (False, True):
        allow_lan(lan, allow)
        done = lan.lan.run("ping", "-c", "1", "-W", "1", LAN_HOST4, check=False)
        assert (done.returncode == 0) == allow, done.stdout
        assert lan.lan.run("ping", "-c", "1", "-W", "1", HOST4, check=False).returncode != 0, "a public neighbour is no LAN"


QUESTION = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04test\x00\x00\x01\x00\x01"
NOBODYS4 = "10.64.100.100"  # a private address inside the tunnel that nobody has


def ask(lab, server, device=None):
    """Asks a resolver for a name by UDP and TCP; returns what became of it."""
    probes = [{"kind": kind, "address": server, "port": 53, "payload": QUESTION, "wait": 5000, "device": device} for kind in ("udp", "tcp")]
    return [bool(answer["reply"]) or answer["result"] == "connected" for answer in lab.probe(probes)]


def count_inside(lab, action):
    """Questions that came out of the far end of the tunnel, by destination, counted there."""
    if action == "start":
        lab.wan.run("nft", "-f", "-", input="table inet lab_dns {\n set s4 { type ipv4_addr; flags dynamic; }\n set s6 { type ipv6_addr; flags dynamic; }\n"
                    " chain in { type filter hook prerouting priority 0;\n  iifname wg0 meta l4proto { tcp, udp } th dport { 53, 853 } add @s4 { ip daddr }\n"
                    "  iifname wg0 meta l4proto { tcp, udp } th dport { 53, 853 } add @s6 { ip6 daddr }\n }\n}\n")
        return None
    sets = [item["set"] for item in json.loads(lab.wan.run("nft", "-j", "list", "table", "inet", "lab_dns").stdout)["nftables"] if "set" in item]
    lab.wan.run("nft", "delete", "table", "inet", "lab_dns")
    return {str(element) for one in sets for element in one.get("elem", [])}


@pytest.mark.parametrize("servers,inside,outside", [
    ([], {TUNNEL_PEER4}, set()),
    ([OUTSIDE_DNS4, OUTSIDE_DNS6], {OUTSIDE_DNS4, OUTSIDE_DNS6}, set()),
    ([LAN_PEER4, LAN_PEER6, PRIVATE4], set(), {LAN_PEER4, LAN_PEER6, PRIVATE4}),
    (["127.0.0.1", "::1"], set(), set()),
    ([OUTSIDE_DNS4, LAN_PEER4], {OUTSIDE_DNS4}, {LAN_PEER4}),
], ids=["default", "custom-public", "custom-private", "custom-loopback", "mixed"])
def test_names_go_where_the_settings_say(lan, servers, inside, outside):
    """Every resolver over every link: questions are seen at the allowed ones only, inside for the tunnel's and public ones, outside for private ones."""
    before = handshake(lan)
    lan.vpnctl("settings", "set", "dns-servers", ",".join(servers))
    for server in servers or [TUNNEL_PEER4]:
        assert f"nameserver {server}\n" in lan.resolv_conf()
    count_inside(lan, "start")
    mark = lan.capture.mark()
    for server in (TUNNEL_PEER4, OUTSIDE_DNS4, OUTSIDE_DNS6, LAN_PEER4, LAN_PEER6, PRIVATE4, NOBODYS4):
        assert all(ask(lan, server)) == (server in inside | outside), server
        for device in ("eth0", "vpnd0"):
            for port in (53, 853):
                lan.probe([{"kind": kind, "address": server, "port": port, "device": device, "wait": 50} for kind in ("udp", "tcp")])
    frames = lan.capture.since(mark)
    assert count_inside(lan, "read") == inside
    for port in (53, 853):
        assert {frame.dst for frame in frames if frame.from_host and frame.dport == port} == outside
    assert lan.echo(LAN_PEER4, wait=100) is None, "a resolver is asked for names, not for anything else"
    assert lan.echo(PUBLIC4) == TUNNEL_HOST4
    assert handshake(lan) == before


def test_loopback_resolver_is_asked(lan):
    """A resolver on this very host works, whatever it does with the questions."""
    lan.vpnctl("settings", "set", "dns-servers", "127.0.0.1")
    local = services.Services(lan.host, ECHO_PORT, [], ["127.0.0.1"])
    lan.closers.append(local.close)
    assert ask(lan, "127.0.0.1") == [True, True]
    assert local.questions[0] == ("127.0.0.1", "127.0.0.1", "test")


def test_private_resolver_may_not_speak_first(lan):
    lan.vpnctl("settings", "set", "dns-servers", LAN_PEER4)
    with lan.host.net():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("0.0.0.0", 0))
        receiver.setblocking(False)
    with lan.lan.net():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind((LAN_PEER4, 853))
    with receiver, sender:
        mark = lan.capture.mark()
        sender.sendto(b"hello", (LAN_HOST4, receiver.getsockname()[1]))
        lan.capture.wait(lambda frame: frame.sport == 853 and not frame.from_host, mark, "the packet on the link")
        assert ask(lan, LAN_PEER4) == [True, True]  # a round trip later the packet has long been dealt with
        with pytest.raises(BlockingIOError):
            receiver.recv(100)


BRIDGE4, BRIDGE6, GUEST4, GUEST6 = "172.17.0.1", "fd17::1", "172.17.0.2", "fd17::2"


def add_guest(lab, has_ipv6=True):
    """A container behind a bridge of the host, as docker and libvirt make them, without NAT rules of theirs."""
    lab.guest = sandbox.Node("guest")
    lab.nodes.append(lab.guest)
    lab.host.sysctl("net.ipv4.ip_forward", 1)
    lab.host.ip(f"""link add docker0 type bridge
        link set docker0 up
        addr add {BRIDGE4}/16 dev docker0""")
    argv = lab.host.argv("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", f"/proc/self/fd/{lab.guest.net_fd}")
    subprocess.run(argv, pass_fds=(lab.host.net_fd, lab.host.mount_fd, lab.guest.net_fd), check=True)
    lab.host.ip("link set veth0 master docker0 up\nlink set docker0 up")
    lab.guest.ip(f"""link set eth0 up
        addr add {GUEST4}/16 dev eth0
        route add default via {BRIDGE4}""")
    if has_ipv6:
        lab.host.sysctl("net.ipv6.conf.all.forwarding", 1)
        lab.host.ip("addr", "add", f"{BRIDGE6}/64", "dev", "docker0", "nodad")
        lab.guest.ip(f"addr add {GUEST6}/64 dev eth0 nodad\nroute add default via {BRIDGE6}")


@pytest.fixture(name="guest")
def guest_fixture(host):
    """The lab with a container."""
    add_guest(host)
    return host


def guest_probe(lab, probes):
    program = (pathlib.Path(__file__).parent / "probe.py").read_text(encoding="utf-8")
    return json.loads(lab.guest.run(PYTHON, "-c", program, input=json.dumps(probes)).stdout)


def guest_echo(lab, address, kind="udp", wait=8000):
    answer = guest_probe(lab, [{"kind": kind, "address": address, "port": ECHO_PORT, "wait": wait}])[0]
    return answer["reply"].removeprefix("you are ") if answer["reply"] else None


def set_forwarding(lab, value):
    lab.host.sysctl("net.ipv4.ip_forward", value)
    lab.host.sysctl("net.ipv6.conf.all.forwarding", value)


def test_only_a_router_is_tracked(host):
    """Connection tracking costs each packet more than all rules: a host that forwards nothing has none of it. One that becomes a router, for a network that is no
    bridge and by an administrator's own NAT, is noticed: what answers its clients comes back to them."""
    set_forwarding(host, 0)
    host.connect()
    for kind in ("udp", "tcp"):
        assert host.echo(PUBLIC4, kind) == TUNNEL_HOST4 and host.echo(PUBLIC6, kind) == TUNNEL_HOST6
    assert int(host.host.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout) == 0

    host.guest = sandbox.Node("guest")
    host.nodes.append(host.guest)
    argv = host.host.argv("ip", "link", "add", "lan9", "type", "veth", "peer", "name", "eth0", "netns", f"/proc/self/fd/{host.guest.net_fd}")
    subprocess.run(argv, pass_fds=(host.host.net_fd, host.host.mount_fd, host.guest.net_fd), check=True)
    host.host.ip("link set lan9 up\naddr add 10.9.0.1/24 dev lan9\naddr add fd09::1/64 dev lan9 nodad")
    host.guest.ip("""link set eth0 up
        addr add 10.9.0.2/24 dev eth0
        addr add fd09::2/64 dev eth0 nodad
        route add default via 10.9.0.1
        route add default via fd09::1""")
    host.host.run("nft", "-f", "-", input="table inet admin {\n chain post {\n  type nat hook postrouting priority 100; oifname vpnd0 masquerade\n }\n}\n")
    allow_lan(host, True)
    set_forwarding(host, 1)
    mark = host.capture.mark()
    for address, source in ((PUBLIC4, TUNNEL_HOST4), (PUBLIC6, TUNNEL_HOST6)):
        sandbox.wait_until(lambda address=address, source=source: guest_echo(host, address, wait=300) == source, sandbox.SOON_S, f"a client of the router reaches {address}")
        assert guest_echo(host, address, "tcp") == source
    none(host.capture.since(mark), dport=ECHO_PORT)


def test_guests_reach_the_internet_through_the_tunnel_only(guest):
    """A container is seen on the link when nothing is wanted, nowhere while connecting, and as the host's tunnel address when connected."""
    probes = [{"kind": kind, "address": address, "port": ECHO_PORT} for kind in ("tcp", "udp") for address in (PUBLIC4, PUBLIC6)]
    mark = guest.capture.mark()
    guest_probe(guest, probes)
    for source in (GUEST4, GUEST6):  # the control: without protection the container's packets are on the link
        guest.capture.wait(lambda frame, source=source: frame.src == source and frame.dport == ECHO_PORT, mark, f"packets from {source}")

    guest.vpnctl("import", "-", "dead", input=guest.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    guest.vpnctl("connect", "dead")
    mark = guest.capture.mark()
    guest_probe(guest, probes)
    none(guest.capture.since(mark), dport=ECHO_PORT)

    guest.connect()
    mark = guest.capture.mark()
    for kind in ("udp", "tcp"):
        assert guest_echo(guest, PUBLIC4, kind) == TUNNEL_HOST4
        assert guest_echo(guest, PUBLIC6, kind) == TUNNEL_HOST6
    answers = guest_probe(guest, [{"kind": "tcp", "address": OUTSIDE_DNS4, "port": 53, "wait": 8000}])
    assert answers[0]["result"] == "ECONNREFUSED", answers
    frames = guest.capture.since(mark)
    none(frames, dport=ECHO_PORT)
    none(frames, dport=53)


def test_guests_wait_for_the_daemon_after_early_boot(guest):
    """The early boot looks at no links, so it lets nothing through to those of guests; the daemon's first rules do."""
    def reaches_host():
        return guest.guest.run("ping", "-c", "1", "-W", "4", BRIDGE4, check=False).returncode == 0

    assert reaches_host()
    guest.daemons[-1].stop()
    write_settings(guest, {"lockdown": True})
    assert early_boot(guest).returncode == 0
    assert not reaches_host()
    guest.start_daemon()
    assert reaches_host()
    assert guest_echo(guest, PUBLIC4, wait=300) is None


def states(lab):
    """Puts the host into each protected state, one after the other; returns its name."""
    lab.vpnctl("import", "-", "dead", input=lab.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    lab.vpnctl("settings", "set", "lockdown", "true")
    yield "disconnected"
    lab.vpnctl("connect", "dead")
    yield "connecting"
    lab.connect()
    yield "connected"


def test_guests_go_where_the_settings_say(guest):
    """Tunnel, direct and block, in every protected state and changed within it, with a strict reverse path filter; seen on the link and at the far side."""
    for key in ("all", "eth0", "docker0"):
        guest.host.sysctl(f"net.ipv4.conf.{key}.rp_filter", 1)
    guest.lan.ip(f"route add {GUEST4} via {HOST4}\nroute add {GUEST6} via {HOST6}")  # the router knows the way back: no NAT on the host
    on_host = services.Services(guest.host, ECHO_PORT, [BRIDGE4, BRIDGE6], [])
    guest.closers.append(on_host.close)
    in_guest = services.Services(guest.guest, ECHO_PORT, [GUEST4, GUEST6], [])
    guest.closers.append(in_guest.close)
    cells = [(kind, address, source) for kind in ("udp", "tcp") for address, source in ((PUBLIC4, GUEST4), (PUBLIC6, GUEST6))]
    inside = {PUBLIC4: TUNNEL_HOST4, PUBLIC6: TUNNEL_HOST6}
    for state in states(guest):
        for policy in ("direct", "block", "tunnel", "direct"):
            guest.vpnctl("settings", "set", "forward", f"docker0={policy}")
            mark = guest.capture.mark()
            for kind, address, source in cells:
                expected = {"direct": source, "block": None, "tunnel": inside[address] if state == "connected" else None}[policy]
                assert guest_echo(guest, address, kind, wait=8000 if expected else 100) == expected, (state, policy, kind, address)
            names = guest_probe(guest, [{"kind": "tcp", "address": OUTSIDE_DNS4, "port": 53, "wait": 8000}])[0]["result"]
            frames = guest.capture.since(mark)
            if policy == "direct":
                assert names == "connected", (state, names)
                for kind, address, source in cells:
                    seen(frames, src=source, dst=address, dport=ECHO_PORT)
            else:
                assert names == "ECONNREFUSED", (state, policy, names)
                for source in (GUEST4, GUEST6):
                    none(frames, src=source)
                none(frames, dport=ECHO_PORT)
                none(frames, dport=53)
            assert guest_echo(guest, BRIDGE4) == GUEST4 and guest_echo(guest, BRIDGE6) == GUEST6, (state, policy)
        assert guest.echo(GUEST4) == BRIDGE4
        mark = guest.capture.mark()  # the last policy was "direct": it is for the guest alone, and nobody outside begins
        assert guest.echo(PUBLIC4, wait=8000 if state == "connected" else 200) == (TUNNEL_HOST4 if state == "connected" else None)
        none(guest.capture.since(mark), dport=ECHO_PORT)
        outside = [{"kind": kind, "address": address, "port": ECHO_PORT, "wait": 200} for kind in ("udp", "tcp") for address in (GUEST4, GUEST6)]
        program = (pathlib.Path(__file__).parent / "probe.py").read_text(encoding="utf-8")
        answers = json.loads(guest.wan.run(PYTHON, "-c", program, input=json.dumps(outside)).stdout)
        assert not [answer for answer in answers if answer["reply"] or answer["result"] == "connected"], (state, answers)


def test_direct_guests_behind_the_nat_of_their_maker(guest):
    """Docker and libvirt give their guests the address of the host: beside the tunnel that goes on working, with a strict reverse path filter, too."""
    for key in ("all", "eth0", "docker0"):
        guest.host.sysctl(f"net.ipv4.conf.{key}.rp_filter", 1)
    guest.host.run("nft", "-f", "-", input="table inet maker {\n chain post {\n  type nat hook postrouting priority 100;\n"
                   f"  ip saddr {GUEST4} oifname != \"docker0\" masquerade\n  ip6 saddr {GUEST6} oifname != \"docker0\" masquerade\n }}\n}}\n")
    guest.vpnctl("settings", "set", "forward", "docker0=direct")
    guest.connect()
    for kind in ("udp", "tcp"):
        assert guest_echo(guest, PUBLIC4, kind) == HOST4 and guest_echo(guest, PUBLIC6, kind) == HOST6
        assert guest.echo(PUBLIC4, kind) == TUNNEL_HOST4 and guest.echo(PUBLIC6, kind) == TUNNEL_HOST6
    guest.vpnctl("settings", "set", "forward", "")
    for kind in ("udp", "tcp"):
        assert guest_echo(guest, PUBLIC4, kind) == TUNNEL_HOST4 and guest_echo(guest, PUBLIC6, kind) == TUNNEL_HOST6


def test_direct_guests_and_a_link_that_has_no_address(host):
    """Between two leases the kernel gives what is translated any address of the host, and the tunnel's is the first where the guest's bridge is newer: with that nothing leaves."""
    host.connect()
    add_guest(host)
    host.host.run("nft", "-f", "-", input="table inet maker {\n chain post {\n  type nat hook postrouting priority 100;\n"
                  f"  ip saddr {GUEST4} oifname != \"docker0\" masquerade\n }}\n}}\n")
    host.vpnctl("settings", "set", "forward", "docker0=direct")
    sandbox.wait_until(lambda: guest_echo(host, PUBLIC4, wait=500) == HOST4, sandbox.SOON_S, "the guest goes beside the tunnel")
    before = host.host.run("ip", "-o", "-4", "addr", "show", "dev", "eth0").stdout.split()[3]
    router = host.host.run("ip", "route").stdout.split("default via ")[1].split()[0]
    mark = host.capture.mark()
    host.host.ip(f"""addr del {before} dev eth0
        route replace default via {router} dev eth0 onlink""")
    assert guest_echo(host, PUBLIC4, wait=500) is None
    host.host.ip("addr", "add", before, "dev", "eth0")
    assert guest_echo(host, PUBLIC4) == HOST4
    assert not [frame for frame in host.capture.since(mark) if TUNNEL_HOST4 in (frame.src, frame.dst)]


def test_forged_packets_are_not_forwarded(guest):
    """With the LAN allowed and forwarding on: to a guest comes what a local network may send, and nothing that is, or claims to be, from elsewhere."""
    guest.connect()
    guest.vpnctl("settings", "set", "allow-lan", "true")
    head = guest.host_mac() + guest.router_mac()
    with guest.guest.net():
        sockets = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
        for sock, address in zip(sockets, (GUEST4, GUEST6)):
            sock.bind((address, 7777))
            sock.settimeout(sandbox.SOON_S)
    forged = (PUBLIC4, PUBLIC6, GATEWAY4, TUNNEL_PEER4, TUNNEL_HOST4, TUNNEL_HOST6)
    honest = ("10.1.2.3", "fd77::9")
    for source in (*forged, *honest):  # in this order: when the honest one is there, the others have been dealt with
        target = GUEST6 if ":" in source else GUEST4
        guest.send_from_router([head + raw for raw in probes_to(source, target, 7777)])
    for sock, source in zip(sockets, honest):
        with sock:
            for _ in range(2):  # from two ports each
                assert sock.recvfrom(100)[1][0] == source
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(100)


@pytest.mark.parametrize("connected", [False, True])
def test_guests_and_host_reach_each_other(guest, connected):
    """Also while blocked: a bridge without a way out leads to nobody else. DHCP of a dnsmasq on the bridge is a part of it."""
    if connected:
        guest.connect()
    else:
        guest.vpnctl("settings", "set", "lockdown", "true")
    on_host = services.Services(guest.host, ECHO_PORT, [BRIDGE4, BRIDGE6], [BRIDGE4])
    guest.closers.append(on_host.close)
    in_guest = services.Services(guest.guest, ECHO_PORT, [GUEST4, GUEST6], [])
    guest.closers.append(in_guest.close)
    for kind in ("udp", "tcp"):
        assert guest_echo(guest, BRIDGE4, kind) == GUEST4
        assert guest_echo(guest, BRIDGE6, kind) == GUEST6
        assert guest.echo(GUEST4, kind) == BRIDGE4
        assert guest.echo(GUEST6, kind) == BRIDGE6
    with guest.host.net():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"docker0")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.bind(("0.0.0.0", 67))
        server.settimeout(sandbox.SOON_S)
    with guest.guest.net():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.bind(("0.0.0.0", 68))
        client.settimeout(sandbox.SOON_S)
    with server, client:
        client.sendto(b"discover", ("255.255.255.255", 67))
        assert server.recv(100) == b"discover"
        server.sendto(b"offer", ("255.255.255.255", 68))
        assert client.recv(100) == b"offer"


def test_reviewed_texts_are_what_nft_reads(lab):
    """The golden texts of the policies, as nft(8) and the kernel check them."""
    golden = sorted((pathlib.Path(__file__).parent.parent / "golden").glob("policy-*.nft"))
    assert len(golden) >= 7
    lab.host.run("mount", "-t", "tmpfs", "none", "/sys/fs/cgroup")  # nft(8) takes a number of a cgroup for its name, and wants it to be there
    lab.host.run("mkdir", *(f"/sys/fs/cgroup/{number}" for number in (4711, 4712, 4713, 4714, 5000, 5001, 5002, 6000)))
    queues = lab.host.run("nft", "-c", "-f", "-", input="table inet q { chain c { queue flags bypass to 22096; }; }", check=False).returncode == 0
    for path in golden:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        lab.host.run("nft", "-c", "-f", "-", input="".join(line for line in lines if queues or " queue " not in line))  # a kernel may have no queues


def test_api_is_for_root_outside_and_for_all_inside(host):
    """Blocked and connecting: root reaches the service at its exact port and protocol, over the link. Connected: inside the tunnel, as everything."""
    services_of_root = f"{PUBLIC4}:{ECHO_PORT}/tcp,[{PUBLIC6}]:{ECHO_PORT}/udp"
    host.vpnctl("settings", "set", "api-endpoints", services_of_root)
    host.vpnctl("import", "-", "dead", input=host.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    for step in (("settings", "set", "lockdown", "true"), ("connect", "dead")):
        host.vpnctl(*step)
        assert host.echo(PUBLIC4, "tcp") == HOST4, step
        assert host.echo(PUBLIC6, "udp") == HOST6, step
        mark = host.capture.mark()
        for uid in (0, NOBODY):
            host.probe([{"kind": kind, "address": address, "port": port, "wait": 50, "device": device} for device in (None, "eth0") for port in (ECHO_PORT, 443)
                        for kind, address in (("udp", PUBLIC4), ("tcp", PUBLIC6), *((("tcp", PUBLIC4), ("udp", PUBLIC6)) if uid or port == 443 else ()))], uid=uid)
        frames = host.capture.since(mark)
        none(frames, dst=PUBLIC4)
        none(frames, dst=PUBLIC6)
    host.connect()
    mark = host.capture.mark()
    host.wait_until_works(TUNNEL_HOST4)
    assert host.echo(PUBLIC4, "tcp", wait=10000) == TUNNEL_HOST4
    assert host.echo(PUBLIC6, "udp") == TUNNEL_HOST6
    host.probe([{"kind": "tcp", "address": PUBLIC4, "port": ECHO_PORT, "device": "eth0", "wait": 50}])
    frames = host.capture.since(mark)
    none(frames, dst=PUBLIC4)
    none(frames, dst=PUBLIC6)
