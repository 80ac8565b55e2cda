# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that cannot be read and disks that take nothing: the host is closed where nobody knows what was wanted, and nothing that was saved is lost."""
import json
import os

import pytest

import sandbox
from flooding import Flood, only_transport
from lab import HOST4, PUBLIC4, TUNNEL_HOST4
from test_trouble import crash

GOOD = json.dumps({"version": 1, "lockdown": False, "allow-lan": True})


def state(lab):
    return lab.host_run / "vpnd-lab/state"


def write(path, text, mode=0o600):
    path.write_text(text, encoding="ascii")
    path.chmod(mode)


def make_symlink(path):
    write(path.parent / "elsewhere.json", GOOD)
    path.symlink_to("elsewhere.json")


def make_foreign(path):
    write(path, GOOD)
    os.chown(path, 65534, 65534)


BROKEN = {
    "truncated": lambda path: write(path, GOOD[:20]),
    "empty": lambda path: write(path, ""),
    "of a future version": lambda path: write(path, GOOD.replace('"version": 1', '"version": 2')),
    "of a wrong type": lambda path: write(path, GOOD.replace("true", '"yes"')),
    "unreadable": lambda path: path.mkdir(),
    "a link": make_symlink,
    "of another owner": make_foreign,
    "writable by all": lambda path: write(path, GOOD, 0o666),
}


def kept(path):
    """Whatever stands there, as a value that can be compared."""
    info = path.lstat()
    return (info.st_mode, info.st_uid, os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None)


@pytest.mark.parametrize("how", BROKEN)
def test_broken_settings_block(lab, how):
    """Kept aside as it is, told, and closed for everybody, also after a crash and after another boot, until somebody says what is wanted."""
    path, aside = state(lab) / "settings.json", state(lab) / "settings.json.broken-1"
    BROKEN[how](path)
    before, was = lab.snapshot(), kept(path)
    lab.start_daemon()
    status = lab.wait_state("error")
    flood, mark = Flood(lab), lab.capture.mark()
    flood.on()
    for _ in ("first", "after a crash", "after a boot"):
        assert status["cause"] == "settings-unreadable" and status["blocking"] is True
        assert "settings.json.broken-1" in status["detail"], status
        assert kept(aside) == was and not os.path.lexists(path)
        assert json.loads(lab.vpnctl("settings", "--json").stdout)["settings"]["allow-lan"] is False, "nothing is taken from such a file"
        flood.wait(20)
        crash(lab)
        if _ == "after a crash":
            lab.begin_another_boot()
            lab.host.run(lab.vpnd, "--early-boot", env=lab.environment())
        lab.start_daemon()
        status = lab.wait_state("error")
    flood.wait(20)
    flood.off()
    only_transport(lab.capture.since(mark), how)
    lab.vpnctl("settings", "reset")
    lab.vpnctl("disconnect", "--wait")
    assert lab.difference(before, lab.snapshot()) == ""
    crash(lab)
    lab.start_daemon()
    assert lab.status()["state"] == "disconnected" and lab.echo(PUBLIC4) == HOST4


SYSCTLS = "src_valid_mark", "arp_ignore", "send_redirects"


