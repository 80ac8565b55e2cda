# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of ./run bench about split tunnelling: what a launch costs, ten thousand processes at once, and the race of a program's first packet."""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

import crowd  # noqa: E402
import sandbox  # noqa: E402
from lab import ECHO_PORT, HOST4, HOST6, PUBLIC4, PUBLIC6, TUNNEL_HOST4, TUNNEL_HOST6, Lab, built  # noqa: E402

PROCESSES = int(os.environ.get("VPND_BENCH_PROCESSES", "10000"))
LAUNCHES = int(os.environ.get("VPND_BENCH_LAUNCHES", "20000"))
TIMED_LAUNCHES = 400
TIMED_ROUNDS = 7
ROUNDS = 5
INSIDE, OUTSIDE = (f"you are {TUNNEL_HOST4}", f"you are {TUNNEL_HOST6}"), (f"you are {HOST4}", f"you are {HOST6}")


def line(what, value, unit, aim, more=""):
    print(f"{what:44} {value:9.2f} {unit}   aim {aim}{more}", flush=True)


@contextlib.contextmanager
def deep_cgroup():
    """This process, and what it starts, stands two below the root of cgroup2 meanwhile, at least."""
    folder = sandbox.session_cgroup() / uuid.uuid4().hex[:12]
    folder.mkdir()
    try:
        (folder / "cgroup.procs").write_text("0", encoding="ascii")
        yield
    finally:
        (sandbox.session_cgroup() / "cgroup.procs").write_text("0", encoding="ascii")
        folder.rmdir()


class SplitLab:
    """The lab with copies of the static program, and a folder of its own for the classes; vpnd and vpnd-classifier start and stop together."""

    def __init__(self, lab):
        self.lab, self.classes = lab, sandbox.session_cgroup() / uuid.uuid4().hex[:12]
        self.classes.mkdir()
        self.listed, self.other = "/run/vpnd-lab/bin/listed", "/run/vpnd-lab/bin/other"
        for name in ("listed", "other"):
            shutil.copy(built("tests/lab-c/split-program"), lab.host_run / "vpnd-lab/bin" / name)

    def start(self):
        socket = self.lab.host_run / "vpnd-lab/classifier"
        socket.unlink(missing_ok=True)
        self.classifier = self.lab.host.start(built("service/classifier/vpnd-classifier"), "--socket", "/run/vpnd-lab/classifier", "--mountinfo", "/proc/self/mountinfo",
                                              env=self.lab.environment())
        sandbox.wait_until(socket.exists, 10, "vpnd-classifier listens")
        self.daemon = self.lab.start_daemon(env={"VPND_CGROUP_PATH": str(self.classes), "VPND_CLASSIFIER_SOCKET": "/run/vpnd-lab/classifier"})

    def stop(self):
        self.daemon.stop()
        self.classifier.kill()
        self.classifier.wait()

    def rule(self, verb):
        """Seconds until the call is answered: all processes have their class by then."""
        words = ["path", self.listed] + (["excluded", ""] if verb == "Add" else [])
        begun = time.perf_counter()
        done = self.lab.bus_call("org.vpnd1", "/org/vpnd1", f"org.vpnd1.SplitTunnel.{verb}", *words)
        assert done.returncode == 0, done.stderr
        return time.perf_counter() - begun

    def members(self, name="vpnd-excluded"):
        return (self.classes / name / "cgroup.procs").read_text(encoding="ascii").split()

    def close(self):
        sandbox.remove_cgroups(self.classes)


def launch_time(split, file):
    """Microseconds of a launch, the median of many, one after the other."""
    return statistics.median(int(word) / 1000 for word in split.lab.host.run(split.other, "--time", TIMED_LAUNCHES, file, timeout=120).stdout.split())


