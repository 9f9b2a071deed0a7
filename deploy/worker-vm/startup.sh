#!/bin/sh
# Start-up script of worker VMs: has docker and containerd pull through the cache whose address the VM was given,
# docker_registry_cache_ip among the metadata of Google Cloud, or in the user data (JSON) of Azure. Without it, it does nothing.
# It ends well whatever happens, and within a minute: a VM that pulls past the cache is better than one that does not boot.
# It asks the cache for nothing: what a VM runs as root while it boots should not come from the network.
# ENTREPOT_ROOT puts the files below another folder, and tells no service.
umask 022
root=${ENTREPOT_ROOT:-}
metadata=http://169.254.169.254
name=docker_registry_cache_ip
mark='# Made by the start-up script of Entrepot.'
state=$root/var/lib/entrepot-worker/mirror

say() { printf 'entrepot: %s\n' "$1" >&2; }

# fetch URL HEADER: prints what is there. 0: it is; 1: the server says that it is not; 2: nobody answers, or with an error
fetch() {
  body=$(curl -sS --noproxy '*' --connect-timeout 1 --max-time 3 --max-filesize 262144 -H "$2" -w '\n%{http_code}' "$1" 2>/dev/null) || return 2
  code=${body##*
}
  case $code in
    200) printf '%s' "${body%?"$code"}" ;;
    4*) return 1 ;;
    *) return 2 ;;
  esac
}

google() { fetch "$metadata/computeMetadata/v1/instance/attributes/$name" 'Metadata-Flavor: Google'; }

azure() {
  encoded=$(fetch "$metadata/metadata/instance/compute/userData?api-version=2021-01-01&format=text" 'Metadata: true') || return $?
  printf '%s' "$encoded" | base64 -d 2>/dev/null | tr -d '\000\n\r' |
    sed -n 's/.*"'"$name"'"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p'
}

# Prints the value, or nothing; asks again while nobody answers, as the network may come up late.
find_value() {
  for pause in 1 2 4 0; do
    found=$(google) && [ -n "$found" ] && break
    first=$?
    found=$(azure) && [ -n "$found" ] && break
    second=$?
    found=
    # One that answers, and has no value, will have none later.
    if [ $first -ne 2 ] || [ $second -ne 2 ]; then break; fi
    [ $pause -eq 0 ] || sleep $pause
  done
  printf '%s' "$found"
}

label='[0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?'
port=':([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])'

# The URL of the cache, from a URL, an address or a name, with or without a port; nothing for what is none. docker does not
# start with one that it cannot read.
url_of() {
  case $1 in
    *[!0-9A-Za-z.:/[\]-]*) return ;;
    *://*) url=$1 ;;
    \[*) url=http://$1 ;;
    *:*:*) url="http://[$1]" ;;
    *) url=http://$1 ;;
  esac
  case ${url#*://} in
    \[*)
      address=${url#*[}
      python3 -c 'import ipaddress, sys; ipaddress.IPv6Address(sys.argv[1])' "${address%%]*}" 2>/dev/null || return
      host='\[[0-9A-Fa-f:.]+\]'
      ;;
    *) host="$label(\.$label)*" ;;
  esac
  url=$(printf '%s' "$url" | grep -Ex "https?://$host($port)?") || return
  if printf '%s' "$url" | grep -qE ':[0-9]+$'; then
    printf '%s' "$url"
    return
  fi
  case $url in https:*) printf '%s' "$url" ;; *) printf '%s:5000' "$url" ;; esac
}

# write PATH TEXT: it appears as a whole, or not at all, with the owner and mode that it had; what was there before the first time
# is kept
write() {
  mkdir -p "${1%/*}" || return 1
  if [ -e "$1" ] && [ ! -e "$1.before-entrepot" ]; then cp -p "$1" "$1.before-entrepot" || return 1; fi
  rm -f "$1.entrepot-new"
  if [ -e "$1" ]; then cp -p "$1" "$1.entrepot-new" || return 1; fi
  printf '%s\n' "$2" >"$1.entrepot-new" && mv "$1.entrepot-new" "$1"
}

# tell VERB SERVICE: nothing is waited for, as a service may wait for the boot to end
tell() {
  if [ -z "$root" ] && command -v systemctl >/dev/null; then
    timeout 10 systemctl --no-block "$1" "$2.service" || say "$2 could not be told"
  fi
}

