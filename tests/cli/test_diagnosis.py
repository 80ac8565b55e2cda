# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""routes, doctor and bundle: what they write, their exit codes, and that the report names nobody."""
import fcntl
import json
import os
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import termios

import pytest

from conftest import VPNCTL, environment

KEY = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='
HEX_KEY = '0123456789abcdef' * 4


@pytest.fixture(name='vpnd')
def same_version(vpnd, vpnctl):
    """A vpnd of the version of vpnctl."""
    vpnd.tell(set={'Version': re.search(r'vpnctl (\S+)', vpnctl('version').out).group(1)})
    return vpnd


def finding(code, severity, evidence='seen', command='mend it'):
    return {'code': code, 'severity': severity, 'evidence': evidence, 'command': command}


def test_routes(vpnd, vpnctl):
    assert vpnctl('routes').out == '''Kind     Entry                             State    Why
default  0.0.0.0/0 via 192.0.2.1 dev eth0  present  the tunnel's own packets leave here
route    0.0.0.0/0 dev vpnd0 table 22096   present  AllowedIPs of the profile
rule     4890 inet lookup 22096            MISSING  everything else goes into the tunnel
rule     100 inet lookup 254               FOREIGN  of another program, asked before vpnd's
Missing: 1, foreign: 1. See: vpnctl doctor
'''
    shown = vpnctl('routes', '--json').json()['routes']
    assert [(r['state'], r['reason'], r['node']) for r in shown][1:3] == [('present', 'allowed-ips', 'real'), ('missing', 'everything-else', 'real')]
    vpnd.tell(routes=[r for r in shown if r['state'] == 'present'])
    assert vpnctl('routes').out.endswith('\nEverything is as planned.\n')
    vpnd.tell(routes=[])
    assert vpnctl('routes').out == 'vpnd has no routes in force, and has left none behind.\n'


def test_routes_of_another_version(vpnd, vpnctl):
    vpnd.tell(routes=[{'kind': 'rule', 'entry': 'x', 'state': 'odd', 'reason': 'new-word', 'node': 'real'}])
    assert re.search(r'^rule +x +odd +new-word$', vpnctl('routes').out, re.M)


def test_doctor_without_findings(vpnd, vpnctl):
    result = vpnctl('doctor')
    assert (result.code, result.out, result.err) == (0, 'Nothing is wrong.\n', '')
    assert vpnctl('doctor', '--json').json() == {'schema': 1, 'findings': []}


@pytest.mark.parametrize('severities, code, name', [(['note'], 0, None), (['warning', 'note'], 9, 'FoundWarnings'), (['error', 'warning', 'note'], 10, 'FoundErrors'), (['error', 'error'], 10, 'FoundErrors')])
def test_doctor_ends_as_the_worst(vpnd, vpnctl, severities, code, name):
    vpnd.tell(findings=[finding('mtu-small', s) for s in severities])
    assert vpnctl('doctor').code == code
    result = vpnctl('doctor', '--json')
    assert result.code == code and [f['severity'] for f in result.json()['findings']] == severities
    if name:
        assert result.error()['name'] == 'org.vpnd1.Cli.' + name


def test_doctor_says_what_it_means_and_what_mends_it(vpnd, vpnctl):
    vpnd.tell(findings=[finding('rule-foreign', 'warning', 'rule 100 inet lookup 254', 'ip rule del priority 100')])
    result = vpnctl('doctor')
    assert result.out == '''Warning: rule-foreign
  A routing rule of another program is asked before those of vpnd. Packets that it sends elsewhere are blocked, not tunnelled.
  Seen: rule 100 inet lookup 254
  $ ip rule del priority 100
'''
    assert result.err == 'vpnctl: 1 warning was found\n'


def test_doctor_of_another_version(vpnd, vpnctl):
    vpnd.tell(findings=[finding('new-word', 'fatal')])
    result = vpnctl('doctor')
    assert result.code == 10 and result.out.startswith('Error: new-word\n  Seen: seen\n')
    vpnd.tell(findings=[], set={'Version': '0.0.1'})
    result = vpnctl('doctor')
    assert result.code == 9 and 'versions-differ' in result.out and 'vpnd 0.0.1' in result.out


def test_doctor_hides_what_was_not_shown(vpnd, vpnctl):
    vpnd.tell(findings=[finding('mark-clobbered', 'warning', '', '')])
    assert '  Seen: for administrators only (vpnctl doctor --verbose)\n' in vpnctl('doctor').out and '  $' not in vpnctl('doctor').out


def test_doctor_asks_for_more_when_told_to(vpnd, vpnctl):
    assert vpnctl('doctor', '--verbose').code == 0
    assert [c[0] for c in vpnd.calls() if c[0].startswith('Check')] == ['CheckAll']
    vpnd.on('CheckAll', {'error': ['org.vpnd1.Error.NotAuthorized', 'no']})
    result = vpnctl('doctor', '--verbose')
    assert result.code == 0 and 'Note: not-permitted' in result.out
    assert [c[0] for c in vpnd.calls() if c[0].startswith('Check')][-2:] == ['CheckAll', 'Check']


