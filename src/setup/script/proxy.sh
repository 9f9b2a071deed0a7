#!/bin/sh
# Makes this machine use an Entrepot as the proxy for registries: trusts its authority, and tells docker, containerd,
# podman or k3s of the proxy. `sh proxy.sh --help` says how. It makes files of its own only, and `--undo` removes them.
set -eu
umask 022
export LC_ALL=C # letters are those of ASCII

# What this copy was made for.
#@VALUES@

marker='# Made by the proxy.sh of Entrepot: "sh proxy.sh --undo" removes it.'
folder_note='# Folder made for it: '
tools='docker containerd podman k3s'

usage() {
  cat <<'END'
Usage: sh proxy.sh [OPTION...] [docker] [containerd] [podman] [k3s]

Trusts the authority of an Entrepot, and makes these use it as their proxy; without a name, those that are installed.

  --undo            remove what this script made; of the named ones only, if any are named
  --dry-run         say what would be done, and do nothing; needs no root
  --restart         restart the services, too, instead of saying by which commands
  --proxy URL       the address of the proxy, where it is another than this script was made with:
                    http://cache.example.com:3128, http://user:password@cache.example.com:3128
  --no-proxy HOSTS  what else is reached without the proxy: registry.lan,10.0.0.0/8
  --help            this

ENTREPOT_ROOT is a folder that holds a system, to work in as if it were /: for images. What is run is run in there.
END
}

say() { printf '%s\n' "$1"; }

die() {
  printf 'proxy.sh: %s\n' "$1" >&2
  exit 1
}

#@CERTIFICATES@

# ---- Files: each begins with the marker, and notes the folders that were made for it.

is_ours() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(head -n 1 "$1" 2>/dev/null)" = "$marker" ]; }

# Fails where a file of this name is somebody else's.
check_path() {
  if [ -e "$root$1" ] || [ -L "$root$1" ]; then
    is_ours "$root$1" || die "$1 is there already and was not made by this script: nothing was changed; move it away"
  fi
}

# The folders of a path that are not there yet, as notes.
missing_folders() {
  _folder=${1%/*}
  if [ -n "$_folder" ] && [ ! -d "$root$_folder" ]; then
    printf '%s%s\n' "$folder_note" "$_folder"
    missing_folders "$_folder"
  fi
}

# The notes for a file: of the folders that it needs, or those that the files beside it have.
notes_for() {
  missing_folders "$1"
  for _beside in "$root${1%/*}"/entrepot-proxy*; do
    if is_ours "$_beside" && grep -F "$folder_note" "$_beside"; then return 0; fi
  done
}

# put PATH MODE TEXT
put() {
  _notes=$(notes_for "$1")
  _text="$marker${_notes:+
$_notes}
$3"
  if [ -f "$root$1" ] && [ "$(cat "$root$1")" = "$_text" ]; then
    say "as it should be: $1"
    return 0
  fi
  say "write: $1"
  [ -z "$dry" ] || return 0
  write "$root$1" "$2" "$_text" || die "cannot write $1"
}

# Its mode comes before what is in it, which may be a password; and it appears as a whole.
write() {
  mkdir -p "${1%/*}" || return
  rm -f "$1.entrepot-new" || return
  (umask 077 && : >"$1.entrepot-new") || return
  chmod "$2" "$1.entrepot-new" || return
  printf '%s\n' "$3" >"$1.entrepot-new" || return
  mv -f "$1.entrepot-new" "$1"
}

# drop PATH: nothing happens when it is not there, or not ours.
drop() {
  is_ours "$root$1" || return 0
  say "remove: $1"
  changed=yes
  [ -z "$dry" ] || return 0
  folders="$folders
$(grep -F "$folder_note" "$root$1" || :)"
  rm -f "$root$1" || die "cannot remove $1"
}

# The folders that were made for what was dropped, the deepest first; somebody may have put something in them.
drop_folders() {
  printf '%s\n' "$folders" | sort -ru | while IFS= read -r _line; do
    if [ -n "$_line" ]; then rmdir "$root${_line#"$folder_note"}" 2>/dev/null || :; fi
  done
}

# ---- Commands of the system, each below the root, and run as if that were /: they look for files by themselves.

command_path() {
  for _folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    if [ -x "$root$_folder/$1" ]; then
      printf '%s' "$root$_folder/$1"
      return 0
    fi
  done
  return 1
}

run() {
  say "run: $*"
  [ -z "$dry" ] || return 0
  _path=$(command_path "$1") || die "$1 is not installed"
  shift
  if [ -n "$root" ]; then set -- chroot "$root" "${_path#"$root"}" "$@"; else set -- "$_path" "$@"; fi
  "$@" || die "${_path##*/} failed"
}

