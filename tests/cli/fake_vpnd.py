#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted org.vpnd1 on the bus of DBUS_SYSTEM_BUS_ADDRESS, for tests of vpnctl's output and waiting only.

Interfaces and types come from dbus/org.vpnd1.xml. One JSON object a line on standard input, each answered by "ok":
  {"set": {"State": ..., ...}}       properties of Daemon, with PropertiesChanged
  {"settings": {...}}                properties of Settings, with PropertiesChanged
  {"status": {...}}                  keys of the status JSON
  {"profiles": [...]}                what List answers
  {"split": {...}}                   properties of SplitTunnel, with PropertiesChanged
  {"rules": [...]}  {"processes": [...]}   what its List and Processes answer; Add and Remove change the rules
  {"findings": [...]}  {"routes": [...]}  {"logs": "..."}  {"dns": {...}}   what the methods of Diagnostics and getLogs answer
  {"on": {"MEMBER": [STEP, ...]}}    what a call of MEMBER does, in order; without: plain success. Steps:
      {"set": ...}  {"status": ...}  {"emit": [INTERFACE, SIGNAL, SIGNATURE, [ARGS]]}  {"sleep_ms": N}
      {"move": PATH}                 the caller is written to cgroup.procs of that folder, as Enter does
      {"error": [NAME, MESSAGE]}  {"reply": true}  {"silent": true}  {"die": true}
  {"emit": [...]}
  {"calls": true}  {"reads": true}   answered with the calls so far, or with how many properties were read
