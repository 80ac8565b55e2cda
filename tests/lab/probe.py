#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends probes as a user's program would, and prints what the sockets said, as JSON. Input (stdin): a list of objects with
kind (tcp, udp, icmp, raw), address, and optionally port, device, payload, proto, wait (ms to wait for an answer), source.
"""
import errno
import json
import select
import socket
import struct
import sys


def probe(want):
    family = socket.AF_INET6 if ":" in want["address"] else socket.AF_INET
    kind, payload = want["kind"], want.get("payload", "probe").encode()
    answer = {"kind": kind, "address": want["address"], "result": "sent", "reply": None}
    try:
        if kind == "tcp":
            sock = socket.socket(family, socket.SOCK_STREAM)
        elif kind == "udp":
            sock = socket.socket(family, socket.SOCK_DGRAM)
        elif kind == "icmp":
            proto = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
            sock = socket.socket(family, socket.SOCK_DGRAM, proto)
            payload = struct.pack("!BBHHH", 128 if family == socket.AF_INET6 else 8, 0, 0, 0, 1) + payload
        else:
            sock = socket.socket(family, socket.SOCK_RAW, want["proto"])
        with sock:
            if want.get("device"):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, want["device"].encode())
            if want.get("source"):
                sock.bind((want["source"], 0))
            sock.setblocking(False)
            wait = want.get("wait", 0)
            target = (want["address"], want.get("port", 0))
            poller = select.poll()
            if kind == "tcp":
                code = sock.connect_ex(target)
                if code not in (0, errno.EINPROGRESS):
                    raise OSError(code, "connect")
                poller.register(sock, select.POLLOUT)
                if not poller.poll(wait):
                    return answer
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, "connect")
                answer["result"] = "connected"
                sock.send(payload)
            else:
                sock.connect(target)
                sock.send(payload)
            if wait:
                poller.register(sock, select.POLLIN)
                if poller.poll(wait):
                    answer["reply"] = sock.recv(4096).decode(errors="replace")
    except OSError as error:
        answer["result"] = errno.errorcode.get(error.errno, str(error.errno))
    return answer


print(json.dumps([probe(want) for want in json.load(sys.stdin)]))
