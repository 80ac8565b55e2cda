#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the tree that no compiler checks, one TAP line each. A finding names file and line.

A line with "lint: allow RULE" in a comment on it is let through by that rule; the comment must say why.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1])
PROGRAM = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None  # the daemon as it is shipped

# The layers of the house: what each folder may include from (itself always).
CONTRACT = {"dbus"}
LAYERS = {
    "dbus": set(),
    "service/core": CONTRACT,
    "service/netlink": CONTRACT | {"service/core"},
    "service/ports": CONTRACT | {"service/core"},
    "service/store": CONTRACT | {"service/core"},
    "service/log": CONTRACT | {"service/core"},
    "service/engine": CONTRACT | {"service/core", "service/ports", "service/store", "service/log"},
    "service/classifier": CONTRACT,
    "service/backends": CONTRACT | {"service/core", "service/ports", "service/netlink", "service/log", "service/classifier"},
    "service/bus": CONTRACT | {"service/core", "service/ports", "service/store", "service/log", "service/engine"},
    "cli": CONTRACT,
}
# The state machine in service/core, from the lowest layer up; files of one line may not include one another.
MACHINE = (("transition-effects",), ("transition-moves",), ("transition-events",),
           ("transition-connect", "transition-ends", "transition-follow", "transition-trouble"), ("transition",))
PURE_SUFFIXES = ("-encode", "-decode", "uapi")

FORBIDDEN = {
    "shell": r"\b(system|popen|wordexp)\s*\(",
    "sleep": r"\b(sleep|usleep|nanosleep|g_usleep)\s*\(",
    "unbounded string": r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(",
    "caller by pid": r"polkit_unix_process",
    "sync call in the service": r"\b(g_dbus_connection_call_sync|g_dbus_proxy_call_sync|polkit_authority_check_authorization_sync"
                                r"|g_subprocess_communicate(_utf8)?|g_spawn_(command_line_)?sync|g_bus_get_sync)\s*\(",
    "goto": r"\bgoto\s+\w+;",
    "thread": r"\b(g_thread_new|pthread_create|g_task_run_in_thread(_sync)?)\s*\(",
}
WORK_PLACES = re.compile(r"deb\.debian\.org|snapshot\.debian\.org|security\.debian\.org|ftp\.[a-z]+\.debian\.org|(?<![\w-])/work/|farm-[a-z]+")


def tracked():
    out = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         capture_output=True, check=False)
    if out.returncode == 0:
        names = [n for n in out.stdout.decode().split("\0") if n]
    else:  # an unpacked archive
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and not p.relative_to(ROOT).parts[0].startswith(("build", ".git"))]
    return sorted(n for n in names if (ROOT / n).is_file())


FILES = tracked()
C_FILES = [n for n in FILES if n.endswith((".c", ".h"))]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def folder(name):
    parent = str(pathlib.PurePath(name).parent)
    return parent


def code_lines(name):
    """Yields (number, line) without comments and string contents; waivers stay visible through the raw line."""
    inside = False
    for number, raw in enumerate(text(name).splitlines(), 1):
        line = re.sub(r'"(\\.|[^"\\])*"', '""', raw)
        if inside:
            if "*/" not in line:
                continue
            line = line.split("*/", 1)[1]
            inside = False
        line = re.sub(r"/\*.*?\*/", "", line)
        if "/*" in line:
            line = line.split("/*", 1)[0]
            inside = True
        yield number, line.split("//", 1)[0], raw


def check_licences():
    """Every file says its copyright and licence."""
    for name in FILES:
        if name.startswith("LICENSES/") or re.search(r"(^|/)tests/(fuzz|golden|unit)/.*(corpus|data|golden)/", name) or (ROOT / (name + ".license")).exists():
            continue
        head = text(name)[:800]
        if "SPDX-License-Identifier:" not in head or "SPDX-FileCopyrightText:" not in head:
            yield f"{name}: no SPDX head"


def include_graph():
    by_base = {}
    for name in C_FILES:
        if name.endswith(".h"):
            by_base.setdefault(pathlib.PurePath(name).name, []).append(name)
    graph = {}
    for name in C_FILES:
        found = set()
        for line in text(name).splitlines():
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match:
                found.update(by_base.get(pathlib.PurePath(match.group(1)).name, []))
        graph[name] = found - {name}
    return graph


def check_cycles():
    """No header includes itself through others."""
    graph, done = include_graph(), set()

    def visit(name, path):
        if name in path:
            yield " -> ".join(path[path.index(name):] + [name])
            return
        if name in done:
            return
        for other in sorted(graph[name]):
            yield from visit(other, path + [name])
        done.add(name)

    for name in sorted(n for n in graph if n.endswith(".h")):
        yield from visit(name, [])


def check_layers():
    """A folder includes only from the layers below it."""
    for name, includes in include_graph().items():
        own = folder(name)
        if own not in LAYERS:
            continue
        for other in sorted(includes):
            if folder(other) != own and folder(other) not in LAYERS[own]:
                yield f"{name}: may not include {other}"


def check_machine():
    """A file of the state machine includes only from the layers below it, and none stands outside of them."""
    floors = {name: floor for floor, names in enumerate(MACHINE) for name in names}
    graph = include_graph()
    for name in sorted(n for n in graph if folder(n) == "service/core" and pathlib.PurePath(n).stem.startswith("transition")):
        own = pathlib.PurePath(name).stem
        if own not in floors:
            yield f"{name}: is in no layer of the state machine"
            continue
        for other in (pathlib.PurePath(o).stem for o in graph[name]):
            if other != own and floors.get(other, -1) >= floors[own]:
                yield f"{name}: may not include {other}.h"


