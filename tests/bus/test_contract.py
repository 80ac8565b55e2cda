# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the contract agree with each other: interface XML, polkit actions, bus policy, activation file."""
import re
import xml.etree.ElementTree as ET

import pytest

import rig as rigs

DEFAULTS = {  # any, inactive, active
    "org.vpnd1.read": ("yes", "yes", "yes"),
    "org.vpnd1.activate": ("auth_admin", "auth_admin", "yes"),
    "org.vpnd1.deactivate": ("auth_admin", "auth_admin", "yes"),
    "org.vpnd1.configure": ("auth_admin", "auth_admin", "auth_admin_keep"),
    "org.vpnd1.weaken": ("auth_admin", "auth_admin", "auth_admin"),
    "org.vpnd1.logs": ("auth_admin", "auth_admin", "auth_admin_keep"),
    "org.vpnd1.split": ("auth_admin", "auth_admin", "yes"),
}


def policy_actions():
    return {a.get("id"): a for a in ET.parse(rigs.POLICY).getroot().findall("action")}


def test_every_member_has_one_action_that_exists():
    known = set(policy_actions()) | {"none"}
    members = list(rigs.contract())
    assert len(members) > 25
    for interface, _kind, name, action, _access in members:
        assert action in known, f"{interface}.{name}: {action}"


def test_every_action_is_used():
    used = {action for _i, _k, _n, action, _a in rigs.contract()}
    assert set(policy_actions()) - used <= {"org.vpnd1.read"}, "an action in the policy that no member needs"
    assert "org.vpnd1.read" in used


def test_nothing_that_changes_is_free():
    for interface, kind, name, action, access in rigs.contract():
        changes = access in ("write", "readwrite") if kind == "property" else name not in ("status", "List", "Dns", "Routes", "Check", "Processes")
        if changes:
            assert action not in ("none", "org.vpnd1.read"), f"{interface}.{name}"


def test_defaults_are_those_of_the_design():
    for name, action in policy_actions().items():
        defaults = action.find("defaults")
        assert tuple(defaults.find(w).text for w in ("allow_any", "allow_inactive", "allow_active")) == DEFAULTS[name], name
        assert action.find("description").text and action.find("message").text


def test_deactivate_never_needs_more_than_activate():
    order = ["yes", "auth_self_keep", "auth_self", "auth_admin_keep", "auth_admin", "no"]
    for column in range(3):
        assert order.index(DEFAULTS["org.vpnd1.deactivate"][column]) <= order.index(DEFAULTS["org.vpnd1.activate"][column])


def test_what_can_open_the_network_is_weaken():
    actions = {(i, n): a for i, _k, n, a, _x in rigs.contract()}
    for name in ("Lockdown", "AutoConnect", "AllowLan", "CrashRecovery", "Reset"):
        assert actions[rigs.SETTINGS, name] == "org.vpnd1.weaken"
    assert actions[rigs.SPLIT, "Mode"] == "org.vpnd1.weaken"


def test_what_concerns_others_needs_more_than_own_rules():
    actions = {n: a for i, _k, n, a, _x in rigs.contract() if i == rigs.SPLIT}
    assert {n for n, a in actions.items() if a == "org.vpnd1.split"} == {"AddOwn", "AddOwnApp", "RemoveOwn", "Enter", "Leave"}
    assert actions["Add"] == actions["Remove"] == "org.vpnd1.configure" and actions["ProcessesAll"] == "org.vpnd1.logs"


def test_settings_have_the_properties_of_the_xml():
    properties = {n for i, k, n, _a, _x in rigs.contract() if (i, k) == (rigs.SETTINGS, "property")}
    assert properties | {"Mode"} == set(rigs.WRITES)
    methods = {(i, n) for i, k, n, _a, _x in rigs.contract() if k == "method"}
    assert methods == set(rigs.METHOD_CALLS)


def test_only_root_may_own_the_name():
    for policy in ET.parse(rigs.SOURCE / "dbus/org.vpnd1.conf").getroot().findall("policy"):
        owns = [rule for rule in policy.findall("allow") if any(key.startswith("own") for key in rule.attrib)]
        assert not owns or policy.attrib == {"user": "root"}
        for rule in owns:
            assert rule.attrib == {"own": "org.vpnd1"}


@pytest.mark.parametrize("key", ["Name", "User", "SystemdService"])
def test_activation_file(key):
    wanted = {"Name": "org.vpnd1", "User": "root", "SystemdService": "vpnd.service"}
    lines = (rigs.SOURCE / "dbus/org.vpnd1.service.in").read_text(encoding="ascii").splitlines()
    assert f"{key}={wanted[key]}" in lines


def test_every_documented_error_exists():
    header = (rigs.SOURCE / "dbus/error.h").read_text(encoding="utf-8")
    known = set(re.findall(r"\[([A-Z]\w+)\]", header))
    xml = (rigs.SOURCE / "dbus/org.vpnd1.xml").read_text(encoding="utf-8")
    for block in re.findall(r"Errors:(.*?)(?:-->|\n\n)", xml, re.S):
        for word in re.findall(r"\b([A-Z][a-z]+(?:[A-Z][a-z]+)+|Exists|Cancelled)\b", re.sub(r"\([^)]*\)|org\.vpnd1\.\S+", "", block)):
            assert word in known, word
