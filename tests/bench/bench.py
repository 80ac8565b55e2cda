#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""./run bench: speed and size as ratios of one run in the lab, each against the tool that does the same. Not a test: it judges nothing
but prints the aim beside each figure."""
import os
import pathlib
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

import sandbox  # noqa: E402
import scale  # noqa: E402
import splitting  # noqa: E402
from lab import PUBLIC4, TUNNEL_PEER4, Lab, built  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS = 15
QUIET_SECONDS = 20


def median_ms(run, rounds=ROUNDS):
    """The median time of run() in ms; run may return its own time in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        own = run()
        times.append(own if isinstance(own, float) else time.perf_counter() - start)
    return statistics.median(times) * 1000


def row(what, ours, theirs, against, aim):
    print(f"{what:34} {ours:9.2f} ms   {against:34} {theirs:9.2f} ms   ratio {ours / theirs:6.3f}   aim {aim}", flush=True)


class Client:
    """A D-Bus client inside this process, so that the start of a program is not measured."""

    def __init__(self, lab):
        import gi
        gi.require_version("Gio", "2.0")
        from gi.repository import Gio, GLib
        self.gio, self.glib = Gio, GLib
        self.bus = Gio.DBusConnection.new_for_address_sync(f"unix:path={lab.host_run}/dbus/system_bus_socket",
                                                           Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.signals = []
        self.bus.signal_subscribe("org.vpnd1", "org.vpnd1.Daemon", None, "/org/vpnd1", None, Gio.DBusSignalFlags.NONE, lambda *a: self.signals.append(a[4]))

    def call(self, interface, method, signature=None, *arguments):
        value = self.glib.Variant(signature, arguments) if signature else None
        return self.bus.call_sync("org.vpnd1", "/org/vpnd1", interface, method, value, None, self.gio.DBusCallFlags.NONE, 20000, None)

    def until(self, signal):
        context, deadline = self.glib.MainContext.default(), time.monotonic() + 20
        while signal not in self.signals:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no signal {signal}")
            context.iteration(True)

    def activate(self, name="demo"):
        """Returns the seconds from the call to the signal connected."""
        self.signals.clear()
        start = time.perf_counter()
        self.call("org.vpnd1.Profiles", "Activate", "(s)", name)
        self.until("connected")
        return time.perf_counter() - start

    def deactivate(self):
        self.signals.clear()
        self.call("org.vpnd1.Daemon", "deactivate")
        self.until("disconnected")

    def set(self, name, signature, value):
        self.call("org.freedesktop.DBus.Properties", "Set", "(ssv)", "org.vpnd1.Settings", name, self.glib.Variant(signature, value))


def connect_times(lab, client):
    def ours():
        seconds = client.activate()
        client.deactivate()
        return seconds

    conf = lab.scratch.path / "plain0.conf"
    conf.touch(mode=0o600)
    conf.write_text("\n".join(line for line in lab.profile().splitlines() if not line.startswith("DNS")) + "\n", encoding="ascii")
    environment = lab.environment() | {"WG_QUICK_USERSPACE_IMPLEMENTATION": "wireguard-go"}

    def theirs():
        start = time.perf_counter()
        lab.host.run("wg-quick", "up", conf, env=environment)
        lab.host.run("ping", "-c1", "-W5", TUNNEL_PEER4)
        seconds = time.perf_counter() - start
        lab.host.run("wg-quick", "down", conf, env=environment)
        return seconds
    row("activate -> connected", median_ms(ours), median_ms(theirs, 5), "wg-quick up + first answer", "0.15")


def ruleset_times(lab, client):
    rules = lab.scratch.path / "rules.nft"
    lines = [line for line in lab.wan.run(built("tests/bench/bench-ruleset"), rules, timeout=180).stdout.splitlines() if not line.startswith("#")]
    ours = float(lines[3])
    rules.write_text("table inet vpnd\ndelete table inet vpnd\n" + rules.read_text(encoding="ascii"), encoding="ascii")
    theirs = median_ms(lambda: lab.wan.run("nft", "-f", rules) and None)
    lab.wan.run("nft", "delete", "table", "inet", "vpnd")  # the peer lives there
    row("change of the whole ruleset", ours, theirs, "nft -f with the same rules", "0.1, < 2 ms")
    for i, change in enumerate(("blocked to connected, at random", "connecting to connected", "the same on a host with everything")):
        *loaded, whole, sent = lines[5 * i:5 * i + 5]
        print(f"{change:34} at rest, read back {float(sent):.2f} ms, with the whole table anew {float(whole):.2f} ms; while a flood runs:", flush=True)
        for what, line in zip(("  the whole table anew, in force", "  as it is sent, in force", "  as it is sent, read back"), loaded):
            middle, late, middle_cpu, late_cpu = map(float, line.split())
            print(f"{what:34} {middle:9.2f} ms   99 % {late:.2f} ms; time of the processor {middle_cpu:.2f}, 99 % {late_cpu:.2f} ms   aim 99 % < 2 ms", flush=True)

    client.activate()
    state = [False]

    def set_it():
        state[0] = not state[0]
        client.set("AllowLan", "b", state[0])
    row("the same as a setting over D-Bus *", median_ms(set_it), theirs, "nft -f", "-")
    client.set("AllowLan", "b", False)


EMPTY = """table inet vpnd {
 chain output {
  type filter hook output priority -1; policy accept;
 }
%s}
"""
TRACKED = """ chain input {
  type filter hook input priority -1; policy accept;
  ct state invalid drop
 }
"""


def packet_times(lab):
    """Nanoseconds of the processor for a packet of an established flow into the tunnel, in one run: with an empty chain, with one beside which connection
    tracking is on, with the same rules written one by one, and with ours; on a host that is tracked, because it forwards for others; and with split tunnelling,
    which has it tracked, too: with one program, with users and subnets beside, and with units; and with the least that leads a program beside a tunnel at all. The sender stands where programs of a host do, for a cgroup that is not as deep as the
    classes are takes no look into them."""
    files = [lab.scratch.path / "empty.nft", lab.scratch.path / "tracked.nft"]
    for path, more in zip(files, ("", TRACKED)):
        path.write_text(EMPTY % more, encoding="ascii")
    with splitting.deep_cgroup():
        output = lab.wan.run(built("tests/bench/bench-packets"), *files, HERE / "linear.nft", HERE / "minimal-split.nft", "@connected", "@router", "@program", "@programs", "@split").stdout
    empty, tracked, linear, minimal, ours, router, program, programs, split = map(float, output.split())
    print(f"{'added to a packet, connected':34} {ours - empty:9.0f} ns   rules one by one {linear - empty:28.0f} ns   ratio {(ours - empty) / (linear - empty):6.3f}   aim 300 ns, 0.6", flush=True)
    print(f"{'  on a host that forwards':34} {router - empty:9.0f} ns   of these, connection tracking {tracked - empty:15.0f} ns   ratio {(router - empty) / (linear - empty):6.3f}", flush=True)
    print(f"{'  added by one excluded program':43} {program - ours:9.0f} ns   by the least that leads it out {minimal - empty:10.0f} ns   ratio {(program - ours) / (minimal - empty):6.3f}", flush=True)
    for what, figure in (("programs, users, 500 subnets", programs), ("50 rules (40 units), 500 subnets", split)):
        print(f"{'  added by ' + what:43} {figure - router:9.0f} ns   and, where nobody had it, tracking {router - ours:10.0f} ns   above one program {figure - program:6.0f} ns   aim 400 ns in all", flush=True)


def inbound_times(lab):
    """The same for what comes out of the tunnel, for a program of no class: what it costs that nobody inside begins anything with what is beside. With net_cls, which is of what is sent
    alone, there is no such rule; all else that comes in meets the same ones."""
    for protocol in ("udp", "tcp"):
        with splitting.deep_cgroup():
            output = lab.wan.run(built("tests/bench/bench-packets"), protocol, "@connected", "@router", "@program-net-cls", "@program", "@split").stdout
        ours, router, unasked, program, split = map(float, output.split())
        print(f"{'an answer by ' + protocol + ', one excluded program':43} {program - unasked:9.0f} ns   with 40 units {split - unasked:10.0f} ns   and, where nobody had it, tracking {router - ours:10.0f} ns   aim 100 ns", flush=True)


def status_times(lab):
    ours = median_ms(lambda: lab.host.run(lab.vpnctl_path, "status", env=lab.environment()) and None)
    theirs = median_ms(lambda: lab.host.run("busctl", "call", "org.vpnd1", "/org/vpnd1", "org.vpnd1.Daemon", "status", env=lab.environment()) and None)
    row("vpnctl status", ours, theirs, "busctl call ... status", "1")


def memory(lab):
    lab.echo(PUBLIC4)
    pid = lab.daemons[-1].process.pid
    values = dict(line.split(":") for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:])
    print(f"{'PSS of vpnd, connected':34} {int(values['Pss'].split()[0]) / 1024:9.2f} MB   aim 8", flush=True)


