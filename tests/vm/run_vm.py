#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: run_vm.py KERNEL-SERIES PROGRAM...

Boots a Debian 12 with the package in an emulated machine (no KVM needed) twice, and speaks one TAP stream: first open, then with
lockdown and auto-connect. What the guest says of itself (guest_main.py) comes first, then the judgement of every frame that left it
between power-on and power-off, recorded outside of it.
"""
import collections
import ipaddress
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "container")]

import lab  # noqa: E402
import machine  # noqa: E402
import roots  # noqa: E402
import sandbox  # noqa: E402
import wire  # noqa: E402
from capture import ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ICMPV6, UDP, show  # noqa: E402

HOLE = ("test_another_program_flushes_the_ruleset", "flushed")  # from here to the next mark, "table is back"
HOLE_MS = 1000.0  # of an emulated processor that shares ours; lab-firewall-nft-foreign holds one of its own to 5 ms
SOLICITED = ipaddress.IPv6Network("ff02::1:ff00:0/104")
BESIDE_PHASES = ("power-on", "test_an_excluded_program_waits_for_vpnd", "vpnd began")  # up to "the rule is gone"
TRIED = 10  # datagrams of each family that the rules of the early boot had to refuse, or nobody tried
LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")


class Tap:
    def __init__(self, prefix):
        self.prefix, self.number, self.bad = prefix, 0, 0

    def test(self, name, problem="", note=""):
        self.number += 1
        self.bad += bool(problem)
        print(f"{'not ok' if problem else 'ok'} {self.number} {self.prefix} {name}", flush=True)
        for line in (problem or note).splitlines():
            print(f"# {line}", flush=True)
        if problem:  # meson shows what a failed TAP test said of itself only from here
            print(f"{self.prefix} {name}:\n{problem}", file=sys.stderr, flush=True)

    def copy(self, boot, kind):
        """The guest's own report."""
        said = []
        for line in boot.report.splitlines():
            found = re.match(r"(not ok|ok) N (.*)", line)
            if found:
                self.test(f"{kind}: {found[2]}", "\n".join(said[-40:] or ["it said nothing"]) if found[1] == "not ok" else "")
                said = []
            elif line.startswith("#"):
                print(line)
                said.append(line)
        if self.bad:
            print("\n".join(said), file=sys.stderr, flush=True)
        problem = "" if "# guest done" in boot.report and boot.exit_status == 0 else f"qemu ended with {boot.exit_status}\n{boot.console[-6000:]}"
        self.test(f"{kind}: the guest ran to its orderly end", problem)


def is_allowed(frame):
    """What rules 2 and 3 let out: neighbour discovery by type and address, and WireGuard's own messages to the endpoint."""
    if frame.ethertype == ETH_P_ARP:
        return True
    if frame.ethertype == ETH_P_IP and frame.proto == UDP and (frame.sport, frame.dst, frame.dport) == (68, "255.255.255.255", 67):
        return True
    if frame.ethertype in (ETH_P_IP, ETH_P_IPV6) and frame.proto == UDP and frame.dst in (lab.PEER4, lab.PEER6) and frame.dport == lab.PEER_PORT:
        body = frame.raw[14 + (20 if frame.ethertype == ETH_P_IP else 40) + 8:]
        return wire.flood_of(frame.raw) is None and len(body) >= 32 and body[0] in (1, 2, 3, 4) and body[1:4] == b"\0\0\0"
    if frame.ethertype == ETH_P_IPV6 and frame.proto == ICMPV6:
        to = ipaddress.IPv6Address(frame.dst)
        return {133: str(to) == "ff02::2", 135: to in SOLICITED or to in LINK_LOCAL, 136: to in LINK_LOCAL}.get(frame.icmp_type, False)
    return False


def is_beside(frame):
    """A datagram of the excluded program, as it is: whole, by its own address, to where it sends."""
    return (frame.proto == UDP and not frame.fragment and (frame.src, frame.dst) in ((lab.HOST4, wire.BESIDE4), (lab.HOST6, wire.BESIDE6)) and frame.dport == wire.BESIDE_PORT
            and wire.beside_of(frame.raw) is not None)


class Record:
    """The frames of one boot, cut at the guest's marks: phases is a list of (name, frames), beats the flood's (tries, process 1)."""

    def __init__(self, frames):
        self.phases, self.beats, self.marks = [("power-on", [])], collections.defaultdict(list), {}
        for frame in frames:
            if frame.ethertype != wire.ETH_P_MARK:
                self.phases[-1][1].append(frame)
                continue
            text = frame.raw[14:].rstrip(b"\0").decode()
            if text.startswith(wire.MARK):
                name, _, clock = text.removeprefix(wire.MARK).rpartition(" @")
                self.marks[name] = int(clock)
                self.phases.append((name, []))
            else:
                tries, first = text.removeprefix(wire.BEAT).split(" ")
                self.beats[self.phases[-1][0]].append((int(tries), first))

    def frames(self, name):
        return [frame for phase, frames in self.phases if phase == name for frame in frames]

    def take_beside(self):
        """What the excluded program sent while its rule may hold, taken out of the record: nothing else is, and what it sends later is as good as the flood."""
        taken = []
        for name, frames in self.phases:
            if name in BESIDE_PHASES:
                taken += [frame for frame in frames if is_beside(frame)]
                frames[:] = [frame for frame in frames if not is_beside(frame)]
        return taken

    def tries(self, name):
        found = [tries for tries, _ in self.beats[name]]
        return found[-1] - found[0] if found else 0


