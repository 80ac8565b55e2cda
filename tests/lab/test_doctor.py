# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real faults, made on the lab's host, and exactly the finding that names each; a healthy host has none."""
import json
import os
import re
import resource
import subprocess

import pytest

import debs
import sandbox
from lab import SOURCE, built, DEAD4, GATEWAY4, HOST4, NOBODY, PEER_PORT, TUNNEL_HOST4


def doctor(lab, *words, uid=0):
    done = lab.vpnctl("doctor", "--json", *words, uid=uid, check=False)
    found = {f["code"]: f for f in json.loads(done.stdout)["findings"]}
    worst = {f["severity"] for f in found.values()}
    assert done.returncode == (10 if "error" in worst else 9 if "warning" in worst else 0), (done.returncode, found)
    return found


def wait_found(lab, *codes):
    """Waits until exactly these are found; returns them."""
    sandbox.wait_until(lambda: set(doctor(lab)) == set(codes), 20, f"{codes}, found {doctor(lab)}; status {lab.status()}")
    return doctor(lab)


def run_command(lab, finding):
    """Performs on the host what the finding says mends it."""
    lab.host.run("bash", "-c", finding["command"])


def entries(lab, state):
    return [e["entry"] for e in json.loads(lab.vpnctl("routes", "--json").stdout)["routes"] if e["state"] == state]


def test_a_healthy_host_has_no_findings(host):
    before = host.snapshot()
    assert doctor(host) == {}
    assert host.difference(before, host.snapshot()) == ""
    host.connect()
    before = host.snapshot()
    assert doctor(host) == {} and doctor(host, uid=NOBODY) == {}
    assert host.vpnctl("doctor").stdout == "Nothing is wrong.\n"
    assert entries(host, "missing") == entries(host, "foreign") == [] and len(entries(host, "present")) > 10
    assert host.difference(before, host.snapshot()) == "", "it changes nothing"
    host.vpnctl("disconnect", "--wait")
    assert doctor(host) == {} and entries(host, "foreign") == []


def test_routes_are_those_of_the_kernel(connected):
    """Every line is an entry of ip(8), and every entry of ours is a line."""
    listed = entries(connected, "present")
    rules = connected.host.run("ip", "rule").stdout + connected.host.run("ip", "-6", "rule").stdout
    for priority in (4870, 4875, 4880, 4890):
        assert rules.count(f"{priority}:\t") == sum(line.startswith(f"{priority} ") for line in listed) == 2
    for table in (22096, 22097):
        shown = [line for family in "46" for line in connected.host.run("ip", f"-{family}", "route", "show", "table", table).stdout.splitlines()]
        assert len(shown) == sum(f" table {table}" in line for line in listed)


def test_foreign_rule(connected):
    connected.host.ip("rule", "add", "priority", "100", "to", "192.0.2.0/24", "lookup", "main")
    found = wait_found(connected, "rule-foreign")
    assert entries(connected, "foreign") == ["100 inet lookup 254 (for some packets only)"]
    run_command(connected, found["rule-foreign"])
    wait_found(connected)


@pytest.mark.parametrize("route", ["192.0.2.0/24 dev eth0", "192.0.2.0/24 via 198.51.100.1 dev eth0 metric 7 mtu 1300", "blackhole 192.0.2.0/24", "unreachable 192.0.2.0/24 metric 9",
                                   "prohibit 192.0.2.0/24", "throw 192.0.2.0/24", "local 192.0.2.1 dev lo", "192.0.2.0/24 nexthop via 198.51.100.1 dev eth0 nexthop via 198.51.100.9 dev eth0",
                                   "2001:db8:9::/48 dev eth0", "blackhole 2001:db8:9::/48", "unreachable 2001:db8:9::/48 metric 9", "2001:db8:9::/48 via 2001:db8:1::1 dev eth0 mtu 1300"])
