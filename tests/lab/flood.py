# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends, until it is killed, whatever a program may try, at once and without end; runs on the host as root (raw sockets). Says "R" when it has begun."""
import itertools
import socket
import sys
import time

TOKEN = b"FLOOD-TOKEN-THAT-NOBODY-MAY-SEE"
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75  # a source address that is not ours


def datagram(address, port, device=None, source=None, proto=0, source_port=0, size=len(TOKEN)):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_RAW if proto else socket.SOCK_DGRAM, proto)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source or source_port:
        sock.setsockopt(*((socket.IPPROTO_IP, IP_TRANSPARENT) if family == socket.AF_INET else (socket.IPPROTO_IPV6, IPV6_TRANSPARENT)), 1)
        sock.bind((source or "", source_port))
    return sock, (address, 0 if proto else port), TOKEN.ljust(size, b"x")


def everything(public4, public6, peer4, peer6, tunnel4, router4):
    for device in (None, "eth0"):
        for address, port in itertools.product((public4, public6, peer4, peer6), (1337, 51820, 53, 853)):
            yield datagram(address, port, device)
        for address, proto in itertools.product((public4, public6), (132, 47)):
            yield datagram(address, 0, device, proto=proto)
        yield datagram(router4, 53, device)
    yield datagram(peer4, 51820, "eth0", source_port=51821)
    yield datagram(peer4, 51820, "eth0", source=tunnel4)
    yield datagram(public4, 1337, "eth0", source=tunnel4)
    yield datagram(public4, 1337, "eth0", source="198.51.100.77")
    yield datagram(peer4, 51820, "eth0", size=4000)
    for address in ("255.255.255.255", "224.0.0.251"):
        yield datagram(address, 5353, "eth0")


def main():
    sockets, interval = list(everything(*sys.argv[2:])), float(sys.argv[1])
    said = False
    while True:
        for sock, target, payload in sockets:
            try:
                sock.sendto(payload, target)
            except OSError:
                continue
        for address, port in ((sys.argv[2], 443), (sys.argv[4], 51820)):
            with socket.socket() as stream:
                stream.setblocking(False)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
                stream.connect_ex((address, port))
        if not said:
            said = True
            print("R", flush=True)
        time.sleep(interval)


main()
