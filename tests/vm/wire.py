# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest and the outside agree on: the link, the flood, what an excluded program sends, and the marks in the record (Ethernet frames of a private type)."""
import socket
import struct
import time

LINK = "nic0"
LINK_MAC = "52:54:00:12:34:56"
ETH_P_MARK = 0x88B5  # IEEE 802: local experimental
TOKEN = b"FLOOD-TOKEN-THAT-NOBODY-MAY-SEE:"
FLOOD4, FLOOD6 = "203.0.113.66", "2001:db8:2::66"  # nobody is there
BESIDE_TOKEN = b"OF-A-PROGRAM-THAT-A-RULE-EXCLUDES:"
BESIDE4, BESIDE6, BESIDE_PORT = "203.0.113.77", "2001:db8:2::77", 9  # nobody is there, either
BESIDE_PROGRAM = "/usr/local/bin/beside-python"  # a script is its interpreter to the kernel: an interpreter of its own
BEAT, MARK = "beat:", "mark:"
LAST = "systemd-shutdow"  # what process 1 has become when all others are killed (15 characters fit)


def mark(text, clock=None):
    """Puts a line into the record of frames, at its place among them, with the guest's clock in nanoseconds: that of now, or of what is told."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((LINK, ETH_P_MARK))
        sender.send(b"\xff" * 6 + b"\x02\0\0\0\0\2" + struct.pack("!H", ETH_P_MARK) + f"{MARK}{text} @{time.monotonic_ns() if clock is None else clock}".encode().ljust(46, b"\0"))


def flood_of(raw):
    """(number, guest's clock in nanoseconds) of a flood datagram inside these bytes, or None."""
    at = raw.find(TOKEN)
    return struct.unpack_from("!QQ", raw, at + len(TOKEN)) if at >= 0 and len(raw) >= at + len(TOKEN) + 16 else None


def beside_of(raw):
    """(how many were refused before, guest's clock in nanoseconds) of a datagram of the excluded program at the end of these bytes, or None."""
    text = raw[-len(BESIDE_TOKEN) - 16:]
    return struct.unpack("!QQ", text[-16:]) if text.startswith(BESIDE_TOKEN) else None
