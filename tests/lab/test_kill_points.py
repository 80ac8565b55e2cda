# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at every boundary between effects, and at random moments, with a user's flood all the while: from the moment in which the rules were in
force until the next start has ended no packet is out, and that start ends in the state that the setting crash-recovery says.

The boundaries are those that the executor itself announces in each scenario, so a new effect is covered the day it is added."""
import contextlib
import json
import random
import select
import signal
import socket
import sys
import threading
import time

import dbus
import dbus.bus
import dbus.lowlevel
import pytest

import sandbox
from capture import ICMP, ICMPV6, TCP, UDP, select_frames
from flooding import Flood, only_transport
from lab import IS_SANITIZED, PUBLIC4, PUBLIC6, Lab

RANDOM_MOMENTS = 50 if IS_SANITIZED else 200
RECOVERIES = ("block", "reconnect", "release")
LONGEST_S = 0.06       # of a change on a quiet machine, from the call to the end
SETTLE_S = 60
PROGRAM = "tests/lab-c/vpnd-with-fault-points"


class Gate:
    """Where the daemon announces each boundary and waits. Each point is (text, connection); the connection is answered to go on."""

    def __init__(self, lab):
        self.path = lab.host_run / "vpnd-lab/points"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(self.path))
        self.socket.listen(8)

    def next(self, until=None, timeout=SETTLE_S):
        """The next boundary, None once until() is true and none came since."""
        deadline = time.monotonic() + timeout
        while True:
            ended = until is not None and until()
            ready, _, _ = select.select([self.socket], [], [], 0 if ended else 0.002)
            if ready:
                connection, _ = self.socket.accept()
                return connection.recv(100).decode(), connection
            if ended:
                return None
            if time.monotonic() > deadline:
                raise TimeoutError("no boundary is reached, and the end neither")

    def drain(self):
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.accept()[0].close()

    def pass_all(self, until):
        """Lets the daemon go on wherever it is, until that is true; returns the boundaries."""
        points = []
        while (point := self.next(until)) is not None:
            points.append(point[0])
            go_on(point)
        return points


def go_on(point):
    with point[1] as connection, contextlib.suppress(BrokenPipeError):
        connection.send(b"c")


class Call:
    """A D-Bus call that is under way, on a connection of its own."""

    def __init__(self, address, interface, member, signature="", *arguments):
        self.error = self.reply = None
        self.done = False
        message = dbus.lowlevel.MethodCallMessage("org.vpnd1", "/org/vpnd1", interface, member)
        message.append(signature=signature, *arguments)
        self.thread = threading.Thread(target=self._run, args=(address, message), daemon=True)
        self.thread.start()

    def _run(self, address, message):
        bus = dbus.bus.BusConnection(address)
        try:
            self.reply = bus.send_message_with_reply_and_block(message, 110).get_args_list()
        except dbus.DBusException as error:
            self.error = error
        bus.close()
        self.done = True


class Bench:
    """One lab for many crashes: each begins with a fresh boot's empty runtime directory and default settings."""

    def __init__(self, lab):
        self.lab, self.flood, self.gate = lab, Flood(lab), Gate(lab)
        self.address = f"unix:path={lab.host_run}/dbus/system_bus_socket"
        self.bus = dbus.bus.BusConnection(self.address)
        self.before = lab.snapshot()
        self.outline_before = self.outline()
        self.daemon, self.has_points = None, True
        self.ledger = lab.host_run / "vpnd/ledger.json"
        self.settings = lab.host_run / "vpnd-lab/state/settings.json"
        self.start()
        lab.vpnctl("import", "-", "demo", input=lab.profile())
        self.stop()

    # --- the daemon

    def start(self, wait=True):
        points = {"env": {"VPND_FAULT_POINT": "/run/vpnd-lab/points"}, "program": PROGRAM} if self.has_points else {}
        self.daemon = self.lab.start_daemon(ready=False, **points)
        if wait:
            self.gate.pass_all(self.is_on_bus)
            self.wait_state("disconnected", "error", "connected")

    def has_ended(self):
        return self.daemon.process.poll() is not None

    def is_on_bus(self):
        if self.has_ended():
            raise RuntimeError(f"vpnd ended with {self.daemon.process.returncode}:\n{self.daemon.log()}")
        return self.bus.name_has_owner("org.vpnd1")

    def crash(self, with_tunnel=True):
        """SIGKILL, and nothing that was announced is answered any more."""
        self.daemon.kill()
        if with_tunnel:
            self.lab.kill_wireguard()
        self.gate.drain()
        sandbox.wait_until(lambda: not self.bus.name_has_owner("org.vpnd1"), SETTLE_S, "the name is free")

    def stop(self):
        self.daemon.process.send_signal(signal.SIGTERM)
        self.gate.pass_all(self.has_ended)
        sandbox.wait_until(lambda: not self.bus.name_has_owner("org.vpnd1"), SETTLE_S, "the name is free")

    def forget(self):
        """The next start is that of another boot."""
        for path in (self.ledger, self.settings, self.settings.with_name("ledger-copy.json")):
            path.unlink(missing_ok=True)
        self.lab.daemons.clear()
        self.lab.capture.forget()

    # --- calls

    def call(self, interface, member, signature="", *arguments):
        return Call(self.address, f"org.vpnd1.{interface}", member, signature, *arguments)

    def set(self, name, value):
        value = dbus.Array(value, signature="s") if isinstance(value, list) else value
        return Call(self.address, "org.freedesktop.DBus.Properties", "Set", "ssv", "org.vpnd1.Settings", name, value)

    def perform(self, call):
        """Waits for the call, whatever boundaries come; it must succeed."""
        self.gate.pass_all(lambda: call.done)
        assert call.error is None, f"{call.error}\n{self.daemon.log()}"
        return call.reply

    def settled(self, call, states):
        """A function that is true when the call was answered, the state is one of these, and everything on the way there was done."""
        asked = []

        def look():
            if not (call is None or call.done) or (asked and not asked[0].done):
                return False
            answer = asked.pop().reply if asked else None
            if answer is None:
                asked.append(self.call("Daemon", "status"))
                return False
            if not answer:  # of the setting that is what it was: it had to wait for all that was under way
                return True
            is_there = json.loads(answer[0])["state"] in states
            asked.append(self.set("Ipv6", True) if is_there else self.call("Daemon", "status"))
            return False
        return look

    def wait_state(self, *states):
        """Waits until the state is one of these and the way there is gone; returns the status."""
        self.gate.pass_all(self.settled(None, states))
        return json.loads(self.perform(self.call("Daemon", "status"))[0])

    def activate(self):
        return self.call("Profiles", "Activate", "s", "demo")

    def connect(self):
        self.perform(self.activate())
        self.wait_state("connected")

    # --- what is on the host

    def outline(self):
        """The host in short, by one shell: what is left of ours shows in it."""
        return self.lab.host.run("sh", "-c", "nft list tables; ip rule; ip -6 rule; ip -br link | cut -d' ' -f1; ip -4 route show table all; cat /etc/resolv.conf; ls /run/wireguard").stdout

    def is_closed(self):
        return "table inet vpnd" in self.lab.host.run("nft", "list", "tables").stdout

    def ledger_says_protected(self):
        return self.ledger.exists() and json.loads(self.ledger.read_text(encoding="ascii"))["protected"]


