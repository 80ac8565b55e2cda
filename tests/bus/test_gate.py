# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call what: every member of the interface XML, by an unprivileged user, under several answers of polkit."""
import json

import pytest
from gi.repository import GLib

import rig as rigs
from rig import DAEMON, PROFILES, PROPERTIES, SETTINGS, call, error_name, set_call


def member_calls():
    """Each member of the XML as (action, call); a readable property twice, a writable one also as a write."""
    for interface, kind, name, action, access in rigs.contract():
        if kind == "method":
            yield action, rigs.METHOD_CALLS[interface, name]
            continue
        if access != "write":
            yield ("org.vpnd1.read" if access == "readwrite" else action), call(PROPERTIES, "Get", "(ss)", f"('{interface}', '{name}')")
        if access != "read":
            yield action, set_call(name, *rigs.WRITES[name])


MEMBERS = list(member_calls())


def batches(size=12):
    """Fewer than the calls of a burst at a time, so that no answer is about the quota."""
    return [MEMBERS[i:i + size] for i in range(0, len(MEMBERS), size)]


def value_of(result):
    """What Get returned, unpacked."""
    return GLib.Variant.parse(None, result["ok"], None, None).unpack()[0]


def written(body):
    return GLib.Variant.parse(None, body, None, None).unpack()


@pytest.fixture(name="loaded")
def loaded_fixture(rig):
    assert "ok" in rig.calls(rigs.import_call("demo"), uid=0)[0]
    return rig


def test_denied_is_denied_and_changes_nothing(loaded):
    loaded.answers(any="no")
    before = loaded.snapshot()
    for batch in batches():
        for (action, one), result in zip(batch, loaded.calls(*(c for _a, c in batch))):
            if action == "none":
                assert "ok" in result, (one, result)
            else:
                assert result.get("error") == error_name("NotAuthorized"), (one, result)
    assert loaded.snapshot() == before


def test_a_reader_only_reads(loaded):
    loaded.answers(any="no", read="yes")
    before = loaded.snapshot()
    for batch in batches():
        for (action, one), result in zip(batch, loaded.calls(*(c for _a, c in batch))):
            if action in ("none", "org.vpnd1.read"):
                assert "ok" in result, (one, result)
            else:
                assert result.get("error") == error_name("NotAuthorized"), (one, result)
    assert loaded.snapshot() == before


def test_each_member_asks_for_its_own_action(loaded):
    loaded.answers(any="no")
    for action, one in MEMBERS:
        loaded.answers(any="no")
        loaded.calls(one)
        assert [a for a, _flags in loaded.asked()] == ([] if action == "none" else [action]), one


def test_get_all_of_each_interface(loaded):
    loaded.answers(any="no")
    daemon, settings = loaded.calls(call(PROPERTIES, "GetAll", "(s)", f"('{DAEMON}',)"), call(PROPERTIES, "GetAll", "(s)", f"('{SETTINGS}',)"))
    assert "'State': <'disconnected'>" in daemon["ok"]
    assert settings["error"] == error_name("NotAuthorized")
    loaded.answers(any="no", read="yes")
    assert "'Lockdown': <false>" in loaded.calls(call(PROPERTIES, "GetAll", "(s)", f"('{SETTINGS}',)"))[0]["ok"]


def get_call(name):
    return call(PROPERTIES, "Get", "(ss)", f"('{rigs.SPLIT if name == 'Mode' else SETTINGS}', '{name}')")


def test_granted_is_done(loaded):
    loaded.answers(any="yes")
    for name, (signature, body) in rigs.WRITES.items():
        done, read = loaded.calls(set_call(name, signature, body), get_call(name))
        assert done.get("ok") == "()", (name, done)
        assert value_of(read) == written(body)
    results = loaded.calls(call(SETTINGS, "Reset"), rigs.METHOD_CALLS[PROFILES, "Activate"], rigs.METHOD_CALLS[PROFILES, "Reconnect"],
                           rigs.METHOD_CALLS[PROFILES, "Remove"], rigs.METHOD_CALLS[PROFILES, "Rename"], rigs.METHOD_CALLS[PROFILES, "Export"],
                           call(DAEMON, "deactivate"), rigs.METHOD_CALLS[PROFILES, "Rename"], call(PROFILES, "Remove", "(s)", "('renamed',)"),
                           call(PROFILES, "Reconnect"), call(DAEMON, "cleanupLogs"), call(DAEMON, "getLogs"))
    in_use = error_name("Exists")
    assert [r.get("error") for r in results] == [None, None, None, in_use, in_use, None, None, None, None, error_name("NotConnected"), None, None]
    assert "planted line" not in results[-1]["ok"]
    assert loaded.root(PROPERTIES, "Get", GLib.Variant("(ss)", (SETTINGS, "Mtu")))[0] == 0


