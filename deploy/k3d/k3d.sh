#!/bin/bash
# `make k3d-up` and `make k3d-down`: a cache, and a k3d cluster that pulls through it. Up twice is once.
# NAME is the cluster, IMAGE the cache's image, PUSH_PORT where images are pushed to, PURGE=yes (down) removes the cache, too.
set -euo pipefail
recipe=k3d-${1-}
# shellcheck source=deploy/kind/cache.sh
. "$(dirname "$0")/../kind/cache.sh"
network=registry-cache

up() {
  check_variables k3d
  start_cache
  write_setup k3d
  # Before the cluster, so that what k3s itself runs comes through the cache, too.
  docker network inspect "$network" >/dev/null 2>&1 || docker network create "$network" >/dev/null
  connect "$network"
  if k3d cluster get "$NAME" >/dev/null 2>&1; then
    say "the cluster $NAME is there, and stays as it is: k3d gives registries.yaml to new nodes only"
  else
    k3d cluster create "$NAME" --network "$network" --registry-config "$folder/k3d-registries.yaml"
    say "made the cluster $NAME"
  fi
  tell_use
}

down() {
  check_variables k3d
  k3d cluster delete "$NAME"
  say "removed the cluster $NAME"
  stop_cache
}

case ${1-} in
  up | down) "$1" ;;
  *) echo "Usage: make k3d-up|k3d-down [NAME=entrepot] [IMAGE=entrepot:latest] [PUSH_PORT=5001] [PURGE=yes]" >&2 && exit 2 ;;
esac
