# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every verb writes, as text and as JSON, and its exit code."""
import json
import os
import re
import time
from pathlib import Path

import pytest

SOURCE = Path(os.environ['VPND_SOURCE_ROOT'])
KEY = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='
SECRET = 'cGxhbnRlZC1wcml2YXRlLWtleS0wMTIzNDU2Nzg5YWI='
CONF = f'[Interface]\nPrivateKey = {SECRET}\nAddress = 10.64.0.7/32\nDNS = 10.64.0.1\nPostUp = true\n\n[Peer]\nPublicKey = {KEY}\nAllowedIPs = 0.0.0.0/0\nEndpoint = 192.0.2.10:51820\n'


def connected(vpnd):
    handshake = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() - 12))
    vpnd.tell(set={'State': 'connected', 'Blocking': True, 'Profile': 'home'})
    vpnd.tell(status={'deviceIpv4Address': '10.64.0.7', 'deviceIpv6Address': 'fd00::7', 'serverIpv4Gateway': '10.64.0.1', 'backend': 'kernel', 'interface': 'vpnd0', 'mtu': 1420,
                      'dns': ['10.64.0.1', 'fd00::1'], 'peers': [{'publicKey': KEY, 'endpoint': '192.0.2.10:51820', 'rxBytes': 1536, 'txBytes': 12, 'handshake': handshake}]})


CONNECTED = r'''Connected
  Profile:      home
  Since:        2023-11-14 22:13:20 \(\d+ d \d+ h\)
  Server:       192\.0\.2\.10:51820
  Addresses:    10\.64\.0\.7, fd00::7
  DNS:          10\.64\.0\.1, fd00::1
  Handshake:    1\d s ago
  Transferred:  1\.5.KiB received, 12 bytes sent
  Backend:      kernel
'''

VERBOSE = CONNECTED + rf'''  Interface:    vpnd0
  MTU:          1420
  Gateways:     10\.64\.0\.1
  Blocking:     in force
  Lockdown:     off
  Version:      9\.9
  Peer:         {re.escape(KEY)}
'''


def test_status_connected(vpnd, vpnctl):
    connected(vpnd)
    plain, verbose = vpnctl('status'), vpnctl('status', '-v')
    assert re.fullmatch(CONNECTED, plain.out), plain.out
    assert re.fullmatch(VERBOSE, verbose.out), verbose.out
    assert (plain.code, plain.err, verbose.code) == (0, '', 0)


def test_status_json_is_the_object_of_the_daemon(vpnd, vpnctl):
    connected(vpnd)
    vpnd.tell(status={'keyOfLater': 7})
    value = vpnctl('status', '--json').json()
    assert value['state'] == 'connected' and value['peers'][0]['publicKey'] == KEY and value['keyOfLater'] == 7
    assert list(value)[:9] == ['schema', 'version', 'state', 'cause', 'detail', 'blocking', 'lockdown', 'profile', 'since']


@pytest.mark.parametrize('state, first', [('disconnected', 'Disconnected'), ('connecting', 'Connecting'), ('connected', 'Connected'), ('disconnecting', 'Disconnecting'), ('error', 'Blocked: dns-failed')])
def test_first_line(vpnd, vpnctl, state, first):
    vpnd.tell(set={'State': state, 'Blocking': state != 'disconnected', 'Cause': 'dns-failed' if state == 'error' else ''})
    result = vpnctl('status')
    assert (result.out.splitlines()[0], result.code, result.err) == (first, 0, '')


def test_status_blocked_tells_cause_and_detail(vpnd, vpnctl):
    vpnd.tell(set={'State': 'error', 'Cause': 'tunnel-failed', 'Blocking': True}, status={'detail': 'creating vpnd0: Operation not permitted'})
    lines = vpnctl('status').out.splitlines()
    assert lines[:3] == ['Blocked: tunnel-failed', '  the tunnel device could not be set up', '  creating vpnd0: Operation not permitted']
    assert '/dev/net/tun' in lines[3] and 'vpnctl reconnect' in lines[3]


