# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that a rule excludes, from before the network on. Sends what may leave when vpnd has made the rule hold, and not sooner; each datagram says how many of its family were refused so far
by a firewall (EPERM), and when it was sent. By a new socket each time: one keeps the class in which it was made (docs/split-tunnel.md, Limits)."""
import contextlib
import errno
import socket
import struct
import time

from wire import BESIDE4, BESIDE6, BESIDE_PORT, BESIDE_TOKEN

PAUSE_S = 0.02  # nothing is waited for: it is the rate, at which the emulated processor gets to its boot, too


def main():
    refused = {BESIDE4: 0, BESIDE6: 0}
    while True:
        for address in refused:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as one, contextlib.suppress(OSError):  # no link or route yet
                try:
                    one.sendto(BESIDE_TOKEN + struct.pack("!QQ", refused[address], time.monotonic_ns()), (address, BESIDE_PORT))
                except OSError as error:
                    refused[address] += error.errno == errno.EPERM
        time.sleep(PAUSE_S)


main()
