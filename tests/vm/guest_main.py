# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test service of the guest: runs what this boot is for (the word vpnd-boot= of the kernel's command line) and writes TAP to the
second serial port, line by line, numbers left out ("ok N name"): the outside counts. Ends with an orderly power-off.

open    the flood is seen; then, without network card, the C tests and test_guest.py; the state for the next boot is made; the flood again
closed  test_closed.py, with lockdown and auto-connect, under the flood
bench   no test: tests/bench/roaming_guest.py
"""
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
import sandbox  # noqa: E402
import tap  # noqa: E402
import wire  # noqa: E402

DISK = pathlib.Path("/mnt")
# What asks for a speed that no emulated processor has, or takes long on one and asks nothing of the kernel that another test does not: the lab does it.
LEFT_TO_THE_LAB = {
    "lab-classifier": ["/classifier/no-launch-escapes", "/classifier/no-launch-escapes-under-load", "/classifier/too-many-strict"],
    "lab-classifier-errands": ["/classifier/a-crowd-returns", "/classifier/taken-out-in-a-crowd"],
}


class Report(io.TextIOBase):
    """TAP of whatever source, without numbers and plans, to the serial port."""

    def __init__(self):
        self.port = open("/dev/ttyS1", "w", encoding="utf-8", buffering=1)  # noqa: SIM115 - open to the end

    def write(self, text):
        text = re.sub(r"(?m)^((?:not )?ok) \d+ ", r"\1 N ", text)
        self.port.write("" if re.match(r"1\.\.\d+", text) else text)
        return len(text)


def run(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


def c_tests(report):
    folder = pathlib.Path("/root/tests/lab-c")
    for program in sorted(folder.glob("lab-*")):
        others = [word for name in LEFT_TO_THE_LAB.get(program.name, ()) for word in ("-s", name)]
        done = subprocess.run([program, "--backend=kernel", *others], capture_output=True, text=True, timeout=200, check=False, env=os.environ | {"G_TEST_BUILDDIR": str(folder)})
        found = [line for line in done.stdout.splitlines() if re.match(r"(not )?ok ", line) and not (others and line.endswith("# SKIP by request (-s option)"))]
        for line in found:
            print(re.sub(r"^((?:not )?ok) \d+ ", rf"\1 N {program.name}", line), file=report)
        if done.returncode or not found:
            print(f"not ok N {program.name} ended with {done.returncode}", file=report)
            print("\n".join(f"# {line}" for line in (done.stdout + done.stderr).splitlines()[-30:]), file=report)


def python_tests(report, name):
    return int(pytest.main(["-p", "no:cacheprovider", "-q", "--rootdir", str(HERE), "-rN", "--tb=short", str(HERE / name)], plugins=[tap.Tap(report)]))


def make_state():
    """Installs anew, stores the profile and a rule that excludes a program, turns lockdown and auto-connect on, and keeps the files for the next boot; opens the host again."""
    run("dpkg", "-i", "/root/vpnd.deb")
    run("vpnctl", "import", "/root/profile.conf", "demo")
    run("vpnctl", "auto-connect", "on", "demo")
    run("vpnctl", "lockdown", "on")
    run("vpnctl", "split", "add", "--path", wire.BESIDE_PROGRAM)
    run("mount", "/dev/vda", DISK)
    run("cp", "-a", "/var/lib/vpnd/.", DISK)
    run("umount", DISK)
    run("vpnctl", "emergency-unlock")


def leave_the_network():
    """What follows has one of its own, inside this machine."""
    run("systemctl", "kill", "-s", "KILL", "test-flood")
    run("ip", "link", "set", wire.LINK, "down")
    run("ip", "addr", "flush", "dev", wire.LINK)


def open_boot(report):
    wire.mark("open")
    leave_the_network()
    c_tests(report)
    for name in ("test_guest_split.py", "test_guest.py"):
        if python_tests(report, name):
            return 1
        sandbox.wait_until(lambda: not pathlib.Path("/sys/class/net/eth0").exists(), 60, "the lab in the guest is gone")
    make_state()
    run("ip", "-batch", "/root/network.batch")
    run("systemctl", "restart", "test-flood")
    wire.mark("power-off")
    return 0


def closed_boot(report):
    bad = python_tests(report, "test_closed.py")
    wire.mark("power-off")
    return bad


def bench_boot(report):
    sys.path.insert(0, str(HERE.parent / "bench"))
    import roaming_guest
    import test_guest
    leave_the_network()
    with test_guest.GuestLab() as one:
        roaming_guest.rows(one, lambda line: print(f"# bench: {line}", file=report))
    return 0


def main():
    report = Report()
    os.dup2(2, 1)
    kind = re.search(r"vpnd-boot=(\w+)", pathlib.Path("/proc/cmdline").read_text(encoding="ascii")).group(1)
    try:
        if {"open": open_boot, "closed": closed_boot, "bench": bench_boot}[kind](report):
            journal = run("journalctl", "--no-pager", "-b", "-o", "short-monotonic", "-u", "vpnd", "-u", "vpnd-early-boot").splitlines()
            print("\n".join(f"# {line}" for line in journal[-60:]), file=report)
    except BaseException as error:  # noqa: BLE001 - told outside
        print(f"not ok N {kind} boot: {type(error).__name__}", file=report)
        print("\n".join(f"# {line}" for line in (str(error) + getattr(error, "stderr", "")).splitlines()), file=report)
    print("# guest done", file=report)
    subprocess.run(["systemctl", "poweroff"], check=False)


main()
