# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of ./run bench about large hosts and networks that move: thousands of routes that are not ours, thousands that are, and how long a change takes."""
import datetime
import ipaddress
import pathlib
import queue
import socket
import statistics
import subprocess
import threading
import time

import sandbox
from lab import ECHO_PORT, GATEWAY4, HOST4, PUBLIC4, TUNNEL_HOST4, TUNNEL_HOST6

ROUTES = 10_000
QUIET_SECONDS = 10
ROUNDS = 5
OTHER_GATEWAY4 = "198.51.100.254"


def line(what, value, unit, aim):
    print(f"{what:44} {value:9.2f} {unit}   aim {aim}", flush=True)


def foreign_routes(lab, count=ROUTES):
    """As a router with a full table of its own has."""
    first = int(ipaddress.ip_address("100.64.0.0"))
    lab.host.run("ip", "-batch", "-", input="".join(f"route add {ipaddress.ip_address(first + 256 * i)}/24 via {GATEWAY4} dev eth0\n" for i in range(count)), timeout=120)


def cpu_ms(pid):
    """Time on a processor so far, of all threads."""
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e6


def quiet_ms(lab):
    time.sleep(1)  # what was asked for before has been answered
    pid, before, until = lab.daemons[-1].process.pid, cpu_ms(lab.daemons[-1].process.pid), time.monotonic() + QUIET_SECONDS
    while time.monotonic() < until:
        time.sleep(1)  # measuring silence is what this is for
    return cpu_ms(pid) - before


def start_seconds(lab):
    """From the start of the program to its first status, which waits until the facts have been read."""
    import gi
    gi.require_version("Gio", "2.0")
    from gi.repository import Gio, GLib
    bus = Gio.DBusConnection.new_for_address_sync(f"unix:path={lab.host_run}/dbus/system_bus_socket",
                                                  Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
    seen = []
    bus.signal_subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None, "org.vpnd1", Gio.DBusSignalFlags.NONE,
                         lambda *a: seen.append(time.perf_counter()) if a[5][2] else None)
    context = GLib.MainContext.default()
    begun = time.perf_counter()
    lab.start_daemon(ready=False)
    while not seen:
        context.iteration(True)
    bus.call_sync("org.vpnd1", "/org/vpnd1", "org.vpnd1.Daemon", "status", None, None, Gio.DBusCallFlags.NONE, 20000, None)
    answered = time.perf_counter()
    bus.close_sync(None)
    return answered - begun


def start_times(lab):
    times = []
    for _ in range(ROUNDS):
        times.append(start_seconds(lab) * 1000)
        lab.daemons[-1].wait_ready()
        lab.daemons[-1].stop()
    line(f"start with {ROUTES} routes in main", statistics.median(times), "ms", "300")
    lab.start_daemon()
    line(f"CPU in {QUIET_SECONDS} s, {ROUTES} routes, disconnected", quiet_ms(lab), "ms", "0")


def large_profile(lab, allowed):
    """A hundred networks a line, as no line may be without end."""
    lines = "\nAllowedIPs = ".join(", ".join(allowed[i:i + 100]) for i in range(0, len(allowed), 100))
    return lab.profile(dns="", allowed=lines)


