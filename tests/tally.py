#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the tests in meson's testlog.json files, sub-tests of TAP included, and prints the line that ends a check.

A skipped test is a failed test: it proved nothing. A program that dies counts as one failure even if every line it
printed was good. A log that is missing counts as one failure too.
"""
import argparse
import json
import re
import sys

TAP_LINE = re.compile(r"^(not ok|ok)\b(.*)$")
TAP_PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*skip.*)?$", re.IGNORECASE)
PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
TAP_SKIP = re.compile(r"#\s*(skip|todo)", re.IGNORECASE)


def count_tap(text):
    """Returns (passed, [names of failed]) of a TAP stream."""
    passed, failed, plan = 0, [], None
    for line in text.splitlines():
        match = TAP_LINE.match(line)
        if match:
            if match.group(1) == "ok" and not TAP_SKIP.search(match.group(2)):
                passed += 1
            else:
                failed.append(match.group(2).strip())
        elif TAP_PLAN.match(line):
            plan = int(TAP_PLAN.match(line).group(1))
    if plan is not None and plan != passed + len(failed):
        failed.append(f"planned {plan} sub-tests, saw {passed + len(failed)}")
    return passed, failed


def count_test(test):
    """Returns (passed, [names of failed]) of one program."""
    passed, failed = 0, []
    text = test.get("stdout") or ""
    if any(TAP_LINE.match(line) for line in text.splitlines()):
        passed, failed = count_tap(text)
    elif any(PYTEST_COUNT.search(line) for line in text.splitlines()[-1:]):
        for number, what in PYTEST_COUNT.findall(text.splitlines()[-1]):
            if what == "passed":
                passed += int(number)
            else:
                failed += [what] * int(number)
    elif test["result"] == "OK":
        passed = 1
    if test["result"] != "OK" and not failed:
        failed.append(f"{test['result'].lower()} (exit {test.get('returncode')})")
    return passed, [f"{test['name']}: {what}" for what in failed]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extra-failures", type=int, default=0)
    parser.add_argument("logs", nargs="*", metavar="LABEL=FILE")
    args = parser.parse_args()
    passed, failed = 0, ["a build that failed, or a tier without tests (see above)"] * args.extra_failures
    for item in args.logs:
        label, _, path = item.partition("=")
        try:
            with open(path, encoding="utf-8") as log:
                tests = [json.loads(line) for line in log if line.strip()]
        except OSError as error:
            failed.append(f"[{label}] {error}")
            continue
        for test in tests:
            good, bad = count_test(test)
            passed += good
            failed += [f"[{label}] {name}" for name in bad]
    if failed:
        print("\nFailed:")
        print("\n".join(f"  {name}" for name in failed))
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
