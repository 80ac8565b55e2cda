# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's resolver setting while others want it too."""
import json
import time

import pytest

import sandbox
from capture import none
from lab import HOST4, PUBLIC4, TUNNEL_HOST4, TUNNEL_PEER4

WAYS = {
    "rename": "printf '{text}' > /etc/resolv.conf.new && mv /etc/resolv.conf.new /etc/resolv.conf",
    "in place": "printf '{text}' > /etc/resolv.conf",
    "link": "printf '{text}' > /etc/foreign.conf && ln -sfn foreign.conf /etc/resolv.conf",
    "deleted, then made": "rm /etc/resolv.conf && printf '{text}' > /etc/resolv.conf",
}


def overwrite(lab, way, number):
    """Writes a foreign setting in that way and returns how it reads."""
    text = f"# by another program\nnameserver 192.0.2.{number}\n"
    lab.host.run("sh", "-c", WAYS[way].format(text=text.replace("\n", "\\n")))
    return text


def wait_for_ours(lab):
    """Ours is there again within a second, and a program that asks is sent into the tunnel."""
    began = time.monotonic()
    sandbox.wait_until(lambda: f"nameserver {TUNNEL_PEER4}" in lab.resolv_conf(), sandbox.SOON_S, "the tunnel's resolver is back")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
def test_overwritten_twice(connected, first, second):
    mark = connected.capture.mark()
    overwrite(connected, first, 8)
    wait_for_ours(connected)
    newest = overwrite(connected, second, 9)
    wait_for_ours(connected)
    connected.host.run("getent", "hosts", f"again-{len(first)}-{len(second)}.lab.example")
    none(connected.capture.since(mark), dport=53)
    status = connected.status()
    assert status["state"] == "connected"
    assert any("DNS" in warning for warning in status["warnings"]), status["warnings"]
    assert "resolv.conf was changed" in connected.vpnctl("logs").stdout
    connected.vpnctl("disconnect", "--wait")
    assert connected.host.run("cat", "/etc/resolv.conf").stdout == newest
    assert ("symbolic link" in connected.host.run("stat", "-c", "%F", "/etc/resolv.conf").stdout) == (second == "link")


def test_deleted_comes_back_and_the_original_too(connected):
    connected.host.run("rm", "/etc/resolv.conf")
    wait_for_ours(connected)
    connected.vpnctl("disconnect", "--wait")
    assert connected.resolv_conf() == connected.before["resolv.conf"]


def test_a_mount_is_watched_too(lab_with):
    """A container's resolv.conf is a mount: written in place on either side of it."""
    lab = lab_with(resolv_conf="bind")
    lab.start_daemon()
    lab.connect()
    newest = overwrite(lab, "in place", 9)
    wait_for_ours(lab)
    lab.vpnctl("disconnect", "--wait")
    assert lab.host.run("cat", "/etc/resolv.conf").stdout == newest


def test_a_program_that_insists_costs_little(connected):
    """One that writes fifty times a second: repaired again and again, the tunnel stays, ours is there when it stops."""
    for _ in range(3):
        connected.host.run("sh", "-c", "i=0; while [ $i -lt 25 ]; do printf 'nameserver 192.0.2.9\\n' > /etc/r.new; mv /etc/r.new /etc/resolv.conf; sleep 0.02; i=$((i+1)); done")
    sandbox.wait_until(lambda: f"nameserver {TUNNEL_PEER4}" in connected.resolv_conf(), sandbox.SOON_S, "the tunnel's resolver is back")
    assert connected.status()["state"] == "connected"
    connected.vpnctl("disconnect", "--wait")
    assert connected.host.run("cat", "/etc/resolv.conf").stdout == "nameserver 192.0.2.9\n"


def test_changed_while_the_daemon_was_dead(connected):
    """What another program wrote after a crash is newer than what was saved before it."""
    connected.daemons[-1].kill()
    connected.kill_wireguard()
    newest = overwrite(connected, "rename", 9)
    connected.start_daemon()
    connected.wait_state("error")
    assert connected.host.run("cat", "/etc/resolv.conf").stdout == newest


