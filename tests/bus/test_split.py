# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""org.vpnd1.SplitTunnel by the bus: rules of the system and of users, the caller's own process in the real cgroups of this host, and what everybody hears."""
import json
import os
import pathlib
import subprocess
import sys

import pytest
from gi.repository import GLib

import rig as rigs
import sandbox
from rig import PROPERTIES, SPLIT, call, error_name, set_call

OTHER = 1  # daemon
PROGRAM = "/usr/bin/env"


PROFILES, PROFILES_OF_USERS = 6, 3  # VPND_SPLIT_MAX_PROFILES of service/core/split-rule.h


@pytest.fixture(name="loaded")
def fixture_loaded():
    rig = rigs.Rig()
    try:
        rig.calls(rigs.import_call("demo"), uid=0)
        rig.answers(any="yes")
        yield rig
    finally:
        rig.close()


def rule(member, kind, value, class_=None, profile=""):
    if class_ is None:
        return call(SPLIT, member, "(ss)", GLib.Variant("(ss)", (kind, value)).print_(False))
    return call(SPLIT, member, "(ssss)", GLib.Variant("(ssss)", (kind, value, class_, profile)).print_(False))


def listed(rig, uid=0):
    answer = rig.calls(call(SPLIT, "List"), uid=uid)[0]
    return GLib.Variant.parse(GLib.VariantType.new("(aa{sv})"), answer["ok"], None, None).unpack()[0]


def names(rig, uid=0):
    return [(r["kind"], r["value"], r["class"], r["owner"]) for r in listed(rig, uid)]


def prop(rig, name):
    return rig.root(PROPERTIES, "Get", GLib.Variant("(ss)", (SPLIT, name)))[0]


SYSTEM = 2**32 - 1


def test_rules_of_system_and_users(loaded):
    results = loaded.calls(rule("Add", "path", PROGRAM, "excluded"), rule("AddOwn", "path", PROGRAM, "included"), rule("AddOwn", "path", "/usr/bin/true", "excluded"),
                           rule("Add", "subnet", "203.0.113.7/24", "excluded"), rule("Add", "path", "/usr/bin/true", "bound", "demo"))
    assert [r.get("ok") for r in results] == [f"('{value}',)" for value in (PROGRAM, PROGRAM, "/usr/bin/true", "203.0.113.0/24", "/usr/bin/true")], "the form that is kept"
    own = [("path", PROGRAM, "included", rigs.NOBODY), ("path", "/usr/bin/true", "excluded", rigs.NOBODY)]
    system = [("path", PROGRAM, "excluded", SYSTEM), ("path", "/usr/bin/true", "bound", SYSTEM), ("subnet", "203.0.113.0/24", "excluded", SYSTEM)]
    assert names(loaded, rigs.NOBODY) == own + system == names(loaded)
    assert names(loaded, OTHER) == system, "a user's rules are that user's matter"
    assert "/usr/bin/true" in (loaded.scratch / "state/split.json").read_text(encoding="utf-8")
    assert (loaded.scratch / "state/split.json").stat().st_mode & 0o777 == 0o600
    by_others, missing, own_gone, system_gone = (loaded.calls(rule("RemoveOwn", "path", PROGRAM), uid=OTHER) + loaded.calls(
        rule("Remove", "path", "/nowhere/at/all"), rule("RemoveOwn", "path", PROGRAM), rule("Remove", "path", PROGRAM)))
    assert [r.get("error") for r in (by_others, missing, own_gone, system_gone)] == [error_name("NotFound")] * 2 + [None] * 2
    assert names(loaded) == own[1:] + system[1:]


def test_what_cannot_take_effect_is_told(loaded):
    """Nobody holds launches here: each rule of a program stands, and the list says why it has no effect; that of a subnet has one."""
    loaded.calls(rule("Add", "path", "/usr/bin/true", "excluded"), rule("Add", "subnet", "203.0.113.0/24", "excluded"), rule("Add", "unit", "no-such-unit", "excluded"))
    rules = {r["kind"]: r for r in listed(loaded)}
    assert not rules["path"]["effective"] and "vpnd-classifier" in rules["path"]["reason"]
    assert not rules["unit"]["effective"] and rules["unit"]["reason"]
    assert rules["subnet"]["effective"] and rules["subnet"]["reason"] == ""
    assert prop(loaded, "State") == "initialized"