@pytest.mark.parametrize("table", ["22096", "22097"])
def test_foreign_route_in_our_table(connected, route, table):
    before = connected.host.run("ip", "route", "show", "table", table).stdout + connected.host.run("ip", "-6", "route", "show", "table", table).stdout
    connected.host.ip(*("-6 " * (":" in route) + f"route add table {table} {route}").split())
    found = wait_found(connected, "routes-foreign")
    assert "none" not in found["routes-foreign"]["evidence"]
    run_command(connected, found["routes-foreign"])
    wait_found(connected)
    assert connected.host.run("ip", "route", "show", "table", table).stdout + connected.host.run("ip", "-6", "route", "show", "table", table).stdout == before


@pytest.mark.parametrize("rule", ["priority 4890 lookup main", "priority 4870 fwmark 0x1/0xff lookup main", "priority 77 from 192.0.2.0/24 lookup 7", "priority 78 prohibit to 192.0.2.0/24",
                                  "priority 79 iif lo lookup main suppress_prefixlength 0"])
@pytest.mark.parametrize("family", ["-4", "-6"])
def test_foreign_rule_is_taken_away_and_ours_are_not(connected, rule, family):
    """Also where one of ours has the same priority, and stands before it."""
    before = connected.host.run("ip", family, "rule").stdout
    words = rule.replace("192.0.2.0/24", "2001:db8:9::/48") if family == "-6" else rule
    connected.host.ip(family, "rule", "add", *words.split())
    found = wait_found(connected, "rule-foreign")
    repairs = connected.daemons[-1].log().count("Another program has taken away")
    run_command(connected, found["rule-foreign"])
    wait_found(connected)
    assert connected.host.run("ip", family, "rule").stdout == before
    assert connected.daemons[-1].log().count("Another program has taken away") == repairs


def test_firewall_of_others(connected):
    """Privileged names are for root; that there is something is for everybody."""
    connected.host.run("nft", "-f", "-", input="table inet guard { chain out { type filter hook output priority 0; ip daddr 192.0.2.1 drop; }\n}\n")
    assert doctor(connected)["firewall-foreign"]["evidence"] == "table inet guard: drops in 1 place"
    assert doctor(connected, uid=NOBODY)["firewall-foreign"] == {"code": "firewall-foreign", "severity": "note", "evidence": "", "command": ""}
    connected.host.run("nft", "-f", "-", input="table ip guard { chain out { type route hook output priority -150; meta mark set 1; }\n}\n")
    assert set(doctor(connected)) == {"firewall-foreign", "mark-clobbered"}
    connected.host.run("nft", "flush", "table", "ip", "guard")
    connected.host.run("nft", "-f", "-", input="table ip guard { chain out { meta mark set meta mark and 0xffffff00 or 1; }\n}\n")
    assert set(doctor(connected)) == {"firewall-foreign"}, "a mark that spares our bits is none"


def test_firewall_that_drops_the_transport(host):
    host.host.run("nft", "-f", "-", input=f"table ip guard {{ chain in {{ type filter hook input priority 0; udp sport {PEER_PORT} drop; }}\n}}\n")
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.vpnctl("connect", "demo")
    found = wait_found(host, "no-handshake", "firewall-suspect")
    assert "table ip guard" in found["firewall-suspect"]["evidence"]
    host.host.run("nft", "delete", "table", "ip", "guard")
    host.wait_state("connected")
    wait_found(host)


def test_dead_endpoint(host):
    host.vpnctl("import", "-", "dead", input=host.profile(endpoint=f"{DEAD4}:{PEER_PORT}"))
    host.vpnctl("connect", "dead")
    found = wait_found(host, "no-handshake")
    assert "received 0 B" in found["no-handshake"]["evidence"] and found["no-handshake"]["command"] == "vpnctl show dead"


def test_reverse_path_filter(connected):
    """vpnd sets the sysctl; who takes it away while the filter is strict breaks the transport."""
    connected.host.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    wait_found(connected)
    connected.host.sysctl("net.ipv4.conf.all.src_valid_mark", 0)
    codes = doctor(connected)
    if "rp-filter" in codes:  # else it was put back already
        run_command(connected, codes["rp-filter"])
    wait_found(connected)


def test_no_default_route(connected):
    connected.host.ip("route", "del", "default")
    connected.host.ip("-6", "route", "del", "default")
    connected.wait_state("error")
    wait_found(connected, "offline")
    connected.host.ip("route", "add", "default", "via", GATEWAY4, "dev", "eth0")
    connected.wait_state("connected")
    wait_found(connected)


