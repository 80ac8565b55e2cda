# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What test_repair.py shows, on hosts with one family: IPv6 disabled in the kernel, and IPv6 and nothing else. No lab has systemd."""
import time

import pytest

import sandbox
from capture import none
from lab import GATEWAY4, GATEWAY6, HOST4, HOST6, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6
from test_connect import only_transport
from test_families import host_with
from test_repair import TRAFFIC6_SECONDS, TRAFFIC_SECONDS, add_second_uplink, check_comes_back, check_torn_at, fake_logind, flood, flow_through, sleep_and_wake, traffic_again

# A host without IPv6 has no rules and addresses of it that could be taken away; one without IPv4 has both, inside the tunnel.
CASES = [(kind, attack) for kind, attacks in {
    "ipv6-disabled": ("rules4", "routes4", "route-to-the-lan", "address4", "link-deleted", "mtu", "dns-file-written"),
    "ipv6-only": ("rules4", "rules6", "routes6", "address4", "addresses6", "link-down", "link-deleted", "dns-file-deleted"),
}.items() for attack in attacks]
KINDS = ("ipv6-disabled", "ipv6-only")

# What the words of ip(8) are with either family.
WORDS = {
    "ipv6-disabled": {"family": "-4", "gateway": GATEWAY4, "here": f"{HOST4}/24", "new": "198.51.100.77/24", "uplink": ("198.51.101.2/24", "198.51.101.1/24"), "soon": TRAFFIC_SECONDS},
    "ipv6-only": {"family": "-6", "gateway": GATEWAY6, "here": f"{HOST6}/64", "new": "2001:db8:1::77/64 nodad", "uplink": ("2001:db8:3::2/64", "2001:db8:3::1/64"), "soon": TRAFFIC6_SECONDS},
}


@pytest.fixture(name="connected")
def connected_fixture(lab_with, kind):
    lab = host_with(lab_with, kind)
    lab.connect(endpoint=lab.endpoint)
    return lab


@pytest.fixture(name="flow")
def flow_fixture(connected):
    with flow_through(connected) as ask:
        yield ask


@pytest.mark.parametrize("kind,attack", CASES)
def test_taken_away_comes_back(connected, flow, attack):
    check_comes_back(connected, flow, attack, connected.peer)


@pytest.mark.parametrize("kind,attacks", [("ipv6-disabled", ("rules4", "routes4")), ("ipv6-only", ("rules6", "routes6", "addresses6"))])
def test_torn_at_for_two_seconds(connected, flow, attacks):
    check_torn_at(connected, flow, attacks, connected.peer)


def nothing_in_the_clear(lab, mark):
    frames = lab.capture.since(mark)
    only_transport(frames, lab.peer)
    for address in (PUBLIC4, PUBLIC6):
        none(frames, dst=address)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["another-link", "another-address"])
def test_the_network_moves(connected, flow, kind, what):
    """The wire for Wi-Fi, or a new lease: connected all the time, and traffic flows again."""
    words = WORDS[kind]
    mark = connected.capture.mark()
    if what == "another-link":
        add_second_uplink(connected, *words["uplink"])
    with flood(connected):
        since = time.monotonic()
        if what == "another-link":
            connected.host.ip(f"route replace default via {words['uplink'][1].split('/')[0]} dev eth1\naddr del {words['here']} dev eth0")
        else:
            connected.host.ip(f"addr del {words['here']} dev eth0\naddr add {words['new']} dev eth0\nroute replace default via {words['gateway']} dev eth0")
        took = traffic_again(connected, since, words["soon"])
        print(f"traffic after {took * 1000:.0f} ms")
        flow()
    nothing_in_the_clear(connected, mark)
    assert connected.wait_state("connected", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_offline_and_back(connected, kind):
    """The one family's route goes: offline and closed. It comes: connected by itself."""
    words = WORDS[kind]
    mark = connected.capture.mark()
    with flood(connected):
        connected.host.run("ip", words["family"], "route", "del", "default")
        status = connected.wait_state("error", 3)
        assert status["cause"] == "offline" and status["blocking"] is True
        since = time.monotonic()
        connected.host.run("ip", words["family"], "route", "add", "default", "via", words["gateway"], "dev", "eth0")
        took = traffic_again(connected, since, words["soon"])
        print(f"traffic after {took * 1000:.0f} ms")
    assert connected.wait_state("connected", 3)["cause"] == ""
    nothing_in_the_clear(connected, mark)


@pytest.mark.parametrize("kind", KINDS)
def test_sleep_and_another_address(connected, flow, kind):
    """logind says that the host sleeps and wakes; its address is another one then: a new session within 3 s, and nothing left."""
    words = WORDS[kind]
    logind = fake_logind(connected)
    mark = connected.capture.mark()
    since = sleep_and_wake(connected, logind, f"addr del {words['here']} dev eth0", f"addr add {words['new']} dev eth0", f"route replace default via {words['gateway']} dev eth0")
    traffic_again(connected, since, 3)
    sandbox.wait_until(lambda: connected.daemons[-1].log().count("connecting -> connected") >= 2, 3, "a new session")
    flow()
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    nothing_in_the_clear(connected, mark)


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_without_an_address(connected, flow, kind):
    """Between two leases the kernel would give the transport the tunnel's own address, for want of another: it stays here, and with the new lease traffic flows again."""
    words, inside = WORDS[kind], TUNNEL_HOST6 if connected.has_ipv6 else TUNNEL_HOST4
    mark = connected.capture.mark()
    with flood(connected):
        connected.host.ip(f"addr del {words['here']} dev eth0\nroute replace default via {words['gateway']} dev eth0 onlink")
        way = connected.host.run("ip", words["family"], "route", "get", connected.peer, "mark", "0x56000000").stdout
        assert f"dev eth0 src {inside} " in way, f"the control: {way}"
        connected.probe([{"kind": "udp", "address": PUBLIC4, "port": 7, "wait": 20}] * 20)
        connected.host.ip(f"addr add {words['new']} dev eth0\nroute replace default via {words['gateway']} dev eth0")
        traffic_again(connected, time.monotonic(), words["soon"])
        flow()
    none(connected.capture.since(mark), src=inside)
    nothing_in_the_clear(connected, mark)
