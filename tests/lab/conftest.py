# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a fresh lab a test. At the end of each, no program may have reported a memory error or a broken invariant."""
import pytest

from lab import Lab


@pytest.fixture(name="lab_with")
def make_lab():
    """A function that makes a lab with options; what it made is taken down at the end."""
    made = []

    def make(**options):
        made.append(Lab(**options))
        return made[-1]
    yield make
    reports = []
    for one in reversed(made):
        one.close()
        reports += one.sanitizer_reports()
    assert not reports, "\n".join(reports)


@pytest.fixture(name="lab")
def lab_fixture(lab_with):
    """The lab without a daemon."""
    return lab_with()


@pytest.fixture(name="host")
def host_fixture(lab):
    """The lab with a running daemon, disconnected."""
    lab.before = lab.snapshot()
    lab.daemon = lab.start_daemon()
    return lab


@pytest.fixture(name="connected")
def connected_fixture(host):
    """The lab, connected."""
    host.connect()
    return host
