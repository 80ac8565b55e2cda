# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control runs: without vpnd, every kind of probe that the leak tests send is seen, so their "none" means something."""
import subprocess

import pytest

import lab as lab_module
import sandbox
from capture import ETH_P_ARP, ICMP, ICMPV6, TCP, UDP, none, seen
from lab import ECHO_PORT, HERE, HOST4, HOST6, NOBODY, PRIVATE4, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_PEER4, TUNNEL_PEER6
from probes import leak_probes


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_control_every_probe_is_seen(lab, uid):
    mark = lab.capture.mark()
    lab.probe(leak_probes(uid), uid=uid)
    frames = lab.capture.since(mark)
    for want in leak_probes(uid):
        proto = {"tcp": TCP, "udp": UDP, "icmp": ICMPV6 if ":" in want["address"] else ICMP, "raw": want.get("proto")}[want["kind"]]
        seen(frames, from_host=True, dst=want["address"], proto=proto, **({"dport": want["port"]} if "port" in want else {}))


def test_control_echo_and_dns(lab):
    assert lab.echo(PUBLIC4) == HOST4
    assert lab.echo(PUBLIC6, "tcp") == HOST6
    done = lab.host.run("getent", "hosts", "name.lab.example")
    assert PUBLIC6 in done.stdout or PUBLIC4 in done.stdout
    assert ("203.0.113.53", HOST4, "name.lab.example") in lab.services.questions


def test_control_arp_is_answered(lab):
    mark = lab.capture.mark()
    lab.lan.run("ip", "neigh", "flush", "dev", "lan0")
    lab.lan.run("ping", "-c1", "-W2", HOST4)
    seen(lab.capture.since(mark), ethertype=ETH_P_ARP, from_host=True, arp_op=2, src=HOST4)


def test_snapshot_sees_a_change_and_its_undoing(lab):
    before = lab.snapshot()
    lab.host.run("ip", "rule", "add", "priority", "77", "lookup", "99")
    lab.host.run("nft", "add", "table", "inet", "foreign")
    assert "foreign" in lab.difference(before, lab.snapshot()) and "77" in lab.difference(before, lab.snapshot())
    lab.host.run("ip", "rule", "del", "priority", "77")
    lab.host.run("nft", "delete", "table", "inet", "foreign")
    assert lab.difference(before, lab.snapshot()) == ""


def test_peer_of_the_lab_is_real(lab):
    """A plain wireguard-go with wg reaches the far side: what fails in other tests is then vpnd, not the lab."""
    lab.host.start("wireguard-go", "-f", "plain0", env=lab.environment())
    lab_module.sandbox.wait_until((lab.host_run / "wireguard/plain0.sock").exists, 20, "wireguard-go")
    conf = lab.scratch.path / "plain.conf"
    conf.write_text("\n".join(line for line in lab.profile().splitlines() if not line.startswith(("Address", "DNS"))) + "\n", encoding="ascii")
    lab.host.run("wg", "setconf", "plain0", conf)
    lab.host.ip(f"addr add {TUNNEL_HOST4}/32 dev plain0\naddr add fd00:64::2/128 dev plain0 nodad\nlink set plain0 up mtu 1420\n"
                f"route add {TUNNEL_PEER4}/32 dev plain0\nroute add {TUNNEL_PEER6}/128 dev plain0")
    mark = lab.capture.mark()
    assert lab.echo(TUNNEL_PEER4) == TUNNEL_HOST4
    assert lab.echo(TUNNEL_PEER6, "tcp") == "fd00:64::2"
    frames = lab.capture.since(mark)
    seen(frames, from_host=True, dst=lab_module.PEER4, proto=UDP, dport=lab_module.PEER_PORT)
    none(frames, dst=TUNNEL_PEER4)
    none(frames, dport=ECHO_PORT)
    none(frames, dst=PRIVATE4)


def test_parts_of_a_datagram_have_its_ports(lab):
    """A datagram that is larger than the link: every part of it is known as what it is."""
    mark = lab.capture.mark()
    for address in (PUBLIC4, PUBLIC6):
        lab.probe([{"kind": "udp", "address": address, "port": 4242, "payload": "x" * 4000}])
    for address in (PUBLIC4, PUBLIC6):
        lab.capture.wait(lambda frame, address=address: frame.dst == address and frame.offset > 2000, mark, "the last part")
    parts = [frame for frame in lab.capture.since(mark) if frame.fragment]
    assert len(parts) == 6 and {frame.dport for frame in parts} == {4242}


SESSION = "import sys; sys.path.insert(0, sys.argv[1]); import sandbox; sandbox.run_session(lambda: print('begun', flush=True) or sys.stdin.read() and 0)"


def sessions():
    return [path.name for folder in sandbox.own_cgroups().values() for path in folder.glob("lab-session-*")]


def test_killed_session_leaves_nothing_for_long(lab):  # noqa: ARG001 - for the session that it is in
    """Whoever starts the next one removes the control groups of one that was killed, and not those of one that goes on."""
    begin = lambda: subprocess.Popen([PYTHON, "-c", SESSION, HERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: E731
    killed, lasting = begin(), begin()
    for session in (killed, lasting):
        assert session.stdout.readline() == b"begun\n"
    killed.kill()
    killed.wait()
    sandbox.wait_until(lambda: not killed.stdout.read(), sandbox.SOON_S, "the session has gone with its parent")
    assert len({name.split("-")[2] for name in sessions()}) == 2
    begin().communicate(b"", timeout=20)
    assert {name.split("-")[2] for name in sessions()} == {str(lasting.pid)}
    lasting.communicate(b"", timeout=20)
    assert not sessions()
