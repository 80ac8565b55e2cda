# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on split tunnelling: by users without rights, by the network that the host is in, and by kill -9."""
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess

import pytest

import sandbox
from capture import TCP, UDP, Capture, select_frames
from lab import ECHO_PORT, HOST4, HOST6, NOBODY, PEER4, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_HOST6, TUNNEL_PEER4
from test_split import INSIDE, OUTSIDE, STREAM_PORT, environment, first_act, fixture_split, goes, split_state, unheld, wait_split_state  # noqa: F401

UDPLITE = 136  # RFC 3828


@pytest.mark.parametrize("what", ["mode", "uid", "subnet"])
def test_flows_end_with_what_led_them_out(split, what):
    """A connection that began beside the tunnel does not go on there when its rule is gone, or the mode that needs none."""
    words = {"uid": ["--uid", "0"], "subnet": ["--subnet", f"{PUBLIC4}/32"]}.get(what)
    if what == "mode":
        split.vpnctl("split", "add", "--path", split.listed, "--include")
        split.vpnctl("split", "mode", "include")
    else:
        split.vpnctl("split", "add", *words)
    split.connect()
    talker = split.talk(split.other)
    assert talker.ask("open", PUBLIC4, STREAM_PORT) == OUTSIDE
    assert talker.ask("use") == OUTSIDE
    if what == "mode":
        split.vpnctl("split", "mode", "exclude")
    else:
        split.vpnctl("split", "remove", *words)
    mark = split.capture.mark()
    assert talker.ask("use") == "ECONNRESET"
    assert not [frame for frame in select_frames(split.capture.since(mark), from_host=True, dst=PUBLIC4) if frame.dport == STREAM_PORT]
    assert talker.way() == INSIDE


@pytest.mark.parametrize("what", ["mode", "uid", "subnet"])
def test_flows_from_before_anything_was_tracked(split, what):
    """A connection that began inside the tunnel, while no rule had connection tracking on, does not go on outside when the first one comes: nothing of it is seen there."""
    words = {"uid": ["add", "--uid", "0"], "subnet": ["add", "--subnet", f"{PUBLIC4}/32"], "mode": ["mode", "include"]}[what]
    split.host.sysctl("net.ipv4.ip_forward", 0)
    split.host.sysctl("net.ipv6.conf.all.forwarding", 0)
    split.connect()
    talker = split.talk(split.other)
    assert talker.ask("open", PUBLIC4, STREAM_PORT) == INSIDE
    assert talker.ask("use") == INSIDE
    assert int(split.host.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout) == 0, "the control: nothing is tracked"
    mark = split.capture.mark()
    split.vpnctl("split", *words)
    assert talker.ask("use") == ("ECONNRESET" if what == "mode" else INSIDE)
    split.capture.fence()
    assert not [frame for frame in split.capture.since(mark) if PUBLIC4 in (frame.src, frame.dst) and STREAM_PORT in (frame.sport, frame.dport)]


@pytest.mark.parametrize("what", ["mode", "uid", "subnet"])
def test_flows_that_others_translate_inside(split, what):
    """A flow that somebody else's rules give another port inside the tunnel does not go on outside, with an address of the tunnel, when what it is of goes beside it."""
    words = {"uid": ["add", "--uid", "0"], "subnet": ["add", "--subnet", f"{PUBLIC4}/32"], "mode": ["mode", "include"]}[what]
    split.connect()
    split.host.run("nft", "-f", "-", input=f"table ip lab {{ chain leaving {{ type nat hook postrouting priority 110; meta l4proto tcp oifname vpnd0 snat to {TUNNEL_HOST4}:20000-30000\n}}\n}}\n")
    talker = split.talk(split.other)
    assert talker.ask("open", PUBLIC4, STREAM_PORT) == INSIDE
    assert talker.ask("use") == INSIDE
    mark = split.capture.mark()
    split.vpnctl("split", *words)
    assert talker.ask("use") == ("ECONNRESET" if what == "mode" else INSIDE)
    split.capture.fence()
    assert not [frame for frame in split.capture.since(mark) if TUNNEL_HOST4 in (frame.src, frame.dst)]