def test_what_vpnctl_says(lab_with):
    """Who owns DNS, what is set, what is there; and a question that is answered through the tunnel only."""
    lab = lab_with()
    original = lab.host.run("cat", "/etc/resolv.conf").stdout.split()
    lab.start_daemon()
    before = json.loads(lab.vpnctl("dns", "--json").stdout)["dns"]
    assert (before["owner"], before["servers"], before["replaced"], before["inForce"]) == ("file", [], False, False)
    assert before["fileServers"] == original[original.index("nameserver") + 1:][:1]
    lab.connect()
    during = json.loads(lab.vpnctl("dns", "--json").stdout)["dns"]
    assert (during["owner"], during["replaced"], during["inForce"]) == ("file", True, True)
    assert during["servers"] == during["fileServers"] and TUNNEL_PEER4 in during["servers"]
    mark, asked = lab.capture.mark(), len(lab.services.questions)
    found = json.loads(lab.vpnctl("dns", "query", "asked.lab.example", "--json").stdout)
    assert found["addresses"]
    assert any(name == "asked.lab.example" and to == TUNNEL_PEER4 for to, _by, name in lab.services.questions[asked:])
    none(lab.capture.since(mark), dport=53)
    lab.vpnctl("disconnect", "--wait")
    assert json.loads(lab.vpnctl("dns", "--json").stdout)["dns"] == before


def test_domains_of_the_profile(host):
    """A domain for searching completes short names; one for routing only does not, and its names go where all names go. The host's own search list rests."""
    host.connect(dns=f"{TUNNEL_PEER4}, corp.example, ~inside.example")
    assert [line for line in host.resolv_conf().splitlines() if line.startswith("search")] == ["search corp.example"]
    report = json.loads(host.vpnctl("dns", "--json").stdout)["dns"]
    assert report["inForce"] and "corp.example" in report["search"], report
    mark, asked = host.capture.mark(), len(host.services.questions)
    for name in ("short", "deep.inside.example"):
        host.host.run("getent", "ahostsv4", name, check=False)
    names = {name for _to, _by, name in host.services.questions[asked:]}
    assert {"short.corp.example", "deep.inside.example"} <= names and not [name for name in names if name.endswith("lab.example")], names
    assert {to for to, _by, _name in host.services.questions[asked:]} == {TUNNEL_PEER4}
    none(host.capture.since(mark), dport=53)
    host.vpnctl("disconnect", "--wait")
    assert host.resolv_conf() == host.before["resolv.conf"]


# Prepares /etc/resolv.conf on the host in that form.
FORMS = {
    "relative link": "mkdir -p /run/other && mv /etc/resolv.conf /run/other/r.conf && ln -s ../run/other/r.conf /etc/resolv.conf",
    "absolute link": "mkdir -p /run/other && mv /etc/resolv.conf /run/other/r.conf && ln -s /run/other/r.conf /etc/resolv.conf",
    "link to a link": "mv /etc/resolv.conf /etc/r.conf && ln -s r.conf /etc/r2.conf && ln -s r2.conf /etc/resolv.conf",
    "dangling link": "ln -sfn ../run/not/there.conf /etc/resolv.conf",
    "link to itself": "ln -sfn resolv.conf /etc/resolv.conf",
    "missing": "rm /etc/resolv.conf",
    "empty": ": > /etc/resolv.conf",
    "large": "{ cat /etc/resolv.conf; head -c 1000000 /dev/zero | tr '\\0' '#'; echo; } > /etc/r && mv /etc/r /etc/resolv.conf",
    "with NULs": "printf 'nameserver 203.0.113.53\\0\\0\\nsearch \\0\\377\\n' > /etc/resolv.conf",
    "of another": "chmod 0604 /etc/resolv.conf && chown 1234:4321 /etc/resolv.conf && touch -d '2001-02-03 04:05:06' /etc/resolv.conf",
    "labelled": "python3 -c \"import os; os.setxattr('/etc/resolv.conf', 'security.selinux', b'system_u:object_r:net_conf_t:s0\\0'); "
                "os.setxattr('/etc/resolv.conf', 'trusted.other', b'kept')\"",
}

LOOK = """import hashlib, json, os, stat
path = "/etc/resolv.conf"
try:
    s = os.lstat(path)
except FileNotFoundError:
    print("missing")
else:
    link = stat.S_ISLNK(s.st_mode)
    print(json.dumps([stat.filemode(s.st_mode), s.st_uid, s.st_gid, 0 if link else s.st_mtime_ns, os.readlink(path) if link else
                      hashlib.sha256(open(path, "rb").read()).hexdigest(), [] if link else sorted((n, os.getxattr(path, n).hex()) for n in os.listxattr(path))]))
"""


