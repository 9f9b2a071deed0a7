#!/bin/bash
# `make test-image`: builds the image of deploy/docker, and has dockerd run it as Kubernetes would: over a read-only file system,
# as no root, without capabilities. Takes root and the programs below; what it starts runs in namespaces of its own, on loopback.
# BASE names the image to build from, where one can be pulled; without, one is made of Debian's packages and the Node.js of npm.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
  echo "test-image: $*" >&2
  exit 1
}

build_base() {
  debootstrap --variant=minbase --include=ca-certificates bookworm "$scratch/base" >"$scratch/debootstrap.log" ||
    fail "debootstrap: $(tail -3 "$scratch/debootstrap.log")"
  local root=$scratch/base/usr/local
  cp "$(node -p process.execPath)" "$root/bin/node"
  mkdir -p "$root/lib/node_modules" "$root/etc"
  # Of npm itself, wherever it is: its prefix goes by the Node.js that is first in the path.
  cp -r "$(dirname "$(realpath "$(command -v npm)")")/.." "$root/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/bin/npm"
  # npm in there reaches what npm out here does.
  cp -L /etc/ssl/certs/ca-certificates.crt "$scratch/base/etc/ssl/certs/"
  echo 'cafile = "/etc/ssl/certs/ca-certificates.crt"' >"$root/etc/npmrc"
  printf 'FROM scratch\nCOPY . /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n' >"$scratch/Basefile"
  "${buildah[@]}" bud --quiet --isolation chroot --file "$scratch/Basefile" --tag "$BASE" "$scratch/base"
}

outside() {
  local missing='' program
  for program in buildah debootstrap dockerd docker docker-registry skopeo unshare ip; do
    command -v $program >/dev/null || missing="$missing $program"
  done
  [ -z "$missing" ] || fail "needs$missing"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  buildah=(buildah --root "$scratch/storage" --runroot "$scratch/run" --storage-driver vfs)
  if [ -z "${BASE:-}" ]; then
    BASE=localhost/base
    build_base
  fi
  "${buildah[@]}" bud --quiet --isolation chroot --format docker --build-arg "BASE=$BASE" \
    --file deploy/docker/Dockerfile --tag localhost/entrepot:test .
  "${buildah[@]}" push --quiet localhost/entrepot:test "docker-archive:$scratch/image.tar:localhost/entrepot:test"
  rm -rf "$scratch/base" "$scratch/storage"
  unshare --net --mount --propagation=private --pid --fork --kill-child --mount-proc -- "$0" --inside "$scratch"
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local left=$(($1 * 5)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "waited in vain for $what"
    sleep 0.2
  done
}

is_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; }

# start NAME FLAGS...: the image as Kubernetes runs it
start() {
  local name=$1
  shift
  docker run --detach --name "$name" --network host --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges --health-interval 1s \
    --env ENTREPOT_UPSTREAMS='{"origin.test": {"url": "http://127.0.0.1:5100"}}' "$@" localhost/entrepot:test >/dev/null
  wait_for 30 "$name to be healthy" is_healthy "$name"
}

pull() { skopeo copy --quiet --src-tls-verify=false "docker://127.0.0.1:5000/origin.test/team/app:1" "dir:$scratch/$1"; }

inside() {
  scratch=$1
  ip link set lo up
  mount -t tmpfs tmpfs /run
  export DOCKER_HOST=unix:///run/test-image.sock DOCKER_CONFIG=$scratch/docker-config
  dockerd --host "$DOCKER_HOST" --data-root "$scratch/docker" --exec-root /run/docker --pidfile /run/test-image.pid \
    --iptables=false --ip6tables=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs --storage-driver "${DRIVER:-overlay2}" \
    >"$scratch/dockerd.log" 2>&1 &
  wait_for 30 dockerd docker info
  printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: %s/origin } }\nhttp: { addr: "127.0.0.1:5100" }\n' "$scratch" >"$scratch/origin.yml"
  docker-registry serve "$scratch/origin.yml" >"$scratch/origin.log" 2>&1 &
  docker load --quiet --input "$scratch/image.tar" >/dev/null
  docker tag localhost/entrepot:test 127.0.0.1:5100/team/app:1
  docker push --quiet 127.0.0.1:5100/team/app:1 >/dev/null

  start cache
  pull first
  cmp "$scratch/first/manifest.json" <(curl -fsS -H 'Accept: */*' -H "Accept: application/vnd.docker.distribution.manifest.v2+json" 127.0.0.1:5100/v2/team/app/manifests/1) || fail 'the manifest is another'
  [ "$(docker exec cache entrepot ls | grep -c origin.test/team/app)" = 1 ] || fail 'entrepot ls does not show what was pulled'
  [ "$(docker exec cache id -u):$(docker exec cache id -g)" = 10001:0 ] || fail 'it does not run as 10001:0'
  [ -z "$(docker diff cache)" ] || fail "it wrote outside of its volume: $(docker diff cache)"
  docker exec cache test -w /opt/entrepot/dist && fail 'it may write its own program'
  docker stop cache >/dev/null
  [ "$(docker inspect --format '{{.State.ExitCode}}' cache)" = 0 ] || fail 'it does not end well on SIGTERM'
  echo 'passed: it is healthy, serves what it pulled, writes to its volume alone, and stops'

  start other --user 20000:0
  pull second
  docker rm --force other >/dev/null
  echo 'passed: any other user of group 0 can run it'

  mkdir -m 0700 "$scratch/own" && chown 20000:20000 "$scratch/own"
  printf 'data: /var/lib/entrepot\ndoors: { registry: { listen: "127.0.0.1:5050" }, hosted: { listen: none }, proxy: { listen: none } }\n' >"$scratch/own.yaml"
  chmod 0755 "$scratch"
  start mounted --user 20000:20000 --volume "$scratch/own:/var/lib/entrepot" --volume "$scratch/own.yaml:/etc/entrepot/entrepot.yaml:ro"
  curl -fsS 127.0.0.1:5050/readyz >/dev/null || fail 'it does not read the configuration that is mounted'
  docker rm --force mounted >/dev/null
  echo 'passed: another user, with a folder and a configuration of its own'

  # What `args` of the Kubernetes manifests come to.
  docker run --rm --network none --read-only --user 10001:10001 --tmpfs /var/lib/entrepot:mode=0777 localhost/entrepot:test \
    config check --config /etc/entrepot/entrepot.yaml >/dev/null || fail 'config check fails in the image'
  [ "$(docker run --rm --network none localhost/entrepot:test --version)" = "$(node -p 'require("./package.json").version')" ] ||
    fail 'it is another version'
  local size
  size=$(docker image inspect --format '{{.Size}}' localhost/entrepot:test)
  echo "passed: commands (the image has $((size / 1000000)) MB, with its base)"
}

if [ "${1:-}" = --inside ]; then inside "$2"; else outside; fi
