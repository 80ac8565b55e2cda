# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Help, manual page, completions, interface XML and translations say the same."""
import gettext
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

SOURCE, BUILD = Path(os.environ['VPND_SOURCE_ROOT']), Path(os.environ['VPND_BUILD_ROOT'])
VPNCTL = os.environ['VPND_VPNCTL']
MAN = (SOURCE / 'data/man/vpnctl.1.rst').read_text()
COMPLETIONS = {name: (SOURCE / 'data/completions' / name).read_text() for name in ('vpnctl.bash', '_vpnctl', 'vpnctl.fish')}
HELP = json.loads(subprocess.run([VPNCTL, 'help', '--json'], capture_output=True, text=True, check=True, env={'LC_ALL': 'C'}).stdout)
VERBS = {c['name']: c for c in HELP['commands']}
COMMON = {'--json', '--timeout', '--no-color', '--help'}
TREE = ElementTree.parse(SOURCE / 'dbus/org.vpnd1.xml')


def section(name):
    return re.search(rf'^{name}\n=+\n(.*?)(?=^[A-Z ,]+\n=+\n|\Z)', MAN, re.M | re.S).group(1)


def terms(text):
    return re.findall(r'^(\S.*)\n(?=    \S)', text, re.M)


def help_of(verb):
    return subprocess.run([VPNCTL, verb, '--help'], capture_output=True, text=True, check=True, env={'LC_ALL': 'C.UTF-8'}).stdout


def settings_keys():
    interface = next(i for i in TREE.iter('interface') if i.get('name') == 'org.vpnd1.Settings')
    return [re.sub(r'(?<!^)(?=[A-Z])', '-', p.get('name')).lower() for p in interface.iter('property')]


def test_man_has_exactly_the_commands():
    synopses = [f'{c["name"]} {c["synopsis"]}'.strip() for c in HELP['commands']]
    assert terms(section('COMMANDS')) == synopses


def test_man_has_exactly_the_options():
    documented = set(re.findall(r'--[a-z-]+', ' '.join(t for t in terms(section('OPTIONS')))))
    assert documented == set().union(*(c['options'] for c in HELP['commands'])) | {'--version'}


def test_man_names_the_commands_of_each_special_option():
    for option, verbs in re.findall(r'^(?:-\w, )?(--[a-z]+)\n    \(([a-z, ]+)\)', section('OPTIONS'), re.M):
        assert set(verbs.split(', ')) == {v for v, c in VERBS.items() if option in c['options']}, option


@pytest.mark.parametrize('verb', VERBS)
def test_help_of_every_verb(verb):
    text = help_of(verb)
    assert text.startswith(f'Usage:\n  vpnctl {verb} [OPTION…] {VERBS[verb]["synopsis"]}'.rstrip() + '\n')
    assert VERBS[verb]['summary'] in text
    assert set(re.findall(r'^  (?:-\w, )?(--[a-z-]+)', text, re.M)) == set(VERBS[verb]['options'])
    assert text == subprocess.run([VPNCTL, 'help', verb], capture_output=True, text=True, check=True, env={'LC_ALL': 'C.UTF-8'}).stdout


def test_exit_codes_are_the_same_everywhere():
    documented = dict(re.findall(r'^(\d+)\n    (.+)$', section('EXIT STATUS'), re.M))
    assert documented == HELP['exitCodes']
    assert dict(re.findall(r'^ +(\d+)  (.+)$', subprocess.run([VPNCTL, 'help'], capture_output=True, text=True, check=True, env={'LC_ALL': 'C'}).stdout, re.M)) == HELP['exitCodes']
    assert documented.keys() == {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '125', '126', '127', '130'}


def test_settings_are_those_of_the_interface():
    assert terms(section('SETTINGS')) == settings_keys()
    described = re.findall(r'^  \{ "([a-z0-9-]+)", N_ \(', (SOURCE / 'cli/settings-text.c').read_text(), re.M)
    assert described == settings_keys()
    for text in COMPLETIONS.values():
        assert ' '.join(settings_keys()) in text


def test_causes_are_those_of_the_contract():
    words = re.findall(r'#define VPND_CAUSE_WORD_\w+ "(.+)"', (SOURCE / 'dbus/names.h').read_text())
    assert terms(section('CAUSES')) == words
    assert len(re.findall(r'^  \{ VPND_CAUSE_WORD_', (SOURCE / 'cli/failure.c').read_text(), re.M)) == len(words)


