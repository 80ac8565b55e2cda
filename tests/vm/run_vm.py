#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots Debian 12's kernel with the package installed in an emulated machine (no KVM needed) and speaks the guest's TAP.

The whole system is the initial RAM file system: no disk, no boot loader. What runs in it is test_guest.py, and the C tests of the
kernel's WireGuard. The machine has no network card: its only links are those that the tests make inside it.
"""
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "lab"), str(HERE.parent / "container")]

import roots  # noqa: E402
import sandbox  # noqa: E402

MODULE_FOLDERS = ["net", "lib", "crypto", "arch/x86/crypto", "drivers/net/wireguard", "drivers/net/tun.ko", "drivers/net/veth.ko", "drivers/net/bridge"]
LEFT_OUT = ["./usr/share/doc", "./usr/share/locale", "./usr/share/man", "./usr/share/info", "./var/cache", "./var/lib/apt", "./usr/share/i18n", "./usr/lib/locale"]
TIMEOUT_S = 600

UNIT = """[Unit]
Description=Tests of vpnd
After=multi-user.target dbus.service
[Service]
Type=oneshot
Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
ExecStart=/usr/bin/python3 /root/tests/vm/guest_main.py
StandardOutput=tty
StandardError=journal+console
TTYPath=/dev/ttyS1
ExecStopPost=/usr/bin/systemctl poweroff --force
[Install]
WantedBy=multi-user.target
"""


def kernel():
    """Debian 12's kernel for virtual machines: a folder with boot/vmlinuz-* and lib/modules."""
    out = subprocess.run(["apt-cache", "depends", "--important", "linux-image-cloud-amd64"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in out.splitlines() if "linux-image-" in line and "Depends" in line]
    if not names:
        raise RuntimeError("apt knows no linux-image-cloud-amd64: apt-get update")

    def make(path):
        path.mkdir()
        subprocess.run(["apt-get", "download", "-q", names[0]], cwd=path, check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL)
        archive = next(path.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, path], check=True)
        archive.unlink()
    return roots.cached("kernel", names, make)


def fill(root, kernel_path):
    """Puts modules, package and tests into the root."""
    version = next((kernel_path / "lib/modules").iterdir()).name
    source, target = kernel_path / "lib/modules" / version, root / "lib/modules" / version
    target.mkdir(parents=True)
    for name in MODULE_FOLDERS:
        if (source / "kernel" / name).exists():
            (target / "kernel" / name).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", source / "kernel" / name, target / "kernel" / name], check=True)
    for path in source.glob("modules.builtin*"):
        shutil.copy(path, target)
    shutil.copy(source / "modules.order", target)
    subprocess.run(["chroot", root, "depmod", version], check=True)
    shutil.copy(roots.package(), root / "root/vpnd.deb")
    subprocess.run(["chroot", root, "dpkg", "-i", "/root/vpnd.deb"], check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL)
    shutil.copytree(HERE.parent / "lab", root / "root/tests/lab")
    shutil.copytree(HERE, root / "root/tests/vm")
    (root / "root/tests/c").mkdir()
    for program in sys.argv[1:]:
        shutil.copy(program, root / "root/tests/c/")
    (root / "etc/systemd/system/vpnd-test.service").write_text(UNIT, encoding="ascii")
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "vpnd-test.service").symlink_to("../vpnd-test.service")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (root / "etc/fstab").write_text("", encoding="ascii")
    (root / "etc/hostname").write_text("guest\n", encoding="ascii")
    (root / "init").symlink_to("sbin/init")
    for unit in ("getty@tty1.service", "serial-getty@ttyS0.service", "systemd-timesyncd.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"):
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


def main():
    scratch = sandbox.Scratch().path
    kernel_path = kernel()
    root = roots.overlay(roots.root(roots.SYSTEM), scratch)
    fill(root, kernel_path)
    image, report, console = scratch / "root.cpio", scratch / "report", scratch / "console"
    names = subprocess.run(["find", ".", *[word for name in LEFT_OUT for word in ("-path", name, "-prune", "-o")], "-print0"], cwd=root, capture_output=True, check=True).stdout
    with open(image, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc"], cwd=root, input=names, stdout=out, check=True)
    print(f"# initial RAM file system: {image.stat().st_size >> 20} MiB", file=sys.stderr)
    vmlinuz = next((kernel_path / "boot").glob("vmlinuz-*"))
    machine = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "2048", "-display", "none", "-nodefaults", "-no-reboot", "-nic", "none",
         "-kernel", vmlinuz, "-initrd", image, "-serial", f"file:{console}", "-serial", f"file:{report}",
         "-append", "console=ttyS0 panic=-1 systemd.show_status=no systemd.journald.forward_to_console=0 random.trust_cpu=on mitigations=off rdinit=/init"],
        stdin=subprocess.DEVNULL)
    try:
        machine.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        machine.kill()
        machine.wait()
    text = report.read_text(encoding="utf-8", errors="replace").replace("\r", "") if report.exists() else ""
    sys.stdout.write(text)
    if "1.." not in text or "# guest done" not in text:
        sys.stdout.write("not ok 999 the guest ran to its end\n")
        print(console.read_text(encoding="utf-8", errors="replace")[-6000:], file=sys.stderr)
        return 1
    return 1 if "\nnot ok" in "\n" + text else 0


if __name__ == "__main__":
    sandbox.run_session(main)
