# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: host (vpnd, its bus, polkit) - lan (router, attacker, captures every frame) - wan (WireGuard peer, echo, DNS).

    host 198.51.100.2, 2001:db8:1::2  <->  lan .1, ::1   lan 203.0.113.1, 2001:db8:2::1  <->  wan 203.0.113.2, 2001:db8:2::2

The addresses look public and exist only inside these namespaces. Never touches the machine's own network.
"""
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import capture
import sandbox
import services
from bus_config import bus_config

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
PYTHON = "/usr/bin/python3"

HOST4, HOST6, GATEWAY4, GATEWAY6 = "198.51.100.2", "2001:db8:1::2", "198.51.100.1", "2001:db8:1::1"
PEER4, PEER6, PEER_PORT = "203.0.113.2", "2001:db8:2::2", 51820
PUBLIC4, PUBLIC6 = "203.0.113.7", "2001:db8:2::7"         # an ordinary server on the internet
OUTSIDE_DNS4, OUTSIDE_DNS6, OTHER_DNS4 = "203.0.113.53", "2001:db8:2::53", "203.0.113.54"
PRIVATE4 = "10.1.2.3"                                      # a private address behind the router, as a LAN has
TUNNEL_HOST4, TUNNEL_HOST6 = "10.64.0.2", "fd00:64::2"
TUNNEL_PEER4, TUNNEL_PEER6 = "10.64.0.1", "fd00:64::1"     # echo and DNS at the far end of the tunnel
DEAD4 = "203.0.113.99"                                     # nobody answers there
ECHO_PORT = 1337
IS_SANITIZED = bool(os.environ.get("VPND_SANITIZED"))      # the build is looked at for memory errors; the wire is looked at with the other one
NOBODY = 65534

RESOLV_CONF = f"# written by the lab, must come back byte for byte\nnameserver {OUTSIDE_DNS4}\nsearch lab.example\n\n"


def built(*names):
    """The first of these files that the build has made or the tree has."""
    build = pathlib.Path(os.environ.get("VPND_BUILD_DIR", SOURCE / "build"))
    for name in names:
        for base in (build, SOURCE):
            if (base / name).is_file():
                return base / name
    raise FileNotFoundError(f"none of {', '.join(names)} in {build} or {SOURCE}: build first (./run build)")


class Daemon:
    """One run of vpnd on the host."""

    def __init__(self, lab, argv=(), env=None):
        self.lab, self.is_ready = lab, False
        self.log_path = lab.scratch.path / f"vpnd-{len(lab.daemons)}.log"
        name = f"vpnd-lab/notify-{next(lab.numbers)}"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.notify.bind(str(lab.host_run / name))
        lab.closers.append(self.notify.close)
        environment = lab.environment() | {"NOTIFY_SOCKET": f"/run/{name}"} | (env or {})
        with open(self.log_path, "wb") as log:
            self.process = lab.host.start(lab.vpnd, *argv, env=environment, stdout=log, stderr=subprocess.STDOUT)
        lab.daemons.append(self)

    def wait_ready(self, timeout=sandbox.SOON_S):
        """Waits until the daemon says what systemd waits for: it has its name, and what the run before left is dealt with."""
        def is_ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"vpnd ended with {self.process.returncode}:\n{self.log()}")
            with contextlib.suppress(BlockingIOError):
                self.is_ready = self.is_ready or b"READY=1" in self.notify.recv(4096).split(b"\n")
            return self.is_ready
        sandbox.wait_until(is_ready, timeout, f"vpnd is ready; its log:\n{self.log()}")
        return self

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def kill(self):
        """SIGKILL: the crash."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, number=signal.SIGTERM, timeout=sandbox.SOON_S):
        """Asks the daemon to end and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)


def sorted_ruleset(text):
    """A listing of nft(8) without the order of chains and sets in each table: it tells when each was made, and nothing else."""
    tables = []
    for table in re.split(r"(?m)^(?=table )", text):
        head, *blocks = re.split(r"(?m)^(?=\t(?:chain|set|map) )", table.rstrip().removesuffix("}"))
        tables.append(head + "\n".join(sorted(block.rstrip() for block in blocks)))
    return "\n".join(tables)


class Lab:
    def __init__(self, resolv_conf="file", with_polkit=True, sysctls=()):
        """resolv_conf: "file" (an ordinary file in /etc), "bind" (a mount, as containers have) or "none"."""
        self.scratch = sandbox.Scratch()
        self.nodes, self.daemons, self.closers = [], [], []
        self.numbers = itertools.count()
        self.vpnd = self.vpnctl_path = None
        try:
            self._make_nodes(resolv_conf)
            for key, value in sysctls:
                self.host.sysctl(key, value)
            self._make_links()
            self._make_keys()
            self._start_peer()
            self.services = services.Services(self.wan, ECHO_PORT, [PEER4, PEER6, PUBLIC4, PUBLIC6, TUNNEL_PEER4, TUNNEL_PEER6],
                                              [OUTSIDE_DNS4, OUTSIDE_DNS6, OTHER_DNS4, TUNNEL_PEER4, TUNNEL_PEER6])
            self.closers.append(self.services.close)
            self.capture = capture.Capture(self.lan, "lan0", self.host, "eth0")
            self.closers.append(self.capture.close)
            self._start_bus(with_polkit)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- the machines

    def _make_nodes(self, resolv_conf):
        folder = self.scratch.folder
        self.host_run, wan_run = folder("host-run"), folder("wan-run")
        for name in ("dbus", "wireguard", "vpnd-lab/bus.d", "vpnd-lab/bin", "lock"):
            (self.host_run / name).mkdir(parents=True)
        (wan_run / "wireguard").mkdir()
        etc = self.scratch.path / "etc"
        subprocess.run(["cp", "-a", "/etc", etc], check=True)
        self.resolv_conf_path = etc / "resolv.conf"
        self.resolv_conf_path.unlink(missing_ok=True)
        binds = [(self.host_run, "/run"), (etc, "/etc")]
        if resolv_conf != "none":
            self.resolv_conf_path.write_text(RESOLV_CONF if resolv_conf == "file" else "", encoding="ascii")
        if resolv_conf == "bind":
            self.resolv_conf_path = self.scratch.path / "resolv.conf"
            self.resolv_conf_path.write_text(RESOLV_CONF, encoding="ascii")
            binds.append((self.resolv_conf_path, "/etc/resolv.conf"))
        actions = pathlib.Path("/usr/share/polkit-1/actions")
        if actions.is_dir():
            own = self.scratch.path / "actions"
            subprocess.run(["cp", "-a", actions, own], check=True)
            policy = self._optional("polkit/org.vpnd1.policy", "data/org.vpnd1.policy")
            if policy:
                shutil.copy(policy, own / "org.vpnd1.policy")
            binds.append((own, actions))
        self.host = self._node("host", binds)
        self.lan = self._node("lan", [])
        self.wan = self._node("wan", [(wan_run, "/run")])
        self.wan_run = wan_run

    def _node(self, name, binds):
        node = sandbox.Node(name, binds)
        self.nodes.append(node)
        return node

    @staticmethod
    def _optional(*names):
        try:
            return built(*names)
        except FileNotFoundError:
            return None

    def _make_links(self):
        for node in self.nodes:
            for key in ("all", "default"):
                node.sysctl(f"net.ipv6.conf.{key}.accept_ra", 0)
        for key in ("all", "default"):  # an address is usable at once: no duplicate detection among three machines that we made
            self.lan.sysctl(f"net.ipv6.conf.{key}.accept_dad", 0)
            self.wan.sysctl(f"net.ipv6.conf.{key}.accept_dad", 0)
        self.lan.sysctl("net.ipv4.ip_forward", 1)
        self.lan.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.host.sysctl("net.ipv6.conf.default.accept_dad", 0)  # for eth0 only: put back below
        self.host.sysctl("net.ipv4.ping_group_range", "0 2147483647")
        host, wan = f"/proc/self/fd/{self.host.net_fd}", f"/proc/self/fd/{self.wan.net_fd}"
        for device, peer, fd, path in (("lan0", "eth0", self.host.net_fd, host), ("wan0", "eth0", self.wan.net_fd, wan)):
            done = subprocess.run(self.lan.argv("ip", "link", "add", device, "type", "veth", "peer", "name", peer, "netns", path),
                                  pass_fds=(self.lan.net_fd, self.lan.mount_fd, fd), capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"cannot join the nodes: {done.stderr}")
        self.host.sysctl("net.ipv6.conf.default.accept_dad", 1)
        self.lan.ip(f"""addr add {GATEWAY4}/24 dev lan0
            addr add {GATEWAY6}/64 dev lan0 nodad
            addr add 203.0.113.1/24 dev wan0
            addr add 2001:db8:2::1/64 dev wan0 nodad
            addr add {PRIVATE4}/32 dev lo
            link set lan0 up
            link set wan0 up""")
        self.wan.ip("link set eth0 up\n" + "\n".join(
            [f"addr add {a}/24 dev eth0" for a in (PEER4, PUBLIC4, OUTSIDE_DNS4, OTHER_DNS4)]
            + [f"addr add {a}/64 dev eth0 nodad" for a in (PEER6, PUBLIC6, OUTSIDE_DNS6)]
            + ["route add default via 203.0.113.1", "route add default via 2001:db8:2::1"]))
        self.host.ip(f"""link set eth0 up
            addr add {HOST4}/24 dev eth0
            route add default via {GATEWAY4} dev eth0""")
        if self.host_has_ipv6():
            self.host.ip(f"addr add {HOST6}/64 dev eth0 nodad\nroute add default via {GATEWAY6} dev eth0")
            sandbox.wait_until(lambda: "tentative" not in self.host.run("ip", "-6", "addr").stdout, sandbox.SOON_S, "IPv6 addresses of the host")

    def host_has_ipv6(self):
        with self.host.net():
            return pathlib.Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").read_text(encoding="ascii").strip() == "0"

    # --- WireGuard at the far side

    def _make_keys(self):
        def key(*words, **options):
            return subprocess.run(["wg", *words], capture_output=True, text=True, check=True, **options).stdout.strip()
        self.peer_private, self.host_private, self.preshared = key("genkey"), key("genkey"), key("genpsk")
        self.peer_public = key("pubkey", input=self.peer_private)
        self.host_public = key("pubkey", input=self.host_private)

    def secrets(self):
        """The texts that may appear nowhere, in base64 and in hexadecimal (as the UAPI of WireGuard writes them)."""
        import base64
        keys = (self.host_private, self.preshared)
        return [*keys, *(base64.b64decode(k).hex() for k in keys)]

    def _start_peer(self):
        log = open(self.scratch.path / "peer.log", "wb")  # noqa: SIM115 - given to the process
        self.peer = self.wan.start("wireguard-go", "-f", "wg0", stdout=log, stderr=subprocess.STDOUT,
                                   env={"PATH": os.environ["PATH"], "WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"})
        log.close()
        socket_path = self.wan_run / "wireguard" / "wg0.sock"
        try:  # not by wg(8): it removes a socket that does not listen yet
            sandbox.wait_until(lambda: sandbox.listens(socket_path), 20, "wireguard-go of the peer listens")
        except TimeoutError as error:
            said = (self.scratch.path / "peer.log").read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"wireguard-go of the peer does not listen, its status is {self.peer.poll()}: {said}") from error
        config = (f"[Interface]\nPrivateKey = {self.peer_private}\nListenPort = {PEER_PORT}\n[Peer]\nPublicKey = {self.host_public}\n"
                  f"PresharedKey = {self.preshared}\nAllowedIPs = {TUNNEL_HOST4}/32, {TUNNEL_HOST6}/128\n")
        path = self.scratch.path / "peer.conf"
        path.write_text(config, encoding="ascii")
        self.wan.run("wg", "setconf", "wg0", path)
        self.wan.ip(f"""addr add {TUNNEL_PEER4}/24 dev wg0
            addr add {TUNNEL_PEER6}/64 dev wg0 nodad
            link set wg0 mtu 1420 up""")

    def silence_peer(self):
        """The peer is dead: nothing to it arrives, and it says nothing (a keepalive for what it got before would be a sign of life)."""
        self.wan.run("nft", "-f", "-", input="add table inet lab\n" + "".join(
            f"add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}\nadd rule inet lab {hook} udp {side} {PEER_PORT} drop\n"
            for hook, side in (("input", "dport"), ("output", "sport"))))

    def revive_peer(self):
        self.wan.run("nft", "delete", "table", "inet", "lab")

    def profile(self, endpoint=f"{PEER4}:{PEER_PORT}", dns=TUNNEL_PEER4, allowed="0.0.0.0/0, ::/0", extra=""):
        """The text of a provider's .conf for this lab."""
        dns_line = f"DNS = {dns}\n" if dns else ""
        return (f"[Interface]\nPrivateKey = {self.host_private}\nAddress = {TUNNEL_HOST4}/32, {TUNNEL_HOST6}/128\n{dns_line}{extra}\n"
                f"[Peer]\nPublicKey = {self.peer_public}\nPresharedKey = {self.preshared}\nAllowedIPs = {allowed}\nEndpoint = {endpoint}\n")

    # --- the host's services

    def environment(self):
        keep = {key: os.environ[key] for key in ("PATH", "LC_ALL", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TERM") if key in os.environ}
        classes = {"VPND_CGROUP_PATH": str(sandbox.session_cgroup())} if "VPND_LAB_CGROUP" in os.environ else {}
        return keep | classes | {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/dbus/system_bus_socket", "STATE_DIRECTORY": "/run/vpnd-lab/state",
                       "RUNTIME_DIRECTORY": "/run/vpnd", "LOGS_DIRECTORY": "/run/vpnd-lab/logs", "G_DEBUG": "fatal-criticals", "HOME": "/root"}

    def _start_bus(self, with_polkit):
        for name, mode in (("vpnd", 0o700), ("vpnd-lab/state", 0o700), ("vpnd-lab/logs", 0o750)):
            path = self.host_run / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        policy = self._optional("dbus/org.vpnd1.conf", "data/org.vpnd1.conf")
        if policy:
            shutil.copy(policy, self.host_run / "vpnd-lab/bus.d/org.vpnd1.conf")
        (self.host_run / "vpnd-lab/bus.conf").write_text(bus_config("/run/dbus/system_bus_socket", "/usr/share/dbus-1/system.d", "/run/vpnd-lab/bus.d"), encoding="ascii")
        self.bus = self.host.start("dbus-daemon", "--config-file=/run/vpnd-lab/bus.conf", "--nofork", "--nopidfile", "--nosyslog", "--print-address=1",
                                   stdout=subprocess.PIPE, stderr=open(self.scratch.path / "bus.log", "wb"))  # noqa: SIM115
        if not self.bus.stdout.readline():
            raise RuntimeError("dbus-daemon did not start: " + (self.scratch.path / "bus.log").read_text(encoding="utf-8"))
        if with_polkit:
            program = next((p for p in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd") if os.path.exists(p)), None)
            if not program:
                raise RuntimeError("polkitd is not installed")
            log = open(self.scratch.path / "polkit.log", "wb")  # noqa: SIM115
            self.polkit = self.host.start(program, "--no-debug", stdout=log, stderr=subprocess.STDOUT, env=self.environment() | {"G_DEBUG": ""})
            log.close()
            sandbox.wait_until(lambda: self.bus_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner",
                                                     "org.freedesktop.PolicyKit1").stdout.strip() == "(true,)", 20, "polkitd on the bus")

    def bus_call(self, destination, path, method, *arguments, uid=0):
        return self.host.run(*self.as_user(uid), "gdbus", "call", "--system", "--dest", destination, "--object-path", path, "--method", method, *arguments,
                             check=False, env=self.environment())

    @staticmethod
    def as_user(uid):
        return () if uid == 0 else ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--")

    def start_daemon(self, *argv, env=None, ready=True, program="service/vpnd"):
        """Starts vpnd, and waits until it is ready."""
        self.vpnd, self.vpnctl_path = built(program), built("cli/vpnctl")
        daemon = Daemon(self, argv, env)
        return daemon.wait_ready() if ready else daemon

    def vpnctl(self, *words, uid=0, check=True, timeout=60, input=None):  # noqa: A002
        done = self.host.run(*self.as_user(uid), self.vpnctl_path, *words, check=False, env=self.environment(), timeout=timeout, input=input)
        if check and done.returncode:
            raise AssertionError(f"vpnctl {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}\nlog of vpnd:\n{self.daemons[-1].log()}")
        return done

    def status(self):
        return json.loads(self.vpnctl("status", "--json").stdout)

    def wait_state(self, state, timeout=sandbox.SOON_S):
        """Waits for the state; returns the status."""
        def look():
            status = self.status()
            return status if status["state"] == state else None
        return sandbox.wait_until(look, timeout, f"state {state}; status {self.status()}\nlog of vpnd:\n{self.daemons[-1].log()}")

    def connect(self, name="demo", **options):
        """Imports the lab's profile and connects."""
        self.vpnctl("import", "-", name, input=self.profile(**options))
        self.vpnctl("connect", name, "--wait", "--timeout", "40")
        sandbox.wait_until(self._takes_answers, sandbox.SOON_S, "the routes of the tunnel's addresses")

    def _takes_answers(self):
        """Linux uses a new IPv6 address as a source some milliseconds before it takes packets to it (addrconf_dad_start()); what is answered sooner is lost."""
        def words(*command):
            return self.host.run("ip", "-6", "-o", *command, "dev", "vpnd0", check=False).stdout.split()
        return {word.partition("/")[0] for word in words("addr", "show", "scope", "global") if ":" in word and "/" in word} <= set(words("route", "show", "table", "local"))

    # --- what tests look at

    def probe(self, wants, uid=0, timeout=60):
        """Sends probes as a user's program; see probe.py."""
        done = self.host.run(*self.as_user(uid), PYTHON, "-c", (HERE / "probe.py").read_text(encoding="utf-8"), input=json.dumps(wants), timeout=timeout)
        return json.loads(done.stdout)

    def echo(self, address, kind="udp", wait=8000, **options):
        """Asks the echo server at the address; returns the address it saw us with, None without an answer."""
        if ":" in address:
            sandbox.wait_until(self._takes_answers, sandbox.SOON_S, "the routes of the tunnel's addresses")
        answer = self.probe([{"kind": kind, "address": address, "port": ECHO_PORT, "wait": wait, **options}])[0]
        return answer["reply"].removeprefix("you are ") if answer["reply"] else None

    def wait_until_works(self, source, timeout=30):
        """Waits until the public server answers through the tunnel again."""
        sandbox.wait_until(lambda: self.echo(PUBLIC4, wait=300) == source, timeout, f"traffic from {source}; status {self.status()}\n{self.daemons[-1].log()}")

    def begin_another_boot(self):
        """The next start finds what lies on disk, and no runtime directory; the copy of the ledger is one of the boot before."""
        copy = self.host_run / "vpnd-lab/state/ledger-copy.json"
        shutil.rmtree(self.host_run / "vpnd")
        if copy.exists():
            said = json.loads(copy.read_text(encoding="ascii"))
            assert said["boot"] == pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            copy.write_text(json.dumps(said | {"boot": "00000000-0000-0000-0000-000000000000"}), encoding="ascii")

    def kill_wireguard(self, number=signal.SIGKILL):
        """SIGKILL, or another signal, to the wireguard-go processes in the host's network (all of this session's process namespace)."""
        own = os.fstat(self.host.net_fd).st_ino
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                name = (entry / "comm").read_text(encoding="utf-8").strip()
                if name == "wireguard-go" and os.stat(entry / "ns/net").st_ino == own:
                    os.kill(int(entry.name), number)
            except (FileNotFoundError, ProcessLookupError):
                continue

    def host_mac(self):
        return self._mac(self.host, "eth0")

    def router_mac(self):
        return self._mac(self.lan, "lan0")

    @staticmethod
    def _mac(node, device):
        return bytes.fromhex(json.loads(node.run("ip", "-j", "link", "show", device).stdout)[0]["address"].replace(":", ""))

    def send_from_router(self, frames):
        """Sends frames as they are on the link to the host: the attacker on the LAN."""
        with self.lan.net():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
                sender.bind(("lan0", 0))
                for frame in frames:
                    sender.send(frame)

    def snapshot(self):
        """Everything vpnd may change on a host, as text by subject."""
        found = {"nft": sorted_ruleset(self.host.run("nft", "list", "ruleset").stdout)}
        for name, words in (("rule4", "-4 rule"), ("rule6", "-6 rule"), ("route4", "-4 route show table all"), ("route6", "-6 route show table all"),
                            ("addr", "addr"), ("link", "link")):
            done = self.host.run("ip", "-j", *words.split(), check=False)
            rows = json.loads(done.stdout or "[]")
            for row in rows:
                row.pop("linkinfo", None)
                for address in row.get("addr_info", []):
                    address.pop("valid_life_time", None)
                    address.pop("preferred_life_time", None)
            found[name] = "\n".join(sorted(json.dumps(row, sort_keys=True) for row in rows))
        with self.host.net():
            found["sysctl"] = "\n".join(self._sysctls())
        found["resolv.conf"] = self.resolv_conf()
        found["run"] = "\n".join(sorted(str(p.relative_to(self.host_run)) for p in (self.host_run / "wireguard").rglob("*")))
        return found

    @staticmethod
    def _sysctls():
        for family in ("ipv4", "ipv6"):
            for folder in (f"/proc/sys/net/{family}", f"/proc/sys/net/{family}/conf/all", f"/proc/sys/net/{family}/conf/default",
                           f"/proc/sys/net/{family}/conf/eth0", f"/proc/sys/net/{family}/conf/lo"):
                for path in sorted(pathlib.Path(folder).iterdir()) if os.path.isdir(folder) else ():
                    if path.is_file() and os.access(path, os.R_OK) and path.name not in ("stable_secret",):
                        try:
                            yield f"{path}={path.read_text(encoding='ascii').strip()}"
                        except OSError:
                            continue

    def resolv_conf(self):
        """How /etc/resolv.conf looks on the host: kind, mode, owner, bytes."""
        return self.host.run("sh", "-c", "if [ -e /etc/resolv.conf ]; then stat -c '%F %a %u %g' /etc/resolv.conf; cat /etc/resolv.conf; else echo absent; fi").stdout

    @staticmethod
    def difference(before, after):
        """A readable diff of two snapshots, "" if equal."""
        import difflib
        lines = []
        for key in sorted(before.keys() | after.keys()):
            lines += difflib.unified_diff(before.get(key, "").splitlines(), after.get(key, "").splitlines(), f"{key} before", f"{key} after", lineterm="", n=0)
        return "\n".join(lines)

    def outputs(self):
        """Every text that the host's services have written, by file."""
        found = {str(path): path.read_text(encoding="utf-8", errors="replace") for path in self.scratch.path.glob("*.log")}
        for path in (self.host_run / "vpnd-lab/logs").rglob("*"):
            if path.is_file():
                found[str(path)] = path.read_text(encoding="utf-8", errors="replace")
        return found

    def sanitizer_reports(self):
        """Also a message of the real kernel that was not understood."""
        pattern = re.compile(r"(ERROR: (Address|Leak|UndefinedBehavior)Sanitizer|runtime error:|CRITICAL|\*\*\* stack smashing|netlink that vpnd does not understand)")
        return [text for text in self.outputs().values() if pattern.search(text)]

    def close(self):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                try:
                    daemon.stop(timeout=10)
                except subprocess.TimeoutExpired:
                    daemon.kill()
        for closer in reversed(self.closers):
            closer()
        self.closers.clear()
        for node in reversed(self.nodes):
            node.close()
        self.nodes.clear()


def elapsed(since):
    return f"{(time.monotonic() - since) * 1000:.0f} ms"
