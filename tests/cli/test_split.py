# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""split, exclude, include: what they ask for, what they show, and that a command starts beside the tunnel or not at all."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import VPNCTL, environment

EVERYBODY = 0xffffffff
RULES = [
    {'kind': 'path', 'value': '/usr/bin/curl', 'class': 'excluded', 'profile': '', 'owner': 0, 'effective': True, 'reason': ''},
    {'kind': 'app', 'value': 'org.mozilla.firefox', 'class': 'bound', 'profile': 'home', 'owner': EVERYBODY, 'effective': True, 'reason': ''},
    {'kind': 'domain', 'value': 'example.org', 'class': 'excluded', 'profile': '', 'owner': EVERYBODY, 'effective': False, 'reason': 'no address is known yet'}]
PROCESSES = [
    {'pid': 7, 'startTime': 99, 'uid': 0, 'executable': '/usr/bin/curl', 'class': 'excluded', 'reason': 'path:/usr/bin/curl', 'since': 1700000000000000},
    {'pid': 12345, 'startTime': 100, 'uid': 4294967, 'executable': '/usr/lib/firefox/firefox', 'class': 'bound:home', 'reason': 'inherited', 'since': 1700000001000000}]
SPLIT = 'org.vpnd1.SplitTunnel'


def cgroup2():
    return next(line.split()[1] for line in open('/proc/mounts', encoding='utf-8') if line.split()[2] == 'cgroup2')


def remove_leftovers(base):
    """The cgroups of runs that were killed."""
    for folder in base.glob('vpnctl-test-*'):
        if not Path('/proc', folder.name.split('-')[2]).exists():
            with contextlib.suppress(OSError):  # somebody else does the same
                folder.rmdir()


@pytest.fixture(name='classes')
def classes_fixture(vpnd):
    """Two cgroups, as vpnd makes them; without processes of ours they go away again."""
    base = Path(cgroup2())
    remove_leftovers(base)
    folders = {word: base / f'vpnctl-test-{os.getpid()}-{word}' for word in ('excluded', 'included')}
    for folder in folders.values():
        folder.mkdir()
    vpnd.tell(split={'Classes': {word: f'/{folder.name}' for word, folder in folders.items()}})
    vpnd.on('Enter', {'move': str(folders['excluded'])})
    yield folders
    end = time.monotonic() + 30
    while any((folder / 'cgroup.procs').read_text() for folder in folders.values()):
        assert time.monotonic() < end, 'a process of the test goes on'
    for folder in folders.values():
        folder.rmdir()


# --- rules ---

@pytest.mark.parametrize('args, call', [
    (['--path', '/usr/bin/curl'], ['Add', ['path', '/usr/bin/curl', 'excluded', '']]),
    (['--exclude', '--unit', 'nginx'], ['Add', ['unit', 'nginx', 'excluded', '']]),
    (['--include', '--app', 'org.x.Y'], ['Add', ['app', 'org.x.Y', 'included', '']]),
    (['--profile', 'home', '--path', '/bin/a b'], ['Add', ['path', '/bin/a b', 'bound', 'home']]),
    (['--own', '--path', '/usr/bin/curl'], ['AddOwn', ['path', '/usr/bin/curl', 'excluded', '']]),
    (['--uid', 'root'], ['Add', ['uid', '0', 'excluded', '']]),
    (['--uid', '4294967294'], ['Add', ['uid', '4294967294', 'excluded', '']]),
    (['--subnet', '2001:db8::/32'], ['Add', ['subnet', '2001:db8::/32', 'excluded', '']]),
    (['--domain', 'example.org'], ['Add', ['domain', 'example.org', 'excluded', '']]),
])
def test_add(vpnd, vpnctl, args, call):
    result = vpnctl('split', 'add', *args)
    assert (result.code, result.err) == (0, '') and call[1][1] in result.out
    assert [c for c in vpnd.calls() if c[0] != 'List'] == [call]


ENTRY = '[Desktop Entry]\nType=Application\nName=X\nExec='