def look(lab):
    return lab.host.run("python3", "-c", LOOK).stdout


@pytest.mark.parametrize("way", ["disconnect", "crash"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_back(host, form, way):
    """To the byte, with mode, owner, time and attributes, whether we put it back or the next start does."""
    host.host.run("sh", "-c", FORMS[form])
    before = look(host)
    host.connect()
    assert look(host) != before
    assert f"nameserver {TUNNEL_PEER4}" in host.resolv_conf()
    assert json.loads(host.vpnctl("dns", "--json").stdout)["dns"]["inForce"]
    if form == "labelled":
        assert "security.selinux" in look(host) and "trusted.other" not in look(host), "confined programs may read ours"
    if way == "disconnect":
        host.vpnctl("disconnect", "--wait")
    else:
        host.daemons[-1].kill()
        host.kill_wireguard()
        host.start_daemon()
        host.wait_state("error")
    assert look(host) == before


LOCKS = {
    "immutable": ("chattr +i /etc/resolv.conf", "chattr -i /etc/resolv.conf"),
    "read-only mount": ("mount --bind /etc/resolv.conf /etc/resolv.conf && mount -o remount,bind,ro /etc/resolv.conf", "umount /etc/resolv.conf"),
}


@pytest.mark.parametrize("way", LOCKS)
def test_a_file_that_cannot_be_written(host, way):
    """Names would go to the servers of before, which the rules refuse. Connecting fails and says so, with lockdown the host stays closed all the time."""
    host.host.run("sh", "-c", LOCKS[way][0])
    before = look(host)
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.vpnctl("lockdown", "on")
    mark = host.capture.mark()
    done = host.vpnctl("connect", "demo", "--wait", "--timeout", "40", "--json", check=False)
    assert done.returncode != 0 and "resolv.conf" in done.stdout + done.stderr and "dns" in (done.stdout + done.stderr).lower(), done
    assert host.status()["blocking"] is True
    host.host.run("getent", "hosts", "closed.lab.example", check=False)
    assert host.echo(PUBLIC4, wait=200) is None
    none(host.capture.since(mark), dport=53)
    assert look(host) == before
    host.host.run("sh", "-c", LOCKS[way][1])
    host.vpnctl("connect", "demo", "--wait", "--timeout", "40")
    host.vpnctl("disconnect", "--wait")


@pytest.mark.parametrize("end", ["disconnect", "wait"])
@pytest.mark.parametrize("way", LOCKS)
def test_a_file_that_cannot_be_written_any_more(connected, way, end):
    """While connected: other servers are wanted, and cannot be set. Error by its cause, closed, until the file may be written: then it connects by itself."""
    connected.host.run("sh", "-c", LOCKS[way][0])
    mark = connected.capture.mark()
    connected.vpnctl("settings", "set", "dns-servers", "203.0.113.66", check=False)
    status = connected.wait_state("error")
    assert (status["cause"], status["blocking"]) == ("dns-failed", True)
    connected.host.run("getent", "hosts", "closed.lab.example", check=False)
    assert connected.echo(PUBLIC4, wait=200) != HOST4
    none(connected.capture.since(mark), dport=53)
    if end == "wait":
        connected.host.run("sh", "-c", LOCKS[way][1])
        connected.wait_state("connected", 60)
        connected.wait_until_works(TUNNEL_HOST4)
    connected.vpnctl("disconnect", "--wait")
    if end == "disconnect":
        connected.host.run("sh", "-c", LOCKS[way][1])
    sandbox.wait_until(lambda: connected.resolv_conf() == connected.before["resolv.conf"], 20, "what was there before is back as soon as that can be")


def test_a_resolver_that_answers_garbage(connected):
    """Noise for an answer, from the tunnel's own resolver: names fail, the tunnel stays, and nobody else is asked."""
    connected.services.answers_noise = True
    mark = connected.capture.mark()
    done = connected.host.run("timeout", "8", "getent", "ahosts", "noise.lab.example", check=False)
    assert done.returncode != 0 and not done.stdout
    assert connected.vpnctl("dns", "query", "noise.lab.example", "--timeout", "3", check=False).returncode != 0
    assert json.loads(connected.vpnctl("dns", "--json").stdout)["dns"]["inForce"]
    assert connected.status()["state"] == "connected"
    connected.services.answers_noise = False
    connected.host.run("getent", "ahosts", "sense.lab.example")
    none(connected.capture.since(mark), dport=53)