def test_a_profile_that_is_renamed(loaded):
    """What names the profile names it anew: the setting, and everybody's rules. When the rules cannot be kept, nothing is renamed."""
    rename, asked = call(rigs.PROFILES, "Rename", "(ss)", "('demo', 'renamed')"), call(PROPERTIES, "Get", "(ss)", f"('{rigs.SETTINGS}', 'AutoConnectProfile')")
    loaded.calls(rule("Add", "path", PROGRAM, "bound", "demo"), rule("AddOwn", "path", PROGRAM, "bound", "demo"), rule("AddOwn", "path", "/usr/bin/true", "excluded"),
                 set_call("AutoConnectProfile", "s", "'demo'"))
    file = loaded.scratch / "state/split.json"

    def told():
        return [loaded.root(rigs.PROFILES, "List"), listed(loaded), loaded.calls(asked)[0]["ok"], sorted(p.name for p in (loaded.scratch / "state/profiles").iterdir())]

    before, kept = told(), file.read_bytes()
    file.unlink()
    file.mkdir()  # nothing can be renamed over it
    refused = loaded.calls(rename)[0]
    assert refused["error"] == error_name("StorageFailed") and "split.json" in refused["message"]
    assert told() == before and "'demo'" in before[2]
    file.rmdir()
    file.write_bytes(kept)
    file.chmod(0o600)

    assert loaded.calls(rename)[0]["ok"] == "()"
    assert sorted(r["profile"] for r in listed(loaded)) == ["", "renamed", "renamed"]
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert {r.get("profile") for r in stored["rules"]} == {None, "renamed"} and stored["classes"] == {"renamed": "demo"}, "the class is called as it was"
    assert "'renamed'" in loaded.calls(asked)[0]["ok"]
    assert loaded.calls(call(rigs.PROFILES, "Rename", "(ss)", "('renamed', 'demo')"))[0]["ok"] == "()"
    assert told() == before


@pytest.mark.parametrize("member", ["Add", "AddOwn"])
def test_bad_rules(loaded, member):
    fifo = loaded.scratch / "fifo"
    os.mkfifo(fifo, 0o755)
    plain = loaded.scratch / "plain"
    plain.write_text("no program\n", encoding="ascii")
    bad = {"InvalidArgument": [("path", "true", "excluded", ""), ("path", "/usr", "excluded", ""), ("path", str(fifo), "excluded", ""), ("path", str(plain), "excluded", ""),
                               ("path", "/usr/bin/a\nb", "excluded", ""), ("path", "/usr/bin/../bin/true", "excluded", ""), ("nothing", "x", "excluded", ""),
                               ("path", PROGRAM, "nothing", ""), ("path", PROGRAM, "bound", ""), ("path", PROGRAM, "excluded", "demo"), ("uid", "-1", "excluded", ""),
                               ("uid", "4294967295", "excluded", ""), ("subnet", "0.0.0.0/0", "excluded", ""), ("domain", "org", "excluded", ""), ("domain", "a\nb.example", "excluded", ""),
                               ("unit", "x.socket", "excluded", "")],
           "NotFound": [("path", PROGRAM, "bound", "no-such-profile"), ("app", "no.such.App", "excluded", "")]}
    for word, cases in bad.items():
        for case, result in zip(cases, loaded.calls(*(rule(member, *case) for case in cases))):
            assert result.get("error") == error_name(word), (case, result)
    assert listed(loaded) == []
    assert not (loaded.scratch / "state/split.json").exists()


def test_users_leave_room_for_the_administrator(loaded):
    """Programs are bound to six profiles at most. Users have three of these all together, and hear why there are no more; the administrator has room whatever they do."""
    loaded.calls(*(rigs.import_call(f"p{i}") for i in range(2 * PROFILES)), uid=0)
    own = [loaded.calls(rule("AddOwn", "path", f"/usr/bin/{program}", "bound", f"p{i}"), uid=(rigs.NOBODY, OTHER)[i % 2])[0]
           for i, program in enumerate(("true", "false", "id", "cat", "wc", "env"))]
    assert ["ok" in answer for answer in own] == [i < PROFILES_OF_USERS for i in range(PROFILES)]
    assert {answer["error"] for answer in own[PROFILES_OF_USERS:]} == {error_name("LimitsExceeded")} and "administrator" in own[-1]["message"]
    app = loaded.calls(own_app("org.x.Own", [PROGRAM], "bound", f"p{PROFILES}"))[0]
    assert app["error"] == error_name("LimitsExceeded")
    assert "ok" in loaded.calls(rule("AddOwn", "path", "/usr/bin/head", "bound", "p0"))[0], "one that has a class already"
    system = [loaded.calls(rule("Add", "path", f"/usr/bin/system-{i}", "bound", f"p{PROFILES + i}"), uid=0)[0] for i in range(PROFILES)]
    assert ["ok" in answer for answer in system] == [i < PROFILES - PROFILES_OF_USERS for i in range(PROFILES)]


