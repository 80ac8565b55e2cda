#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A caller of the service, run as any user: reads one JSON job from stdin, writes one JSON result to stdout.

calls:   performs a list of calls one after the other; each result is {"ok": text} or {"error": name, "message": text}
together: performs the calls all at once on one connection; results in the order of the calls, each with its time in seconds
hold:    opens N connections, sends one call on each, prints "held", and keeps them until stdin ends
leave:   N times: connects, sends one call, and closes the socket after 0 to 5 ms
own:     asks for a bus name; the result is the reply code, or the error
"""
import json
import random
import sys
import threading
import time

from gi.repository import Gio, GLib

FLAGS = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION


def connect(address):
    return Gio.DBusConnection.new_for_address_sync(address, FLAGS, None, None)


def body(call):
    return GLib.Variant.parse(GLib.VariantType.new(call["signature"]), call["text"], None, None) if call.get("signature") else None


def message(call):
    made = Gio.DBusMessage.new_method_call(call.get("name", "org.vpnd1"), call.get("path", "/org/vpnd1"), call["interface"], call["member"])
    if call.get("signature"):
        made.set_body(body(call))
    if call.get("interactive"):
        made.set_flags(Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
    return made


def result_of(reply, started):
    took = time.monotonic() - started
    if reply.get_message_type() == Gio.DBusMessageType.ERROR:
        return {"error": reply.get_error_name(), "message": (reply.get_body().unpack() + ("",))[0] if reply.get_body() else "", "took": took}
    return {"ok": reply.get_body().print_(False) if reply.get_body() else "()", "took": took}


def perform(bus, call):
    started = time.monotonic()
    reply = bus.send_message_with_reply_sync(message(call), Gio.DBusSendMessageFlags.NONE, call.get("timeout", 30) * 1000, None)
    return result_of(reply[0] if isinstance(reply, tuple) else reply, started)


def together(bus, calls):
    loop, results, started = GLib.MainLoop(), [None] * len(calls), time.monotonic()

    def done(connection, outcome, at):
        results[at] = result_of(connection.send_message_with_reply_finish(outcome), started)
        if all(results):
            loop.quit()

    for at, call in enumerate(calls):
        bus.send_message_with_reply(message(call), Gio.DBusSendMessageFlags.NONE, 30000, None, done, at)
        if call.get("pause"):
            bus.flush_sync(None)
            threading.Event().wait(call["pause"])
    loop.run()
    return results


def leave(address, call, times):
    wait = threading.Event().wait
    for _ in range(times):
        bus = connect(address)
        bus.send_message(message(call), Gio.DBusSendMessageFlags.NONE)
        bus.flush_sync(None)
        wait(random.random() * 0.005)
        bus.close_sync(None)
    return times


def hold(address, call, number):
    buses = [connect(address) for _ in range(number)]
    for bus in buses:
        bus.send_message(message(call), Gio.DBusSendMessageFlags.NONE)
        bus.flush_sync(None)
    print(json.dumps("held"), flush=True)
    sys.stdin.read()
    return len(buses)


def main():
    address, job = sys.argv[1], json.loads(sys.stdin.readline())
    mode = job["mode"]
    if mode == "calls":
        bus = connect(address)
        result = [perform(bus, call) for call in job["calls"]]
    elif mode == "together":
        result = together(connect(address), job["calls"])
    elif mode == "leave":
        result = leave(address, job["call"], job["times"])
    elif mode == "hold":
        result = hold(address, job["call"], job["number"])
    print(json.dumps(result), flush=True)


main()
