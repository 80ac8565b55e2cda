# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""First thing that runs in the guest: the C tests, then test_guest.py, all as one TAP stream on stdout."""
import io
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]
os.environ["VPND_LAB_SCRATCH"] = "/var/tmp/vpnd-lab"
os.makedirs(os.environ["VPND_LAB_SCRATCH"], exist_ok=True)

import pytest  # noqa: E402
import tap  # noqa: E402


def main():
    lines = []
    for program in sorted(pathlib.Path("/root/tests/c").iterdir()):
        done = subprocess.run([program, "--backend=kernel"], capture_output=True, text=True, timeout=200, check=False)
        found = [line for line in done.stdout.splitlines() if re.match(r"(not )?ok ", line)]
        lines += [re.sub(r"^((?:not )?ok) \d+ ", rf"\1 N {program.name}", line) for line in found]
        if done.returncode or not found:
            lines.append(f"not ok N {program.name} ended with {done.returncode}")
            lines += [f"# {line}" for line in (done.stdout + done.stderr).splitlines()[-30:]]
    out = io.StringIO()
    pytest.main(["-p", "no:cacheprovider", "-q", "--tb=short", str(HERE / "test_guest.py")], plugins=[tap.Tap(out)])
    lines += [re.sub(r"^((?:not )?ok) \d+ ", r"\1 N ", line) for line in out.getvalue().splitlines() if not line.startswith("1..")]
    number = 0
    with open("/dev/ttyS1", "w", encoding="utf-8") as report:
        for line in lines:
            if re.match(r"(not )?ok N ", line):
                number += 1
                line = line.replace(" N ", f" {number} ", 1)
            print(line, file=report)
        print(f"1..{number}", file=report)
        print("# guest done", file=report)


main()
