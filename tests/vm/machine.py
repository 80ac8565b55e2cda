# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated machine: kernel and system of Debian 12 as one initial RAM file system (no disk but the one for vpnd's state, no boot
loader), and what it is cabled to: the lab's router and server, in network namespaces of this session."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import threading

import capture
import lab
import roots
import sandbox
import services
import wire

HERE = pathlib.Path(__file__).resolve().parent
MODULE_PATHS = ["net", "lib", "crypto", "arch/x86/crypto", "drivers/net/wireguard", "drivers/net/tun.ko", "drivers/net/veth.ko", "drivers/net/vrf.ko", "drivers/net/bridge",
                  "drivers/net/virtio_net.ko", "drivers/net/net_failover.ko", "drivers/block/virtio_blk.ko", "drivers/virtio"]
LEFT_OUT = ["./usr/share/doc", "./usr/share/locale", "./usr/share/man", "./usr/share/info", "./var/cache", "./var/lib/apt", "./usr/share/i18n", "./usr/lib/locale"]
MASKED = ["getty@tty1.service", "serial-getty@ttyS0.service", "systemd-timesyncd.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
          "e2scrub_all.timer"]
BOOT_S = 560  # a quiet machine needs a tenth of it

# The network comes as every network manager must bring it: not before network-pre.target. The flood has begun by then: it waits for nothing.
UNITS = {
    "test-flood.service": ("sysinit.target", f"""[Unit]
Description=Flood, from before the network to power-off
DefaultDependencies=no
[Service]
Type=notify
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 /root/tests/vm/flooder.py
StandardOutput=null
StandardError=journal+console
"""),
    "test-beside.service": ("sysinit.target", f"""[Unit]
Description=A program that a rule excludes, from before the network on
DefaultDependencies=no
ConditionKernelCommandLine=vpnd-boot=closed
Before=test-network.service
[Service]
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart={wire.BESIDE_PROGRAM} /root/tests/vm/beside.py
StandardOutput=null
StandardError=journal+console
"""),
    "test-network.service": ("sysinit.target", f"""[Unit]
Description=Network of the test
DefaultDependencies=no
Wants=network-pre.target
After=network-pre.target test-flood.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=modprobe -a virtio_pci virtio_net
ExecStart=sh -c 'until [ -e /sys/class/net/eth0 ] || [ -e /sys/class/net/{wire.LINK} ]; do :; done; ip link set eth0 name {wire.LINK} 2>/dev/null || true'
ExecStart=ip -batch /root/network.batch
"""),
    "test.service": ("multi-user.target", """[Unit]
Description=Tests of vpnd
After=multi-user.target dbus.service
[Service]
Type=oneshot
Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
ExecStart=/usr/bin/python3 /root/tests/vm/guest_main.py
StandardOutput=journal+console
StandardError=journal+console
"""),
}

NETWORK = f"""link set {wire.LINK} up
addr add {lab.HOST4}/24 dev {wire.LINK}
addr add {lab.HOST6}/64 dev {wire.LINK} nodad
route add default via {lab.GATEWAY4} dev {wire.LINK}
route add default via {lab.GATEWAY6} dev {wire.LINK}
"""


def kernel(series):
    """Debian 12's kernel of this series for virtual machines: a folder with boot/vmlinuz-* and lib/modules. The suite has 6.1 as its own
    and newer ones with the series in the name of the package."""
    package = "linux-image-cloud-amd64" if series == "6.1" else f"linux-image-{series}-cloud-amd64"
    done = subprocess.run(["apt-cache", "depends", "--important", package], capture_output=True, text=True, check=False)
    names = [line.split()[-1] for line in done.stdout.splitlines() if f"linux-image-{series}" in line and "Depends" in line]
    if not names:
        raise RuntimeError(f"apt knows no {package} of series {series}: apt-get update; Debian 12 and its security suite have it")

    def make(path):
        path.mkdir()
        subprocess.run(["apt-get", "download", "-q", names[0]], cwd=path, check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL)
        archive = next(path.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, path], check=True)
        archive.unlink()
    return roots.cached("kernel", names, make)


