# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: an error of ours that names what is wrong, no question to polkit, and nothing changed."""
import json
import random
import time

import pytest
from gi.repository import GLib

import rig as rigs
from rig import DAEMON, PROFILES, PROPERTIES, SETTINGS, call, error_name, set_call, text

ARGUMENT, JSON, LARGE, UNSUPPORTED, PROFILE = (error_name(w) for w in ("InvalidArgument", "InvalidJson", "TooLarge", "NotSupported", "InvalidProfile"))


def raw(json_text):
    return call(DAEMON, "activate", "(s)", f"({text(json_text)},)")


def without(key):
    return raw(json.dumps({k: v for k, v in rigs.CONFIG.items() if k != key}))


GOOD = json.dumps(rigs.CONFIG)
ZERO_KEY = "A" * 43 + "="  # as a preshared key: none
BAD_KEYS = ["x", "A" * 43, ZERO_KEY, "A" * 44, "A" * 45, rigs.PUBLIC[:-1], " " + rigs.PUBLIC, 42, [], None]
BAD_ADDRESSES = ["10.64.0", "10.64.0.256", "010.1.1.1", "0x0a000001", "vpn.example.org", "10.0.0.1 ", "fe80::1%lo", "1.2.3.4/33", "::1::", 42, {}, None]
BRIDGE = {"address": "192.0.2.9", "port": 443, "protocol": "tcp", "localPort": 1080}
BAD_BRIDGES = [(v, "bridge") for v in (True, 1, [], "x", BRIDGE | {"host": "x"}, {"address": "192.0.2.9"})] + [
    (BRIDGE | {k: v}, f"bridge.{k}") for k, values in (
        ("address", (1, "", "x", "127.0.0.1", "192.0.2.9:443", None)), ("port", (0, 65536, "443", 1.5)), ("protocol", ("", "icmp", 6, None)), ("localPort", (0, 65536, "1")),
        ("user", (-1, 2**32 - 1, "root", 0.5))) for v in values]

