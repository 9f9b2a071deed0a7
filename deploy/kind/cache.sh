# shellcheck shell=bash
# What the scripts of kind and k3d share: the cache, in a container that outlives clusters. To be sourced.

: "${recipe:?the name of the recipe, as it begins what is said}"
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
: "${NAME:=entrepot}" "${IMAGE:=entrepot:latest}" "${PUSH_PORT:=5001}" "${PURGE:=no}"
container=entrepot-cache
address=http://$container:5000

say() { echo "$recipe: $*"; }

fail() {
  echo "$recipe: $*" >&2
  exit 1
}

check_variables() {
  local program
  [[ $NAME =~ ^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$ ]] || fail "cannot use NAME=$NAME: expected lower case letters, digits and -"
  [[ $PUSH_PORT =~ ^[1-9][0-9]{0,4}$ ]] || fail "cannot use PUSH_PORT=$PUSH_PORT: expected a port"
  [[ $PURGE =~ ^(yes|no)$ ]] || fail "cannot use PURGE=$PURGE: expected yes or no"
  for program in docker "$@"; do command -v "$program" >/dev/null || fail "needs $program"; done
  folder=${XDG_STATE_HOME:-$HOME/.local/state}/entrepot/${recipe%-*}-$NAME
}

start_cache() {
  if ! docker image inspect "$IMAGE" >/dev/null 2>&1; then
    say "builds the image $IMAGE, as there is none"
    docker build --file "$project/deploy/docker/Dockerfile" --tag "$IMAGE" "$project"
  fi
  if [ -n "$(docker ps --all --quiet --filter "name=^$container\$")" ]; then
    docker start "$container" >/dev/null
    say "the cache runs in the container $container, as before"
  else
    # What is pushed to localhost:PUSH_PORT is for every cluster here; only this machine reaches that port.
    docker run --detach --restart unless-stopped --name "$container" --publish "127.0.0.1:$PUSH_PORT:5001" \
      --volume "$container:/var/lib/entrepot" --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
      --env ENTREPOT_DOORS_HOSTED_LISTEN=:5001 --env ENTREPOT_HOSTED_ALLOW_ANONYMOUS_PUSH=true \
      --env "ENTREPOT_HOSTED_NAMES=localhost:$PUSH_PORT" \
      --env DOCKERHUB_USERNAME --env DOCKERHUB_PASSWORD --env GHCR_USERNAME --env GHCR_PASSWORD \
      --env QUAY_USERNAME --env QUAY_PASSWORD "$IMAGE" >/dev/null
    say "started the cache in the container $container; what it keeps is in the volume $container"
  fi
  local left=60
  until docker exec "$container" entrepot status --healthy >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "the cache does not answer: docker logs $container says why"
    sleep 0.5
  done
}

# write_setup TARGET: what `entrepot setup` has for it, into the folder of the cluster
write_setup() {
  mkdir -p "$folder"
  docker exec "$container" entrepot setup "$1" --address "$address" --script >"$folder/setup.sh"
  (cd "$folder" && sh ./setup.sh >setup.log) || fail "could not write to $folder"
  say "the set-up of the nodes is in $folder, as \`entrepot setup $1\` makes it"
}

# connect NETWORK
connect() {
  if docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$container" | grep -qw -- "$1"; then
    return
  fi
  docker network connect "$1" "$container"
  say "the cache is in the network $1"
}

tell_use() {
  say "done. Pods pull through the cache; docker push localhost:$PUSH_PORT/app:1 is for them, too"
  say "what it has: docker exec $container entrepot ls"
}

# The cache stays for the next cluster, unless it is to go.
stop_cache() {
  if [ "$PURGE" = yes ]; then
    docker rm --force "$container" >/dev/null
    docker volume rm --force "$container" >/dev/null
    say 'removed the cache, and all that it kept'
  else
    say "the cache stays, with what it keeps; PURGE=yes removes both"
  fi
}