def test_link_that_has_no_address(split):
    """Between two leases the kernel gives what is translated any address of the host: with the tunnel's nothing leaves, not even a question for the router's."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    talker = split.talk(split.listed)
    assert talker.way() == OUTSIDE
    before = split.host.run("ip", "-o", "-4", "addr", "show", "dev", "eth0").stdout.split()[3]
    router = split.host.run("ip", "route").stdout.split("default via ")[1].split()[0]
    mark = split.capture.mark()
    split.host.ip(f"""addr del {before} dev eth0
        route replace default via {router} dev eth0 onlink""")
    assert talker.way() == "EPERM"
    split.host.ip("addr", "add", before, "dev", "eth0")
    assert talker.way() == OUTSIDE
    assert not [frame for frame in split.capture.since(mark) if TUNNEL_HOST4 in (frame.src, frame.dst)]


BY_A_PORT = """
import socket, sys
for address, own in zip(sys.argv[1:3], (20077, 20078)):
    socket.create_connection((address, int(sys.argv[3])), 10, ("", own)).recv(100)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.bind(("", own))
        datagram.sendto(b"x", (address, int(sys.argv[3])))
        datagram.recv(100)
"""


def test_ports_do_not_go_on_from_inside(split):
    """The kernel gives one connection to a peer after the other the ports in order: that peer would know which of those beside the tunnel and inside it are of one host. What a program has chosen for datagrams others count on."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    mark = split.capture.mark()
    split.host.run(split.vpnctl_path, "exclude", "--", PYTHON, "-c", BY_A_PORT, PUBLIC4, PUBLIC6, ECHO_PORT, env=split.environment())
    frames = [frame for frame in select_frames(split.capture.since(mark), from_host=True) if frame.dport == ECHO_PORT]
    assert {(frame.src, frame.proto, frame.sport in (20077, 20078)) for frame in frames} == {(HOST4, TCP, False), (HOST6, TCP, False), (HOST4, UDP, True), (HOST6, UDP, True)}


MPTCP = 262  # of socket(2)
TALKS_BY_MPTCP = f"""
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, {MPTCP}) as stream:
    stream.connect(("{PUBLIC4}", {STREAM_PORT + 1}))
    for _ in sys.stdin:
        stream.send(b"x")
        print(stream.recv(100).decode(), flush=True)
"""
SERVES_BY_MPTCP = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, {MPTCP}) as listener:
    listener.bind(("", {STREAM_PORT + 1}))
    listener.listen()
    print("ready", flush=True)
    stream, peer = listener.accept()
    while stream.recv(100):
        stream.send(f"you are {{peer[0]}}".encode())
"""


def tried_ways(lab):
    """How many other ways of connections of MPTCP the kernel has begun, or tried to."""
    with lab.host.net():
        names, values = [line.split() for line in pathlib.Path("/proc/thread-self/net/netstat").read_text(encoding="ascii").splitlines() if line.startswith("MPTcpExt:")]
    return int(values[names.index("MPJoinSynTx")])


@pytest.mark.parametrize("class_", ["included", "excluded"])
def test_other_ways_of_a_connection_of_a_user(split, class_):
    """Another way that the peer names, or the administrator, has no user until it stands: it is not begun, neither outside for a user who is to be inside the tunnel nor the other way round."""
    split.vpnctl("split", "add", "--uid", NOBODY, *(["--include"] if class_ == "included" else []))
    if class_ == "included":
        split.vpnctl("split", "mode", "include")
    split.connect()
    split.host.run("ip", "mptcp", "limits", "set", "subflow", "4", "add_addr_accepted", "4")
    split.host.run("ip", "mptcp", "endpoint", "add", HOST4, "dev", "eth0", "subflow")
    split.wan.run("ip", "mptcp", "limits", "set", "subflow", "4")
    split.wan.run("ip", "mptcp", "endpoint", "add", PEER4, "signal")
    server = split.wan.start(PYTHON, "-c", SERVES_BY_MPTCP, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    inside = Capture(split.wan, "wg0")
    split.closers.append(inside.close)
    mark = split.capture.mark()
    talker = split.host.start(*split.as_user(NOBODY), PYTHON, "-c", TALKS_BY_MPTCP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say():
        talker.stdin.write("say\n")
        talker.stdin.flush()
        return talker.stdout.readline().strip()
    assert say() == (INSIDE if class_ == "included" else OUTSIDE)
    sandbox.wait_until(lambda: tried_ways(split) >= 1, 20, "another way is tried")
    for _ in range(20):
        assert say() == (INSIDE if class_ == "included" else OUTSIDE)
    frames = split.capture.since(mark) if class_ == "included" else inside.frames
    assert not [frame for frame in frames if STREAM_PORT + 1 in (frame.sport, frame.dport)]
    talker.stdin.close()
    talker.wait()


def outside_sends(lab, packets):
    """The world sends to the host, from the address and to the ports that a program of it may be waiting at."""
    with lab.wan.net():
        for port, payload in packets:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((PUBLIC4, 0))
                sender.sendto(payload, (HOST4, port))


LISTEN = """
import json
import os
import pwd
import shutil
import socket
stream = socket.create_server(("", 5555))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("", 5555))
    sock.sendto(b"first", ("{far}", {port}))
    print(sock.recv(100).decode(), flush=True)
    stream.setblocking(False)
    input()
    sock.setblocking(False)
    for one in (sock.recv, stream.accept):
        try:
            print(one(*[100] if one == sock.recv else []), flush=True)
        except BlockingIOError:
            print("nothing", flush=True)
