#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The row of ./run bench about roaming that needs the kernel's WireGuard, which NetworkManager knows no other of: in an emulated Debian 12, where all
three have the same machine, network and device. An emulated processor is slow; what counts is how the three compare."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / name) for name in ("vm", "lab", "container")]

import machine  # noqa: E402
import roots  # noqa: E402
import sandbox  # noqa: E402

SERIES = "6.1"
HEAD = "bench: "


def main():
    scratch = sandbox.Scratch().path
    kernel_path = machine.kernel(SERIES)
    root = roots.overlay(roots.root(roots.MANAGERS), scratch)
    with machine.Cable() as cable:
        machine.fill(root, kernel_path, scratch, [], cable.profile())
        (root / "etc/NetworkManager/conf.d/bench.conf").write_text("[main]\ndns=none\n[keyfile]\nunmanaged-devices=*,except:type:wireguard\n", encoding="ascii")
        subprocess.run(["chroot", root, "systemctl", "disable", "NetworkManager"], check=True, capture_output=True)
        image, disk, vmlinuz = scratch / "root.cpio", scratch / "disk", next((kernel_path / "boot").glob("vmlinuz-*"))
        machine.make_image(root, image)
        with open(disk, "wb") as out:
            out.truncate(16 << 20)
        boot = machine.Boot(cable, "bench", vmlinuz, image, disk)
    lines = [line.removeprefix("# " + HEAD) for line in boot.report.splitlines() if line.startswith("# " + HEAD)]
    print(f"in an emulated machine, kernel {SERIES} with its own WireGuard:", *lines, sep="\n", flush=True)
    if len(lines) != 3:
        print(boot.report[-4000:], boot.console[-4000:], file=sys.stderr)
    return len(lines) != 3


if __name__ == "__main__":
    sandbox.run_session(main)
