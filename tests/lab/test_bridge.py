# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge in the server's place: Shadowsocks of Debian for UDP, a relay of our own for TCP. What is on the wire goes to the bridge, from its proxy; the server itself cannot
be reached, and on this host nobody but the tunnel gets at the proxy."""
import json
import subprocess

import pytest

from capture import ICMPV6, TCP, UDP, none, seen, select_frames
from lab import DEAD4, ECHO_PORT, HERE, HOST4, NOBODY, PEER4, PEER6, PEER_PORT, PUBLIC4, PUBLIC6, PYTHON, TUNNEL_HOST4, TUNNEL_HOST6
from probes import leak_probes
from sandbox import SOON_S, wait_until

BRIDGE4, BRIDGE6 = "203.0.113.9", "2001:db8:2::9"
LOCAL_PORT = 1020    # below 1024: nobody else can take it
USER_PORT = 10200
UDP_PORT, TCP_PORT = 8388, 443
MARK = 0x56000000
WORDS = "PLAINTEXT-HELLO"
SHADOWSOCKS = ("-p", UDP_PORT, "-k", "a password of the lab", "-m", "chacha20-ietf-poly1305")
MARKER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=+net_admin", "--ambient-caps=+net_admin", "--")


def start(node, lab, name, *words):
    with open(lab.scratch.path / f"{name}-{len(node.processes)}.log", "wb") as log:
        return node.start(*words, stdout=log, stderr=subprocess.STDOUT)


def listens(node, kind, port):
    return f":{port} " in node.run("ss", "-Hln", f"--{kind}").stdout


def add_bridge_addresses(lab):
    lab.wan.ip(f"addr add {BRIDGE4}/24 dev eth0\naddr add {BRIDGE6}/64 dev eth0 nodad")


def start_far_shadowsocks(lab):
    start(lab.wan, lab, "ss-server", "ss-server", "-s", BRIDGE4, "-s", BRIDGE6, *SHADOWSOCKS, "-U")
    wait_until(lambda: listens(lab.wan, "udp", UDP_PORT), SOON_S, "ss-server")


def start_near_shadowsocks(lab, address=BRIDGE4):
    process = start(lab.host, lab, "ss-tunnel", "ss-tunnel", "-s", address, *SHADOWSOCKS, "-u", "-b", "127.0.0.1", "-l", LOCAL_PORT, "-L", f"{PEER4}:{PEER_PORT}")
    wait_until(lambda: listens(lab.host, "udp", LOCAL_PORT), SOON_S, "ss-tunnel")
    return process


def start_far_relay(lab, address=BRIDGE4):
    start(lab.wan, lab, "far", PYTHON, HERE / "relay.py", "far", address, TCP_PORT, PEER4, PEER_PORT)
    wait_until(lambda: listens(lab.wan, "tcp", TCP_PORT), SOON_S, "the far relay")


def start_near_relay(lab, address=BRIDGE4, port=LOCAL_PORT, user=(), mark=0):
    process = start(lab.host, lab, "near", *user, PYTHON, HERE / "relay.py", "near", port, address, TCP_PORT, mark)
    wait_until(lambda: listens(lab.host, "udp", port), SOON_S, "the near relay")
    return process


def set_bridge(lab, bridge, *words):
    lab.vpnctl("import", "-", "demo", input=lab.profile())
    lab.vpnctl("bridge", "demo", bridge, *words)


def connect(lab, bridge, *words):
    set_bridge(lab, bridge, *words)
    lab.vpnctl("connect", "demo", "--wait", "--timeout", "30")


def outside(frames):
    """What the host sent but neighbour discovery."""
    return [f for f in select_frames(frames, from_host=True, proto=lambda p: p != 0) if not (f.proto == ICMPV6 and f.icmp_type in (133, 135, 136, 143))]


def assert_only(frames, address, proto, port):
    """Something was sent, and all of it to the bridge."""
    sent = outside(frames)
    assert sent, "nothing was sent at all"
    for frame in sent:
        assert (frame.dst, frame.proto, frame.dport) == (address, proto, port), f"leaked: {frame}"


def assert_works(lab):
    for address, source in ((PUBLIC4, TUNNEL_HOST4), (PUBLIC6, TUNNEL_HOST6)):
        for kind in ("udp", "tcp"):
            assert lab.echo(address, kind) == source


def assert_sealed(lab, address, proto, port):
    """All probes of all users, also bound to the physical link: the wire has the bridge's own packets and none of theirs."""
    mark = lab.capture.mark()
    for uid in (0, NOBODY):
        lab.probe([probe | {"wait": 20} for probe in leak_probes(uid)], uid=uid)
    for frame in outside(lab.capture.since(mark)):
        assert (frame.dst, frame.proto, frame.dport) == (address, proto, port) and b"probe" not in frame.raw, f"leaked: {frame}"