"""
import json
import os
import sys

import gi
gi.require_version('Gio', '2.0')
from gi.repository import Gio, GLib

NAME, PATH = 'org.vpnd1', '/org/vpnd1'
DAEMON, PROFILES, SETTINGS, SPLIT = (f'org.vpnd1.{i}' for i in ('Daemon', 'Profiles', 'Settings', 'SplitTunnel'))
EVERYBODY = 0xffffffff

CONF = '[Interface]\n# PrivateKey is not exported\nAddress = 10.64.0.7/32\n\n[Peer]\nEndpoint = 192.0.2.10:51820\n'


DNS = {'owner': GLib.Variant('s', 'systemd-resolved'), 'reason': GLib.Variant('s', 'resolv.conf is a link to the file of systemd-resolved'),
       'way': GLib.Variant('s', 'on our link at systemd-resolved'),
       'path': GLib.Variant('s', '/etc/resolv.conf'), 'link': GLib.Variant('s', '../run/systemd/resolve/stub-resolv.conf'), 'replaced': GLib.Variant('b', False),
       'fileServers': GLib.Variant('as', ['127.0.0.53']), 'servers': GLib.Variant('as', ['10.64.0.1']), 'search': GLib.Variant('as', ['corp.example']),
       'inForce': GLib.Variant('b', True), 'links': GLib.Variant('aa{sv}', [
           {'interface': GLib.Variant('s', 'eth0'), 'servers': GLib.Variant('as', ['192.0.2.1']), 'domains': GLib.Variant('as', [])},
           {'interface': GLib.Variant('s', 'vpnd0'), 'servers': GLib.Variant('as', ['10.64.0.1']), 'domains': GLib.Variant('as', ['~.', 'corp.example'])}])}


ROUTES = [{'kind': 'default', 'entry': '0.0.0.0/0 via 192.0.2.1 dev eth0', 'state': 'present', 'reason': 'transport', 'node': 'default'},
          {'kind': 'route', 'entry': '0.0.0.0/0 dev vpnd0 table 22096', 'state': 'present', 'reason': 'allowed-ips', 'node': 'real'},
          {'kind': 'rule', 'entry': '4890 inet lookup 22096', 'state': 'missing', 'reason': 'everything-else', 'node': 'real'},
          {'kind': 'rule', 'entry': '100 inet lookup 254', 'state': 'foreign', 'reason': 'earlier-rule', 'node': 'real'}]


class Fake:
    def __init__(self, xml):
        self.info = Gio.DBusNodeInfo.new_for_xml(open(xml).read())
        self.interfaces = {i.name: i for i in self.info.interfaces}
        self.properties = {
            DAEMON: {'Version': '9.9', 'State': 'disconnected', 'Blocking': False, 'Cause': '', 'Profile': '', 'Since': 1700000000},
            SETTINGS: {'Lockdown': False, 'AutoConnect': False, 'AutoConnectProfile': '', 'AllowLan': True, 'Ipv6': True, 'Mtu': 0,
                       'DnsServers': [], 'DnsResolverUid': 0, 'ApiEndpoints': [], 'Forward': [], 'CrashRecovery': 'block', 'Backend': 'auto', 'DestroySockets': True},
            PROFILES: {},
            SPLIT: {'Mode': 'exclude', 'State': 'ready', 'Ground': 'cgroup2', 'Classes': {}},
        }
        self.rules = []
        self.processes = []
        self.defaults = dict(self.properties[SETTINGS])
        self.extra_status = {}
        self.profiles = [self.profile('home'), self.profile('office')]
        self.on = {}
        self.findings = []
        self.routes = ROUTES
        self.logs = 'first line\nsecond \x1b[31mline\n'
        self.dns = dict(DNS)
        self.calls = []
        self.reads = 0
        self.bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
        for info in self.info.interfaces:
            self.bus.register_object(PATH, info, self.on_call, self.on_get, self.on_set)
        Gio.bus_own_name_on_connection(self.bus, NAME, Gio.BusNameOwnerFlags.NONE, lambda *a: self.say('ready'), lambda *a: sys.exit('no name'))
        GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, self.on_input)
        self.input = b''

    @staticmethod
    def profile(name):
        return {'name': name, 'addresses': ['10.64.0.7/32', 'fd00::7/128'], 'endpoints': ['192.0.2.10:51820'], 'dns': ['10.64.0.1'], 'peers': 1, 'mtu': 0, 'active': False}

    def say(self, text):
        os.write(1, (text + '\n').encode())

    def on_input(self, channel, condition):
        data = os.read(0, 65536)
        if not data:
            os._exit(0)
        self.input += data
        while b'\n' in self.input:
            line, self.input = self.input.split(b'\n', 1)
            self.say(self.command(json.loads(line)))
        return True

    def command(self, c):
        if 'calls' in c:
            return json.dumps(self.calls)
        if 'reads' in c:
            return json.dumps(self.reads)
        if 'profiles' in c:
            self.profiles = [dict(self.profile(p['name']), **p) for p in c['profiles']]
        for key in ('findings', 'routes', 'logs', 'rules', 'processes'):
            if key in c:
                setattr(self, key, c[key])
        if 'dns' in c:
            self.dns.update({k: GLib.Variant('as' if isinstance(v, list) else 's', v) for k, v in c['dns'].items()})
        if 'on' in c:
            self.on.update(c['on'])
        self.step(c)
        return 'ok'

    def typed(self, interface, name, value):
        return GLib.Variant(self.interfaces[interface].lookup_property(name).signature, value)

    def change(self, interface, values):
        self.properties[interface].update(values)
        changed = {k: self.typed(interface, k, v) for k, v in values.items()}
        self.bus.emit_signal(None, PATH, 'org.freedesktop.DBus.Properties', 'PropertiesChanged', GLib.Variant('(sa{sv}as)', (interface, changed, [])))

    def step(self, s):
        if 'set' in s:
            self.change(DAEMON, s['set'])
        if 'settings' in s:
            self.change(SETTINGS, s['settings'])
        if 'split' in s:
            self.change(SPLIT, s['split'])
        if 'status' in s:
            self.extra_status.update(s['status'])
        if 'emit' in s:
            interface, signal, signature, args = s['emit']
            self.bus.emit_signal(None, PATH, interface, signal, GLib.Variant(signature, args))
        if 'move' in s:
            pid = self.bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'GetConnectionUnixProcessID',
                                     GLib.Variant('(s)', (self.sender,)), None, Gio.DBusCallFlags.NONE, -1).unpack()[0]
            with open(os.path.join(s['move'], 'cgroup.procs'), 'w') as procs:
                procs.write(str(pid))
        if 'die' in s:
            self.bus.flush_sync()
            os._exit(0)

    def status(self):
        d = self.properties[DAEMON]
        base = {'schema': 1, 'version': d['Version'], 'state': d['State'], 'cause': d['Cause'], 'detail': '', 'blocking': d['Blocking'],
                'lockdown': self.properties[SETTINGS]['Lockdown'], 'profile': d['Profile'], 'since': '2023-11-14T22:13:20Z',
                'connected': d['State'] == 'connected', 'deviceIpv4Address': '', 'deviceIpv6Address': '', 'serverIpv4Gateway': '', 'serverIpv6Gateway': '',
                'date': '', 'txBytes': 0, 'rxBytes': 0, 'features': [], 'attempt': 0, 'backend': '', 'interface': '', 'mtu': 0, 'dns': [], 'bridge': '', 'peers': [], 'warnings': []}
        return dict(base, **self.extra_status)

    @staticmethod
    def split_typed(values):
        types = {'owner': 'u', 'effective': 'b'}
        return {k: GLib.Variant(types.get(k, 's'), v) for k, v in values.items()}

    def split(self, member, args):
        """What SplitTunnel answers; a value gets the form that the service would give it, as far as tests need that."""
        if member == 'List':
            return [self.split_typed(r) for r in self.rules],
        if member in ('Processes', 'ProcessesAll'):
            texts = sorted({p[key] for p in self.processes for key in ('executable', 'class', 'reason')})
            return tuple([texts.index(p[key]) if isinstance(p[key], str) else p[key] for p in self.processes]
                         for key in ('pid', 'startTime', 'uid', 'executable', 'class', 'reason', 'since')) + (texts,),
        if member.startswith(('Add', 'Remove')):
            kind, value = ('app', args[0]) if member == 'AddOwnApp' else (args[0], args[1])
            value = value.removesuffix('.desktop')
            owner = os.getuid() if 'Own' in member else EVERYBODY
            self.rules = [r for r in self.rules if (r['kind'], r['value'], r['owner']) != (kind, value, owner)]
            if member.startswith('Add'):
                reason = 'there is no such file' if 'missing' in value else ''
                self.rules.append({'kind': kind, 'value': value, 'class': args[2], 'profile': args[3], 'owner': owner, 'effective': not reason, 'reason': reason})
                return value,
        return ()

    def reply(self, interface, member, args):
        if interface == SPLIT:
            return self.split(member, args)
        if member == 'status':
            return json.dumps(self.status()),
        if member == 'List':
            return [{k: GLib.Variant({str: 's', bool: 'b', int: 'u', list: 'as'}[type(v)], v) for k, v in p.items()} for p in self.profiles],
        if member == 'Import':
            return {'peers': GLib.Variant('u', 1), 'addresses': GLib.Variant('as', ['10.64.0.7/32']), 'dns': GLib.Variant('as', ['10.64.0.1']),
                    'dropped': GLib.Variant('as', ['line 5: PostUp: commands are never run'])},
        if member == 'SetBridge':
            name, bridge, port, user = args
            given = {'bridge': bridge, 'bridgeLocalPort': port, 'bridgeUser': user} if bridge else {}
            self.profiles = [dict(self.profile(name), **given) if p['name'] == name else p for p in self.profiles]
        if member == 'Export':
            return CONF.encode(),
        if member == 'Dns':
            return self.dns,
        if member in ('Check', 'CheckAll'):
            return [{k: GLib.Variant('s', v) for k, v in f.items()} for f in self.findings],
        if member == 'Routes':
            return [{k: GLib.Variant('s', v) for k, v in r.items()} for r in self.routes],
        if member == 'getLogs':
            return self.logs,
        if member == 'Reset':
            self.change(SETTINGS, self.defaults)
        return {'activate': (True,), 'deactivate': (True,)}.get(member, ())

    def on_call(self, bus, sender, path, interface, member, params, invocation):
        self.calls.append([member, [a if not isinstance(a, list) or member == 'AddOwnApp' else f'({len(a)} bytes)' for a in params.unpack()]])
        named = {p['name'] for p in self.profiles}
        steps = self.on.get(member)
        self.sender = sender
        if steps is None and interface == PROFILES and member in ('Activate', 'Export', 'Remove', 'Rename', 'SetBridge') and params[0] not in named:
            steps = [{'error': ['org.vpnd1.Error.NotFound', f'no profile named "{params[0]}"']}]
        self.play(list(steps or []), interface, member, params, invocation)

    def play(self, steps, interface, member, params, invocation):
        while steps:
            s = steps.pop(0)
            if 'sleep_ms' in s:
                GLib.timeout_add(s['sleep_ms'], lambda: self.play(steps, interface, member, params, invocation) or False)
                return
            if 'silent' in s:
                return
            if 'error' in s:
                invocation.return_dbus_error(*s['error'])
                invocation = None
            elif 'reply' in s:
                self.answer(interface, member, params, invocation)
                invocation = None
            else:
                self.step(s)
        if invocation is not None:
            self.answer(interface, member, params, invocation)

    def answer(self, interface, member, params, invocation):
        out = ''.join(a.signature for a in self.interfaces[interface].lookup_method(member).out_args)
        invocation.return_value(GLib.Variant(f'({out})', self.reply(interface, member, params)))

    def on_get(self, bus, sender, path, interface, name):
        self.reads += 1
        return self.typed(interface, name, self.properties[interface][name])

    def on_set(self, bus, sender, path, interface, name, value):
        self.calls.append(['Set', [name, value.unpack()]])
        error = self.on.get('Set')
        if error:
            raise GLib.Error(*error)
        self.change(interface, {name: value.unpack()})
        return True


fake = Fake(sys.argv[1])
GLib.MainLoop().run()
