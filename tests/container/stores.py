# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flatpaks and snaps without a store: what one would send is made by hand, of one static program, and the real flatpak and snapd install and run it."""
import os
import shutil

PROGRAM = "usr/local/bin/lab-first"
PLATFORM = "org.lab.Platform/x86_64/1"
FLATPAK_RUNTIME = f"[Runtime]\nname=org.lab.Platform\nruntime={PLATFORM}\nsdk={PLATFORM}\n"
FLATPAK_APP = f"[Application]\nname={{name}}\nruntime={PLATFORM}\nsdk={PLATFORM}\ncommand=ask\n[Context]\nshared=network;\n"
ENTRY = "[Desktop Entry]\nType=Application\nName=Lab\nExec={0}\n"
SNAP = "name: {name}\nversion: '1'\nsummary: lab\ndescription: lab\narchitectures: [all]\n"
SNAP_APP = "base: bare\nconfinement: strict\napps:\n  ask:\n    command: bin/ask\n    plugs: [network]\n"
# What snap-confine mounts over, or looks for, in the base of a snap.
BASE_FOLDERS = ("dev etc home lib/modules media mnt opt proc root run snap sys tmp usr/lib/snapd usr/src usr/bin usr/share usr/local bin sbin lib64 "
                "var/lib/snapd var/log var/snap var/tmp").split()
SNAPD_PACKAGES = ["snapd", "squashfuse", "dbus-user-session"]  # in a container snaps are mounted by FUSE
FLATPAK_PACKAGES = ["flatpak", "dbus-user-session"]


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def prepare(root):
    """What snapd needs before it starts: no name of a host is known to it, or it would ask the store again and again, half a minute each time."""
    put(root / "etc/nsswitch.alone", "passwd: files\ngroup: files\nhosts: files\n")
    put(root / "etc/systemd/system/snapd.service.d/lab.conf", "[Service]\nBindReadOnlyPaths=/etc/nsswitch.alone:/etc/nsswitch.conf\n")
    put(root / "etc/systemd/system/systemd-udevd.service.d/lab.conf", "[Unit]\nConditionPathIsReadWrite=\n")  # in a container it is not started as a rule


def make_flatpaks(system, for_all, of_user):
    """Installs applications of these names, whose program is the lab's."""
    place = system.root / "root/flatpaks"
    for name, metadata in (("org.lab.Platform", FLATPAK_RUNTIME), *((app, FLATPAK_APP.format(name=app)) for app in (*for_all, *of_user))):
        for folder in ("files/bin", "usr"):
            (place / name / folder).mkdir(parents=True)
        put(place / name / "metadata", metadata)
        shutil.copy(system.root / PROGRAM, place / name / "files/bin/ask")
        put(place / name / f"export/share/applications/{name}.desktop", ENTRY.format("ask"))
        system.host.run("flatpak", "build-export", *(("--runtime", "--files=usr") if name == "org.lab.Platform" else ()), "/srv/flatpaks", f"/root/flatpaks/{name}", "1")
    for run, where, apps in ((system.host.run, "--system", for_all), (system.ada, "--user", of_user)):
        run("flatpak", "remote-add", where, "--no-gpg-verify", "lab", "/srv/flatpaks")
        run("flatpak", "install", where, "--assumeyes", "--noninteractive", "lab", *apps)


def make_snaps(system, names):
    """Installs snaps of these names, strictly confined as far as this kernel can, and what they stand on: a base with nothing in it, and a snap of the name snapd, which snapd wants
    to be there, but which is not the one that runs."""
    place = system.root / "root/snaps"
    for name, text in (("snapd", "type: snapd\n"), ("bare", "type: base\n"), *((name, SNAP_APP) for name in names)):
        put(place / name / "meta/snap.yaml", SNAP.format(name=name) + text)
        if name in names:
            (place / name / "bin").mkdir()
            shutil.copy(system.root / PROGRAM, place / name / "bin/ask")
            put(place / name / "meta/gui/ask.desktop", ENTRY.format(f"{name}.ask"))
        else:
            for folder in BASE_FOLDERS:
                (place / name / folder).mkdir(parents=True)
    put(place / "snapd/usr/lib/snapd/info", "VERSION=2.0\n")
    system.host.run("systemctl", "start", "systemd-udevd")  # whom snapd tells of its rules
    for name in ("snapd", "bare", *names):
        system.sh("--working-directory=/root/snaps", "sh", "-c", f"snap pack {name} && snap install --dangerous {name}_1_all.snap", timeout=120)
    for name in names:
        start_once(system, name)


def start_once(system, name):
    """The first start makes the mount namespace that all others join. Linux 6.18 numbers such by processor, and keeps none whose number is below that of the one in which it is kept
    (mnt_ns_loop()): then snap run fails, but not on the processor that has the higher numbers."""
    done = [system.ada(f"--property=CPUAffinity={cpu}", f"/snap/bin/{name}.ask", "--launch", "0", "x", "x", "x", "x", check=False) for cpu in sorted(os.sched_getaffinity(0))]
    assert (system.root / f"snap/{name}").exists() and system.host.run("test", "-e", f"/run/snapd/ns/{name}.mnt", check=False).returncode == 0, done
