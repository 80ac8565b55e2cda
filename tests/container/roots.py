# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian roots for the container and vm tiers: made by debootstrap from the mirror that the machine itself uses, and kept in a
cache outside the checkout, keyed by what they were made from. A test sees an overlay and never changes a cached root."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import sandbox

CACHE = pathlib.Path(os.environ.get("VPND_TEST_CACHE", "/var/cache/vpnd-tests"))
SUITE = "bookworm"
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent

# What a small Debian system has, plus what the far side of a test needs.
SYSTEM = ["systemd", "systemd-sysv", "dbus", "polkitd", "libpam-systemd", "systemd-resolved", "libnss-resolve", "iproute2", "nftables",
          "wireguard-tools", "wireguard-go", "python3", "procps", "iputils-ping", "libglib2.0-bin", "libjson-glib-1.0-0", "libmnl0",
          "libnftnl11", "libpolkit-gobject-1-0", "libhogweed6", "kmod", "udev", "python3-pytest"]


# The same with the managers of a network that desktops and servers have. Their conflict with each other is in who runs, not in the packages.
MANAGERS = [*SYSTEM, "network-manager"]

# systemd-nspawn in the control groups of Debian 12, whatever the machine that tests has. It would else mount each hierarchy that it sees there, and fail for one
# that a test beside it has made and takes away meanwhile (net_cls).
NSPAWN_ENVIRONMENT = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


def mirror():
    """The address that apt on this machine takes Debian 12 from."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", f"Codename: {SUITE}"], capture_output=True, text=True, check=True).stdout
    sites = [line for line in out.splitlines() if line]
    if not sites:
        raise RuntimeError(f"apt on this machine has no source for Debian {SUITE}: add one to /etc/apt (this tier needs Debian 12 packages)")
    return sites[0]


@contextlib.contextmanager
def locked(name):
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(kind, inputs, make):
    """The cached result of make(path) for these inputs; made once, and never seen half-made."""
    key = hashlib.sha256("\n".join([SUITE, kind, *inputs]).encode()).hexdigest()[:16]
    path = CACHE / f"{kind}-{key}"
    with locked(path.name):
        if not path.exists():
            work = CACHE / f"{path.name}.part"
            if work.is_dir():
                shutil.rmtree(work)
            work.unlink(missing_ok=True)
            print(f"making {path.name}", file=sys.stderr)
            make(work)
            work.rename(path)
    return path


def root(packages=()):
    """A root with these packages (none: the smallest that has apt)."""
    def make(path):
        words = ["debootstrap", "--variant=minbase", *([f"--include={','.join(packages)}"] if packages else []), SUITE, str(path), mirror()]
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise RuntimeError(f"debootstrap failed:\n{(done.stdout + done.stderr)[-2000:]}")
        for archive in (path / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
    return cached("root", sorted(packages), make)


def extended(base, packages):
    """The root with the packages of base, and these put into a copy of it by its own apt: half the time that another root takes."""
    def make(path):
        subprocess.run(["cp", "-a", "--reflink=auto", str(root(base)), str(path)], check=True)
        command = f"apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends {' '.join(packages)} && apt-get clean && rm -rf /var/lib/apt/lists/*"
        done = subprocess.run(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--resolv-conf=replace-host", "--console=pipe", f"--directory={path}", "sh", "-c", command],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, env=NSPAWN_ENVIRONMENT)
        if done.returncode:
            raise RuntimeError(f"apt-get failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return cached("root", [*sorted(base), "above", *sorted(packages)], make)


def overlay(lower, scratch):
    """A writable view of a cached root; gone with the session."""
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir()
    sandbox.mount("overlay", scratch / "root", "overlay", data=f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work")
    return scratch / "root"


def package():
    """The .deb of this tree, built once a change of the tree."""
    names = subprocess.run(["find", ".", "-path", "./build*", "-prune", "-o", "-path", "./.git", "-prune", "-o", "-name", "__pycache__", "-prune", "-o",
                            "-path", "./tests", "-prune", "-o", "-type", "f", "-print"], cwd=SOURCE, capture_output=True, text=True, check=True).stdout.split("\n")
    digest = [f"{name} {hashlib.sha256((SOURCE / name).read_bytes()).hexdigest()}" for name in sorted(filter(None, names))]

    def make(path):
        path.mkdir()
        done = subprocess.run([SOURCE / "data/packaging/build-deb", path], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise RuntimeError(f"build-deb failed:\n{done.stderr}")
    built = sorted((one for one in CACHE.glob("deb-????????????????") if one.is_dir()), key=lambda one: one.stat().st_mtime)
    for old in built[:-6]:  # the newest may be in use by another run
        shutil.rmtree(old, ignore_errors=True)
    folder = cached("deb", digest, make)
    return next(folder.glob("vpnd_*.deb"))
