# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The far side's servers, in one thread: echo (answers with the address it saw, so that a test learns which way a packet came)
and a tiny DNS server (answers every A and AAAA question with fixed addresses, and records who asked for what)."""
import os
import selectors
import socket
import struct
import threading

IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO, IPV6_FREEBIND, IP_FREEBIND = 8, 49, 50, 78, 15


class Services:
    def __init__(self, node, echo_port, addresses, dns_addresses):
        """addresses: where echo listens (TCP and UDP); dns_addresses: where DNS does (UDP and TCP)."""
        self.selector, self.lock = selectors.DefaultSelector(), threading.Lock()
        self.questions = []   # (server address, client address, name)
        self.echoes = []      # (server address, client address, protocol)
        self.sockets = []
        self.answers_noise = False  # DNS answers of random bytes
        with node.net():
            for address in addresses:
                self._listen(address, echo_port, self._echo_udp, self._echo_accept)
            for address in dns_addresses:
                self._listen(address, 53, self._dns_udp, self._dns_accept)
        self.stop_r, self.stop_w = os.pipe()
        self.selector.register(self.stop_r, selectors.EVENT_READ, None)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _listen(self, address, port, on_datagram, on_accept):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for kind, handler in ((socket.SOCK_DGRAM, on_datagram), (socket.SOCK_STREAM, on_accept)):
            sock = socket.socket(family, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            sock.bind((address, port))
            if kind == socket.SOCK_STREAM:
                sock.listen(64)
            self.sockets.append(sock)
            self.selector.register(sock, selectors.EVENT_READ, (handler, address))

    def _serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                handler, address = key.data
                try:
                    handler(key.fileobj, address)
                except (OSError, IndexError, struct.error):  # a probe is no question
                    pass

    def _echo_udp(self, sock, address):
        _, client = sock.recvfrom(65535)
        with self.lock:
            self.echoes.append((address, client[0], "udp"))
        sock.sendto(f"you are {client[0]}".encode(), client)

    def _echo_accept(self, sock, address):
        connection, client = sock.accept()
        with self.lock:
            self.echoes.append((address, client[0], "tcp"))
        with connection:
            connection.send(f"you are {client[0]}".encode())

    def _dns_answer(self, question, server, client):
        name, place = [], 12
        while question[place]:
            name.append(question[place + 1:place + 1 + question[place]].decode("ascii", "replace"))
            place += 1 + question[place]
        kind = struct.unpack_from("!H", question, place + 1)[0]
        with self.lock:
            self.questions.append((server, client, ".".join(name)))
        if self.answers_noise:
            return question[:2] + os.urandom(60)
        data = {1: socket.inet_aton("203.0.113.7"), 28: socket.inet_pton(socket.AF_INET6, "2001:db8:2::7")}.get(kind)
        header = question[:2] + struct.pack("!HHHHH", 0x8580, 1, 1 if data else 0, 0, 0)
        answer = struct.pack("!HHHIH", 0xC00C, kind, 1, 1, len(data)) + data if data else b""
        return header + question[12:place + 5] + answer

    def _dns_udp(self, sock, address):
        question, client = sock.recvfrom(4096)
        if len(question) > 16:
            sock.sendto(self._dns_answer(question, address, client[0]), client)

    def _dns_accept(self, sock, address):
        connection, _ = sock.accept()
        connection.setblocking(False)
        self.sockets.append(connection)
        self.selector.register(connection, selectors.EVENT_READ, (self._dns_stream, address))  # many only connect, and nobody waits for them

    def _dns_stream(self, connection, address):
        self.selector.unregister(connection)
        self.sockets.remove(connection)
        with connection:
            question, client = connection.recv(4096)[2:], connection.getpeername()
            answer = self._dns_answer(question, address, client[0])
            connection.send(struct.pack("!H", len(answer)) + answer)

    def close(self):
        os.write(self.stop_w, b"x")
        self.thread.join()
        for sock in self.sockets:
            sock.close()
        self.selector.close()
        os.close(self.stop_r)
        os.close(self.stop_w)