def test_man_has_exactly_the_findings():
    table = re.findall(r'= \{ "([a-z0-9-]+)", VPND_SEVERITY_(\w+) \}', (SOURCE / 'dbus/finding.c').read_text())
    sentences = re.findall(r'\[VPND_FINDING_\w+\] = N_ \("(.*)"\),', (SOURCE / 'cli/finding-text.c').read_text())
    entries = re.findall(r'^([a-z0-9-]+)\n((?:    .*\n)+)', section('FINDINGS'), re.M)
    assert [word for word, _ in entries] == [word for word, _ in table]
    assert [' '.join(text.split()) for _, text in entries] == [f'({severity.lower()}) {sentence}' for (_, severity), sentence in zip(table, sentences, strict=True)]


def test_findings_are_translated():
    words = re.findall(r'= \{ "([a-z0-9-]+)", VPND_SEVERITY_', (SOURCE / 'dbus/finding.c').read_text())
    codes = re.findall(r'\[VPND_FINDING_(\w+)\] = N_ \("', (SOURCE / 'cli/finding-text.c').read_text())
    assert len(words) == len(set(words)) == len(codes) > 50


def test_reasons_of_routes_are_those_of_the_service():
    words = re.findall(r'\[VPND_WHY_\w+\] = "([a-z-]+)"', (SOURCE / 'service/core/route-report.c').read_text())
    assert re.findall(r'^  \{ "([a-z-]+)", N_ \("[^"]+"\) \}', (SOURCE / 'cli/cmd-routes.c').read_text(), re.M)[:len(words)] == words


def test_authorization_names_every_action():
    actions = {a.get('value') for a in TREE.iter('annotation')} - {'none'}
    assert set(re.findall(r'org\.vpnd1\.[a-z]+', section('AUTHORIZATION'))) == actions


def test_weaken_settings_are_those_of_the_interface():
    interface = next(i for i in TREE.iter('interface') if i.get('name') == 'org.vpnd1.Settings')
    weaken = {p.get('name') for p in interface.iter('property') if p.find('annotation').get('value') == 'org.vpnd1.weaken'}
    text = re.search(r'org\.vpnd1\.weaken\n    the settings (.*?),? and settings reset', section('AUTHORIZATION'), re.S).group(1)
    assert set(re.split(r',\s*| and ', text)) == {re.sub(r'(?<!^)(?=[A-Z])', '-', p).lower() for p in weaken}


@pytest.mark.parametrize('name', COMPLETIONS)
def test_completions_know_every_verb_and_option(name):
    text = COMPLETIONS[name]
    for verb in VERBS:
        assert re.search(rf'\b{verb}\b', text), verb
    for option in set().union(*(c['options'] for c in HELP['commands'])) | {'--version'}:
        assert (f'-l {option[2:]}' if name.endswith('.fish') else option) in text, option


def complete(directory, *words):
    """What bash offers for the last of the words."""
    script = f'source {SOURCE}/data/completions/vpnctl.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vpnctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    run = subprocess.run(['bash', '--norc', '-c', script, 'bash', 'vpnctl', *words], capture_output=True, text=True, env={'PATH': f'{directory}:/usr/bin:/bin'}, cwd=directory)
    assert run.returncode == 0 and run.stderr == '', run.stderr
    return set(run.stdout.split())


@pytest.fixture
def names(tmp_path):
    """A vpnctl that knows two profiles."""
    (tmp_path / 'vpnctl').write_text('#!/bin/sh\n[ "$1 $2" = "list --names" ] && printf "home\\noffice\\n"\n')
    (tmp_path / 'vpnctl').chmod(0o755)
    (tmp_path / 'some.conf').write_text('')
    return tmp_path


def test_bash_completes_verbs_options_names_and_values(names):
    assert complete(names, '') == set(VERBS)
    for verb, command in VERBS.items():
        assert complete(names, verb, '-') == set(command['options']), verb
        assert complete(names, '--timeout', '5', verb, '-') == set(command['options'])
    for verb in ('connect', 'export', 'show', 'rename', 'remove', 'bridge'):
        assert complete(names, verb, '') == {'home', 'office'}
    assert complete(names, 'connect', '--wait', 'h') == {'home'}
    assert complete(names, 'connect', 'home', '') == set()
    assert complete(names, 'import', 'so') == {'some.conf'}
    assert complete(names, 'lockdown', '') == complete(names, 'auto-connect', '') == {'on', 'off', 'get'}
    assert complete(names, 'bridge', 'home', '') == {'off'} and 'root' in complete(names, 'bridge', 'home', '192.0.2.9:443/tcp', '1080', 'r')
    assert complete(names, 'split', '') == {'add', 'remove', 'list', 'mode', 'ps', 'watch'} and complete(names, 'split', 'mode', '') == {'exclude', 'include'}
    assert complete(names, 'split', 'add', '--profile', '') == {'home', 'office'} and complete(names, 'split', 'add', '--path', 'so') == {'some.conf'}
    assert complete(names, 'split', '--path', 'x', '') == {'add', 'remove', 'list', 'mode', 'ps', 'watch'} and 'root' in complete(names, 'split', 'add', '--uid', 'r')
    assert complete(names, 'exclude', '') == {'--'} and 'bash' in complete(names, 'exclude', '--', 'bas') and complete(names, 'exclude', '--', 'cat', 'so') == {'some.conf'}
    assert complete(names, 'lan', '') == {'allow', 'block', 'get'}
    assert complete(names, 'auto-connect', 'on', '') == {'home', 'office'} and complete(names, 'auto-connect', 'off', '') == set()
    assert complete(names, 'settings', '') == {'get', 'set', 'reset'}
    assert complete(names, 'settings', 'set', '') == set(settings_keys())
    assert complete(names, 'settings', 'set', 'backend', '') == {'auto', 'kernel', 'userspace'}
    assert complete(names, 'settings', 'set', 'auto-connect-profile', '') == {'home', 'office'}


