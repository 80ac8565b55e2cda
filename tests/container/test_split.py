# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split tunnelling by the installed package under a real systemd: services, scopes of users, launches as desktops make them. Each program asks a server outside
as its first act who it is: HOST4 beside the tunnel, TUNNEL_HOST4 inside it."""
import itertools
import json
import os
import pathlib
import re
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

import booted  # noqa: E402
import stores  # noqa: E402
from lab import ECHO_PORT, HOST4, PUBLIC4, TUNNEL_HOST4, built  # noqa: E402

SOON_S, wait_until = booted.sandbox.SOON_S, booted.sandbox.wait_until
ADA = 4321
# Each question comes from a port that none came from before: one of a program of another class would be refused (docs/split-tunnel.md, Limits).
ASK = f"""#!/usr/bin/python3 -SE
import fcntl, socket, sys, time
def next_port():
    with open("/run/lab-port", "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        port = int(file.read() or 10000) + 1
        file.seek(0)
        file.write(str(port))
    return port
def ask():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        try:
            s.bind(("", next_port()))
            s.sendto(b"who am i", ("{PUBLIC4}", {ECHO_PORT}))
            return s.recv(200).decode().removeprefix("you are ")
        except OSError as error:
            return type(error).__name__
first = ask()
if len(sys.argv) < 2:
    print(first)
while len(sys.argv) > 1:
    with open(sys.argv[1], "w") as file:
        print(first, ask(), file=file)
    time.sleep(0.1)
"""
ENTRY = "[Desktop Entry]\nType=Application\nName=Ask\nExec=/usr/local/bin/lab-ask %U\n"
RULES = 'polkit.addRule (function (action, subject) { if (action.id == "org.vpnd1.split" && subject.user == "ada") return polkit.Result.YES; });\n'


class SplitLab(booted.BootedLab):
    # A container is not let to hold launches, as a rule.
    nspawn_options = ("--system-call-filter=fanotify_init fanotify_mark", "--bind=/dev/fuse")

    def _base(self):
        return booted.roots.extended(self.packages, sorted({*stores.FLATPAK_PACKAGES, *stores.SNAPD_PACKAGES}))

    def _prepare_root(self):
        super()._prepare_root()
        stores.prepare(self.root)
        for name in ("lab-ask", "lab-other"):
            program = self.root / "usr/local/bin" / name
            program.write_text(ASK, encoding="ascii")
            program.chmod(0o755)
        shutil.copy(built("tests/lab-c/split-program"), self.root / "usr/local/bin/lab-first")
        # A script that runs is its interpreter to the kernel; this is a program of its own.
        shutil.copy(self.root / "usr/bin" / os.readlink(self.root / "usr/bin/python3"), self.root / "usr/local/bin/lab-python")
        (self.root / "usr/local/share/applications").mkdir(parents=True)
        (self.root / "usr/local/share/applications/org.lab.Ask.desktop").write_text(ENTRY, encoding="ascii")
        (self.root / "etc/polkit-1/rules.d").mkdir(parents=True, exist_ok=True)
        (self.root / "etc/polkit-1/rules.d/10-ada.rules").write_text(RULES, encoding="ascii")
        for name in ("plain", "sender"):
            (self.root / f"etc/systemd/system/{name}.service").write_text(f"[Service]\nExecStart=/usr/local/bin/lab-other /run/{name}.said\n", encoding="ascii")

    def sh(self, *words, **options):
        """A command as a unit of the container's systemd: what nsenter starts would be in no cgroup of it."""
        return self.host.run("systemd-run", "--quiet", "--wait", "--pipe", "--collect", *words, **options)

    def ada(self, *words, **options):
        return self.sh(f"--uid={ADA}", f"--setenv=XDG_RUNTIME_DIR=/run/user/{ADA}", f"--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{ADA}/bus", "--setenv=HOME=/home/ada",
                       "--working-directory=/", *words, **options)

    def said(self, name, wanted):
        """Waits until the program that writes there says so, twice with the same word."""
        file = self.root_file(f"run/{name}.said")
        try:
            return wait_until(lambda: file() == wanted, SOON_S, "the answer")
        except TimeoutError:
            raise AssertionError(f"{name} is seen as {file()}, not {wanted}:\n{self.vpnctl('split', 'list').stdout}{self.vpnctl('split', 'ps').stdout}{self.journal()}") from None

    def now_said(self, name, wanted):
        """The same for what it says now, whatever it said first."""
        file = self.root_file(f"run/{name}.said")
        return wait_until(lambda: file().split()[1:] == [wanted], SOON_S, f"{name} says {wanted}")

    def root_file(self, path):
        return lambda: self.host.run("cat", f"/{path}", check=False).stdout.strip()


@pytest.fixture(name="system", scope="module")
def system_fixture():
    one = SplitLab()
    one.install()
    one.host.run("sh", "-c", "touch /run/lab-port; chmod 666 /run/lab-port")
    one.host.run("useradd", "--uid", str(ADA), "--create-home", "ada")
    one.host.run("loginctl", "enable-linger", "ada")
    wait_until(lambda: one.host.run("systemctl", "is-active", f"user@{ADA}", check=False).stdout.strip() == "active", 30, "the user's systemd")
    one.vpnctl("import", "-", "demo", input=one.profile())
    one.vpnctl("connect", "demo", "--wait", "--timeout", "20")
    yield one
    one.close()


@pytest.fixture(autouse=True)
def no_rule_stays(system):
    yield
    if system.host.run("test", "-e", system.vpnctl_path, check=False).returncode:
        return  # purged
    for rule in json.loads(system.vpnctl("split", "list", "--json").stdout)["rules"]:
        if rule["owner"] == 0xffffffff:
            system.vpnctl("split", "remove", f"--{rule['kind']}", rule["value"])
    system.host.run("systemctl", "stop", "plain", "sender", check=False)
    system.host.run("rm", "-f", "/run/plain.said", "/run/sender.said")


def test_units_are_there(system):
    assert system.host.run("systemctl", "is-active", "vpnd-split", "vpnd-classifier.socket").stdout.split() == ["active", "active"]
    split = system.host.run("systemctl", "show", "-P", "ControlGroup", "vpnd-split").stdout.strip()
    assert split == "/vpnd.slice/vpnd-split.service"
    for property_, value in (("TasksMax", "infinity"), ("DevicePolicy", "auto"), ("DeviceAllow", ""), ("IPAddressDeny", ""), ("User", "")):
        assert system.host.run("systemctl", "show", "-P", property_, "vpnd-split").stdout.strip() == value, "this would hold for programs of users"
    classes = system.host.run("busctl", "get-property", "org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel", "Classes").stdout
    assert split in classes


@pytest.mark.parametrize("unit, limit", [("vpnd", 2.0), ("vpnd-classifier", 3.0), ("vpnd-split", 3.0)])
def test_sandbox(system, unit, limit):
    out = system.host.run("systemd-analyze", "security", "--no-pager", unit).stdout
    assert float(re.search(rf"exposure level for {unit}.service: ([0-9.]+)", out).group(1)) <= limit, out


def test_a_program_by_its_path(system):
    assert system.sh("/usr/local/bin/lab-ask").stdout.strip() == TUNNEL_HOST4
    system.vpnctl("split", "add", "--path", "/usr/local/bin/lab-ask")
    assert system.sh("/usr/local/bin/lab-ask").stdout.strip() == HOST4
    assert system.sh("/usr/local/bin/lab-other").stdout.strip() == TUNNEL_HOST4
    assert system.sh("sh", "-c", "/usr/local/bin/lab-ask; /usr/local/bin/lab-other").stdout.split() == [HOST4, TUNNEL_HOST4]
    system.vpnctl("split", "remove", "--path", "/usr/local/bin/lab-ask")
    assert system.sh("/usr/local/bin/lab-ask").stdout.strip() == TUNNEL_HOST4


def test_a_service_by_its_unit(system):
    """The unit's own cgroup is matched: systemd goes on as if there were no rule."""
    system.host.run("systemctl", "start", "sender", "plain")
    system.said("sender", f"{TUNNEL_HOST4} {TUNNEL_HOST4}")
    system.vpnctl("split", "add", "--unit", "sender")
    system.said("sender", f"{TUNNEL_HOST4} {HOST4}")
    system.said("plain", f"{TUNNEL_HOST4} {TUNNEL_HOST4}")
    system.host.run("systemctl", "restart", "sender")
    system.now_said("sender", HOST4)
    assert "/system.slice/sender.service" in system.host.run("systemctl", "show", "-P", "ControlGroup", "sender").stdout
    system.vpnctl("split", "remove", "--unit", "sender")
    system.now_said("sender", TUNNEL_HOST4)


def test_a_unit_that_does_not_run_is_told(system):
    done = system.vpnctl("split", "add", "--unit", "sender", check=False)
    assert done.returncode == 1 and "no effect" in done.stderr
    system.host.run("systemctl", "start", "sender")
    system.now_said("sender", HOST4)
    assert json.loads(system.vpnctl("split", "list", "--json").stdout)["rules"][0]["effective"]


def test_what_a_unit_sends_first(system):
    """The cgroup is there before the process, so a unit that starts is mostly known before its first process runs: a race, which is won far more often than not."""
    (system.root / "etc/systemd/system/first.service").write_text(
        f"[Service]\nType=oneshot\nStandardOutput=append:/run/first.said\nExecStart=/usr/local/bin/lab-first {PUBLIC4} {ECHO_PORT} x\n", encoding="ascii")
    system.host.run("systemctl", "daemon-reload")
    system.vpnctl("split", "add", "--unit", "first", check=False)
    before = len(system.services.echoes)
    system.host.run("sh", "-c", "for i in $(seq 200); do systemctl start first; done", timeout=600)
    said = system.host.run("cat", "/run/first.said").stdout.splitlines()
    arrived = [client for server, client, _ in system.services.echoes[before:] if server == PUBLIC4]
    beside, late = arrived.count(HOST4), arrived.count(TUNNEL_HOST4)
    print(f"{late} of {len(said)} first datagrams went by the tunnel", file=sys.stderr)
    assert len(said) == 200 and beside > late, said
    assert beside + late + said.count("EPERM") >= 198, said  # two that the network lost; EPERM: the port of one that went the other way
    # Who was late gets no answer when vpnd has come to know the unit meanwhile: nothing from inside the tunnel is for one beside it.
    assert said.count(f"you are {HOST4}") >= beside - 2 and said.count(f"you are {TUNNEL_HOST4}") <= late, said


def test_what_an_included_unit_sends_first(system):
    """In mode include the way of what has no rule is the clear: no first datagram goes it, however fast the unit is."""
    (system.root / "etc/systemd/system/kept.service").write_text(
        f"[Service]\nType=oneshot\nStandardOutput=append:/run/kept.said\nExecStart=/usr/local/bin/lab-first {PUBLIC4} {ECHO_PORT} kept-inside\n", encoding="ascii")
    system.host.run("systemctl", "daemon-reload")
    system.vpnctl("split", "add", "--include", "--unit", "kept", check=False)
    system.vpnctl("split", "mode", "include")
    try:
        mark = system.capture.mark()
        system.host.run("sh", "-c", "for i in $(seq 200); do systemctl start kept; done; exit 0", timeout=600)
        frames = [frame for frame in system.capture.since(mark) if b"kept-inside" in frame.raw]
        said = system.host.run("cat", "/run/kept.said").stdout.splitlines()
        print(f"{len(frames)} of {len(said)} first datagrams were in the clear, {said.count('EPERM')} were held back", file=sys.stderr)
        assert not frames and said.count(f"you are {HOST4}") == 0
        assert said.count(f"you are {TUNNEL_HOST4}") + said.count("EPERM") >= 198, said
        wait_until(lambda: system.sh("/usr/local/bin/lab-ask").stdout.strip() == HOST4, 20, "a unit without a rule gets out")
    finally:
        system.vpnctl("split", "mode", "exclude")


def test_an_application_as_a_desktop_launches_it(system):
    """GNOME and KDE start the program of the .desktop file in a scope of the user's systemd."""
    system.vpnctl("split", "add", "--app", "org.lab.Ask.desktop")
    assert system.ada("systemd-run", "--user", "--scope", "--quiet", "--unit=app-gnome-org.lab.Ask-17.scope", "/usr/local/bin/lab-ask").stdout.split()[-1] == HOST4
    assert system.ada("systemd-run", "--user", "--scope", "--quiet", "--unit=app-gnome-org.lab.Other-18.scope", "/usr/local/bin/lab-other").stdout.split()[-1] == TUNNEL_HOST4


# What GNOME does: the program first, then a scope for it. The system's manager moves it there, for the user's may not.
LAUNCH = """/usr/local/bin/lab-python -SE /usr/local/bin/lab-other /run/scoped.said & pid=$!
until grep -q vpnd-excluded /proc/$pid/cgroup; do :; done
busctl --user call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' "app-gnome-lab-$pid.scope" fail 1 PIDs au 1 "$pid" 0
wait"""


def test_a_desktop_that_makes_a_scope_of_what_runs(system):
    """What a rule has put into its class is taken out by systemd, and taken back."""
    system.vpnctl("split", "add", "--path", "/usr/local/bin/lab-python")
    system.host.run("sh", "-c", "rm -f /run/scoped.said; touch /run/scoped.said; chown ada /run/scoped.said")
    system.host.start("systemd-run", "--quiet", "--wait", "--collect", "--unit=desktop", f"--uid={ADA}", f"--setenv=XDG_RUNTIME_DIR=/run/user/{ADA}",
                      f"--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{ADA}/bus", "sh", "-c", LAUNCH.replace("$", "$$"))
    try:
        told = lambda: "Started app-gnome-lab-" in system.host.run("journalctl", "--no-pager", "-o", "cat", f"_UID={ADA}").stdout
        wait_until(told, 20, "the scope is there")
        system.now_said("scoped", HOST4)
        place = system.host.run("sh", "-c", "cat /proc/$(pgrep -f '^/usr/local/bin/lab-python')/cgroup").stdout
        assert "vpnd-excluded" in place, place
        system.vpnctl("split", "remove", "--path", "/usr/local/bin/lab-python")
        system.now_said("scoped", TUNNEL_HOST4)
    finally:
        system.host.run("systemctl", "stop", "desktop", check=False)


FLATPAK = "[Desktop Entry]\nType=Application\nName=Flat\nExec=/usr/bin/flatpak run --branch=stable --arch=x86_64 --command=ask org.lab.Flat-er\nX-Flatpak=org.lab.Flat-er\n"
FLAT, SCOPE, OTHER_SCOPE = "org.lab.Flat-er", r"app-flatpak-org.lab.Flat\x2der-2718281828.scope", r"app-flatpak-org.lab.Flat\x2derest-2718281829.scope"


def test_what_runs_in_a_box_by_its_scope(system):
    """The .desktop file names a launcher, which runs others, too; the program has a name of the box. What is left is the scope in the user's systemd, which flatpak-run(1) makes. One that
    runs already is taken along, and brought back."""
    stores.put(system.root / f"var/lib/flatpak/app/{FLAT}/x", "")
    stores.put(system.root / f"var/lib/flatpak/exports/share/applications/{FLAT}.desktop", FLATPAK)
    told = lambda: json.loads(system.vpnctl("split", "list", "--json").stdout)["rules"][0]
    done = system.vpnctl("split", "add", "--app", FLAT, check=False)
    assert done.returncode == 1 and not told()["effective"] and "runs in no unit" in told()["reason"], done.stderr
    for name, unit in (("box", SCOPE), ("other", OTHER_SCOPE)):
        system.host.run("sh", "-c", f"touch /run/{name}.said; chown ada /run/{name}.said")
        system.host.start("systemd-run", "--quiet", "--wait", "--collect", f"--uid={ADA}", f"--setenv=XDG_RUNTIME_DIR=/run/user/{ADA}",
                          "systemd-run", "--user", "--scope", "--quiet", f"--unit={unit}", "/usr/local/bin/lab-other", f"/run/{name}.said")
    try:
        system.now_said("box", HOST4)
        system.said("other", f"{TUNNEL_HOST4} {TUNNEL_HOST4}")
        assert told()["effective"] and told()["reason"] == ""
        system.vpnctl("split", "remove", "--app", FLAT)
        system.now_said("box", TUNNEL_HOST4)
    finally:
        system.ada("systemctl", "--user", "stop", SCOPE, OTHER_SCOPE)


ASKS = 5
ports = itertools.count(30000)  # one that a program of another class had a moment ago would be refused (docs/split-tunnel.md, Limits)


def ask_from_box(system, *launcher, program):
    """The ways of a datagram each of a program of the box that is launched again and again."""
    return set(system.ada(*launcher, "--launch", ASKS, program, PUBLIC4, ECHO_PORT, "box", next(ports)).stdout.split("\n")[:-1])


@pytest.fixture(name="flatpaks", scope="module")
def flatpaks_fixture(system):
    stores.make_flatpaks(system, ["org.lab.Box", "org.lab.Other"], ["org.lab.Own-Box"])
    return lambda app: ask_from_box(system, "flatpak", "run", app, program="/app/bin/ask")


@pytest.fixture(name="snaps", scope="module")
def snaps_fixture(system):
    stores.make_snaps(system, ["lab-box", "lab-boxer"])
    return lambda name: ask_from_box(system, f"/snap/bin/{name}.ask", program=f"/snap/{name}/current/bin/ask")


IN, OUT = {f"you are {TUNNEL_HOST4}"}, {f"you are {HOST4}"}


def test_a_real_flatpak(system, flatpaks):
    """flatpak-run(1) makes the box and its scope; what runs in it goes beside the tunnel, and another Flatpak does not."""
    assert flatpaks("org.lab.Box") == IN
    assert "Exec=/usr/bin/flatpak run" in (system.root / "var/lib/flatpak/exports/share/applications/org.lab.Box.desktop").read_text(encoding="ascii")
    system.vpnctl("split", "add", "--app", "org.lab.Box", check=False)  # it does not run, so the rule has no effect as yet
    assert [flatpaks(app) for app in ("org.lab.Box", "org.lab.Other", "org.lab.Box")] == [OUT, IN, OUT]
    system.vpnctl("split", "remove", "--app", "org.lab.Box")
    assert flatpaks("org.lab.Box") == IN


def test_a_real_flatpak_of_a_users_own(system, flatpaks):
    """It lies in a home, which vpnd does not see: vpnctl tells that it is there."""
    assert flatpaks("org.lab.Own-Box") == IN
    done = system.ada("vpnctl", "split", "add", "--own", "--app", "org.lab.Own-Box", check=False)
    assert done.returncode == 1 and "runs in no unit" in done.stderr, done.stderr
    try:
        assert [flatpaks(app) for app in ("org.lab.Own-Box", "org.lab.Other")] == [OUT, IN]
        assert system.vpnctl("split", "add", "--app", "org.lab.Own-Box", check=False).returncode == 4, "for everybody there is none of that name"
    finally:
        system.ada("vpnctl", "split", "remove", "--own", "--app", "org.lab.Own-Box")
    assert flatpaks("org.lab.Own-Box") == IN


@pytest.mark.parametrize("app", ["lab-box", "lab-box_ask"])
def test_a_real_snap(system, snaps, app):
    """snap run makes the box and its scope. By the name of the snap or that of its .desktop file; one whose name begins so is another one."""
    assert snaps("lab-box") == IN
    assert "/snap/bin/lab-box.ask" in (system.root / "var/lib/snapd/desktop/applications/lab-box_ask.desktop").read_text(encoding="ascii")
    system.vpnctl("split", "add", "--app", app, check=False)  # it does not run, so the rule has no effect as yet
    assert [snaps(name) for name in ("lab-box", "lab-boxer", "lab-box")] == [OUT, IN, OUT]
    system.vpnctl("split", "remove", "--app", app)
    assert snaps("lab-box") == IN


def test_an_id_that_names_nothing(system):
    done = system.vpnctl("split", "add", "--app", "org.lab.Nothing", check=False)
    assert done.returncode == 4 and "org.lab.Nothing" in done.stderr
    assert json.loads(system.vpnctl("split", "list", "--json").stdout)["rules"] == []


def test_a_rule_of_a_users_own(system):
    """It holds for that user, also in a scope of the user's systemd, and for nobody else."""
    assert system.ada("vpnctl", "split", "add", "--path", "/usr/local/bin/lab-ask", check=False).returncode == 3
    system.ada("vpnctl", "split", "add", "--own", "--path", "/usr/local/bin/lab-ask")
    try:
        assert system.ada("systemd-run", "--user", "--scope", "--quiet", "/usr/local/bin/lab-ask").stdout.split()[-1] == HOST4
        assert system.ada("/usr/local/bin/lab-ask").stdout.strip() == HOST4
        assert system.sh("/usr/local/bin/lab-ask").stdout.strip() == TUNNEL_HOST4
    finally:
        system.ada("vpnctl", "split", "remove", "--own", "--path", "/usr/local/bin/lab-ask")
    assert system.ada("/usr/local/bin/lab-ask").stdout.strip() == TUNNEL_HOST4


def test_a_unit_of_a_users_own(system):
    """It is that user's manager's: a unit of the system that is called so is another one, and goes on inside."""
    system.host.run("sh", "-c", "touch /run/mine.said; chown ada /run/mine.said")
    system.host.run("systemctl", "start", "plain")
    system.ada("systemd-run", "--user", "--quiet", "--unit=plain", "/usr/local/bin/lab-other", "/run/mine.said")
    try:
        system.said("mine", f"{TUNNEL_HOST4} {TUNNEL_HOST4}")
        system.ada("vpnctl", "split", "add", "--own", "--unit", "plain")
        system.said("mine", f"{TUNNEL_HOST4} {HOST4}")
        system.said("plain", f"{TUNNEL_HOST4} {TUNNEL_HOST4}")
        system.ada("vpnctl", "split", "remove", "--own", "--unit", "plain")
        system.now_said("mine", TUNNEL_HOST4)
        system.vpnctl("split", "add", "--unit", "plain")
        system.said("plain", f"{TUNNEL_HOST4} {HOST4}")
        system.now_said("mine", TUNNEL_HOST4)
    finally:
        system.ada("systemctl", "--user", "stop", "plain", check=False)


def test_an_application_of_a_users_own_home(system):
    """vpnd sees no home (ProtectHome=): vpnctl reads the user's .desktop file as the user, and the program in the home is matched by its file. The system's of that id gives way to it."""
    share = "/home/ada/.local/share"
    entry = ENTRY.replace("/usr/local/bin/lab-ask %U", "mine %U")
    put = "install -D -m 0700 /usr/local/bin/lab-ask /home/ada/bin/mine; mkdir -p {share}/applications {share}/flatpak/app/org.lab.Box; printf '{entry}' | tee {share}/applications/org.lab.Mine.desktop > {share}/applications/org.lab.Ask.desktop"
    system.ada("sh", "-c", put.format(share=share, entry=entry.replace("\n", "\\n").replace("%", "%%")))
    system.ada("chmod", "0700", "/home/ada")
    path = "--setenv=PATH=/home/ada/bin:/usr/bin:/bin"
    assert system.ada("/home/ada/bin/mine").stdout.strip() == TUNNEL_HOST4
    for words in (("--app", "org.lab.Mine"), ("--app", "org.lab.Ask"), ("--path", "/home/ada/bin/mine")):
        system.ada(path, "vpnctl", "split", "add", "--own", *words)
        try:
            rule = json.loads(system.ada("vpnctl", "split", "list", "--json").stdout)["rules"][0]
            assert rule["effective"] and (words[0] == "--path" or rule["programs"] == ["/home/ada/bin/mine"]), rule
            assert system.ada("/home/ada/bin/mine").stdout.strip() == HOST4
            assert system.ada("/usr/local/bin/lab-ask").stdout.strip() == TUNNEL_HOST4
            assert system.sh("/home/ada/bin/mine").stdout.strip() == TUNNEL_HOST4, "of another user's process"
        finally:
            system.ada("vpnctl", "split", "remove", "--own", *words)
        assert system.ada("/home/ada/bin/mine").stdout.strip() == TUNNEL_HOST4
    done = system.ada("vpnctl", "split", "add", "--own", "--app", "org.lab.Box", check=False)
    assert done.returncode == 1 and "runs in no unit" in done.stderr, "a Flatpak of the user's own: its scope alone"
    system.ada("vpnctl", "split", "remove", "--own", "--app", "org.lab.Box")
    done = system.ada("vpnctl", "split", "add", "--own", "--app", "org.lab.Nowhere", check=False)
    assert done.returncode == 4 and "org.lab.Nowhere" in done.stderr, "a wrong id is noticed"


def test_a_process_goes_back_to_the_scope_of_its_user(system):
    """Taken out of its scope while the rule holds, put back when it goes: control groups of users belong to the users."""
    system.host.run("rm", "-f", "/run/back.said")
    system.host.run("touch", "/run/back.said")
    system.host.run("chown", "ada", "/run/back.said")
    system.ada("systemd-run", "--user", "--unit=back", "/usr/local/bin/lab-python", "-SE", "/usr/local/bin/lab-other", "/run/back.said")
    try:
        system.said("back", f"{TUNNEL_HOST4} {TUNNEL_HOST4}")
        pid = system.ada("systemctl", "--user", "show", "-P", "MainPID", "back").stdout.strip()
        cgroup = lambda: re.search(r"^0::(.*)$", system.host.run("cat", f"/proc/{pid}/cgroup").stdout, re.M).group(1)
        before = cgroup()
        assert before.endswith("/back.service")
        system.vpnctl("split", "add", "--path", "/usr/local/bin/lab-python")
        system.said("back", f"{TUNNEL_HOST4} {HOST4}")
        assert "vpnd-excluded" in cgroup()
        system.vpnctl("split", "remove", "--path", "/usr/local/bin/lab-python")
        system.said("back", f"{TUNNEL_HOST4} {TUNNEL_HOST4}")
        wait_until(lambda: cgroup() == before, SOON_S, "it is back where it was")
    finally:
        system.ada("systemctl", "--user", "stop", "back")


@pytest.mark.parametrize("who", ["sh", "ada"])
def test_exclude(system, who):
    run = getattr(system, who)
    assert run("vpnctl", "exclude", "--", "/usr/local/bin/lab-other").stdout.strip() == HOST4
    assert run("vpnctl", "exclude", "--", "sh", "-c", "/usr/local/bin/lab-other & wait; exit 7", check=False).returncode == 7


def test_others_may_not(system):
    system.host.run("systemctl", "start", "plain")
    for words in (("vpnctl", "exclude", "--", "true"), ("vpnctl", "split", "add", "--own", "--path", "/usr/local/bin/lab-ask")):
        assert system.sh("--uid=65534", *words, check=False).returncode in (125, 3)
    split = "/sys/fs/cgroup/unified/vpnd.slice/vpnd-split.service"
    folder = split if system.host.run("test", "-d", split, check=False).returncode == 0 else "/sys/fs/cgroup/vpnd.slice/vpnd-split.service"
    assert system.ada("sh", "-c", f"echo $$ > {folder}/vpnd-excluded/cgroup.procs", check=False).returncode != 0
    assert system.ada("mkdir", f"{folder}/evil", check=False).returncode != 0


def test_a_restart_of_either_ends_no_program(system):
    """Programs beside the tunnel go on, and stay where they are; launches are held again afterwards."""
    system.vpnctl("split", "add", "--path", "/usr/local/bin/lab-other")
    system.host.run("systemctl", "start", "sender")
    system.said("sender", f"{HOST4} {HOST4}")
    pid = system.host.run("systemctl", "show", "-P", "MainPID", "sender").stdout
    for unit in ("vpnd-classifier", "vpnd"):
        system.host.run("systemctl", "restart", unit)
        system.wait_state("connected")
        wait_until(lambda: json.loads(system.vpnctl("split", "list", "--json").stdout)["rules"][0]["effective"], 20, f"the rule holds again after a restart of {unit}")
        assert system.sh("/usr/local/bin/lab-other").stdout.strip() == HOST4
        system.said("sender", f"{HOST4} {HOST4}")
    assert system.host.run("systemctl", "show", "-P", "MainPID", "sender").stdout == pid


def test_an_upgrade_ends_no_program(system):
    """The package is put over itself: who is in a class stays there, those of rules and those who asked, and goes on beside the tunnel."""
    system.vpnctl("split", "add", "--path", "/usr/local/bin/lab-other")
    system.host.run("systemctl", "start", "sender")
    system.said("sender", f"{HOST4} {HOST4}")
    system.host.run("systemd-run", "--quiet", "--unit=asked", "vpnctl", "exclude", "--", "/usr/local/bin/lab-ask", "/run/asked.said")
    system.said("asked", f"{HOST4} {HOST4}")
    pids = lambda: system.host.run("systemctl", "show", "-P", "MainPID", "sender", "asked", "vpnd-split").stdout.split()
    places = lambda: [system.host.run("cat", f"/proc/{pid}/cgroup").stdout for pid in pids()]
    before = pids(), places()
    vpnd = system.host.run("systemctl", "show", "-P", "MainPID", "vpnd").stdout
    system.host.run("dpkg", "-i", "/root/vpnd.deb", timeout=120)
    system.wait_state("connected")
    assert system.host.run("systemctl", "show", "-P", "MainPID", "vpnd").stdout != vpnd, "the new one runs"
    wait_until(lambda: json.loads(system.vpnctl("split", "list", "--json").stdout)["rules"][0]["effective"], 20, "the rule holds again")
    assert (pids(), places()) == before
    for name in ("sender", "asked"):
        system.host.run("rm", f"/run/{name}.said")
        system.said(name, f"{HOST4} {HOST4}")
    assert system.sh("/usr/local/bin/lab-other").stdout.strip() == HOST4
    classified = json.loads(system.vpnctl("split", "ps", "--json").stdout)["processes"]
    assert {int(pid) for pid in pids()[:2]} <= {process["pid"] for process in classified}, "the new daemon knows who is in a class"
    system.host.run("systemctl", "stop", "asked")


def test_no_warning_about_control_groups(system):
    """systemd is not surprised by what we do: after all of the above."""
    lines = system.host.run("journalctl", "--no-pager", "-b", "-p", "warning", "-o", "cat", "_COMM=systemd", "+", "_PID=1").stdout.splitlines()
    ours = [line for line in lines if re.search(r"vpnd|cgroup|control group", line) and "compat systemd cgroup" not in line]  # "compat": of the hybrid hierarchy of the machine that tests
    assert ours == []


def test_zz_purge_with_a_program_beside_the_tunnel(system):
    """The program goes on; nothing of ours stays, but the control group as long as it is in use."""
    system.vpnctl("split", "add", "--path", "/usr/local/bin/lab-other")
    system.host.run("systemctl", "start", "sender")
    system.said("sender", f"{HOST4} {HOST4}")
    system.host.run("dpkg", "--purge", "vpnd")
    assert system.host.run("systemctl", "is-active", "sender").stdout.strip() == "active"
    system.host.run("systemctl", "stop", "sender")
    units = lambda: system.host.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "vpnd*").stdout
    wait_until(lambda: units() == "", 20, f"no unit of ours is known any more:\n{units()}")
    left = system.host.run("find", "/run", "/var/lib/vpnd", "/etc", "/usr", "-name", "*vpnd*", "-not", "-name", "vpnd.deb", check=False).stdout.split()
    assert left == []