"""


def test_nobody_outside_begins_anything(split):
    """What is beside the tunnel gets answers from outside, and not what somebody there begins, not even the host that it talks with."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    program = split.host.start(split.vpnctl_path, "exclude", "--", PYTHON, "-c", LISTEN.format(far=PUBLIC4, port=ECHO_PORT), env=split.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline().strip() == OUTSIDE
    outside_sends(split, [(5555, b"uninvited")])
    with split.wan.net(), pytest.raises(TimeoutError):
        socket.create_connection((HOST4, 5555), 0.5).close()
    assert program.communicate("\n", timeout=20)[0].split() == ["nothing", "nothing"]


ANSWER_FROM_ANOTHER = """
import select, socket, sys
family = socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET
datagrams = socket.socket(family, socket.SOCK_DGRAM)
datagrams.bind(("", 6881))
streams = socket.create_server(("", 6881), family=family)
print("ready", flush=True)
while True:
    ready = select.select([datagrams, streams, sys.stdin], [], [])[0]
    if sys.stdin in ready:
        break
    if datagrams in ready:
        text, peer = datagrams.recvfrom(100)
        print("datagram", flush=True)
        with socket.socket(family, socket.SOCK_DGRAM) as another:
            another.sendto(text, peer)
    if streams in ready:
        connection = streams.accept()[0]
        print("stream", flush=True)
        try:
            connection.sendall(b"from whom?")
        except OSError:
            pass
"""


ECHO_ALL = """
import select, socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
    datagrams.bind(("", 6881))
    print("ready", flush=True)
    while True:
        ready = select.select([datagrams, sys.stdin], [], [])[0]
        if datagrams in ready:
            text, peer = datagrams.recvfrom(100)
            print("datagram", flush=True)
            try:
                datagrams.sendto(text, peer)
            except OSError:
                pass
        elif sys.stdin in ready:
            break
"""


def knock_inside(lab, family, far, addresses):
    """A peer inside the tunnel, with a public address, sends to the host."""
    with lab.wan.net():
        for address in addresses:
            with socket.socket(family, socket.SOCK_DGRAM) as datagram, socket.socket(family, socket.SOCK_STREAM) as stream:
                datagram.bind((far, 0))
                datagram.sendto(b"who is there?", (address, 6881))
                stream.bind((far, 0))
                stream.settimeout(0.5)
                try:
                    stream.connect((address, 6881))
                    stream.recv(100)
                except OSError:
                    pass


@pytest.mark.parametrize("family, mode", [(socket.AF_INET, "exclude"), (socket.AF_INET6, "exclude"), (socket.AF_INET, "include"), (socket.AF_INET6, "include")])
def test_nobody_inside_begins_anything(split, family, mode):
    """Who is inside the tunnel and reaches a program that is beside it would be answered by the physical link, and learn whose the tunnel's address is. Neither the tunnel's address nor another one of
    the host leads there."""
    far, inner, other = (PUBLIC4, TUNNEL_HOST4, "192.168.77.5") if family == socket.AF_INET else (PUBLIC6, TUNNEL_HOST6, "fd00:77::5")
    split.vpnctl("split", "add", "--path", split.listed, *(["--include"] if mode == "include" else []))
    split.vpnctl("split", "mode", mode)
    split.connect()
    wait_split_state(split, "engaged")
    split.host.ip("addr", "add", other, "dev", "lo")
    split.wan.ip("route", "add", other, "dev", "wg0")
    split.wan.run("wg", "set", "wg0", "peer", split.host_public, "allowed-ips", f"{TUNNEL_HOST4}/32,{TUNNEL_HOST6}/128,{other}")
    said = {}
    for way in ("exclude", "include"):
        program = split.host.start(split.vpnctl_path, way, "--", PYTHON, "-c", ANSWER_FROM_ANOTHER, "6" if family == socket.AF_INET6 else "4", env=split.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True)
        assert program.stdout.readline() == "ready\n"
        mark = split.capture.mark()
        knock_inside(split, family, far, (inner, other))
        said[way] = set(program.communicate("\n", timeout=20)[0].split())
        assert not [frame for frame in split.capture.since(mark) if far in (frame.src, frame.dst)]
    assert said == {"exclude": set(), "include": {"datagram", "stream"}}, "the control: who is inside the tunnel is reached"