def put(path, text='', mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture(name='home')
def home_fixture(tmp_path):
    """A user's: an application in ~/bin, a script's, a Flatpak, one that replaces the system's, and links as users make them."""
    home = tmp_path / 'home'
    share = home / '.local/share'
    own, tool = put(home / 'bin/own', mode=0o755), put(home / 'tools/tool', mode=0o755)
    (home / 'bin/linked').symlink_to('/usr/bin/python3')
    for name, text in {'org.x.Own': f'"{own}" %U\n[Desktop Action a]\nExec=env A=1 tool --a\n', 'org.x.Script': f'python3 {own}\n', 'org.x.Linked': f'{home}/bin/linked x\n',
                       'org.x.Gone': f'{home}/bin/gone\n', 'org.x.Some': f'{own}\n[Desktop Action a]\nExec={home}/bin/gone\n', 'org.x.Relative': 'bin/own\n', 'org.x.Hidden': f'{own}\nHidden=true\n'}.items():
        put(share / f'applications/{name}.desktop', ENTRY + text)
    put(share / 'flatpak/exports/share/applications/org.x.Flat.desktop', ENTRY + '/usr/bin/flatpak run org.x.Flat\n')
    (share / 'flatpak/app/org.x.Bare').mkdir(parents=True)
    (share / 'applications/org.x.Link.desktop').symlink_to(put(home / 'dotfiles/x.desktop', ENTRY + f'{tool}\n'))
    return home


@pytest.mark.parametrize('app, programs', [('org.x.Own', ['bin/own', 'tools/tool']), ('org.x.Script.desktop', []), ('org.x.Linked', []), ('org.x.Some', ['bin/own']), ('org.x.Flat', []), ('org.x.Bare', []),
                                           ('org.x.Link', ['tools/tool'])])
def test_an_application_of_the_own_home(vpnd, vpnctl, home, app, programs):
    """Who calls may read the home, and vpnd may not: it is told the programs."""
    result = vpnctl('split', 'add', '--own', '--app', app, HOME=str(home), PATH=f'{home}/tools:/usr/bin:/bin')
    assert (result.code, result.err) == (0, '')
    assert [c for c in vpnd.calls() if c[0] != 'List'] == [['AddOwnApp', [app, [str(home / name) for name in programs], 'excluded', '']]]


def test_the_home_that_xdg_names(vpnd, vpnctl, home):
    assert vpnctl('split', 'add', '--own', '--profile', 'home', '--app', 'org.x.Link', HOME='/nonexistent', XDG_DATA_HOME=str(home / '.local/share')).code == 0
    assert ['AddOwnApp', ['org.x.Link', [str(home / 'tools/tool')], 'bound', 'home']] in vpnd.calls()


@pytest.mark.parametrize('args', [['--own', '--app', 'org.x.System'], ['--app', 'org.x.Own'], ['--own', '--app', '../applications/org.x.Own'], ['--own', '--app', '.desktop'], ['--own', '--unit', 'org.x.Own']])
def test_what_is_not_of_the_own_home(vpnd, vpnctl, home, args):
    """Not there, for everybody, no id at all, another kind: vpnd says what it is."""
    assert vpnctl('split', 'add', *args, HOME=str(home)).code == 0
    assert [c[0] for c in vpnd.calls() if c[0] != 'List'] == ['AddOwn' if '--own' in args else 'Add']


def test_bad_applications_of_the_own_home(vpnd, vpnctl, home):
    """They are told, never hung on and never passed on; what is in a file that is none does not come out."""
    folder = home / '.local/share/applications'
    os.mkfifo(folder / 'org.x.Fifo.desktop')
    put(folder / 'org.x.Large.desktop', ENTRY + '/bin/sh\n' + '#' * 300000)
    (folder / 'org.x.Folder.desktop').mkdir()
    (folder / 'org.x.Secret.desktop').symlink_to(put(home / 'secret', 'root:$6$swordfish:1::\n'))
    for app, code in (('Fifo', 2), ('Large', 2), ('Folder', 2), ('Secret', 2), ('Hidden', 2), ('Gone', 4), ('Relative', 4)):
        result = vpnctl('split', 'add', '--own', '--app', f'org.x.{app}', HOME=str(home))
        assert result.code == code and f'org.x.{app}' in result.err and 'swordfish' not in result.err, (app, result.code, result.err)
    assert vpnd.calls() == []


def test_options_stand_anywhere(vpnd, vpnctl):
    assert vpnctl('--path', '/usr/bin/curl', 'split', '--own', 'add').code == 0
    assert ['AddOwn', ['path', '/usr/bin/curl', 'excluded', '']] in vpnd.calls()


def test_several_rules_and_one_that_fails(vpnd, vpnctl):
    vpnd.on('AddOwn', {'error': ['org.vpnd1.Error.LimitsExceeded', 'enough']})
    assert vpnctl('split', 'add', '--path', '/a', '--path', '/b', '--uid', '7', '--json').out.count('"added"') == 3
    result = vpnctl('split', 'add', '--own', '--path', '/a', '--path', '/b')
    assert result.code == 1 and result.err.count('enough') == 2


def test_add_tells_the_form_that_is_kept(vpnd, vpnctl):
    assert vpnctl('split', 'add', '--app', 'org.x.Y.desktop').out == 'app org.x.Y: beside the tunnel\n'
    assert vpnctl('split', 'add', '--app', 'org.x.Z.desktop', '--profile', 'home').out == 'app org.x.Z: in the tunnel of its profile only (home)\n'
    assert json.loads(vpnctl('split', 'add', '--app', 'org.x.Q.desktop', '--json').out) == {
        'schema': 1, 'added': {'kind': 'app', 'value': 'org.x.Q', 'class': 'excluded', 'profile': '', 'owner': EVERYBODY, 'effective': True, 'reason': ''}}


def test_a_rule_without_effect_is_a_failure(vpnd, vpnctl):
    result = vpnctl('split', 'add', '--path', '/opt/missing')
    assert result.code == 1 and 'path /opt/missing' in result.out and 'no effect now: there is no such file' in result.err and 'goes as without the rule' in result.err
    assert vpnctl('split', 'add', '--path', '/opt/missing', '--json').error()['exitCode'] == 1
    for _ in range(2):  # also when it was there before, and is written otherwise than it is kept
        again = vpnctl('split', 'add', '--app', 'missing.desktop')
        assert again.code == 1 and again.out.startswith('app missing:') and 'no effect now' in again.err


def test_remove(vpnd, vpnctl):
    assert vpnctl('split', 'remove', '--path', '/usr/bin/curl').out == 'Removed: path /usr/bin/curl\n'
    assert vpnctl('split', 'remove', '--own', '--unit', 'x', '--json').json() == {'schema': 1, 'removed': {'kind': 'unit', 'value': 'x'}}
    assert [c for c in vpnd.calls() if c[0] != 'List'] == [['Remove', ['path', '/usr/bin/curl']], ['RemoveOwn', ['unit', 'x']]]


@pytest.mark.parametrize('args', [[], ['add'], ['add', '/usr/bin/curl'], ['add', '--path'], ['add', '--path', '/a', 'more'], ['add', '--include', '--exclude', '--path', '/a'], ['add', '--profile', 'home', '--include', '--path', '/a'],
                                  ['remove', '--include', '--path', '/a'], ['list', '--own'], ['list', 'x'], ['mode', 'include', 'x'], ['mode', '--path', '/a'], ['ps', 'x'], ['watch', '--all'], ['frob'], ['add', '--uid', 'nobody-of-this-name'],
                                  ['add', '--path', '/a', '--uid', 'nobody-of-this-name'], ['remove', '--path', '/a', '--uid', '-1'],
                                  ['add', '--uid', '4294967295'], ['add', '--uid', '-1'], ['add', '--frob']])
def test_usage(vpnd, vpnctl, args):
    result = vpnctl('split', *args)
    assert (result.code, result.out) == (2, '') and result.err
    assert vpnctl('split', '--json', *args).error()['name'] == 'org.vpnd1.Cli.Usage'
    assert vpnd.calls() == []


def test_a_value_that_is_no_utf8(vpnd, bus):
    process = subprocess.run([VPNCTL.encode(), b'split', b'add', b'--path', b'/usr/\xff'], capture_output=True, env=environment(bus))
    assert process.returncode == 2 and b'UTF-8' in process.stderr and vpnd.calls() == []


@pytest.mark.parametrize('args, error, hint', [(['--path', '/usr'], 'InvalidArgument', 'such as --path /usr/bin/env'), (['--path', '/bin/x', '--profile', 'none'], 'NotFound', 'vpnctl list'),
                                               (['--app', 'org.x'], 'NotFound', '--path FILE')])
def test_hints_by_kind(vpnd, vpnctl, args, error, hint):
    vpnd.on('Add', {'error': [f'org.vpnd1.Error.{error}', 'no']})
    assert hint in vpnctl('split', 'add', *args).err


@pytest.mark.parametrize('error, hint', [('InvalidArgument', '--path /usr/bin/env'), ('NotAuthorized', '--own')])
def test_hints(vpnd, vpnctl, error, hint):
    vpnd.on('Add', {'error': [f'org.vpnd1.Error.{error}', 'no']})
    result = vpnctl('split', 'add', '--path', 'env')
    assert result.code == {'InvalidArgument': 2, 'NotAuthorized': 3}[error] and hint in result.err
    assert 'org.vpnd1.configure' in result.err or error != 'NotAuthorized'


def test_missing_rule(vpnd, vpnctl):
    vpnd.on('Remove', {'error': ['org.vpnd1.Error.NotFound', 'no such rule']})
    result = vpnctl('split', 'remove', '--uid', '7')
    assert result.code == 4 and 'vpnctl split list' in result.err


# --- what is shown ---

def test_list(vpnd, vpnctl):
    assert 'No rules' in vpnctl('split', 'list').out
    vpnd.tell(rules=RULES)
    lines = vpnctl('split', 'list').out.splitlines()
    assert [re.split(r' {2,}', line) for line in lines] == [
        ['Rule', 'Goes', 'For', 'State'],
        ['path /usr/bin/curl', 'beside the tunnel', 'root', 'in force'],
        ['app org.mozilla.firefox', 'in the tunnel of home only', 'everybody', 'in force'],
        ['domain example.org', 'beside the tunnel', 'everybody', 'NO EFFECT: no address is known yet']]
    for column in ('Goes', 'For', 'State'):
        at = lines[0].index(column)
        assert all(line[at - 1] == ' ' and line[at] != ' ' for line in lines), column
    assert vpnctl('split', 'list', '--json').json()['rules'] == RULES


def test_ps(vpnd, vpnctl):
    assert 'is in a class' in vpnctl('split', 'ps').out
    vpnd.tell(processes=PROCESSES)
    lines = vpnctl('split', 'ps').out.splitlines()
    assert [re.split(r' {2,}', line) for line in lines] == [
        ['PID', 'User', 'Class', 'Since', 'Program', 'Why'],
        ['7', 'root', 'excluded', '2023-11-14 22:13:20', '/usr/bin/curl', 'path /usr/bin/curl'],
        ['12345', '4294967', 'bound:home', '2023-11-14 22:13:21', '/usr/lib/firefox/firefox', 'inherited']]
    assert vpnctl('split', 'ps', '--json').json()['processes'] == PROCESSES
    assert {c[0] for c in vpnd.calls()} == {'ProcessesAll' if os.getuid() == 0 else 'Processes'}
    assert vpnctl('split', 'ps', '--all').code == 0 and vpnd.calls()[-1][0] == 'ProcessesAll'


def test_control_characters_of_others_are_not_shown(vpnd, terminal):
    vpnd.tell(processes=[dict(PROCESSES[0], executable='/tmp/\033[2Jx')], rules=[dict(RULES[0], value='/tmp/\033[2Jx')])
    for what in ('ps', 'list'):
        t = terminal('split', what)
        assert t.wait() == 0 and '\033[2J' not in t.text


def test_ps_json_is_json(vpnd, vpnctl):
    """It is written by hand: whatever a program is called, it must read back the same."""
    odd = [dict(PROCESSES[0], pid=i, executable=text) for i, text in enumerate(['', '"', '\\', '\n\t\x01\x7f', 'ü😀', '/a"b\\"c', '</script>'])]
    assert vpnctl('split', 'ps', '--json').json() == {'schema': 1, 'processes': []}
    vpnd.tell(processes=odd)
    assert vpnctl('split', 'ps', '--json').json()['processes'] == odd


def test_mode(vpnd, vpnctl):
    assert vpnctl('split', 'mode').out == 'exclude\n'
    assert vpnctl('split', 'mode', 'include').out == 'include\n' and vpnd.calls() == [['Set', ['Mode', 'include']]]
    assert vpnctl('split', 'mode', '--json').json() == {'schema': 1, 'mode': 'include'}


@pytest.mark.parametrize('word', ['foo', '', 'Include', 'excluded', 'include\n', 'b\u00f6\x1b[31mse', '\udcff'])
def test_a_mode_that_there_is_not(vpnd, vpnctl, word):
    """vpnd is not asked: what was typed is named, and what there is instead."""
    result = vpnctl('split', 'mode', word)
    assert (result.code, result.out) == (2, '') and result.err.startswith('vpnctl: no mode named "') and 'Modes: exclude, include' in result.err
    assert '\x1b' not in result.err and 'GDBus' not in result.err and 'CRITICAL' not in result.err
    assert word not in ('foo', '', 'Include', 'excluded') or f'"{word}"' in result.err
    error = vpnctl('split', '--json', 'mode', word).error()
    assert error['name'] == 'org.vpnd1.Cli.Usage' and error['exitCode'] == 2
    assert vpnd.calls() == [] and vpnctl('split', 'mode').out == 'exclude\n'


def test_tables_in_tmux(vpnd, bus, tmp_path):
    """As a person sees it: aligned where there is room, stacked where there is not, and nothing wider than the terminal."""
    vpnd.tell(rules=RULES, processes=PROCESSES)
    for columns in (120, 40):
        socket = str(tmp_path / f'tmux-{columns}')
        env = environment(bus, TERM='xterm-256color')
        tmux = ['tmux', '-S', socket, '-f', '/dev/null']
        script = f"'{VPNCTL}' split list; '{VPNCTL}' split ps; echo 'the end'; exec cat"
        subprocess.run([*tmux, 'new-session', '-d', '-x', str(columns), '-y', '40', script], env=env, check=True)
        try:
            end = time.monotonic() + 30
            while 'the end' not in (text := subprocess.run([*tmux, 'capture-pane', '-p'], env=env, capture_output=True, text=True, check=True).stdout):
                assert time.monotonic() < end, text
            assert all(len(line) <= columns for line in text.splitlines())
            if columns == 120:
                assert re.search(r'^Rule +Goes +For +State$', text, re.M) and re.search(r'^domain example.org +beside the tunnel +everybody +NO EFFECT: no address is known yet$', text, re.M)
            else:
                assert re.search(r'^domain example.org\n    beside the tunnel, everybody, NO\n    EFFECT: no address is known yet$', text, re.M), text
        finally:
            subprocess.run([*tmux, 'kill-server'], env=env, check=True)


# --- watch ---

def events(process, n):
    return [json.loads(process.stdout.readline()) for _ in range(n)]


def test_watch_json(vpnd, spawn):
    process = spawn('split', 'watch', '--json')
    assert events(process, 1) == [{'schema': 1, 'event': 'state', 'mode': 'exclude', 'state': 'ready', 'ground': 'cgroup2'}]
    vpnd.tell(split={'State': 'engaged'})
    vpnd.tell(emit=[SPLIT, 'ProcessExcluded', '(uss)', [7, '/usr/bin/curl', 'path:/usr/bin/curl']])
    vpnd.tell(set={'State': 'connected'})  # of another interface: not told
    vpnd.tell(emit=[SPLIT, 'ExclusionFailed', '(uss)', [8, '', 'path']])
    vpnd.tell(emit=[SPLIT, 'ProcessReturned', '(uss)', [7, '/usr/bin/curl', 'path:/usr/bin/curl']])
    vpnd.tell(emit=[SPLIT, 'RulesChanged', '()', []])
    assert events(process, 5) == [
        {'schema': 1, 'event': 'state', 'mode': 'exclude', 'state': 'engaged', 'ground': 'cgroup2'},
        {'schema': 1, 'event': 'entered', 'pid': 7, 'path': '/usr/bin/curl', 'reason': 'path:/usr/bin/curl'},
        {'schema': 1, 'event': 'failed', 'pid': 8, 'path': '', 'reason': 'path'},
        {'schema': 1, 'event': 'returned', 'pid': 7, 'path': '/usr/bin/curl', 'reason': 'path:/usr/bin/curl'},
        {'schema': 1, 'event': 'rules'}]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT and process.stderr.read() == ''


def test_watch_text_and_a_restart(bus, vpnd, spawn):
    import conftest
    process = spawn('split', 'watch')
    lines = [process.stdout.readline()]
    vpnd.tell(emit=[SPLIT, 'ProcessExcluded', '(uss)', [7, '/usr/bin/curl', 'path:/usr/bin/curl']])
    vpnd.tell(emit=[SPLIT, 'ExclusionFailed', '(uss)', [8, '/x', 'no: it is gone']])
    lines += [process.stdout.readline() for _ in range(2)]
    vpnd.stop()
    lines.append(process.stdout.readline())
    second = conftest.Daemon(bus)
    lines += [process.stdout.readline() for _ in range(2)]
    assert [line[10:].rstrip('\n') for line in lines] == ['mode exclude, state ready, by cgroup2', 'entered          7  /usr/bin/curl  (path /usr/bin/curl)', 'FAILED           8  /x  (no: it is gone)', 'vpnd has ended', 'vpnd is running', 'mode exclude, state ready, by cgroup2']
    second.stop()


def test_watch_colours_on_a_terminal_only(vpnd, terminal):
    t = terminal('split', 'watch')
    t.read_until('state ready')
    vpnd.tell(emit=[SPLIT, 'ExclusionFailed', '(uss)', [8, '/x', 'no']])
    t.read_until('FAILED')
    assert '\033[1;31m' in t.text
    t.type(b'\x03')
    assert t.wait() == -signal.SIGINT


# --- exclude and include ---

@pytest.mark.parametrize('verb, word', [('exclude', 'excluded'), ('include', 'included')])
def test_the_command_runs_in_its_class(vpnd, vpnctl, classes, verb, word):
    vpnd.on('Enter', {'move': str(classes[word])})
    vpnd.tell(set={'Blocking': verb == 'include'})
    result = vpnctl(verb, '--', 'sh', '-c', 'grep ^0:: /proc/self/cgroup; sh -c "grep ^0:: /proc/self/cgroup"')
    assert (result.code, result.err) == (0, '') and result.out == f'0::/{classes[word].name}\n' * 2
    assert vpnd.calls() == [['Enter', [word]], *([['status', []]] if verb == 'include' else [])]


@pytest.mark.parametrize('how', [['--', 'sh', '-c', 'exit 7'], ['sh', '-c', 'exit 7'], ['--timeout', '9', '--', 'sh', '-c', 'exit 7']])
def test_the_exit_status_is_the_commands(vpnctl, classes, how):
    assert vpnctl('exclude', *how).code == 7


def test_the_commands_options_are_its_own(vpnctl, classes):
    result = vpnctl('exclude', 'echo', '--json', '--help', '-t', 'x', '--', 'y')
    assert (result.code, result.out, result.err) == (0, '--json --help -t x -- y\n', '')
    assert vpnctl('exclude', '--', 'echo', '--json').out == '--json\n'


def test_signals_reach_the_command(classes, spawn):
    process = spawn('exclude', '--', 'sh', '-c', 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.05; done')
    assert process.stdout.readline() == 'ready\n'
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == 'got it\n' and process.wait(10) == 9
    process = spawn('exclude', '--', 'sleep', '60')
    while 'sleep' not in Path(f'/proc/{process.pid}/comm').read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT


STATE = r"""
import os, re, signal
own = open('/proc/self/status').read()
names = ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'SigBlk', 'SigIgn', 'Umask')
print({n: re.search(rf'^{n}:[ \t]*(.*)$', own, re.M).group(1) for n in names})
print(sorted(os.listdir('/proc/self/fd'))[:-1], os.getcwd(), sorted(os.environ), os.getsid(0) == os.getsid(os.getppid()), signal.getsignal(signal.SIGPIPE))
"""


@pytest.mark.parametrize('ignored', [signal.SIG_IGN, signal.SIG_DFL])
def test_nothing_is_gained_and_nothing_is_left_open(bus, classes, ignored):
    """The same program started by vpnctl and without it finds the same: ids, groups, capabilities, signals, descriptors (one that we give stays), environment."""
    given = os.open('/dev/null', os.O_RDONLY)
    run = lambda *command: subprocess.run([*command, '/usr/bin/python3', '-c', STATE], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(bus), pass_fds=[given], check=True,
                                          preexec_fn=lambda: signal.signal(signal.SIGPIPE, ignored), restore_signals=False).stdout
    try:
        assert run(VPNCTL, 'exclude', '--') == run()
    finally:
        os.close(given)


def test_no_setuid():
    assert os.stat(VPNCTL).st_mode & 0o6000 == 0
    with pytest.raises(OSError):
        os.getxattr(VPNCTL, 'security.capability')


@pytest.mark.parametrize('verb', ['exclude', 'include'])
@pytest.mark.parametrize('case, says', [('agreed', 'in the cgroup'), ('moved elsewhere', 'in the cgroup'), ('no class', 'no class'), ('prefix', 'in the cgroup'), ('root', 'in the cgroup'), ('other ground', 'in the cgroup'),
                                        ('refused', 'not for you'), ('gone', 'vpnd'), ('no answer', 'within 1 second')])
def test_not_effective_is_not_started(vpnd, vpnctl, classes, tmp_path, verb, case, says):
    """Whatever vpnd says: where the kernel does not show this process in the class, nothing is run."""
    word = verb + 'd'
    vpnd.on('Enter', *{'moved elsewhere': [{'move': str(classes['included' if verb == 'exclude' else 'excluded'])}], 'refused': [{'error': ['org.vpnd1.Error.NotAuthorized', 'not for you']}], 'gone': [{'die': True}],
                       'no answer': [{'silent': True}], 'prefix': [{'move': str(classes[word])}], 'other ground': [{'move': str(classes[word])}]}.get(case, [{'reply': True}]))
    if case in ('no class', 'prefix', 'root', 'other ground'):
        vpnd.tell(split={'no class': {'Classes': {}}, 'prefix': {'Classes': {word: f'/{classes[word].name}'[:-1]}}, 'root': {'Classes': {word: '/'}}, 'other ground': {'Ground': 'net_cls'}}[case])
    mark = tmp_path / 'started'
    result = vpnctl(verb, '--timeout', '1' if case == 'no answer' else '20', '--', 'touch', str(mark))
    assert result.code == 125 and result.out == '' and says in result.err and not mark.exists()
    if case not in ('gone', 'no answer'):
        error = vpnctl(verb, '--json', '--', 'touch', str(mark)).error()
        assert error['name'] == 'org.vpnd1.Cli.NotStarted' and not mark.exists()


@pytest.mark.parametrize('state', ['disconnected', 'connecting', 'error'])
def test_include_where_nothing_is_blocked(vpnd, vpnctl, classes, tmp_path, state):
    """The class alone keeps nobody inside the tunnel: where vpnd blocks nothing, all programs go in the clear."""
    vpnd.on('Enter', {'move': str(classes['included'])})
    vpnd.tell(set={'State': state, 'Blocking': False})
    mark = tmp_path / 'started'
    result = vpnctl('include', '--', 'touch', str(mark))
    assert (result.code, result.out) == (125, '') and 'blocks nothing' in result.err and 'vpnctl connect' in result.err and not mark.exists()
    vpnd.tell(set={'Blocking': True})
    assert vpnctl('include', '--', 'touch', str(mark)).code == 0 and mark.exists()


def test_no_daemon(bus, vpnctl, tmp_path):
    result = vpnctl('exclude', '--', 'touch', str(tmp_path / 'started'))
    assert result.code == 125 and 'systemctl start vpnd' in result.err and not (tmp_path / 'started').exists()


@pytest.mark.parametrize('args', [[], ['--'], ['--frob', '--', 'true'], ['--timeout', 'x', '--', 'true'], ['--path', '/a', '--', 'true']])
def test_wrong_use_is_125(vpnd, vpnctl, args):
    result = vpnctl('exclude', *args)
    assert (result.code, result.out) == (125, '') and 'vpnctl help exclude' in result.err and vpnd.calls() == []


def test_commands_that_cannot_be_run(vpnctl, classes, tmp_path):
    (tmp_path / 'plain').write_text('no program')
    assert vpnctl('exclude', '--', 'there-is-no-such-command').code == 127
    assert vpnctl('exclude', '--', str(tmp_path / 'nothing')).code == 127
    assert vpnctl('exclude', '--', str(tmp_path / 'plain')).code == 126
    assert vpnctl('exclude', '--', str(tmp_path)).code == 126
    assert vpnctl('exclude', '--json', '--', 'there-is-no-such-command').error()['name'] == 'org.vpnd1.Cli.NoCommand'


def test_help_and_version_stay_vpnctls(vpnctl):
    assert 'Usage:' in vpnctl('exclude', '--help').out and vpnctl('exclude', '--help').code == 0
