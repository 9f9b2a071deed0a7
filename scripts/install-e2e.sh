#!/bin/bash
# Installs, from Debian, the registries, clients and tools that the end-to-end tests (test/e2e) work with. Starts no service.
set -eu

packages=(docker-registry nginx skopeo podman buildah containerd docker.io iperf3 iproute2 openssl gnutls-bin cloud-init prometheus ca-certificates)
programs=(docker-registry nginx skopeo podman buildah containerd ctr dockerd docker iperf3 ip openssl certtool cloud-init prometheus promtool)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing() {
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || printf '%s ' "$program"
  done
}

[ -n "$(missing)" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "install-e2e: cannot install $(missing)without root and Debian's apt-get" >&2
  exit 1
fi

# Debian starts a service as soon as it is installed, unless this program forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

# It is here to check files with; it must not take this machine for a new one at its next start.
if ! command -v cloud-init >/dev/null; then
  mkdir -p /etc/cloud
  touch /etc/cloud/cloud-init.disabled
fi

export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${packages[@]}"
# From Debian 13 on, docker.io holds the daemon alone.
command -v docker >/dev/null || "${apt[@]}" install -y --no-install-recommends docker-cli

if [ -n "$(missing)" ]; then
  echo "install-e2e: still missing after the installation: $(missing)" >&2
  exit 1
fi
