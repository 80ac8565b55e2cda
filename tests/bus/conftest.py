# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

import rig as rigs


@pytest.fixture(name="make_rig")
def make_rig_fixture():
    made = []

    def make(**options):
        made.append(rigs.Rig(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(name="rig")
def rig_fixture(make_rig):
    return make_rig()