@pytest.mark.parametrize('cause', re.findall(r'#define VPND_CAUSE_WORD_\w+ "(.+)"', (SOURCE / 'dbus/names.h').read_text()) + ['word-of-later'])
def test_status_says_what_to_do_for_every_cause(vpnd, vpnctl, cause):
    vpnd.tell(set={'State': 'error', 'Cause': cause, 'Blocking': True})
    lines = vpnctl('status').out.splitlines()
    assert lines[0] == f'Blocked: {cause}' and all(line.startswith('  ') for line in lines[1:3])
    assert lines[1] != lines[2] and ('vpnctl' in lines[2] or 'by itself' in lines[2])


def test_lockdown_adds_an_indented_line(vpnd, vpnctl):
    vpnd.tell(settings={'Lockdown': True})
    vpnd.tell(set={'Blocking': True})
    result = vpnctl('status')
    assert result.out == 'Disconnected\n  The network is blocked: lockdown is on (to open it: vpnctl lockdown off)\n'
    assert result.code == 0


@pytest.mark.parametrize('state', ['connecting', 'connected', 'error', 'disconnected'])
def test_missing_blocking_is_loud(vpnd, vpnctl, state):
    vpnd.tell(settings={'Lockdown': state == 'disconnected'})
    vpnd.tell(set={'State': state, 'Blocking': False, 'Cause': 'firewall-failed' if state == 'error' else ''})
    result = vpnctl('status')
    assert result.code == 7
    assert result.out.splitlines()[0] == {'error': 'Blocked: firewall-failed'}.get(state, state.capitalize())
    assert len(result.err.splitlines()) == 2 and 'BLOCKING IS NOT IN FORCE' in result.err
    assert vpnctl('status', '--json').error()['name'] == 'org.vpnd1.Cli.BlockingFailed'


@pytest.mark.parametrize('state', ['disconnected', 'disconnecting'])
def test_open_on_request_is_no_failure(vpnd, vpnctl, state):
    vpnd.tell(set={'State': state, 'Blocking': False})
    assert (vpnctl('status').code, vpnctl('status').err) == (0, '')


def test_import(vpnd, vpnctl, tmp_path):
    path = tmp_path / 'travel.conf'
    path.write_text(CONF)
    result = vpnctl('import', str(path))
    assert result.out == ('Imported travel\n  Addresses:  10.64.0.7/32\n  DNS:        10.64.0.1\n  Peers:      1\n'
                          '  Dropped:\n    line 5: PostUp: commands are never run\n')
    assert (result.code, result.err) == (0, '')
    assert vpnd.calls()[-1] == ['Import', ['travel', f'({len(CONF)} bytes)', False]]
    value = vpnctl('import', '--replace', '--json', str(path), 'other').json()
    assert value == {'schema': 1, 'profile': 'other', 'report': {'addresses': ['10.64.0.7/32'], 'dns': ['10.64.0.1'], 'peers': 1, 'dropped': ['line 5: PostUp: commands are never run']}}
    assert vpnd.calls()[-1] == ['Import', ['other', f'({len(CONF)} bytes)', True]]


def test_import_from_standard_input_needs_a_name(vpnd, vpnctl):
    assert vpnctl('import', '-', stdin=CONF).code == 2
    assert vpnctl('import', '-', 'piped', stdin=CONF).out.startswith('Imported piped\n')
    assert vpnd.calls() == [['Import', ['piped', f'({len(CONF)} bytes)', False]]]


@pytest.mark.parametrize('name', ['.hidden', '-x', 'a/b', 'a b', 'ü', 'x' * 65, ''])
def test_import_refuses_bad_names_before_the_bus(vpnd, vpnctl, tmp_path, name):
    (tmp_path / 'ok.conf').write_text(CONF)
    assert vpnctl('import', '--', str(tmp_path / 'ok.conf'), name).code == 2
    assert vpnd.calls() == []


