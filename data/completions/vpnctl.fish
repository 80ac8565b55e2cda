# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
# fish completion of vpnctl(1).

set -l verbs connect disconnect reconnect status monitor import export list show rename remove bridge activate split exclude include settings lockdown lan auto-connect emergency-unlock dns routes doctor bundle logs version help

function __vpnctl_profiles
    vpnctl list --names --timeout 2 2>/dev/null
end

complete -c vpnctl -f
complete -c vpnctl -s j -l json -d 'Write JSON, for programs'
complete -c vpnctl -s t -l timeout -x -d 'Give up after some seconds'
complete -c vpnctl -l no-color -d 'No colors, also on a terminal'
complete -c vpnctl -s h -l help -d 'Show the help'
complete -c vpnctl -l version -n "not __fish_seen_subcommand_from $verbs" -d 'Show the versions'

complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a connect -d 'Connect to a stored profile'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a disconnect -d 'End the connection'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a reconnect -d 'Start the session anew'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a status -d 'Show the state of the connection'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a monitor -d 'Show the state and every change'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a import -d 'Store a WireGuard .conf file as a profile'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a export -d 'Print a profile, without its secret keys'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a list -d 'List the stored profiles'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a show -d 'Show one profile'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a rename -d 'Rename a profile'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a remove -d 'Delete a profile'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a bridge -d 'Reach the server of a profile by a bridge'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a activate -d 'Connect as a JSON file says'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a split -d 'Choose what goes beside the tunnel, and see it'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a exclude -d 'Run a command beside the tunnel'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a include -d 'Run a command that uses the tunnel and nothing else'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a settings -d 'Show or change settings'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a lockdown -d 'Block the network also while disconnected, or not'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a lan -d 'Allow or block the local network'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a auto-connect -d 'Connect when the machine starts, or not'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a emergency-unlock -d 'Open the network whatever it takes'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a dns -d 'Show who owns DNS, or look a name up'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a routes -d 'Show what is routed where and why'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a doctor -d 'Find out what is wrong'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a bundle -d 'Write a report for whoever is to help'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a logs -d 'Show the log of vpnd'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a version -d 'Show the versions of vpnctl and vpnd'
complete -c vpnctl -n "not __fish_seen_subcommand_from $verbs" -a help -d 'Show what vpnctl can do'

complete -c vpnctl -n '__fish_seen_subcommand_from connect disconnect reconnect activate' -s w -l wait -d 'Wait until it is done'
complete -c vpnctl -n '__fish_seen_subcommand_from status doctor' -s v -l verbose -d 'Show everything'
complete -c vpnctl -n '__fish_seen_subcommand_from import' -l replace -d 'Replace a profile of the same name'
complete -c vpnctl -n '__fish_seen_subcommand_from list' -l names -d 'Only the names'
complete -c vpnctl -n '__fish_seen_subcommand_from logs' -l clear -d 'Empty the log'
complete -c vpnctl -n '__fish_seen_subcommand_from connect export show rename remove bridge' -a '(__vpnctl_profiles)'
complete -c vpnctl -n '__fish_seen_subcommand_from import activate' -F
complete -c vpnctl -n "__fish_seen_subcommand_from lockdown auto-connect; and not __fish_seen_subcommand_from settings on off get" -a 'on off get'
complete -c vpnctl -n "__fish_seen_subcommand_from lan; and not __fish_seen_subcommand_from allow block get" -a 'allow block get'
complete -c vpnctl -n '__fish_seen_subcommand_from auto-connect; and __fish_seen_subcommand_from on; and not __fish_seen_subcommand_from settings' -a '(__vpnctl_profiles)'
complete -c vpnctl -n '__fish_seen_subcommand_from help' -a "$verbs"

set -l keys lockdown auto-connect auto-connect-profile allow-lan ipv6 mtu dns-servers dns-resolver-uid api-endpoints forward crash-recovery backend destroy-sockets
complete -c vpnctl -n '__fish_seen_subcommand_from settings; and not __fish_seen_subcommand_from get set reset' -a 'get set reset'
complete -c vpnctl -n "__fish_seen_subcommand_from settings; and __fish_seen_subcommand_from get set; and not __fish_seen_subcommand_from $keys" -a "$keys"
complete -c vpnctl -n '__fish_seen_subcommand_from set; and __fish_seen_subcommand_from lockdown auto-connect allow-lan ipv6 destroy-sockets' -a 'on off'
complete -c vpnctl -n '__fish_seen_subcommand_from set; and __fish_seen_subcommand_from crash-recovery' -a 'block reconnect release'
complete -c vpnctl -n '__fish_seen_subcommand_from set; and __fish_seen_subcommand_from backend' -a 'auto kernel userspace'
complete -c vpnctl -n '__fish_seen_subcommand_from set; and __fish_seen_subcommand_from auto-connect-profile' -a '(__vpnctl_profiles)'
complete -c vpnctl -n '__fish_seen_subcommand_from dns' -a query

complete -c vpnctl -n '__fish_seen_subcommand_from split; and not __fish_seen_subcommand_from add remove list mode ps watch' -a 'add remove list mode ps watch'
complete -c vpnctl -n '__fish_seen_subcommand_from split; and __fish_seen_subcommand_from mode' -a 'exclude include'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l path -r -F -d 'A program'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l app -x -d 'An application'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l unit -x -d 'A unit of systemd'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l uid -x -a '(__fish_complete_users)' -d 'All programs of a user'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l subnet -x -d 'An address or a subnet'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l domain -x -d 'A domain and those below it'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l exclude -d 'It goes beside the tunnel'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l include -d 'It uses the tunnel and nothing else'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l profile -x -a '(__vpnctl_profiles)' -d 'It uses the tunnel of that profile'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l own -d 'For your own programs alone'
complete -c vpnctl -n '__fish_seen_subcommand_from split' -l all -d 'The processes of every user'
complete -c vpnctl -n '__fish_seen_subcommand_from exclude include' -a '(__fish_complete_subcommand)'