def judge_open(tap, record):
    """The control: what the record of the closed boot must not have is in this one, from the first moment of the network to the last."""
    floods = {family: [f for f in record.frames("power-on") if f.ethertype == family and wire.flood_of(f.raw)] for family in (ETH_P_IP, ETH_P_IPV6)}
    first = min((wire.flood_of(f.raw)[0] for frames in floods.values() for f in frames), default=0)
    tap.test("control: an open guest's flood is seen from its start", "" if all(len(f) > 50 for f in floods.values()) else f"{ {k: len(v) for k, v in floods.items()} }",
             f"{ {k: len(v) for k, v in floods.items()} } datagrams; the first was try {first}")
    late = [f for f in record.frames("power-off") if wire.flood_of(f.raw)]
    last = {first for _, first in record.beats["power-off"]}
    tap.test("control: and to its power-off", "" if len(late) > 50 and wire.LAST in last else f"{len(late)} datagrams, process 1 was {last}",
             f"{len(late)} datagrams after the order to power off; {sum(f == wire.LAST for _, f in record.beats['power-off'])} beats under systemd-shutdown")


def holes(frames):
    """The flood in these frames: (datagrams, milliseconds from the first to the last by the guest's clock)."""
    clocks = [wire.flood_of(frame.raw)[1] for frame in frames if wire.flood_of(frame.raw)]
    return len(clocks), (max(clocks) - min(clocks)) / 1e6 if clocks else 0.0


def judge_flush(tap, record, has_persist):
    leaked = [f for name in HOLE for f in record.frames(name) if not is_allowed(f)]
    if has_persist:
        tap.test("closed: nothing leaves: another program flushes the ruleset", show(leaked), f"{sum(record.tries(name) for name in HOLE)} tries of the flood")
        return
    if "table is back" not in record.marks:
        tap.test("closed: another program flushes the ruleset: closed again at once", "it never was")
        return
    count, width = holes(leaked)
    after = (record.marks["table is back"] - record.marks[HOLE[0]]) / 1e6
    tap.test("closed: another program flushes the ruleset: closed again at once", "" if width < HOLE_MS else f"{count} datagrams left within {width:.1f} ms:\n{show(leaked)}",
             f"{count} datagrams left, {width:.1f} ms from the first to the last; the table was seen {after:.0f} ms after nft was started")


def judge_beside(tap, record):
    """The rules of the early boot know no classes: an excluded program is as closed in as all others until vpnd has started, and is beside the tunnel from then on."""
    frames, began = record.take_beside(), record.marks.get("vpnd began", 0)
    early = [frame for frame in frames if wire.beside_of(frame.raw)[1] < began]
    tap.test("closed: an excluded program sends nothing before vpnd has begun", show(early) if began else "nobody has said when that was")
    for family, dst in (("IPv4", wire.BESIDE4), ("IPv6", wire.BESIDE6)):
        said = [wire.beside_of(frame.raw) for frame in frames if frame.dst == dst]
        problem = "none was seen" if not said else f"the first came behind {said[0][0]} refused ones" if said[0][0] < TRIED else ""
        tap.test(f"closed: an excluded program goes beside the tunnel then, {family}", problem,
                 said and f"{len(said)} datagrams, the first behind {said[0][0]} refused ones, {(said[0][1] - began) / 1e6:.0f} ms after the beginning of vpnd")


def judge_closed(tap, record, has_persist):
    judge_beside(tap, record)
    for name, frames in record.phases:
        if name in HOLE:
            continue
        tap.test(f"closed: nothing leaves: {name}", show([f for f in frames if not is_allowed(f)]), f"{len(frames)} allowed frames, {record.tries(name)} tries of the flood")
    judge_flush(tap, record, has_persist)
    idle = [name for name, _ in record.phases if name.startswith("test_") and not record.tries(name) and name not in HOLE]
    tap.test("closed: the flood was at work in every phase", ", ".join(idle))
    last = [first for _, first in record.beats["power-off"]]
    tap.test("closed: and to the power-off", "" if wire.LAST in last else f"process 1 at the last beats: {last[-5:]}",
             f"{len(last)} beats after the order, {last.count(wire.LAST)} of them under systemd-shutdown")
    transport = [f for _, frames in record.phases for f in frames if f.proto == UDP and f.dport == lab.PEER_PORT]
    tap.test("closed: the tunnel's own packets are in the record", "" if transport else "none: nothing was recorded, or no connection")


def main():
    series, programs = sys.argv[1], sys.argv[2:]
    scratch = sandbox.Scratch().path
    kernel_path = machine.kernel(series)
    root = roots.overlay(roots.root(roots.SYSTEM), scratch)
    with machine.Cable() as cable:
        machine.fill(root, kernel_path, scratch, programs, cable.profile())
        image, disk, vmlinuz = scratch / "root.cpio", scratch / "disk", next((kernel_path / "boot").glob("vmlinuz-*"))
        machine.make_image(root, image)
        with open(disk, "wb") as out:
            out.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", disk], check=True, stdout=sys.stderr)
        tap = Tap(series)
        first = machine.Boot(cable, "open", vmlinuz, image, disk)
        tap.copy(first, "open")
        judge_open(tap, Record(first.frames))
        if "not ok N" in first.report:
            tap.test("closed: the boot", "not tried: the open one did not make its state")
            print(f"1..{tap.number}")
            return 1
        (root / "etc/fstab").write_text("/dev/vda /var/lib/vpnd ext4 defaults 0 0\n", encoding="ascii")
        machine.pack(root, b"./etc/fstab\0", image, "ab")
        second = machine.Boot(cable, "closed", vmlinuz, image, disk)
        tap.copy(second, "closed")
        judge_closed(tap, Record(second.frames), series != "6.1")
        print(f"1..{tap.number}")
    return 1 if tap.bad else 0


if __name__ == "__main__":
    sandbox.run_session(main)
