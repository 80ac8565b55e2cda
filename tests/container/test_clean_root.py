# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's commands on a Debian 12 without any tool of ours: only what debootstrap makes."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

import pytest  # noqa: E402
import roots  # noqa: E402
import sandbox  # noqa: E402


@pytest.fixture(name="clean", scope="module")
def clean_fixture():
    """A clean root with this tree in /root/vpnd, and a function that runs a command of the README there."""
    root = roots.overlay(roots.root(), sandbox.Scratch().path)
    assert not (root / "usr/bin/gcc").exists() and not (root / "usr/bin/meson").exists()
    archives = roots.CACHE / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    (root / "root/vpnd").mkdir()
    with subprocess.Popen(["tar", "-C", str(roots.SOURCE), "--exclude=./build*", "--exclude=./.git", "--exclude=__pycache__", "-cf", "-", "."], stdout=subprocess.PIPE) as tree:
        subprocess.run(["tar", "-C", str(root / "root/vpnd"), "-xf", "-"], stdin=tree.stdout, check=True)
    # The packages that are fetched stay in the cache, so that the next run fetches nothing.
    (root / "etc/apt/apt.conf.d/99keep").write_text('APT::Keep-Downloaded-Packages "true";\n', encoding="ascii")

    def command(*words):
        with roots.locked("archives"):
            done = subprocess.run(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--capability=all", "--bind=/dev/net/tun", "--resolv-conf=copy-host",
                                   "--console=pipe", f"--bind={archives}:/var/cache/apt/archives", f"--directory={root}", "--chdir=/root/vpnd", *words],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False, env=roots.NSPAWN_ENVIRONMENT)
        assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout
    command.root = root
    return command


def test_demo(clean):
    out = clean("./run", "demo")
    assert "exactly as before" in out
    assert not list((clean.root / "boot").glob("vmlinuz*")), "a kernel was dragged in"


def test_demo_says_why_it_cannot_in_a_chroot(clean):
    into = "mount -t proc proc proc && mount --rbind /dev dev && mount --rbind /sys sys && exec chroot . sh -c 'cd /root/vpnd && exec ./run demo'"
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", into], cwd=clean.root,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False, env=roots.NSPAWN_ENVIRONMENT)
    assert done.returncode == 1 and "does not work in a chroot" in done.stderr, done.stdout + done.stderr


def test_install(clean):
    clean("./run", "install")
    assert (clean.root / "usr/libexec/vpnd/vpnd").exists()
    assert "vpnctl" in clean("/usr/bin/vpnctl", "--help")
    shipped = {path.name.removesuffix(".gz") for path in (clean.root / "usr/share/doc/vpnd").iterdir()}
    assert shipped >= {"README.md", "SECURITY.md", *(path.name for path in (roots.SOURCE / "docs").glob("*.md"))}, shipped
    assert not list((clean.root / "boot").glob("vmlinuz*")), "a kernel was dragged in"
