# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private bus with our policy file, a polkit on it, and the gate with its model engine behind it."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET

from gi.repository import Gio, GLib

import sandbox
from bus_config import bus_config

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ["VPND_SOURCE_DIR"])
POLICY = pathlib.Path(os.environ["VPND_POLICY"])
NOBODY = 65534
PRIVATE = "QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGE="
PRESHARED = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="
PUBLIC = "mcRFvuHRLiJW4LWH0GFwLSbwWSCzWvVAGDxMfAkVGkA="
ANNOTATION = "org.vpnd1.PolkitAction"
DAEMON, PROFILES, SETTINGS, PROPERTIES = "org.vpnd1.Daemon", "org.vpnd1.Profiles", "org.vpnd1.Settings", "org.freedesktop.DBus.Properties"
DIAGNOSTICS, SPLIT = "org.vpnd1.Diagnostics", "org.vpnd1.SplitTunnel"
CONFIG = {
    "allowedIPAddressRanges": [{"address": "0.0.0.0", "isIpv6": False, "range": 0}, {"address": "::", "isIpv6": True, "range": 0}],
    "deviceIpv4Address": "10.64.0.7/32", "deviceIpv6Address": "fc00:bbbb:bbbb:bb01::1:7/128", "dnsServer": "10.64.0.1", "hopType": "SingleHop",
    "privateKey": PRIVATE, "presharedKey": PRESHARED, "serverIpv4AddrIn": "192.0.2.10", "serverIpv6AddrIn": "2001:db8::10", "serverPort": 51820,
    "serverPublicKey": PUBLIC, "name": "by-activate"}
CONF = f"""[Interface]
PrivateKey = {PRIVATE}
Address = 10.64.0.7/32
DNS = 10.64.0.1
PostUp = touch /tmp/owned
[Peer]
PublicKey = {PUBLIC}
PresharedKey = {PRESHARED}
AllowedIPs = 0.0.0.0/0
Endpoint = 192.0.2.10:51820
"""


def text(value):
    """A string in GVariant's text format."""
    return GLib.Variant("s", value).print_(False)


def call(interface, member, signature="", body="", **options):
    return {"interface": interface, "member": member, "signature": signature, "text": body} | options


def activate(**changes):
    return call(DAEMON, "activate", "(s)", f"({text(json.dumps(CONFIG | changes))},)")


def import_call(name="demo", conf=CONF, replace=False):
    data = conf if isinstance(conf, bytes) else conf.encode()
    return call(PROFILES, "Import", "(sayb)", GLib.Variant("(sayb)", (name, data, replace)).print_(True))


def set_call(name, signature, body):
    return call(PROPERTIES, "Set", "(ssv)", f"('{SPLIT if name == 'Mode' else SETTINGS}', '{name}', <@{signature} {body}>)")


def contract():
    """Every member of the interface XML: (interface, kind, name, action, access)."""
    for interface in ET.parse(SOURCE / "dbus/org.vpnd1.xml").getroot().findall("interface"):
        for kind in ("method", "property"):
            for member in interface.findall(kind):
                actions = [a.get("value") for a in member.findall("annotation") if a.get("name") == ANNOTATION]
                yield interface.get("name"), kind, member.get("name"), actions[0] if len(actions) == 1 else None, member.get("access", "")