def exec_rows(split):
    """Rounds without and with vpnd in turns, so that what else the machine does falls on both. Each program by itself: what vpnd does after the launch of a
    listed one (it tells everybody) takes a processor for a moment, and would be counted as the other's."""
    matched, unmatched, plain = [], [], []
    for _ in range(TIMED_ROUNDS):
        before = [launch_time(split, file) for file in (split.other, split.listed)]
        split.start()
        split.rule("Add")
        sandbox.wait_until(lambda: split_state(split) in ("ready", "engaged"), 20, "vpnd-classifier holds launches")
        after = [launch_time(split, file) for file in (split.other, split.listed)]
        unmatched.append(after[0] - before[0])
        matched.append(after[1] - before[1])
        plain.append(before[0])
        split.rule("Remove")  # else the next part begins with it
        split.stop()
    base = statistics.median(plain)
    for what, values, aim in (("launch of a listed program, added", matched, "120 us"), ("launch of another program, added", unmatched, "not to be measured")):
        added = statistics.median(values)
        line(what, added, "us", aim, f"   ratio {(base + added) / base:5.3f} of {base:.0f} us without vpnd; {min(values):.1f} to {max(values):.1f}")


def split_state(split):
    return split.lab.bus_call("org.vpnd1", "/org/vpnd1", "org.freedesktop.DBus.Properties.Get", "org.vpnd1.SplitTunnel", "State").stdout.split("'")[1]


def pss_kb(process):
    values = dict(text.split(":") for text in pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:])
    return int(values["Pss"].split()[0])


def used_ms(process):
    """Processor time so far, of all its threads."""
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()) / 1e6


def settled(process):
    """Whether it has used no time of a processor for a tenth of a second: what it has to tell is told."""
    before = used_ms(process)
    time.sleep(0.1)  # measuring silence is what this is for
    return used_ms(process) == before


class Work:
    """Processor time of vpnd and vpnd-classifier from now until both rest."""

    def __init__(self, split):
        self.processes = [split.daemon.process, split.classifier]
        self.before = [used_ms(process) for process in self.processes]

    def end(self):
        sandbox.wait_until(lambda: all([settled(process) for process in self.processes]), 20, "vpnd and vpnd-classifier rest")
        return [used_ms(process) - before for process, before in zip(self.processes, self.before)]


def work_text(works):
    ours, classifier = (statistics.median(column) for column in zip(*works))
    return f"; processor: vpnd {ours:.0f} ms, vpnd-classifier {classifier:.0f} ms"


