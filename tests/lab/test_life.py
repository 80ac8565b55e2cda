# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the first moment of a boot to the way out of an emergency: what runs before the daemon, and without it."""
import contextlib
import json
import pathlib
import socket
import threading

import pytest

import sandbox
from capture import none, seen
from lab import ECHO_PORT, HOST4, NOBODY, PRIVATE4, PUBLIC4, TUNNEL_HOST4, built
from test_connect import only_transport
from test_leaks import assert_sealed

FLOOD_PORT = 4711

# Every file system read-only, then the program: what an early boot may find.
READ_ONLY = """
awk '{print $5}' /proc/self/mountinfo | while read -r mount; do mount -o remount,bind,ro "$mount" 2>/dev/null; done
if touch /run/vpnd-lab/x 2>/dev/null || touch /etc/x 2>/dev/null || touch /var/x 2>/dev/null; then exit 99; fi
exec "$@"
"""


@contextlib.contextmanager
def flood(lab):
    """A packet a millisecond to a public address, straight to the link, from before to after."""
    with lab.host.net():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    ended, tries = threading.Event(), [0]

    def send():
        while not ended.wait(0.001):
            tries[0] += 1
            with contextlib.suppress(OSError):
                sender.sendto(b"flood", (PUBLIC4, FLOOD_PORT))
    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield tries
    finally:
        ended.set()
        thread.join()
        sender.close()


def write_settings(lab, text):
    """What an earlier boot left in the state directory."""
    path = lab.host_run / "vpnd-lab/state/settings.json"
    path.write_text(text if isinstance(text, str) else json.dumps({"version": 1} | text), encoding="ascii")
    path.chmod(0o600)


def files(lab):
    """Every file of the host that a run may have made or changed. /run/mount is made by mount(8), which makes the view read-only."""
    return {str(p): p.lstat().st_mtime_ns for p in lab.host_run.rglob("*") if p != lab.host_run / "mount"}


