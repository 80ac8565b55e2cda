# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real polkitd with our actions and no rules: defaults, its restart, its absence."""
import signal

import pytest

import rig as rigs
import sandbox
from rig import DAEMON, PROFILES, SETTINGS, call, error_name, set_call


@pytest.fixture(name="real", scope="module")
def real_fixture():
    rig = rigs.Rig(polkit="real")
    yield rig
    rig.close()


def test_root_may_do_everything(real):
    results = real.calls(rigs.import_call("demo"), rigs.activate(), set_call("Lockdown", "b", "true"), set_call("Lockdown", "b", "false"), call(DAEMON, "getLogs"),
                         call(DAEMON, "deactivate"), call(PROFILES, "Activate", "(s)", "('demo',)"), call(DAEMON, "deactivate"), call(SETTINGS, "Reset"), uid=0)
    assert all("ok" in r for r in results), results


def test_others_without_a_session_only_read(real):
    before = real.snapshot()
    for interface, kind, name, action, access in rigs.contract():
        one = rigs.METHOD_CALLS[interface, name] if kind == "method" else None
        if kind == "property" and access == "readwrite":
            one = set_call(name, *rigs.WRITES[name])
        if one is None:
            continue
        result = real.calls(one)[0]
        if action == "org.vpnd1.read":
            assert "ok" in result, (name, result)
        else:
            assert result.get("error") == error_name("NotAuthorized"), (name, result)
    assert real.snapshot() == before


def test_the_message_says_what_is_missing(real):
    silent, asking = real.calls(call(PROFILES, "Reconnect"), call(PROFILES, "Reconnect", interactive=True))
    assert "does not allow" in silent["message"]
    assert "no authentication agent" in asking["message"]


def test_without_polkitd_only_root_may_and_with_it_all_is_as_before(real):
    real.stop_polkit()
    before = real.snapshot()
    without = real.calls(call(DAEMON, "status"), rigs.activate())
    assert [r.get("error") for r in without] == [error_name("NotAuthorized")] * 2
    assert real.snapshot() == before
    assert all("ok" in result for result in real.calls(call(DAEMON, "status"), rigs.activate(), uid=0)), "polkit would not refuse root either"
    assert "ok" in real.calls(call(rigs.PROPERTIES, "Get", "(ss)", f"('{DAEMON}', 'State')"))[0], "what needs no action needs no polkit"
    real.start_real_polkit()
    assert "ok" in sandbox.wait_until(lambda: [r for r in real.calls(call(DAEMON, "status")) if "ok" in r], sandbox.SOON_S, "authorization after the restart of polkitd")[0]
    assert "ok" in real.calls(rigs.activate(), uid=0)[0]
    assert real.calls(rigs.activate())[0]["error"] == error_name("NotAuthorized")


def test_a_polkitd_that_hangs_does_not_stop_root(real):
    """The kill switch must stay in root's hands: neither a stopped polkitd nor as many waiting calls as the quota has may block it."""
    real.polkit.send_signal(signal.SIGSTOP)
    try:
        others = [real.client({"mode": "together", "calls": [call(DAEMON, "status")] * 16}) for _ in range(3)]
        assert all("ok" in r for r in real.calls(rigs.activate(), call(DAEMON, "status"), call(DAEMON, "deactivate"), uid=0))
        assert all(other.poll() is None for other in others), "the others wait for polkit"
    finally:
        real.polkit.send_signal(signal.SIGCONT)
    for other in others:
        other.communicate(timeout=30)


def test_what_administrators_see_is_for_them(real):
    """Everybody learns that there is a finding; what another firewall's table is called stands in the answer to administrators only."""
    all_of_it, part, denied = real.calls(call(rigs.DIAGNOSTICS, "CheckAll"), uid=0)[0], real.calls(call(rigs.DIAGNOSTICS, "Check"))[0], real.calls(call(rigs.DIAGNOSTICS, "CheckAll"))[0]
    assert "table inet private" in all_of_it["ok"] and "mend table inet private" in all_of_it["ok"]
    assert "firewall-suspect" in part["ok"] and "private" not in part["ok"] and "rule 100" in part["ok"]
    assert denied["error"] == error_name("NotAuthorized")