def crowd_rows(split, number=PROCESSES):
    parent = crowd.start(split.lab, split.listed, number)
    moved, returned, home, shown, small, large, moves, returns = [], [], [], [], [], [], [], []
    for _ in range(ROUNDS):
        split.start()
        before, work = pss_kb(split.daemon.process), Work(split)
        moved.append(split.rule("Add") * 1000)
        assert len(split.members()) == number, len(split.members())
        moves.append(work.end())
        small.append((pss_kb(split.daemon.process) - before) * 1024 / number)
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            text = split.lab.vpnctl("split", "ps", "--all", "--json").stdout
            shown.append((time.perf_counter() - begun) * 1000)
            assert len(json.loads(text)["processes"]) == number
        large.append((pss_kb(split.daemon.process) - before) * 1024 / number)
        work, begun = Work(split), time.perf_counter()
        returned.append(split.rule("Remove") * 1000)
        assert not split.members()
        sandbox.wait_until(lambda: not split.members("vpnd-returning"), 20, "all are where they came from")
        home.append((time.perf_counter() - begun) * 1000)
        returns.append(work.end())
        split.stop()
    line(f"{number} processes moved into a class", statistics.median(moved), "ms", "1000", f"   {min(moved):.0f} to {max(moved):.0f}{work_text(moves)}")
    line(f"{number} processes returned", statistics.median(returned), "ms", "1000", f"   {min(returned):.0f} to {max(returned):.0f}{work_text(returns)}")
    line("and are where they came from", statistics.median(home), "ms", "1000", f"   {min(home):.0f} to {max(home):.0f}, as seen from outside, which also costs")
    line(f"vpnctl split ps --all --json, {number}", statistics.median(shown), "ms", "50", f"   {min(shown):.0f} to {max(shown):.0f}")
    line("PSS of vpnd for each of them", statistics.median(small), "bytes", "200", f"   after they were listed {statistics.median(large):.0f}")
    parent.stdin.close()  # which ends them all
    sandbox.wait_until(lambda: len(os.listdir("/proc")) < number // 2, 60, "they have ended")
    parent.kill()
    parent.wait()


FLOODERS = 2
FLOOD_MS = 3000


def flood_rows(split):
    """Launches that the kernel asks about, as many as there can be: of files that are no programs, since no machine starts so many. One file is told once, of two in turn each launch is."""
    files = ["/run/vpnd-lab/bin/flood-a", "/run/vpnd-lab/bin/flood-b"]
    for file in files:
        path = split.lab.host_run / file.removeprefix("/run/")
        path.write_text("no program\n", encoding="ascii")
        path.chmod(0o755)
    split.start()
    for file in files:
        assert split.lab.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.Add", "path", file, "excluded", "").returncode == 0
    sandbox.wait_until(lambda: split_state(split) in ("ready", "engaged"), 20, "vpnd-classifier holds launches")
    for what, some in (("launches of a listed file", files[:1]), ("launches of two listed files in turn", files)):
        rates, works = [], []
        for _ in range(ROUNDS):
            work = Work(split)
            asked = int(split.lab.host.run(split.other, "--flood", FLOODERS, FLOOD_MS, *some, timeout=60).stdout)
            rates.append(asked * 1000 / FLOOD_MS)
            works.append([used / FLOOD_MS * 100 for used in work.end()])
        ours, classifier = (statistics.median(column) for column in zip(*works))
        line(what, statistics.median(rates), "a second", "10000", f"   {min(rates):.0f} to {max(rates):.0f}; of a processor: vpnd-classifier {classifier:.0f} %, vpnd {ours:.0f} %")
    line("PSS of vpnd after them", pss_kb(split.daemon.process) / 1024, "MiB", "bounded")
    split.stop()


def race_once(split, number, addresses):
    """The one program asks by IPv4, the other by IPv6: with one address a port that the other one has just used would be refused, and its launch prove nothing."""
    lab, mark, ways = split.lab, split.lab.capture.mark(), {}

    def run(name, file):
        process = lab.host.start(split.other, "--launch", number, file, addresses[name], ECHO_PORT, f"of-{name}", stdout=subprocess.PIPE, text=True)
        ways[name] = process.communicate()[0].split("\n")
    runners = [threading.Thread(target=run, args=pair) for pair in (("listed", split.listed), ("other", split.other))]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()

    def count(name, answers):
        return sum(map(ways[name].count, answers))
    clear = sum(b"of-other" in frame.raw and frame.dst == addresses["other"] for frame in lab.capture.since(mark))
    refused = ["EPERM"]
    return (count("listed", INSIDE), max(count("other", OUTSIDE), clear), count("listed", OUTSIDE) + count("other", INSIDE), count("listed", refused) + count("other", refused))


def late(split):
    """Launches of which vpnd has told that they went on before they stood in their class: what such a one sends first goes inside."""
    return split.daemon.log().count("it went on before it stood in its class")


def race(split, load):
    """Half of the launches with each family for the listed program."""
    busy = [split.lab.host.start("sh", "-c", "while :; do :; done") for _ in range(os.cpu_count() if load else 0)]
    told = late(split)
    parts = [race_once(split, LAUNCHES // 2, {"listed": listed, "other": other}) for listed, other in ((PUBLIC4, PUBLIC6), (PUBLIC6, PUBLIC4))]
    for process in busy:
        process.kill()
        process.wait()
    inside, outside, right, refused = map(sum, zip(*parts))
    sandbox.wait_until(lambda: all([settled(process) for process in (split.daemon.process, split.classifier)]), 20, "vpnd and vpnd-classifier rest")
    line(f"{LAUNCHES} + {LAUNCHES} first packets, {'loaded' if load else 'idle'}", inside + outside, "on the wrong side", "0",
         f"   {inside} inside, {outside} outside, {late(split) - told} launches told as not held in time; {right} on the right one, {refused} refused")


def race_rows(split):
    split.start()
    split.rule("Add")
    split.lab.connect(dns="")
    sandbox.wait_until(lambda: split_state(split) == "engaged", 20, "engaged")
    for load in (False, True):
        race(split, load)
    split.lab.vpnctl("disconnect")
    split.rule("Remove")
    split.stop()


def rows(*names):
    """All of them, or those of the parts named."""
    with Lab() as lab:
        split = SplitLab(lab)
        try:
            for part in (exec_rows, flood_rows, crowd_rows, race_rows):
                if not names or part.__name__ in names:
                    part(split)
        finally:
            lab.close()
            split.close()


if __name__ == "__main__":
    sandbox.run_session(lambda: rows(*sys.argv[1:]))
