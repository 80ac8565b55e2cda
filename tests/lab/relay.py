#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A UDP-over-TCP relay, the least that can carry WireGuard: every datagram goes as two bytes of length and itself. It hides nothing, so a test can see
whose words it carried.

    relay.py near LOCAL-PORT ADDRESS PORT [MARK]    takes datagrams at 127.0.0.1, keeps one connection to the far end
    relay.py far ADDRESS PORT TARGET TARGET-PORT    takes connections, sends what they bring to the target
"""
import select
import socket
import struct
import sys
import time

RETRY_S = 0.2


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Stream:
    """One TCP connection and what of a datagram has come by it."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, datagram):
        self.sock.sendall(struct.pack("!H", len(datagram)) + datagram)

    def receive(self):
        """The datagrams that are complete; an OSError at the end of the connection."""
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError
        self.rest += data
        while len(self.rest) >= 2 and len(self.rest) >= 2 + struct.unpack_from("!H", self.rest)[0]:
            end = 2 + struct.unpack_from("!H", self.rest)[0]
            datagram, self.rest = self.rest[2:end], self.rest[end:]
            yield datagram


def connect(address, port, mark):
    sock = socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        if mark:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        sock.settimeout(2)
        sock.connect((address, port))
        return Stream(sock)
    except OSError:
        sock.close()
        return None


def near(local_port, address, port, mark=0):
    local = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    local.bind(("127.0.0.1", local_port))
    stream, client, retry_at = None, None, 0
    while True:
        if stream is None and time.monotonic() >= retry_at:
            stream, retry_at = connect(address, port, mark), time.monotonic() + RETRY_S
        ready, _, _ = select.select([local] + ([stream.sock] if stream else []), [], [], RETRY_S)
        try:
            if local in ready:
                datagram, client = local.recvfrom(65535)
                if stream:
                    stream.send(datagram)
            if stream and stream.sock in ready:
                for datagram in stream.receive():
                    local.sendto(datagram, client)
        except OSError:
            if stream:
                stream.sock.close()
            stream = None


def far(address, port, target, target_port):
    listener = socket.create_server((address, port), family=family_of(address))
    pairs = {}  # either socket -> (stream, datagram socket)
    while True:
        ready, _, _ = select.select([listener, *pairs], [], [])
        for sock in ready:
            if sock is listener:
                stream, out = Stream(listener.accept()[0]), socket.socket(family_of(target), socket.SOCK_DGRAM)
                out.connect((target, target_port))
                pairs[stream.sock] = pairs[out] = (stream, out)
                continue
            if sock not in pairs:
                continue
            stream, out = pairs[sock]
            try:
                if sock is out:
                    stream.send(out.recv(65535))
                else:
                    for datagram in stream.receive():
                        out.send(datagram)
            except ConnectionRefusedError:
                pass  # the target is not there just now
            except OSError:
                for one in (stream.sock, out):
                    pairs.pop(one, None)
                    one.close()


def main(role, *words):
    values = [int(word, 0) if word.isdigit() or word.startswith("0x") else word for word in words]
    {"near": near, "far": far}[role](*values)


main(*sys.argv[1:])
