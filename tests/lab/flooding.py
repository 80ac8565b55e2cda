# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's flood that goes on while something happens, and what may be seen on the wire meanwhile."""
import mmap
import subprocess

import sandbox
from capture import ICMPV6, UDP, select_frames
from lab import HERE, NOBODY, PEER4, PEER_PORT, PUBLIC4, PUBLIC6, PYTHON

FLOOD_PORT = 4711
ROUNDS_HELD = 5  # enough of them to say that nothing gets out now


class Flood:
    """The flood of a user; sends only when it is told to."""

    def __init__(self, lab):
        path = lab.scratch.path / "flood"
        path.write_bytes(b"\0" * 16)
        path.chmod(0o666)
        with open(path, "r+b") as file:
            self.words = memoryview(mmap.mmap(file.fileno(), 16)).cast("Q")
        program = (HERE / "user_flood.py").read_text(encoding="utf-8")
        self.process = lab.host.start(*lab.as_user(NOBODY), PYTHON, "-c", program, path, FLOOD_PORT, "eth0", PUBLIC4, PUBLIC6, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"R\n"

    def on(self):
        self.words[1] = 1

    def off(self):
        self.words[1] = 0

    def wait(self, rounds=ROUNDS_HELD):
        """Returns when so many more rounds have been tried from beginning to end."""
        wanted = self.words[0] + rounds + 1
        sandbox.wait_until(lambda: self.words[0] >= wanted, 20, "the flood goes on")


def only_transport(frames, what):
    """No frame of the host but the transport's own, neighbour discovery and ARP."""
    for frame in select_frames(frames, from_host=True, proto=lambda p: p != 0):
        is_transport = frame.proto == UDP and frame.dst == PEER4 and frame.dport == PEER_PORT
        is_ndp = frame.proto == ICMPV6 and frame.icmp_type in (133, 135, 136, 143)
        assert is_transport or is_ndp, f"left the host in the clear: {frame}; {what}"