# Fails before anything is changed where nothing could be run in the root.
check_root() {
  if [ -z "$root" ] || [ -n "$dry" ]; then return 0; fi
  chroot "$root" /bin/sh -c : ||
    die "cannot run the commands of the system in $root: nothing was changed; only root may (chroot), and only those of a system for this machine; --dry-run says what would be done"
}

# ---- The system's authorities.

find_system() {
  _release=$root/etc/os-release
  [ -f "$_release" ] || _release=$root/usr/lib/os-release
  [ -f "$_release" ] || die "cannot tell which system this is: there is no /etc/os-release; docs/proxy.md says what to do by hand"
  # shellcheck disable=SC1090
  _ids=$(ID='' ID_LIKE='' && . "$_release" && printf '%s %s' "$ID" "$ID_LIKE")
  for _id in $_ids; do
    case $_id in
      flatcar) system=Flatcar store=/etc/ssl/certs suffix=.pem update=update-ca-certificates ;;
      debian | ubuntu) system=$_id store=/usr/local/share/ca-certificates suffix=.crt update=update-ca-certificates ;;
      alpine) system=Alpine store=/usr/local/share/ca-certificates suffix=.crt update=update-ca-certificates ;;
      fedora | rhel | centos) system=$_id store=/etc/pki/ca-trust/source/anchors suffix=.crt update=update-ca-trust ;;
      *) continue ;;
    esac
    return 0
  done
  die "cannot tell where this system ($_ids) keeps its authorities: only those of Debian, Ubuntu, Fedora, RHEL, Alpine and Flatcar are known; docs/proxy.md says what to do by hand"
}

own_certificates() {
  for _path in "$root$store"/entrepot-proxy-*"$suffix"; do
    if is_ours "$_path"; then printf '%s\n' "${_path#"$root"}"; fi
  done
}

# Certificates of before a renewal that are given out no more go.
trust_authority() {
  for _name in $certificates; do
    _pem=$(certificate "$_name")
    put "$store/entrepot-proxy-$_name$suffix" 644 "$_pem"
  done
  for _path in $(own_certificates); do
    _name=${_path##*/entrepot-proxy-}
    case " $certificates " in
      *" ${_name%"$suffix"} "*) ;;
      *) drop "$_path" ;;
    esac
  done
  # Also when the files were there: whoever made them may not have come to this.
  run "$update"
}

distrust_authority() {
  for _path in $(own_certificates); do drop "$_path"; done
  [ -n "$changed" ] || return 0
  case $system in
    debian | ubuntu) run "$update" --fresh ;;
    *) run "$update" ;;
  esac
}

# ---- Services.

unit_exists() {
  for _folder in /etc /run /usr/local/lib /usr/lib /lib; do
    if [ -e "$root$_folder/systemd/system/$1.service" ]; then return 0; fi
  done
  return 1
}

services_of() {
  case $1 in
    k3s) printf 'k3s k3s-agent' ;;
    *) printf '%s' "$1" ;;
  esac
}

# The services of a tool that are here, each with its kind: systemd:docker, openrc:docker.
found_of() {
  if [ "$1" = podman ]; then
    if command_path podman >/dev/null; then printf 'podman:podman\n'; fi
    return 0
  fi
  for _service in $(services_of "$1"); do
    if unit_exists "$_service"; then
      printf 'systemd:%s\n' "$_service"
    elif [ -e "$root/etc/init.d/$_service" ]; then
      printf 'openrc:%s\n' "$_service"
    fi
  done
}

own_path() {
  case $1 in
    systemd:*) printf '/etc/systemd/system/%s.service.d/entrepot-proxy.conf' "${1#*:}" ;;
    openrc:*) printf '/etc/rc.conf.d/entrepot-proxy-%s.conf' "${1#*:}" ;;
    podman:podman) printf '/etc/containers/containers.conf.d/entrepot-proxy.conf' ;;
  esac
}