@pytest.fixture(name="bridged")
def bridged_fixture(host):
    """The lab, connected by Shadowsocks."""
    add_bridge_addresses(host)
    start_far_shadowsocks(host)
    host.proxy = start_near_shadowsocks(host)
    connect(host, f"{BRIDGE4}:{UDP_PORT}/udp", LOCAL_PORT)
    return host


@pytest.mark.parametrize("address", [BRIDGE4, BRIDGE6])
def test_shadowsocks_carries_the_tunnel(host, address):
    add_bridge_addresses(host)
    start_far_shadowsocks(host)
    start_near_shadowsocks(host, address)
    service = f"[{address}]:{UDP_PORT}/udp" if ":" in address else f"{address}:{UDP_PORT}/udp"
    mark = host.capture.mark()
    connect(host, service, LOCAL_PORT)
    assert_works(host)
    frames = host.capture.since(mark)
    assert_only(frames, address, UDP, UDP_PORT)
    none(frames, from_host=False, src=PEER4)
    status = host.status()
    assert status["bridge"] == service and status["peers"][0]["endpoint"] == f"127.0.0.1:{LOCAL_PORT}"
    assert status["mtu"] < 1420 and service in host.vpnctl("status").stdout
    assert_sealed(host, address, UDP, UDP_PORT)
    host.vpnctl("disconnect", "--wait")
    assert host.difference(host.before, host.snapshot()) == ""


@pytest.mark.parametrize("address", [BRIDGE4, BRIDGE6])
def test_tcp_relay_carries_the_tunnel(host, address):
    """Its connection was there before the tunnel, and has no mark: it goes on."""
    add_bridge_addresses(host)
    start_far_relay(host, address)
    start_near_relay(host, address)
    wait_until(lambda: address in host.host.run("ss", "-Htn", "state", "established").stdout, SOON_S, "the relay's connection")
    before = host.host.run("ss", "-Htn", "state", "established").stdout
    mark = host.capture.mark()
    connect(host, f"[{address}]:{TCP_PORT}/tcp" if ":" in address else f"{address}:{TCP_PORT}/tcp", LOCAL_PORT)
    assert_works(host)
    assert_only(host.capture.since(mark), address, TCP, TCP_PORT)
    assert host.host.run("ss", "-Htn", "state", "established").stdout == before, "the relay had to connect anew"
    assert_sealed(host, address, TCP, TCP_PORT)
    host.vpnctl("disconnect", "--wait")
    assert host.difference(host.before, host.snapshot()) == ""


def test_tcp_relay_connects_while_the_tunnel_is_there(host):
    """A proxy without a mark that starts late: its packets are turned back from the tunnel, and leave with the address of the link."""
    add_bridge_addresses(host)
    start_far_relay(host)
    set_bridge(host, f"{BRIDGE4}:{TCP_PORT}/tcp", LOCAL_PORT)
    host.vpnctl("connect", "demo")
    mark = host.capture.mark()
    proxy = start_near_relay(host)
    host.wait_state("connected", 60)
    assert_works(host)
    proxy.kill()
    proxy.wait()
    start_near_relay(host)
    wait_until(lambda: host.echo(PUBLIC4, wait=300) == TUNNEL_HOST4, 40, "the tunnel by a proxy that was started while it was there")
    frames = host.capture.since(mark)
    assert_only(frames, BRIDGE4, TCP, TCP_PORT)
    none(outside(frames), src=TUNNEL_HOST4)


