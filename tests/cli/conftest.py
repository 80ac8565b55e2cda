# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private bus with a scripted vpnd, and vpnctl as a user runs it: pipes or a terminal."""
import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

SOURCE = Path(os.environ['VPND_SOURCE_ROOT'])
VPNCTL = os.environ['VPND_VPNCTL']
XML = SOURCE / 'dbus' / 'org.vpnd1.xml'

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""


@pytest.fixture(scope='session')
def bus(tmp_path_factory):
    """Address of a dbus-daemon of our own."""
    directory = tmp_path_factory.mktemp('bus')
    config = directory / 'bus.conf'
    config.write_text(BUS_CONFIG.format(path=directory / 'socket'))
    process = subprocess.Popen(['dbus-daemon', f'--config-file={config}', '--nofork', '--print-address=1'], stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    yield address
    process.terminate()
    process.wait()


def environment(address, **extra):
    keep = {k: v for k, v in os.environ.items() if k.startswith(('ASAN_', 'UBSAN_', 'LSAN_', 'G_DEBUG'))}
    return dict(keep, PATH='/usr/bin:/bin', LC_ALL='C.UTF-8', TZ='UTC', DBUS_SYSTEM_BUS_ADDRESS=address) | extra


class Daemon:
    def __init__(self, address):
        env = {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C.UTF-8', 'DBUS_SYSTEM_BUS_ADDRESS': address}
        self.process = subprocess.Popen(['/usr/bin/python3', str(Path(__file__).parent / 'fake_vpnd.py'), str(XML)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout.readline() == 'ready\n'

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + '\n')
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def on(self, member, *steps):
        assert self.tell(on={member: list(steps)}) == 'ok'

    def calls(self):
        return json.loads(self.tell(calls=True))

    def wait_for_read(self):
        """Until somebody has asked for properties: with a wait, that is after its request was answered."""
        while json.loads(self.tell(reads=True)) == 0:
            assert self.process.poll() is None

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture
def vpnd(bus):
    daemon = Daemon(bus)
    yield daemon
    daemon.stop()


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        assert self.out.count('\n') == 1, self.out
        value = json.loads(self.out)
        assert list(value)[0] == 'schema' and value['schema'] == 1
        return value

    def error(self):
        value = json.loads(self.err)
        assert list(value) == ['schema', 'error'] and value['schema'] == 1
        assert list(value['error']) == ['name', 'message', 'hint', 'exitCode'] and value['error']['exitCode'] == self.code
        return value['error']


@pytest.fixture
def vpnctl(bus):
    def run(*args, stdin='', address=bus, timeout=60, **env):
        p = subprocess.run([VPNCTL, *args], input=stdin, capture_output=True, text=True, env=environment(address, **env), timeout=timeout)
        return Result(p.returncode, p.stdout, p.stderr)
    return run


@pytest.fixture
def spawn(bus):
    """vpnctl in the background with pipes; ended at the end of the test."""
    started = []

    def run(*args, **env):
        p = subprocess.Popen([VPNCTL, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, env=environment(bus, **env))
        started.append(p)
        return p
    yield run
    for p in started:
        if p.poll() is None:
            p.kill()
        p.communicate()


class Terminal:
    """vpnctl with a terminal as its controlling one; what it wrote so far is in text."""
    def __init__(self, args, env):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execve(VPNCTL, [VPNCTL, *args], env)
        self.pid, self.text, self.code = pid, '', None

    def read_until(self, needle, limit_s=30):
        end = time.monotonic() + limit_s
        while needle is None or needle not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f'no {needle!r} in {self.text!r}'
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b''
            if not data:
                assert needle is None, f'no {needle!r} in {self.text!r}'
                break
            self.text += data.decode(errors='replace')

    def type(self, keys):
        os.write(self.fd, keys)

    def wait(self):
        self.read_until(None)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(bus):
    started = []

    def run(*args, **env):
        t = Terminal(args, environment(bus, **dict({'TERM': 'xterm'}, **env)))
        started.append(t)
        return t
    yield run
    for t in started:
        t.close()