def newer(package, scratch):
    """The same package with a higher version, as an upgrade brings it."""
    tree = scratch / "newer"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = (tree / "DEBIAN/control").read_text(encoding="utf-8").splitlines()
    (tree / "DEBIAN/control").write_text("\n".join(f"{line}+newer" if line.startswith("Version: ") else line for line in control) + "\n", encoding="utf-8")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, scratch / "newer.deb"], check=True, stdout=sys.stderr)
    return scratch / "newer.deb"


class Cable(lab.Lab):
    """The lab without its host: the router's link lan0 is a tap, into which the machine is plugged."""

    def __init__(self):  # noqa: super().__init__ makes a host
        self.scratch, self.nodes, self.daemons, self.closers = sandbox.Scratch(), [], [], []
        wan_run = self.wan_run = self.scratch.folder("wan-run")
        (wan_run / "wireguard").mkdir()
        self.lan, self.wan = self._node("lan", []), self._node("wan", [(wan_run, "/run")])
        for node in self.nodes:
            for key in ("all", "default"):
                node.sysctl(f"net.ipv6.conf.{key}.accept_ra", 0)
                node.sysctl(f"net.ipv6.conf.{key}.accept_dad", 0)
        self.lan.sysctl("net.ipv4.ip_forward", 1)
        self.lan.sysctl("net.ipv6.conf.all.forwarding", 1)
        done = subprocess.run(self.lan.argv("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", f"/proc/self/fd/{self.wan.net_fd}"),
                              pass_fds=(self.lan.net_fd, self.lan.mount_fd, self.wan.net_fd), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"cannot join the nodes: {done.stderr}")
        self.lan.ip(f"""tuntap add lan0 mode tap
            addr add {lab.GATEWAY4}/24 dev lan0
            addr add {lab.GATEWAY6}/64 dev lan0 nodad
            addr add 203.0.113.1/24 dev wan0
            addr add 2001:db8:2::1/64 dev wan0 nodad
            link set lan0 up
            link set wan0 up""")
        self.wan.ip("link set eth0 up\n" + "\n".join(
            [f"addr add {a}/24 dev eth0" for a in (lab.PEER4, lab.PUBLIC4)] + [f"addr add {a}/64 dev eth0 nodad" for a in (lab.PEER6, lab.PUBLIC6)]
            + ["route add default via 203.0.113.1", "route add default via 2001:db8:2::1"]))
        self._make_keys()
        self._start_peer()
        self.services = services.Services(self.wan, lab.ECHO_PORT, [lab.PUBLIC4, lab.PUBLIC6, lab.TUNNEL_PEER4, lab.TUNNEL_PEER6], [lab.TUNNEL_PEER4, lab.TUNNEL_PEER6])
        self.closers.append(self.services.close)


def copy_modules(root, kernel_path):
    version = next((kernel_path / "lib/modules").iterdir()).name
    source, target = kernel_path / "lib/modules" / version, root / "lib/modules" / version
    target.mkdir(parents=True)
    for name in MODULE_PATHS:
        for path in (source / "kernel").glob(f"{name}*" if name.endswith(".ko") else name):  # .ko.xz since 6.12
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", "-T", path, place], check=True)
    for path in source.glob("modules.builtin*"):
        shutil.copy(path, target)
    shutil.copy(source / "modules.order", target)
    subprocess.run(["chroot", root, "depmod", version], check=True)