def test_relay_of_a_user_needs_its_name_and_a_mark(host):
    """The user that the bridge names, with our mark: yes. Without a mark, or when the bridge does not name it: no, and nothing is seen."""
    add_bridge_addresses(host)
    start_far_relay(host)
    host.vpnctl("import", "-", "demo", input=host.profile())
    for mark, words in ((0, (USER_PORT, "nobody")), (MARK, (USER_PORT,))):
        host.vpnctl("bridge", "demo", f"{BRIDGE4}:{TCP_PORT}/tcp", *words)
        host.vpnctl("connect", "demo")
        begun = host.capture.mark()
        proxy = start_near_relay(host, port=USER_PORT, user=MARKER, mark=mark)
        with pytest.raises(AssertionError):
            host.vpnctl("connect", "demo", "--wait", "--timeout", "3")
        assert outside(host.capture.since(begun)) == []
        proxy.kill()
        proxy.wait()
    mark = host.capture.mark()
    host.vpnctl("bridge", "demo", f"{BRIDGE4}:{TCP_PORT}/tcp", USER_PORT, "nobody")
    start_near_relay(host, port=USER_PORT, user=MARKER, mark=MARK)
    host.vpnctl("connect", "demo", "--wait", "--timeout", "30")
    assert_works(host)
    assert_only(host.capture.since(mark), BRIDGE4, TCP, TCP_PORT)


MARKED = """
import json, socket, sys
for kind, address, port, mark in json.load(sys.stdin):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    sock.setblocking(False)
    if mark:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    sock.connect_ex((address, port))
    try:
        sock.send(b"PLAINTEXT-HELLO")
    except OSError:
        pass
"""


def send_marked(lab, wants, user=()):
    lab.host.run(*user, PYTHON, "-c", MARKED, input=json.dumps(wants))


def test_server_is_not_reachable_directly(bridged):
    """Neither where it listens nor elsewhere, neither for root with our mark nor for users, who are carried by the tunnel instead."""
    mark = bridged.capture.mark()
    everything = [(kind, address, port, m) for kind in ("udp", "tcp") for address in (PEER4, PEER6) for port in (PEER_PORT, ECHO_PORT) for m in (MARK, 0)]
    send_marked(bridged, everything)
    send_marked(bridged, everything, MARKER)
    for uid in (0, NOBODY):
        bridged.probe([{"kind": kind, "address": address, "port": PEER_PORT, "payload": WORDS, "device": "eth0", "wait": 20}
                       for kind in ("udp", "tcp", "icmp") for address in (PEER4, PEER6)], uid=uid)
    frames = bridged.capture.since(mark)
    none(frames, dst=PEER4)
    none(frames, dst=PEER6)
    assert bridged.echo(PEER4) == TUNNEL_HOST4


def test_bridge_is_exact(bridged):
    """Its other ports and the other protocol: nobody. Its very port: root, and neither a user nor a user's mark."""
    mark = bridged.capture.mark()
    wrong = [(kind, BRIDGE4, port, m) for kind, ports in (("udp", (UDP_PORT + 1, 53, PEER_PORT)), ("tcp", (UDP_PORT, TCP_PORT))) for port in ports for m in (MARK, 0)]
    send_marked(bridged, [(*one[:3], MARK) for one in wrong])
    right = [("udp", BRIDGE4, UDP_PORT, m) for m in (MARK, 0)]
    send_marked(bridged, wrong + right, MARKER)
    for uid in (0, NOBODY):
        bridged.probe([{"kind": kind, "address": BRIDGE4, "port": port, "payload": WORDS, "device": "eth0", "wait": 20}
                       for kind, port in (("udp", UDP_PORT + 1), ("tcp", UDP_PORT), ("icmp", 0)) + ((("udp", UDP_PORT),) if uid else ())], uid=uid)
    frames = bridged.capture.since(mark)
    assert_only(frames, BRIDGE4, UDP, UDP_PORT)
    assert not [f for f in outside(frames) if WORDS.encode() in f.raw]
    send_marked(bridged, [("udp", BRIDGE4, UDP_PORT, 0)])
    assert [f for f in outside(bridged.capture.since(mark)) if WORDS.encode() in f.raw], "root's own packets are seen, so the others would have been"


