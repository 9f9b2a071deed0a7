#!/bin/bash
# `make config`: writes entrepot.yaml, and entrepot.env for secrets, for `make install` to put to /etc/entrepot. On a terminal it
# asks for what is not given; what is there already stays as it is.
set -euo pipefail

usage() {
  cat <<'END'
Usage: make config [VARIABLE=VALUE...]

  LISTEN     where clients reach it: :5000 (every address of this machine), 127.0.0.1:5000
  PROXY      where clients reach it as their HTTPS_PROXY: 127.0.0.1:3128, :3128, none
  DOMAIN     the base domain of virtual hosts; none, unless given
  MAX_BYTES  how much it may keep: 50GB
  DATA       where: /var/lib/entrepot, as the systemd unit has it
  REGISTRY_CACHE_AUTH_REGISTRIES
             credentials for registries, host:name:password, with blanks between several: auth.docker.io:someone:secret
END
}

fail() {
  echo "config: $*" >&2
  exit 1
}

[ "${1-}" != --help ] || { usage; exit 0; }
here=$(cd "$(dirname "$0")/../.." && pwd -P)
yaml=$here/entrepot.yaml
variables=$here/entrepot.env

if [ -e "$yaml" ]; then
  echo "config: $yaml is there, and stays as it is"
  exit 0
fi

# ask NAME DEFAULT QUESTION [-s]
ask() {
  [ -z "${!1+given}" ] || return 0
  local answer=''
  if [ -t 0 ]; then
    # shellcheck disable=SC2086 # the flag may be missing
    read -r ${4-} -p "$3${2:+ [$2]}: " answer || true
    [ -z "${4-}" ] || echo
  fi
  printf -v "$1" '%s' "${answer:-$2}"
}

# Nothing of it may be YAML.
check() { # NAME PATTERN EXPECTED
  local value=${!1}
  [[ -z $value || $value =~ ^($2)$ ]] || fail "cannot use $1=$value: expected $3"
}

ask LISTEN :5000 'Where clients reach it'
ask PROXY 127.0.0.1:3128 'Where they reach it as a proxy, or none'
ask DOMAIN '' 'The base domain of virtual hosts, or nothing'
ask MAX_BYTES 50GB 'How much it may keep'
ask DATA /var/lib/entrepot 'Where'
ask REGISTRY_CACHE_AUTH_REGISTRIES '' 'Credentials, host:name:password with blanks between them, or nothing' -s
for name in LISTEN PROXY; do check $name '[][0-9A-Za-z.:-]+' 'an address, such as :5000'; done
check DOMAIN '[0-9A-Za-z.-]+' 'a name, such as registry.example.com'
check MAX_BYTES '[0-9.]+[A-Za-z]*' 'a size, such as 50GB'
check DATA '/[0-9A-Za-z._/-]+' 'an absolute path'
[[ $REGISTRY_CACHE_AUTH_REGISTRIES != *$'\n'* ]] || fail 'cannot use REGISTRY_CACHE_AUTH_REGISTRIES: it has several lines'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{
  echo '# Made by make config; docs/configuration.md has all keys.'
  echo "data: $DATA"
  [ -z "$DOMAIN" ] || echo "domain: $DOMAIN"
  echo 'doors:'
  echo "  registry: { listen: \"$LISTEN\", default: docker.io }"
  echo "  proxy: { listen: \"$PROXY\" }"
  echo "cache: { maxBytes: $MAX_BYTES }"
  echo 'log: { level: info, format: json }'
} >"$scratch/entrepot.yaml"
REGISTRY_CACHE_AUTH_REGISTRIES=$REGISTRY_CACHE_AUTH_REGISTRIES \
  node "$here/src/cli/main.ts" config check --config "$scratch/entrepot.yaml" >"$scratch/checked" || fail 'nothing was written'

if [ -n "$REGISTRY_CACHE_AUTH_REGISTRIES" ] && [ ! -e "$variables" ]; then
  # In double quotes, systemd takes these four for its own unless there is a backslash before.
  quoted=$(printf '%s' "$REGISTRY_CACHE_AUTH_REGISTRIES" | sed 's/[\\"$`]/\\&/g')
  (umask 077 && printf 'REGISTRY_CACHE_AUTH_REGISTRIES="%s"\n' "$quoted" >"$scratch/entrepot.env")
  mv "$scratch/entrepot.env" "$variables"
  echo "config: wrote $variables, which only you can read"
fi
mv "$scratch/entrepot.yaml" "$yaml"
echo "config: wrote $yaml; make install takes it from there"
