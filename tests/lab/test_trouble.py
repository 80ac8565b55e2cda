# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crashes, restarts, dead peers, and other software that tears at what vpnd has set up."""
import signal
import time

import pytest

import sandbox
from capture import none
from lab import ECHO_PORT, HOST4, OUTSIDE_DNS4, PEER_PORT, PUBLIC4, PUBLIC6, TUNNEL_HOST4
from test_connect import only_transport
from test_leaks import assert_sealed

INITIATION_BYTES = 20 + 8 + 148  # IPv4, UDP, and the message


def crash(lab):
    """Kills vpnd and whatever it had started, as systemd does with the rest of a unit's group."""
    lab.daemons[-1].kill()
    lab.kill_wireguard()


def assert_told(lab, warning, line):
    """What was put back stands in the status and in the log."""
    assert any(text.startswith(warning) for text in lab.status()["warnings"]), lab.status()
    assert line in lab.daemons[-1].log()


def test_crash_keeps_the_rules(connected):
    connected.daemons[-1].kill()
    assert_sealed(connected)
    connected.kill_wireguard()
    assert_sealed(connected)


def test_restart_after_crash_blocks_and_says_so(connected):
    crash(connected)
    mark = connected.capture.mark()
    connected.start_daemon()
    status = connected.wait_state("error")
    assert status["cause"] == "crashed" and status["blocking"] is True
    assert_sealed(connected)
    connected.vpnctl("disconnect", "--wait")
    assert connected.difference(connected.before, connected.snapshot()) == ""
    none([f for f in connected.capture.since(mark)], dst=PUBLIC4)
    assert connected.echo(PUBLIC4) == HOST4


def test_resolv_conf_comes_back_at_start_after_crash(connected):
    before = connected.before["resolv.conf"]
    assert connected.resolv_conf() != before
    crash(connected)
    connected.start_daemon()
    assert connected.resolv_conf() == before


def test_resolv_conf_comes_back_after_a_power_cut(connected):
    """Of the boot before there is only what lies on disk: no table, rules, link, processes, nor /run. Names work as before."""
    assert connected.resolv_conf() != connected.before["resolv.conf"]
    crash(connected)
    connected.host.run("nft", "delete", "table", "inet", "vpnd")
    for family in ("-4", "-6"):
        for priority in (4870, 4875, 4880, 4890):
            connected.host.ip(family, "rule", "del", "priority", priority)
        connected.host.run("ip", family, "route", "flush", "table", "22097")
    connected.begin_another_boot()
    connected.start_daemon()
    status = connected.wait_state("disconnected")
    assert status["blocking"] is False
    assert connected.resolv_conf() == connected.before["resolv.conf"]
    connected.host.run("getent", "ahosts", "booted.lab.example")


def test_crash_recovery_reconnect(connected):
    connected.vpnctl("settings", "set", "crash-recovery", "reconnect")
    crash(connected)
    mark = connected.capture.mark()
    connected.start_daemon()
    connected.wait_state("connected")
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    only_transport(connected.capture.since(mark))


