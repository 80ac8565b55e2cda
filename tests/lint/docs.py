#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/ says against what the code says, one TAP line each: every table that the code also holds, every path, every test name."""
import pathlib
import re
import sys
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lint import FILES, LAYERS, ROOT, run, text  # noqa: E402

PAGES = sorted(n for n in FILES if re.fullmatch(r"docs/[\w-]+\.md|[A-Z]+\.md", n))
PREFIXES = r"VPND_(?:ESTABLISH|ATTEMPT|LIVENESS|BACKOFF|DEADLINE|QUOTA)_\w+"


def rows(page, heading):
    """The rows of the first table below the heading that begins so, as lists of cells without backticks; without the head."""
    parts = re.split(rf"^#+ {re.escape(heading)}.*$", text(page), maxsplit=1, flags=re.M)
    assert len(parts) == 2, f"{page}: no heading {heading!r}"
    found = re.search(r"(?:^\|.*\n)+", parts[1], re.M)
    assert found, f"{page}: no table below {heading!r}"
    table = [[cell.strip().replace("`", "") for cell in line.strip("|\n").split("|")] for line in found.group(0).splitlines()]
    return table[2:]


def head(page, heading):
    parts = re.split(rf"^#+ {re.escape(heading)}.*$", text(page), maxsplit=1, flags=re.M)
    line = re.search(r"^\|.*$", parts[1], re.M).group(0)
    return [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]


def differences(page, documented, actual):
    """Both are dictionaries or lists of keys."""
    for key in actual:
        if key not in documented:
            yield f"{page}: {key} is missing"
        elif isinstance(actual, dict) and documented[key] != actual[key]:
            yield f"{page}: {key} is {documented[key]}, in the code {actual[key]}"
    for key in documented:
        if key not in actual:
            yield f"{page}: there is no {key} in the code"


def defines(name):
    """The macros of a file with a number or a text as value."""
    found = {}
    for key, value in re.findall(r"^#define (\w+) +(.+?)(?: */\*.*)?$", text(name), re.M):
        value = re.sub(r"\bG_USEC_PER_SEC\b", "1000000", value)
        value = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)u\b", r"\1", value)
        if re.fullmatch(r'"[^"]*"', value):
            found[key] = value.strip('"')
        elif re.fullmatch(r"[0-9a-fA-Fx*+() -]+", value):
            found[key] = eval(value, {"__builtins__": {}})  # numbers and operators only
    return found


def enum_words(name, prefix):
    """[ENUM_VALUE] = "word" rows of a C table, or those of { "word", ... }."""
    return dict(re.findall(rf'\[({prefix}\w+)\] = (?:\{{ )?"([^"]*)"', text(name)))


def check_effects():
    """Effects: name, ledger bits, cause are those of effect.c."""
    page = "docs/architecture.md"
    documented = {row[0]: (row[1], row[2], row[3]) for row in rows(page, "Effects and their inverses")}
    actual = {}
    for name, makes, undoes, cause in re.findall(r'= \{ "([a-z-]+)", (\w+), (\w+), VPND_CAUSE_(\w+) \}', text("service/core/effect.c")):
        actual[name] = tuple("-" if bits == "0" else bits.replace("VPND_HOST_", "") for bits in (makes, undoes)) + (cause,)
    yield from differences(page, documented, actual)
    for row in rows(page, "Effects and their inverses"):
        if row[4] and row[4] not in actual:
            yield f"{page}: the inverse {row[4]} is no effect"
        makes, inverse = documented[row[0]][0], row[4]
        if makes != "-" and actual.get(inverse, ("", "", ""))[1] != makes:
            yield f"{page}: {row[0]} makes {makes}, which {inverse or 'nothing'} does not undo"