def test_two_default_routes(connected):
    connected.host.ip("link", "add", "eth9", "type", "veth", "peer", "name", "far9")
    connected.host.ip("link", "set", "eth9", "up")
    connected.host.ip("link", "set", "far9", "up")
    connected.host.ip("route", "append", "default", "dev", "eth9")
    found = wait_found(connected, "default-ambiguous")
    assert "eth9" in found["default-ambiguous"]["evidence"]
    run_command(connected, found["default-ambiguous"])
    wait_found(connected)


def test_two_default_routes_of_ipv6(connected):
    connected.host.ip("""link add eth9 type veth peer name far9
        link set eth9 up
        link set far9 up""")
    connected.host.ip("-6", "route", "append", "default", "dev", "eth9")
    found = wait_found(connected, "default-ambiguous")
    run_command(connected, found["default-ambiguous"])
    wait_found(connected)


def test_other_vpn(connected):
    connected.host.run("ip", "tuntap", "add", "dev", "tun77", "mode", "tun")
    connected.host.ip("link", "set", "tun77", "up")
    found = wait_found(connected, "other-vpn")
    run_command(connected, found["other-vpn"])
    wait_found(connected)


def test_tiny_mtu(connected):
    connected.host.ip("link", "set", "eth0", "mtu", "1300")
    found = wait_found(connected, "mtu-small")
    run_command(connected, found["mtu-small"])
    wait_found(connected)


def test_resolv_conf_fought_over(connected):
    """Another program writes the file, and does not leave it alone."""
    path = connected.resolv_conf_path
    for turn in range(3):
        own = path.read_text(encoding="ascii")
        path.write_text(f"nameserver 192.0.2.{turn + 1}\n", encoding="ascii")
        sandbox.wait_until(lambda: path.read_text(encoding="ascii") == own, 20, "the file is put back")
    assert "dns-fought-over" in wait_found(connected, "dns-fought-over")


def test_lockdown_is_a_note(host):
    host.vpnctl("lockdown", "on")
    assert set(doctor(host)) == {"locked-down"}
    host.vpnctl("lockdown", "off")
    assert doctor(host) == {}


def test_container_bridge(connected):
    connected.host.ip("link", "add", "virbr7", "type", "bridge")
    connected.host.ip("addr", "add", "192.168.122.1/24", "dev", "virbr7")
    connected.host.ip("link", "set", "virbr7", "up")
    found = wait_found(connected, "containers")
    assert found["containers"]["evidence"] == "virbr7 192.168.122.0/24"


def test_without_polkit(lab_with):
    lab = lab_with(with_polkit=False)
    lab.start_daemon()
    assert set(doctor(lab)) == {"polkit-missing"}


def test_split_rule_in_vain(host):
    """Nobody watches launches here, so the rule for a program is in vain; the one for a network is not."""
    host.vpnctl("split", "add", "--subnet", "203.0.113.0/24")
    assert doctor(host) == {}
    host.vpnctl("split", "add", "--path", "/usr/bin/env", check=False)
    found = doctor(host)
    assert set(found) == {"split-in-vain"} and found["split-in-vain"]["command"] == "systemctl restart vpnd-classifier"
    assert found["split-in-vain"]["evidence"] in host.status()["warnings"]
    assert doctor(host, uid=NOBODY) == found
    host.vpnctl("split", "remove", "--path", "/usr/bin/env")
    assert doctor(host) == {}


def test_clock(host):
    """A file of ours from the future: the clock was ahead once, and is behind now."""
    future = 4102444800
    os.utime(host.host_run / "vpnd-lab/state/profiles", (future, future))
    assert set(doctor(host)) == {"clock-wrong"}


def test_without_the_daemon(connected):
    connected.daemons[-1].kill()
    found = doctor(connected)
    assert set(found) == {"daemon-unreachable", "left-behind"}
    assert "left-behind" not in doctor(connected, uid=NOBODY), "the ledger is not for everybody"
    connected.kill_wireguard()


