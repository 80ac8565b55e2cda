# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vpnd is for: connect, traffic only inside the tunnel, DNS, disconnect, the host as before."""
import json

import pytest

from capture import ICMP, ICMPV6, UDP, none, seen, select_frames
from lab import (DEAD4, ECHO_PORT, HOST4, NOBODY, OUTSIDE_DNS4, PEER4, PEER6, PEER_PORT, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4,
                 TUNNEL_PEER6)


def only_transport(frames, endpoint=PEER4):
    """All that the host sent on the link is UDP to the endpoint, besides neighbour discovery and ARP."""
    for frame in select_frames(frames, from_host=True, proto=lambda p: p != 0):
        is_transport = frame.proto == UDP and frame.dst == endpoint and frame.dport == PEER_PORT
        is_ndp = frame.proto == ICMPV6 and frame.icmp_type in (133, 135, 136, 143)
        assert is_transport or is_ndp, f"left the host in the clear: {frame}"


def test_ping_crosses_inside_the_tunnel_only(connected):
    mark = connected.capture.mark()
    for address in (TUNNEL_PEER4, TUNNEL_PEER6, PUBLIC4, PUBLIC6):
        connected.host.run("ping", "-c1", "-W5", address)
    frames = connected.capture.since(mark)
    seen(frames, from_host=True, proto=UDP, dst=PEER4, dport=PEER_PORT)
    none(frames, proto=ICMP)
    only_transport(frames)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("address,source", [(PUBLIC4, TUNNEL_HOST4), (PUBLIC6, TUNNEL_HOST6)])
def test_far_side_sees_the_tunnel_address(connected, kind, address, source):
    assert connected.echo(address, kind) == source


@pytest.mark.parametrize("endpoint", [f"{PEER4}:{PEER_PORT}", f"[{PEER6}]:{PEER_PORT}"])
def test_status_after_connect_by_either_family(host, endpoint):
    host.connect(endpoint=endpoint)
    status = host.status()
    assert status["state"] == "connected" and status["blocking"] is True and status["profile"] == "demo"
    assert status["backend"] == "userspace"
    assert host.vpnctl("status").stdout.splitlines()[0].startswith("Connected")
    assert host.echo(PUBLIC4) == TUNNEL_HOST4


@pytest.mark.parametrize("resolv_conf", ["file", "bind", "none"])
def test_disconnect_leaves_the_host_as_before(lab_with, resolv_conf):
    lab = lab_with(resolv_conf=resolv_conf)
    before = lab.snapshot()
    lab.start_daemon()
    assert lab.difference(before, lab.snapshot()) == "", "vpnd changed the host by starting"
    lab.connect()
    assert lab.difference(before, lab.snapshot()) != ""
    lab.vpnctl("disconnect", "--wait")
    assert lab.difference(before, lab.snapshot()) == ""
    assert lab.status()["state"] == "disconnected"
    if resolv_conf != "none":
        assert lab.echo(PUBLIC4) == HOST4


def test_ten_rounds_leave_nothing(host):
    host.vpnctl("import", "-", "demo", input=host.profile())
    for _ in range(10):
        host.vpnctl("connect", "demo", "--wait", "--timeout", "40")
        host.vpnctl("disconnect", "--wait")
    assert host.difference(host.before, host.snapshot()) == ""


def test_dns_goes_to_the_tunnel_resolver(connected):
    assert TUNNEL_PEER4 in connected.resolv_conf()
    mark, asked = connected.capture.mark(), len(connected.services.questions)
    connected.host.run("getent", "hosts", "fresh.lab.example")
    assert (TUNNEL_PEER4, TUNNEL_HOST4, "fresh.lab.example") in connected.services.questions[asked:]
    none(connected.capture.since(mark), dport=53)


def test_connect_while_connected_is_no_new_leak(connected):
    mark = connected.capture.mark()
    connected.vpnctl("reconnect", "--wait")
    connected.wait_state("connected")
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    only_transport(connected.capture.since(mark))


def test_specific_allowed_ips_leave_the_rest_blocked(host):
    """A profile without a default route: its networks go by the tunnel, nothing else goes anywhere."""
    host.connect(allowed=f"{TUNNEL_PEER4}/32", dns="")
    assert host.echo(TUNNEL_PEER4) == TUNNEL_HOST4
    mark = host.capture.mark()
    assert host.echo(PUBLIC4, wait=200) is None
    none(host.capture.since(mark), dport=ECHO_PORT)


def test_ipv6_disabled_in_the_kernel(lab_with):
    lab = lab_with(sysctls=[("net.ipv6.conf.all.disable_ipv6", 1), ("net.ipv6.conf.default.disable_ipv6", 1)])
    before = lab.snapshot()
    lab.start_daemon()
    lab.connect()
    assert lab.echo(PUBLIC4) == TUNNEL_HOST4
    lab.vpnctl("disconnect", "--wait")
    assert lab.difference(before, lab.snapshot()) == ""


def test_without_polkit_users_are_refused(lab_with):
    """Nobody to ask means no, said with the exit code of a refusal; the daemon is none the worse."""
    lab = lab_with(with_polkit=False)
    before = lab.snapshot()
    lab.start_daemon()
    for words in (("reconnect",), ("disconnect",), ("settings", "set", "lockdown", "on")):
        done = lab.vpnctl(*words, uid=NOBODY, check=False)
        assert done.returncode == 3 and "polkit" in done.stderr, f"{words}: {done.returncode} {done.stderr}"
    assert lab.daemons[0].process.poll() is None
    assert lab.daemons[0].stop() == 0
    assert lab.difference(before, lab.snapshot()) == ""


