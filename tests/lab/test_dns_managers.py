# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's DNS belongs to resolvconf, openresolv's or Debian's, the real ones; and a recursive resolver on the host, the real unbound."""
import json
import time

import pytest

import debs
import resolved
import sandbox
from capture import none
from lab import GATEWAY4, HOST4, NOBODY, OUTSIDE_DNS4, TUNNEL_HOST4, TUNNEL_PEER4

FLAVOURS = ("openresolv", "resolvconf")


def add_record(lab, name, text):
    lab.host.run("resolvconf", "-a", name, input=text, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def text_of(lab):
    return lab.host.run("cat", "/etc/resolv.conf").stdout


def servers(lab):
    return [line.split()[1] for line in text_of(lab).splitlines() if line.startswith("nameserver ")]


def asked_in_tunnel(lab, name):
    """A program on the host asks for the name; only the tunnel's resolver hears of it."""
    asked, mark = len(lab.services.questions), lab.capture.mark()
    lab.host.run("getent", "ahosts", name)
    assert any(to == TUNNEL_PEER4 and by == TUNNEL_HOST4 and name in what for to, by, what in lab.services.questions[asked:])
    none(lab.capture.since(mark), dport=53)


@pytest.fixture(name="owned", params=FLAVOURS)
def owned_fixture(lab_with, request):
    """The lab, in which resolvconf owns resolv.conf; with a running daemon."""
    lab = lab_with()
    debs.give(lab, request.param)
    if request.param == "resolvconf":
        lab.host.run("sh", "-c", "mkdir -p /run/resolvconf/interface && ln -s /run/resolvconf /etc/resolvconf/run && ln -sfn ../run/resolvconf/resolv.conf /etc/resolv.conf")
        lab.host.run("resolvconf", "--enable-updates")
    add_record(lab, "eth0.dhcp", f"nameserver {OUTSIDE_DNS4}\nsearch lab.example\n")
    assert servers(lab) == [OUTSIDE_DNS4]
    lab.flavour = request.param
    lab.before = lab.snapshot()
    lab.before_text = text_of(lab)
    lab.start_daemon()
    return lab


def test_resolvconf_is_told_and_gets_back_what_it_had(owned):
    owned.connect()
    report = json.loads(owned.vpnctl("dns", "--json").stdout)["dns"]
    assert (report["owner"], report["replaced"], report["inForce"]) == ("resolvconf", False, True), report
    assert "resolvconf" in report["way"]
    assert servers(owned)[0] == TUNNEL_PEER4
    if owned.flavour == "openresolv":
        assert servers(owned) == [TUNNEL_PEER4]
    asked_in_tunnel(owned, "first.lab.example")
    owned.vpnctl("disconnect", "--wait")
    assert text_of(owned) == owned.before_text
    assert owned.difference(owned.before, owned.snapshot()) == ""
    assert owned.host.run("find", "/run/resolvconf", "-name", "*vpnd*").stdout == ""


def test_a_lease_is_renewed(owned):
    """Another link's record changes while we are connected: ours stays first, and the new record is what comes back."""
    owned.connect()
    add_record(owned, "eth0.dhcp", "nameserver 192.0.2.9\n")
    sandbox.wait_until(lambda: servers(owned)[:1] == [TUNNEL_PEER4], sandbox.SOON_S, "the tunnel's resolver is first")
    asked_in_tunnel(owned, "renewed.lab.example")
    owned.vpnctl("disconnect", "--wait")
    assert servers(owned) == ["192.0.2.9"]


def test_past_resolvconf(owned):
    """Somebody replaces the file itself, twice: the tunnel's resolver is back within a second."""
    owned.connect()
    for number in (8, 9):
        owned.host.run("sh", "-c", f"printf 'nameserver 192.0.2.{number}\\n' > /etc/r.new && mv /etc/r.new /etc/resolv.conf")
        began = time.monotonic()
        sandbox.wait_until(lambda: servers(owned)[:1] == [TUNNEL_PEER4], sandbox.SOON_S, "the tunnel's resolver is back")
        assert time.monotonic() - began < 1
    asked_in_tunnel(owned, "past.lab.example")
    owned.vpnctl("disconnect", "--wait")
    assert TUNNEL_PEER4 not in servers(owned)
    assert owned.host.run("find", "/run/resolvconf", "-name", "*vpnd*").stdout == ""


def test_after_a_crash(owned):
    owned.connect()
    owned.daemons[-1].kill()
    owned.kill_wireguard()
    assert servers(owned)[0] == TUNNEL_PEER4
    owned.start_daemon()
    owned.wait_state("error")
    assert text_of(owned) == owned.before_text


def test_names_beside_the_tunnel(owned):
    """What is beside the tunnel asks the network's resolver, also when that network has gone and come while resolvconf shows nothing but the tunnel's."""
    owned.vpnctl("split", "add", "--uid", str(NOBODY))
    owned.connect()
    for turn in ("first", "again"):
        asked = len(owned.services.questions)
        owned.host.run(*owned.as_user(NOBODY), "getent", "ahosts", f"{turn}.lab.example", check=False)
        assert {question[:2] for question in owned.services.questions[asked:]} == {(OUTSIDE_DNS4, HOST4)}, turn
        owned.host.run("ip", "route", "del", "default")
        owned.wait_state("error")
        owned.host.run("ip", "route", "add", "default", "via", GATEWAY4, "dev", "eth0")
        owned.wait_state("connected")


def test_a_resolvconf_that_fails_is_no_hole(owned):
    """It says well and does nothing, or fails: the file itself is written instead, and comes back."""
    for script in ("exit 0", "exit 1"):
        owned.host.run("sh", "-c", f"printf '#!/bin/sh\\n{script}\\n' > /run/broken && chmod 755 /run/broken")
        owned.host.run("mount", "--bind", "/run/broken", "/usr/sbin/resolvconf")
        owned.vpnctl("import", "-", "demo", "--replace", input=owned.profile())
        owned.vpnctl("connect", "demo", "--wait", "--timeout", "40")
        assert servers(owned) == [TUNNEL_PEER4]
        asked_in_tunnel(owned, f"broken{script[-1]}.lab.example")
        owned.vpnctl("disconnect", "--wait")
        owned.host.run("umount", "/usr/sbin/resolvconf")
        assert text_of(owned) == owned.before_text


UNBOUND = ("unbound", "libevent-2.1-7", "libhiredis0.14", "libprotobuf-c1", "libnghttp2-14", "libpython3.11")
UNBOUND_UID = 970
UNBOUND_CONF = f"""server:
  interface: 127.0.0.1
  do-ip6: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "/run"
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  qname-minimisation: no
  harden-referral-path: no
stub-zone:
  name: "example."
  stub-addr: {OUTSIDE_DNS4}
remote-control:
  control-enable: no
"""


@pytest.fixture(name="recursive")
def recursive_fixture(host):
    """The lab, disconnected, with unbound as a user of its own on 127.0.0.1; it asks a name server of the internet itself."""
    root = debs.unpacked(*UNBOUND)
    library = next((root / "usr/lib").glob("*-linux-gnu"))
    host.host.run("sh", "-c", "cat > /run/unbound.conf", input=UNBOUND_CONF)
    host.host.sysctl("net.ipv4.ip_unprivileged_port_start", "53")
    host.unbound = host.host.start("setpriv", f"--reuid={UNBOUND_UID}", f"--regid={UNBOUND_UID}", "--clear-groups", "--", root / "usr/sbin/unbound", "-d", "-c", "/run/unbound.conf",
                                   env={"PATH": "/usr/bin", "LD_LIBRARY_PATH": str(library)}, stderr=open(host.scratch.path / "unbound.txt", "wb"))  # noqa: SIM115
    sandbox.wait_until(lambda: "127.0.0.1:53" in host.host.run("ss", "-Hlnu").stdout or host.unbound.poll() is not None, 20, "unbound listens")
    assert host.unbound.poll() is None, (host.scratch.path / "unbound.txt").read_text()
    host.vpnctl("settings", "set", "dns-servers", "127.0.0.1")
    return host


def test_a_recursive_resolver_asks_through_the_tunnel_only(recursive):
    recursive.vpnctl("settings", "set", "dns-resolver-uid", str(UNBOUND_UID))
    recursive.connect()
    assert servers(recursive) == ["127.0.0.1"]
    mark, asked = recursive.capture.mark(), len(recursive.services.questions)
    assert "203.0.113.7" in recursive.host.run("getent", "ahostsv4", "fresh.lab.example").stdout
    questions = [one for one in recursive.services.questions[asked:] if "fresh" in one[2]]
    assert questions and all(to == OUTSIDE_DNS4 and by == TUNNEL_HOST4 for to, by, _ in questions), questions
    # Another user asks the same server itself, and cannot; and unbound's own user cannot outside the tunnel.
    for uid, device in ((0, None), (1000, None), (UNBOUND_UID, "eth0")):
        answer = recursive.probe([{"kind": "udp", "address": OUTSIDE_DNS4, "port": 53, "wait": 300} | ({"device": device} if device else {})], uid=uid)[0]
        assert answer["reply"] is None, (uid, answer)
    none(recursive.capture.since(mark), dport=53)
    none(recursive.capture.since(mark), dport=853)

    # The connection goes: it may ask nobody, until there is a tunnel again.
    mark = recursive.capture.mark()
    recursive.silence_peer()
    recursive.vpnctl("reconnect", check=False)
    recursive.wait_state("connecting")
    recursive.host.run("getent", "ahostsv4", "lost.lab.example", check=False)
    none(recursive.capture.since(mark), dport=53)
    recursive.revive_peer()
    recursive.vpnctl("disconnect", "--wait")
    assert recursive.resolv_conf() == recursive.before["resolv.conf"]


def test_without_the_setting_it_asks_nobody(recursive):
    recursive.connect()
    mark, asked = recursive.capture.mark(), len(recursive.services.questions)
    recursive.host.run("timeout", "3", "getent", "ahostsv4", "unheard.lab.example", check=False)
    assert not recursive.services.questions[asked:]
    none(recursive.capture.since(mark), dport=53)


# --- systemd-resolved, whose list of servers programs read


@pytest.mark.parametrize("others", [1, 2, 3])
def test_resolved_in_uplink_mode(lab_with, others):
    """resolv.conf is the list of all links' servers: those of others are refused at once, so that ours answers; but behind three of them nobody asks it, and the
    doctor says so, with the command that mends it."""
    lab = lab_with()
    lab.resolved = resolved.Resolved(lab, servers=[f"203.0.113.{53 + number}" for number in range(others)])
    lab.host.run("ln", "-sfn", "../run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
    before = text_of(lab)
    lab.start_daemon()
    lab.connect()
    report = json.loads(lab.vpnctl("dns", "--json").stdout)["dns"]
    assert (report["owner"], report["replaced"], report["inForce"]) == ("systemd-resolved", False, others < 3), report
    assert servers(lab)[-1] == TUNNEL_PEER4 and len(servers(lab)) == others + 1
    found = {finding["code"]: finding for finding in json.loads(lab.vpnctl("doctor", "--json", check=False).stdout)["findings"]}
    if others == 3:
        assert set(found) == {"dns-not-in-force"}
        mark = lab.capture.mark()
        assert lab.host.run("getent", "ahostsv4", "behind.lab.example", check=False).returncode != 0
        none(lab.capture.since(mark), dport=53)
        lab.host.run("bash", "-c", found["dns-not-in-force"]["command"])
        assert json.loads(lab.vpnctl("doctor", "--json").stdout)["findings"] == []
    else:
        assert not found
    asked_in_tunnel(lab, "listed.lab.example")
    lab.vpnctl("disconnect", "--wait")
    if others < 3:
        sandbox.wait_until(lambda: text_of(lab) == before, sandbox.SOON_S, "resolved has written its list without us")


def test_resolved_that_comes_later(lab_with):
    """It was not there when the file was written in its stead: it is told as soon as it comes, because programs ask it past the file."""
    lab = lab_with()
    lab.resolved = resolved.Resolved(lab)
    before = lab.host.run("readlink", "/etc/resolv.conf").stdout
    lab.resolved.kill(forgets=True)
    lab.start_daemon()
    lab.connect()
    assert servers(lab) == [TUNNEL_PEER4]
    lab.resolved.start()
    sandbox.wait_until(lambda: (lab.resolved.link("dns", "vpnd0"), lab.resolved.link("domain", "vpnd0")) == ([TUNNEL_PEER4], ["~."]), sandbox.SOON_S, "resolved has ours")
    asked, mark = len(lab.services.questions), lab.capture.mark()
    lab.resolved.ctl("query", "--legend=no", "late.lab.example")
    assert any(to == TUNNEL_PEER4 and "late.lab.example" in what for to, _, what in lab.services.questions[asked:])
    none(lab.capture.since(mark), dport=53)
    assert lab.status()["warnings"] == [] and "dns-fought-over" not in lab.vpnctl("doctor", "--json", check=False).stdout, "nobody has done anything"
    lab.vpnctl("disconnect", "--wait")
    assert lab.host.run("readlink", "/etc/resolv.conf").stdout == before
    assert lab.resolved.link("dns", "vpnd0") == []
