# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's command on a Debian 12 without any tool of ours: only what debootstrap makes."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

import roots  # noqa: E402
import sandbox  # noqa: E402


def test_demo_on_a_clean_root():
    scratch = sandbox.Scratch().path
    root = roots.overlay(roots.root(), scratch)
    assert not (root / "usr/bin/gcc").exists() and not (root / "usr/bin/meson").exists()
    archives = roots.CACHE / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    (root / "root/vpnd").mkdir()
    tree = subprocess.Popen(["tar", "-C", str(roots.SOURCE), "--exclude=./build*", "--exclude=./.git", "--exclude=__pycache__", "-cf", "-", "."], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-C", str(root / "root/vpnd"), "-xf", "-"], stdin=tree.stdout, check=True)
    assert tree.wait() == 0
    # The packages that are fetched stay in the cache, so that the next run fetches nothing.
    (root / "etc/apt/apt.conf.d/99keep").write_text('APT::Keep-Downloaded-Packages "true";\n', encoding="ascii")
    with roots.locked("archives"):
        done = subprocess.run(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--capability=all", "--bind=/dev/net/tun", "--resolv-conf=copy-host",
                               "--console=pipe", f"--bind={archives}:/var/cache/apt/archives", f"--directory={root}", "--chdir=/root/vpnd", "./run", "demo"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
    print(done.stdout[-6000:], done.stderr[-3000:])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "exactly as before" in done.stdout
    kernels = list((root / "boot").glob("vmlinuz*")) if (root / "boot").exists() else []
    assert not kernels, "a kernel was dragged in"