def test_proxy_is_the_tunnels_alone(host):
    """Whoever may send to the proxy's port has the bridge as a way out: users get an error at once, by any address of this host, UDP or TCP, with or without
    a mark, bound to the physical link or not, and where somebody keeps conntrack off the loopback interface. The relay hides nothing, so their words would be on the wire, as
    they are without vpnd."""
    add_bridge_addresses(host)
    start_far_relay(host)
    start_near_relay(host)
    wants = [{"kind": kind, "address": address, "port": LOCAL_PORT, "payload": WORDS, "wait": 50} for kind in ("udp", "tcp") for address in ("127.0.0.1", "127.0.0.2", "::1", HOST4)]
    mark = host.capture.mark()
    host.probe(wants[:1], uid=NOBODY)
    assert wait_until(lambda: [f for f in host.capture.since(mark) if WORDS.encode() in f.raw], SOON_S, "the control: a user's words by the proxy")

    host.host.run("nft", "-f", "-", input='table inet admin { chain out { type filter hook output priority -300; oifname "lo" notrack; }\n'
                                          'chain in { type filter hook prerouting priority -300; iifname "lo" notrack; }\n}\n')
    connect(host, f"{BRIDGE4}:{TCP_PORT}/tcp", LOCAL_PORT)
    mark = host.capture.mark()
    for uid in (0, NOBODY):
        for answer in host.probe(wants + [want | {"address": HOST4, "device": "eth0"} for want in (wants[0], wants[4])], uid=uid):
            assert answer["result"] in ("EPERM", "ECONNREFUSED"), answer
    send_marked(host, [("udp", "127.0.0.1", LOCAL_PORT, MARK), ("tcp", "127.0.0.1", LOCAL_PORT, MARK)], MARKER)
    assert_works(host)
    assert not [f for f in host.capture.since(mark) if WORDS.encode() in f.raw]


ECHO = """
import selectors, socket, sys
selector = selectors.DefaultSelector()
for port in map(int, sys.argv[2:]):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        sock = socket.socket(socket.AF_INET, kind)
        sock.bind((sys.argv[1], port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        selector.register(sock, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        if key.fileobj.type == socket.SOCK_DGRAM:
            key.fileobj.sendto(b"here", key.fileobj.recvfrom(2048)[1])
        else:
            key.fileobj.accept()[0].send(b"here")
"""


def test_neighbours_do_not_reach_the_proxy(bridged):
    """A proxy that listens on the local network, and a local network that is allowed: nobody there begins anything at its port."""
    bridged.vpnctl("lan", "allow")
    bridged.host.ip("addr", "add", "10.9.9.2/24", "dev", "eth0")
    bridged.lan.ip("addr", "add", "10.9.9.1/24", "dev", "lan0")
    start(bridged.host, bridged, "echo", PYTHON, "-c", ECHO, "10.9.9.2", LOCAL_PORT, LOCAL_PORT + 1)
    wait_until(lambda: listens(bridged.host, "tcp", LOCAL_PORT + 1), SOON_S, "the echo")
    answers = {}
    for kind in ("udp", "tcp"):
        for port in (LOCAL_PORT, LOCAL_PORT + 1):
            done = bridged.lan.run(PYTHON, "-c", (HERE / "probe.py").read_text(encoding="utf-8"), input=json.dumps([{"kind": kind, "address": "10.9.9.2", "port": port, "wait": 4000}]))
            answers[kind, port] = json.loads(done.stdout)[0]["reply"]
    assert answers == {("udp", LOCAL_PORT): None, ("udp", LOCAL_PORT + 1): "here", ("tcp", LOCAL_PORT): None, ("tcp", LOCAL_PORT + 1): "here"}


def test_proxy_dies_and_comes_back(bridged):
    bridged.proxy.kill()
    bridged.proxy.wait()
    mark = bridged.capture.mark()
    wait_until(lambda: bridged.echo(PUBLIC4, wait=200) or bridged.status()["state"] == "connecting", 60, "the tunnel without its proxy is given up")
    assert bridged.status()["state"] == "connecting" and bridged.status()["blocking"] is True
    assert_sealed(bridged, BRIDGE4, UDP, UDP_PORT)
    assert outside(bridged.capture.since(mark)) == [], "without a proxy nothing goes anywhere"
    start_near_shadowsocks(bridged)
    bridged.wait_state("connected", 60)
    assert_works(bridged)
    assert_only(bridged.capture.since(mark), BRIDGE4, UDP, UDP_PORT)


