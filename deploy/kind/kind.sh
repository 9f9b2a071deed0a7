#!/bin/bash
# `make kind-up` and `make kind-down`: a cache, and a kind cluster that pulls through it. Up twice is once.
# NAME is the cluster, IMAGE the cache's image, PUSH_PORT where images are pushed to, PURGE=yes (down) removes the cache, too.
set -euo pipefail
recipe=kind-${1-}
# shellcheck source=deploy/kind/cache.sh
. "$(dirname "$0")/cache.sh"

up() {
  check_variables kind kubectl
  start_cache
  write_setup kind
  if kind get clusters 2>/dev/null | grep -qx -- "$NAME"; then
    say "the cluster $NAME is there, and stays as it is"
  else
    # In that folder, as the nodes see kind-certs.d of it.
    (cd "$folder" && kind create cluster --name "$NAME" --config kind.yaml)
    say "made the cluster $NAME"
  fi
  connect kind
  kubectl --context "kind-$NAME" apply --filename "$folder/local-registry-hosting.yaml"
  tell_use
}

down() {
  check_variables kind
  kind delete cluster --name "$NAME"
  say "removed the cluster $NAME"
  stop_cache
}

case ${1-} in
  up | down) "$1" ;;
  *) echo "Usage: make kind-up|kind-down [NAME=entrepot] [IMAGE=entrepot:latest] [PUSH_PORT=5001] [PURGE=yes]" >&2 && exit 2 ;;
esac