ANSWER_FROM_ANOTHER_DATAGRAM = """
import select, socket, sys
protocol = int(sys.argv[1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol) as datagrams:
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    datagrams.bind(("", 6881))
    print("ready", flush=True)
    while sys.stdin not in select.select([datagrams, sys.stdin], [], [])[0]:
        text, peer = datagrams.recvfrom(100)
        print(text.decode(), flush=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol) as another:
            another.sendto(text, peer)
"""


@pytest.mark.parametrize("order", [("exclude", "include"), ("include", "exclude")], ids="-".join)
@pytest.mark.parametrize("protocol", [socket.IPPROTO_UDP, UDPLITE], ids=["several", "udplite"])
@pytest.mark.parametrize("mode", ["exclude", "include"])
def test_nobody_inside_begins_what_is_seen_of_no_socket(split, mode, protocol, order):
    """Two programs have one port, so each gets what goes to all on a link, and the kernel tells the rules of one alone; of UDP-Lite of none."""
    split.vpnctl("split", "add", "--path", split.listed, *(["--include"] if mode == "include" else []))
    split.vpnctl("split", "mode", mode)
    split.connect()
    wait_split_state(split, "engaged")
    all_on_link = HOST4.rpartition(".")[0] + ".255"
    split.wan.ip("route", "add", all_on_link, "dev", "wg0")
    split.wan.run("wg", "set", "wg0", "peer", split.host_public, "allowed-ips", f"{TUNNEL_HOST4}/32,{TUNNEL_HOST6}/128,255.255.255.255/32,{all_on_link}/32")
    programs = []
    for way in order if protocol == socket.IPPROTO_UDP else order[:1]:
        programs.append(split.host.start(split.vpnctl_path, way, "--", PYTHON, "-c", ANSWER_FROM_ANOTHER_DATAGRAM, protocol, env=split.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert programs[-1].stdout.readline() == "ready\n"
    mark = split.capture.mark()
    with split.wan.net(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wg0")
        peer.bind((PUBLIC4, 0))
        for to in ("255.255.255.255", all_on_link) if protocol == socket.IPPROTO_UDP else (TUNNEL_HOST4,):
            peer.sendto(to.encode(), (to, 6881))
    split.host.run(split.vpnctl_path, "include", "--", "ping", "-c1", "-W5", TUNNEL_PEER4, env=split.environment())  # what was sent before has arrived
    assert [program.communicate("\n", timeout=20)[0].split() for program in programs] == [[]] * len(programs)
    assert not [frame for frame in split.capture.since(mark) if PUBLIC4 in (frame.src, frame.dst)]


def test_flow_inside_does_not_go_on_with_an_excluded_program(split):
    """Somebody inside the tunnel goes on sending to a port that another program has by now, which is beside it."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    wait_split_state(split, "engaged")
    said = {}
    with split.wan.net(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((TUNNEL_PEER4, 4444))
        peer.settimeout(5)
        for way in ("include", "exclude"):
            program = split.host.start(split.vpnctl_path, way, "--", PYTHON, "-c", ECHO_ALL, env=split.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert program.stdout.readline() == "ready\n"
            for _ in range(2):
                peer.sendto(b"who is there?", (TUNNEL_HOST4, 6881))
                if way == "include":
                    assert peer.recv(100) == b"who is there?"
            split.host.run("ping", "-c1", "-W5", TUNNEL_PEER4)  # what was sent before has arrived
            said[way] = program.communicate("\n", timeout=20)[0].split()
    assert said == {"include": ["datagram", "datagram"], "exclude": []}


def test_killed_vpnd_opens_nothing(split):
    """kill -9 while engaged: each program stays on its side, those that start meanwhile, too, and after the new start."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    wait_split_state(split, "engaged")
    listed, other = split.talk(split.listed), split.talk(split.other)
    mark = split.capture.mark()
    split.daemon.kill()
    assert listed.way() == OUTSIDE
    for talker in (other, split.talk(split.other)):
        assert talker.way() in (INSIDE, "silence", "EPERM", "ECONNREFUSED")
    assert first_act(split, split.listed, "late") in (INSIDE, OUTSIDE, "silence", "EPERM", "ECONNREFUSED")
    split.daemon = split.start_daemon(env=environment(split))
    assert split.wait_state("error")["cause"] == "crashed"
    assert "vpnd-excluded" in listed.ask("class")
    assert listed.way() == OUTSIDE
    assert other.way() in ("EPERM", "ECONNREFUSED")
    frames = select_frames(split.capture.since(mark), from_host=True, proto=UDP, dst=PUBLIC4)
    assert {frame.raw[-4:] for frame in frames} <= {b"talk", b"late"} and len([f for f in frames if f.raw.endswith(b"talk")]) == 2


def home_of_nobody(lab, mode=0o755):
    home = lab.host_run / "vpnd-lab/home"
    home.mkdir(mode=mode)
    os.chown(home, NOBODY, NOBODY)
    shutil.copy(lab.host_run / "vpnd-lab/bin/listed", home / "app")
    os.chown(home / "app", NOBODY, NOBODY)
    return "/run/vpnd-lab/home"


def allow_split(lab, uid):
    """The right that an active local session has; the lab has none."""
    folder = lab.scratch.path / "etc/polkit-1/rules.d"
    folder.mkdir(parents=True, exist_ok=True)
    name = pwd.getpwuid(uid).pw_name
    (folder / "10-lab.rules").write_text(f'polkit.addRule(function(action, subject) {{ if (action.id == "org.vpnd1.split" && subject.user == "{name}") return "yes"; }});',
                                         encoding="ascii")


def rule_works(lab):
    rules = json.loads(lab.vpnctl("split", "list", "--json").stdout)["rules"]
    return [rule["effective"] for rule in rules] == [True]


def test_link_of_a_user_names_no_program_of_others(split):
    """A rule for everybody leads into a user's home: the user says which of the own programs it is, and not which of the others'."""
    home = home_of_nobody(split)
    split.vpnctl("split", "add", "--path", f"{home}/app")
    split.connect()
    assert goes(split, f"{home}/app", OUTSIDE)
    split.host.run(*split.as_user(NOBODY), "ln", "-sf", split.other, f"{home}/app")
    sandbox.wait_until(lambda: not rule_works(split), 20, "the link is not followed")
    assert first_act(split, split.other) == INSIDE
    split.host.run(*split.as_user(NOBODY), "cp", split.listed, f"{home}/mine")
    split.host.run(*split.as_user(NOBODY), "ln", "-sf", "mine", f"{home}/app")
    sandbox.wait_until(lambda: rule_works(split), 20, "the user's own program is")
    assert goes(split, f"{home}/mine", OUTSIDE)
    split.host.run(*split.as_user(NOBODY), "rm", f"{home}/app")
    split.host.run(*split.as_user(NOBODY), "ln", "-s", "/run/vpnd-lab/bin", f"{home}/bin")
    assert split.vpnctl("split", "add", "--path", f"{home}/bin/other", check=False).returncode != 0
    assert first_act(split, split.other) == INSIDE


def test_own_rule_tells_nothing_of_closed_folders(split):
    """What is there, executable or a folder looks all the same to who may not go there, also by a link that was something else when the rule came."""
    home, closed = home_of_nobody(split), split.host_run / "vpnd-lab/closed"
    closed.mkdir(mode=0o700)
    (closed / "folder").mkdir()
    shutil.copy(split.host_run / "vpnd-lab/bin/listed", closed / "program")
    (closed / "text").write_text("secret", encoding="ascii")
    allow_split(split, NOBODY)
    added = split.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.AddOwn", "path", f"{home}/app", "excluded", "", uid=NOBODY)
    assert added.returncode == 0, added.stderr
    told = set()
    for name in ("folder", "program", "text", "nothing"):
        split.host.run(*split.as_user(NOBODY), "ln", "-sf", f"/run/vpnd-lab/closed/{name}", f"{home}/new")
        added = split.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.AddOwn", "path", f"{home}/new", "excluded", "", uid=NOBODY)
        told.add(added.stderr)
        split.host.run(*split.as_user(NOBODY), "mv", "-f", f"{home}/new", f"{home}/app")
        sandbox.wait_until(lambda: not rule_works(split), 20, "the rule has no effect")
        told.add(json.loads(split.vpnctl("split", "list", "--json").stdout)["rules"][0]["reason"])
        split.host.run(*split.as_user(NOBODY), "rm", f"{home}/app")
        sandbox.wait_until(lambda: "not there" in split.vpnctl("split", "list", "--json").stdout, 20, "the next look is a new one")
    assert len(told) == 2, told


ASK = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(8)
    sock.sendto(b"script", ("{PUBLIC4}", {ECHO_PORT}))
    print(sock.recv(100).decode())
"""


@pytest.mark.parametrize("own", ["loader", "interpreter"])
def test_own_rule_for_the_loader_takes_nothing_from_a_rule_for_everybody(split, own):
    """Of one launch the kernel asks about script, interpreter and loader, one after the other: the rule for everybody comes first, whichever of them the user's own is about."""
    interpreter, script = "/run/vpnd-lab/bin/python", "/run/vpnd-lab/bin/script"
    shutil.copy(os.path.realpath(PYTHON), split.host_run / "vpnd-lab/bin/python")
    (split.host_run / "vpnd-lab/bin/script").write_text(f"#!{interpreter}\n{ASK}", encoding="ascii")
    (split.host_run / "vpnd-lab/bin/script").chmod(0o755)
    split.vpnctl("split", "add", "--path", script, "--include")
    split.connect()
    allow_split(split, NOBODY)
    loader = "/lib64/ld-linux-x86-64.so.2"
    added = split.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.AddOwn", "path", loader if own == "loader" else interpreter, "excluded", "", uid=NOBODY)
    assert added.returncode == 0, added.stderr

    def run(*words):
        return split.host.run(*split.as_user(NOBODY), *words, env={"PYTHONHOME": "/usr"}).stdout.strip()
    sandbox.wait_until(lambda: run(interpreter, "-c", ASK) == OUTSIDE, 20, "the control: the own rule is in force")
    assert {run(script) for _ in range(20)} == {INSIDE}


NEVER_ANSWERS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id={sys.argv[2]},group_id={sys.argv[2]},allow_other"
if libc.mount(b"silent", sys.argv[1].encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("whose", ["own", "everybody's"])
@pytest.mark.parametrize("way", ["hang/app", "link/app", "app"])
def test_rule_into_a_file_system_that_never_answers(split, way, whose):
    """A program of the user says what is in a file system of FUSE, or does not: neither vpnd nor vpnd-classifier waits for it."""
    allow_split(split, NOBODY)
    home = home_of_nobody(split)
    split.host.run(*split.as_user(NOBODY), "mkdir", f"{home}/hang")
    split.host.run(*split.as_user(NOBODY), "ln", "-s", "hang", f"{home}/link")
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    silent = split.host.start(PYTHON, "-c", NEVER_ANSWERS, f"{home}/hang", NOBODY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert silent.stdout.readline() == "mounted\n"
    added = split.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.AddOwn" if whose == "own" else "org.vpnd1.SplitTunnel.Add", "path", f"{home}/{way}", "excluded", "",
                           uid=NOBODY if whose == "own" else 0)
    assert added.returncode == 0, added.stderr
    rules = {rule["value"]: rule["effective"] for rule in json.loads(split.vpnctl("split", "list", "--json").stdout)["rules"]}
    assert rules == {split.listed: True, f"{home}/{way}": way == "app"}
    split.host.run(*split.as_user(NOBODY), "ln", "-sf", "hang/app", f"{home}/app")
    assert goes(split, split.listed, OUTSIDE)
    split.vpnctl("split", "add", "--path", split.other)
    assert goes(split, split.other, OUTSIDE)
    assert not unheld(split)


LEASE = """
import fcntl, os, signal, subprocess, sys
program = os.open(sys.argv[1], os.O_RDONLY)
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(program, fcntl.F_SETLEASE, fcntl.F_WRLCK)
launches = [subprocess.Popen(["sh", "-c", 'echo; read word; exec "$0"', sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
for launch in launches:
    launch.stdout.readline()
print("leased", flush=True)
sys.stdin.readline()
for launch in launches:
    launch.stdin.write(b"go\\n")
    launch.stdin.flush()
print([launch.wait() for launch in launches])
"""


def test_lease_keeps_no_launch_waiting(split):
    """Who owns a program may keep whoever opens it waiting for 45 s: that user's launches of it are refused, and those of others go on."""
    home = home_of_nobody(split)
    allow_split(split, NOBODY)
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    added = split.bus_call("org.vpnd1", "/org/vpnd1", "org.vpnd1.SplitTunnel.AddOwn", "path", f"{home}/app", "excluded", "", uid=NOBODY)
    assert added.returncode == 0, added.stderr
    leased = split.host.start(*split.as_user(NOBODY), PYTHON, "-c", LEASE, f"{home}/app", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert leased.stdout.readline() == "leased\n"
    leased.stdin.write("\n")
    leased.stdin.flush()
    assert all(goes(split, split.listed, OUTSIDE) for _ in range(20))
    assert leased.communicate(timeout=60)[0] == "[126, 126, 126]\n"
    assert not unheld(split)


# A file system with one program, which answers until it is told to be silent (linux/fuse.h).
RUNS_FROM_FUSE = """
import ctypes, os, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
place, uid = sys.argv[1], int(sys.argv[2])
with open(sys.argv[3], "rb") as file:
    program = file.read()
fuse = os.open("/dev/fuse", os.O_RDWR)
if libc.mount(b"one", place.encode(), b"fuse", 0, f"fd={fuse},rootmode=40000,user_id={uid},group_id={uid},allow_other,default_permissions".encode()) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
is_silent = False

def attributes(node):
    mode, size = (0o40755, 0) if node == 1 else (0o100755, len(program))
    return struct.pack("<6Q10I", node, size, size // 512 + 1, 0, 0, 0, 0, 0, 0, mode, 1, uid, uid, 0, 4096, 0)

def answer(what, node, body):
    if what == 26:  # INIT
        return 0, struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 8, 8, 65536, 1, 0, 0, 0, *[0] * 7)
    if what == 1:  # LOOKUP
        return (0, struct.pack("<QQQQII", 2, 0, 0, 0, 0, 0) + attributes(2)) if body.startswith(b"app\\0") else (-2, b"")
    if what == 3:  # GETATTR: valid for no time at all
        return 0, struct.pack("<QII", 0, 0, 0) + attributes(node)
    if what in (14, 27):  # OPEN, OPENDIR
        return 0, struct.pack("<QII", 1, 0, 0)
    if what == 15:  # READ
        offset, size = struct.unpack_from("<8xQI", body)
        return 0, program[offset:offset + size]
    return (0, b"") if what in (18, 25, 29) else (-38, b"")

def serve():
    while True:
        raw = os.read(fuse, 1 << 20)
        _, what, unique, node = struct.unpack_from("<IIQQ", raw)
        if is_silent or what in (2, 36, 42):  # to FORGET and INTERRUPT nothing is answered
            continue
        error, said = answer(what, node, raw[40:])
        os.write(fuse, struct.pack("<IiQ", 16 + len(said), error, unique) + said)

threading.Thread(target=serve, daemon=True).start()
print("mounted", flush=True)
sys.stdin.readline()
is_silent = True
print("silent", flush=True)
sys.stdin.readline()
os._exit(0)
"""


def test_program_that_runs_from_a_file_system_that_never_answers(split):
    """All that run are looked at when a rule comes: nobody asks a program of a user what the other one's file is."""
    home = home_of_nobody(split)
    split.host.run(*split.as_user(NOBODY), "mkdir", f"{home}/hang")
    split.connect()
    server = split.host.start(PYTHON, "-c", RUNS_FROM_FUSE, f"{home}/hang", NOBODY, split.listed, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "mounted\n"
    assert split.talk(f"{home}/hang/app", uid=NOBODY).way() == INSIDE
    server.stdin.write("\n")
    server.stdin.flush()
    assert server.stdout.readline() == "silent\n"
    talker = split.talk(split.listed)
    split.vpnctl("split", "add", "--path", split.listed)
    assert talker.way() == OUTSIDE
    assert goes(split, split.listed, OUTSIDE)
    assert not unheld(split)
    server.communicate("\n", timeout=20)


def test_rule_for_everybody_in_a_file_system_of_root(split):
    """What root has mounted is no user's, though a program answers for it."""
    place = split.host_run / "vpnd-lab/fuse"
    place.mkdir()
    server = split.host.start(PYTHON, "-c", RUNS_FROM_FUSE, "/run/vpnd-lab/fuse", 0, split.listed, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "mounted\n"
    split.vpnctl("split", "add", "--path", "/run/vpnd-lab/fuse/app")
    split.connect()
    assert goes(split, "/run/vpnd-lab/fuse/app", OUTSIDE)
    server.communicate("\n\n", timeout=20)


CHURN = """
import os, sys
names = [f"{sys.argv[1]}/{n}" for n in range(64)]
print("begun", flush=True)
while True:
    for name in names:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    for name in names:
        os.unlink(name)
"""


def test_churn_in_a_folder_of_rules(split):
    """Who changes a folder that many own rules lead through, without end, keeps no launch of others from its class."""
    home = home_of_nobody(split)
    allow_split(split, NOBODY)
    config = split.host_run / "vpnd-lab/state/split.json"
    split.vpnctl("split", "add", "--path", split.listed)
    split.daemon.stop()
    rules = json.loads(config.read_text(encoding="utf-8"))
    rules["rules"] += [dict(rules["rules"][0], value=f"{home}/app{n}", owner=NOBODY) for n in range(256)]
    config.write_text(json.dumps(rules), encoding="utf-8")
    split.daemon = split.start_daemon(env=environment(split))
    split.connect()
    wait_split_state(split, "engaged")
    assert len(json.loads(split.vpnctl("split", "list", "--json").stdout)["rules"]) == 257
    churn = split.host.start(*split.as_user(NOBODY), PYTHON, "-c", CHURN, home, stdout=subprocess.PIPE)
    assert churn.stdout.readline() == b"begun\n"
    assert all(goes(split, split.listed, OUTSIDE) for _ in range(60))
    churn.kill()
    assert len(unheld(split)) < 6, "launches wait for who changes the folder"


LONG_WAYS = """
import os, sys, time
home, depth, number, links = sys.argv[1], *map(int, sys.argv[2:])
os.chdir(home)
for i in range(depth):
    os.mkdir("d")
    os.chdir("d")
os.close(os.open("app", os.O_CREAT | os.O_WRONLY, 0o755))
for i in range(links):
    os.symlink(home + "/d" * depth + "/" + (f"link{i - 1}" if i else "app"), f"link{i}")
for i in range(number):
    os.symlink(home + "/d" * depth + f"/link{links - 1}", f"app{i}") if links else os.link("app", f"app{i}")
print("begun", flush=True)
while True:
    os.close(os.open("other", os.O_CREAT | os.O_WRONLY))
    os.unlink("other")
"""


@pytest.mark.parametrize("depth, links", [(1900, 0), (1900, 38), (54, 0)])
def test_long_ways_of_own_rules(split, depth, links):
    """Who has as many own rules as may be, of programs at the end of long ways, and changes something there without end, keeps nobody's launch waiting, nor the rules from being in force."""
    home = home_of_nobody(split)
    allow_split(split, NOBODY)
    config = split.host_run / "vpnd-lab/state/split.json"
    split.vpnctl("split", "add", "--path", split.listed, "--include")
    split.vpnctl("split", "mode", "include")
    churn = split.host.start(*split.as_user(NOBODY), PYTHON, "-c", LONG_WAYS, home, str(depth), "2048", str(links), stdout=subprocess.PIPE)
    assert churn.stdout.readline() == b"begun\n"
    split.daemon.stop()
    rules = json.loads(config.read_text(encoding="utf-8"))
    ways = [f"{home}{'/d' * depth}/app{n}" for n in range(2048)]
    apart = 1 if depth == 1900 else 8  # the paths of an application have so many characters together
    rules["rules"] += [dict(rules["rules"][0], kind="app", value=f"app{n}", owner=NOBODY, programs=ways[n * apart:n * apart + apart]) for n in range(256)]
    config.write_text(json.dumps(rules), encoding="utf-8")
    split.daemon = split.start_daemon(env=environment(split))
    split.connect()
    wait_split_state(split, "engaged")
    assert len(json.loads(split.vpnctl("split", "list", "--json").stdout)["rules"]) == 257
    assert all(goes(split, split.listed, INSIDE) for _ in range(400))  # as long as several looks at the rules take
    churn.kill()
    assert len(unheld(split)) < 40, "launches wait for who changes something on the ways"


def test_include_mode_without_the_classifier(split):
    """While nobody can be told from the programs that are to be inside the tunnel, nobody goes beside it."""
    split.vpnctl("split", "add", "--path", split.listed, "--include")
    split.vpnctl("split", "mode", "include")
    split.connect()
    wait_split_state(split, "engaged")
    talker = split.talk(split.other)
    assert goes(split, split.listed, INSIDE) and talker.way() == OUTSIDE
    split.classifier.kill()
    split.classifier.wait()
    wait_split_state(split, "initialized")
    sandbox.wait_until(lambda: talker.way() == INSIDE, 20, "the rules follow")
    mark = split.capture.mark()
    assert first_act(split, split.listed, "unseen") == INSIDE
    assert not [frame for frame in split.capture.since(mark) if b"unseen" in frame.raw]
    split.start_classifier()
    sandbox.wait_until(lambda: talker.way() == OUTSIDE, 20, "the mode is in force again")
    assert goes(split, split.listed, INSIDE)


def test_nobody_else_tells_the_classifier(split):
    """A user who reaches for its socket gets nothing, and takes it from nobody."""
    split.vpnctl("split", "add", "--path", split.listed)
    split.connect()
    wait_split_state(split, "engaged")
    knock = ("import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\ntry:\n    s.connect('/run/vpnd-lab/classifier')\n    s.send(b'x')\n    print(len(s.recv(10)))\n"
             "except OSError as error:\n    print(type(error).__name__)\n")
    for mode in (0o600, 0o666):
        (split.host_run / "vpnd-lab/classifier").chmod(mode)
        said = split.host.run(*split.as_user(NOBODY), PYTHON, "-c", knock).stdout.strip()
        assert said in ("PermissionError",) if mode == 0o600 else said in ("0", "BrokenPipeError", "ConnectionResetError"), said
        assert goes(split, split.listed, OUTSIDE)
    assert split_state(split) == "engaged"
