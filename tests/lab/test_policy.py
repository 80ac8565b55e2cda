# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings open beside the tunnel, and that nothing else opens with it: the local network, resolvers of one's own."""
import pytest

import services
from capture import none, seen
from lab import ECHO_PORT, GATEWAY4, HOST4, HOST6, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4

LAN_HOST4, LAN_HOST6 = "192.168.77.2", "fd77::2"        # the host's addresses on the private network of its link
LINK4, LINK6 = (HOST4, LAN_HOST4), (HOST6, LAN_HOST6)    # which of them the kernel chooses is its own affair
LAN_PEER4, LAN_PEER6 = "192.168.77.9", "fd77::9"        # another machine there


@pytest.fixture(name="lan")
def lan_fixture(host):
    """The lab with a private network on the link beside the public one, and a machine on it that answers echo and DNS."""
    host.lan.ip(f"""addr add {LAN_PEER4}/24 dev lan0
        addr add {LAN_PEER6}/64 dev lan0 nodad""")
    host.host.ip(f"""addr add {LAN_HOST4}/24 dev eth0
        addr add {LAN_HOST6}/64 dev eth0 nodad""")
    host.lan_services = services.Services(host.lan, ECHO_PORT, [LAN_PEER4, LAN_PEER6], [LAN_PEER4, LAN_PEER6])
    host.closers.append(host.lan_services.close)
    host.connect()
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
    answers = lan.probe([{"kind": kind, "address": address, "port": port, "wait": 300} for kind in ("udp", "tcp") for port in (53, 853)
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
    lan.capture.wait(lambda frame: frame.arp_op == 1 and frame.dst == "10.64.0.78", mark, 5, "the rest of that network is local")
    seen(lan.capture.since(mark), arp_op=1, dst="10.64.0.78")


def test_host_is_reachable_from_the_lan_only_when_allowed(lan):
    for allow in (False, True):
        allow_lan(lan, allow)
        done = lan.lan.run("ping", "-c", "1", "-W", "1", LAN_HOST4, check=False)
        assert (done.returncode == 0) == allow, done.stdout
        assert lan.lan.run("ping", "-c", "1", "-W", "1", HOST4, check=False).returncode != 0, "a public neighbour is no LAN"
