# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours and progress only on a terminal; closed and full outputs; Ctrl-C as typed."""
import re
import subprocess

import pytest

from conftest import VPNCTL, environment

TRYING = {'set': {'State': 'connecting', 'Blocking': True, 'Profile': 'home'}}
UP = {'set': {'State': 'connected', 'Blocking': True, 'Profile': 'home'}}


def test_colours_on_a_terminal(vpnd, terminal):
    vpnd.tell(**UP)
    t = terminal('status')
    assert t.wait() == 0 and t.text.startswith('\033[32mConnected\033[0m\r\n')


@pytest.mark.parametrize('args, env', [(['--no-color'], {}), ([], {'NO_COLOR': '1'}), ([], {'TERM': 'dumb'}), ([], {'TERM': ''}), (['--json'], {})])
def test_no_colours_when_not_wanted(vpnd, terminal, args, env):
    vpnd.tell(**UP)
    t = terminal('status', *args, **env)
    assert t.wait() == 0 and '\033' not in t.text and t.text


def test_empty_no_color_means_nothing(vpnd, terminal):
    vpnd.tell(**UP)
    t = terminal('status', NO_COLOR='')
    assert t.wait() == 0 and '\033[32m' in t.text


def test_errors_are_coloured_too(vpnd, terminal):
    t = terminal('frob')
    assert t.wait() == 2 and '\033[1;31mvpnctl: no command named "frob"\033[0m' in t.text


def test_progress_is_shown_and_taken_away(vpnd, terminal):
    vpnd.on('Activate', TRYING, {'reply': True}, {'sleep_ms': 700}, UP)
    t = terminal('connect', 'home', '--wait')
    assert t.wait() == 0
    assert re.search(r'⠋ Connecting, 0 s \(Ctrl-C stops waiting\)', t.text)
    assert t.text.endswith('\r\033[K\033[32mConnected\033[0m\r\n')


@pytest.mark.parametrize('args, env', [(['--json'], {}), ([], {'TERM': 'dumb'})])
def test_no_progress_when_not_wanted(vpnd, terminal, args, env):
    vpnd.on('Activate', TRYING, {'reply': True}, {'sleep_ms': 400}, UP)
    t = terminal('connect', 'home', '--wait', *args, **env)
    assert t.wait() == 0 and 'Ctrl-C' not in t.text and '\033' not in t.text


def test_ctrl_c(vpnd, terminal):
    vpnd.on('Activate', TRYING)
    t = terminal('connect', 'home', '--wait')
    vpnd.wait_for_read()
    t.read_until('Connecting, ')
    t.type(b'\x03')
    assert t.wait() == 130
    after = t.text.rsplit('\033[K', 1)[1]
    assert 'vpnctl: stopped waiting' in after and 'vpnctl disconnect' in after


def test_output_of_others_cannot_move_the_cursor(vpnd, terminal):
    t = terminal('logs')
    assert t.wait() == 0 and '\033[31m' not in t.text


def test_head_ends_monitor_quietly(vpnd, bus):
    process = subprocess.Popen([VPNCTL, 'monitor', '--json'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(bus))
    assert process.stdout.readline()
    process.stdout.close()
    vpnd.tell(**TRYING)
    assert process.wait(10) == -13 and process.stderr.read() == ''
    process.stderr.close()


def test_full_disk_is_a_failure(vpnd, bus):
    with open('/dev/full', 'w') as full:
        p = subprocess.run([VPNCTL, 'list'], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(bus))
    assert p.returncode == 1 and 'cannot write' in p.stderr


def test_control_characters_in_a_name(vpnd, terminal):
    t = terminal('show', 'a\033[2Jb')
    assert t.wait() == 4 and '\033[2J' not in t.text
