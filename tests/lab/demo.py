#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""./run demo: vpnd at work in the lab, told to a person who has never seen it. Ends with an error if anything it says is not so.
./run demo --shell leaves the person in a shell on the lab's host."""
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import capture  # noqa: E402
import sandbox  # noqa: E402
from lab import ECHO_PORT, HOST4, PEER4, PEER_PORT, PUBLIC4, TUNNEL_HOST4, TUNNEL_PEER4, Lab, built, elapsed  # noqa: E402

COLOR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
STARTED = time.monotonic()


def say(text):
    print(f"\n\033[1m{text}\033[0m" if COLOR else f"\n{text}", flush=True)


def show(text):
    for line in text.rstrip("\n").splitlines():
        print(f"    {line}")
    sys.stdout.flush()


class Untrue(Exception):
    """What the demo was about to say is not so."""


def check(holds, what):
    if not holds:
        raise Untrue(what)


def vpnctl(lab, *words, **options):
    print(f"  $ vpnctl {' '.join(words)}", flush=True)
    done = lab.vpnctl(*words, check=False, **options)
    show(done.stdout + done.stderr)
    check(done.returncode == 0, f"vpnctl ended with {done.returncode}; the log of vpnd:\n{lab.daemons[-1].log()}")
    return done


def host_frames(lab, mark):
    """What the host sent, without the small talk of the link (ARP, neighbour discovery)."""
    return [f for f in lab.capture.since(mark) if f.from_host and f.proto not in (0, capture.ICMPV6)]


def set_up(lab):
    say("A lab of three network namespaces, apart from this machine's network")
    show(f"host {HOST4}  ---  router (records every frame)  ---  internet\n"
         f"on the internet: WireGuard server {PEER4}:{PEER_PORT}, web server {PUBLIC4}\n"
         "on the host: a private system bus with vpnd's bus policy, polkitd, and vpnd")
    lab.start_daemon()
    lab.vpnctl_path = built("cli/vpnctl")
    conf = lab.scratch.path / "demo.conf"
    conf.touch(mode=0o600)
    conf.write_text(lab.profile(), encoding="ascii")
    return conf


def tour(lab):
    before = lab.snapshot()
    conf = set_up(lab)

    say("Without VPN: the web server sees this host's own address")
    mark = lab.capture.mark()
    seen_as = lab.echo(PUBLIC4)
    check(seen_as == HOST4, f"the web server saw {seen_as}")
    show(f"{PUBLIC4} says: you are {seen_as}\nand on the wire, in the clear:\n" + capture.show(host_frames(lab, mark)))

    say("A provider's .conf becomes a profile (its keys go in and never come out)")
    vpnctl(lab, "import", str(conf))
    say("Connect, and wait until the server has really answered")
    start = time.monotonic()
    vpnctl(lab, "connect", "demo", "--wait")
    show(f"(in {elapsed(start)})")
    vpnctl(lab, "status")

    say("A ping to the far side of the tunnel, and what the router saw of it")
    mark = lab.capture.mark()
    show(lab.host.run("ping", "-c1", "-W5", TUNNEL_PEER4).stdout.splitlines()[1])
    seen_as = lab.echo(PUBLIC4)
    check(seen_as == TUNNEL_HOST4, f"the web server saw {seen_as}")
    show(f"{PUBLIC4} says: you are {seen_as}")
    frames = host_frames(lab, mark)
    check(frames and all(f.proto == capture.UDP and f.dst == PEER4 and f.dport == PEER_PORT for f in frames), "something left outside the tunnel:\n" + capture.show(frames))
    show("on the wire, only WireGuard:\n" + capture.show(frames, 8))

    say("A program that insists on the physical link (as root: TCP, UDP, ping)")
    mark = lab.capture.mark()
    answers = lab.probe([{"kind": kind, "address": PUBLIC4, "port": ECHO_PORT, "device": "eth0", "wait": 100} for kind in ("tcp", "udp", "icmp")])
    frames = [f for f in host_frames(lab, mark) if f.dst != PEER4]
    check(not frames, "it got out:\n" + capture.show(frames))
    for answer in answers:
        show(f"{answer['kind']:4} to {answer['address']}: {answer['result']}")
    show("on the wire: nothing")

    say("Disconnect")
    vpnctl(lab, "disconnect", "--wait")
    vpnctl(lab, "status")
    lab.daemons[-1].stop()
    difference = lab.difference(before, lab.snapshot())
    check(not difference, f"the host is not as before:\n{difference}")
    check(lab.echo(PUBLIC4) == HOST4, "the host does not reach the internet as before")
    show("nftables, rules, routes, addresses, links, sysctls and /etc/resolv.conf are exactly as before")
    say(f"Done in {time.monotonic() - STARTED:.0f} s. Next: ./run demo --shell, or ./run install")


def shell(lab):
    classifier = lab.host.start(built("service/classifier/vpnd-classifier"), "--socket", "/run/vpnd-classifier.socket", "--mountinfo", "/proc/self/mountinfo", env=lab.environment())
    sandbox.wait_until(lambda: classifier.poll() is not None or (lab.host_run / "vpnd-classifier.socket").exists(), 10, "vpnd-classifier listens, or says that this kernel cannot hold launches")
    conf = set_up(lab)
    (lab.host_run / "vpnd-lab/demo.conf").write_bytes(conf.read_bytes())
    (lab.host_run / "vpnd-lab/demo.conf").chmod(0o600)
    (lab.host_run / "vpnd-lab/bin/vpnctl").symlink_to(lab.vpnctl_path)
    rc = lab.host_run / "vpnd-lab/bashrc"
    rc.write_text("PS1='[lab host] \\w # '\ncd /run/vpnd-lab\n", encoding="ascii")
    say("You are root on the lab's host. Leave with exit or Ctrl-D.")
    show("vpnctl import demo.conf && vpnctl connect demo --wait\nvpnctl status; vpnctl monitor; vpnctl --help\n"
         f"ping {PUBLIC4} (a server on the lab's internet); nft list ruleset; ip rule\n"
         f"vpnctl exclude -- ping -c1 {PUBLIC4}; vpnctl split --help\nvpnctl disconnect")
    environment = lab.environment() | {"PATH": f"/run/vpnd-lab/bin:{os.environ['PATH']}"}
    subprocess.run(lab.host.argv("bash", "--rcfile", "/run/vpnd-lab/bashrc", "-i"), pass_fds=(lab.host.net_fd, lab.host.mount_fd), env=environment, check=False)


def main():
    words = sys.argv[1:]
    if words not in ([], ["--shell"]):
        sys.exit("usage: ./run demo [--shell]")
    try:
        with Lab() as lab:
            (shell if words else tour)(lab)
    except Untrue as error:
        sys.exit(f"\ndemo: {error}")
    return 0


if __name__ == "__main__":
    sandbox.run_session(main)
