#!/bin/bash
# Applies one of the overlays to a cluster: what `make deploy` runs. Every variable is explained by `deploy.sh --help`.
set -euo pipefail

usage() {
  cat <<'END'
Usage: make deploy IMAGE=IMAGE [VARIABLE=VALUE...]

  IMAGE        the image to run, as your nodes pull it: registry.example.com/entrepot:0.1.0
  OVERLAY      base (inside of the cluster; the default), gcp, azure, aws, ingress
  NAMESPACE    entrepot, unless given; made when it is missing
  PERSISTENT   yes: a StatefulSet with PersistentVolumes, in place of a Deployment with emptyDirs
  CREDENTIALS  yes: credentials for upstreams from the Secret entrepot-credentials
  MONITORING   yes: ServiceMonitor, PrometheusRule and dashboard; needs the kinds of the Prometheus operator
  CONFIG       a file in place of deploy/kubernetes/base/entrepot.yaml
  ADDRESS      the address of the load balancer (gcp, azure)
  HOST         the name of the ingress; its certificate is in the Secret entrepot-tls
  REPLICAS     2, unless given
  CONTEXT      the context of kubectl; the current one, unless given
  DRY_RUN      yes: print what would be applied, and speak with no cluster
END
}

fail() {
  echo "deploy: $*" >&2
  exit 1
}

# What is written into a manifest is looked at before: nothing of it may be YAML.
check() { # NAME PATTERN EXPECTED
  local value=${!1}
  [[ -z $value || $value =~ ^($2)$ ]] || fail "cannot use $1=$value: expected $3"
}

[ "${1-}" != --help ] || { usage; exit 0; }

here=$(cd "$(dirname "$0")" && pwd -P)
: "${IMAGE:=}" "${OVERLAY:=base}" "${NAMESPACE:=entrepot}" "${PERSISTENT:=no}" "${CREDENTIALS:=no}" "${MONITORING:=no}"
: "${CONFIG:=}" "${ADDRESS:=}" "${HOST:=}" "${REPLICAS:=2}" "${CONTEXT:=}" "${DRY_RUN:=no}"

[ -n "$IMAGE" ] || { usage >&2; fail 'which image? No image is published yet: build one, push it, and give its name as IMAGE'; }
check IMAGE '[a-zA-Z0-9][a-zA-Z0-9._/:-]*(@sha256:[0-9a-f]{64})?' 'an image, such as registry.example.com/entrepot:0.1.0'
check OVERLAY 'base|gcp|azure|aws|ingress' 'base, gcp, azure, aws or ingress (PERSISTENT=yes goes with each)'
check NAMESPACE '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?' 'the name of a namespace'
check ADDRESS '[0-9.]+|[0-9a-fA-F:]+' 'an address'
check HOST '[a-z0-9]([a-z0-9.-]*[a-z0-9])?' 'a name'
check REPLICAS '[1-9][0-9]*' 'a number'
for name in PERSISTENT CREDENTIALS MONITORING DRY_RUN; do check $name 'yes|no' 'yes or no'; done
[ -z "$CONFIG" ] || [ -r "$CONFIG" ] || fail "cannot read CONFIG=$CONFIG"
[ -z "$ADDRESS" ] || [ "$OVERLAY" = gcp ] || [ "$OVERLAY" = azure ] || fail 'ADDRESS is for the overlays gcp and azure; aws gives a name'
[ -z "$HOST" ] || [ "$OVERLAY" = ingress ] || fail 'HOST is for the overlay ingress'

kubectl=(kubectl ${CONTEXT:+--context "$CONTEXT"})
if command -v kustomize >/dev/null; then build=(kustomize build)
elif command -v kubectl >/dev/null; then build=(kubectl kustomize)
else fail 'needs kubectl (or kustomize, for DRY_RUN=yes)'; fi
[ "$DRY_RUN" = yes ] || command -v kubectl >/dev/null || fail 'needs kubectl'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
scratch=$(cd "$scratch" && pwd -P)

# kustomize takes no absolute path, and only GNU's realpath makes a relative one: up from the scratch folder to the root, and down.
# In quotes for YAML, whatever the folders are called.
relative() {
  local up path
  up=$(printf '%s' "$scratch" | sed 's,/[^/]*,../,g')
  path=$(printf '%s' "${here#/}/$1" | sed "s/'/''/g")
  echo "'$up$path'"
}

