#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one file of pytest tests inside a session of the lab and speaks TAP on stdout; pytest's own report goes to stderr."""
import os
import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import sandbox  # noqa: E402
import tap  # noqa: E402


def main():
    import pytest
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return int(pytest.main(["-p", "no:cacheprovider", "-q", "--rootdir", str(HERE), "-rN", "--tb=short", *sys.argv[1:]], plugins=[tap.Tap(out)]))


if __name__ == "__main__":
    sandbox.run_session(main)
