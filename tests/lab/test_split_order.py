# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split tunnelling while it is being changed: the rules of the firewall know a class before anybody is led into it, and nobody is bound to nothing on the way from one class to
another. The daemon is held right before its rules change (tests/lab-c/fault-point.c), which makes some microseconds as long as a test needs."""
import pathlib
import subprocess

import pytest

import sandbox
from test_kill_points import PROGRAM, Gate, go_on
from test_split import INSIDE, OUTSIDE, Talker, environment, fixture_split, processes  # noqa: F401
from test_split_more import REFUSED, program, rules


@pytest.fixture(name="held")
def fixture_held(split):
    """The daemon has two profiles and stops at each boundary as soon as there is a gate."""
    for name in ("first", "second"):
        split.vpnctl("import", "-", name, input=split.profile())
    split.daemon.stop()
    split.daemon = split.start_daemon(program=PROGRAM, env=environment(split) | {"VPND_FAULT_POINT": "/run/vpnd-lab/points"})
    return split


def place(talker):
    return pathlib.Path(f"/proc/{talker.process.pid}/cgroup").read_text(encoding="ascii")


class Change:
    """A change under way, which is held where the rules of the firewall are about to change."""

    def __init__(self, lab, *words):
        self.gate = Gate(lab)
        self.process = lab.host.start(lab.vpnctl_path, *words, env=lab.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while (point := self.gate.next())[0] not in ("before apply-ruleset", "before remove-ruleset"):
            go_on(point)
        self.point = point

    def finish(self):
        go_on(self.point)
        self.gate.pass_all(lambda: self.process.poll() is not None)
        self.gate.socket.close()
        pathlib.Path(self.gate.path).unlink()
        assert self.process.returncode == 0, self.process.stderr.read()


@pytest.mark.parametrize("way", ["bound, disconnected", "bound to another profile", "included", "excluded"])
def test_rules_know_a_class_first(held, way):
    """Who is launched while the rules do not know the class is not in it; from then on it is, and its first packet goes the right way."""
    words = ["--profile", "first"] if "bound" in way else ["--include"] if way == "included" else []
    right = (INSIDE,) if way == "included" else (OUTSIDE,) if way == "excluded" else REFUSED
    if way == "included":
        held.vpnctl("split", "mode", "include")
    if "disconnected" not in way:
        held.vpnctl("connect", "second", "--wait", "--timeout", "40")
    change = Change(held, "split", "add", "--path", held.listed, *words)
    early = held.talk(held.listed)
    assert "vpnd-" not in place(early).split("0::")[1]
    change.finish()
    late = held.talk(held.listed)
    assert "vpnd-" in place(late).split("0::")[1] and place(early) == place(late)
    assert late.way() in right and early.way() in right


def test_rules_forget_a_class_last(held):
    """When the rule goes, so does who came by it, and nobody new comes, before the rules let go of the class."""
    held.vpnctl("split", "add", "--path", held.listed, "--profile", "first")
    early = held.talk(held.listed)
    change = Change(held, "split", "remove", "--path", held.listed)
    late = held.talk(held.listed)
    sandbox.wait_until(lambda: "vpnd-bound" not in place(early), sandbox.SOON_S, "it has left")
    assert "vpnd-" not in place(late).split("0::")[1]
    change.finish()
    assert early.way() == late.way() == OUTSIDE


class Child(Talker):
    """A program that another one has started: the shell, by its own rule, and that one by none."""

    def __init__(self, lab, shell):  # pylint: disable=super-init-not-called
        self.process = lab.host.start(shell, "-c", f"{lab.other} --talk; true", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lab.talkers.append(self)
        self.ask("class")


def test_children_follow_their_rule(held):
    """A rule that is bound to another profile takes along who runs by it and whom they have started, now and for what they do from now on."""
    shell = program(held, "shell", source="/bin/sh")
    held.vpnctl("split", "add", "--path", shell, "--profile", "first")
    child = Child(held, shell)
    for words, folder, ways in ((["--profile", "second"], "vpnd-bound-second", REFUSED), (["--include"], "vpnd-included", (OUTSIDE,)), (["--profile", "first"], "vpnd-bound-first", REFUSED)):
        held.vpnctl("split", "add", "--path", shell, *words)
        assert folder in child.ask("class") and folder in place(child)
        assert child.way() in ways
    assert {row["class"] for row in processes(held)} == {"bound:first"}
    held.vpnctl("split", "remove", "--path", shell)
    sandbox.wait_until(lambda: "vpnd-" not in child.ask("class"), sandbox.SOON_S, "the child is back")
    assert child.way() == OUTSIDE and not rules(held)
    child.end()
