# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that lives as long as the test and sends what it is told: each line of its input is a JSON list of packets, each line of its output what
the sockets said to them. kind is tcp, udp, icmp, raw (UDP by hand), hdr (with the header of IP by hand), sctp, or ndp (with the type)."""
import contextlib
import errno
import json
import select
import socket
import struct
import sys

IPV6_CHECKSUM, SO_MARK, SCTP = 7, 36, 132
PROTO = {"raw": socket.IPPROTO_UDP, "hdr": socket.IPPROTO_RAW, "sctp": SCTP, "ndp": socket.IPPROTO_ICMPV6}


def open_socket(want, family):
    kind = want["kind"]
    if kind == "tcp":
        return socket.socket(family, socket.SOCK_STREAM)
    if kind == "udp":
        return socket.socket(family, socket.SOCK_DGRAM)
    if kind == "icmp":
        return socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP)
    return socket.socket(family, socket.SOCK_RAW, PROTO[kind])


def source_of(want, family):
    """The address that the kernel would choose."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        prepare(sock, want)
        sock.connect((want["address"], 9))
        return sock.getsockname()[0]


def prepare(sock, want):
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if want.get("device"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, want["device"].encode())
    if want.get("mark"):
        sock.setsockopt(socket.SOL_SOCKET, SO_MARK, want["mark"])


def datagram(want, family, tag):
    """The bytes to hand to the socket."""
    kind, ports = want["kind"], (want["sport"], want.get("port", 0))
    if kind == "icmp":
        return struct.pack("!BBHHH", 128 if family == socket.AF_INET6 else 8, 0, 0, 0, 1) + tag
    if kind == "sctp":
        return struct.pack("!HHII", *ports, 0, 0) + tag
    if kind == "ndp":  # a solicitation names its target
        return struct.pack("!BBHI", want["type"], 0, 0, 0) + (socket.inet_pton(socket.AF_INET6, want["target"]) if "target" in want else b"") + tag
    if kind == "udp":
        return tag
    udp = struct.pack("!HHHH", *ports, 8 + len(tag), 0) + tag
    if kind == "hdr":
        packed = socket.inet_pton(family, want["address"])
        if family == socket.AF_INET:
            return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0, b"\0" * 4, packed) + udp
        source = socket.inet_pton(family, source_of(want, family))
        return struct.pack("!IHBB16s16s", 6 << 28, len(udp), socket.IPPROTO_UDP, 64, source, packed) + udp
    return udp


def send(want):
    """Returns what happened and, for a connection that is on its way, the socket."""
    family = socket.AF_INET6 if ":" in want["address"] else socket.AF_INET
    kind, tag, target = want["kind"], want["tag"].encode(), (want["address"], want.get("port", 0))
    if family == socket.AF_INET6 and want.get("scope"):
        target += (0, socket.if_nametoindex(want["scope"]))
    try:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(open_socket(want, family))
            prepare(sock, want)
            if kind in ("tcp", "udp"):
                sock.bind(("", want["sport"]))
            if kind == "tcp":
                code = sock.connect_ex(target)
                if code == errno.EINPROGRESS:
                    stack.pop_all()
                    return "sent", sock
                return errno.errorcode.get(code, "connected"), None
            if family == socket.AF_INET6 and kind == "raw":
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, 6)
            if kind == "ndp":
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            if kind in ("raw", "hdr", "sctp", "ndp"):
                target = (target[0], 0, *target[2:])
            sock.sendto(datagram(want, family, tag), target)
            return "sent", None
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno)), None


def round_of(wants, wait):
    """Sends all; connections get this long (ms) to be refused."""
    answers, open_ones, poller = [], {}, select.poll()
    for index, want in enumerate(wants):
        result, sock = send(want)
        answers.append(result)
        if sock:
            open_ones[sock.fileno()] = (index, sock)
            poller.register(sock, select.POLLOUT)
    while open_ones and (ready := poller.poll(wait)):
        for number, _ in ready:
            index, sock = open_ones.pop(number)
            poller.unregister(number)
            answers[index] = errno.errorcode.get(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "connected")
            sock.close()
    for _, sock in open_ones.values():
        sock.close()
    return answers


for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps(round_of(message["packets"], message["wait"])), flush=True)
