# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets of probes that tests send, stated once."""
from lab import ECHO_PORT, OUTSIDE_DNS4, OUTSIDE_DNS6, PEER4, PEER6, PRIVATE4, PUBLIC4, PUBLIC6

SCTP, GRE, UDPLITE = 132, 47, 136


def leak_probes(uid):
    """Everything a program may try on the physical link, bound to it: none may be seen while protection is wanted."""
    probes = []
    for address in (PUBLIC4, PUBLIC6):
        probes += [{"kind": "tcp", "address": address, "port": ECHO_PORT}, {"kind": "udp", "address": address, "port": ECHO_PORT},
                   {"kind": "icmp", "address": address}]
    for address in (OUTSIDE_DNS4, OUTSIDE_DNS6):
        probes += [{"kind": kind, "address": address, "port": port} for kind in ("tcp", "udp") for port in (53, 853)]
    probes += [{"kind": "tcp", "address": PRIVATE4, "port": ECHO_PORT}, {"kind": "udp", "address": PRIVATE4, "port": 53}]
    probes += [{"kind": kind, "address": address, "port": ECHO_PORT} for kind in ("tcp", "udp") for address in (PEER4, PEER6)]
    if uid == 0:  # raw sockets are root's
        probes += [{"kind": "raw", "address": address, "proto": proto} for address in (PUBLIC4, PUBLIC6) for proto in (SCTP, GRE, UDPLITE)]
    return [probe | {"device": "eth0"} for probe in probes]