def check_events_and_states():
    """The state machine: rows are the events, columns the states."""
    page = "docs/architecture.md"
    words = defines("dbus/names.h")
    states = [words[name] for name in re.findall(r"\[VPND_STATE_\w+\] = (VPND_STATE_WORD_\w+)", text("service/core/state.c"))]
    if head(page, "The state machine")[1:] != states:
        yield f"{page}: the columns are not {states}"
    yield from differences(page, [row[0] for row in rows(page, "The state machine")], list(enum_words("service/core/transition.c", "VPND_EVENT_").values()))
    yield from differences("docs/security.md", [row[0] for row in rows("docs/security.md", "States")], states)


def check_folders():
    """Folders: the table has every folder of the house, and no other."""
    page = "docs/architecture.md"
    actual = {n.split("/")[0] for n in FILES if "/" in n and not n.startswith((".", "LICENSES/"))}
    actual |= {str(pathlib.PurePath(n).parent) for n in FILES if n.startswith("service/") and n.count("/") == 2}
    yield from differences(page, [row[0] for row in rows(page, "Folders and layers")], sorted(actual))
    for name in sorted(set(LAYERS) - actual):
        yield f"tests/lint/lint.py: the layer {name} does not exist"
    tests = next(row[1] for row in rows(page, "Folders and layers") if row[0] == "tests")
    for name in sorted({n.split("/")[1] for n in FILES if n.startswith("tests/") and n.count("/") > 1}):
        if not re.search(rf"(?<![\w-]){name}(?![\w-])", tests):
            yield f"{page}: tests/{name} is missing"


def check_ports():
    """Ports: each one, with real and fake that exist."""
    page = "docs/architecture.md"
    yield from differences(page, [row[0] for row in rows(page, "Ports")], sorted(pathlib.PurePath(n).stem for n in FILES if re.fullmatch(r"service/ports/[\w-]+\.h", n)))


def check_reserved():
    """Numbers reserved on the host are those of reserved.h."""
    page = "docs/architecture.md"
    actual = {key: f"0x{value:08x}" if "MARK_" in key and "RULE" not in key else str(value) for key, value in defines("service/core/reserved.h").items()}
    yield from differences(page, {row[0]: row[1] for row in rows(page, "Numbers reserved")}, actual)


def check_timings():
    """Timings and limits: each constant has the value of its file, and none of the public ones is missing."""
    page = "docs/security.md"
    named = set()
    for constant, value, name, _ in rows(page, "Timings"):
        named.add(constant)
        actual = defines(name).get(constant) if name in FILES else None
        if str(actual) != value:
            yield f"{page}: {constant} is {value}, in {name} {actual}"
    for name in FILES:
        if name.startswith(("service/", "dbus/")) and name.endswith(".h"):
            for constant in re.findall(rf"^#define ({PREFIXES}) ", text(name), re.M):
                if constant not in named:
                    yield f"{page}: {constant} of {name} is missing"


def check_rules():
    """The numbered rules: 1 to 11, and the comments of policy.c name no other."""
    numbers = [row[0] for row in rows("docs/security.md", "The numbered rules")]
    if numbers != [str(n) for n in range(1, 12)]:
        yield f"docs/security.md: the rules are numbered {numbers}"
    unused = {row[0] for row in rows("docs/security.md", "The numbered rules") if row[1] == "(not in use)"}
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "service/core").glob("policy*.c"))
    built = {n for file in files for head in re.findall(r"^/\* (\d+(?:(?:, | and )\d+)*)[:,]", text(str(file)), re.M) for n in re.findall(r"\d+", head)}
    yield from (f"docs/security.md: rule {n} of policy.c is missing" for n in sorted(built & unused | built - set(numbers)))
    yield from (f"docs/security.md: rule {n} is not in policy.c" for n in sorted(set(numbers) - unused - built))