MATRIX = [
    *[(raw(t), JSON, "") for t in (
        "", "null", "[]", "42", '"x"', "{", GOOD[:-1], GOOD + "x", GOOD + GOOD, "'" + GOOD + "'", GOOD.replace('"', "'"), GOOD.replace(":", "=", 1), GOOD[:-1] + ",}",
        "\ufeff" + GOOD, '{"a":NaN}', '{"a":1e999}', '{"a":01}', '{"a":"\\x"}', '{"a":"\\ud800"}', '{"a":"\\u0000"}', '{"a":"\t"}', "[" * 17 + "]" * 17,
        '{"a":' * 17 + "1" + "}" * 17, "// c\n" + GOOD)],
    (raw(GOOD[:-1] + ',"serverPort":1}'), JSON, "serverPort"),
    (raw(GOOD[:-1] + ',"server\\u0050ort":1}'), JSON, "serverPort"),
    (raw(GOOD[:-1] + ',"x":{"a":1,"a":2}}'), JSON, '"a"'),
    (raw(json.dumps({"a": "x" * 66000})), LARGE, ""),
    (raw(" " * 70000), LARGE, ""),
    *[(without(k), ARGUMENT, k) for k in ("privateKey", "serverPublicKey", "serverPort", "allowedIPAddressRanges")],
    *[(rigs.activate(**{k: v}), ARGUMENT, k) for k in ("privateKey", "serverPublicKey", "presharedKey", "publicKey") for v in BAD_KEYS
      if (k, v) != ("presharedKey", ZERO_KEY)],
    *[(rigs.activate(**{k: v}), ARGUMENT, k) for k in ("deviceIpv4Address", "deviceIpv6Address", "serverIpv4AddrIn", "serverIpv6AddrIn", "serverIpv4Gateway",
                                                      "serverIpv6Gateway", "dnsServer") for v in BAD_ADDRESSES],
    *[(rigs.activate(serverPort=v), ARGUMENT, "serverPort") for v in (0, -1, 65536, 51820.5, 1e300, "51820", True, [], None, 2**40)],
    *[(rigs.activate(allowedIPAddressRanges=v), ARGUMENT, "allowedIPAddressRanges") for v in (
        [], {}, "0.0.0.0/0", [1], [[]], [{}], [{"address": "0.0.0.0"}], [{"range": 0}], [{"address": "0.0.0.0", "range": 33}], [{"address": "::", "range": 129}],
        [{"address": "0.0.0.0", "range": -1}], [{"address": "0.0.0.0", "range": "0"}], [{"address": "0.0.0.0/0", "range": 0}], [{"address": "x", "range": 0}])],
    *[(rigs.activate(**{k: v}), ARGUMENT, k) for k, v in (
        ("hopType", "x"), ("hopType", 1), ("obfuscationMethod", "x"), ("lwoVersion", 3), ("lwoVersion", 1.5), ("vpnDisabledApps", "x"), ("vpnDisabledApps", [1]),
        ("name", "../x"), ("name", ".x"), ("name", "x" * 65), ("mtu", 100), ("mtu", 70000), ("persistentKeepalive", 70000), ("excludedAddresses", 1))],
    *[(rigs.activate(**{k: v}), UNSUPPORTED, k) for k, v in (
        ("hopType", "MultiHopEntry"), ("hopType", "MultiHopExit"), ("obfuscationMethod", "LWO"), ("vpnDisabledApps", ["firefox.desktop"]),
        ("excludedAddresses", ["10.0.0.1"]))],
    *[(rigs.activate(bridge=v), ARGUMENT, k) for v, k in BAD_BRIDGES],
    *[(rigs.import_call(n), ARGUMENT, "name") for n in ("", ".", "..", "a/b", "-x", "x" * 65, "a b", "\u00e9")],
    *[(rigs.import_call("x", c), PROFILE, "") for c in (
        "", "x", "[Interface]\n", "[Nothing]\nA = b\n", rigs.CONF.replace("0.0.0.0/0", "0.0.0.0/33"), rigs.CONF.replace("51820", "0"), rigs.CONF.replace(rigs.PRIVATE, "x"),
        rigs.CONF.encode() + b"\xff", rigs.CONF.encode() + b"\0", rigs.CONF.replace("Endpoint", "Endpiont"))],
    (rigs.import_call("x", "#" * (256 * 1024 + 1)), LARGE, ""),
    (rigs.import_call("x", "#" * (300 * 1024)), LARGE, ""),
    (rigs.import_call("x" * 66000, "#"), ARGUMENT, "name"),
    *[(call(PROFILES, m, "(s)", "('absent',)"), error_name("NotFound"), "absent") for m in ("Activate", "Export", "Remove")],
    *[(call(PROFILES, m, "(s)", "('../x',)"), ARGUMENT, "name") for m in ("Activate", "Export", "Remove")],
    (call(PROFILES, "Rename", "(ss)", "('absent', 'x')"), error_name("NotFound"), "absent"),
    (call(PROFILES, "SetBridge", "(ssqu)", "('absent', '192.0.2.9:443/tcp', 1080, 0)"), error_name("NotFound"), "absent"),
    *[(call(PROFILES, "SetBridge", "(ssqu)", f"('demo', '{s}', {p}, {u})"), ARGUMENT, k) for s, p, u, k in (
        ("x", 1, 0, "bridge"), ("192.0.2.9:443", 1, 0, "bridge"), ("192.0.2.9:443/sctp", 1, 0, "bridge"), ("192.0.2.9:0/tcp", 1, 0, "bridge"),
        ("2001:db8::9:443/tcp", 1, 0, "bridge"), ("127.0.0.1:443/tcp", 1, 0, "bridge.address"), ("[fe80::1]:443/tcp", 1, 0, "bridge.address"),
        ("192.0.2.9:443/tcp", 0, 0, "bridge.localPort"), ("192.0.2.9:443/tcp", 1, 4294967295, "bridge.user"))],
    (call(PROFILES, "Rename", "(ss)", "('demo', '../x')"), ARGUMENT, "newName"),
    *[(set_call(*w), ARGUMENT, k) for w, k in (
        (("Mtu", "u", "1"), "mtu"), (("Mtu", "u", "65536"), "mtu"), (("CrashRecovery", "s", "'x'"), "crash-recovery"), (("Backend", "s", "''"), "backend"),
        (("DnsServers", "as", "['x']"), "dns"), (("DnsServers", "as", "['0.0.0.0']"), "dns"), (("AutoConnectProfile", "s", "'../x'"), "auto-connect-profile"))],
    (set_call("AutoConnectProfile", "s", text("x" * 66000)), LARGE, "Set"),
    (set_call("AutoConnectProfile", "s", "'absent'"), error_name("NotFound"), 'auto-connect-profile: there is no profile "absent"'),
]


def test_matrix(rig):
    rig.calls(rigs.import_call("demo"), uid=0)
    rig.answers(any="yes")
    before, start = rig.snapshot(), 0
    assert len(MATRIX) > 180
    while start < len(MATRIX):
        part = MATRIX[start:start + 60]
        for (one, error, word), result in zip(part, rig.calls(*(c for c, _e, _w in part))):
            assert (result.get("error"), word in result.get("message", "")) == (error, True), f"{one['member']} {one['text'][:400]!r} {word}: {result}"
            for secret in (rigs.PRIVATE, rigs.PRESHARED, "AAAAAAAA"):
                assert secret not in result["message"]
        start += 60
    assert rig.asked() == [], "malformed input reached polkit"
    assert rig.snapshot() == before
    logged = rig.log.read_text(encoding="utf-8")
    assert rigs.PRIVATE not in logged and rigs.PRESHARED not in logged


