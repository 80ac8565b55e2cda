# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the emulated machine: the same roaming as in scale.py, by vpnd, wg-quick and NetworkManager, all three with the kernel's WireGuard."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import sandbox  # noqa: E402
import scale  # noqa: E402
from lab import PEER4, TUNNEL_HOST4  # noqa: E402


def by_vpnd(lab):
    lab.host.run("systemctl", "start", "vpnd")
    lab.vpnctl("import", "-", "roam", "--replace", input=lab.profile(dns=""))
    lab.vpnctl("connect", "roam", "--wait", "--timeout", "60", timeout=120)
    gaps = scale.roaming_gaps(lab)
    lab.vpnctl("disconnect", "--wait", timeout=120)
    lab.host.run("systemctl", "stop", "vpnd")
    return gaps


def by_wg_quick(lab):
    return scale.wg_quick_gaps(lab, lab.environment())


def by_networkmanager(lab):
    """It manages the tunnel's link only: the network moves under it as under the others."""
    lab.host.run("systemctl", "start", "NetworkManager")
    lab.host.run("nmcli", "connection", "import", "type", "wireguard", "file", scale.plain_conf(lab, "roam1"))
    lab.host.run("nmcli", "--wait", "60", "connection", "up", "roam1", check=False)  # importing it may have begun that already
    sandbox.wait_until(lambda: PEER4 in lab.host.run("wg", "show", "roam1", "endpoints", check=False).stdout, 60, "NetworkManager has made the device")
    gaps = scale.roaming_gaps(lab)
    lab.host.run("nmcli", "connection", "delete", "roam1")
    lab.host.run("systemctl", "stop", "NetworkManager")
    return gaps


def rows(lab, tell):
    scale.second_uplink(lab)
    assert lab.echo(PEER4) != TUNNEL_HOST4
    for name, measure in (("vpnd", by_vpnd), ("wg-quick", by_wg_quick), ("NetworkManager", by_networkmanager)):
        tell(scale.roaming_line(name, measure(lab)))
