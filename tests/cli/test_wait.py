# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""--wait: the state decides, whatever the order of reply and signals; and monitor loses nothing."""
import json
import signal
import time

import pytest

UP = {'set': {'State': 'connected', 'Blocking': True, 'Profile': 'home'}}
TRYING = {'set': {'State': 'connecting', 'Blocking': True, 'Profile': 'home'}}


@pytest.mark.parametrize('steps', [
    [TRYING, {'reply': True}, {'sleep_ms': 50}, UP],
    [TRYING, UP, {'reply': True}],
    [{'reply': True}, TRYING, {'sleep_ms': 50}, UP],
    [TRYING, {'reply': True}, UP],
    [{'sleep_ms': 100}, TRYING, {'sleep_ms': 100}, {'reply': True}, {'sleep_ms': 100}, UP],
], ids=['late', 'before-reply', 'state-after-reply', 'at-once', 'slow'])
def test_connect_wait(vpnd, vpnctl, steps):
    vpnd.on('Activate', *steps)
    vpnd.tell(set={'State': 'connecting', 'Blocking': True} if steps[0] == {'reply': True} else {})
    result = vpnctl('connect', 'home', '--wait')
    assert (result.code, result.out, result.err) == (0, 'Connected\n', '')
    assert vpnctl('connect', 'home', '--wait', '--json').json()['state'] == 'connected'


def test_a_stale_error_does_not_end_the_wait(vpnd, vpnctl):
    """The error of before the request is told again while the request runs."""
    vpnd.tell(set={'State': 'error', 'Cause': 'offline', 'Blocking': True})
    vpnd.on('Activate', {'set': {'State': 'error', 'Cause': 'offline'}}, {'set': {'State': 'connecting', 'Cause': ''}}, {'reply': True}, {'sleep_ms': 100}, UP)
    assert vpnctl('connect', 'home', '--wait').code == 0


def test_a_stale_connected_does_not_end_the_wait(vpnd, vpnctl):
    """Connected to another profile before: only the new connection counts."""
    vpnd.tell(**UP)
    vpnd.on('Activate', {'set': {'State': 'connecting', 'Profile': 'office'}}, {'reply': True}, {'sleep_ms': 100}, {'set': {'State': 'error', 'Cause': 'dns-failed'}})
    assert vpnctl('connect', 'office', '--wait').code == 1


@pytest.mark.parametrize('cause, code', [('offline', 6), ('firewall-failed', 7), ('tunnel-failed', 1), ('routing-failed', 1), ('dns-failed', 1), ('endpoint-unresolvable', 1), ('ip-family-unavailable', 6),
                                         ('profile-unusable', 1), ('crashed', 1), ('settings-unreadable', 1), ('word-of-later', 1)])
def test_wait_ends_at_an_error_with_the_code_of_its_cause(vpnd, vpnctl, cause, code):
    vpnd.on('Activate', TRYING, {'reply': True}, {'sleep_ms': 30}, {'set': {'State': 'error', 'Cause': cause}}, {'status': {'detail': 'words of the kernel'}})
    start = time.monotonic()
    result = vpnctl('connect', 'home', '--wait')
    assert time.monotonic() - start < 10
    assert (result.code, result.out) == (code, '') and f'Blocked: {cause}' in result.err and 'words of the kernel' in result.err and 'vpnctl disconnect' in result.err


def test_error_without_blocking_is_code_7(vpnd, vpnctl):
    vpnd.on('Activate', TRYING, {'reply': True}, {'set': {'State': 'error', 'Cause': 'tunnel-failed', 'Blocking': False}})
    result = vpnctl('connect', 'home', '--wait')
    assert result.code == 7 and 'BLOCKING IS NOT IN FORCE' in result.err and len(result.err.splitlines()) == 2


def test_timeout(vpnd, vpnctl):
    vpnd.on('Activate', TRYING)
    start = time.monotonic()
    result = vpnctl('connect', 'home', '--wait', '--timeout', '1')
    assert 0.9 < time.monotonic() - start < 8
    assert (result.code, result.out) == (5, '') and 'not done within 1 second' in result.err and 'vpnctl disconnect' in result.err
    assert vpnctl('connect', 'home', '-w', '-t', '1', '--json').error()['name'] == 'org.vpnd1.Cli.Timeout'


def test_timeout_of_a_daemon_that_never_answers(vpnd, vpnctl):
    vpnd.on('List', {'silent': True})
    assert vpnctl('list', '--timeout', '1').code == 5


def test_disconnect_wait(vpnd, vpnctl):
    vpnd.tell(**UP)
    vpnd.on('deactivate', {'set': {'State': 'disconnecting'}}, {'reply': True}, {'sleep_ms': 100}, {'set': {'State': 'disconnected', 'Blocking': False, 'Profile': ''}})
    result = vpnctl('disconnect', '--wait')
    assert (result.code, result.out, result.err) == (0, 'Disconnected\n', '')


def test_disconnect_without_wait_tells_the_state(vpnd, vpnctl):
    vpnd.tell(**UP)
    vpnd.on('deactivate', {'set': {'State': 'disconnecting'}})
    assert vpnctl('disconnect').out == 'Disconnecting\n'


