# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real systemd-resolved on the lab's host, without systemd: the program of the package, on the lab's own bus, as the user it drops to."""
import subprocess

import debs
import sandbox
from lab import OUTSIDE_DNS4

UID = 971
CONF = "[Resolve]\nDNS={servers}\nFallbackDNS=\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\nCache=no\n"
PROGRAM = "/usr/lib/systemd/systemd-resolved"


class Resolved:
    def __init__(self, lab, servers=(OUTSIDE_DNS4,)):
        """Makes it the host's resolver, and starts it."""
        self.lab, self.process = lab, None
        debs.give(lab, "systemd-resolved", "libsystemd-shared")
        lab.host.run("sh", "-c", f"echo systemd-resolve:x:{UID}:{UID}::/:/usr/sbin/nologin >> /etc/passwd; echo systemd-resolve:x:{UID}: >> /etc/group; "
                                 "mkdir -p /etc/systemd /run/systemd/resolve; chown systemd-resolve: /run/systemd/resolve; cat > /etc/systemd/resolved.conf; ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf", input=CONF.format(servers=" ".join(servers)))
        lab.bus_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ReloadConfig")
        self.start()

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"systemd-resolved ended with {self.process.returncode}:\n{self.log()}")
        return self.ctl("dns", check=False).returncode == 0

    def start(self, ready=True):
        with open(self.lab.scratch.path / "resolved.log", "ab") as log:
            self.process = self.lab.host.start(PROGRAM, stdout=log, stderr=subprocess.STDOUT, env=self.lab.environment())
        if ready:
            sandbox.wait_until(self.is_ready, 20, f"systemd-resolved answers:\n{self.log()}")

    def kill(self, forgets=False):
        """forgets: what it was told of links, which it keeps in its runtime directory, is lost."""
        self.process.kill()
        self.process.wait(10)
        if forgets:
            self.lab.host.run("rm", "-rf", "/run/systemd/resolve/netif")

    def restart(self, forgets=False):
        self.kill(forgets)
        self.start()

    def ctl(self, *words, check=True):
        return self.lab.host.run("resolvectl", "--no-pager", *words, check=check, env=self.lab.environment())

    def link(self, what, device):
        """The words that resolvectl has for the link; none while it cannot be asked."""
        done = self.ctl(what, device, check=False)
        return done.stdout.split(":", 1)[1].split() if done.returncode == 0 and ":" in done.stdout else []

    def log(self):
        return (self.lab.scratch.path / "resolved.log").read_text(encoding="utf-8", errors="replace")