def test_import_file_errors(vpnd, vpnctl, tmp_path):
    missing = vpnctl('import', str(tmp_path / 'none.conf'))
    assert missing.code == 4 and 'No such file' in missing.err
    assert vpnctl('import', str(tmp_path), 'directory').code == 1
    (tmp_path / 'big.conf').write_bytes(b'#' * (256 * 1024 + 1))
    big = vpnctl('import', '--json', str(tmp_path / 'big.conf'))
    assert big.code == 1 and big.error()['name'] == 'org.vpnd1.Error.TooLarge'
    assert vpnd.calls() == []
    (tmp_path / 'full.conf').write_bytes(b'#' * (256 * 1024))
    assert vpnctl('import', str(tmp_path / 'full.conf')).code == 0


def test_import_of_what_exists_tells_how_to_replace(vpnd, vpnctl):
    vpnd.on('Import', {'error': ['org.vpnd1.Error.Exists', 'a profile named "home" exists']})
    result = vpnctl('import', '-', 'home', stdin=CONF)
    assert (result.code, result.err) == (1, 'vpnctl: a profile named "home" exists\nTo replace it: vpnctl import --replace FILE NAME\n')


def test_secrets_are_never_shown(vpnd, vpnctl, tmp_path):
    (tmp_path / 'x.conf').write_text(CONF)
    (tmp_path / 'x.json').write_text(json.dumps({'privateKey': SECRET}))
    vpnd.on('activate', {'error': ['org.vpnd1.Error.InvalidArgument', 'serverPublicKey is missing']})
    for args in (['import', str(tmp_path / 'x.conf')], ['import', '--json', str(tmp_path / 'x.conf')], ['activate', str(tmp_path / 'x.json')], ['activate', '--json', str(tmp_path / 'x.json')]):
        result = vpnctl(*args)
        assert SECRET not in result.out + result.err


def test_list(vpnd, vpnctl):
    vpnd.tell(profiles=[{'name': 'home', 'active': True}, {'name': 'a-much-longer-name', 'endpoints': []}])
    assert vpnctl('list').out == ('Name                Active  Servers           Addresses\n'
                                  'home                yes     192.0.2.10:51820  10.64.0.7/32, fd00::7/128\n'
                                  'a-much-longer-name  -                         10.64.0.7/32, fd00::7/128\n')
    assert vpnctl('list', '--names').out == 'home\na-much-longer-name\n'
    value = vpnctl('list', '--json').json()
    assert [list(p) for p in value['profiles']] == [['name', 'active', 'addresses', 'endpoints', 'dns', 'peers', 'mtu']] * 2


def test_list_of_nothing(vpnd, vpnctl):
    vpnd.tell(profiles=[])
    result = vpnctl('list')
    assert (result.code, result.out) == (0, '') and 'vpnctl import' in result.err
    assert vpnctl('list', '--json').json() == {'schema': 1, 'profiles': []}


def test_show(vpnd, vpnctl):
    assert vpnctl('show', 'home').out == ('home\n  Addresses:  10.64.0.7/32, fd00::7/128\n  DNS:        10.64.0.1\n  Servers:    192.0.2.10:51820\n'
                                          '  Peers:      1\n  MTU:        automatic\n  Active:     no\n')
    assert vpnctl('show', '--json', 'home').json()['profile']['name'] == 'home'


def test_bridge(vpnd, vpnctl):
    assert vpnctl('bridge', 'home').out == 'off\n'
    assert vpnctl('bridge', 'home', '192.0.2.9:443/tcp', '1020').out == '192.0.2.9:443/tcp by 127.0.0.1:1020\n'
    assert vpnctl('bridge', 'home', '[2001:db8::9]:8388/udp', '1020', 'nobody').out == '[2001:db8::9]:8388/udp by 127.0.0.1:1020, user 65534\n'
    assert vpnctl('bridge', '--json', 'home').json() == {'schema': 1, 'profile': 'home', 'bridge': '[2001:db8::9]:8388/udp', 'localPort': 1020, 'user': 65534}
    assert '  Bridge:     [2001:db8::9]:8388/udp by 127.0.0.1:1020, user 65534\n' in vpnctl('show', 'home').out
    assert vpnctl('bridge', 'home', 'off').out == 'off\n' and vpnctl('bridge', 'home', '--json').json()['bridge'] == ''
    assert [c[1] for c in vpnd.calls() if c[0] == 'SetBridge'] == [['home', '192.0.2.9:443/tcp', 1020, 0], ['home', '[2001:db8::9]:8388/udp', 1020, 65534], ['home', '', 0, 0]]
    vpnd.tell(set={'State': 'connected', 'Blocking': True}, status={'bridge': '192.0.2.9:443/tcp'})
    assert '  Bridge:  192.0.2.9:443/tcp\n' in vpnctl('status').out