# Valid parameters for every method and every writable property. A member that is not here fails the test that lists the XML.
METHOD_CALLS = {
    (DAEMON, "activate"): activate(),
    (DAEMON, "deactivate"): call(DAEMON, "deactivate"),
    (DAEMON, "status"): call(DAEMON, "status"),
    (DAEMON, "getLogs"): call(DAEMON, "getLogs"),
    (DAEMON, "cleanupLogs"): call(DAEMON, "cleanupLogs"),
    (PROFILES, "Import"): import_call("other"),
    (PROFILES, "Export"): call(PROFILES, "Export", "(s)", "('demo',)"),
    (PROFILES, "List"): call(PROFILES, "List"),
    (PROFILES, "Remove"): call(PROFILES, "Remove", "(s)", "('demo',)"),
    (PROFILES, "Rename"): call(PROFILES, "Rename", "(ss)", "('demo', 'renamed')"),
    (PROFILES, "SetBridge"): call(PROFILES, "SetBridge", "(ssqu)", "('demo', '192.0.2.9:443/tcp', 1080, 998)"),
    (PROFILES, "Activate"): call(PROFILES, "Activate", "(s)", "('demo',)"),
    (PROFILES, "Reconnect"): call(PROFILES, "Reconnect"),
    (SETTINGS, "Reset"): call(SETTINGS, "Reset"),
    (SPLIT, "Add"): call(SPLIT, "Add", "(ssss)", "('path', '/usr/bin/env', 'excluded', '')"),
    (SPLIT, "AddOwn"): call(SPLIT, "AddOwn", "(ssss)", "('path', '/usr/bin/env', 'excluded', '')"),
    (SPLIT, "AddOwnApp"): call(SPLIT, "AddOwnApp", "(sasss)", "('org.x.Own', ['/usr/bin/env'], 'excluded', '')"),
    (SPLIT, "Remove"): call(SPLIT, "Remove", "(ss)", "('path', '/usr/bin/env')"),
    (SPLIT, "RemoveOwn"): call(SPLIT, "RemoveOwn", "(ss)", "('path', '/usr/bin/env')"),
    (SPLIT, "List"): call(SPLIT, "List"), (SPLIT, "Enter"): call(SPLIT, "Enter", "(s)", "('excluded',)"), (SPLIT, "Leave"): call(SPLIT, "Leave"),
    (SPLIT, "Processes"): call(SPLIT, "Processes"), (SPLIT, "ProcessesAll"): call(SPLIT, "ProcessesAll"),
    (DIAGNOSTICS, "Dns"): call(DIAGNOSTICS, "Dns"), (DIAGNOSTICS, "Routes"): call(DIAGNOSTICS, "Routes"),
    (DIAGNOSTICS, "Check"): call(DIAGNOSTICS, "Check"), (DIAGNOSTICS, "CheckAll"): call(DIAGNOSTICS, "CheckAll"),
}
WRITES = {
    "Lockdown": ("b", "true"), "AutoConnect": ("b", "true"), "AutoConnectProfile": ("s", "'demo'"), "AllowLan": ("b", "true"), "Ipv6": ("b", "false"),
    "Mtu": ("u", "1300"), "DnsServers": ("as", "['10.9.9.9']"), "DnsResolverUid": ("u", "970"), "ApiEndpoints": ("as", "['192.0.2.9:443/tcp']"), "Forward": ("as", "['docker0=direct']"), "CrashRecovery": ("s", "'reconnect'"), "Backend": ("s", "'kernel'"), "DestroySockets": ("b", "false"), "Mode": ("s", "'include'"),
}


def error_name(word):
    return "org.vpnd1.Error." + word