def test_keys_never_leave(loaded):
    loaded.answers(any="yes")
    loaded.calls(rigs.activate())
    results = loaded.calls(*(c for _a, c in MEMBERS if c["member"] in ("status", "List", "Export", "getLogs", "Get")), import_again())
    exported = loaded.root(PROFILES, "Export", GLib.Variant("(s)", ("demo",)))[0]
    everything = json.dumps(results) + bytes(exported).decode() + loaded.log.read_text(encoding="utf-8")
    for secret in (rigs.PRIVATE, rigs.PRESHARED):
        assert secret not in everything
    assert b"# PrivateKey = (hidden)" in bytes(exported)
    assert rigs.PUBLIC.encode() in bytes(exported)


def import_again():
    return rigs.import_call("demo", replace=True)


def test_dialogs_only_where_they_are_wanted(loaded):
    """Bit 0 of polkit's flags allows a dialog: members of the original protocol always, others if the message says so, status never."""
    cases = [(call(DAEMON, "status"), 0), (rigs.activate(), 1), (call(DAEMON, "deactivate"), 1), (call(DAEMON, "getLogs"), 1),
             (call(PROFILES, "List"), 0), (call(PROFILES, "Reconnect", interactive=True), 1), (set_call("Lockdown", "b", "true") | {"interactive": True}, 1),
             (call(DAEMON, "status", interactive=True), 0)]
    for one, flags in cases:
        loaded.answers(any="no")
        loaded.calls(one)
        assert [f for _a, f in loaded.asked()] == [flags], one


def test_object_is_introspectable(rig):
    results = rig.calls(call("org.freedesktop.DBus.Introspectable", "Introspect"), call("org.freedesktop.DBus.Peer", "Ping"),
                        call("org.freedesktop.DBus.Introspectable", "Introspect", path="/"))
    for word in (DAEMON, PROFILES, SETTINGS, PROPERTIES, "activate", "AutoConnectProfile", rigs.ANNOTATION):
        assert word in results[0]["ok"]
    assert results[1]["ok"] == "()"
    assert "org" in results[2]["ok"]


def test_unknown_members(rig):
    rig.answers(any="yes")
    results = rig.calls(call(DAEMON, "Activate"), call("org.vpnd1.Nothing", "x"), call(PROPERTIES, "Get", "(ss)", f"('{DAEMON}', 'Nothing')"),
                        call(PROPERTIES, "Set", "(ssv)", f"('{DAEMON}', 'State', <'connected'>)"), call(DAEMON, "status", "(s)", "('x',)"),
                        call(DAEMON, "status", path="/org/vpnd1/x"))
    assert all("error" in r for r in results), results
    assert rig.asked() == []


def test_nobody_else_may_own_the_name(rig):
    request = call("org.freedesktop.DBus", "RequestName", "(su)", "('org.vpnd1', 7)", name="org.freedesktop.DBus", path="/org/freedesktop/DBus")
    other = call("org.freedesktop.DBus", "RequestName", "(su)", "('org.vpnd1.x', 7)", name="org.freedesktop.DBus", path="/org/freedesktop/DBus")
    assert [r.get("error") for r in rig.calls(request, other)] == ["org.freedesktop.DBus.Error.AccessDenied"] * 2
    assert rig.calls(request, uid=0)[0]["ok"] == "(3,)"  # exists: the service does not let itself be replaced, not even by root
    assert rig.calls(call(DAEMON, "status"), uid=0)[0]["ok"]


def test_properties_are_announced_in_one_message_per_change(loaded):
    loaded.settle()
    loaded.signals.clear()
    loaded.calls(rigs.activate(), uid=0)
    loaded.settle()
    names = [(i, m) for i, m, _p, _path in loaded.signals]
    states = [p.unpack()[1].get("State") for i, m, p, _path in loaded.signals if m == "PropertiesChanged"]
    assert (DAEMON, "connected") in names
    assert states[-1] == "connected" and len(states) == len(set(states)) <= 2
    assert names.index((DAEMON, "connected")) == len(names) - 1, "the properties come before the signal"
    loaded.signals.clear()
    loaded.calls(call(DAEMON, "deactivate"), set_call("Mtu", "u", "1300"), set_call("Mtu", "u", "1300"), import_again(), uid=0)
    loaded.settle()
    assert [(m, p.unpack()[1] if m == "PropertiesChanged" and p.unpack()[0] == SETTINGS else None) for _i, m, p, _path in loaded.signals] == [
        ("PropertiesChanged", None), ("disconnected", None), ("PropertiesChanged", {"Mtu": 1300}), ("Changed", None)]


