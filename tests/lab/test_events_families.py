# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix of test_events.py on hosts with one family: IPv6 disabled in the kernel, and IPv6 and nothing else."""
import pytest

from lab import GATEWAY6, HOST6, IS_SANITIZED, PEER6, PEER_PORT, PUBLIC6
from test_events import MATRIX, check_event, connected_lab
from test_families import OFF

OTHER_GATEWAY6 = "2001:db8:1::fe"
OFFLINE, CONNECTED = ("error", "offline"), ("connected", "")
LINK_BACK = f"link set eth0 up; addr replace {HOST6}/64 dev eth0 nodad; -6 route replace default via {GATEWAY6} dev eth0"
ADDRESS_BACK = f"addr replace {HOST6}/64 dev eth0 nodad; -6 route replace default via {GATEWAY6} dev eth0"
ROUTE_BACK = f"-6 route replace default via {GATEWAY6} dev eth0"

# What differs where the host's own network is IPv6; the tunnel has both families there.
ONLY6 = MATRIX | {
    "link": MATRIX["link"] | {"lost": ("link set eth0 down", OFFLINE, LINK_BACK), "flapping": ("link set eth0 down", None, LINK_BACK)},
    "address": {
        "lost": (f"addr del {HOST6}/64 dev eth0; -6 route del default", OFFLINE, ADDRESS_BACK),
        "changed": (f"addr add 2001:db8:1::77/64 dev eth0 nodad; addr del {HOST6}/64 dev eth0; {ROUTE_BACK}", CONNECTED, ""),
        "added": ("addr add 2001:db8:1::78/64 dev eth0 nodad", CONNECTED, "addr del 2001:db8:1::78/64 dev eth0"),
        "flapping": (f"addr del {HOST6}/64 dev eth0; -6 route del default", None, ADDRESS_BACK),
    },
    "route": {
        "lost": ("-6 route del default", OFFLINE, ROUTE_BACK),
        "changed": (f"-6 route replace default via {OTHER_GATEWAY6} dev eth0", CONNECTED, ROUTE_BACK),
        "added": (f"-6 route add {PUBLIC6}/128 via {OTHER_GATEWAY6} dev eth0; -6 route add 8000::/1 via {GATEWAY6} dev eth0; -6 route add ::/1 via {GATEWAY6} dev eth0", CONNECTED,
                  f"-6 route del {PUBLIC6}/128; -6 route del 8000::/1; -6 route del ::/1"),
        "flapping": ("-6 route del default", None, ROUTE_BACK),
    },
    "our-route": MATRIX["our-route"] | {
        "changed": (f"-6 route del default table 22096; -6 route add default via {GATEWAY6} dev eth0 table 22096", CONNECTED, f"-6 route del default via {GATEWAY6} table 22096"),
        "added": (f"-6 route add default via {GATEWAY6} dev eth0 table 22096 metric 1; -6 route add {PUBLIC6}/128 via {GATEWAY6} dev eth0 table 22097", CONNECTED,
                  f"-6 route del default via {GATEWAY6} table 22096; -6 route del {PUBLIC6}/128 table 22097"),
    },
}


HAPPENS = ["lost", "flapping"] if IS_SANITIZED else ["lost", "changed", "added", "flapping"]


def without_ipv6(cell):
    """A host whose one family is gone has none."""
    done, state, end = cell
    return done, OFFLINE if state and state[0] == "error" else state, end


ONLY4 = {subject: {happens: without_ipv6(cell) for happens, cell in cases.items()} for subject, cases in MATRIX.items()}


@pytest.mark.parametrize("happens", HAPPENS)
@pytest.mark.parametrize("subject", MATRIX)
def test_event_where_ipv6_is_disabled(lab_with, subject, happens):
    lab = lab_with(sysctls=OFF)
    lab.families = ("-4",)
    lab.lan.ip("addr", "add", "198.51.100.254/24", "dev", "lan0")
    check_event(connected_lab(lab, subject), subject, happens, *ONLY4[subject][happens])


@pytest.mark.parametrize("happens", HAPPENS)
@pytest.mark.parametrize("subject", ONLY6)
def test_event_where_only_ipv6_is(lab, subject, happens):
    lab.families = ("-4", "-6")
    lab.host.run("ip", "-4", "addr", "flush", "dev", "eth0")
    lab.lan.ip("addr", "add", f"{OTHER_GATEWAY6}/64", "dev", "lan0", "nodad")
    check_event(connected_lab(lab, subject, endpoint=f"[{PEER6}]:{PEER_PORT}"), subject, happens, *ONLY6[subject][happens])