@pytest.mark.parametrize('args', [['192.0.2.9:443/tcp'], ['off', '1'], ['192.0.2.9:443/tcp', '0'], ['192.0.2.9:443/tcp', 'x'], ['192.0.2.9:443/tcp', '1', 'no-such-user-here'], ['a', '1', '0', 'x']])
def test_bridge_usage(vpnd, vpnctl, args):
    assert vpnctl('bridge', 'home', *args).code == 2
    assert not any(c[0] == 'SetBridge' for c in vpnd.calls())


def test_export(vpnd, vpnctl):
    assert vpnctl('export', 'home').out.startswith('[Interface]\n# PrivateKey is not exported\n')
    assert vpnctl('export', '--json', 'home').json()['conf'].startswith('[Interface]\n')


def test_remove_and_rename(vpnd, vpnctl):
    assert vpnctl('rename', 'home', 'house').out == 'Renamed home to house\n'
    assert vpnctl('remove', 'office').out == 'Removed office\n'
    assert vpnctl('rename', '--json', 'home', 'house').json() == {'schema': 1, 'renamed': {'from': 'home', 'to': 'house'}}
    assert vpnctl('remove', '--json', 'office').json() == {'schema': 1, 'removed': 'office'}
    assert vpnd.calls()[:2] == [['Rename', ['home', 'house']], ['Remove', ['office']]]


@pytest.mark.parametrize('args', [['rename', 'home', 'house'], ['remove', 'home']])
def test_what_to_do_about_a_profile_in_use(vpnd, vpnctl, args):
    vpnd.on(args[0].capitalize(), {'error': ['org.vpnd1.Error.Exists', 'no']})
    vpnd.tell(set={'Profile': 'home'})
    assert vpnctl(*args).err == 'vpnctl: no\nTo disconnect: vpnctl disconnect\n'
    vpnd.tell(set={'Profile': 'office'})
    assert vpnctl(*args).err == 'vpnctl: no\n'


@pytest.mark.parametrize('args', [['connect', 'hom'], ['export', 'hom'], ['remove', 'hom'], ['rename', 'hom', 'x'], ['show', 'hom'], ['bridge', 'hom'], ['bridge', 'hom', 'off']])
def test_unknown_profile_names_the_nearest(vpnd, vpnctl, args):
    result = vpnctl(*args)
    assert (result.code, result.out) == (4, '')
    assert result.err == 'vpnctl: no profile named "hom"\nDid you mean home?\nStored profiles: home, office\n'
    assert vpnctl(*args, '--json').error()['name'] == 'org.vpnd1.Error.NotFound'


SETTINGS = '''Setting               Value  Meaning
lockdown              off    block the network also while disconnected (on, off)
auto-connect          off    connect when vpnd starts (on, off)
auto-connect-profile  -      the profile for that; empty for the last one used
allow-lan             on     allow the local network outside the tunnel (on, off)
ipv6                  on     use IPv6 in the tunnel where the profile has it (on, off)
mtu                   0      MTU of the tunnel, 1280 to 65535; 0 for automatic
dns-servers           -      name servers instead of the profile's; empty for those
dns-resolver-uid      0      user number of a resolver on this host; 0 for none
api-endpoints         -      services that root reaches outside the tunnel while not connected
forward               -      links of guests as name=tunnel, name=direct or name=block
crash-recovery        block  after a crash of vpnd: block, reconnect, release
backend               auto   which WireGuard: auto, kernel, userspace
destroy-sockets       on     end connections of before when connecting (on, off)
'''


