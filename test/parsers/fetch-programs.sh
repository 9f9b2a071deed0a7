#!/bin/bash
# Fetches dockerd and kubectl of Debian 13 for the tests, into a folder, and installs nothing: fetch-programs.sh FOLDER.
# They come from where this machine, a Debian, has its own packages from; apt checks their signatures, by a configuration of its
# own. FOLDER/dockerd and FOLDER/kubectl run them with the libraries that came with them.
set -euo pipefail

suite=trixie
packages=(docker.io kubectl libc6 libsystemd0 libcap2)

fail() {
  echo "fetch-programs: $*" >&2
  exit 1
}

[ $# = 1 ] || fail 'expected FOLDER'
mkdir -p "$1"
folder=$(cd "$1" && pwd -P)
for tool in apt-get dpkg-deb; do command -v "$tool" >/dev/null || fail "this machine has no $tool"; done
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
grep -qx 'ID=debian' /etc/os-release || fail 'this machine is no Debian'

# Where Debian itself is read from, and not what mends it. The words in braces are for apt.
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  awk -v release="$release" '($1 == release || $1 == "stable") && $2 == "main" { print $3; exit }')
[ -n "$mirror" ] || fail 'found no mirror of Debian among the sources of this machine'

work=$(mktemp -d "$folder/fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,state/lists/partial,cache/archives/partial,packages,root}
touch "$work/state/status"
printf '%s\n' 'Types: deb' "URIs: $mirror" "Suites: $suite" 'Components: main' 'Targets: Packages' \
  'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >"$work/sources/$suite.sources"
options=(
  -q
  -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/sources"
  -o "Dir::State=$work/state" -o "Dir::State::status=$work/state/status" -o "Dir::Cache=$work/cache"
  -o Acquire::Languages=none -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
  -o APT::Sandbox::User= # the user that apt would be otherwise cannot read this folder
)
apt-get "${options[@]}" update --error-on=any >"$work/log" 2>&1 || fail "$(tail -n 3 "$work/log")"
(cd "$work/packages" && apt-get "${options[@]}" download "${packages[@]}") >"$work/log" 2>&1 || fail "$(tail -n 3 "$work/log")"
for package in "$work"/packages/*.deb; do dpkg-deb --extract "$package" "$work/root"; done

rm -rf "$folder/root"
mv "$work/root" "$folder/root"
libraries=$(dirname "$(find "$folder/root/usr/lib" -name libc.so.6)")
for program in dockerd kubectl; do
  real=$(find "$folder/root/usr/bin" "$folder/root/usr/sbin" -name "$program")
  printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$(find "$libraries" -name 'ld-linux*')" "$libraries" "$real" \
    >"$folder/$program"
  chmod +x "$folder/$program"
done