def test_doctor_without_any_right(vpnd, vpnctl):
    for member in ('Check', 'CheckAll'):
        vpnd.on(member, {'error': ['org.vpnd1.Error.NotAuthorized', 'no']})
    result = vpnctl('doctor')
    assert result.code == 0 and 'not-permitted' in result.out and 'Nothing is wrong' in result.out


def test_doctor_without_vpnd_and_without_bus(vpnctl):
    result = vpnctl('doctor')
    assert result.code == 10 and result.out.startswith('Error: daemon-unreachable\n') and '  $ systemctl start vpnd\n' in result.out
    result = vpnctl('doctor', '--json', address='unix:path=/nowhere')
    assert result.code == 10 and result.json()['findings'][0]['code'] == 'bus-unreachable'


@pytest.fixture(name='sized')
def sized_fixture(bus):
    """The lines that a verb writes on a terminal of so many columns."""
    def run(columns, *args):
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 40, columns, 0, 0))
        subprocess.run([VPNCTL, *args], stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, env=environment(bus, TERM='xterm'), check=False)
        os.close(slave)
        text = b''
        try:
            while chunk := os.read(master, 65536):
                text += chunk
        except OSError:  # the other end is closed
            pass
        os.close(master)
        return re.sub(r'\033\[[\d;]*m', '', text.decode()).replace('\r', '').splitlines()
    return run


def test_long_lines_fit_the_terminal(vpnd, vpnctl, sized):
    vpnd.tell(findings=[finding('rule-foreign', 'warning', 'x ' * 100, 'ip rule del priority 100')])
    for columns in (40, 80):
        lines = sized(columns, 'doctor')
        assert max(map(len, lines)) <= columns and '  $ ip rule del priority 100' in lines
        assert max(map(len, sized(columns, 'routes'))) <= max(columns, 60)
    for args in (['help'], ['help', 'connect'], ['settings']):
        assert max(map(len, sized(80, *args))) <= 80, args
    for columns in (40, 50, 60, 79):
        for verb in ('', *(command['name'] for command in vpnctl('help', '--json').json()['commands'])):
            lines = sized(columns, 'help', *filter(None, [verb]))
            assert max(map(len, lines)) <= columns, (columns, verb, lines)
            for one, two in zip(lines, lines[1:]):  # no paragraph is broken where it need not be
                if one and two and one[0] != ' ' and two[0] != ' ' and not one.endswith(':'):
                    assert len(one) + 1 + len(two.split()[0]) > columns, (columns, verb, one, two)
    assert any(line.startswith('                ') for line in sized(50, 'settings')), 'the rest stands below its column'
    assert sized(40, 'routes')[1] == '    present: the tunnel\'s own packets leave here'
    assert sized(200, 'routes')[0].startswith('Kind ')
    for cause in ('ip-family-unavailable', 'profile-unusable'):
        vpnd.tell(set={'State': 'error', 'Cause': cause, 'Blocking': True}, status={'detail': 'y ' * 60})
        for columns in (40, 80):
            lines = sized(columns, 'status')
            assert lines[0] == f'Blocked: {cause}' and max(map(len, lines)) <= columns and all(line.startswith('  ') for line in lines[1:]), lines


def plant(vpnd):
    """A vpnd whose every answer holds what must not be told. Returns the texts."""
    vpnd.tell(set={'State': 'connected', 'Blocking': True, 'Profile': 'acme-berlin'}, settings={'DnsServers': ['10.9.9.9'], 'AutoConnectProfile': 'acme-berlin', 'ApiEndpoints': ['198.51.100.77:443/tcp']},
              profiles=[{'name': 'acme-berlin', 'addresses': ['10.64.0.7/32', 'fd00:99::7/128'], 'endpoints': ['vpn.acme.example:51820'], 'dns': ['10.64.0.1']}, {'name': 'second.name', 'endpoints': ['[2001:db8:77::1]:4500']}],
              status={'deviceIpv4Address': '10.64.0.7', 'deviceIpv6Address': 'fd00:99::7', 'interface': 'vpnd0', 'peers': [{'publicKey': KEY, 'endpoint': '203.0.113.9:51820', 'rxBytes': 1, 'txBytes': 2, 'handshake': ''}]},
              findings=[finding('rule-foreign', 'warning', 'rule 100 from 192.0.2.55 lookup 254; lladdr 52:54:00:12:34:56', 'ping 203.0.113.9'), finding('lan-claimed', 'warning', '192.168.77.0/24 of acme-berlin', 'vpnctl show acme-berlin')],
              routes=[{'kind': 'route', 'entry': '198.51.100.1/32 via fe80::1234 dev eth0 table 22097', 'state': 'present', 'reason': 'next-hop', 'node': 'default'}],
              dns={'search': ['corp.acme.example'], 'fileServers': ['127.0.0.53', '198.51.100.53']},
              logs=f'peer {KEY} at 203.0.113.9:51820.\nhex {HEX_KEY}\nresolving vpn.acme.example: failed\nfile=/var/lib/vpnd/profiles/acme-berlin udp://[2001:db8:77::1]:53 from {socket.gethostname()}\n')
    return [KEY, HEX_KEY, 'acme', 'second.name', '10.64.0', '10.9.9.9', 'fd00:99', '198.51.100', '203.0.113', '2001:db8', '192.0.2', '192.168.77', 'fe80', '52:54:00', '51820', socket.gethostname()]