# kustomize wants them apart; a port is no tag.
split_image() {
  local name=${IMAGE%%@*}
  echo "  - name: entrepot"
  local tag=latest
  if [[ ${name##*/} == *:* ]]; then
    tag=${name##*:}
    name=${name%:*}
  fi
  echo "    newName: $name"
  if [[ $IMAGE == *@* ]]; then
    echo "    digest: ${IMAGE#*@}"
  else
    echo "    newTag: \"$tag\""
  fi
}

patches() {
  if [ "$OVERLAY" = gcp ] && [ -n "$ADDRESS" ]; then
    echo "  - target: { kind: Service, name: entrepot }"
    echo "    patch: '[{ \"op\": \"add\", \"path\": \"/spec/loadBalancerIP\", \"value\": \"$ADDRESS\" }]'"
  elif [ "$OVERLAY" = azure ] && [ -n "$ADDRESS" ]; then
    echo "  - target: { kind: Service, name: entrepot }"
    echo "    patch: '[{ \"op\": \"add\", \"path\": \"/metadata/annotations/service.beta.kubernetes.io~1azure-load-balancer-ipv4\", \"value\": \"$ADDRESS\" }]'"
  elif [ -n "$HOST" ]; then
    echo "  - target: { kind: Ingress, name: entrepot }"
    echo "    patch: '[{ \"op\": \"replace\", \"path\": \"/spec/rules/0/host\", \"value\": \"$HOST\" }, { \"op\": \"replace\", \"path\": \"/spec/tls/0/hosts/0\", \"value\": \"$HOST\" }]'"
  fi
}

write_kustomization() {
  local overlay=overlays/$OVERLAY
  [ "$OVERLAY" != base ] || overlay=base
  echo "apiVersion: kustomize.config.k8s.io/v1beta1"
  echo "kind: Kustomization"
  echo "namespace: $NAMESPACE"
  echo "resources: [$(relative "$overlay")]"
  echo "components:"
  [ "$PERSISTENT" = no ] || echo "  - $(relative components/persistent)"
  [ "$CREDENTIALS" = no ] || echo "  - $(relative components/credentials)"
  [ "$MONITORING" = no ] || echo "  - $(relative components/monitoring)"
  if [ -n "$CONFIG" ]; then
    echo "configMapGenerator:"
    echo "  - { name: entrepot, behavior: replace, files: [entrepot.yaml] }"
  fi
  echo "replicas:"
  echo "  - { name: entrepot, count: $REPLICAS }"
  echo "images:"
  split_image
  echo "patches:"
  patches
}

[ -z "$CONFIG" ] || cp "$CONFIG" "$scratch/entrepot.yaml"
write_kustomization >"$scratch/kustomization.yaml"
"${build[@]}" "$scratch" >"$scratch/manifests.yaml"

echo "deploy: $OVERLAY, $REPLICAS replicas, image $IMAGE, namespace $NAMESPACE$([ "$PERSISTENT" = no ] || echo ', PersistentVolumes')" >&2
kind=$([ "$PERSISTENT" = yes ] && echo statefulset || echo deployment)
other=$([ "$PERSISTENT" = yes ] && echo deployment || echo statefulset)

if [ "$DRY_RUN" = yes ]; then
  cat "$scratch/manifests.yaml"
  echo "deploy: this would be applied by: ${kubectl[*]} apply --filename -" >&2
  exit 0
fi

"${kubectl[@]}" get namespace "$NAMESPACE" >/dev/null 2>&1 || "${kubectl[@]}" create namespace "$NAMESPACE"
# Both would run, behind the same Service.
if [ -n "$("${kubectl[@]}" get "$other" entrepot --namespace "$NAMESPACE" --ignore-not-found --output name)" ]; then
  fail "there is a $other \"entrepot\", and this is a $kind: remove it first, with kubectl delete $other entrepot --namespace $NAMESPACE"
fi
"${kubectl[@]}" apply --filename "$scratch/manifests.yaml"
"${kubectl[@]}" rollout status "$kind/entrepot" --namespace "$NAMESPACE" --timeout 10m
"${kubectl[@]}" get service entrepot --namespace "$NAMESPACE" --output wide
[ "$OVERLAY" != ingress ] || "${kubectl[@]}" get ingress entrepot --namespace "$NAMESPACE"
echo 'deploy: done. docs/deploy/kubernetes.md says how clients are pointed at it' >&2
