# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every frame on a link, as seen from the other end of it: what the host really put on the wire, and what it got."""
import dataclasses
import ipaddress
import os
import select
import socket
import struct
import threading
import time

from sandbox import SOON_S

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6, ETH_P_FENCE = 0x0003, 0x0800, 0x0806, 0x86DD, 0x88B5
PACKET_OUTGOING = 4
ARPHRD_NONE = 0xFFFE  # of a tun device: its frames have no header of the link
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
SYN, RST, ACK = 2, 4, 16
NAMES = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6"}


@dataclasses.dataclass
class Frame:
    when: float
    from_host: bool
    ethertype: int
    src: str = ""
    dst: str = ""
    proto: int = 0
    sport: int = 0
    dport: int = 0
    flags: int = 0       # of TCP
    icmp_type: int = -1
    arp_op: int = 0
    fragment: tuple = ()  # of what datagram, where this is a part of one
    offset: int = 0       # of the part; ports are in the first one, and belong to all
    raw: bytes = b""

    def __str__(self):
        arrow = "host ->" if self.from_host else "-> host"
        if self.ethertype == ETH_P_ARP:
            return f"{arrow} ARP {'reply' if self.arp_op == 2 else 'request'} {self.src} {self.dst}"
        port = f":{self.sport} -> {self.dst}:{self.dport}" if self.proto in (TCP, UDP) else f" -> {self.dst}"
        kind = f" type {self.icmp_type}" if self.icmp_type >= 0 else ""
        return f"{arrow} {NAMES.get(self.proto, self.proto)}{kind} {self.src}{port} ({len(self.raw)} bytes)"


def parse(raw, from_host, when):
    """One Ethernet frame; what cannot be parsed keeps its bytes."""
    frame = Frame(when, from_host, struct.unpack_from("!H", raw, 12)[0] if len(raw) >= 14 else 0, raw=raw)
    body = raw[14:]
    if frame.ethertype == ETH_P_ARP and len(body) >= 28:
        frame.arp_op = struct.unpack_from("!H", body, 6)[0]
        frame.src, frame.dst = socket.inet_ntoa(body[14:18]), socket.inet_ntoa(body[24:28])
        return frame
    if frame.ethertype == ETH_P_IP and len(body) >= 20:
        frame.proto, rest = body[9], body[(body[0] & 15) * 4:]
        frame.src, frame.dst = socket.inet_ntoa(body[12:16]), socket.inet_ntoa(body[16:20])
        ident, place = struct.unpack_from("!HH", body, 4)
        if place & 0x3FFF:  # more follow, or some came before
            frame.fragment, frame.offset = (frame.src, frame.dst, frame.proto, ident), (place & 0x1FFF) * 8
    elif frame.ethertype == ETH_P_IPV6 and len(body) >= 40:
        frame.proto, rest = body[6], body[40:]
        frame.src, frame.dst = str(ipaddress.IPv6Address(body[8:24])), str(ipaddress.IPv6Address(body[24:40]))
        if frame.proto == 0 and len(rest) >= 8:  # hop-by-hop, as MLD has
            frame.proto, rest = rest[0], rest[(rest[1] + 1) * 8:]
        if frame.proto == 44 and len(rest) >= 8:  # the fragment header of RFC 8200
            proto, _, place, ident = struct.unpack_from("!BBHI", rest)
            frame.proto, rest = proto, rest[8:]
            frame.fragment, frame.offset = (frame.src, frame.dst, proto, ident), place & 0xFFF8
    else:
        return frame
    if frame.offset:
        return frame
    if frame.proto in (TCP, UDP) and len(rest) >= 4:
        frame.sport, frame.dport = struct.unpack_from("!HH", rest)
        frame.flags = rest[13] if frame.proto == TCP and len(rest) > 13 else 0
    elif frame.proto in (ICMP, ICMPV6) and rest:
        frame.icmp_type = rest[0]
    return frame