@pytest.mark.parametrize("how", ["gone", "spoiled", "spoiled without a copy", "of another boot"])
def test_lost_ledger(connected, how):
    """A crash while connected, and somebody has taken or spoiled what vpnd had written down: told, closed, and the host has its own sysctls again at the end.
    Without the copy nobody knows them: these are named, and nothing is guessed. At a boot an empty runtime directory is nothing to be told."""
    ledger, copy = connected.host_run / "vpnd/ledger.json", state(connected) / "ledger-copy.json"
    crash(connected)
    if how == "of another boot":
        connected.begin_another_boot()
    elif how == "gone":
        ledger.unlink()
    else:
        write(ledger, GOOD[:20])
    if how == "spoiled without a copy":
        copy.unlink()
    connected.start_daemon()
    if how == "of another boot":
        assert connected.status()["state"] == "disconnected" and connected.status()["warnings"] == []
        return
    status = connected.wait_state("error")
    assert (status["cause"], status["blocking"]) == ("crashed", True)
    told = [line for line in status["warnings"] if line.startswith("ledger: ")]
    assert len(told) == 1, status
    assert told[0] in connected.daemons[-1].log()
    if how == "spoiled without a copy":
        assert all(f"net/ipv4/conf/all/{name}" in told[0] for name in SYSCTLS), told
        for name, value in zip(SYSCTLS, (0, 0, 1), strict=True):
            connected.host.sysctl(f"net.ipv4.conf.all.{name}", value)
    else:
        assert "copy in the state directory says" in told[0] and "net/ipv4" not in told[0]
    connected.vpnctl("disconnect", "--wait")
    assert connected.difference(connected.before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == HOST4


@pytest.fixture(name="small")
def small_fixture(lab):
    """The lab with a state directory of a few pages, and the daemon."""
    lab.host.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", "/run/vpnd-lab/state")
    lab.before = lab.snapshot()
    lab.start_daemon()
    return lab


def in_host(lab, program):
    return lab.host.run("sh", "-c", program, check=False).stdout


FILL = "cd %s && head -c 1000000 /dev/zero > ballast; wc -c < ballast"


def test_full_disk_keeps_the_settings(small):
    """An error for the caller, the old settings on the disk and in force; and all goes on when there is room again."""
    small.vpnctl("settings", "set", "allow-lan", "on")
    small.vpnctl("import", "-", "named", input=small.profile())
    small.vpnctl("auto-connect", "on", "named")
    small.vpnctl("auto-connect", "off")
    saved = in_host(small, "cat /run/vpnd-lab/state/settings.json")
    assert '"allow-lan" : true' in saved
    assert int(in_host(small, FILL % "/run/vpnd-lab/state")) < 100000, "the file system is full"
    for words in (("lockdown", "on"), ("dns-servers", "203.0.113.53"), ("mtu", "1300")):
        done = small.vpnctl("settings", "set", *words, check=False)
        assert done.returncode not in (0, 2, 3) and "No space left" in done.stderr, done
        assert in_host(small, "cat /run/vpnd-lab/state/settings.json") == saved
        assert in_host(small, "ls -A /run/vpnd-lab/state | grep tmp") == ""
    done = small.vpnctl("import", "-", "demo", input=small.profile(), check=False)
    assert done.returncode != 0 and "No space left" in done.stderr
    assert small.vpnctl("list").stdout.count("demo") == 0
    done = small.vpnctl("rename", "named", "other", check=False)
    assert done.returncode != 0 and "No space left" in done.stderr, "the setting that names the profile cannot follow"
    assert "named" in small.vpnctl("list").stdout and "other" not in small.vpnctl("list").stdout
    assert in_host(small, "cat /run/vpnd-lab/state/settings.json") == saved
    status = small.status()
    assert status["state"] == "disconnected" and status["blocking"] is False and status["lockdown"] is False
    assert small.difference(small.before, small.snapshot()) == ""
    in_host(small, "rm /run/vpnd-lab/state/ballast")
    small.connect()
    assert small.echo(PUBLIC4) == TUNNEL_HOST4


def test_full_runtime_directory(lab):
    """What cannot be remembered is not begun; what is in force stays; and the end that a user asks for is an end."""
    lab.host.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", "/run/vpnd")
    before = lab.snapshot()
    lab.start_daemon()
    lab.vpnctl("import", "-", "demo", input=lab.profile())
    assert int(in_host(lab, FILL % "/run/vpnd")) < 100000, "the file system is full"
    done = lab.vpnctl("connect", "demo", check=False)
    assert done.returncode != 0 and "No space left" in done.stderr, done
    sandbox.wait_until(lambda: lab.status()["state"] == "disconnected", sandbox.SOON_S, "the failed activation is rolled back")
    assert lab.difference(before, lab.snapshot()) == ""
    in_host(lab, "rm /run/vpnd/ballast")
    lab.vpnctl("connect", "demo", "--wait", "--timeout", "40")
    assert int(in_host(lab, FILL % "/run/vpnd")) < 100000, "the file system is full"
    flood, mark = Flood(lab), lab.capture.mark()
    flood.on()
    assert lab.vpnctl("reconnect", check=False).returncode != 0, "it cannot be remembered"
    flood.wait(20)
    assert lab.status()["blocking"] is True
    flood.off()
    only_transport(lab.capture.since(mark), "a reconnect that failed")
    lab.vpnctl("disconnect", "--wait")
    assert lab.difference(before, lab.snapshot()) == ""
    assert lab.echo(PUBLIC4) == HOST4