def test_bundle_of_a_real_host(connected):
    """What is in it comes from the real services, and holds neither keys nor addresses of this lab."""
    path = connected.host_run / "vpnd-lab/report.txt"
    connected.vpnctl("bundle", "/run/vpnd-lab/report.txt")
    assert path.stat().st_mode & 0o777 == 0o600 and path.stat().st_uid == 0
    text = path.read_text(encoding="utf-8")
    for secret in (*connected.secrets(), connected.peer_public, connected.host_public, HOST4, TUNNEL_HOST4, GATEWAY4, "203.0.113.", "2001:db8", "fd00:64", "demo"):
        assert secret not in text, secret
    for part in ("versions", "status", "settings", "profiles", "doctor", "routes", "dns", "logs"):
        assert f"== {part} ==" in text
    assert "not included" not in text and "everything-else" in text and "connecting -> connected" in text
    assert connected.vpnctl("bundle", "/run/vpnd-lab/report.txt", check=False).returncode == 1, "nothing is written over"


@pytest.mark.parametrize("kind", ["lost", "stopped"])
def test_resolver_service_that_is_missing_or_hangs(lab_with, kind):
    """/etc/resolv.conf says systemd-resolved; it is not there, or does not answer."""
    lab = lab_with()
    target = lab.host_run / "systemd/resolve"
    target.mkdir(parents=True)
    (target / "stub-resolv.conf").write_text("nameserver 127.0.0.53\n", encoding="ascii")
    lab.resolv_conf_path.unlink()
    lab.resolv_conf_path.symlink_to("../run/systemd/resolve/stub-resolv.conf")
    if kind == "stopped":
        (lab.host_run / "vpnd-lab/bus.d/resolve1.conf").write_text(RESOLVE1_POLICY, encoding="ascii")
        lab.bus_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ReloadConfig")
        service = lab.host.start("/usr/bin/python3", "-c", SILENT_RESOLVED, env=lab.environment(), stdout=-1)
        assert service.stdout.readline() == b"owned\n"
    lab.start_daemon()
    found = doctor(lab)
    assert set(found) == {"resolved-missing" if kind == "lost" else "resolved-hangs"}, found


def test_room_and_rights(lab):
    """What vpnd itself needs: room on the disk, a file system that can be written, descriptors, and its sandbox."""
    lab.host.run("mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", "/run/vpnd-lab/state")
    daemon = lab.start_daemon()
    assert set(doctor(lab)) == {"disk-full"}
    lab.host.run("mount", "-o", "remount,size=64m", "/run/vpnd-lab/state")
    assert doctor(lab) == {}
    lab.host.run("mount", "-o", "remount,ro", "/run/vpnd-lab/state")
    assert set(doctor(lab)) == {"disk-read-only"}
    lab.host.run("mount", "-o", "remount,rw", "/run/vpnd-lab/state")
    pid = daemon.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 1, limits[1]))
    found = doctor(lab)
    assert set(found) == {"descriptors"} and "--nofile=" in found["descriptors"]["command"]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert doctor(lab) == {}
    lab.host.run("mount", "--bind", "/proc/sys", "/proc/sys")
    lab.host.run("mount", "-o", "remount,bind,ro", "/proc/sys")
    found = doctor(lab)
    assert set(found) == {"sandbox"} and found["sandbox"]["evidence"] == "/proc/sys/net is read-only"
    lab.host.run("mount", "--bind", "/proc/sys/net", "/proc/sys/net")
    lab.host.run("mount", "-o", "remount,bind,rw", "/proc/sys/net")
    assert doctor(lab) == {}, "as in a container, and enough"


def test_resolv_conf_that_cannot_be_written(lab):
    lab.host.run("mount", "--bind", "/etc/resolv.conf", "/etc/resolv.conf")
    lab.host.run("mount", "-o", "remount,bind,ro", "/etc/resolv.conf")
    lab.start_daemon()
    assert set(doctor(lab)) == {"resolv-conf-locked"}