def test_unprivileged_user_reads_but_may_not_act(connected):
    assert json.loads(connected.vpnctl("status", "--json", uid=NOBODY).stdout)["state"] == "connected"
    for words in (("disconnect",), ("connect", "demo"), ("remove", "demo"), ("settings", "set", "lockdown", "true"), ("logs",), ("export", "demo")):
        done = connected.vpnctl(*words, uid=NOBODY, check=False)
        assert done.returncode == 3, f"{words}: {done.returncode} {done.stderr}"
    assert connected.status()["state"] == "connected"


def test_dead_endpoint_stays_connecting_and_times_out(host):
    host.vpnctl("import", "-", "dead", input=host.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    done = host.vpnctl("connect", "dead", "--wait", "--timeout", "2", check=False)
    assert done.returncode == 5, done.stderr
    assert host.status()["state"] == "connecting"
    host.vpnctl("disconnect", "--wait")
    assert host.difference(host.before, host.snapshot()) == ""


def test_planted_secrets_are_nowhere(connected):
    lab = connected
    texts = {"status": lab.vpnctl("status").stdout, "json": lab.vpnctl("status", "--json").stdout, "show": lab.vpnctl("show", "demo").stdout,
             "list": lab.vpnctl("list").stdout, "export": lab.vpnctl("export", "demo").stdout, "logs": lab.vpnctl("logs").stdout}
    broken = lab.profile().replace("AllowedIPs", "AllowedIP")
    done = lab.vpnctl("import", "-", "broken", input=broken, check=False)
    assert done.returncode != 0
    texts["error"] = done.stdout + done.stderr
    short = lab.profile().replace(lab.host_private, lab.host_private[:-2])
    done = lab.vpnctl("import", "-", "broken", input=short, check=False)
    assert done.returncode != 0
    texts["key error"] = done.stdout + done.stderr
    lab.vpnctl("disconnect", "--wait")
    lab.daemons[0].stop()
    texts |= lab.outputs()
    for name, text in texts.items():
        for secret in [*lab.secrets(), lab.host_private[:-2]]:
            assert secret not in text, f"a key stands in {name}"
    state = lab.host_run / "vpnd-lab/state"
    for path in state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path.name} can be read by others"
    assert any(lab.host_private in p.read_text(encoding="utf-8", errors="replace") for p in state.rglob("*") if p.is_file()), \
        "the planted key was not stored where this test thinks: it would prove nothing"


def test_second_daemon_refuses_and_changes_nothing(connected):
    before = connected.snapshot()
    second = connected.start_daemon(ready=False)
    assert second.process.wait(20) != 0
    assert connected.difference(before, connected.snapshot()) == ""
    assert connected.status()["state"] == "connected"
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4


def test_endpoint_by_name_on_a_closed_host(host):
    """A host that is closed can ask for no name: it takes the address that the name had the last time, by hand and at a start after early boot."""
    host.connect(endpoint="vpn.provider.example:51820")
    host.vpnctl("settings", "set", "lockdown", "on")
    host.vpnctl("disconnect", "--wait")
    mark = host.capture.mark()
    host.vpnctl("connect", "demo", "--wait", "--timeout", "40")
    host.vpnctl("settings", "set", "auto-connect", "on")
    host.vpnctl("disconnect", "--wait")
    host.daemons[-1].stop()
    assert host.host.run(host.vpnd, "--early-boot", env=host.environment(), check=False).returncode == 0
    host.start_daemon()
    host.wait_state("connected")
    assert host.echo(PUBLIC4) == TUNNEL_HOST4
    only_transport(host.capture.since(mark), PUBLIC4)


@pytest.mark.parametrize("way", ["file", "service"])
def test_name_that_becomes_known_on_a_closed_host(host, way):
    """A start with auto-connect, of a profile whose server has never had an address: closed, and connected by itself when the name is known, by a file or by a
    resolver that the settings leave open to root. Nothing else leaves."""
    host.vpnctl("import", "-", "demo", input=host.profile(endpoint="vpn.provider.example:51820"))
    host.vpnctl("settings", "set", "auto-connect-profile", "demo")
    host.vpnctl("settings", "set", "auto-connect", "true")
    host.daemons[-1].stop()
    assert host.host.run(host.vpnd, "--early-boot", env=host.environment(), check=False).returncode == 0
    mark = host.capture.mark()
    host.start_daemon()
    status = host.wait_state("error")
    assert status["cause"] == "endpoint-unresolvable" and status["blocking"] is True
    if way == "file":
        host.host.run("sh", "-c", f"echo {PEER4} vpn.provider.example >> /etc/hosts")
        host.wait_state("connected")
        only_transport(host.capture.since(mark))
    else:
        none(host.capture.since(mark), from_host=True, dport=53)
        host.vpnctl("settings", "set", "api-endpoints", f"{OUTSIDE_DNS4}:53/udp")
        host.wait_state("connected")
        only_transport([frame for frame in host.capture.since(mark) if (frame.dst, frame.dport) != (OUTSIDE_DNS4, 53)], PUBLIC4)
    assert host.echo(PUBLIC4) == TUNNEL_HOST4


def test_no_reply_contradicts_a_signal(connected):
    """A client that asks for the state while it changes: the reply must not be older than the signals sent before it, or the client
    believes in "connecting" for ever."""
    for _ in range(40):
        connected.vpnctl("reconnect", "--wait", "--timeout", "30")