def test_reconnect_wait(vpnd, vpnctl):
    vpnd.tell(**UP)
    vpnd.on('Reconnect', {'set': {'State': 'connecting'}}, {'reply': True}, {'sleep_ms': 100}, UP)
    assert vpnctl('reconnect', '--wait').out == 'Connected\n'


def test_disconnected_by_someone_else(vpnd, vpnctl):
    vpnd.on('Activate', TRYING, {'reply': True}, {'sleep_ms': 50}, {'set': {'State': 'disconnected', 'Blocking': False}})
    result = vpnctl('connect', 'home', '--wait')
    assert result.code == 1 and 'ended while vpnctl waited' in result.err


def test_daemon_dies_while_waiting(vpnd, vpnctl):
    vpnd.on('Activate', TRYING, {'reply': True}, {'sleep_ms': 50}, {'die': True})
    assert vpnctl('connect', 'home', '--wait').code == 8


def test_daemon_dies_instead_of_answering(vpnd, vpnctl):
    vpnd.on('Activate', {'die': True})
    assert vpnctl('connect', 'home', '--wait').code == 8


def test_interrupt(vpnd, spawn):
    vpnd.on('Activate', TRYING)
    process = spawn('connect', 'home', '--wait')
    vpnd.wait_for_read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, '') and 'vpnctl: stopped waiting' in err and 'vpnctl disconnect' in err


def test_interrupt_before_the_answer(vpnd, spawn):
    vpnd.on('Activate', {'silent': True})
    process = spawn('connect', 'home', '--wait')
    while ['Activate', ['home']] not in vpnd.calls():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, '') and 'may still carry it out' in err


def events(process, n):
    return [json.loads(process.stdout.readline()) for _ in range(n)]


def test_monitor_json(vpnd, spawn):
    process = spawn('monitor', '--json')
    (first,) = events(process, 1)
    assert list(first) == ['schema', 'event', 'status'] and first['event'] == 'status' and first['status']['state'] == 'disconnected'
    vpnd.tell(**TRYING)
    vpnd.tell(**UP)
    vpnd.tell(emit=['org.vpnd1.Daemon', 'connected', '(s)', ['KEY']])
    vpnd.tell(settings={'Mtu': 1400})
    vpnd.tell(emit=['org.vpnd1.Profiles', 'Changed', '()', []])
    vpnd.tell(emit=['org.vpnd1.Daemon', 'disconnected', '()', []])
    assert events(process, 6) == [
        {'schema': 1, 'event': 'state', 'state': 'connecting', 'cause': '', 'blocking': True, 'profile': 'home', 'since': 1700000000},
        {'schema': 1, 'event': 'state', 'state': 'connected', 'cause': '', 'blocking': True, 'profile': 'home', 'since': 1700000000},
        {'schema': 1, 'event': 'connected', 'publicKey': 'KEY'},
        {'schema': 1, 'event': 'settings', 'settings': {'mtu': 1400}},
        {'schema': 1, 'event': 'profiles'},
        {'schema': 1, 'event': 'disconnected'}]


def test_monitor_loses_nothing_that_happens_while_it_starts(vpnd, spawn):
    """The state changes after the status was answered and before anything else is read."""
    vpnd.on('status', {'reply': True}, TRYING, UP, {'emit': ['org.vpnd1.Daemon', 'connected', '(s)', ['KEY']]}, {'sleep_ms': 200}, {'set': {'State': 'disconnected', 'Blocking': False}})
    process = spawn('monitor', '--json')
    states = []
    while not states or states[-1] != 'disconnected' or len(states) < 2:
        event = json.loads(process.stdout.readline())
        if event['event'] in ('state', 'status'):
            states.append(event.get('state') or event['status']['state'])
    assert 'connected' in states


def test_monitor_text(vpnd, spawn):
    process = spawn('monitor')
    lines = [process.stdout.readline()]
    vpnd.tell(**TRYING)
    vpnd.tell(set={'Since': 1700000001})  # the same state: not printed again
    vpnd.tell(**UP)
    vpnd.tell(settings={'DnsServers': ['10.0.0.1']})
    lines += [process.stdout.readline() for _ in range(3)]
    assert [line[10:] for line in lines] == ['Disconnected\n', 'Connecting (home)\n', 'Connected (home)\n', 'Setting dns-servers: 10.0.0.1\n']


def test_monitor_warns_when_blocking_is_lost(vpnd, spawn):
    vpnd.tell(**UP)
    process = spawn('monitor')
    assert process.stdout.readline().endswith('Connected (home)\n')
    vpnd.tell(set={'Blocking': False})
    assert 'BLOCKING IS NOT IN FORCE' in process.stderr.readline()


def test_monitor_survives_a_restart_of_the_daemon(bus, vpnd, spawn):
    import conftest
    process = spawn('monitor', '--json')
    assert events(process, 1)[0]['event'] == 'status'
    vpnd.stop()
    assert events(process, 1) == [{'schema': 1, 'event': 'daemon', 'running': False}]
    second = conftest.Daemon(bus)
    assert events(process, 1) == [{'schema': 1, 'event': 'daemon', 'running': True}]
    assert events(process, 1)[0]['event'] == 'status'
    second.tell(**TRYING)
    assert events(process, 1)[0]['state'] == 'connecting'
    second.stop()


def test_monitor_timeout(vpnd, vpnctl):
    result = vpnctl('monitor', '--timeout', '1')
    assert result.code == 5 and result.out.endswith('Disconnected\n')
