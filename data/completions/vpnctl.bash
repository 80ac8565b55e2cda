# SPDX-FileCopyrightText: 2026 The vpnd authors
# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion of vpnctl(1). Needs nothing of the package bash-completion.

_vpnctl_settings='lockdown auto-connect auto-connect-profile allow-lan ipv6 mtu dns-servers dns-resolver-uid api-endpoints forward crash-recovery backend destroy-sockets'

_vpnctl_values() {
  case $1 in
    lockdown | auto-connect | allow-lan | ipv6 | destroy-sockets) printf 'on off' ;;
    crash-recovery) printf 'block reconnect release' ;;
    backend) printf 'auto kernel userspace' ;;
    auto-connect-profile) vpnctl list --names --timeout 2 2>/dev/null ;;
  esac
}

_vpnctl_apps() {
  local file
  for file in /usr/share/applications/*.desktop /var/lib/flatpak/exports/share/applications/*.desktop "${XDG_DATA_HOME:-$HOME/.local/share}"/applications/*.desktop \
    "${XDG_DATA_HOME:-$HOME/.local/share}"/flatpak/exports/share/applications/*.desktop; do
    [ ! -e "$file" ] || basename "$file" .desktop
  done
}

_vpnctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' words='' common='--json --timeout --no-color --help'
  local operands=() i
  COMPREPLY=()

  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      -t | --timeout | --path | --app | --unit | --uid | --subnet | --domain | --profile) i=$((i + 1)) ;;
      -?*) ;;
      *) if [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; else operands+=("${COMP_WORDS[i]}"); fi ;;
    esac
  done
  case $verb:$previous in
    exclude:exclude | include:include) ;;
    exclude:* | include:*)
      # The rest is another command's.
      if [[ $previous == -- ]]; then mapfile -t COMPREPLY < <(compgen -c -- "$current"); else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      fi
      return
      ;;
    *:-t | *:--timeout | split:--subnet | split:--domain) return ;;
    split:--path)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    split:--uid) mapfile -t COMPREPLY < <(compgen -u -- "$current") && return ;;
    split:--profile) mapfile -t COMPREPLY < <(compgen -W "$(vpnctl list --names --timeout 2 2>/dev/null)" -- "$current") && return ;;
    split:--unit) mapfile -t COMPREPLY < <(compgen -W "$(systemctl list-units --plain --no-legend --type=service,scope,slice 2>/dev/null | cut -d' ' -f1)" -- "$current") && return ;;
    split:--app) mapfile -t COMPREPLY < <(compgen -W "$(_vpnctl_apps)" -- "$current") && return ;;
  esac

  if [[ $current == -* ]]; then
    words=$common
    case $verb in
      connect | disconnect | reconnect | activate) words+=' --wait' ;;
      status | doctor) words+=' --verbose' ;;
      import) words+=' --replace' ;;
      list) words+=' --names' ;;
      logs) words+=' --clear' ;;
      split) words+=' --path --app --unit --uid --subnet --domain --exclude --include --profile --own --all' ;;
      '') words+=' --version' ;;
    esac
  else
    case $verb:${#operands[@]} in
      :0 | help:0) words='connect disconnect reconnect status monitor import export list show rename remove bridge activate split exclude include settings lockdown lan auto-connect emergency-unlock dns routes doctor bundle logs version help' ;;
      connect:0 | export:0 | show:0 | rename:0 | remove:0 | bridge:0) words=$(vpnctl list --names --timeout 2 2>/dev/null) ;;
      import:0 | activate:0)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
      lockdown:0 | auto-connect:0) words='on off get' ;;
      bridge:1) words=off ;;
      bridge:3) mapfile -t COMPREPLY < <(compgen -u -- "$current") && return ;;
      split:0) words='add remove list mode ps watch' ;;
      split:1) [ "${operands[0]}" != mode ] || words='exclude include' ;;
      exclude:0 | include:0) words=-- ;;
      lan:0) words='allow block get' ;;
      dns:0) words=query ;;
      auto-connect:1) [ "${operands[0]}" != on ] || words=$(vpnctl list --names --timeout 2 2>/dev/null) ;;
      settings:0) words='get set reset' ;;
      settings:1) case ${operands[0]} in get | set) words=$_vpnctl_settings ;; esac ;;
      settings:2) [ "${operands[0]}" != set ] || words=$(_vpnctl_values "${operands[1]}") ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _vpnctl vpnctl
