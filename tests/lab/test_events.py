# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix of what can happen to a host that is connected: each subject is lost, changed, added to, and flaps 50 times a second, while programs
go on sending plain packets and questions for names. Nothing leaves, no name is asked for outside, and in the end the kernel holds exactly the plan
that follows from the network as it is then, as `vpnctl routes` says too. The resolver that restarts is the real systemd-resolved."""
import contextlib
import ipaddress
import itertools
import json
import os
import socket
import threading
import time

import pytest

import resolved
import sandbox
from capture import none, select_frames
from lab import (ECHO_PORT, GATEWAY4, GATEWAY6, HOST4, HOST6, OUTSIDE_DNS4, OUTSIDE_DNS6, PEER4, PEER6, PUBLIC4, TUNNEL_HOST4, TUNNEL_HOST6,
                 TUNNEL_PEER4)
from test_repair import add_second_uplink, listed, only_transport_to, traffic_again

OTHER_GATEWAY4 = "198.51.100.254"
FLAPS, FLAP_SECONDS = 100, 0.02
SETTLE_SECONDS = 15 if os.environ.get("VPND_SANITIZED") else 5  # with sanitizers everything is slower, a resolver that has to come up again, too

# What a program sends that knows nothing of a tunnel: by the routes and straight to the link, in the clear and to resolvers.
TARGETS = [(PUBLIC4, ECHO_PORT), (OUTSIDE_DNS4, 53), (OUTSIDE_DNS4, 853), (OUTSIDE_DNS6, 53), (GATEWAY4, 53)]
STUB = ("127.0.0.53", 53)
QUESTION = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\x09PLAINTEXT\x03lab\x07example\0\0\1\0\1"


@contextlib.contextmanager
def storm(lab):
    """Plain packets from before to after, by the routes and bound to eth0; and questions to the host's own resolver, where there is one."""
    targets = [(*target, device) for target in TARGETS for device in (None, b"eth0")] + [(*STUB, None)] * (hasattr(lab, "resolved"))
    ended = threading.Event()

    def send():
        with lab.host.net():
            while not ended.wait(0.004):
                for address, port, device in targets:
                    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
                        if device:
                            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
                        sender.setblocking(False)
                        sender.sendto(QUESTION, (address, port))
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def kernel_plan(lab):
    """What of ours the kernel has, as lines."""
    lines = set()
    for family in ("-4", "-6"):
        for rule in listed(lab, "-d", family, "rule"):
            if rule["priority"] in (4870, 4875, 4880, 4890) or str(rule.get("protocol")) == "86":
                lines.add(f"rule {family} {rule['priority']} {rule.get('fwmark', '')}/{rule.get('fwmask', '')} {rule['table']} {rule.get('suppress_prefixlen', '')}")
        for table in ("22096", "22097"):
            for route in listed(lab, family, "route", "show", "table", table):
                lines.add(f"route {family} {table} {route['dst']} {route['dev']} {route.get('gateway', '')}")
    for link in listed(lab, "addr", "show", "dev", "vpnd0"):
        lines.add(f"link {'up' if 'UP' in link['flags'] else 'down'}")
        lines |= {f"address {a['local']}/{a['prefixlen']}" for a in link["addr_info"]}
    if hasattr(lab, "resolved"):
        lines |= {f"dns nameserver {word}" for word in lab.resolved.link("dns", "vpnd0")} | {f"dns domain {word}" for word in lab.resolved.link("domain", "vpnd0")}
    else:
        lines |= {f"dns {line}" for line in lab.resolv_conf().splitlines() if line.startswith("nameserver")}
    return lines


def right_plan(lab):
    """The same lines, worked out from the host's own network: its gateways are reached past the tunnel, all else through it."""
    lines = {"link up", f"address {TUNNEL_HOST4}/32", f"dns nameserver {TUNNEL_PEER4}"}
    if "-6" in lab.families:
        lines.add(f"address {TUNNEL_HOST6}/128")
    if hasattr(lab, "resolved"):
        lines.add("dns domain ~.")
    running = {link["ifname"] for link in listed(lab, "link") if "LOWER_UP" in link["flags"]} - {"vpnd0", "lo"}
    for family in lab.families:
        lines |= {f"rule {family} 4870 0x56000000/0xff000000 main ", f"rule {family} 4875 / 22096 0", f"rule {family} 4880 / 22097 ", f"rule {family} 4890 / 22096 ",
                  f"route {family} 22096 default vpnd0 "}
        for route in listed(lab, family, "route", "show", "table", "main"):
            if route.get("gateway") and route["dev"] in running:
                lines.add(f"route {family} 22097 {ipaddress.ip_address(route['gateway'])} {route['dev']} ")
    return lines