def test_what_other_services_say(lab):
    """NetworkManager sees a captive portal, firewalld runs, and systemd would start neither unit of ours."""
    names = ("org.freedesktop.NetworkManager", "org.fedoraproject.FirewallD1", "org.freedesktop.systemd1")
    rules = "".join(f'<policy user="root"><allow own="{n}"/></policy><policy context="default"><allow send_destination="{n}"/></policy>' for n in names)
    (lab.host_run / "vpnd-lab/bus.d/services.conf").write_text(f"<busconfig>{rules}</busconfig>", encoding="ascii")
    lab.bus_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ReloadConfig")
    service = lab.host.start("/usr/bin/python3", "-c", SERVICES, env=lab.environment(), stdout=-1)
    assert service.stdout.readline() == b"owned\n"
    lab.start_daemon()
    assert set(doctor(lab)) == {"captive-portal", "firewalld"}
    lab.vpnctl("lockdown", "on")
    found = doctor(lab)
    assert set(found) == {"captive-portal", "firewalld", "locked-down", "early-boot-off", "service-off"}
    assert found["early-boot-off"]["evidence"] == "vpnd-early-boot.service: disabled; lockdown = true"
    lab.vpnctl("lockdown", "off")


SERVICES = """
from gi.repository import Gio, GLib
XML = '''<node><interface name="org.freedesktop.NetworkManager"><property name="Connectivity" type="u" access="read"/></interface>
<interface name="org.fedoraproject.FirewallD1"><property name="version" type="s" access="read"/></interface>
<interface name="org.freedesktop.systemd1.Manager"><method name="GetUnitFileState"><arg type="s" direction="in"/><arg type="s" direction="out"/></method></interface></node>'''
info = Gio.DBusNodeInfo.new_for_xml(XML)
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
values = {'Connectivity': GLib.Variant('u', 2), 'version': GLib.Variant('s', '1')}
def call(b, sender, path, interface, member, args, invocation):
    invocation.return_value(GLib.Variant('(s)', ('disabled',)))
def get(b, sender, path, interface, name):
    return values[name]
for i, (name, path) in enumerate((('org.freedesktop.NetworkManager', '/org/freedesktop/NetworkManager'),
                                  ('org.fedoraproject.FirewallD1', '/org/fedoraproject/FirewallD1'), ('org.freedesktop.systemd1', '/org/freedesktop/systemd1'))):
    bus.register_object(path, info.interfaces[i], call, get, None)
    assert bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RequestName', GLib.Variant('(su)', (name, 4)), None, 0, -1, None).unpack() == (1,)
print('owned', flush=True)
GLib.MainLoop().run()
"""
RESOLVE1_POLICY = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><policy user="root"><allow own="org.freedesktop.resolve1"/></policy><policy context="default"><allow send_destination="org.freedesktop.resolve1"/></policy></busconfig>
"""
SILENT_RESOLVED = """
import signal
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
reply = bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RequestName', GLib.Variant('(su)', ('org.freedesktop.resolve1', 4)), None, 0, -1, None)
assert reply.unpack() == (1,), reply
print('owned', flush=True)
bus.set_exit_on_close(False)
filter = bus.add_filter(lambda b, m, incoming: None if incoming and m.get_message_type() == Gio.DBusMessageType.METHOD_CALL else m)
signal.pause()
"""


# --- whatever it says mends something is a command that can be given

OFFLINE = ("System has not been booted with systemd", "Failed to connect to bus", "Failed to connect to system scope bus")
NO_SERVICE = 8


def said(done, *texts):
    return any(text in done.stdout + done.stderr for text in texts)


# program: whether it understood what it was told, though much of it cannot be done here.
UNDERSTOOD = {
    "ip": lambda done: done.returncode == 0 or (done.returncode == 2 and said(done, "RTNETLINK answers", "Error: ipv4: ", "Error: ipv6: ")),
    "vpnctl": lambda done: done.returncode == NO_SERVICE,
    "systemctl": lambda done: (done.returncode == 0 or said(done, *OFFLINE, "does not exist")) and not said(done, "nknown command", "nrecognized"),
    "timedatectl": lambda done: said(done, *OFFLINE) and not said(done, "nknown command", "nrecognized"),
    "modprobe": lambda done: done.returncode == 0 or said(done, "not found in directory"),
    "sysctl": lambda done: done.returncode == 0,
    "nft": lambda done: done.returncode == 0,
    "mount": lambda done: done.returncode == 0,
    "df": lambda done: done.returncode == 0,
    "touch": lambda done: done.returncode == 0,
    "ln": lambda done: done.returncode == 0,
    "prlimit": lambda done: done.returncode == 0,
    "chattr": lambda done: done.returncode == 0 or said(done, "Operation not supported", "Inappropriate ioctl"),
    "iptables-legacy": lambda done: done.returncode == 0 or said(done, "can't initialize iptables table"),
}


def suggested():
    """Every command that the rows of the doctor print, as the test of the rows has told them, and those of vpnctl itself."""
    told = subprocess.run([built("tests/unit/test-doctor"), "-p", "/doctor/every-finding"], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^# command: (.*)$", told, re.MULTILINE)
    own = re.findall(r'"((?:systemctl|modprobe|touch|vpnctl) [^"]*?)"', (SOURCE / "cli/diagnosis.c").read_text(encoding="utf-8"))
    assert len(rows) >= 55 and len(own) >= 4
    return sorted({*rows, *(line for line in own if not line.endswith(" "))})


def test_every_command_is_understood(lab):
    """By the program that it is for: the words are right, the files and links are named as they are."""
    lab.vpnctl_path = built("cli/vpnctl")
    sleeper = lab.host.start("sleep", "1000")
    lab.host.ip("""link add wlan0 type veth peer name tun3
        link set wlan0 up
        link set tun3 up
        addr add 192.0.2.1/24 dev wlan0
        route add default dev wlan0 metric 100
        route add 192.0.2.0/25 dev eth0 table 22096""")
    lab.host.ip("-6", "rule", "add", "priority", "100", "lookup", "254")
    lab.host.run("nft", "add", "table", "inet", "other")
    iptables = debs.unpacked("iptables", "libip4tc2", "libip6tc2", "libxtables12")
    library = next((iptables / "usr/lib").glob("*-linux-gnu"))
    lab.host.run("sh", "-c", f"cp {iptables}/usr/sbin/xtables-legacy-multi /run/vpnd-lab/bin/iptables-legacy; cp -a {library}/lib*.so* /run/vpnd-lab/bin")
    lab.host.run("mount", "-t", "tmpfs", "tmpfs", "/var")
    lab.host.run("mkdir", "-p", "/var/lib/vpnd", "/run/vpnd-lab/work")
    lab.host.run("sh", "-c", "mkdir -p /run/systemd/resolve && touch /run/systemd/resolve/stub-resolv.conf")
    lab.host.run("sh", "-c", f"ln -s {built('cli/vpnctl')} /run/vpnd-lab/bin/vpnctl")
    lab.host.run("mount", "-o", "remount,ro", "/var")
    environment = lab.environment() | {"PATH": "/run/vpnd-lab/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": "/run/vpnd-lab/bin"}
    wrong = []
    for command in suggested():
        lab.host.run("bash", "-n", "-c", command)
        for part in command.split(" && "):
            program = part.split()[0]
            if program == "firewall-cmd":  # it needs its service for everything
                text = (debs.unpacked("firewalld") / "usr/bin/firewall-cmd").read_text(encoding="utf-8")
                assert all(f'"{word.split("=")[0]}"' in text for word in part.split()[1:]), part
                continue
            given = part.replace("--pid 77 ", f"--pid {sleeper.pid} ").replace(" eth1 ", " eth0 ").replace("sysctl -w", "sysctl -n").split("=2000")[0]
            given = re.sub(r"^(sysctl -n [^=]*)=\d+$", r"\1", given)
            done = lab.host.run("bash", "-c", f"cd /run/vpnd-lab/work && {given}", check=False, env=environment)
            if not UNDERSTOOD[program](done):
                wrong.append((given, done.returncode, done.stdout + done.stderr))
    assert not wrong, "\n".join(map(str, wrong))
    lab.host.run("touch", "/var/lib/vpnd/written")  # the remounting has been one
    units = {unit for command in suggested() for unit in re.findall(r"\bvpnd[a-z-]*\b", command) if command.startswith("systemctl")}
    assert units and all((SOURCE / f"data/systemd/{unit}.service.in").exists() for unit in units), units
