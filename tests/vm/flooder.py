#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends from before the guest has a network until the last thing of a shutdown, the killing of all processes: what a program may
send, about once a millisecond.

Beside it, as frames of a private type that no firewall of IP sees, beats: how often it has tried so far, and who is process 1. They
prove from outside that it was at work, and until when. Every datagram carries its number and the time, so that a hole can be measured.
"""
import itertools
import os
import pathlib
import signal
import socket
import struct
import time

from wire import BEAT, ETH_P_MARK, FLOOD4, FLOOD6, LAST, LINK, TOKEN

PEER4, PEER6, PEER_PORT, GATEWAY4, LAN4 = "203.0.113.2", "2001:db8:2::2", 51820, "198.51.100.1", "198.51.100.99"
BEAT_S = 0.05
PAUSE_S = 0.001  # the emulated processor must get to its boot, too
LINGER_S = 0.5


def process_1():
    return pathlib.Path("/proc/1/comm").read_text(encoding="ascii").strip()




class Sender:
    """A socket; with a device it is bound to it as soon as there is one."""

    def __init__(self, family, device=None):
        self.socket, self.device = socket.socket(family, socket.SOCK_DGRAM), device
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def send(self, payload, address):
        if self.device:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.device.encode())
            self.device = None
        self.socket.sendto(payload, address)


def targets():
    """(sender, address) pairs: those of every turn, and an endless row of which each turn takes one."""
    bound4, bound6, free4, free6 = (Sender(family, device) for device in (LINK, None) for family in (socket.AF_INET, socket.AF_INET6))
    always = [(bound4, (FLOOD4, 9)), (bound6, (FLOOD6, 9))]
    rest = [(free4, (FLOOD4, 9)), (free6, (FLOOD6, 9)), (bound4, (FLOOD4, 53)), (bound6, (FLOOD6, 53)), (bound4, (PEER4, PEER_PORT)), (bound6, (PEER6, PEER_PORT)),
            (bound4, (PEER4, 443)), (bound4, (GATEWAY4, 53)), (bound4, (LAN4, 9)), (bound4, ("255.255.255.255", 9)), (bound4, ("224.0.0.251", 5353)),
            (bound6, ("ff02::fb", 5353))]
    return always, itertools.cycle(rest)


class Beats:
    def __init__(self):
        self.socket, self.next = None, 0.0

    def beat(self, tries):
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + BEAT_S
        try:
            if self.socket is None:
                self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                self.socket.bind((LINK, ETH_P_MARK))
            self.socket.send(b"\xff" * 6 + b"\x02\0\0\0\0\1" + struct.pack("!H", ETH_P_MARK) + f"{BEAT}{tries} {process_1()}".encode().ljust(46, b"\0"))
        except OSError:  # no link yet, or it is down
            self.socket = None


def ready():
    """Tells systemd that the flood has begun."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        notify.send(b"READY=1")


def main():
    deadline = []

    def on_terminate(*_):
        if process_1() == LAST:  # the final killing: it would wait for us, and then not ask again
            deadline.append(time.monotonic() + LINGER_S)
    signal.signal(signal.SIGTERM, on_terminate)
    (always, rest), beats, tries = targets(), Beats(), 0
    while not deadline or time.monotonic() < deadline[0]:
        for sender, address in (*always, next(rest)):
            tries += 1
            try:
                sender.send(TOKEN + struct.pack("!QQ", tries, time.monotonic_ns()), address)
            except OSError:  # refused, or no link or route yet: the point
                pass
        beats.beat(tries)
        if tries == 3:
            ready()
        time.sleep(PAUSE_S)


main()