def test_crash_and_start_keep_the_bridge(bridged):
    """Crash recovery and auto-connect go by the bridge, too; never by the server."""
    bridged.vpnctl("settings", "set", "crash-recovery", "reconnect")
    mark = bridged.capture.mark()
    bridged.daemons[-1].kill()
    bridged.start_daemon()
    bridged.wait_state("connected", 60)
    assert bridged.status()["bridge"] == f"{BRIDGE4}:{UDP_PORT}/udp"
    bridged.vpnctl("auto-connect", "on")
    bridged.daemons[-1].stop()
    bridged.start_daemon()
    bridged.wait_state("connected", 60)
    assert_works(bridged)
    frames = bridged.capture.since(mark)
    none(frames, dst=PEER4)
    seen(frames, from_host=True, dst=BRIDGE4)


def test_activate_with_a_bridge(host):
    """The key of the JSON object; and the way back to the server itself, without opening the network."""
    add_bridge_addresses(host)
    start_far_shadowsocks(host)
    start_near_shadowsocks(host)
    plain = {"privateKey": host.host_private, "serverPublicKey": host.peer_public, "presharedKey": host.preshared, "serverIpv4AddrIn": DEAD4, "serverPort": PEER_PORT,
             "deviceIpv4Address": f"{TUNNEL_HOST4}/32", "deviceIpv6Address": f"{TUNNEL_HOST6}/128",
             "allowedIPAddressRanges": [{"address": "0.0.0.0", "range": 0}, {"address": "::", "range": 0}]}
    mark = host.capture.mark()
    bridge = {"address": BRIDGE4, "port": UDP_PORT, "protocol": "udp", "localPort": LOCAL_PORT}
    host.vpnctl("activate", "-", "--wait", "--timeout", "30", input=json.dumps(plain | {"bridge": bridge}))
    assert_works(host)
    assert_only(host.capture.since(mark), BRIDGE4, UDP, UDP_PORT)
    refused = host.vpnctl("activate", "-", check=False, input=json.dumps(plain | {"bridge": bridge | {"protocol": "sctp"}}))
    assert refused.returncode != 0 and "bridge.protocol" in refused.stderr
    mark = host.capture.mark()
    host.vpnctl("activate", "-", "--wait", "--timeout", "30", input=json.dumps(plain | {"serverIpv4AddrIn": PEER4}))
    assert_works(host)
    for frame in outside(host.capture.since(mark)):
        assert (frame.proto, frame.dst, frame.dport) in ((UDP, PEER4, PEER_PORT), (UDP, BRIDGE4, UDP_PORT)), f"leaked: {frame}"
    host.vpnctl("disconnect", "--wait")
    assert host.difference(host.before, host.snapshot()) == ""


def test_bridge_by_a_link_that_has_no_address(bridged):
    """Between two leases the kernel gives what is translated any address of the host: with the tunnel's nothing leaves, and afterwards the tunnel goes on."""
    assert bridged.echo(PUBLIC4) == TUNNEL_HOST4
    before = bridged.host.run("ip", "-o", "-4", "addr", "show", "dev", "eth0").stdout.split()[3]
    router = bridged.host.run("ip", "route").stdout.split("default via ")[1].split()[0]
    mark = bridged.capture.mark()
    bridged.host.ip(f"""addr del {before} dev eth0
        route replace default via {router} dev eth0 onlink""")
    assert bridged.echo(PUBLIC4, wait=1000) is None
    sender = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'begins', ('{}', {}))".format(BRIDGE4, UDP_PORT)
    bridged.host.run(PYTHON, "-c", sender, check=False)
    bridged.host.ip("addr", "add", before, "dev", "eth0")
    bridged.wait_until_works(TUNNEL_HOST4)
    assert not [frame for frame in bridged.capture.since(mark) if TUNNEL_HOST4 in (frame.src, frame.dst)]