def test_settings(vpnd, vpnctl):
    assert vpnctl('settings').out == SETTINGS == vpnctl('settings', 'get').out
    assert list(vpnctl('settings', '--json').json()['settings']) == [line.split()[0] for line in SETTINGS.splitlines()[1:]]
    assert vpnctl('settings', 'get', 'crash-recovery').out == 'block\n'
    assert vpnctl('settings', 'get', 'mtu', '--json').json() == {'schema': 1, 'settings': {'mtu': 0}}


@pytest.mark.parametrize('words, printed, value', [
    (['lockdown', 'on'], 'on', ['Lockdown', True]), (['lockdown', 'false'], 'off', ['Lockdown', False]), (['mtu', '1380'], '1380', ['Mtu', 1380]),
    (['dns-servers', '10.0.0.1,fd00::1'], '10.0.0.1,fd00::1', ['DnsServers', ['10.0.0.1', 'fd00::1']]), (['dns-servers', '10.0.0.1', '10.0.0.2'], '10.0.0.1,10.0.0.2', ['DnsServers', ['10.0.0.1', '10.0.0.2']]),
    (['dns-servers', ''], '', ['DnsServers', []]), (['auto-connect-profile', ''], '', ['AutoConnectProfile', '']), (['backend', 'kernel'], 'kernel', ['Backend', 'kernel'])])
def test_settings_set(vpnd, vpnctl, words, printed, value):
    assert vpnctl('settings', 'set', *words).out == printed + '\n'
    assert vpnd.calls()[-1] == ['Set', value]


def test_settings_reset(vpnd, vpnctl):
    vpnctl('settings', 'set', 'mtu', '1380')
    assert vpnctl('settings', 'reset').out == SETTINGS


@pytest.mark.parametrize('words', [['set', 'lockdown', 'maybe'], ['set', 'mtu', '-1'], ['set', 'mtu', '12x'], ['set', 'mtu', '1', '2'], ['set', 'mtu'], ['get'] * 3, ['frob'], ['reset', 'mtu']])
def test_settings_usage(vpnd, vpnctl, words):
    result = vpnctl('settings', '--', *words)
    assert result.code == 2 and len(result.err.splitlines()) >= 1
    assert vpnd.calls() == []


def test_settings_unknown_key(vpnd, vpnctl):
    result = vpnctl('settings', 'set', 'lokdown', 'on')
    assert result.code == 4 and 'Did you mean lockdown?' in result.err


@pytest.mark.parametrize('words, printed, calls', [
    (['lockdown'], 'off', []), (['lockdown', 'get'], 'off', []), (['lockdown', 'on'], 'on', [['Set', ['Lockdown', True]]]), (['lockdown', 'off'], 'off', [['Set', ['Lockdown', False]]]),
    (['lan'], 'allow', []), (['lan', 'block'], 'block', [['Set', ['AllowLan', False]]]), (['lan', 'allow'], 'allow', [['Set', ['AllowLan', True]]]),
    (['auto-connect', 'get'], 'off', []), (['auto-connect', 'on'], 'on', [['Set', ['AutoConnect', True]]]), (['auto-connect', 'off'], 'off', [['Set', ['AutoConnect', False]]]),
    (['auto-connect', 'on', 'home'], 'on home', [['Set', ['AutoConnectProfile', 'home']], ['Set', ['AutoConnect', True]]])])
def test_switches(vpnd, vpnctl, words, printed, calls):
    vpnd.tell(set={'Blocking': True})
    result = vpnctl(*words)
    assert (result.code, result.out, result.err) == (0, printed + '\n', '')
    assert [c for c in vpnd.calls() if c[0] == 'Set'] == calls


def test_switches_json(vpnd, vpnctl):
    assert vpnctl('lan', '--json').json() == {'schema': 1, 'settings': {'allow-lan': True}}
    assert vpnctl('auto-connect', 'on', 'home', '--json').json() == {'schema': 1, 'settings': {'auto-connect': True, 'auto-connect-profile': 'home'}}