# The daemon.json that there is, with this mirror, and without the one that a boot before has put there.
merged() {
  python3 - "$1" "$2" "$3" <<'PYTHON'
import json, sys
path, url, before = sys.argv[1:]
with open(path, encoding="utf-8-sig") as file:
    there = json.load(file)
def put(key, ours, old):
    rest = [each for each in there.get(key) or [] if each not in (ours, old)]
    there[key] = ([ours] if ours else []) + rest
    if not there[key]:
        del there[key]
def plain(address):
    return address[len("http://"):] if address.startswith("http://") else None
put("registry-mirrors", url, before)
put("insecure-registries", plain(url), plain(before))
print(json.dumps(there, indent=2))
PYTHON
}

# As the other would print it, so that the next boot finds nothing to change.
fresh() {
  printf '{\n  "registry-mirrors": [\n    "%s"\n  ]' "$1"
  case $1 in http://*) printf ',\n  "insecure-registries": [\n    "%s"\n  ]' "${1#http://}" ;; esac
  printf '\n}\n'
}

# Whether a daemon.json can be read; an older dockerd cannot tell, and is believed.
docker_takes() {
  command -v dockerd >/dev/null || return 0
  trial=$(mktemp) || return 1
  printf '%s\n' "$1" >"$trial"
  said=$(timeout 10 dockerd --validate --config-file "$trial" 2>&1) && taken=0 || taken=1
  rm -f "$trial"
  case $said in *'unknown flag'*) return 0 ;; esac
  return "$taken"
}

set_up_docker() {
  file=$root/etc/docker/daemon.json
  # docker does not start when it is told of mirrors in both places.
  if grep -qs -e --registry-mirror "$root/etc/default/docker" "$root"/etc/systemd/system/docker.service \
    "$root"/etc/systemd/system/docker.service.d/*.conf "$root"/lib/systemd/system/docker.service; then
    say 'docker has --registry-mirror as a flag already: daemon.json is left as it is'
    return
  fi
  if [ -s "$file" ]; then
    text=$(merged "$file" "$1" "$(cat "$state" 2>/dev/null)") || { say "$file is left as it is: it could not be merged"; return; }
  else
    text=$(fresh "$1")
  fi
  if [ -e "$file" ] && [ "$(cat "$file")" = "$text" ]; then return; fi
  docker_takes "$text" || { say "$file is left as it is: docker would not take it"; return; }
  if write "$file" "$text"; then
    say "docker pulls Docker Hub through $1"
    mkdir -p "${state%/*}" && printf '%s\n' "$1" >"$state"
    tell try-reload-or-restart docker
  else
    say "$file could not be written"
  fi
}

set_up_containerd() {
  [ -d "$root/etc/containerd" ] || command -v containerd >/dev/null || return
  file=$root/etc/containerd/certs.d/_default/hosts.toml
  text="$mark
[host.\"$1\"]
  capabilities = [\"pull\", \"resolve\"]"
  if [ -s "$file" ] && ! grep -qF "$mark" "$file"; then
    say "$file is there already, and left as it is"
  elif [ ! -e "$file" ] || [ "$(cat "$file")" != "$text" ]; then
    if write "$file" "$text"; then say "containerd pulls through $1"; else say "$file could not be written"; fi
  fi
  config=$root/etc/containerd/config.toml
  if [ ! -e "$config" ]; then
    if write "$config" "$mark
version = 2
[plugins.\"io.containerd.grpc.v1.cri\".registry]
  config_path = \"/etc/containerd/certs.d\""; then tell try-restart containerd; else say "$config could not be written"; fi
  elif ! grep -q "^[[:space:]]*config_path[[:space:]]*=[[:space:]]*[\"'].*certs.d" "$config"; then
    say "$config has no config_path, so containerd does not look into /etc/containerd/certs.d"
  fi
}

main() {
  command -v curl >/dev/null || { say 'needs curl: nothing was done'; return; }
  value=$(find_value)
  [ -n "$value" ] || return
  url=$(url_of "$value")
  [ -n "$url" ] || { say "$name is no address: nothing was done"; return; }
  set_up_docker "$url"
  set_up_containerd "$url"
}

main
exit 0