@pytest.fixture(name="bench")
def bench_fixture():
    lab = Lab()
    try:
        made = Bench(lab)
        yield made
        made.flood.off()
    finally:
        for daemon in lab.daemons:  # one that waits at a boundary would not end
            daemon.kill()
        lab.close()


# --- scenarios: how it begins, what is done then, and where that ends


def begin_idle(bench):
    bench.start()


def begin_connected(bench):
    bench.start()
    bench.connect()


def begin_crashed(bench):
    begin_connected(bench)
    bench.crash()


def begin_locked(bench):
    bench.start()
    bench.perform(bench.set("Lockdown", True))


def do_restart(bench):
    bench.start(wait=False)


def do_damage(bench):
    """Another program takes a rule of our routing away."""
    bench.lab.host.ip("rule", "del", "priority", "4890")


ENDS = {"block": "error", "reconnect": "connected", "release": "disconnected"}
SCENARIOS = {
    "connect": (begin_idle, lambda bench: bench.activate(), "connected"),
    "disconnect": (begin_connected, lambda bench: bench.call("Daemon", "deactivate"), "disconnected"),
    "reconnect": (begin_connected, lambda bench: bench.call("Profiles", "Reconnect"), "connected"),
    "repair": (begin_connected, do_damage, "connected"),
    "restart": (begin_connected, lambda bench: bench.daemon.process.send_signal(signal.SIGUSR1), "ended"),
    "allow-lan": (begin_connected, lambda bench: bench.set("AllowLan", True), "connected"),
    "dns-servers": (begin_connected, lambda bench: bench.set("DnsServers", ["10.64.0.1", "203.0.113.53"]), "connected"),
    "lockdown-on": (begin_idle, lambda bench: bench.set("Lockdown", True), "disconnected"),
    "lockdown-off": (begin_locked, lambda bench: bench.set("Lockdown", False), "disconnected"),
    "recovery": (begin_crashed, do_restart, None),
}