def test_signals_hold_nothing_secret(loaded):
    loaded.calls(rigs.activate(), import_again(), call(DAEMON, "deactivate"), call(DAEMON, "deactivate"), set_call("Lockdown", "b", "true"), uid=0)
    loaded.settle()
    assert len(loaded.signals) >= 6
    seen = " ".join(p.print_(True) for _i, _m, p, _path in loaded.signals)
    for secret in (rigs.PRIVATE, rigs.PRESHARED, "192.0.2.10", "2001:db8", "51820", "10.64.0", "fc00:", "root", "nobody"):
        assert secret not in seen
    assert sum(m == "disconnected" for _i, m, _p, _path in loaded.signals) == 2, "also when idle"


def test_writes_of_two_properties_do_not_undo_each_other(loaded):
    loaded.answers(any="yes")
    results = loaded.together(*(set_call(n, s, b) for n, (s, b) in rigs.WRITES.items()))
    assert all("ok" in r for r in results), results
    values = loaded.calls(*(get_call(n) for n in rigs.WRITES))
    assert [value_of(v) for v in values] == [written(b) for _s, b in rigs.WRITES.values()]


def test_end_of_the_bus_ends_the_service(rig):
    rig.bus_process.kill()
    assert rig.daemon.wait(timeout=30) == 3


def test_bridge_of_a_profile(loaded):
    """It is stored, listed, taken away again; Export says nothing of it, and the profile is the same otherwise."""
    loaded.answers(any="yes")
    listed, exported = call(PROFILES, "List"), rigs.METHOD_CALLS[PROFILES, "Export"]
    before = loaded.calls(listed, exported)
    done, with_bridge, same = loaded.calls(rigs.METHOD_CALLS[PROFILES, "SetBridge"], listed, exported)
    assert done.get("ok") == "()", done
    for part in ("'bridge': <'192.0.2.9:443/tcp'>", "'bridgeLocalPort': <uint32 1080>", "'bridgeUser': <uint32 998>"):
        assert part in with_bridge["ok"]
    assert same == before[1] or same["ok"] == before[1]["ok"]
    done, replaced = loaded.calls(rigs.import_call("demo", replace=True), listed)
    assert "'bridge': <'192.0.2.9:443/tcp'>" in done["ok"] and replaced["ok"] == with_bridge["ok"], "new keys must not mean a direct connection"
    renamed = loaded.calls(rigs.METHOD_CALLS[PROFILES, "Rename"], listed, call(PROFILES, "Rename", "(ss)", "('renamed', 'demo')"), listed)
    assert "'bridge': <'192.0.2.9:443/tcp'>" in renamed[1]["ok"] and renamed[3]["ok"] == with_bridge["ok"]
    done, without = loaded.calls(call(PROFILES, "SetBridge", "(ssqu)", "('demo', '', 0, 0)"), listed)
    assert done.get("ok") == "()" and without["ok"] == before[0]["ok"]


def test_auto_connect_starts_a_profile_that_is_there(loaded):
    """No sequence of calls leaves auto-connect on with the name of a profile that is not stored."""
    loaded.answers(any="yes")
    named, on, off = set_call("AutoConnectProfile", "s", "'demo'"), set_call("AutoConnect", "b", "true"), set_call("AutoConnect", "b", "false")
    remove, rename = rigs.METHOD_CALLS[PROFILES, "Remove"], rigs.METHOD_CALLS[PROFILES, "Rename"]
    asked = call(PROPERTIES, "Get", "(ss)", f"('{SETTINGS}', 'AutoConnectProfile')")
    assert all("ok" in r for r in loaded.calls(named, on))
    before = loaded.snapshot()
    refused = loaded.calls(remove)[0]
    assert refused["error"] == error_name("Exists") and '"demo"' in refused["message"] and "auto-connect" in refused["message"]
    assert loaded.snapshot() == before

    renamed = loaded.calls(rename, asked)
    assert "ok" in renamed[0] and value_of(renamed[1]) == "renamed"
    loaded.settle()
    assert ("org.vpnd1.Profiles", "Changed") in [(i, m) for i, m, _p, _path in loaded.signals]

    remove = call(PROFILES, "Remove", "(s)", "('renamed',)")
    assert loaded.calls(remove)[0]["error"] == error_name("Exists")
    assert all("ok" in r for r in loaded.calls(off, remove))
    refused = loaded.calls(on)[0]
    assert refused["error"] == error_name("NotFound") and '"renamed"' in refused["message"]
    assert all("ok" in r for r in loaded.calls(set_call("AutoConnectProfile", "s", "''"), on))


def test_a_name_that_a_profile_loses_in_the_line_is_refused(loaded):
    """Of calls that are under way together: a setting that was sound when it came is looked at again when it is written."""
    loaded.answers(any="yes")
    results = loaded.together(*[set_call("Mtu", "u", str(1300 + i)) for i in range(6)], set_call("AutoConnectProfile", "s", "'demo'"), rigs.METHOD_CALLS[PROFILES, "Remove"])
    assert all("ok" in r for r in results[:6] + results[7:]) and results[6]["error"] == error_name("NotFound"), results
