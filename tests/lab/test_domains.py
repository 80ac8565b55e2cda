# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules by domain: the first packet to an address that a resolver has just told goes the right way already. The resolver inside the tunnel is dnsmasq."""
import json
import signal
import subprocess

import pytest

import sandbox
import services
from capture import none
from lab import ECHO_PORT, HOST4, NOBODY, PUBLIC4, PYTHON, TUNNEL_HOST4

RESOLVER = "10.64.0.53"
TTL = 1
GRACE_MS = 30_000  # VPND_NAME_TABLE_GRACE_S
NAMES = 24
FRESH = [f"203.0.113.{128 + n}" for n in range(NAMES)]
ALIASED, PRIVATE, SHARED, LATE, BY_TCP = (f"203.0.113.{n}" for n in (200, 201, 202, 203, 204))

OVERDUE = "an answer went on before its addresses were in force"

# Resolves each name and sends at once, from a socket made before: nothing is between the answer and the first packet but the program.
ASK = """
import json, socket, sys
told = {}
for name in sys.argv[2:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(8)
        address = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0]
        sock.sendto(b"first", (address, int(sys.argv[1])))
        try:
            told[name] = [address, sock.recv(100).decode().removeprefix("you are ")]
        except TimeoutError:
            told[name] = [address, None]
print(json.dumps(told))
"""

# The same, with the question asked by TCP.
ASK_TCP = """
import socket, struct, sys
question = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + b"".join(bytes([len(p)]) + p.encode() for p in sys.argv[2].split(".")) + b"\\0\\0\\1\\0\\1"
with socket.create_connection((sys.argv[1], 53), 8) as sock:
    sock.sendall(struct.pack("!H", len(question)) + question)
    print(socket.inet_ntoa(sock.recv(4096)[-4:]))
"""


# Forty questions, and whether any is answered.
FLOOD = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(0.5)
    for n in range(40):
        sock.sendto(bytes([0, n]) + b"\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\2n0\\7example\\4test\\0\\0\\1\\0\\1", (sys.argv[1], 53))
    try:
        print("answered" if sock.recv(4096) else "")
    except TimeoutError:
        print("")
"""


def ask(lab, *names, uid=0):
    """{name: (address, where the far side saw it come from)}"""
    done = lab.host.run(*lab.as_user(uid), PYTHON, "-c", ASK, ECHO_PORT, *names, timeout=120)
    return {name: tuple(value) for name, value in json.loads(done.stdout).items()}


def went(lab, name, source, uid=0):
    """Where the first packet to the name's address came from; asked once more if the machine was so busy that the answer could not wait long enough."""
    overdue = lab.daemons[-1].log().count(OVERDUE)
    told = ask(lab, name, uid=uid)[name]
    if told[1] != source and lab.daemons[-1].log().count(OVERDUE) > overdue:
        told = ask(lab, name, uid=uid)[name]
    return told


@pytest.fixture
def domains(host):
    """Connected, with names to ask for and servers at their addresses; no rule yet."""
    every = [*FRESH, ALIASED, SHARED, LATE, BY_TCP]
    host.wan.ip(f"addr add {RESOLVER}/24 dev wg0\n" + "\n".join(f"addr add {address}/24 dev eth0" for address in every))
    echo = services.Services(host.wan, ECHO_PORT, every, [])
    host.closers.append(echo.close)
    records = [f"--host-record=n{n}.example.test,{address},{TTL}" for n, address in enumerate(FRESH)]
    records += [f"--host-record=target.cdn.test,{ALIASED},{TTL}", "--cname=www.example.test,target.cdn.test", f"--host-record=n.other.test,{SHARED},{TTL}",
                f"--host-record=late.example.test,{LATE},{TTL}", f"--host-record=tcp.example.test,{BY_TCP},300", "--host-record=router.example.test,10.1.2.3,300",
                f"--host-record=inside.example.test,{TUNNEL_HOST4},300", f"--host-record=resolver.example.test,{RESOLVER},300"]
    log = open(host.scratch.path / "dnsmasq.log", "wb")  # noqa: SIM115
    host.wan.start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--bind-interfaces", "--except-interface=lo",
                   f"--listen-address={RESOLVER}", "--pid-file=", *records, stdout=log, stderr=subprocess.STDOUT)
    log.close()
    host.connect(dns=RESOLVER)
    sandbox.wait_until(lambda: host.host.run("getent", "hosts", "n.other.test", check=False).returncode == 0, 20, "dnsmasq answers")
    return host


def add(lab, domain="example.test"):
    lab.vpnctl("split", "add", "--domain", domain)


def known(lab):
    return lab.host.run("nft", "list", "set", "inet", "vpnd", "split_names_out4").stdout


