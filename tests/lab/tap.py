# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin that writes one TAP line for each test."""


class Tap:
    def __init__(self, out):
        self.out, self.number, self.failed = out, 0, {}

    def pytest_collection_finish(self, session):
        print(f"1..{len(session.items)}", file=self.out)

    def pytest_runtest_logreport(self, report):
        state = self.failed.setdefault(report.nodeid, {"bad": False, "skip": ""})
        if report.failed:
            state["bad"] = True
            for line in str(report.longrepr).splitlines()[-25:]:
                print(f"# {line}", file=self.out)
        if report.skipped:
            state["skip"] = str(report.longrepr)
        if report.when == "teardown":
            self.number += 1
            name = report.nodeid.split("::", 1)[-1].replace("#", " ")
            skip = " # SKIP" if state["skip"] else ""
            print(f"{'not ok' if state['bad'] else 'ok'} {self.number} {name}{skip}", file=self.out)