class Watch:
    """What must hold as the boundaries go by: once the rules are in force nothing is out, until they are taken away for good."""

    def __init__(self, bench):
        self.bench, self.points, self.here = bench, [], None
        self.mark = bench.lab.capture.mark() if bench.is_closed() else None

    def pass_by(self, text):
        """Told at each boundary, while the daemon waits there."""
        self.points.append(text)
        self.here = (text, self.points.count(text))
        if text == "after apply-ruleset" and self.mark is None:
            self.mark = self.bench.lab.capture.mark()
        if text == "before remove-ruleset":
            self.check()
            self.mark = None

    def check(self):
        if self.mark is not None:
            only_transport(self.bench.lab.capture.since(self.mark), " > ".join(self.points) + f"\n{self.bench.daemon.log()}")


def write_recovery(bench, recovery):
    bench.settings.write_text(json.dumps({"version": 1, "crash-recovery": recovery}), encoding="ascii")
    bench.settings.chmod(0o600)


def run_scenario(bench, name, recovery, kill_at=None, with_tunnel=True):
    """Begins, does, and lets the daemon go from boundary to boundary until kill_at (which one, and the how manieth of its kind), where it is killed; without, the
    flood goes on for a while at each. Returns the watch and whether the daemon was killed."""
    begin, do, end = SCENARIOS[name]
    write_recovery(bench, recovery)
    begin(bench)
    watch = Watch(bench)
    bench.flood.on()
    call = do(bench)
    until = bench.has_ended if end == "ended" else bench.settled(call, [end or ENDS[recovery]])
    while (point := bench.gate.next(until)) is not None:
        watch.pass_by(point[0])
        if kill_at is None:
            bench.flood.wait()
        if kill_at == watch.here:
            bench.crash(with_tunnel)
            point[1].close()
            return watch, True
        go_on(point)
    assert call is None or call.error is None, call.error
    watch.check()
    return watch, False


def expected_after(bench, recovery):
    """The state that the next start must end in, by what the host remembers, and whether the host is closed in it."""
    settings = json.loads(bench.settings.read_text(encoding="utf-8"))
    if not bench.ledger_says_protected():
        return "disconnected", settings.get("lockdown", False)
    ledger = json.loads(bench.ledger.read_text(encoding="ascii"))
    state = "connected" if ledger["handover"] else "error" if ledger["crashes"] else ENDS[recovery]
    return state, state != "disconnected" or settings.get("lockdown", False)


def come_back(bench, watch, recovery):
    """The start after the crash, under the same flood."""
    state, is_closed = expected_after(bench, recovery)
    was_closed = watch.mark is not None
    assert not was_closed or bench.is_closed(), f"the rules are gone with the daemon: {watch.points}"
    watch.points.append("KILLED")
    bench.start(wait=False)
    until = bench.settled(None, [state])
    try:
        while (point := bench.gate.next(lambda: bench.is_on_bus() and until())) is not None:
            watch.pass_by(point[0])
            go_on(point)
    except TimeoutError as error:
        raise AssertionError(f"{recovery}: not {state}: {bench.lab.vpnctl('status', '--json', check=False).stdout}\n{watch.points}\n{bench.daemon.log()}") from error
    status = bench.wait_state(state)
    if is_closed:
        bench.flood.wait()
    assert status["blocking"] is is_closed and (state != "error" or status["cause"] == "crashed"), status
    assert not (was_closed and is_closed) or watch.mark is not None, f"open in between: {watch.points}"
    watch.check()


