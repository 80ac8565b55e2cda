# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Debian 12 that the lab's host has and the machine does not: their packages are fetched by the machine's own apt, unpacked into
a cache outside the checkout, and seen by the host node only. Nothing is installed."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

CACHE = pathlib.Path(os.environ.get("VPND_TEST_CACHE", "/var/cache/vpnd-tests"))


def unpacked(*packages):
    """A folder with the files of these packages, as a merged /usr would have them."""
    key = hashlib.sha256("\n".join(("unpacked", *packages)).encode()).hexdigest()[:16]
    path = CACHE / f"unpacked-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{path.name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            work = CACHE / f"{path.name}.part"
            shutil.rmtree(work, ignore_errors=True)
            (work / "debs").mkdir(parents=True)
            done = subprocess.run(["apt-get", "download", "-q", *packages], cwd=work / "debs", capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            if done.returncode:
                raise RuntimeError(f"apt cannot fetch {' '.join(packages)} (apt-get update?):\n{done.stderr[-2000:]}")
            for deb in sorted((work / "debs").glob("*.deb")):
                subprocess.run(["dpkg", "-x", deb, work / "root"], check=True)
            for name in ("bin", "sbin", "lib"):
                if (work / "root" / name).is_dir():
                    (work / "root/usr").mkdir(exist_ok=True)
                    subprocess.run(["cp", "-a", work / "root" / name, work / "root/usr/"], check=True)
                    shutil.rmtree(work / "root" / name)
            shutil.rmtree(work / "debs")
            work.rename(path)
    return path / "root"


def give(lab, *packages):
    """Makes the files of these packages part of the host's /usr and /etc."""
    root = unpacked(*packages)
    lab.host.run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={root / 'usr'}:/usr", "/usr")
    if (root / "etc").is_dir():
        lab.host.run("cp", "-a", f"{root}/etc/.", "/etc/")
    return root