# The files of others in which a proxy may be set for a service.
files_beside() {
  case $1 in
    systemd:*)
      for _folder in /etc /run /usr/local/lib /usr/lib /lib; do
        printf '%s\n' "$root$_folder/systemd/system/${1#*:}.service" "$root$_folder/systemd/system/${1#*:}.service.env"
        printf '%s\n' "$root$_folder/systemd/system/${1#*:}.service.d"/*.conf
      done
      printf '%s\n' "$root/etc/default/${1#*:}" "$root/etc/sysconfig/${1#*:}"
      ;;
    openrc:*) printf '%s\n' "$root/etc/conf.d/${1#*:}" "$root/etc/rc.conf" "$root/etc/rancher/k3s/k3s.env" ;;
  esac | while IFS= read -r _path; do
    if [ -f "$_path" ] && ! is_ours "$_path"; then printf '%s\n' "$_path"; fi
  done
}

# How the variables of a service are called: those of k3s are for its containerd alone, the cluster goes its own ways.
prefix_of() {
  case $1 in
    *:k3s | *:k3s-agent) printf 'CONTAINERD_' ;;
  esac
}

# Fails where something else says which proxy is used, and would be used instead.
check_proxy() {
  case $1 in
    podman:*) check_podman ;;
    *)
      files_beside "$1" | while IFS= read -r _path; do
        if grep -v '^[[:space:]]*[#;]' "$_path" | grep -Eiq "(^|[^_A-Za-z])$(prefix_of "$1")HTTPS?_PROXY="; then
          die "${_path#"$root"} sets a proxy for ${1#*:} already: nothing was changed; remove it there first"
        fi
      done || exit 1
      ;;
  esac
  _json=$root/etc/docker/daemon.json
  if [ "${1#*:}" = docker ] && [ -f "$_json" ] && grep -q '"proxies"' "$_json"; then
    die "/etc/docker/daemon.json has \"proxies\", which docker takes instead: nothing was changed; remove them there first"
  fi
}

# podman takes one list of variables, the last that it reads.
check_podman() {
  case $proxy in
    *@*) die "podman reads the proxy as every user, so its file cannot hold a password: nothing was changed; leave podman out" ;;
  esac
  for _path in "$root/usr/share/containers/containers.conf" "$root/etc/containers/containers.conf" \
    "$root"/etc/containers/containers.conf.d/*.conf; do
    if [ ! -f "$_path" ] || is_ours "$_path"; then continue; fi
    if awk '/^[ \t]*\[/ { engine = /^[ \t]*\[engine\]/ } engine && /^[ \t]*env[ \t]*=/ { found = 1 } END { exit !found }' "$_path"; then
      die "${_path#"$root"} sets env of [engine] for podman: nothing was changed; add HTTPS_PROXY=$proxy there"
    fi
  done
}

# What is reached without the proxy: this machine, and what was so before.
no_proxy_of() {
  _hosts=localhost,127.0.0.0/8,::1
  _kept=$(
    printf '%s\n' "$others" | tr ',' '\n'
    files_beside "$1" | while IFS= read -r _path; do
      grep -v '^[[:space:]]*[#;]' "$_path" |
        sed -n 's/.*[Nn][Oo]_[Pp][Rr][Oo][Xx][Yy]=["'\'']\{0,1\}\([^"'\'' ]*\).*/\1/p' | tr ',' '\n'
    done
  )
  set -f # a star is no file's name; this is a process of its own
  for _host in $_kept; do
    # What is no name or address is not taken along.
    case $_host in *[!A-Za-z0-9.:/*_-]*) continue ;; esac
    case ",$_hosts," in *",$_host,"*) ;; *) _hosts="$_hosts,$_host" ;; esac
  done
  printf '%s' "$_hosts"
}

text_for() {
  _hosts=$(no_proxy_of "$1")
  _prefix=$(prefix_of "$1")
  case $1 in
    systemd:*)
      say '[Service]'
      # systemd reads a percent sign as the beginning of something.
      _url=$(printf '%s' "$proxy" | sed 's/%/%%/g')
      for _name in HTTPS_PROXY HTTP_PROXY; do say "Environment=\"$_prefix$_name=$_url\""; done
      say "Environment=\"${_prefix}NO_PROXY=$_hosts\""
      ;;
    openrc:*)
      # Every service reads this after its own file in /etc/conf.d.
      say "if [ \"\${RC_SVCNAME:-}\" = '${1#*:}' ]; then"
      for _name in HTTPS_PROXY HTTP_PROXY; do say "  export $_prefix$_name='$proxy'"; done
      say "  export ${_prefix}NO_PROXY='$_hosts'"
      say 'fi'
      ;;
    podman:*)
      say '[engine]'
      say "env = [\"HTTPS_PROXY=$proxy\", \"HTTP_PROXY=$proxy\", \"NO_PROXY=$_hosts\"]"
      say ''
      say '[containers]'
      say '# The proxy is for pulling: containers do not trust its authority, and may not reach it.'
      say 'http_proxy = false'
      ;;
  esac
}

mode_of_proxy() {
  case $proxy in
    *@*) printf 600 ;;
    *) printf 644 ;;
  esac
}

# ---- Restarting: what runs reads neither authorities nor variables again.

restart() {
  _units=''
  _rc=''
  for _found in $1; do
    case $_found in
      systemd:*) _units="$_units ${_found#*:}" ;;
      openrc:*) _rc="$_rc ${_found#*:}" ;;
    esac
  done
  [ -n "$_units$_rc" ] || return 0
  if [ -z "$restart" ]; then
    say 'It counts when these were run:'
    [ -z "$_units" ] || say "  systemctl daemon-reload && systemctl try-restart$_units"
    for _service in $_rc; do say "  rc-service --ifstarted $_service restart"; done
    return 0
  fi
  if [ -n "$_units" ]; then
    run systemctl daemon-reload
    # shellcheck disable=SC2086
    run systemctl try-restart $_units
  fi
  for _service in $_rc; do run rc-service --ifstarted "$_service" restart; done
}

# ---- What was asked for.

install_all() {
  [ -n "$named" ] || for _tool in $tools; do wanted="$wanted $_tool"; done
  _all=''
  for _tool in $wanted; do
    _found=$(found_of "$_tool")
    [ -n "$_found" ] || [ -z "$named" ] || die "$_tool is not installed here: nothing was changed"
    _all="$_all $_found"
  done
  # First everything that could be in the way, so that nothing is done by half.
  for _name in $certificates; do check_path "$store/entrepot-proxy-$_name$suffix"; done
  for _found in $_all; do
    check_path "$(own_path "$_found")"
    check_proxy "$_found"
  done
  command_path "$update" >/dev/null || [ -n "$dry" ] || die "$update is not installed: nothing was changed; install ca-certificates"
  say "$system: the authority of the proxy $proxy, which can sign for ${hosts:-every host}"
  [ -z "$note" ] || say "$note"
  trust_authority
  case $_all in
    *[!\ ]*) ;;
    *) say "Found none of $tools: only the authority is trusted" ;;
  esac
  for _found in $_all; do
    _file=$(own_path "$_found")
    _content=$(text_for "$_found")
    put "$_file" "$(mode_of_proxy)" "$_content"
  done
  restart "$_all"
}

undo_all() {
  [ -n "$named" ] || wanted=$tools
  _gone=''
  for _tool in $wanted; do
    for _service in $(services_of "$_tool"); do
      for _kind in systemd openrc podman; do
        changed=''
        _file=$(own_path "$_kind:$_service")
        [ -z "$_file" ] || drop "$_file"
        [ -z "$changed" ] || _gone="$_gone $_kind:$_service"
      done
    done
  done
  changed=''
  if [ -z "$named" ]; then distrust_authority; else say 'The authority stays: --undo without a name removes it, too'; fi
  [ -n "$_gone$changed" ] || say 'There was nothing to remove'
  drop_folders
  restart "$_gone"
}

root=''
[ -z "${ENTREPOT_ROOT:-}" ] || root=${ENTREPOT_ROOT%/}
dry='' undo='' restart='' named='' wanted='' changed='' folders='' others=''
while [ $# -gt 0 ]; do
  case $1 in
    --undo) undo=yes ;;
    --dry-run) dry=yes ;;
    --restart) restart=yes ;;
    --proxy)
      [ $# -gt 1 ] || die '--proxy wants an address: http://cache.example.com:3128'
      shift
      proxy=$1
      ;;
    --no-proxy)
      [ $# -gt 1 ] || die '--no-proxy wants hosts: registry.lan,10.0.0.0/8'
      shift
      others=$1
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    docker | containerd | podman | k3s) wanted="$wanted $1" named=yes ;;
    *) die "does not know \"$1\"; --help says what it knows" ;;
  esac
  shift
done
case $proxy in
  http://?*) ;;
  *) die "cannot use \"$proxy\" as a proxy: its address begins with http://" ;;
esac
case $proxy in
  *[!]A-Za-z0-9.:/@%_~!+,=[-]*) die 'cannot use this proxy: characters other than letters, digits and -._~!+,= are written as %40' ;;
esac
case $others in
  *[!A-Za-z0-9.:/*_,-]*) die 'cannot use these hosts for --no-proxy: they are names and addresses with commas between' ;;
esac
case $root$(id -u) in
  0) ;;
  [0-9]*) [ -n "$dry" ] || die 'only root may change the system: run it by sudo, or with --dry-run' ;;
esac
find_system
check_root
if [ -n "$undo" ]; then undo_all; else install_all; fi
if [ -n "$dry" ]; then say 'Nothing was done: this was a dry run'; fi