def reported(lab):
    """What vpnd itself says: the entries that are not as planned, and whether the DNS setting is in force."""
    wrong = [entry for entry in json.loads(lab.vpnctl("routes", "--json").stdout)["routes"] if entry["state"] != "present"]
    return wrong, json.loads(lab.vpnctl("dns", "--json").stdout)["dns"]["inForce"]


def wait_right(lab, seconds=SETTLE_SECONDS, with_others=False):
    """The kernel has exactly the right plan, and vpnd says so; with_others: beside what another program has put there, which is not vpnd's to remove."""
    def is_right():
        have, want = kernel_plan(lab), right_plan(lab)
        return have >= want if with_others else have == want and reported(lab) == ([], True)
    try:
        sandbox.wait_until(is_right, seconds, "the plan")
    except TimeoutError:
        have, want = kernel_plan(lab), right_plan(lab)
        raise AssertionError(f"too much: {sorted(have - want)}; missing: {sorted(want - have)}; vpnd says {reported(lab)}\n{lab.status()}\n{lab.daemons[-1].log()}") from None


def run(lab, text):
    """One line a command of ip, and what cannot be done any more is no failure. A batch is of one family: lines with -6 have their own, in their place."""
    lines = [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]
    for is_v6, batch in itertools.groupby(lines, lambda line: line.startswith("-6 ")):
        told = lab.host.run("ip", *["-6"] * is_v6, "-force", "-batch", "-", input="".join(line.removeprefix("-6 ") + "\n" for line in batch), check=False).stderr
        assert "unknown" not in told and "garbage" not in told and "Usage" not in told, told


def write_resolv_conf(text):
    return lambda lab: lab.host.run("sh", "-c", "rm -f /etc/resolv.conf" if text is None else f"printf '{text}' > /etc/resolv.conf.new; mv /etc/resolv.conf.new /etc/resolv.conf")


def append_resolv_conf(lab):
    lab.host.run("sh", "-c", f"printf 'nameserver {OUTSIDE_DNS4}\\n' >> /etc/resolv.conf")


def resolver_claims(lab):
    """A restart after which another link has a server too, and claims every name for it."""
    lab.resolved.restart()
    lab.resolved.ctl("dns", "eth0", OUTSIDE_DNS4)
    lab.resolved.ctl("domain", "eth0", "~.")


LINK_BACK = f"link set eth0 up; addr replace {HOST6}/64 dev eth0 nodad; route replace default via {GATEWAY4} dev eth0; route replace default via {GATEWAY6} dev eth0"
ADDRESS_BACK = f"addr replace {HOST4}/24 dev eth0; route replace default via {GATEWAY4} dev eth0"
WRONG = f"nameserver {OUTSIDE_DNS4}\\\\n"