def early_boot(lab):
    """The unit's program, with no bus, no log and nothing to write to."""
    lab.vpnd, lab.vpnctl_path = built("service/vpnd"), built("cli/vpnctl")
    environment = {key: value for key, value in lab.environment().items() if key != "LOGS_DIRECTORY"} | {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"}
    before = files(lab)
    done = lab.host.run("unshare", "-m", "sh", "-c", READ_ONLY, "sh", lab.vpnd, "--early-boot", check=False, env=environment)
    assert files(lab) == before
    return done


@pytest.mark.parametrize("settings", [{"lockdown": True}, {"auto-connect": True}, "{", '{"version":2}'])
def test_early_boot_seals(lab, settings):
    write_settings(lab, settings)
    with flood(lab) as tries:
        mark = lab.capture.mark()
        lab.capture.wait(lambda frame: frame.dport == FLOOD_PORT, mark, "the flood, before")
        done = early_boot(lab)
        assert done.returncode == 0, done.stderr
        mark, before = lab.capture.mark(), tries[0]
        assert_sealed(lab)
        sandbox.wait_until(lambda: tries[0] > before + 50, sandbox.SOON_S, "some packets were tried")
        none(lab.capture.since(mark), dport=FLOOD_PORT)


@pytest.mark.parametrize("settings", [None, {}, {"allow-lan": True, "crash-recovery": "block"}])
def test_early_boot_does_nothing_where_nothing_is_wanted(lab, settings):
    if settings is not None:
        write_settings(lab, settings)
    before = lab.snapshot()
    done = early_boot(lab)
    assert done.returncode == 0 and done.stderr == ""
    assert lab.difference(before, lab.snapshot()) == ""
    assert lab.echo(PUBLIC4) == HOST4


def test_early_boot_without_a_state_directory(lab):
    (lab.host_run / "vpnd-lab/state").rmdir()
    assert early_boot(lab).returncode == 0
    assert not (lab.host_run / "vpnd-lab/state").exists()
    assert lab.echo(PUBLIC4) == HOST4


@pytest.mark.parametrize("allow", [True, False])
def test_early_boot_heeds_allow_lan(lab, allow):
    write_settings(lab, {"lockdown": True, "allow-lan": allow})
    assert early_boot(lab).returncode == 0
    mark = lab.capture.mark()
    lab.probe([{"kind": "udp", "address": address, "port": ECHO_PORT, "device": "eth0"} for address in (PRIVATE4, PUBLIC4)])
    frames = lab.capture.since(mark)
    (seen if allow else none)(frames, dst=PRIVATE4)
    none(frames, dst=PUBLIC4)


def test_daemon_takes_over_from_early_boot_without_a_gap(lab):
    write_settings(lab, {"lockdown": True})
    assert early_boot(lab).returncode == 0
    with flood(lab) as tries:
        mark = lab.capture.mark()
        lab.start_daemon()
        status = lab.wait_state("disconnected")
        assert status["blocking"] is True
        assert_sealed(lab)
        sandbox.wait_until(lambda: tries[0] > 200, sandbox.SOON_S, "some packets were tried")
        frames = lab.capture.since(mark)
    none(frames, dport=FLOOD_PORT)
    lab.vpnctl("settings", "set", "lockdown", "off")
    assert lab.echo(PUBLIC4) == HOST4


def test_auto_connect_after_early_boot_is_never_open(host):
    """A boot with auto-connect: closed by the early boot, connected by the daemon, nothing in the clear in between."""
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.vpnctl("settings", "set", "auto-connect-profile", "demo")
    host.vpnctl("settings", "set", "auto-connect", "true")
    host.daemons[-1].stop()
    host.begin_another_boot()
    assert early_boot(host).returncode == 0
    with flood(host):
        mark = host.capture.mark()
        host.start_daemon()
        host.wait_state("connected")
        frames = host.capture.since(mark)
    only_transport(frames)
    assert host.echo(PUBLIC4) == TUNNEL_HOST4


def test_auto_connect_never_names_a_profile_that_is_not_there(host):
    """Neither a name that nobody stored, nor one that was removed or renamed since, keeps the next start from connecting."""
    before = host.vpnctl("settings", "--json").stdout
    done = host.vpnctl("auto-connect", "on", "nobody", check=False)
    assert done.returncode == 4 and 'there is no profile "nobody"' in done.stderr, done
    assert host.vpnctl("settings", "--json").stdout == before
    assert not (host.host_run / "vpnd-lab/state/settings.json").exists()
    host.vpnctl("import", "-", "demo", input=host.profile())
    host.vpnctl("auto-connect", "on", "demo")
    done = host.vpnctl("remove", "demo", check=False)
    assert done.returncode != 0 and "auto-connect" in done.stderr, done
    host.vpnctl("rename", "demo", "home")
    assert host.vpnctl("auto-connect").stdout == "on home\n"
    assert host.daemons[-1].stop() == 0
    host.start_daemon()
    assert host.wait_state("connected")["profile"] == "home"


def test_early_boot_leaves_a_running_daemon_alone(connected):
    """As when the package is upgraded in the running system."""
    write_settings(connected, {"lockdown": True})
    before = connected.snapshot()
    assert early_boot(connected).returncode == 0
    assert connected.difference(before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4


# --- the way out


OPEN = "The network is open. Lockdown and auto-connect are off.\n"


def unlock_without_daemon(lab):
    return lab.host.run(lab.vpnd, "--emergency-unlock", check=False, env=lab.environment() | {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"})


@pytest.mark.parametrize("settings", [["lockdown"], ["auto-connect"], ["lockdown", "auto-connect"]])
def test_emergency_unlock_without_a_daemon(connected, settings):
    """A daemon that died and cannot be started: one command of root opens the network and leaves nothing behind."""
    for setting in settings:
        connected.vpnctl(setting, "on")
    connected.daemons[-1].kill()
    connected.kill_wireguard()
    assert_sealed(connected)
    told = connected.vpnctl("emergency-unlock", check=False)
    assert told.returncode == 8 and "/vpnd --emergency-unlock" in told.stderr
    done = unlock_without_daemon(connected)
    assert done.returncode == 0, done.stderr
    assert connected.difference(connected.before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == HOST4
    connected.start_daemon()
    assert connected.status()["state"] == "disconnected"
    assert connected.vpnctl("lockdown").stdout == connected.vpnctl("auto-connect").stdout == "off\n"
    assert connected.echo(PUBLIC4) == HOST4


def install_daemon(lab):
    """To where vpnctl says that it is, in the lab alone."""
    hint = lab.vpnctl("emergency-unlock", check=False).stderr
    installed = pathlib.PurePosixPath(hint.split("systemctl stop vpnd; ")[1].split(" --emergency-unlock")[0])
    there = next(folder for folder in installed.parents if pathlib.Path(folder).is_dir())
    lab.host.run("sh", "-ec", f"mount -t tmpfs lab {there}; mkdir -p {installed.parent}; cp {lab.vpnd} {installed}")


@pytest.mark.parametrize("options, told", [
    ([], f"vpnd cannot be reached: opening the network without it.\n{OPEN}"),
    (["--json"], '{"schema":1,"unlocked":true}\n')])
def test_emergency_unlock_by_vpnctl_alone(connected, options, told):
    """Where vpnd is installed, and no daemon can be reached, the one command of the user's does all, for a script, too; not for a user."""
    connected.vpnctl("lockdown", "on")
    connected.daemons[-1].kill()
    connected.kill_wireguard()
    install_daemon(connected)
    assert connected.vpnctl("emergency-unlock", uid=NOBODY, check=False).returncode == 8
    assert_sealed(connected)
    done = connected.vpnctl(*options, "emergency-unlock")
    assert done.stdout == told
    assert connected.difference(connected.before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == HOST4
    connected.start_daemon()
    assert connected.vpnctl("lockdown").stdout == "off\n"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_emergency_unlock_by_vpnctl_alone_fails_as_vpnd_does(connected, options):
    """It has become vpnd: nothing says that the network is open, and the status is vpnd's."""
    connected.daemons[-1].kill()
    connected.host.run("sh", "-ec", UNUSABLE["both are files"])
    install_daemon(connected)
    done = connected.vpnctl(*options, "emergency-unlock", check=False)
    assert (done.returncode, "open" in done.stdout.split("without it.")[-1]) == (1, False)
    assert connected.echo(PUBLIC4) == HOST4


def test_json_is_a_way_to_say_how_it_ended(host):
    """A daemon that is started so would run, and say nothing in JSON."""
    done = host.host.run(host.vpnd, "--json", check=False, env=host.environment())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "vpnd: --json is for --emergency-unlock alone\n")


def test_emergency_unlock_of_an_open_host_warns_of_nothing(host):
    """As the removal of the package does it: nothing was left, and nobody is told that something was."""
    host.daemon.stop()
    done = unlock_without_daemon(host)
    assert (done.returncode, done.stdout, done.stderr) == (0, OPEN, "")
    assert host.difference(host.before, host.snapshot()) == ""


def test_emergency_unlock_after_early_boot_with_broken_settings(lab):
    write_settings(lab, "{")
    assert early_boot(lab).returncode == 0
    assert lab.echo(PUBLIC4, wait=100) is None
    done = unlock_without_daemon(lab)
    assert done.returncode == 0, done.stderr
    assert lab.echo(PUBLIC4) == HOST4


SMALL = "mount -t tmpfs -o size=64k,mode=0700 small /mnt && cp -a {0}/. /mnt/ && mount --move /mnt {0} && "
STATE, RUNTIME = "/run/vpnd-lab/state", "/run/vpnd"
UNUSABLE = {
    "state is a file": f"rm -r {STATE} && touch {STATE}",
    "state of another owner": f"chown 65534 {STATE}",
    "state read-only": SMALL.format(STATE) + f"mount -o remount,ro {STATE}",
    "state full": SMALL.format(STATE) + f"! head -c 1000000 /dev/zero > {STATE}/ballast",
    "runtime read-only": SMALL.format(RUNTIME) + f"mount -o remount,ro {RUNTIME}",
    "runtime of another owner": f"chown 65534 {RUNTIME}",
    "both are files": f"rm -r {STATE} {RUNTIME} && touch {STATE} {RUNTIME}",
}
KEEPS_DNS = ("state read-only", "state full", "runtime read-only", "runtime of another owner")


@pytest.mark.parametrize("how", UNUSABLE)
def test_emergency_unlock_where_nothing_can_be_kept(connected, how):
    """What a daemon cannot start for is no reason to keep the network closed; what could not be undone is told, and nothing is left in /tmp."""
    connected.vpnctl("lockdown", "on")
    connected.daemons[-1].kill()
    connected.kill_wireguard()
    done = connected.host.run("sh", "-c", UNUSABLE[how], check=False)
    assert done.returncode == 0, done.stderr
    assert_sealed(connected)
    (connected.host_run / "tmp").mkdir()
    done = connected.host.run(connected.vpnd, "--emergency-unlock", check=False,
                              env=connected.environment() | {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere", "TMPDIR": "/run/tmp"})
    assert done.returncode == 1 and done.stderr.count("<4>") > 0, done.stderr
    changed = {line for line in connected.difference(connected.before, connected.snapshot()).splitlines() if line.startswith(("---", "+++"))}
    assert changed <= {"--- sysctl before", "+++ sysctl after"} | (set() if how in KEEPS_DNS else {"--- resolv.conf before", "+++ resolv.conf after"}), changed
    assert how in KEEPS_DNS or "resolv.conf" in done.stderr, "a DNS setting that stays is told"
    assert connected.echo(PUBLIC4) == HOST4
    assert list((connected.host_run / "tmp").iterdir()) == []


def test_emergency_unlock_does_not_pull_the_rug_from_a_daemon(connected):
    before = connected.snapshot()
    done = unlock_without_daemon(connected)
    assert done.returncode == 1 and "vpnctl emergency-unlock" in done.stderr
    assert connected.difference(before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == TUNNEL_HOST4


def test_emergency_unlock_asks_the_daemon(connected):
    connected.vpnctl("lockdown", "on")
    denied = connected.vpnctl("emergency-unlock", uid=NOBODY, check=False)
    assert denied.returncode == 3 and connected.status()["blocking"] is True
    connected.vpnctl("emergency-unlock")
    assert connected.difference(connected.before, connected.snapshot()) == ""
    assert connected.echo(PUBLIC4) == HOST4


def test_error_without_network_says_what_to_do(connected):
    connected.host.run("ip", "link", "set", "eth0", "down")
    connected.wait_state("error")
    lines = connected.vpnctl("status").stdout.splitlines()
    assert lines[0] == "Blocked: offline" and "by itself" in lines[2]