def test_reference_has_every_member_with_prose():
    for interface in TREE.iter('interface'):
        name = interface.get('name')
        text = (BUILD / f'data/man/dbus-{name}.rst').read_text()
        for member in [*interface.iter('method'), *interface.iter('signal'), *interface.iter('property')]:
            kind = {'method': '.', 'signal': '::', 'property': ':'}[member.tag]
            entry = re.search(rf'^{re.escape(name + kind + member.get("name"))}\n\^+\n(.*?)(?=^{re.escape(name)}[.:]|\Z)', text, re.M | re.S)
            assert entry, member.get('name')
            prose = re.sub(r'::\n\n    .*\n', '', entry.group(1), count=1)
            assert re.search(r'\w{3,}', prose), f'{name}.{member.get("name")} has no prose'


@pytest.mark.parametrize('page', ['vpnctl.1', 'vpnd.8', 'vpnd-classifier.8'])
def test_manual_pages_are_made_and_clean(page):
    text = (BUILD / 'data/man' / page).read_text()
    assert text.count('.SH') > 5 and 'System Message' not in text
    assert re.search(rf'{page.split(".")[0]}'.replace('-', r'\\?-') + r' \\-', text)


def test_every_source_with_messages_is_in_potfiles():
    listed = {line for line in (SOURCE / 'po/POTFILES').read_text().splitlines() if line and not line.startswith('#')}
    marked = {str(p.relative_to(SOURCE)) for folder in ('cli', 'service', 'dbus') for p in (SOURCE / folder).rglob('*.c') if re.search(r'\b(?:N?C?_|ngettext) \(', p.read_text())}
    policies = {str(p.relative_to(SOURCE)) for p in (SOURCE / 'polkit').rglob('*.policy.in')}
    assert listed == marked | policies


def messages(text):
    return {''.join(re.findall(r'"(.*)"', m)) for m in re.findall(r'^msgid ((?:".*"\n)+)', text, re.M)} - {''}


@pytest.fixture(scope='module')
def template():
    """What translators get, from the sources."""
    sources = [f for f in (SOURCE / 'po/POTFILES').read_text().splitlines() if f.endswith('.c')]
    return messages(subprocess.run(['xgettext', '--from-code=UTF-8', '--keyword=_', '--keyword=N_', '--keyword=ngettext:1,2', '-o', '-', *sources],
                                   capture_output=True, text=True, cwd=SOURCE, env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C.UTF-8'}, check=True).stdout)


def test_what_scripts_read_is_not_translated(template):
    assert template and not template & {'Connected', 'Connecting', 'Disconnecting', 'Disconnected', 'Blocked', 'Blocked: %s', '%s: %s'}


def test_german_is_complete(template):
    check = subprocess.run(['msgfmt', '--check', '--statistics', '-o', '/dev/null', str(SOURCE / 'po/de.po')], capture_output=True, text=True, env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
    assert check.returncode == 0 and 'fuzzy' not in check.stderr and 'untranslated' not in check.stderr, check.stderr
    assert template <= messages((SOURCE / 'po/de.po').read_text())


def test_german_is_shown(tmp_path):
    """The catalogue as it is installed, read by gettext itself."""
    (tmp_path / 'de/LC_MESSAGES').mkdir(parents=True)
    subprocess.run(['msgfmt', '-o', str(tmp_path / 'de/LC_MESSAGES/vpnd.mo'), str(SOURCE / 'po/de.po')], check=True, stderr=subprocess.DEVNULL)
    catalogue = gettext.translation('vpnd', tmp_path, ['de'])
    assert catalogue.gettext('not authorized') == 'nicht berechtigt' and catalogue.ngettext('not done within %u second', 'not done within %u seconds', 2) == 'in %u Sekunden nicht fertig'