@pytest.mark.parametrize('words', [['lockdown', 'maybe'], ['lan', 'on'], ['auto-connect', 'off', 'home'], ['auto-connect', 'get', 'home'], ['lockdown', 'on', 'x']])
def test_switches_usage(vpnd, vpnctl, words):
    assert vpnctl(*words).code == 2
    assert vpnd.calls() == []


@pytest.mark.parametrize('words', [['lockdown', 'on'], ['list'], ['list', '--json'], ['connect', 'home']])
def test_missing_blocking_is_loud_everywhere(vpnd, vpnctl, words):
    vpnd.tell(settings={'Lockdown': True})
    result = vpnctl(*words)
    assert result.code == 7 and 'BLOCKING IS NOT IN FORCE' in result.err and result.out != ''


def test_emergency_unlock(vpnd, vpnctl):
    vpnd.tell(set={'State': 'error', 'Cause': 'crashed', 'Blocking': True}, settings={'Lockdown': True, 'AutoConnect': True})
    vpnd.on('deactivate', {'set': {'State': 'disconnected', 'Cause': '', 'Blocking': False}})
    result = vpnctl('emergency-unlock')
    assert (result.code, result.err) == (0, '') and result.out.startswith('The network is open.')
    assert [c for c in vpnd.calls() if c[0] != 'status'] == [['Set', ['Lockdown', False]], ['Set', ['AutoConnect', False]], ['deactivate', []]]
    assert vpnctl('emergency-unlock', '--json').json() == {'schema': 1, 'unlocked': True}


def test_emergency_unlock_that_did_not_open(vpnd, vpnctl):
    vpnd.tell(set={'State': 'disconnected', 'Blocking': True})
    result = vpnctl('emergency-unlock')
    assert result.code == 7 and 'still in force' in result.err and '/vpnd --emergency-unlock' in result.err


def test_emergency_unlock_without_vpnd_tells_the_command(vpnctl):
    for options in ({}, {'address': 'unix:path=/nowhere'}):
        result = vpnctl('emergency-unlock', **options)
        assert result.code == 8 and 'As root:' in result.err
        assert re.search(r'^ *systemctl stop vpnd; /\S+/vpnd/vpnd --emergency-unlock$', result.err, re.M), result.err


def test_logs(vpnd, vpnctl):
    assert vpnctl('logs').out == 'first line\nsecond \ufffd[31mline\n'
    assert vpnctl('logs', '--json').json() == {'schema': 1, 'lines': ['first line', 'second \x1b[31mline']}
    assert (vpnctl('logs', '--clear').out, vpnctl('logs', '--clear', '--json').json()) == ('', {'schema': 1, 'cleared': True})
    assert [c[0] for c in vpnd.calls()] == ['getLogs', 'getLogs', 'cleanupLogs', 'cleanupLogs']


def test_dns(vpnd, vpnctl):
    assert vpnctl('dns').out == '''Owner:        systemd-resolved
Because:      resolv.conf is a link to the file of systemd-resolved
Way:          on our link at systemd-resolved
File:         /etc/resolv.conf
Link to:      ../run/systemd/resolve/stub-resolv.conf
It lists:     127.0.0.53
Set by vpnd:  10.64.0.1
Search:       corp.example
Read back:    as it was set
eth0:         192.0.2.1
vpnd0:        10.64.0.1 (~., corp.example)
'''
    shown = vpnctl('dns', '--json').json()['dns']
    assert (shown['owner'], shown['inForce'], shown['links'][1]['domains']) == ('systemd-resolved', True, ['~.', 'corp.example'])
    assert [c[0] for c in vpnd.calls()] == ['Dns', 'Dns']


def test_dns_query_needs_no_vpnd(vpnctl):
    assert '127.0.0.1' in vpnctl('dns', 'query', 'localhost', address='unix:path=/nowhere').out.split()
    assert vpnctl('dns', 'query', '192.0.2.7', '--json').json() == {'schema': 1, 'name': '192.0.2.7', 'addresses': ['192.0.2.7']}
    for words in (('query',), ('ask', 'localhost'), ('query', '')):
        assert vpnctl('dns', *words).code == 2


