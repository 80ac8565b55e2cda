# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program of an ordinary user sends without end, a round a millisecond: UDP, ICMP and TCP to public addresses, IPv4 and IPv6, straight to the
link (every round) and wherever the routes lead (every tenth). Usage: user_flood.py FILE PORT DEVICE ADDRESS...

FILE has two numbers of 8 bytes: the rounds done so far, counted here, and 1 as long as it shall send. "R" on stdout says that it is ready.
"""
import contextlib
import mmap
import socket
import struct
import sys
import time

TOKEN = b"USER-FLOOD-THAT-NOBODY-MAY-SEE"


def main(path, port, device, *addresses):
    with open(path, "r+b") as file:
        words = memoryview(mmap.mmap(file.fileno(), 16)).cast("Q")
    datagrams, streams = [], []
    for bound in (device, None):
        for address in addresses:
            is_v6 = ":" in address
            family, icmp = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if is_v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
            echo = struct.pack("!BBHHH", 128 if is_v6 else 8, 0, 0, 0, 1) + TOKEN
            for proto, target, payload in ((0, (address, port), TOKEN), (icmp, (address, 0), echo)):
                sock = socket.socket(family, socket.SOCK_DGRAM, proto)
                sock.setblocking(False)
                if bound:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bound.encode())
                datagrams.append((sock, target, payload, not bound))
            streams.append((family, address, bound))
    print("R", flush=True)
    while True:
        time.sleep(0.001)
        if not words[1]:
            continue
        everything = words[0] % 10 == 0
        for sock, target, payload, unbound in datagrams:
            if everything or not unbound:
                with contextlib.suppress(OSError):
                    sock.sendto(payload, target)
        for family, address, bound in streams:
            if everything or bound:
                with socket.socket(family) as stream, contextlib.suppress(OSError):
                    stream.setblocking(False)
                    if bound:
                        stream.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bound.encode())
                    stream.connect((address, port))
        words[0] += 1


main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