# subject: {what happens: (what is done, the state that follows, what ends it)}; for flapping the first and the last take turns.
MATRIX = {
    "link": {
        "lost": ("link set eth0 down", ("error", "offline"), LINK_BACK),
        "changed": ("link set eth0 mtu 1400", ("connected", ""), "link set eth0 mtu 1500"),
        "added": ("link add name dummy7 type veth peer name dummy8; link set dummy7 up; link set dummy8 up", ("connected", ""), "link del dummy7"),
        "flapping": ("link set eth0 down", None, LINK_BACK),
    },
    "our-link": {
        "lost": ("link set vpnd0 down", ("connected", ""), ""),
        "changed": ("link set vpnd0 mtu 1300", ("connected", ""), ""),
        "added": ("addr add 10.99.0.1/24 dev vpnd0", ("connected", ""), "addr del 10.99.0.1/24 dev vpnd0"),
        "flapping": ("link set vpnd0 down", None, "link set vpnd0 up"),
    },
    "address": {
        "lost": (f"addr del {HOST4}/24 dev eth0", ("error", "ip-family-unavailable"), ADDRESS_BACK),
        "changed": (f"addr add 198.51.100.77/24 dev eth0; addr del {HOST4}/24 dev eth0; addr add 198.51.100.77/24 dev eth0; route replace default via {GATEWAY4} dev eth0", ("connected", ""), ""),
        "added": ("addr add 198.51.100.78/24 dev eth0", ("connected", ""), "addr del 198.51.100.78/24 dev eth0"),
        "flapping": (f"addr del {HOST4}/24 dev eth0", None, ADDRESS_BACK),
    },
    "our-address": {
        "lost": (f"addr del {TUNNEL_HOST4}/32 dev vpnd0", ("connected", ""), ""),
        "changed": (f"addr add 10.99.0.2/32 dev vpnd0; addr del {TUNNEL_HOST4}/32 dev vpnd0; -6 addr change {TUNNEL_HOST6}/128 dev vpnd0 preferred_lft 0", ("connected", ""), "addr del 10.99.0.2/32 dev vpnd0"),
        "added": ("addr add 10.99.0.2/24 dev vpnd0; addr add fd00:99::2/64 dev vpnd0", ("connected", ""), "addr del 10.99.0.2/24 dev vpnd0; addr del fd00:99::2/64 dev vpnd0"),
        "flapping": (f"addr del {TUNNEL_HOST4}/32 dev vpnd0", None, "addr flush dev vpnd0"),
    },
    "route": {
        "lost": ("route del default", ("error", "ip-family-unavailable"), f"route add default via {GATEWAY4} dev eth0"),
        "changed": (f"route replace default via {OTHER_GATEWAY4} dev eth0", ("connected", ""), f"route replace default via {GATEWAY4} dev eth0"),
        "added": (f"route add {PUBLIC4}/32 via {OTHER_GATEWAY4} dev eth0; route add 128.0.0.0/1 via {GATEWAY4} dev eth0", ("connected", ""), f"route del {PUBLIC4}/32; route del 128.0.0.0/1"),
        "flapping": (f"route del default via {GATEWAY4} dev eth0", None, f"route add default via {GATEWAY4} dev eth0"),
    },
    "our-route": {
        "lost": ("route flush table 22096; -6 route flush table 22096; route flush table 22097", ("connected", ""), ""),
        "changed": (f"route replace default via {GATEWAY4} dev eth0 table 22096", ("connected", ""), ""),
        "added": (f"route prepend default via {GATEWAY4} dev eth0 table 22096; route add {PUBLIC4}/32 via {GATEWAY4} dev eth0 table 22097", ("connected", ""),
                  f"route del default via {GATEWAY4} dev eth0 table 22096; route del {PUBLIC4}/32 table 22097"),
        "flapping": ("route flush table 22096", None, "route flush table 22097"),
    },
    "rule": {
        "lost": ("rule del priority 4890; rule del priority 4870; -6 rule del priority 4890", ("connected", ""), ""),
        "changed": ("rule del priority 4890; rule add priority 4890 lookup main", ("connected", ""), "rule del priority 4890 lookup main"),
        "added": ("rule add priority 100 lookup main", ("connected", ""), "rule del priority 100"),
        "flapping": ("rule del priority 4890", None, "rule del priority 4875"),
    },
    "dns": {
        "lost": (write_resolv_conf(None), ("connected", ""), ""),
        "changed": (write_resolv_conf(WRONG), ("connected", ""), ""),
        "added": (append_resolv_conf, ("connected", ""), ""),
        "flapping": (write_resolv_conf(WRONG), None, append_resolv_conf),
    },
    "resolver": {
        "lost": (lambda lab: lab.resolved.kill(), ("connected", ""), lambda lab: lab.resolved.start()),
        "changed": (lambda lab: lab.resolved.restart(forgets=True), ("connected", ""), ""),
        "added": (resolver_claims, ("connected", ""), lambda lab: lab.resolved.ctl("revert", "eth0")),
        "flapping": (lambda lab: lab.resolved.kill(forgets=True), None, lambda lab: lab.resolved.start(ready=False)),
    },
}

# Another program's own stays beside ours until it takes it away; and without resolved nobody can say what is set there.
WITH_OTHERS = {("rule", "changed"), ("rule", "added"), ("our-link", "added"), ("our-address", "changed"), ("our-address", "added"), ("our-route", "added")}


def perform(lab, what):
    if callable(what):
        what(lab)
    else:
        run(lab, what)


def flap(lab, first, second):
    """The two in turn, 50 times a second, the second last."""
    begun = time.monotonic()
    for turn in range(FLAPS):
        perform(lab, first if turn % 2 == 0 else second)
        threading.Event().wait(max(begun + (turn + 1) * FLAP_SECONDS - time.monotonic(), 0))