def many_allowed_ips():
    four, six = int(ipaddress.ip_address("11.0.0.0")), int(ipaddress.ip_address("2600::"))
    return [f"{ipaddress.ip_address(four + 512 * i)}/24" for i in range(ROUTES // 2)] + [f"{ipaddress.ip_address(six + (i << 80))}/48" for i in range(ROUTES // 2)]


def allowed_ips_times(lab, client):
    """The same link, device, addresses and routes: by vpnd, and by wireguard-go, wg and one batch of ip."""
    allowed = many_allowed_ips()
    lab.vpnctl("import", "-", "large", input=large_profile(lab, allowed), timeout=120)
    conf = lab.scratch.path / "large.conf"
    conf.touch(mode=0o600)
    conf.write_text("\n".join(text for text in large_profile(lab, allowed).splitlines() if not text.startswith(("DNS", "Address"))) + "\n", encoding="ascii")
    batch = "".join(f"route add {prefix} dev plain0 table 4711\n" for prefix in allowed)
    batch = f"addr add {TUNNEL_HOST4}/32 dev plain0\naddr add {TUNNEL_HOST6}/128 dev plain0\nlink set plain0 mtu 1420 up\n{batch}"

    def theirs():
        begun = time.perf_counter()
        process = lab.host.start("wireguard-go", "-f", "plain0", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=lab.environment() | {"WG_PROCESS_FOREGROUND": "1"})
        sandbox.wait_until((lab.host_run / "wireguard/plain0.sock").exists, 10, "plain0")
        lab.host.run("wg", "setconf", "plain0", conf, timeout=120)
        lab.host.run("ip", "-batch", "-", input=batch, timeout=120)
        seconds = time.perf_counter() - begun
        process.terminate()
        process.wait()
        return seconds

    def ours():
        client.signals.clear()
        begun = time.perf_counter()
        client.call("org.vpnd1.Profiles", "Activate", "(s)", "large")
        accepted = time.perf_counter() - begun
        client.until("connected")
        seconds = time.perf_counter() - begun
        client.deactivate()
        return accepted, seconds

    def shown():
        """Each entry of the plan against the kernel, by vpnctl; all routes of the link, by ip."""
        client.activate("large")
        times = {}
        for name, words in (("ours", [lab.vpnctl_path, "routes", "--json"]), ("theirs", ["sh", "-c", "ip -j -4 route show table 22096; ip -j -6 route show table 22096"])):
            times[name] = []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                lab.host.run(*words, env=lab.environment())
                times[name].append((time.perf_counter() - begun) * 1000)
        client.deactivate()
        return statistics.median(times["ours"]), statistics.median(times["theirs"])

    theirs_ms = statistics.median(theirs() for _ in range(3)) * 1000
    both = [ours() for _ in range(3)]
    for what, column in (("all applied", 0), ("connected", 1)):
        ours_ms = statistics.median(one[column] for one in both) * 1000
        print(f"{'activate ' + str(ROUTES) + ' allowed IPs, ' + what:44} {ours_ms:9.2f} ms   wg setconf + ip -batch {theirs_ms:9.2f} ms   ratio {ours_ms / theirs_ms:6.3f}   aim 2", flush=True)
    ours_ms, theirs_ms = shown()
    print(f"{'vpnctl routes --json, ' + str(ROUTES) + ' entries':44} {ours_ms:9.2f} ms   ip -j route show {theirs_ms:9.2f} ms   ratio {ours_ms / theirs_ms:6.3f}   aim 300 ms", flush=True)


class Monitor:
    """What `ip -ts monitor` tells, each line with the time that it says."""

    def __init__(self, lab, subject):
        self.process = lab.host.start("ip", "-4", "-ts", "monitor", subject, stdout=subprocess.PIPE, text=True)
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        time.sleep(0.3)  # it has no way of telling that it listens

    def _read(self):
        for text in self.process.stdout:
            when, _, what = text.removeprefix("[").partition("]")
            if what:  # else a second line of the same message
                self.lines.put((datetime.datetime.fromisoformat(when).timestamp(), what.strip()))

    def between(self, is_first, is_second):
        """Milliseconds from the first line of the one kind to the next of the other."""
        first = None
        while True:
            when, text = self.lines.get(timeout=5)
            if first is None and is_first(text):
                first = when
            elif first is not None and is_second(text):
                return (when - first) * 1000

    def close(self):
        self.process.terminate()
        self.process.wait()


def acted_on_ms(lab):
    """From a new default route to the first effect of it in the kernel: an exception for its gateway comes, or that of the former goes."""
    monitor, times = Monitor(lab, "route"), []
    for turn in range(2 * ROUNDS):
        gateway = OTHER_GATEWAY4 if turn % 2 == 0 else GATEWAY4
        lab.host.run("ip", "route", "replace", "default", "via", gateway, "dev", "eth0")
        times.append(monitor.between(lambda text, gateway=gateway: text.startswith(f"default via {gateway} "), lambda text: "table 22097" in text))
        sandbox.wait_until(lambda: lab.status()["state"] == "connected", 5, "connected")
        time.sleep(0.5)  # a single change is measured, not the bound on work for many
    monitor.close()
    return statistics.median(times)


def repair_ms(lab, subject, mark, *words):
    """From the moment that the kernel tells of a deletion until it tells that what was deleted is there again."""
    monitor, times = Monitor(lab, subject), []
    for _ in range(ROUNDS):
        lab.host.run("ip", "-4", *words)
        times.append(monitor.between(lambda text: mark in text and text.startswith("Deleted"), lambda text: mark in text))
        time.sleep(6)  # the next one is a first repair again
    monitor.close()
    return statistics.median(times)


def link_repair_ms(lab):
    """From the moment that the link is gone until it is there again with its address, as the kernel tells both."""
    monitor, times = Monitor(lab, "address"), []
    for _ in range(ROUNDS):
        lab.host.run("ip", "link", "del", "vpnd0")
        times.append(monitor.between(lambda text: TUNNEL_HOST4 in text and text.startswith("Deleted"), lambda text: TUNNEL_HOST4 in text))
        sandbox.wait_until(lambda: lab.echo(PUBLIC4, wait=300) == TUNNEL_HOST4, 10, "connected again")
        time.sleep(6)  # the next one is a first repair again
    monitor.close()
    return statistics.median(times)


def dns_repair_ms(lab):
    """From the moment that another program's resolv.conf is in place until ours is."""
    path, times = lab.resolv_conf_path, []
    ours, foreign = path.read_bytes(), path.with_name("resolv.conf.foreign")
    for _ in range(ROUNDS):
        foreign.write_bytes(b"nameserver 192.0.2.9\n")
        begun = time.perf_counter()
        foreign.rename(path)
        while path.read_bytes() != ours and time.perf_counter() < begun + 5:
            time.sleep(0.0005)
        times.append((time.perf_counter() - begun) * 1000)
        time.sleep(6)  # the next one is a first repair again
    return statistics.median(times)


def gap_ms(lab, change):
    """The longest silence of an answered stream of one packet every 2 ms around a change."""
    with lab.host.net():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answered, ended = [], threading.Event()
    with client:
        client.settimeout(0.05)

        def receive():
            while not ended.is_set():
                try:
                    if client.recv(100).decode() == f"you are {TUNNEL_HOST4}":
                        answered.append(time.perf_counter())
                except OSError:
                    continue
        thread = threading.Thread(target=receive)
        thread.start()
        begun, changed = time.perf_counter(), None
        while time.perf_counter() - begun < 4:
            try:
                client.sendto(b"x", (PUBLIC4, ECHO_PORT))
            except OSError:
                pass
            if changed is None and time.perf_counter() - begun > 0.5:
                changed = time.perf_counter()
                change()
            ended.wait(0.002)
        ended.set()
        thread.join()
    around = [moment for moment in answered if moment > changed - 0.2]
    if len(around) < 2 or around[-1] < changed + 1:
        return float("inf")
    return max(b - a for a, b in zip(around, around[1:])) * 1000


def roam(lab):
    """Wire to wireless: another link, another address, another gateway."""
    return lambda: lab.host.ip(f"""route replace default via 198.51.101.1 dev eth1
        addr del {HOST4}/24 dev eth0""")


def roam_back(lab):
    lab.host.ip(f"""addr add {HOST4}/24 dev eth0
        route replace default via {GATEWAY4} dev eth0""")


def second_uplink(lab):
    lab.lan.ip("""link add lan1 type veth peer name tmp1
        addr add 198.51.101.1/24 dev lan1
        link set lan1 up""")
    subprocess.run([*lab.lan.argv("ip", "link", "set", "tmp1", "netns", f"/proc/self/fd/{lab.host.net_fd}", "name", "eth1")],
                   pass_fds=(lab.lan.net_fd, lab.lan.mount_fd, lab.host.net_fd), check=True)
    lab.host.ip("""link set eth1 addrgenmode none
        addr add 198.51.101.2/24 dev eth1
        link set eth1 up""")


def roaming_gaps(lab):
    """Of what is connected now."""
    gaps = []
    for _ in range(3):
        sandbox.wait_until(lambda: lab.echo(PUBLIC4, wait=300) == TUNNEL_HOST4, 30, "the tunnel works")
        gaps.append(gap_ms(lab, roam(lab)))
        roam_back(lab)
    return gaps


def plain_conf(lab, name):
    """The profile as wg-quick and NetworkManager take it, names left alone."""
    conf = lab.scratch.path / f"{name}.conf"
    conf.touch(mode=0o600)
    conf.write_text("\n".join(text for text in lab.profile().splitlines() if not text.startswith("DNS")) + "\n", encoding="ascii")
    return conf


def wg_quick_gaps(lab, environment):
    conf = plain_conf(lab, "roam0")
    lab.host.run("wg-quick", "up", conf, env=environment)
    gaps = roaming_gaps(lab)
    lab.host.run("wg-quick", "down", conf, env=environment)
    return gaps


def roaming_line(name, gaps):
    return f"{'silence when the uplink changes, ' + name:44} {'  '.join('over 3000' if gap == float('inf') else f'{gap:.0f}' for gap in gaps)} ms   aim 1000"


def roaming_times(lab, client):
    second_uplink(lab)
    client.activate()
    ours = roaming_gaps(lab)
    client.deactivate()
    theirs = wg_quick_gaps(lab, lab.environment() | {"WG_QUICK_USERSPACE_IMPLEMENTATION": "wireguard-go"})
    for name, gaps in (("vpnd", ours), ("wg-quick", theirs)):
        print(roaming_line(name, gaps), flush=True)


def rows(lab, client):
    """Everything, on a lab with a daemon that is disconnected and knows the profile "demo"."""
    lab.lan.ip("addr", "add", f"{OTHER_GATEWAY4}/24", "dev", "lan0")
    roaming_times(lab, client)
    client.activate()
    line("a new default route is acted on within", acted_on_ms(lab), "ms", "50")
    line("a rule that was deleted is back after", repair_ms(lab, "rule", "4890:", "rule", "del", "priority", "4890"), "ms", "100")
    line("a route that was deleted is back after", repair_ms(lab, "route", "default dev vpnd0", "route", "del", "default", "table", "22096"), "ms", "100")
    line("an address that was deleted is back after", repair_ms(lab, "address", TUNNEL_HOST4, "addr", "del", f"{TUNNEL_HOST4}/32", "dev", "vpnd0"), "ms", "100")
    line("a link that was deleted is back after", link_repair_ms(lab), "ms", "100")
    client.deactivate()
    lab.vpnctl("import", "-", "named", input=lab.profile())
    lab.vpnctl("connect", "named", "--wait")
    line("a DNS setting that was written over is back after", dns_repair_ms(lab), "ms", "100")
    client.deactivate()
    allowed_ips_times(lab, client)
    lab.daemons[-1].stop()
    foreign_routes(lab)
    start_times(lab)
    client.activate()
    line(f"a new default route among {ROUTES}", acted_on_ms(lab), "ms", "50")
    line(f"CPU in {QUIET_SECONDS} s, {ROUTES} routes, connected", quiet_ms(lab), "ms", "0")
    client.deactivate()
