# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers that leave, wait, hurry, or change their mind while polkit is thinking."""
import json

import rig as rigs
import sandbox
from rig import DAEMON, PROFILES, PROPERTIES, call, error_name, set_call


def test_who_leaves_changes_nothing(rig):
    """Even a polkit that says yes to a caller that is gone, 500 times."""
    for one, times in ((rigs.activate(), 300), (call(DAEMON, "deactivate"), 100), (set_call("Lockdown", "b", "true"), 100)):
        rig.answers(any="slow:150")  # the caller leaves within 5 ms; a busy machine must not let it stay for the answer
        before = rig.changes()
        process = rig.client({"mode": "leave", "call": one, "times": times})
        out, _ = process.communicate(timeout=60)
        assert json.loads(out) == times
        # A caller that stays is served by the same gate: when it is, all the others have been dealt with.
        assert "ok" in rig.calls(call(PROFILES, "List"))[0]
        assert len(rig.asked()) > times / 2, "too few calls reached polkit for this to say anything"
        assert rig.changes() == before
    assert "ok" in rig.calls(rigs.activate())[0]
    assert rig.changes() == 1


def test_open_dialogs_delay_nobody(rig):
    rig.answers(any="wait", read="yes")
    holders = rig.client({"mode": "hold", "call": rigs.activate(), "number": 50})
    assert json.loads(holders.stdout.readline()) == "held"
    sandbox.wait_until(lambda: rig.waiting() == 50, 20, "50 open dialogs")
    results = rig.calls(*[call(DAEMON, "status")] * 20)
    assert all("ok" in r for r in results)
    assert sorted(r["took"] for r in results)[10] < 0.1
    holders.communicate("\n", timeout=20)
    sandbox.wait_until(lambda: rig.waiting() == 0, 20, "the questions of those who left to be withdrawn")
    assert rig.changes() == 0


def test_dialogs_of_some_do_not_lock_out_root(rig):
    """More open dialogs than there may be: others are then asked without one."""
    rig.answers(any="wait")
    holders = rig.client({"mode": "hold", "call": rigs.activate(), "number": 80})
    assert json.loads(holders.stdout.readline()) == "held"
    sandbox.wait_until(lambda: rig.waiting() == 80, 20, "80 questions")
    assert sum(flags & 1 for _action, flags in rig.asked()) == 64
    assert "ok" in rig.calls(rigs.activate(), uid=0)[0]
    holders.communicate("\n", timeout=20)
    assert rig.changes() == 1


def test_a_second_activate_joins_the_first(rig):
    """The client of the protocol retries, with another port, while the dialog is open: one question, both answered, the later counts."""
    rig.answers(any="slow:3000")
    results = rig.together(rigs.activate(name="first") | {"pause": 0.05}, rigs.activate(name="second"))
    assert [r.get("ok") for r in results] == ["(true,)", "(true,)"]
    assert [a for a, _f in rig.asked()] == ["org.vpnd1.configure"]
    assert rig.changes() == 1
    assert rig.status()["profile"] == "second"


def test_a_malformed_second_activate_does_not_disturb_the_first(rig):
    rig.answers(any="slow:3000")
    results = rig.together(rigs.activate(name="first") | {"pause": 0.05}, rigs.activate(serverPort=0))
    assert results[0]["ok"] == "(true,)"
    assert results[1]["error"] == error_name("InvalidArgument")
    assert rig.status()["profile"] == "first"


def test_deactivate_withdraws_what_still_waits(rig):
    rig.answers(configure="wait", any="yes")
    results = rig.together(rigs.activate() | {"pause": 0.2}, call(DAEMON, "deactivate"))
    assert results[0]["error"] == error_name("Cancelled")
    assert results[0]["took"] < 10, "it was withdrawn, not overdue"
    assert results[1]["ok"] == "(true,)"
    assert rig.waiting() == 0
    assert rig.status()["state"] == "disconnected"


def test_a_dialog_that_stays_open_ends_the_request(make_rig):
    """24 s for the protocol, whose clients give up at 25 s; here the clock runs 40 times as fast."""
    rig = make_rig(speed=40)
    rig.answers(any="wait")
    result, = rig.calls(rigs.activate())
    assert result["error"] == error_name("Cancelled")
    assert 0.4 < result["took"] < 5
    sandbox.wait_until(lambda: rig.waiting() == 0, sandbox.SOON_S, "the question to be withdrawn")
    assert rig.changes() == 0


def test_too_many_unanswered_calls(rig):
    rig.answers(any="slow:3000")
    results = rig.together(*[call(PROFILES, "Reconnect")] * 20)
    limits = [r for r in results if r.get("error") == error_name("LimitsExceeded")]
    assert len(limits) == 4
    assert "ok" in rig.calls(call(DAEMON, "status"), uid=0)[0], "another sender is not concerned"


def test_too_many_calls_a_second(make_rig):
    """Ten seconds are one of the gate, so that whoever calls is fast enough on any machine."""
    rig = make_rig(speed=0.1)
    rig.answers(any="yes")
    results = rig.calls(*[call(PROPERTIES, "Get", "(ss)", f"('{DAEMON}', 'State')")] * 2000)
    limited = sum(r.get("error") == error_name("LimitsExceeded") for r in results)
    took = sum(r["took"] for r in results) / 10
    assert limited > 0
    assert 2000 - limited <= 200 + 100 * (took + 1)
    assert "ok" in rig.calls(call(DAEMON, "status"))[0], "a new connection of the same user"