def check_pure():
    """core and the codecs use no GIO, no clock, no log."""
    pattern = re.compile(r"#\s*include\s*<gio/|\b(g_get_monotonic_time|g_get_real_time|clock_gettime|g_message|g_warning|g_debug|g_info|g_log_structured)\s*\(")
    for name in C_FILES:
        stem = pathlib.PurePath(name).stem
        if folder(name) == "service/core" or (folder(name) == "service/netlink" and stem.endswith(PURE_SUFFIXES)):
            for number, line, raw in code_lines(name):
                if pattern.search(line) and "lint: allow pure" not in raw:
                    yield f"{name}:{number}: {raw.strip()}"


def check_forbidden():
    """No shell, sleep, unbounded string function, pid subject, blocking call or thread."""
    for name in C_FILES:
        for what, pattern in FORBIDDEN.items():
            if what in ("sync call in the service", "thread") and not name.startswith("service/"):
                continue
            for number, line, raw in code_lines(name):
                if re.search(pattern, line) and f"lint: allow {what}" not in raw:
                    yield f"{name}:{number}: {what}: {raw.strip()}"


def check_globals():
    """No mutable file-scope variables in the product (the table of signals, written once at type registration, is none)."""
    pattern = re.compile(r"^static\s+(?!const\b|inline\b|gboolean\s+\w+\s*\(|G_)(?!.*\bconst\b)[\w\s\*]+?\b\w+(\[[^\]]*\])?\s*(=[^=].*)?;\s*$")
    for name in C_FILES:
        if name.startswith("tests/"):
            continue
        for number, line, raw in code_lines(name):
            if pattern.match(line) and "static guint signals[N_SIGNALS]" not in line and "(" not in line.split("=")[0] and "lint: allow global" not in raw:
                yield f"{name}:{number}: {raw.strip()}"


def check_work_places():
    """No name of a package mirror, build machine or its folders."""
    for name in FILES:
        if name == "tests/lint/lint.py":
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            if WORK_PLACES.search(line):
                yield f"{name}:{number}: {line.strip()[:120]}"


def check_leftovers():
    """No TODO, FIXME, XXX, stub marks."""
    for name in FILES:
        if name.startswith(("tests/lint/", "LICENSES/")):
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line) and "mktemp" not in line:
                yield f"{name}:{number}: {line.strip()[:120]}"


def check_format():
    """clang-format has nothing to change."""
    if not shutil.which("clang-format"):
        yield "clang-format is not installed"
        return
    out = subprocess.run(["clang-format", "--dry-run", "-Werror", *C_FILES], cwd=ROOT, capture_output=True, text=True, check=False)
    seen = set()
    for line in out.stderr.splitlines():
        match = re.match(r"([^:]+):(\d+):\d+: error:", line)
        if match and match.group(1) not in seen:
            seen.add(match.group(1))
            yield f"{match.group(1)}:{match.group(2)}: not formatted (clang-format -i)"


def check_fault_points():
    """The daemon as it is shipped knows nothing of the boundaries at which the lab ends it."""
    word = "VPND_FAULT_POINT"
    if not any(word in text(name) for name in C_FILES if name.startswith("tests/lab-c/")):
        yield f"tests/lab-c: nothing has the word {word}: this check would prove nothing"
    for name in C_FILES:
        if name.startswith(("service/", "cli/", "dbus/")) and name != "service/engine/fault-point.h" and word in text(name):
            yield f"{name}: {word} belongs into tests/lab-c and service/engine/fault-point.h"
    if PROGRAM is not None and re.search(rb"vpnd_fault_point|" + word.encode(), PROGRAM.read_bytes()):
        yield f"{PROGRAM.name}: has the fault points"


def check_shell():
    """shellcheck is content with every shell script."""
    if not shutil.which("shellcheck"):
        yield "shellcheck is not installed"
        return
    scripts = [n for n in FILES if re.match(r"#!\s*/(usr/)?bin/(env )?(ba)?sh", text(n)[:40])]
    out = subprocess.run(["shellcheck", "-f", "json", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    for item in json.loads(out.stdout or "[]"):
        yield f"{item['file']}:{item['line']}: SC{item['code']} {item['message']}"


def check_potfiles():
    """po/POTFILES names existing files, and every file with translatable text."""
    listed = {line.strip() for line in text("po/POTFILES").splitlines() if line.strip() and not line.startswith("#")}
    for name in sorted(listed):
        if not (ROOT / name).is_file():
            yield f"po/POTFILES: {name} does not exist"
    for name in C_FILES:
        if name.startswith(("service/", "cli/", "dbus/")) and name not in listed and any(re.search(r"\b(_|N_|C_|ngettext)\s*\(", line) for _, line, _ in code_lines(name)):
            yield f"po/POTFILES: {name} is missing"


def run(namespace):
    """Speaks TAP about every function check_... of @namespace; returns the exit status."""
    checks = [value for key, value in sorted(namespace.items()) if key.startswith("check_")]
    print(f"1..{len(checks)}")
    bad = 0
    for number, check in enumerate(checks, 1):
        findings = list(check())
        bad += bool(findings)
        print(f"{'not ok' if findings else 'ok'} {number} {check.__doc__.splitlines()[0]}")
        for finding in findings[:60]:
            print(f"# {finding}")
            print(finding, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(run(globals()))