def test_users_set_nothing_for_others(loaded):
    for kind, value in (("uid", "0"), ("subnet", "203.0.113.0/24"), ("domain", "example.org")):
        assert loaded.calls(rule("AddOwn", kind, value, "excluded"))[0]["error"] == error_name("InvalidArgument")
    secret = loaded.scratch / "secret"
    secret.mkdir(mode=0o700)
    program = secret / "program"
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    answers = loaded.calls(rule("AddOwn", "path", str(program), "excluded"), rule("AddOwn", "path", str(secret / "none"), "excluded"))
    assert [a["error"] for a in answers] == [error_name("InvalidArgument")] * 2
    assert answers[0]["message"].replace(str(program), "") == answers[1]["message"].replace(str(secret / "none"), ""), "the answer tells what is there"


def own_app(app, programs, class_="excluded", profile=""):
    return call(SPLIT, "AddOwnApp", "(sasss)", repr((app, programs, class_, profile)) if programs else f"({app!r}, @as [], {class_!r}, {profile!r})")


def test_applications_of_a_users_own(loaded):
    """What the caller says of the own home is the caller's alone, and no more than rules by path would be."""
    other = call(SPLIT, "AddOwnApp", "(sasss)", "('org.x.Own', ['/usr/bin/env'], 'included', '')")
    assert loaded.calls(own_app("org.x.Own.desktop", [PROGRAM, "/usr/bin//true", PROGRAM]), own_app("org.x.Flat", []))[0]["ok"] == "('org.x.Own',)"
    assert [(r["value"], r["class"], r["programs"], r["owner"]) for r in listed(loaded)] == [
        ("org.x.Flat", "excluded", [], rigs.NOBODY), ("org.x.Own", "excluded", sorted([PROGRAM, "/usr/bin/true"]), rigs.NOBODY)]
    assert listed(loaded, OTHER) == [], "a user's rules are that user's matter"
    assert loaded.calls(other, uid=OTHER)[0]["ok"] == "('org.x.Own',)"
    assert [(r["programs"], r["owner"]) for r in listed(loaded) if r["value"] == "org.x.Own"] == [(["/usr/bin/env"], OTHER), (sorted([PROGRAM, "/usr/bin/true"]), rigs.NOBODY)]
    loaded.calls(own_app("org.x.Own", ["/usr/bin/true"]))
    assert [r["programs"] for r in listed(loaded, rigs.NOBODY) if r["value"] == "org.x.Own"] == [["/usr/bin/true"]], "called again, it has the new programs"
    assert loaded.calls(rule("RemoveOwn", "app", "org.x.Own"))[0]["ok"] == "()"
    assert [r["value"] for r in listed(loaded, rigs.NOBODY)] == ["org.x.Flat"]


def test_bad_applications_of_a_users_own(loaded):
    secret = loaded.scratch / "secret"
    secret.mkdir(mode=0o700)
    (secret / "program").write_text("#!/bin/sh\n", encoding="ascii")
    (secret / "program").chmod(0o755)
    fifo = loaded.scratch / "fifo"
    os.mkfifo(fifo, 0o755)
    bad = [("org.x.Own", [str(secret / "program")]), ("org.x.Own", [str(secret / "none")]), ("org.x.Own", [PROGRAM, "/usr"]), ("org.x.Own", [str(fifo)]), ("org.x.Own", ["true"]),
           ("org.x.Own", ["/usr/bin/a\nb"]), ("org.x.Own", ["/usr/bin/../bin/true"]), ("../x", [PROGRAM]), ("", [PROGRAM]), ("org.x.Own", [f"/usr/bin/{n}" for n in range(9)]),
           ("org.x.Own", [PROGRAM], "nothing"), ("org.x.Own", [PROGRAM], "bound")]
    for case, result in zip(bad, loaded.calls(*(own_app(*case) for case in bad))):
        assert result.get("error") == error_name("InvalidArgument"), (case, result)
    assert loaded.calls(own_app("org.x.Own", [PROGRAM], "bound", "no-such-profile"))[0]["error"] == error_name("NotFound")
    assert listed(loaded) == []
    assert not (loaded.scratch / "state/split.json").exists()


def test_refused_changes_nothing(loaded):
    loaded.calls(rule("Add", "path", PROGRAM, "excluded"), uid=0)
    loaded.answers(any="no", read="yes", split="yes")
    before = loaded.snapshot()
    for one in (rule("Add", "path", "/usr/bin/true", "excluded"), rule("Remove", "path", PROGRAM), call(SPLIT, "ProcessesAll"), set_call("Mode", "s", "'include'")):
        assert loaded.calls(one)[0]["error"] == error_name("NotAuthorized"), one
    assert loaded.snapshot() == before
    assert names(loaded) == [("path", PROGRAM, "excluded", SYSTEM)]
    loaded.answers(any="no")
    for one in (rule("AddOwn", "path", PROGRAM, "excluded"), own_app("org.x.Own", [PROGRAM]), rule("RemoveOwn", "path", PROGRAM), call(SPLIT, "Enter", "(s)", "('excluded',)"), call(SPLIT, "Leave"), call(SPLIT, "List"), call(SPLIT, "Processes")):
        assert loaded.calls(one)[0]["error"] == error_name("NotAuthorized"), one


