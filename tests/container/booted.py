# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab around a Debian system that systemd-nspawn has booted: real systemd, bus, polkit, logind and resolved on the host."""
import os
import pathlib
import shutil
import subprocess

import lab
import roots
import sandbox


class BootedNode(sandbox.Node):
    """The host: its network is the lab's, everything else is the container's."""
    leader = None

    def argv(self, *command):
        if self.leader is None:
            return super().argv(*command)
        return ["nsenter", f"--target={self.leader}", "--mount", "--net", "--pid", "--uts", "--ipc", "--wd=/", *map(str, command)]


class BootedLab(lab.Lab):
    packages = roots.SYSTEM
    nspawn_options = ()  # more rights than a container has as a rule

    def __init__(self):
        self.deb = roots.package()
        super().__init__()

    def _make_nodes(self, resolv_conf):
        self.root = roots.overlay(self._base(), self.scratch.path)
        (self.root / "etc/resolv.conf").unlink(missing_ok=True)
        self._prepare_root()
        shutil.copy(self.deb, self.root / "root/vpnd.deb")
        (self.root / "root/host").mkdir()
        wan_run = self.scratch.folder("wan-run")
        (wan_run / "wireguard").mkdir()
        self.host = BootedNode("host")
        self.lan = sandbox.Node("lan")
        self.wan = sandbox.Node("wan", [(wan_run, "/run")])
        self.wan_run = wan_run
        self.nodes += [self.host, self.lan, self.wan]

    def _base(self):
        """What is installed."""
        return roots.root(self.packages)

    def _prepare_root(self):
        """What an administrator has set before the boot."""
        (self.root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")

    def _booted(self):
        """What he does after it."""
        self.host.run("resolvectl", "dns", "eth0", lab.OUTSIDE_DNS4)

    def _start_bus(self, with_polkit):
        """Boots the system."""
        self.host_run = self.scratch.path / "unused-run"
        self.console = self.scratch.path / "console.log"
        with open(self.console, "wb") as console:
            nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--capability=all", "--bind=/dev/net/tun", "--boot", "--console=pipe",
                 *self.nspawn_options, "--resolv-conf=off", "--timezone=off", "--link-journal=no", f"--directory={self.root}", f"--network-namespace-path=/proc/{os.getpid()}/fd/{self.host.net_fd}",
                 "systemd.unit=multi-user.target", "systemd.log_target=journal"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, pass_fds=(self.host.net_fd,), env=roots.NSPAWN_ENVIRONMENT)
        self.host.processes.append(nspawn)

        def leader():
            if nspawn.poll() is not None:
                raise RuntimeError(f"systemd-nspawn ended with {nspawn.returncode}:\n{self.console.read_text(errors='replace')}")
            for pid in pathlib.Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text(encoding="ascii").split():
                try:
                    if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "systemd":
                        return pid
                except FileNotFoundError:
                    continue
            return None
        self.host.leader = sandbox.wait_until(leader, 30, "the container's systemd")

        def running():
            done = self.host.run("systemctl", "is-system-running", check=False)
            return done.stdout.strip() in ("running", "degraded")
        sandbox.wait_until(running, 120, "the container has booted")
        self._booted()

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

    def install(self):
        """Installs the package as ./run install does; everything it depends on is in the root."""
        self.host.run("dpkg", "-i", "/root/vpnd.deb", timeout=120)
        self.vpnctl_path = "/usr/bin/vpnctl"

    def journal(self):
        return self.host.run("journalctl", "--no-pager", "-o", "short-monotonic", "-u", "vpnd", check=False).stdout

    def resolv_conf(self):
        return "".join(self.host.run("resolvectl", word, check=False).stdout for word in ("dns", "domain", "default-route", "dnsovertls"))

    def snapshot(self):
        found = super().snapshot()
        found.pop("run")
        return found

    def vpnctl(self, *words, check=True, **options):
        done = super().vpnctl(*words, check=False, **options)
        if check and done.returncode:
            raise AssertionError(f"vpnctl {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}\njournal:\n{self.journal()}")
        return done

    def wait_state(self, state, timeout=30):
        return sandbox.wait_until(lambda: (lambda s: s if s["state"] == state else None)(self.status()), timeout, f"state {state}:\n{self.journal()}")

    def close(self):
        if getattr(getattr(self, "host", None), "leader", None):
            os.kill(int(self.host.leader), 9)
        super().close()


KEYFILE = f"""[connection]
id=lan
uuid=6f3b4a2e-6c5f-4f0e-9a3b-3f6d1c2b7a10
type=ethernet
interface-name=eth0
autoconnect=false
[ipv4]
method=manual
address1={lab.HOST4}/24,{lab.GATEWAY4}
dns={lab.OUTSIDE_DNS4};
[ipv6]
method=manual
addr-gen-mode=eui64
address1={lab.HOST6}/64,{lab.GATEWAY6}
dns={lab.OUTSIDE_DNS6};
"""


class ManagedLab(BootedLab):
    """A host whose only network is NetworkManager's. with_resolved: names are systemd-resolved's, which NetworkManager feeds; else NetworkManager writes
    resolv.conf itself."""
    packages = roots.MANAGERS

    def __init__(self, with_resolved):
        self.with_resolved = with_resolved
        super().__init__()

    def _prepare_root(self):
        etc = self.root / "etc"
        if self.with_resolved:
            super()._prepare_root()
        else:
            (etc / "systemd/system/systemd-resolved.service").symlink_to("/dev/null")
            (etc / "resolv.conf").write_text("# the installer's\n", encoding="ascii")
        (etc / "NetworkManager/conf.d/lab.conf").write_text("[device-lab]\nmatch-device=interface-name:eth0\nmanaged=1\n", encoding="ascii")  # it leaves a veth alone
        if not self.with_resolved:  # resolved's package has a resolvconf that is resolvectl, which NetworkManager takes for one
            (etc / "NetworkManager/conf.d/dns.conf").write_text("[main]\ndns=default\nrc-manager=symlink\n", encoding="ascii")
        keyfile = etc / "NetworkManager/system-connections/lan.nmconnection"
        keyfile.write_text(KEYFILE, encoding="ascii")
        keyfile.chmod(0o600)

    def _booted(self):
        self.host.run("nmcli", "--wait", "20", "connection", "up", "lan")
        sandbox.wait_until(lambda: "tentative" not in self.host.run("ip", "-6", "addr").stdout, sandbox.SOON_S, "IPv6 addresses of the host")

    def resolv_conf(self):
        found = self.host.run("sh", "-c", "readlink /etc/resolv.conf; cat /etc/resolv.conf").stdout
        return found + (super().resolv_conf() if self.with_resolved else self.global_dns())

    def global_dns(self):
        return self.host.run("busctl", "get-property", "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager",
                             "GlobalDnsConfiguration", check=False).stdout
