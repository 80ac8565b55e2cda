# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ordinary user's calls without end, on many connections at once, as fast as the bus takes them. Usage: call_flood.py SOCKET CONNECTIONS SIZE [reply].
SIZE is the number of bytes of the argument of "activate"; 0 calls "status" instead. With "reply" answers are asked for (and thrown away).
Says "R" when every connection has sent its first calls, and ends when its stdin does, with the number of
calls."""
import os
import selectors
import socket
import struct
import sys


def pad(data, width):
    return data + b"\0" * (-len(data) % width)


def field(code, kind, value):
    text = value.encode()
    body = struct.pack("<I", len(text)) + text + b"\0" if kind != "g" else struct.pack("B", len(text)) + text + b"\0"
    return bytes([code, 1]) + kind.encode() + b"\0" + body


def call(serial, destination, path, interface, member, argument=None, no_reply=True):
    fields = b""
    for one in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", destination), *([(8, "g", "s")] if argument is not None else [])):
        fields = pad(fields, 8) + field(*one)
    body = b"" if argument is None else struct.pack("<I", len(argument)) + argument + b"\0"
    return pad(b"l\1" + bytes([1 if no_reply else 0, 1]) + struct.pack("<III", len(body), serial, len(fields)) + fields, 8) + body


def log_in(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    sock.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
    while not sock.recv(4096).endswith(b"\r\n"):
        pass
    sock.sendall(call(1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", no_reply=False))
    sock.recv(4096)
    sock.setblocking(False)
    return sock


def main(path, n, size, wants_reply):
    member, argument = ("activate", b"{" + b" " * (size - 1)) if size else ("status", None)
    selector, pending, serials, begun = selectors.DefaultSelector(), {}, {}, set()
    for _ in range(n):
        sock = log_in(path)
        pending[sock], serials[sock] = b"", 2
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
    selector.register(0, selectors.EVENT_READ)
    said, count = False, 0
    while True:
        for key, events in selector.select():
            sock = key.fileobj
            if sock == 0:
                print(count, flush=True)
                return
            try:
                if events & selectors.EVENT_READ and not sock.recv(1 << 16):
                    selector.unregister(sock)  # the bus had enough of it
                    begun.add(sock)
                    continue
                if events & selectors.EVENT_WRITE:
                    if not pending[sock]:
                        several = range(serials[sock], serials[sock] + max(1, 16384 // (size + 128)))
                        serials[sock] = several.stop
                        count += len(several)
                        pending[sock] = b"".join(call(serial, "org.vpnd1", "/org/vpnd1", "org.vpnd1.Daemon", member, argument, not wants_reply) for serial in several)
                    pending[sock] = pending[sock][sock.send(pending[sock]):]
                    begun.add(sock)
            except BlockingIOError:
                continue
            except OSError:
                selector.unregister(sock)
                begun.add(sock)
        if not said and len(begun) == n:
            said = True
            print("R", flush=True)


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["reply"])