def test_mode_is_announced_and_kept(loaded):
    assert prop(loaded, "Mode") == "exclude"
    loaded.settle()
    loaded.signals.clear()
    assert loaded.calls(set_call("Mode", "s", "'include'"))[0]["ok"] == "()"
    loaded.settle()
    assert [p[1] for i, m, p, _ in loaded.signals if (i, m) == (PROPERTIES, "PropertiesChanged") and p[0] == SPLIT and "Mode" in p[1]][-1]["Mode"] == "include"
    assert (SPLIT, "RulesChanged") in [(i, m) for i, m, _p, _ in loaded.signals]
    assert loaded.calls(set_call("Mode", "s", "'both'"))[0]["error"] == error_name("InvalidArgument")
    assert prop(loaded, "Mode") == "include"


ENTERING = """
import json, sys
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
def ask(member, parameters=None):
    try:
        return bus.call_sync("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel", member, parameters, None, Gio.DBusCallFlags.NONE, 20000, None).unpack()
    except GLib.Error as error:
        return [Gio.DBusError.get_remote_error(error)]
def place():
    return [l.split(":", 2)[2] for l in open("/proc/self/cgroup").read().splitlines() if l.startswith("0::")]
for line in sys.stdin:
    job = json.loads(line)
    answer = ask(*([job[0]] if len(job) == 1 else [job[0], GLib.Variant("(s)", (job[1],))]))
    print(json.dumps({"answer": answer, "place": place()}), flush=True)
"""


class Caller:
    """A process that stays and calls for itself."""

    def __init__(self, rig, uid):
        self.process = rig.start("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", sys.executable, "-c", ENTERING, rig.address,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["answer"], answer["place"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def pids(answers):
    return GLib.Variant.parse(GLib.VariantType.new("((auatauauauauatas))"), answers[0]["ok"], None, None).unpack()[0][0]


def test_a_process_enters_and_leaves(loaded):
    assert prop(loaded, "Ground") == "cgroup2"
    loaded.start_classifier()
    classes = prop(loaded, "Classes")
    caller = Caller(loaded, rigs.NOBODY)
    pid = caller.process.pid
    answer, home = caller.ask("Leave")
    assert answer == [error_name("NotFound")] and home[0] not in classes.values()
    loaded.settle()
    loaded.signals.clear()
    assert caller.ask("Enter", "excluded") == ([], [classes["excluded"]])
    assert caller.ask("Enter", "bound")[0] == [error_name("InvalidArgument")]
    seen = caller.ask("Processes")[0][0]
    texts = seen[7]
    assert (seen[0], seen[2], [texts[i] for i in seen[4]], [texts[i] for i in seen[5]]) == ([pid], [rigs.NOBODY], ["excluded"], ["asked"])
    assert pids(loaded.calls(call(SPLIT, "Processes"), uid=OTHER)) == [], "another user's process"
    assert pid in pids(loaded.calls(call(SPLIT, "ProcessesAll")))
    assert caller.ask("Enter", "included") == ([], [classes["included"]])
    answer, place = caller.ask("Leave")
    assert answer == [] and place[0] not in classes.values(), "out of its class at once"
    sandbox.wait_until(lambda: caller.ask("Processes")[1] == home, 20, "home, where it was before it first entered a class: vpnd-classifier brings it")
    assert caller.ask("Leave")[0] == [error_name("NotFound")]
    caller.ask("Enter", "excluded")
    caller.end()
    sandbox.wait_until(lambda: loaded.settle() or sum(m == "ProcessReturned" for _i, m, _p, _ in loaded.signals) >= 2, 20, "the end of the process is told")
    heard = [(m, tuple(p)) for i, m, p, _ in loaded.signals if i == SPLIT and m.startswith("Process")]
    assert ("ProcessExcluded", (pid, "", "asked")) in heard and all(p[1] == "" for _m, p in heard), "everybody hears it, so nothing of the user's is in it"


def test_nobody_moves_another_users_process(loaded):
    """There is no parameter for it; and the folder of the class takes it from nobody but root."""
    assert prop(loaded, "Ground") == "cgroup2"
    mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines() if " - cgroup2 " in line]
    folder = pathlib.Path(mounts[0] + prop(loaded, "Classes")["excluded"])
    assert folder.stat().st_uid == 0 and folder.stat().st_mode & 0o022 == 0
    written = subprocess.run(["setpriv", f"--reuid={rigs.NOBODY}", f"--regid={rigs.NOBODY}", "--clear-groups", "--", "/bin/sh", "-c", f"echo $$ > {folder}/cgroup.procs"],
                             capture_output=True, check=False)
    assert written.returncode != 0 and b"denied" in written.stderr.lower()