def wake_ups(lab):
    pid = lab.daemons[-1].process.pid

    def switches():
        total = {}
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            lines = (task / "status").read_text(encoding="ascii").splitlines()
            total[task.name] = sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
        return total
    sandbox.wait_until(lambda: lab.status()["state"] == "disconnected", 10, "disconnected")
    before = switches()
    pause = time.monotonic() + QUIET_SECONDS
    os.sched_yield()
    while time.monotonic() < pause:
        time.sleep(1)  # measuring silence is what this is for
    print(f"{'wake-ups in ' + str(QUIET_SECONDS) + ' s, disconnected':34} {sum(count - before.get(task, 0) for task, count in switches().items()):9d}      aim 0", flush=True)


def main():
    with Lab() as lab:
        lab.start_daemon()
        lab.vpnctl("import", "-", "demo", input=lab.profile(dns=""))
        client = Client(lab)
        client.activate()
        client.deactivate()
        connect_times(lab, client)
        ruleset_times(lab, client)
        packet_times(lab)
        inbound_times(lab)
        status_times(lab)
        memory(lab)
        client.deactivate()
        wake_ups(lab)
        scale.rows(lab, client)
    splitting.rows()
    print("* as a client sees it: D-Bus call, authorisation, setting stored, batch, read back, reply")
    return 0


if __name__ == "__main__":
    sandbox.run_session(main)