def clear(bench):
    """Ends the run as a user would, and the host must be as before."""
    bench.flood.off()
    if bench.wait_state("disconnected", "error", "connected")["blocking"] and json.loads(bench.settings.read_text(encoding="utf-8")).get("lockdown"):
        bench.perform(bench.set("Lockdown", False))
    bench.stop()
    assert bench.outline() == bench.outline_before
    bench.forget()


def test_control_the_flood_is_seen(bench):
    """Without protection every kind of it is on the wire."""
    mark = bench.lab.capture.mark()
    bench.flood.on()
    bench.flood.wait(50)
    bench.flood.off()
    frames = bench.lab.capture.since(mark)
    for address, icmp in ((PUBLIC4, ICMP), (PUBLIC6, ICMPV6)):
        for proto in (UDP, TCP, icmp):
            assert len(select_frames(frames, from_host=True, dst=address, proto=proto)) >= 50, (address, proto)
    bench.lab.capture.forget()


def crash_at(bench, name, recovery, boundaries):
    """One crash at each boundary; returns those that were not reached."""
    missed = []
    for number, at in enumerate(boundaries):
        watch, killed = run_scenario(bench, name, recovery, at, with_tunnel=number % 2 == 0)
        if not killed:
            missed.append(at)
        else:
            state, is_closed = expected_after(bench, recovery)
            if watch.mark is not None:
                assert is_closed or recovery == "release", f"closed, and nobody remembers why: {watch.points}"
            if name == "recovery":
                assert state == "error" or not bench.ledger_says_protected(), "the second crash within a minute ends in block"
            come_back(bench, watch, recovery)
        clear(bench)
    return missed


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_boundary(bench, name):
    """First a run that only counts, held at each boundary; then one crash at each. The recoveries take turns, but where they matter most each boundary
    has all of them."""
    counted = []
    for turn, recovery in enumerate(RECOVERIES):
        if not counted or name == "recovery":
            watch, killed = run_scenario(bench, name, recovery)
            assert not killed and watch.points, "nothing was announced: this test would prove nothing"
            counted = [(text, watch.points[:place + 1].count(text)) for place, text in enumerate(watch.points)]
            if name == "restart":
                bench.start()
            clear(bench)
        boundaries = counted if name in ("connect", "recovery") else counted[turn::len(RECOVERIES)]
        started = time.monotonic()
        missed = crash_at(bench, name, recovery, boundaries)
        print(f"{name}, {recovery}: {len(boundaries)} runs in {time.monotonic() - started:.1f} s at {' > '.join(text for text, _ in counted)}; not reached {missed}", file=sys.stderr)
        # What comes a second time, as another attempt at a server that was slow to answer, may not come again; a first time does.
        assert sum(number == 1 for _, number in missed) <= 2, f"the boundaries are not those that were counted: {missed}"
        assert len(missed) < max(3, len(boundaries) // 2), f"this test would prove little: {missed}"


def test_killed_at_random_moments(bench):
    """The program as it is shipped, killed wherever it is."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance, kept = random.Random(seed), 0
    for turn in range(RANDOM_MOMENTS):
        name, recovery, after_s = chance.choice(list(SCENARIOS)), chance.choice(RECOVERIES), chance.uniform(0, LONGEST_S)
        what = f"seed {seed}, turn {turn}: {name}, {recovery}, {after_s * 1000:.0f} ms"
        begin, do, _ = SCENARIOS[name]
        bench.has_points = False
        write_recovery(bench, recovery)
        begin(bench)
        watch = Watch(bench)
        watch.points.append(what)
        bench.flood.on()
        due = time.monotonic() + after_s
        do(bench)
        threading.Event().wait(max(0, due - time.monotonic()))
        bench.crash(with_tunnel=chance.random() < 0.5)
        if not bench.is_closed():
            assert watch.mark is None or name in ("disconnect", "lockdown-off") or (name, recovery) == ("recovery", "release"), f"open: {what}"
            watch.mark = None
        elif watch.mark is None:
            watch = Watch(bench)
            watch.points.append(what)
        kept += watch.mark is not None
        bench.has_points = True
        come_back(bench, watch, recovery)
        clear(bench)
    assert kept > RANDOM_MOMENTS // 4, "most moments were before or after the protection: this test would prove little"