def test_wrong_types_are_refused_by_the_bus_library(rig):
    rig.answers(any="yes")
    before = rig.snapshot()
    results = rig.calls(set_call("Mtu", "s", "'1300'"), set_call("Lockdown", "u", "1"), call(DAEMON, "activate", "(i)", "(1,)"), call(DAEMON, "activate"),
                        call(PROPERTIES, "Set", "(ssv)", f"('{SETTINGS}', 'Nothing', <true>)"), call(PROPERTIES, "Set", "(ssv)", f"('{DAEMON}', 'Version', <'x'>)"))
    assert all(r.get("error", "").startswith("org.freedesktop.DBus.Error.") for r in results), results
    assert rig.asked() == []
    assert rig.snapshot() == before


# A value of each kind, none of which a setting of another kind may take for its own.
VALUES = {"b": "true", "u": "7", "s": "'x'", "as": "['x']", "i": "7", "x": "7", "d": "7.0", "y": "7", "ay": "b'x'", "o": "'/x'", "g": "'s'", "v": "<true>", "a{sv}": "{'x': <true>}",
          "(b)": "(true,)", "ab": "[true]", "aas": "[['x']]"}
# What has the right type and is out of range, by type, for every setting; a setting that takes any text or number of its type has its reason here.
OUT_OF_RANGE = {"b": [], "u": ["1", "4294967295"], "s": ["'../x'", text("x" * 300), "' '"],
                "as": ["['']", "['x']", "['10.0.0.1 ']", str(["10.0.0.1"] * 70)],
                "DnsResolverUid": ["4294967295"]}  # any number that a user may have is one


def writable_settings():
    for interface, kind, name, _action, access in rigs.contract():
        if (interface, kind) == (SETTINGS, "property") and "write" in access:
            yield name


def test_every_setting_refuses_what_is_none(rig):
    """Of each writable property of the XML: every other type, and values out of range. A typed error, and nothing is changed, announced or asked."""
    rig.calls(rigs.import_call("demo"), uid=0)
    rig.answers(any="yes")
    before, names = rig.snapshot(), list(writable_settings())
    assert set(names) | {"Mode"} == set(rigs.WRITES), "the table of the rig is that of the XML"
    for name in names:
        own = rigs.WRITES[name][0]
        wrong_types = [(signature, value) for signature, value in VALUES.items() if signature != own]
        for (signature, value), result in zip(wrong_types, rig.calls(*(set_call(name, *one) for one in wrong_types))):
            assert result.get("error", "").startswith(("org.freedesktop.DBus.Error.", "org.vpnd1.Error.")), f"{name} took {signature} {value}: {result}"
        out_of_range = OUT_OF_RANGE.get(name, OUT_OF_RANGE[own])
        for value, result in zip(out_of_range, rig.calls(*(set_call(name, own, value) for value in out_of_range))):
            assert result.get("error") == ARGUMENT, f"{name} took {value}: {result}"
    assert rig.asked() == [], "malformed input reached polkit"
    assert rig.snapshot() == before


def random_value(random_source, signature):
    if signature == "b":
        return random_source.choice([True, False])
    if signature == "s":
        return "".join(random_source.choice("\0{}[]\",:\\u1eaé😀/. \n"[1:]) for _ in range(random_source.choice([0, 1, 5, 80])))
    return bytes(random_source.randrange(256) for _ in range(random_source.choice([0, 1, 200])))


@pytest.mark.parametrize("seed", [1])
def test_random_parameters(rig, seed):
    source, end, sent = random.Random(seed), time.monotonic() + 5, 0
    rig.calls(rigs.import_call("demo"), uid=0)
    rig.answers(any="no")
    before = rig.snapshot()
    shapes = [(DAEMON, "activate", "s"), (PROFILES, "Import", ["s", "ay", "b"]), (PROFILES, "Export", "s"), (PROFILES, "Remove", "s"), (PROFILES, "Activate", "s"),
              (PROFILES, "Rename", ["s", "s"]), (PROPERTIES, "Get", ["s", "s"]), (PROPERTIES, "GetAll", "s")]
    while time.monotonic() < end:
        part = []
        for _ in range(60):
            interface, member, types = source.choice(shapes)
            signature = "(" + "".join(types) + ")"
            part.append(call(interface, member, signature, GLib.Variant(signature, tuple(random_value(source, t) for t in types)).print_(True)))
        results = rig.calls(*part)
        sent += len(results)
        assert all("error" in r and r["error"] != error_name("Failed") for r in results), [r for r in results if "error" not in r]
    assert sent >= 120
    assert rig.alive()
    assert rig.snapshot() == before