def check_settings():
    """Settings: each one, with the polkit action of the interface."""
    page = "docs/security.md"
    properties = dict(re.findall(r'^  \{ "([a-z0-9-]+)", "(\w+)", "\w+", ', text("service/core/settings.c"), re.M))
    interface = xml.etree.ElementTree.fromstring(text("dbus/org.vpnd1.xml")).find("interface[@name='org.vpnd1.Settings']")
    actions = {p.get("name"): p.find("annotation").get("value") for p in interface.iter("property")}
    yield from differences(page, {row[0]: row[2] for row in rows(page, "The settings that")}, {key: actions[name] for key, name in properties.items()})


def check_actions():
    """polkit actions: each one, with its defaults."""
    page = "docs/security.md"
    policy = xml.etree.ElementTree.fromstring(text("polkit/org.vpnd1.policy.in"))
    actual = {a.get("id"): tuple(a.find("defaults").find("allow_" + kind).text for kind in ("any", "inactive", "active")) for a in policy.iter("action")}
    yield from differences(page, {row[0]: tuple(row[1:4]) for row in rows(page, "Local users")}, actual)


def check_messages():
    """MESSAGE_IDs are those of log.h."""
    page = "docs/debugging.md"
    actual = {key: value for key, value in defines("service/log/log.h").items() if key.startswith("VPND_MESSAGE_")}
    yield from differences(page, {row[0]: row[1] for row in rows(page, "Log lines")}, actual)


def check_causes():
    """Causes of the error state are those of the contract."""
    page = "docs/debugging.md"
    actual = [value for key, value in defines("dbus/names.h").items() if key.startswith("VPND_CAUSE_WORD_")]
    yield from differences(page, [row[0] for row in rows(page, "Causes of")], actual)


def check_errors():
    """Errors and exit codes are those of the contract and of vpnctl."""
    page = "docs/debugging.md"
    codes = dict(re.findall(r"^  (VPND_EXIT_\w+) = (\d+),", text("cli/failure.h"), re.M))
    exits = {enum: codes[name] for enum, name in re.findall(r"\[(VPND_ERROR_\w+)\] = (VPND_EXIT_\w+)", text("cli/failure.c"))}
    names = dict(re.findall(r'\[(VPND_ERROR_\w+)\] = ERROR_PREFIX "(\w+)"', text("dbus/error.c")))
    yield from differences(page, {row[0]: row[1] for row in rows(page, "Errors of a call")}, {name: exits[enum] for enum, name in names.items()})
    yield from differences(page, {row[1]: row[0] for row in rows(page, "Exit codes")}, codes)


def check_findings():
    """Findings: words and severities are those of the contract, and every one answers a complaint."""
    page = "docs/diagnostics.md"
    actual = dict((word, severity.lower()) for word, severity in re.findall(r'= \{ "([a-z0-9-]+)", VPND_SEVERITY_(\w+) \}', text("dbus/finding.c")))
    yield from differences(page, {row[0]: row[1] for row in rows(page, "Findings")}, actual)
    named = {word.strip() for row in rows(page, "What people complain of") if not row[1].startswith("-") for word in row[1].split(",")}
    yield from differences(page, sorted(named), sorted(actual))


def check_split():
    """Split tunnelling: kinds, classes, modes, states and exit codes of the page are those of the code and of the contract."""
    page = "docs/split-tunnel.md"
    contract = text("dbus/org.vpnd1.xml")
    kinds = re.findall(r'\[VPND_SPLIT_\w+\] = \{ "(\w+)", normalize_', text("service/core/split-rule.c"))
    classes = re.findall(r'^  \[VPND_SPLIT_\w+\] = "(\w+)",$', text("service/core/split-rule.c"), re.M)
    own = set(re.findall(r"user's own rule may be of\s+the kinds (\w+), (\w+) and (\w+)", contract)[0])
    yield from differences(page, {row[0]: row[2] for row in rows(page, "What a rule matches")}, {kind: "yes" if kind in own else "no" for kind in kinds})
    documented = re.findall(r"^\| `(\w+)` \| (?:beside|inside) the tunnel.*\|$", text(page), re.M)
    yield from differences(page, documented, classes)
    yield from differences(page, [row[0].split(" ")[0] for row in rows(page, "Modes")], list(enum_words("service/core/split-config.c", "VPND_SPLIT_MODE_").values()))
    states = re.search(r"<!-- State: ((?:(?!-->).)*started.*?)-->", contract, re.S).group(1)
    yield from differences(page, [row[0] for row in rows(page, "How it works")], re.findall(r'"(\w+)"\s+\(', states))
    codes = dict(re.findall(r"^  (VPND_EXIT_\w+) = (12\d),", text("cli/failure.h"), re.M))
    yield from differences(page, {row[1]: row[0] for row in rows(page, "`vpnctl exclude`")}, codes)