def fill(root, kernel_path, scratch, programs, profile):
    """Puts modules, package, tests and units into the root."""
    copy_modules(root, kernel_path)
    package = roots.package()
    shutil.copy(package, root / "root/vpnd.deb")
    shutil.copy(newer(package, scratch), root / "root/vpnd-newer.deb")
    subprocess.run(["chroot", root, "dpkg", "-i", "/root/vpnd.deb"], check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HERE.parent / "lab", root / "root/tests/lab", ignore=ignore)
    shutil.copytree(HERE, root / "root/tests/vm", ignore=ignore)
    shutil.copytree(HERE.parent / "bench", root / "root/tests/bench", ignore=ignore)
    (root / "root/tests/lab-c").mkdir()  # as in the folder of a build, in which tests look for what they start
    for program in programs:
        shutil.copy(program, root / "root/tests/lab-c/")
    (root / "root/service/classifier").mkdir(parents=True)
    (root / "root/service/classifier/vpnd-classifier").symlink_to("/usr/libexec/vpnd/vpnd-classifier")
    shutil.copy(root / "usr/bin" / os.readlink(root / "usr/bin/python3"), root / wire.BESIDE_PROGRAM[1:])
    (root / "root/profile.conf").write_text(profile, encoding="ascii")
    (root / "root/network.batch").write_text(NETWORK, encoding="ascii")
    for name, (target, text) in UNITS.items():
        (root / "etc/systemd/system" / name).write_text(text, encoding="ascii")
        wants = root / f"etc/systemd/system/{target}.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / name).symlink_to(f"../{name}")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (root / "etc/fstab").write_text("", encoding="ascii")
    (root / "etc/hostname").write_text("guest\n", encoding="ascii")
    (root / "init").symlink_to("sbin/init")
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


def pack(folder, names, image, mode):
    with open(image, mode) as out:
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc"], cwd=folder, input=names, stdout=out, check=True)


def make_image(root, image):
    names = subprocess.run(["find", ".", *[word for name in LEFT_OUT for word in ("-path", name, "-prune", "-o")], "-print0"], cwd=root, capture_output=True, check=True).stdout
    pack(root, names, image, "wb")


def frames_of(path):
    """The frames of a pcap file (https://www.tcpdump.org/manpages/pcap-savefile.5.html)."""
    data, at, found = path.read_bytes(), 24, []
    if struct.unpack_from("<I", data)[0] != 0xA1B2C3D4:
        raise ValueError(f"{path} is no pcap file")
    while at + 16 <= len(data):
        seconds, microseconds, length, _ = struct.unpack_from("<IIII", data, at)
        found.append(capture.parse(data[at + 16:at + 16 + length], True, seconds + microseconds / 1e6))
        at += 16 + length
    return found


class Boot:
    """One run of the machine, from power-on to power-off: what it reported, what its console said, every frame that it sent."""

    def __init__(self, cable, kind, vmlinuz, image, disk):
        folder = cable.scratch.folder(kind)
        report, console, sent = folder / "report", folder / "console", folder / "sent.pcap"
        machine = cable.lan.start(
            # One processor: with two, the emulator ran instructions that the kernel had just rewritten (static keys), and hung in them.
            "qemu-system-x86_64", "-accel", "tcg,thread=single", "-machine", "q35", "-cpu", "max", "-smp", "1", "-m", "2048", "-display", "none", "-nodefaults", "-no-reboot",
            "-netdev", "tap,id=net,ifname=lan0,script=no,downscript=no,vnet_hdr=off", "-device", f"virtio-net-pci,netdev=net,mac={wire.LINK_MAC},romfile=",
            "-object", f"filter-dump,id=dump,netdev=net,queue=rx,file={sent}", "-drive", f"file={disk},format=raw,if=virtio",
            "-kernel", vmlinuz, "-initrd", image, "-serial", f"file:{console}", "-serial", f"file:{report}",
            "-append", f"console=ttyS0 panic=-1 systemd.show_status=no random.trust_cpu=on mitigations=off net.ifnames=0 rdinit=/init vpnd-boot={kind}")
        timer = threading.Timer(BOOT_S, machine.kill)
        timer.start()
        self.exit_status = machine.wait()
        timer.cancel()
        self.report = report.read_text(encoding="utf-8", errors="replace").replace("\r", "") if report.exists() else ""
        self.console = console.read_text(encoding="utf-8", errors="replace")
        self.frames = frames_of(sent)
        if os.environ.get("VPND_VM_KEEP"):
            shutil.copytree(folder, pathlib.Path(os.environ["VPND_VM_KEEP"]) / kind, dirs_exist_ok=True)