def test_crash_recovery_release(connected):
    connected.vpnctl("settings", "set", "crash-recovery", "release")
    crash(connected)
    connected.start_daemon()
    connected.wait_state("disconnected")
    assert connected.difference(connected.before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == HOST4


@pytest.mark.parametrize("recovery", ["reconnect", "release"])
def test_two_crashes_in_a_minute_block(connected, recovery):
    connected.vpnctl("settings", "set", "crash-recovery", "reconnect")
    crash(connected)
    connected.start_daemon()
    connected.wait_state("connected")
    connected.vpnctl("settings", "set", "crash-recovery", recovery)
    crash(connected)
    connected.start_daemon()
    status = connected.wait_state("error")
    assert status["cause"] == "crashed" and status["blocking"] is True
    assert_sealed(connected)


def test_crash_while_disconnected_is_no_crash_of_protection(host):
    crash(host)
    host.start_daemon()
    assert host.status()["state"] == "disconnected"
    assert host.difference(host.before, host.snapshot()) == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_is_clean(connected, number):
    assert connected.daemons[-1].stop(number) == 0
    assert connected.difference(connected.before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == HOST4


def test_stop_with_lockdown_keeps_the_rules(connected):
    connected.vpnctl("settings", "set", "lockdown", "true")
    connected.daemons[-1].stop()
    assert_sealed(connected)


def test_restart_signal_keeps_the_rules_and_comes_back(connected):
    """What systemctl restart does: SIGUSR1, then a new daemon. Not one packet, and the tunnel is back."""
    mark = connected.capture.mark()
    assert connected.daemons[-1].stop(signal.SIGUSR1) == 0
    assert_sealed(connected)
    connected.start_daemon()
    connected.wait_state("connected")
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    only_transport(connected.capture.since(mark))


def test_one_lost_initiation_costs_one_second(host):
    """WireGuard itself would ask again after 5 s, and an attempt that begins anew after 4."""
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.lan.run("nft", "-f", "-", input=f"""table inet loss {{ chain pass {{ type filter hook forward priority 0
        udp dport {PEER_PORT} quota until {INITIATION_BYTES + 20} bytes counter drop
    }}\n}}\n""")
    began = time.monotonic()
    host.vpnctl("connect", "demo", "--wait")
    took = time.monotonic() - began
    assert "counter packets 1 " in host.lan.run("nft", "list", "table", "inet", "loss").stdout
    host.lan.run("nft", "delete", "table", "inet", "loss")
    assert 1 <= took < 3.5, took
    assert host.status()["attempt"] == 0 and host.echo(PUBLIC4) == TUNNEL_HOST4


def test_dead_peer_is_noticed_and_comes_back(connected):
    """With traffic flowing, connected ends within 25 s of the peer's death; when the peer lives again, so does the tunnel."""
    mark = connected.capture.mark()
    connected.silence_peer()
    with connected.host.net():
        import socket
        traffic = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with traffic:
        def left_connected():
            try:
                traffic.sendto(b"traffic", (PUBLIC4, ECHO_PORT))
            except OSError:
                pass
            return connected.status()["state"] != "connected"
        sandbox.wait_until(left_connected, 25, "the dead peer is noticed")
    assert connected.status()["state"] == "connecting"
    connected.revive_peer()
    connected.wait_state("connected", 40)
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    only_transport(connected.capture.since(mark))


def test_wireguard_go_killed(connected):
    mark = connected.capture.mark()
    connected.kill_wireguard()
    for address in (PUBLIC4, PUBLIC6):
        connected.echo(address, wait=20)
    connected.wait_until_works(TUNNEL_HOST4)
    assert_told(connected, "link: ", "The tunnel's device is gone")
    only_transport(connected.capture.since(mark))
    connected.vpnctl("disconnect", "--wait")
    assert connected.difference(connected.before, connected.snapshot()) == ""


def test_link_deleted(connected):
    mark = connected.capture.mark()
    connected.host.run("ip", "link", "del", "vpnd0")
    connected.wait_until_works(TUNNEL_HOST4)
    assert_told(connected, "link: ", "The tunnel's device is gone")
    only_transport(connected.capture.since(mark))


def test_flush_ruleset_does_not_open(connected):
    mark = connected.capture.mark()
    connected.host.run("nft", "flush", "ruleset", check=False)
    sandbox.wait_until(lambda: "table inet vpnd" in connected.host.run("nft", "list", "tables").stdout, 5, "the table is there")
    assert_sealed(connected)
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4
    only_transport(connected.capture.since(mark))


def test_rules_and_routes_deleted_do_not_open(connected):
    """Another program takes our rules and routes away: nothing leaves beside the tunnel, and the end is still clean."""
    mark = connected.capture.mark()
    for family in ("-4", "-6"):
        connected.host.run("ip", family, "rule", "flush", check=False)
        for priority, table in (("32766", "main"), ("32767", "default")):
            connected.host.run("ip", family, "rule", "add", "priority", priority, "lookup", table, check=False)
        connected.host.run("ip", family, "route", "flush", "table", "22096", check=False)
    assert_sealed(connected)
    for address in (PUBLIC4, PUBLIC6):
        connected.echo(address, wait=50)
    only_transport(connected.capture.since(mark))
    connected.vpnctl("disconnect", "--wait")
    after = connected.snapshot()
    for key in ("nft", "route4", "route6", "addr", "link", "sysctl", "resolv.conf"):
        assert after[key] == connected.before[key], connected.difference(connected.before, after)


def test_default_route_lost_and_found(connected):
    """The network goes and comes back: never open in between, connected again at the end without being asked."""
    mark = connected.capture.mark()
    connected.host.run("ip", "link", "set", "eth0", "down")
    sandbox.wait_until(lambda: connected.status()["state"] != "connected", 20, "offline is noticed")
    connected.host.run("ip", "link", "set", "eth0", "up")
    connected.host.run("ip", "route", "replace", "default", "via", "198.51.100.1", "dev", "eth0")
    connected.wait_state("connected", 40)
    connected.wait_until_works(TUNNEL_HOST4)
    only_transport(connected.capture.since(mark))


def test_resolv_conf_overwritten_by_another_program(connected):
    """Another program renames its own file over ours: no question goes to its servers outside, and at the end its file is back, as the newer original."""
    connected.host.run("sh", "-c", f"echo 'nameserver {OUTSIDE_DNS4}' > /etc/resolv.conf.new && mv /etc/resolv.conf.new /etc/resolv.conf")
    mark, asked = connected.capture.mark(), len(connected.services.questions)
    connected.host.run("getent", "hosts", "fresh.lab.example", check=False)
    none(connected.capture.since(mark), dport=53)
    assert not [question for question in connected.services.questions[asked:] if question[0] == OUTSIDE_DNS4]
    connected.vpnctl("disconnect", "--wait")
    assert connected.resolv_conf().endswith(f"nameserver {OUTSIDE_DNS4}\n")
    assert "lab.example" not in connected.resolv_conf()