def test_version(vpnd, vpnctl):
    assert re.fullmatch(r'vpnctl [\d.]+\nvpnd 9\.9\n', vpnctl('version').out)
    assert vpnctl('--version').out == vpnctl('version').out
    assert list(vpnctl('version', '--json').json()) == ['schema', 'vpnctl', 'vpnd']


def test_connect_without_a_name(vpnd, vpnctl):
    vpnd.on('Activate', {'set': {'State': 'connecting', 'Blocking': True}})
    several = vpnctl('connect')
    assert several.code == 2 and 'Name one of: home, office' in several.err
    vpnd.tell(settings={'AutoConnectProfile': 'office'})
    assert vpnctl('connect').out == 'Connecting\n'
    vpnd.tell(set={'Profile': 'home'})
    vpnctl('connect')
    vpnd.tell(set={'Profile': ''}, settings={'AutoConnectProfile': ''}, profiles=[{'name': 'only'}])
    vpnctl('connect')
    assert [c[1] for c in vpnd.calls() if c[0] == 'Activate'] == [['office'], ['home'], ['only']]
    vpnd.tell(profiles=[])
    none = vpnctl('connect')
    assert none.code == 4 and 'vpnctl import' in none.err


def test_activate_reads_files_and_standard_input(vpnd, vpnctl, tmp_path):
    vpnd.on('activate', {'set': {'State': 'connecting', 'Blocking': True}})
    (tmp_path / 'x.json').write_text('{"a": 1}')
    assert vpnctl('activate', str(tmp_path / 'x.json')).out == 'Connecting\n'
    assert vpnctl('activate', '-', stdin='{"b": 2}').out == 'Connecting\n'
    assert [c[1] for c in vpnd.calls() if c[0] == 'activate'] == [['{"a": 1}'], ['{"b": 2}']]
    assert vpnctl('activate', '-', stdin='').code == 1
    (tmp_path / 'binary').write_bytes(b'\xff\xfe')
    assert vpnctl('activate', '--json', str(tmp_path / 'binary')).error()['name'] == 'org.vpnd1.Error.InvalidJson'


@pytest.mark.parametrize('args, member, error', [(['import', 'FILE', 'x'], 'Import', 'InvalidProfile'), (['activate', 'FILE'], 'activate', 'InvalidJson')])
def test_what_is_wrong_in_a_file_names_it(vpnd, vpnctl, tmp_path, args, member, error):
    vpnd.on(member, {'error': [f'org.vpnd1.Error.{error}', 'line 1, column 1: so and so']})
    (tmp_path / 'file').write_text('text')
    for given, named in ((str(tmp_path / 'file'), str(tmp_path / 'file')), ('-', 'standard input')):
        result = vpnctl(*[given if word == 'FILE' else word for word in args], stdin='text')
        assert result.code == 1 and result.err.startswith(f'vpnctl: {named}: line 1, column 1: so and so\n')
    vpnd.on(member, {'error': ['org.vpnd1.Error.NotSupported', 'so and so']})
    assert vpnctl(*[word.replace('FILE', '-') for word in args], stdin='text').err.startswith('vpnctl: so and so\n')


def test_reconnect_while_disconnected(vpnd, vpnctl):
    vpnd.on('Reconnect', {'error': ['org.vpnd1.Error.NotConnected', 'no tunnel is active']})
    result = vpnctl('reconnect', '--wait')
    assert result.code == 1 and 'vpnctl connect PROFILE' in result.err


@pytest.mark.parametrize('name, code', [
    ('Failed', 1), ('InvalidArgument', 2), ('InvalidJson', 1), ('InvalidProfile', 1), ('TooLarge', 1), ('NotAuthorized', 3), ('NotFound', 4), ('Exists', 1), ('LimitsExceeded', 1), ('NotSupported', 1),
    ('NotConnected', 1), ('FirewallFailed', 7), ('TunnelFailed', 1), ('RoutingFailed', 1), ('DnsFailed', 1), ('KernelFeatureMissing', 1), ('Offline', 6), ('EndpointUnresolvable', 1),
    ('StorageFailed', 1), ('Cancelled', 1)])