def connected_lab(lab, subject, **options):
    """Connected: names are a file's, or systemd-resolved's."""
    if subject == "resolver":
        lab.resolved = resolved.Resolved(lab)
    lab.start_daemon()
    lab.connect(**options)
    return lab


@pytest.fixture(name="subject_lab")
def subject_lab_fixture(lab_with, request):
    lab = lab_with()
    lab.families = ("-4", "-6")
    return connected_lab(lab, request.param)


def check_event(lab, subject, happens, done, state, end):
    """It happens, and ends; nothing leaves meanwhile, and the kernel has the right plan before and after."""
    wait_right(lab)
    mark = lab.capture.mark()
    with storm(lab):
        if happens == "flapping":
            flap(lab, done, end)
        else:
            perform(lab, done)
            sandbox.wait_until(lambda: (lab.status()["state"], lab.status()["cause"]) == state, SETTLE_SECONDS, f"{state}; {lab.status()}\n{lab.daemons[-1].log()}")
            if state[0] == "connected" and (subject, happens) != ("resolver", "lost"):
                wait_right(lab, with_others=(subject, happens) in WITH_OTHERS)
            assert lab.status()["blocking"] is True
            perform(lab, end)
        lab.wait_state("connected", SETTLE_SECONDS)
        wait_right(lab)
        traffic_again(lab, time.monotonic(), SETTLE_SECONDS)
        asked = len(lab.services.questions)
        sandbox.wait_until(lambda: lab.host.run("getent", "ahostsv4", "after.lab.example", check=False).returncode == 0, SETTLE_SECONDS, "names are answered")
        assert any(to == TUNNEL_PEER4 and by == TUNNEL_HOST4 and name.startswith("after.") for to, by, name in lab.services.questions[asked:])
    frames = lab.capture.since(mark)
    only_transport_to(frames, (PEER4, PEER6))
    for port in (53, 853):
        none(frames, from_host=True, dport=port)
    assert not [frame for frame in select_frames(frames, from_host=True) if b"PLAINTEXT" in frame.raw]
    lab.vpnctl("disconnect", "--wait")
    assert not {line for line in kernel_plan(lab) if not line.startswith("dns")}


CELLS = [(subject, subject, happens) for subject, cases in MATRIX.items() for happens in cases]


@pytest.mark.parametrize("subject_lab,subject,happens", CELLS, indirect=["subject_lab"], ids=[f"{subject}-{happens}" for _, subject, happens in CELLS])
def test_event(subject_lab, subject, happens):
    subject_lab.lan.ip("addr", "add", f"{OTHER_GATEWAY4}/24", "dev", "lan0")
    check_event(subject_lab, subject, happens, *MATRIX[subject][happens])


def test_another_link_with_a_better_route(connected):
    """Added: a second uplink whose route wins. The tunnel follows it, and comes back when it goes."""
    connected.families = ("-4", "-6")
    add_second_uplink(connected)
    wait_right(connected)
    mark = connected.capture.mark()
    with storm(connected):
        connected.host.ip(f"""route replace default via {GATEWAY4} dev eth0 metric 200
            route del default via {GATEWAY4} dev eth0 metric 0
            route add default via 198.51.101.1 dev eth1 metric 100""")
        traffic_again(connected, time.monotonic(), SETTLE_SECONDS)
        wait_right(connected)
        connected.host.run("ip", "link", "set", "eth1", "down")
        traffic_again(connected, time.monotonic(), SETTLE_SECONDS)
        wait_right(connected)
    frames = connected.capture.since(mark)
    only_transport_to(frames, (PEER4, PEER6))
    none(frames, dst=PUBLIC4)
    assert connected.status()["state"] == "connected"


def test_control_the_matrix_is_whole():
    """No row without one of its columns."""
    assert {frozenset(cases) for cases in MATRIX.values()} == {frozenset(("lost", "changed", "added", "flapping"))}
    assert set(MATRIX) == {"link", "our-link", "address", "our-address", "route", "our-route", "rule", "dns", "resolver"}


def test_control_the_storm_is_seen(host):
    """Without a tunnel the same packets are on the link: the matrix is not blind."""
    mark = host.capture.mark()
    with storm(host):
        for address, port in TARGETS:
            host.capture.wait(lambda frame, address=address, port=port: frame.dst == address and frame.dport == port, mark, f"{address} port {port}")