def test_first_packet(domains):
    """Every name is new, so each answer waits until its address is in the rules; another name goes by the tunnel. A machine so busy that the rules take longer than
    an answer may be held says so; then it is tried again."""
    expected = {f"n{n}.example.test": (address, HOST4) for n, address in enumerate(FRESH)} | {"n.other.test": (SHARED, TUNNEL_HOST4)}
    for _ in range(5):
        add(domains)
        mark = domains.capture.mark()
        told = ask(domains, *expected)
        if told == expected:
            break
        assert OVERDUE in domains.daemons[-1].log(), told
        domains.vpnctl("split", "remove", "--domain", "example.test")
    assert told == expected
    seen = domains.capture.since(mark)
    none(seen, dport=53)
    assert {f.dst for f in seen if f.from_host and f.dport == ECHO_PORT} == set(FRESH)


def test_alias_and_users(domains):
    """What the name leads to has its address; a rule of the system holds for all users."""
    add(domains)
    assert went(domains, "www.example.test", HOST4, uid=NOBODY) == (ALIASED, HOST4)


def test_the_longer_name_counts(domains):
    add(domains)
    domains.vpnctl("split", "add", "--domain", "n0.example.test", "--include")
    assert went(domains, "n0.example.test", TUNNEL_HOST4) == (FRESH[0], TUNNEL_HOST4)
    assert went(domains, "n1.example.test", HOST4) == (FRESH[1], HOST4)


def test_mode_include(domains):
    """What is not listed goes direct, what is goes by the tunnel from its first packet on."""
    domains.vpnctl("split", "mode", "include")
    domains.vpnctl("split", "add", "--domain", "example.test", "--include")
    assert went(domains, "n.other.test", HOST4) == (SHARED, HOST4)
    mark = domains.capture.mark()
    assert went(domains, "n0.example.test", TUNNEL_HOST4) == (FRESH[0], TUNNEL_HOST4)
    none(domains.capture.since(mark), dst=FRESH[0])


def test_without_the_rule(domains):
    """Nothing of it before the rule, nothing after it."""
    assert went(domains, "n0.example.test", TUNNEL_HOST4) == (FRESH[0], TUNNEL_HOST4)
    add(domains)
    assert went(domains, "n0.example.test", HOST4) == (FRESH[0], HOST4)
    domains.vpnctl("split", "remove", "--domain", "example.test")
    assert went(domains, "n0.example.test", TUNNEL_HOST4) == (FRESH[0], TUNNEL_HOST4)
    assert domains.host.run("nft", "list", "chain", "inet", "vpnd", "names", check=False).returncode != 0


def test_expiry(domains):
    """An address is a name's as long as it was told to be, and a little longer."""
    add(domains)
    assert went(domains, "late.example.test", HOST4) == (LATE, HOST4)
    assert LATE in known(domains)
    sandbox.wait_until(lambda: LATE not in known(domains), GRACE_MS / 1000 + 20, "the address goes")
    assert domains.echo(LATE) == TUNNEL_HOST4


def test_hostile_answers(domains):
    """Whoever runs the resolver does not open the local network, the tunnel's own addresses or its resolver."""
    add(domains)
    for name in ("router", "inside", "resolver"):
        assert domains.host.run("getent", "ahostsv4", f"{name}.example.test").stdout
    assert "elements" not in known(domains)
    mark = domains.capture.mark()
    domains.echo("10.1.2.3", wait=300)
    none(domains.capture.since(mark), dst="10.1.2.3")
    assert "that no public host has or that the tunnel needs" in domains.daemons[-1].log()


def test_answers_by_tcp_are_not_seen(domains):
    """As the manual says: the address is not learnt, and goes by the tunnel."""
    add(domains)
    assert domains.host.run(PYTHON, "-c", ASK_TCP, RESOLVER, "tcp.example.test").stdout.strip() == BY_TCP
    assert domains.echo(BY_TCP) == TUNNEL_HOST4
    assert went(domains, "tcp.example.test", HOST4) == (BY_TCP, HOST4)


def test_a_daemon_that_stands_still(domains):
    """Held answers have no end then, but few are held: the others come, unseen, and their addresses go by the tunnel. It goes on where it stood."""
    add(domains)
    domains.daemons[-1].process.send_signal(signal.SIGSTOP)
    try:
        sandbox.wait_until(lambda: domains.host.run(PYTHON, "-c", FLOOD, RESOLVER).stdout.strip() == "answered", 30, "answers come again")
        assert went(domains, "n1.example.test", TUNNEL_HOST4) == (FRESH[1], TUNNEL_HOST4)
    finally:
        domains.daemons[-1].process.send_signal(signal.SIGCONT)
    sandbox.wait_until(lambda: went(domains, "n2.example.test", HOST4) == (FRESH[2], HOST4), sandbox.SOON_S, "names are watched again")


def test_names_are_answered_without_the_daemon(domains):
    """Its end leaves the rules, which hold nothing without a listener. What was known stays so."""
    add(domains)
    assert went(domains, "n0.example.test", HOST4) == (FRESH[0], HOST4)
    domains.daemons[-1].kill()
    assert went(domains, "n1.example.test", TUNNEL_HOST4) == (FRESH[1], TUNNEL_HOST4)
