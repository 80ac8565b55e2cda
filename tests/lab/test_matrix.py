# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leak matrix: every state x who sends x what is sent x whereto, judged from what the router sees on the link and the VPN server in the tunnel.

One walk through all states for each kind of host and each value of allow-lan. In each state every cell is sent at once, each with a tag of its own; the table
EXPECTED says of each cell where it has to be seen. A first round without protection proves that the capture sees every cell."""
import dataclasses
import ipaddress
import json
import re
import signal
import socket
import subprocess

import pytest

import capture
import sandbox
from capture import ETH_P_ARP, ICMPV6, TCP, UDP
from lab import (DEAD4, ECHO_PORT, GATEWAY4, HERE, HOST4, HOST6, NOBODY, PEER4, PEER6, PEER_PORT, PRIVATE4, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_HOST6,
                 TUNNEL_PEER4, TUNNEL_PEER6, Lab)
from test_attack import MARK
from test_life import early_boot, write_settings

DEAD6 = "2001:db8:2::99"
LAN_HOST4, LAN_PEER4, LAN_HOST6, LAN_PEER6, LINK_PEER6 = "192.168.77.2", "192.168.77.9", "fd77::2", "fd77::9", "fe80::77"
BRIDGE4, GUEST4, BRIDGE6, GUEST6 = "172.17.0.1", "172.17.0.2", "fd17::1", "fd17::2"
OTHER_PORT = 443
REFUSED = {"ECONNREFUSED", "EPERM", "EACCES", "ENETUNREACH", "EHOSTUNREACH", "ECONNRESET"}

# Where a packet may be meant to go: name -> (IPv4, IPv6, port, kinds that make sense). Of the kinds without ports one row is enough, DNS rows are about ports.
ALL = ("tcp", "udp", "icmp", "raw", "hdr", "sctp")
PORTS = ("tcp", "udp", "raw", "hdr")
GROUP = ("udp", "raw", "hdr", "sctp")
PLACES = {
    "public": (PUBLIC4, PUBLIC6, ECHO_PORT, ALL),
    "lan": (LAN_PEER4, LAN_PEER6, ECHO_PORT, ALL),
    "lan-behind-router": (PRIVATE4, None, ECHO_PORT, ALL),
    "link-local": ("169.254.9.9", LINK_PEER6, ECHO_PORT, ALL),
    "dns-public": (PUBLIC4, PUBLIC6, 53, PORTS),
    "dot-public": (PUBLIC4, PUBLIC6, 853, PORTS),
    "dns-lan": (LAN_PEER4, LAN_PEER6, 53, PORTS),
    "dot-lan": (LAN_PEER4, LAN_PEER6, 853, PORTS),
    "dns-tunnel": (TUNNEL_PEER4, None, 53, PORTS),
    "dot-tunnel": (TUNNEL_PEER4, None, 853, PORTS),
    "dns-multicast": ("224.0.0.251", "ff02::fb", 53, GROUP[:3]),
    "mdns-public": (PUBLIC4, PUBLIC6, 5353, PORTS),
    "mdns-tunnel": (TUNNEL_PEER4, None, 5353, ("udp",)),
    "multicast-local": ("224.0.0.251", "ff02::fb", 5353, GROUP),
    "multicast-admin": ("239.255.255.250", "ff05::c", 1900, GROUP),
    "multicast-global": ("224.0.1.1", "ff0e::101", 123, GROUP),
    "broadcast": ("255.255.255.255", None, 9999, ("udp", "raw")),
    "endpoint-same-port": ("ENDPOINT4", "ENDPOINT6", PEER_PORT, ALL),
    "endpoint-other-port": ("ENDPOINT4", "ENDPOINT6", OTHER_PORT, ("tcp", "udp", "raw", "hdr", "sctp")),
    "dhcp": ("255.255.255.255", None, 67, ("udp", "raw")),
    "dhcp-other-destination": ("255.255.255.255", None, 68, ("udp", "raw")),
    "dhcp-other-source": ("255.255.255.255", None, 67, ("udp", "raw")),
    "dhcp6": (None, "ff02::1:2", 547, ("udp", "raw")),
    "dhcp6-other-destination": (None, "ff02::1:2", 546, ("udp", "raw")),
    "dhcp6-global-group": (None, "ff0e::1:2", 547, ("udp", "raw")),
    "dhcp-unicast": (LAN_PEER4, None, 67, ("udp", "raw")),
    "dhcp-offer": (GATEWAY4, None, 68, ("udp", "raw")),
    "dhcp-offer-other-destination": (GATEWAY4, None, 67, ("udp", "raw")),
}
NDP = {"router-solicitation": (133, "ff02::2", None), "neighbour-solicitation": (135, "ff02::1:ff00:99", "fe80::99"), "neighbour-solicitation-public": (135, PUBLIC6, PUBLIC6),
       "listener-report": (131, "ff02::16", None), "redirect-public": (137, PUBLIC6, None)}

SOURCE_PORTS = {"dhcp-offer": 67, "dhcp-offer-other-destination": 67, "dhcp": 68, "dhcp-unicast": 68, "dhcp-other-destination": 68, "dhcp6": 546, "dhcp6-other-destination": 546, "dhcp6-global-group": 546}  # else one of the cell's own
ON_LINK = {"lan", "link-local", "dhcp-unicast"}
GROUPS = {"dns-multicast", "multicast-local", "multicast-admin", "multicast-global", "broadcast", "dhcp", "dhcp-other-destination", "dhcp-other-source", "dhcp6", "dhcp6-other-destination", "dhcp6-global-group"}
LAN = {"mdns-tunnel", "dhcp-other-destination", "dhcp-other-source", "dhcp6-other-destination", "lan-behind-router", "multicast-local", "multicast-admin", "broadcast", "listener-report"}
MARKED = {"public", "lan", "dns-public", "dns-lan", "endpoint-same-port", "endpoint-other-port"}
NAMES_OF_THE_TUNNEL = {"dns-tunnel", "dot-tunnel", "mdns-tunnel"}
DNS_PLACES = {name for name in PLACES if name.startswith(("dns-", "dot-"))} | {"mdns-public"}


@dataclasses.dataclass(frozen=True)
class Cell:
    who: str      # root, user (with CAP_NET_RAW, for raw sockets), guest (a container)
    kind: str
    way: str      # plain, bound (to the physical link), marked (as the transport is), forwarded
    place: str
    address: str
    port: int = 0

    def __str__(self):
        return f"{self.who} {self.kind} {self.way} {self.place} {self.address}"

    @property
    def is_outside(self):
        """The routes of the tunnel do not count for it."""
        return self.way in ("bound", "marked")


@dataclasses.dataclass(frozen=True)
class Situation:
    state: str
    tunnel: str = "none"  # none, dead (what goes into it is lost) or up
    lan: bool = False
    hop: str = ""  # the address of the first hop, where one is allowed

    @property
    def is_open(self):
        return self.state == "disconnected"


def tunnel_is_up(situation, _):
    return situation.tunnel == "up"


# The expectations: the first row whose test is true says where the cell is seen: on the link, in the tunnel. None: not looked at.
EXPECTED = [
    ("without protection everything goes where the routes say", lambda s, c: s.is_open, True, False),
    ("rule 2: a DHCP client and the subset of neighbour discovery, in every state", lambda s, c: c.place in ("dhcp", "dhcp6", "router-solicitation", "neighbour-solicitation"), True, False),
    ("rule 3: the first hop, exactly, for root with the mark", lambda s, c: c.way == "marked" and c.who == "root" and c.kind in ("udp", "raw", "hdr")
     and (c.place, c.address) == ("endpoint-same-port", s.hop), True, False),
    ("rule 3: nothing else with the mark from anybody but root", lambda s, c: (c.way, c.who) == ("marked", "user") and s.hop, False, False),
    ("rule 5: names of the tunnel's resolver, in the tunnel", lambda s, c: c.place in NAMES_OF_THE_TUNNEL and not c.is_outside and s.state.startswith("connected"), False, tunnel_is_up),
    ("rules of before: names go into a tunnel that is being taken down, and are lost",
     lambda s, c: c.place in NAMES_OF_THE_TUNNEL and not c.is_outside and s.state.startswith("disconnecting") and s.tunnel == "dead", False, None),
    ("rule 5: no other names anywhere, before rules 6 and 7", lambda s, c: c.place in DNS_PLACES, False, False),
    ("rule 5: nor the names of a link in the tunnel; outside it they are of rule 7",
     lambda s, c: c.place in ("multicast-local", "mdns-tunnel") and c.kind in ("udp", "raw", "hdr") and not c.is_outside and s.tunnel != "none", False, False),
    ("rule 6, into the tunnel; for a header of IPv6 made by hand the kernel does not heed suppress_prefixlength, so our default route wins over the local ones",
     lambda s, c: (c.kind, c.way) == ("hdr", "plain") and ":" in c.address and s.tunnel != "none", False, tunnel_is_up),
    ("rule 7: a DHCPv4 server, with allow-lan, to whatever address it has given", lambda s, c: s.lan and c.place == "dhcp-offer", True, False),
    ("rule 7: a network on the link, with allow-lan", lambda s, c: s.lan and c.place in ON_LINK, True, False),
    ("rule 7: what else is local, with allow-lan, unless the routes lead it into the tunnel", lambda s, c: s.lan and c.place in LAN and (c.is_outside or s.tunnel == "none"), True, False),
    ("rule 6, into the tunnel; conntrack sees no SCTP in it and does not change the source, which the server then refuses", lambda s, c: (c.way, c.kind) == ("forwarded", "sctp"), False, None),
    ("rule 6: what is not bound to the link, into the tunnel", lambda s, c: not c.is_outside, False, tunnel_is_up),
    ("rule 11: all else", lambda s, c: True, False, False),
]


def expected(situation, cell):
    for reason, test, link, tunnel in EXPECTED:
        if test(situation, cell):
            return reason, link, tunnel(situation, cell) if callable(tunnel) else tunnel
    raise AssertionError(cell)


def is_untold(cell):
    """Senders whom the kernel tells nothing: of ICMPv6, programs behind this host, unless by a reset, and (rule 3 has none) those that abuse the mark."""
    return (cell.way, cell.who, cell.kind) == ("marked", "user", "tcp") or (":" in cell.address and cell.kind in ("icmp", "ndp")) or (cell.who == "guest" and cell.kind != "tcp")


def cells_of(families, endpoint):
    """All cells of a host with these families of addresses."""
    found = []
    for place, (four, six, port, kinds) in PLACES.items():
        for address in (four, six):
            address = endpoint.get(address, address)
            if address is None or (6 if ":" in address else 4) not in families:
                continue
            for kind in kinds:
                ways = ("bound",) if address.startswith(("ff", "fe80")) or place.startswith("dhcp-o") or place == "dhcp" else ("plain", "bound")  # these are for one link only
                found += [Cell(who, kind, way, place, address, port) for who in ("root", "user") for way in ways]
                if place in MARKED:
                    found += [Cell(who, kind, "marked", place, address, port) for who in ("root", "user")]
                if place not in GROUPS | {"link-local", "dhcp-unicast"} and not place.startswith("dhcp-offer"):  # these are of one link and not forwarded
                    found.append(Cell("guest", kind, "forwarded", place, address, port))
    if 6 in families:
        found += [Cell(who, "ndp", "bound", place, address) for who in ("root", "user") for place, (_, address, _) in NDP.items()]
    return found


class Matrix:
    """The lab, the probers in it, and the rounds."""

    def __init__(self, kind, lan):
        self.kind, self.lan = kind, lan
        self.families = {"dual": (4, 6), "ipv6-disabled": (4,), "ipv6-only": (6,)}[kind]
        self.peer, self.dead = (PEER4, DEAD4) if 4 in self.families else (f"[{PEER6}]", f"[{DEAD6}]")
        self.lab = Lab(sysctls=[("net.ipv6.conf.all.disable_ipv6", 1), ("net.ipv6.conf.default.disable_ipv6", 1)] if kind == "ipv6-disabled" else ())
        self.tags, self.explained, self.judged, self.unexplained, self.trouble = 0, set(), {}, [], ""
        self._make_networks()
        self.inside = capture.Capture(self.lab.wan, "wg0")
        self.lab.closers.append(self.inside.close)
        program = (HERE / "prober.py").read_text(encoding="utf-8")
        user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw", "--")
        self.probers = {name: node.start(*words, PYTHON, "-c", program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                        for name, node, words in (("root", self.lab.host, ()), ("user", self.lab.host, user), ("guest", self.guest, ()))}

    def _make_networks(self):
        """A local network beside the public one on the link, and a container behind a bridge of the host."""
        lab, v6 = self.lab, 6 in self.families
        self.guest = sandbox.Node("guest")
        lab.nodes.append(self.guest)
        lab.host.sysctl("net.ipv4.ip_unprivileged_port_start", 0)  # a user may say that it is a DHCP client
        lab.host.sysctl("net.ipv4.ip_forward", 1)
        self.guest.sysctl("net.ipv4.ping_group_range", "0 2147483647")
        lab.lan.ip(f"addr add {LAN_PEER4}/24 dev lan0\naddr add {LAN_PEER6}/64 dev lan0 nodad\naddr add {LINK_PEER6}/64 dev lan0 nodad\naddr add 169.254.9.9/16 dev lan0")
        lines = ["link add docker0 type bridge", "link set docker0 up", f"addr add {BRIDGE4}/16 dev docker0", f"addr add {LAN_HOST4}/24 dev eth0", "addr add 169.254.9.2/16 dev eth0"]
        if v6:
            lab.host.sysctl("net.ipv6.conf.all.forwarding", 1)
            lines += [f"addr add {BRIDGE6}/64 dev docker0 nodad", f"addr add {LAN_HOST6}/64 dev eth0 nodad"]
        lab.host.ip("\n".join(lines))
        argv = lab.host.argv("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", f"/proc/self/fd/{self.guest.net_fd}")
        subprocess.run(argv, pass_fds=(lab.host.net_fd, lab.host.mount_fd, self.guest.net_fd), check=True)
        lab.host.ip("link set veth0 master docker0 up\nlink set docker0 up")
        self.guest.ip(f"link set eth0 up\naddr add {GUEST4}/16 dev eth0\nroute add default via {BRIDGE4}" + (f"\naddr add {GUEST6}/64 dev eth0 nodad\nroute add default via {BRIDGE6}" if v6 else ""))
        if self.kind == "ipv6-only":
            lab.host.ip("-4", "addr", "flush", "dev", "eth0")

    def send(self, cells, wait):
        """Sends all cells, of every user at the same time; returns the numbers of their tags and what their senders were told."""
        numbers, told = {}, {}
        for cell in cells:
            self.tags += 1
            numbers[cell] = self.tags
        for who, prober in self.probers.items():
            packets = []
            for cell in (c for c in cells if c.who == who):
                number = numbers[cell]
                packet = {"kind": cell.kind, "address": cell.address, "port": cell.port, "tag": f"<CELL-{number:06d}>",
                          "sport": SOURCE_PORTS.get(cell.place, 10000 + number % 50000), "device": "eth0" if cell.way == "bound" else None,
                          "mark": MARK if cell.way == "marked" else 0}
                if cell.address.startswith(("fe80", "ff")):
                    packet["scope"] = "eth0"
                if cell.kind == "ndp":
                    packet |= {"type": NDP[cell.place][0]} | ({"target": NDP[cell.place][2]} if NDP[cell.place][2] else {})
                packets.append(packet)
            print(json.dumps({"packets": packets, "wait": wait}), file=prober.stdin, flush=True)
        for who, prober in self.probers.items():
            told |= dict(zip((c for c in cells if c.who == who), json.loads(prober.stdout.readline()), strict=True))
        return numbers, told

    def tunnel_fence(self):
        """What was sent into the tunnel before has come out of it when this returns."""
        mark, token = len(self.inside.frames), f"<FENCE-{self.tags}>"
        with self.lab.host.net():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            sandbox.wait_until(lambda: sender.sendto(token.encode(), (TUNNEL_PEER4, 9)) and any(token.encode() in f.raw for f in self.inside.frames[mark:]), sandbox.SOON_S, "the tunnel's fence")

    def round(self, situation):
        """One state: sends every cell and judges each. Returns what is wrong, as lines."""
        dead = situation.state.startswith("connecting")
        cells = cells_of(self.families, {"ENDPOINT4": DEAD4 if dead else PEER4, "ENDPOINT6": DEAD6 if dead else PEER6})
        mark, inside_mark = self.lab.capture.mark(), len(self.inside.frames)
        numbers, told = self.send(cells, 200)
        if situation.tunnel == "up":
            self.tunnel_fence()
        frames = self.lab.capture.since(mark)
        link, inside = index(frames, numbers), index(self.inside.frames[inside_mark:], numbers)
        wrong, untold = [], []
        for cell in cells:
            reason, on_link, in_tunnel = expected(situation, cell)
            for where, want, found in (("on the link", on_link, link), ("in the tunnel", in_tunnel, inside)):
                if want is not None and want != (cell in found):
                    wrong.append(f"{cell}: {'not ' if want else ''}seen {where}, told {told[cell]}; {reason}")
            is_refused = on_link is False and in_tunnel is False and (situation.tunnel == "none" or cell.is_outside or cell.place in DNS_PLACES)
            if is_refused and told[cell] not in REFUSED and not is_untold(cell):
                untold.append(cell)
        if untold:  # a reset to an address of the link that was made anew just then is lost, and the next SYN, a second later, is refused; what leaves now is in the account
            told = self.send(untold, 1500)[1]
            wrong += [f"{cell}: its program was told {told[cell]}" for cell in untold if told[cell] not in REFUSED]
        for cell in link:
            self.explained |= {id(frame) for frame in link[cell]}
        self.judged[situation] = (len(cells), wrong)
        return wrong

    def account(self):
        """Keeps the frames since the start of the account that are neither a cell's, nor the transport's, nor what a host needs on a link."""
        ends = {str(ipaddress.ip_address(text.strip("[]"))) for text in (self.peer, self.dead)}

        def is_fine(frame):
            if id(frame) in self.explained:
                return True
            if frame.ethertype == ETH_P_ARP:
                return frame.src != TUNNEL_HOST4
            if frame.proto == ICMPV6:
                return frame.icmp_type in (133, 135, 136) or (self.lan and frame.dst.startswith("ff02:"))
            return frame.proto == UDP and frame.dport == PEER_PORT and frame.dst in ends and b"CELL" not in frame.raw
        self.unexplained += [str(frame) for frame in self.lab.capture.since(self.start) if frame.from_host and not is_fine(frame)]


def index(frames, numbers):
    """cell -> its frames: by the tag in the payload, by the port of a connection, by type for neighbour discovery."""
    by_tag = {number: cell for cell, number in numbers.items()}
    by_port = {(cell.address, 10000 + number % 50000): cell for cell, number in numbers.items() if cell.kind == "tcp"}
    found = {}
    for frame in frames:
        if not frame.from_host:
            continue
        tags = re.findall(rb"<CELL-(\d{6})>", frame.raw)
        cell = by_tag.get(int(tags[0])) if tags else by_port.get((frame.dst, frame.sport)) if frame.proto == TCP else None
        if cell and frame.dst == cell.address:
            found.setdefault(cell, []).append(frame)
    return found


def walk(lab, matrix, lan):
    """Every state, one after the other, not open in between; yields each when it holds."""
    def at(state, tunnel="none"):
        has_hop = state.startswith(("connect", "reconnect", "disconnecting"))
        return Situation(state, tunnel, lan, matrix.dead.strip("[]") if state.startswith("connecting") else matrix.peer.strip("[]") if has_hop else "")

    def killed(state, tunnel="none"):
        lab.daemons[-1].kill()
        yield at(f"{state}, killed", tunnel)
        lab.kill_wireguard()
        lab.start_daemon()

    def stopped(state, tunnel):
        lab.daemons[-1].process.send_signal(signal.SIGSTOP)
        yield at(f"{state}, stopped", tunnel)

    def go_on():
        lab.daemons[-1].process.send_signal(signal.SIGCONT)

    lab.vpnctl("lockdown", "on")
    lab.vpnctl("lan", "allow" if lan else "block")
    yield at("lockdown")
    yield from stopped("lockdown", "none")
    go_on()
    yield from killed("lockdown")
    lab.vpnctl("connect", "dead")
    lab.wait_state("connecting")
    yield at("connecting", "dead")
    assert lab.status()["state"] == "connecting"
    yield from stopped("connecting", "dead")
    go_on()
    yield from killed("connecting", "dead")
    lab.wait_state("error")
    yield at("error")
    yield from stopped("error", "none")
    go_on()
    yield from killed("error")
    lab.wait_state("error")
    lab.vpnctl("connect", "live", "--wait", "--timeout", "40")
    yield at("connected", "up")
    assert lab.status()["state"] == "connected"
    yield from stopped("connected", "up")
    go_on()
    lab.silence_peer()
    lab.vpnctl("reconnect")
    lab.wait_state("connecting")
    yield at("reconnecting", "dead")
    assert lab.status()["state"] == "connecting"
    yield from stopped("reconnecting", "dead")
    go_on()
    yield from killed("reconnecting", "dead")
    lab.revive_peer()
    lab.wait_state("error")
    lab.vpnctl("connect", "live", "--wait", "--timeout", "40")
    yield from killed("connected", "up")  # wireguard-go lives on
    lab.wait_state("error")
    lab.vpnctl("connect", "live", "--wait", "--timeout", "40")
    tunnel = hold_disconnecting(lab, False)
    yield at("disconnecting", tunnel)
    yield from killed("disconnecting", tunnel)
    lab.vpnctl("connect", "live", "--wait", "--timeout", "40")
    tunnel = hold_disconnecting(lab, True)
    yield at("disconnecting, routes gone", tunnel)
    yield from killed("disconnecting, routes gone", tunnel)
    lab.vpnctl("connect", "live", "--wait", "--timeout", "40")
    assert lab.daemons[-1].stop(signal.SIGUSR1) == 0
    yield at("restarting")
    lab.start_daemon()
    lab.wait_state("connected")
    yield at("connected, restarted", "up")
    lab.vpnctl("disconnect", "--wait")
    assert lab.daemons[-1].stop() == 0
    yield at("ended with lockdown")
    lab.host.run("nft", "delete", "table", "inet", "vpnd")
    matrix.account()
    write_settings(lab, {"lockdown": True, "allow-lan": lan})
    assert early_boot(lab).returncode == 0
    matrix.start = lab.capture.mark()
    yield at("early boot")
    lab.start_daemon()
    yield at("lockdown, after early boot")


STATES = ["lockdown", "lockdown, stopped", "lockdown, killed", "connecting", "connecting, stopped", "connecting, killed", "error", "error, stopped", "error, killed", "connected", "connected, stopped", "reconnecting",
          "reconnecting, stopped", "reconnecting, killed", "connected, killed", "disconnecting", "disconnecting, killed", "disconnecting, routes gone", "disconnecting, routes gone, killed", "restarting", "connected, restarted",
          "ended with lockdown", "early boot", "lockdown, after early boot"]


def routes_of_the_tunnel(lab):
    return "lookup 22096" in lab.host.run("ip", "rule").stdout + lab.host.run("ip", "-6", "rule", check=False).stdout


def hold_disconnecting(lab, without_routes):
    """A stopped wireguard-go takes a second to die; within it vpnd is stopped, too, at once or when the routes are gone. On a busy machine the second may be over, so: again.
    Returns where packets go."""
    for _ in range(5):
        said = lab.daemons[-1].log().count("connected -> disconnecting")
        lab.kill_wireguard(signal.SIGSTOP)
        lab.host.start(lab.vpnctl_path, "disconnect", env=lab.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # the answer waits for the end
        sandbox.wait_until(lambda said=said: lab.daemons[-1].log().count("connected -> disconnecting") > said, 20, "the beginning of the end")
        if without_routes:
            sandbox.wait_until(lambda: not routes_of_the_tunnel(lab), 20, "the routes are gone")
        lab.daemons[-1].process.send_signal(signal.SIGSTOP)
        if "chain tunnel_out" in lab.host.run("nft", "list", "table", "inet", "vpnd").stdout:  # the rules of before, until the tunnel is gone
            return "dead" if routes_of_the_tunnel(lab) else "none"
        lab.daemons[-1].process.send_signal(signal.SIGCONT)
        lab.vpnctl("connect", "live", "--wait", "--timeout", "40")
    raise AssertionError("disconnecting could not be held")


def matrix_of(kind, lan):
    """Walks through all states on a new lab."""
    matrix = Matrix(kind, lan)
    with matrix.lab as lab:
        lab.start_daemon()
        for name, address in (("live", matrix.peer), ("dead", matrix.dead)):
            lab.vpnctl("import", "-", name, input=lab.profile(endpoint=f"{address}:{PEER_PORT}"))
        matrix.round(Situation("disconnected", lan=lan))
        matrix.start = None
        for situation in walk(lab, matrix, lan):
            if matrix.start is None:
                matrix.start = lab.capture.mark()
            matrix.round(situation)
        matrix.account()
        matrix.reports = lab.sanitizer_reports()
    return matrix


WALKS = [("dual", False), ("dual", True), ("ipv6-disabled", False), ("ipv6-only", False), ("ipv6-only", True)]


@pytest.fixture(name="matrix", scope="module", params=WALKS, ids=[f"{kind}-lan-{'on' if lan else 'off'}" for kind, lan in WALKS])
def matrix_fixture(request):
    return matrix_of(*request.param)


def check(matrix, state):
    found = [value for situation, value in matrix.judged.items() if situation.state == state]
    assert len(found) == 1, f"the walk did not come to {state}"
    count, wrong = found[0]
    assert count > 100
    if wrong:
        raise AssertionError("\n".join([f"{len(wrong)} of {count} cells:", *wrong[:40]]))


def test_control_every_cell_is_seen(matrix):
    check(matrix, "disconnected")


@pytest.mark.parametrize("state", STATES)
def test_cells(matrix, state):
    check(matrix, state)


def test_nothing_else_left(matrix):
    """Also between the states: not a frame that nobody can account for."""
    assert matrix.unexplained == []
    assert matrix.reports == []
