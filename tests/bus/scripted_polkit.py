#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A polkit whose answers the test says: usage scripted_polkit.py ADDRESS. uid 0 is always authorized, as with the real one.

org.vpnd1.TestPolkit on the same object: SetAnswers(a{ss}) with action -> "yes", "no", "challenge", "wait" or "slow:MS" ("*" for
all others), Asked() -> (action, flags) of the questions about other users than root since SetAnswers, Waiting() -> their number.
"""
import os
import pwd
import sys

os.setgid(pwd.getpwnam("polkitd").pw_gid)
os.setuid(pwd.getpwnam("polkitd").pw_uid)

from gi.repository import Gio, GLib  # noqa: E402

XML = """<node>
<interface name='org.freedesktop.PolicyKit1.Authority'>
  <method name='CheckAuthorization'><arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>
    <arg type='u' direction='in'/><arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/></method>
  <method name='CancelCheckAuthorization'><arg type='s' direction='in'/></method>
  <property name='BackendName' type='s' access='read'/><property name='BackendVersion' type='s' access='read'/>
  <property name='BackendFeatures' type='u' access='read'/><signal name='Changed'/>
</interface>
<interface name='org.vpnd1.TestPolkit'>
  <method name='SetAnswers'><arg type='a{ss}' direction='in'/></method>
  <method name='Asked'><arg type='a(su)' direction='out'/></method>
  <method name='Waiting'><arg type='u' direction='out'/></method>
</interface></node>"""


class Polkit:
    def __init__(self, bus):
        self.bus, self.answers, self.asked, self.waiting = bus, {"*": "no"}, [], {}

    def uid_of(self, name):
        try:
            return self.bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                                      GLib.Variant("(s)", (name,)), None, 0, 1000, None).unpack()[0]
        except GLib.Error:
            return -1

    @staticmethod
    def reply(invocation, authorized, challenge=False):
        invocation.return_value(GLib.Variant("((bba{ss}))", ((authorized, challenge, {}),)))
        return GLib.SOURCE_REMOVE

    def check(self, invocation, subject, action, flags, cancel_id):
        kind, details = subject
        if kind == "system-bus-name" and self.uid_of(details["name"]) == 0:
            self.reply(invocation, True)
            return
        self.asked.append((action, flags))
        answer = self.answers.get(action, self.answers.get("*", "no")) if kind == "system-bus-name" else "no"
        if answer == "wait":
            self.waiting[cancel_id] = invocation
        elif answer.startswith("slow:"):
            GLib.timeout_add(int(answer[5:]), self.reply, invocation, True)
        else:
            self.reply(invocation, answer == "yes", answer == "challenge")

    def cancel(self, invocation, cancel_id):
        waiting = self.waiting.pop(cancel_id, None)
        if waiting:
            waiting.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "cancelled")
        invocation.return_value(None)

    def on_call(self, _bus, _sender, _path, _interface, method, parameters, invocation):
        values = parameters.unpack()
        if method == "CheckAuthorization":
            self.check(invocation, values[0], values[1], values[3], values[4])
        elif method == "CancelCheckAuthorization":
            self.cancel(invocation, values[0])
        elif method == "SetAnswers":
            self.answers, self.asked = values[0], []
            invocation.return_value(None)
        elif method == "Asked":
            invocation.return_value(GLib.Variant("(a(su))", (self.asked,)))
        elif method == "Waiting":
            invocation.return_value(GLib.Variant("(u)", (len(self.waiting),)))

    @staticmethod
    def on_get(_bus, _sender, _path, _interface, name):
        return GLib.Variant("u", 0) if name == "BackendFeatures" else GLib.Variant("s", "scripted")


def main():
    bus = Gio.DBusConnection.new_for_address_sync(
        sys.argv[1], Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
    polkit = Polkit(bus)
    for interface in Gio.DBusNodeInfo.new_for_xml(XML).interfaces:
        bus.register_object("/org/freedesktop/PolicyKit1/Authority", interface, polkit.on_call, polkit.on_get, None)
    Gio.bus_own_name_on_connection(bus, "org.freedesktop.PolicyKit1", Gio.BusNameOwnerFlags.NONE, None, None)
    GLib.MainLoop().run()


main()