class Rig:
    def __init__(self, speed=1, polkit="scripted"):
        self.scratch = sandbox.Scratch().path
        self.socket = self.scratch / "bus"
        self.address = f"unix:path={self.socket}"
        self.children = []
        (self.scratch / "bus.conf").write_text(bus_config(self.socket, "/usr/share/dbus-1/system.d", SOURCE / "dbus/org.vpnd1.conf"), encoding="ascii")
        self.env = {k: os.environ[k] for k in ("PATH", "LC_ALL", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS") if k in os.environ}
        self.env |= {"DBUS_SYSTEM_BUS_ADDRESS": self.address, "HOME": "/", "MALLOC_PERTURB_": "85"}
        if "VPND_LAB_CGROUP" in os.environ:  # the classes of sessions side by side are not the same, and go with the session
            self.env["VPND_CGROUP_PATH"] = str(sandbox.session_cgroup())
        self.bus_process = self.start("dbus-daemon", f"--config-file={self.scratch}/bus.conf", "--nofork", "--nopidfile", "--nosyslog",
                                      "--print-address=1", stdout=subprocess.PIPE)
        assert self.bus_process.stdout.readline(), "dbus-daemon did not start"
        self.bus = Gio.DBusConnection.new_for_address_sync(
            self.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.bus.set_exit_on_close(False)
        self.polkit = None
        if polkit == "scripted":
            self.start_polkit(sys.executable, HERE / "scripted_polkit.py", self.address)
        elif polkit == "real":
            self.bind_actions()
            self.start_real_polkit()
        for name in ("state", "runtime"):
            (self.scratch / name).mkdir(mode=0o700)
        self.log = self.scratch / "daemon.log"
        with open(self.log, "wb") as log:
            self.daemon = self.start(os.environ["VPND_GATE_DAEMON"], self.scratch / "state", self.scratch / "runtime", str(speed),
                                     stdout=subprocess.PIPE, stderr=log, extra={"G_DEBUG": "fatal-criticals", "VPND_CLASSIFIER_SOCKET": str(self.scratch / "classifier")})
        assert self.daemon.stdout.readline() == b"ready\n", self.log.read_text(encoding="utf-8")
        self.signals = []
        self.bus.signal_subscribe("org.vpnd1", None, None, None, None, Gio.DBusSignalFlags.NONE, self._on_signal)

    def _on_signal(self, _bus, _sender, path, interface, member, parameters):
        self.signals.append((interface, member, parameters, path))

    def start(self, *argv, extra=None, **options):
        process = subprocess.Popen([str(a) for a in argv], env=self.env | (extra or {}), **options)
        self.children.append(process)
        return process

    def bind_actions(self):
        """Only this session sees these actions and these (no) rules: its mount namespace is its own."""
        actions, rules = self.scratch / "actions", self.scratch / "rules"
        actions.mkdir()
        rules.mkdir()
        os.chown(rules, pwd.getpwnam("polkitd").pw_uid, -1)
        shutil.copy(POLICY, actions / "org.vpnd1.policy")
        sandbox.mount(actions, "/usr/share/polkit-1/actions", flags=sandbox.MS_BIND)
        sandbox.mount(rules, "/etc/polkit-1/rules.d", flags=sandbox.MS_BIND)
        sandbox.mount(rules, "/usr/share/polkit-1/rules.d", flags=sandbox.MS_BIND)

    def start_real_polkit(self):
        program = next(p for p in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd") if os.path.exists(p))
        self.start_polkit(program, "--no-debug")

    def start_polkit(self, *argv):
        self.polkit = self.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sandbox.wait_until(lambda: self.has_owner("org.freedesktop.PolicyKit1"), 20, "polkit on the bus")

    def stop_polkit(self):
        self.polkit.kill()
        self.polkit.wait()
        sandbox.wait_until(lambda: not self.has_owner("org.freedesktop.PolicyKit1"), 20, "polkit to be gone")

    def start_classifier(self):
        self.start(os.environ["VPND_CLASSIFIER"], "--socket", self.scratch / "classifier", "--mountinfo", "/proc/self/mountinfo")
        sandbox.wait_until((self.scratch / "classifier").exists, 10, "vpnd-classifier listens")

    def has_owner(self, name):
        return self.ask("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", GLib.Variant("(s)", (name,)))[0]

    def ask(self, name, path, interface, member, parameters=None, timeout=30000):
        reply = self.bus.call_sync(name, path, interface, member, parameters, None, Gio.DBusCallFlags.NONE, timeout, None)
        return reply.unpack()

    def root(self, interface, member, parameters=None):
        return self.ask("org.vpnd1", "/org/vpnd1", interface, member, parameters)

    # --- the scripted polkit

    def _test_polkit(self, member, parameters=None):
        return self.ask("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.vpnd1.TestPolkit", member, parameters)

    def answers(self, **by_action):
        """answers(any="no", read="yes"): what polkit says to others than root; forgets what it was asked."""
        table = {("*" if key == "any" else "org.vpnd1." + key): value for key, value in by_action.items()}
        self._test_polkit("SetAnswers", GLib.Variant("(a{ss})", (table,)))

    def asked(self):
        return self._test_polkit("Asked")[0]

    def waiting(self):
        return self._test_polkit("Waiting")[0]

    # --- callers

    def client(self, job, uid=NOBODY):
        process = self.start("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", sys.executable, HERE / "client.py", self.address,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        return process

    def _result(self, job, uid):
        process = self.client(job, uid)
        out, _ = process.communicate(timeout=100)
        assert process.returncode == 0, "the client failed"
        return json.loads(out)

    def calls(self, *calls, uid=NOBODY):
        return self._result({"mode": "calls", "calls": calls}, uid)

    def together(self, *calls, uid=NOBODY):
        return self._result({"mode": "together", "calls": calls}, uid)

    # --- what the service shows to root

    def status(self):
        return json.loads(self.root(DAEMON, "status")[0])

    def changes(self):
        return int(self.status()["detail"])

    def snapshot(self):
        """Everything that a call could change."""
        logs = self.root(DAEMON, "getLogs")[0]
        files = sorted((str(p.relative_to(self.scratch)), p.read_bytes()) for p in (self.scratch / "state").rglob("*") if p.is_file())
        return (self.status(), self.root(PROFILES, "List"), self.root(PROPERTIES, "GetAll", GLib.Variant("(s)", (SETTINGS,))),
                "planted line" in logs, files)

    def settle(self):
        """Takes in every signal that was sent before now."""
        self.root(DAEMON, "status")
        while GLib.MainContext.default().iteration(False):
            pass

    def alive(self):
        return self.daemon.poll() is None

    def close(self):
        for process in reversed(self.children):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM if process is self.daemon else signal.SIGKILL)
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
            process.wait()
        assert self.daemon.returncode in (0, 3), f"the gate ended with {self.daemon.returncode}:\n{self.log.read_text(encoding='utf-8')}"