class Capture:
    """Records from its start until close(), in a thread of its own."""

    def __init__(self, node, device, far_node=None, far_device=None):
        """device is the link's end on node (not the host's); far_node and far_device the host's end, for fences (of which a tunnel has none)."""
        self.frames, self.changed, self.fences = [], threading.Condition(), set()
        self.far = (far_node, far_device)
        self.first_parts = {}  # ports by datagram
        with node.net():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
            self.socket.bind((device, ETH_P_ALL))
        self.stop_r, self.stop_w = os.pipe()
        self.thread = threading.Thread(target=self._record, daemon=True)
        self.thread.start()

    def _record(self):
        while True:
            ready, _, _ = select.select([self.socket, self.stop_r], [], [])
            if self.stop_r in ready:
                return
            raw, address = self.socket.recvfrom(65535)
            if address[3] == ARPHRD_NONE:
                raw = bytes(12) + struct.pack("!H", address[1]) + raw
            frame = parse(raw, address[2] != PACKET_OUTGOING, time.monotonic())
            if frame.fragment and not frame.offset:
                self.first_parts[frame.fragment] = (frame.sport, frame.dport)
            elif frame.fragment:
                frame.sport, frame.dport = self.first_parts.get(frame.fragment, (0, 0))
            with self.changed:
                if frame.ethertype == ETH_P_FENCE:
                    self.fences.add(raw[14:30])
                else:
                    self.frames.append(frame)
                self.changed.notify_all()

    def fence(self):
        """Returns when every frame sent so far has been recorded: a frame of a private type is sent behind them, on every processor."""
        node, device = self.far
        tokens, allowed = set(), os.sched_getaffinity(0)
        with node.net():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
                sender.bind((device, ETH_P_FENCE))
                for processor in allowed:
                    os.sched_setaffinity(0, {processor})
                    token = os.urandom(16)
                    tokens.add(token)
                    sender.send(b"\xff" * 6 + b"\x02" + b"\0" * 5 + struct.pack("!H", ETH_P_FENCE) + token + b"\0" * 30)
                os.sched_setaffinity(0, allowed)
        with self.changed:
            if not self.changed.wait_for(lambda: tokens <= self.fences, SOON_S):
                raise TimeoutError("the capture does not see the link")

    def mark(self):
        """A place in the record, for since()."""
        self.fence()
        with self.changed:
            return len(self.frames)

    def since(self, mark):
        self.fence()
        with self.changed:
            return self.frames[mark:]

    def forget(self):
        """Drops the record; marks of before mean nothing any more."""
        with self.changed:
            self.frames.clear()

    def wait(self, predicate, mark, what):
        """Waits for a frame after mark that predicate accepts, and returns it."""
        with self.changed:
            found = []

            def look():
                found[:] = [f for f in self.frames[mark:] if predicate(f)]
                return bool(found)
            if not self.changed.wait_for(look, SOON_S):
                raise TimeoutError(f"no such frame within {SOON_S} s: {what}")
            return found[0]

    def close(self):
        os.write(self.stop_w, b"x")
        self.thread.join()
        self.socket.close()
        os.close(self.stop_r)
        os.close(self.stop_w)


def select_frames(frames, **wanted):
    """Frames whose fields have the wanted values; a value may be a function."""
    def fits(frame):
        return all(value(getattr(frame, key)) if callable(value) else getattr(frame, key) == value for key, value in wanted.items())
    return [frame for frame in frames if fits(frame)]


def show(frames, limit=20):
    return "\n".join(f"  {frame}" for frame in frames[:limit]) + (f"\n  ... {len(frames) - limit} more" if len(frames) > limit else "")


def seen(frames, **wanted):
    """At least one such frame; returns them."""
    found = select_frames(frames, **wanted)
    assert found, f"nothing seen with {wanted} among {len(frames)} frames:\n{show(frames)}"
    return found


def none(frames, **wanted):
    """No such frame."""
    found = select_frames(frames, **wanted)
    assert not found, f"{len(found)} frames seen with {wanted}:\n{show(found)}"