def test_bundle_names_nobody(vpnd, vpnctl, tmp_path):
    secrets = plant(vpnd)
    path = tmp_path / 'report.txt'
    result = vpnctl('bundle', str(path))
    assert result.code == 0 and result.out == ''
    text = path.read_text()
    for secret in secrets:
        assert secret not in text, (secret, text)
    for part in ('versions', 'status', 'settings', 'profiles', 'doctor', 'routes', 'dns', 'logs'):
        assert f'== {part} ==' in text
    assert 'not included' not in text
    for kept in ('"state": "connected"', 'warning rule-foreign', 'next-hop', 'present', 'dev eth0 table 22097', 'vpnd0', '127.0.0.53', '(IPv4 private 1)/32', '"AllowLan" : true'):
        assert kept in text, (kept, text)
    assert len(set(re.findall(r'\(profile \d+\)', text))) == 2 and len(set(re.findall(r'\(key \d+\)', text))) == 2
    assert f'Written to {path}, which only you can read.' in result.err and 'Not in it: keys' in result.err


def test_the_same_thing_has_the_same_name(vpnd, vpnctl):
    plant(vpnd)
    text = vpnctl('bundle', '-').out
    endpoint = re.search(r'"endpoint": "(\(endpoint \d+\))"', text).group(1)
    assert re.search(rf'^peer \(key \d+\) at {re.escape(endpoint)}', text, re.M)
    assert re.search(r'ping \(IPv4 public \d+\)', text) and re.search(r'lladdr \(MAC 1\)', text)


def test_bundle_is_its_owners_alone(vpnd, vpnctl, tmp_path):
    path = tmp_path / 'report.txt'
    os.umask(0)
    try:
        assert vpnctl('bundle', str(path)).code == 0
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_bundle_writes_over_nothing_and_through_no_link(vpnd, vpnctl, tmp_path):
    (tmp_path / 'there').write_text('old')
    (tmp_path / 'link').symlink_to(tmp_path / 'there')
    (tmp_path / 'dangling').symlink_to(tmp_path / 'nowhere')
    for name in ('there', 'link', 'dangling'):
        result = vpnctl('bundle', str(tmp_path / name))
        assert result.code == 1 and 'give another name' in result.err
    assert (tmp_path / 'there').read_text() == 'old' and not (tmp_path / 'nowhere').exists()
    assert vpnctl('bundle', str(tmp_path / 'no' / 'folder')).code == 1
    assert vpnctl('bundle', '--json', '-').error()['name'] == 'org.vpnd1.Cli.Usage'


def limit():
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_half_a_report_is_none(vpnd, bus, tmp_path):
    vpnd.tell(logs='x' * 100000)
    path = tmp_path / 'report.txt'
    done = subprocess.run([VPNCTL, 'bundle', str(path)], env=environment(bus), capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 1 and not path.exists()


def test_bundle_in_json(vpnd, vpnctl, tmp_path):
    assert vpnctl('bundle', '--json', str(tmp_path / 'r')).json() == {'schema': 1, 'bundle': {'path': str(tmp_path / 'r'), 'missing': []}}
    assert json.loads(re.search(r'== status ==\n(.*)\n', (tmp_path / 'r').read_text()).group(1))['schema'] == 1


def test_bundle_without_the_log_and_without_vpnd(vpnd, vpnctl, tmp_path):
    vpnd.on('getLogs', {'error': ['org.vpnd1.Error.NotAuthorized', 'polkit does not allow it']})
    result = vpnctl('bundle', str(tmp_path / 'a'))
    assert result.code == 0 and 'Could not be had: logs' in result.err and '(not included: polkit does not allow it)' in (tmp_path / 'a').read_text()
    result = vpnctl('bundle', str(tmp_path / 'b'), address='unix:path=/nowhere')
    text = (tmp_path / 'b').read_text()
    assert result.code == 0 and 'error bus-unreachable' in text and text.count('not included') == 6
