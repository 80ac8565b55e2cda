# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of processes of one program. They begin and end some at a time: all at once they would keep whoever runs beside this from the processors for long."""
import os
import pathlib
import signal
import subprocess

import sandbox

TOGETHER = 100

# posix_spawn(3) returns when the program has been launched.
PARENT = """import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range({number}):
    os.posix_spawn("{file}", ["listed", "--talk"], os.environ)
print("ready", flush=True)
signal.pause()
"""


def start(lab, file, number):
    """Returns their parent when all have been launched; they end with its input, or by end()."""
    parent = lab.host.start("/usr/bin/python3", "-c", PARENT.format(number=number, file=file), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "ready\n"
    return parent


def end(pids):
    """Ends processes of a crowd, and returns when they have ended."""
    for first in range(0, len(pids), TOGETHER):
        for pid in pids[first:first + TOGETHER]:
            os.kill(int(pid), signal.SIGKILL)
        sandbox.wait_until(lambda first=first: not any(pathlib.Path("/proc", str(pid)).exists() for pid in pids[first:first + TOGETHER]), 20, "they have ended")