def test_exit_code_of_every_error(vpnd, vpnctl, name, code):
    vpnd.on('Activate', {'error': ['org.vpnd1.Error.' + name, 'because of so and so']})
    result = vpnctl('connect', 'home')
    assert (result.code, result.out) == (code, '') and result.err.startswith('vpnctl: because of so and so\n')
    error = vpnctl('connect', 'home', '--json').error()
    assert (error['name'], error['message']) == ('org.vpnd1.Error.' + name, 'because of so and so')


@pytest.mark.parametrize('args, member, action', [(['connect', 'home'], 'Activate', 'activate'), (['disconnect'], 'deactivate', 'deactivate'), (['import', '-', 'x'], 'Import', 'configure'),
                                                  (['logs'], 'getLogs', 'logs'), (['settings', 'reset'], 'Reset', 'weaken')])
def test_not_authorised_names_the_action(vpnd, vpnctl, args, member, action):
    vpnd.on(member, {'error': ['org.vpnd1.Error.NotAuthorized', 'not authorized']})
    result = vpnctl(*args)
    assert result.code == 3 and f'the polkit action org.vpnd1.{action}: run it as root' in result.err


@pytest.mark.parametrize('name, code', [('ServiceUnknown', 8), ('Spawn.ChildExited', 8), ('NoReply', 8), ('AccessDenied', 3), ('InteractiveAuthorizationRequired', 3), ('UnknownMethod', 1)])
def test_errors_of_the_bus(vpnd, vpnctl, name, code):
    vpnd.on('List', {'error': ['org.freedesktop.DBus.Error.' + name, 'text']})
    assert vpnctl('list').code == code


@pytest.mark.parametrize('args', [['status'], ['connect', 'x', '--wait'], ['monitor'], ['list'], ['settings'], ['logs'], ['version'], ['disconnect', '--wait'], ['routes']])
def test_no_daemon(vpnctl, args):
    result = vpnctl(*args)
    assert result.code == 8 and 'systemctl start vpnd' in result.err
    assert vpnctl(*args, '--json').error()['exitCode'] == 8


def test_no_bus(vpnctl):
    result = vpnctl('status', address='unix:path=/nonexistent/socket')
    assert result.code == 8 and 'DBUS_SYSTEM_BUS_ADDRESS' in result.err
    assert vpnctl('status', '--json', address='nonsense').error()['name'] == 'org.vpnd1.Cli.Unreachable'


@pytest.mark.parametrize('args', [['frob'], ['status', 'extra'], ['status', '--wait'], ['connect', '--frob'], ['connect', 'a', 'b'], ['import'], ['rename', 'one'], ['--timeout'], ['status', '--timeout', 'x'],
                                  ['status', '--timeout', '-1'], ['status', '--timeout=-2'], ['status', '--timeout', '-2147483647'], ['status', '--timeout', '9999999'], ['help', 'frob'], ['--frob'], ['--json', 'frob'], ['conn']])
def test_usage_errors(vpnd, vpnctl, args):
    result = vpnctl(*args)
    assert (result.code, result.out) == (2, '') and result.err
    assert vpnctl('--json', *args).error()['name'] == 'org.vpnd1.Cli.Usage'
    assert vpnd.calls() == []


def test_options_before_and_after_the_verb(vpnd, vpnctl):
    assert vpnctl('--json', '--timeout', '5', 'status').out == vpnctl('status', '-j', '-t', '5').out
    assert vpnctl('-j', 'help').out == vpnctl('help', '--json').out


def test_usage_says_how(vpnctl):
    assert vpnctl('status', 'extra').err == 'vpnctl: too much for status: vpnctl status\nSee: vpnctl help status\n'
    assert vpnctl('rename', 'one').err == 'vpnctl: rename needs more: vpnctl rename OLD NEW\nSee: vpnctl help rename\n'


def test_help_of_one_command_as_json(vpnctl):
    every = vpnctl('help', '--json').json()
    assert len(every['commands']) > 20
    for command in every['commands']:
        assert vpnctl('help', command['name'], '--json').json() == dict(every, commands=[command])