def check_tests_exist():
    """Every test that a page names exists."""
    in_c = set(re.findall(r'"(/[a-z0-9-]+(?:/[a-z0-9-]+)+)"', "\n".join(text(n) for n in FILES if n.startswith("tests/") and n.endswith(".c"))))
    in_python = set(re.findall(r"^ *(?:async )?def (test_\w+)", "\n".join(text(n) for n in FILES if n.startswith("tests/") and n.endswith(".py")), re.M))
    roots = {name.split("/")[1] for name in in_c} - {"dev", "etc", "home", "opt", "proc", "root", "run", "snap", "sys", "tmp", "usr", "var"}  # paths of the host in tests
    for page in PAGES:
        for name in re.findall(r"`(/[a-z0-9-]+/[a-z0-9/-]+)`", text(page)):
            if name.split("/")[1] in roots and name not in in_c:
                yield f"{page}: there is no test {name}"
        for name in re.findall(r"`(test_\w+)`", text(page)):
            if name not in in_python:
                yield f"{page}: there is no test {name}"


def capabilities(unit):
    return set(re.search(r"^CapabilityBoundingSet=(.*)$", text(f"data/systemd/{unit}.service.in"), re.M).group(1).split())


def check_capabilities():
    """Capabilities: each unit has those that the files of its program say they need, and the pages name them all."""
    units = {"vpnd-classifier": capabilities("vpnd-classifier"), "vpnd": capabilities("vpnd")}
    for name in FILES:
        if name.startswith("service/"):
            unit = "vpnd-classifier" if name.startswith("service/classifier/") else "vpnd"
            yield from (f"{name}: needs {cap}, which data/systemd/{unit}.service.in takes away" for cap in sorted(set(re.findall(r"\bCAP_[A-Z_]+\b", text(name))) - units[unit]))
    for page in ("docs/security.md", "SECURITY.md"):
        named = set(re.findall(r"`(CAP_[A-Z_]+)`", text(page)))
        yield from (f"{page}: {cap} is in no unit, or missing here" for cap in sorted(named ^ set().union(*units.values())))


def check_paths_exist():
    """Every file, function and page that a page names exists."""
    tops = {n.split("/")[0] for n in FILES}
    sources = "\n".join(text(n) for n in FILES if n.endswith((".c", ".h", ".py")))
    bases = {pathlib.PurePath(n).name for n in FILES}
    for page in PAGES:
        for name in re.findall(r"`([\w.-]+/[\w./-]+)`", text(page)):
            if name.split("/")[0] in tops and not (ROOT / name).exists():
                yield f"{page}: there is no {name}"
        for name in re.findall(r"`([a-z0-9-]+\.(?:c|h|py))`", text(page)):
            if name not in bases:
                yield f"{page}: there is no file {name}"
        for name in re.findall(r"`(\w+) \(\)`", text(page)):
            if not re.search(rf"^{name} \(", sources, re.M):
                yield f"{page}: there is no function {name}"
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text(page)):
            if not (ROOT / page).parent.joinpath(target).exists():
                yield f"{page}: the link to {target} leads nowhere"
        if re.search(r"^#", text(page), re.M) is None:
            yield f"{page}: no title"


if __name__ == "__main__":
    sys.exit(run(globals()))
