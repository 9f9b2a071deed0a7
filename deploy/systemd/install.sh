#!/bin/bash
# `make install` and `make uninstall`: Entrepot as a service of systemd, with the Node.js that it runs on. DESTDIR puts all of it
# below another folder, as for a package, and starts nothing. Twice is once; what is in /etc/entrepot is never written over.
set -euo pipefail

fail() {
  echo "install: $*" >&2
  exit 1
}

here=$(cd "$(dirname "$0")" && pwd -P)
project=$(cd "$here/../.." && pwd -P)
: "${PREFIX:=/usr/local}" "${DESTDIR:=}"
[[ $PREFIX =~ ^/[0-9A-Za-z._/-]+$ ]] || fail "cannot use PREFIX=$PREFIX: expected an absolute path without blanks"
library=$PREFIX/lib/entrepot
unit=$PREFIX/lib/systemd/system/entrepot.service
users=$PREFIX/lib/sysusers.d/entrepot.conf
program=$PREFIX/bin/entrepot
# systemd looks into these two alone.
[ "$PREFIX" = /usr ] || [ "$PREFIX" = /usr/local ] || unit=/etc/systemd/system/entrepot.service
[ "$PREFIX" = /usr ] || [ "$PREFIX" = /usr/local ] || users=/etc/sysusers.d/entrepot.conf

is_live() { [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; }
may_write() { [ -n "$DESTDIR" ] || [ "$(id -u)" = 0 ] || fail 'takes root: sudo make install (or DESTDIR=…)'; }

changed=no

# put MODE PATH: the text comes on standard input
put() {
  local to=$DESTDIR$2
  mkdir -p "$(dirname "$to")"
  rm -f "$to.new"
  # It may hold a password, so nobody reads it before it has its mode.
  (umask 077 && cat >"$to.new")
  chmod "$1" "$to.new"
  if [ -e "$to" ] && cmp -s "$to" "$to.new"; then
    rm "$to.new"
    return
  fi
  mv "$to.new" "$to"
  changed=yes
  echo "install: wrote $2"
}

# keep MODE PATH SOURCE: only where there is nothing
keep() {
  if [ -e "$DESTDIR$2" ]; then
    echo "install: $2 is there, and stays as it is"
  else
    mkdir -p "$(dirname "$DESTDIR$2")"
    put "$1" "$2" <"$3"
  fi
}

# What the lock file has that is not for development; one package may be in another's folder, and came along with it.
packages() {
  node -e '
    const { packages } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const needed = Object.entries(packages).filter(([path, { dev, optional }]) => path !== "" && !dev && !optional);
    for (const [path] of needed) if (path.indexOf("node_modules/", 1) === -1) console.log(path);
  ' "$project/package-lock.json"
}

# The program, what it depends on, and its Node.js, put together beside the one that is there.
collect() {
  local next=$1 path
  mkdir -p "$next/bin" "$next/node_modules"
  cp -L "$(node -p process.execPath)" "$next/bin/node"
  cp -R "$project/dist" "$project/package.json" "$project/LICENSE" "$next/"
  packages | while read -r path; do
    mkdir -p "$next/$(dirname "$path")"
    cp -R "$project/$path" "$next/$path"
  done
  chmod -R u+rwX,go+rX,go-w "$next"
}

install_library() {
  local to=$DESTDIR$library
  rm -rf "$to.new"
  mkdir -p "$(dirname "$to")"
  collect "$to.new"
  if [ -d "$to" ] && diff -rq "$to" "$to.new" >/dev/null; then
    rm -rf "$to.new"
    return
  fi
  rm -rf "$to.old"
  [ ! -d "$to" ] || mv "$to" "$to.old"
  mv "$to.new" "$to"
  rm -rf "$to.old"
  changed=yes
  echo "install: wrote $library"
}

install_all() {
  may_write
  [ -e "$project/dist/cli/main.js" ] || fail 'nothing is built yet: make build'
  umask 022
  install_library
  put 0755 "$program" <<END
#!/bin/sh
# Works with the configuration of the service, unless it is told of another.
if [ -z "\${ENTREPOT_CONFIG:-}" ] && [ -r /etc/entrepot/entrepot.yaml ]; then export ENTREPOT_CONFIG=/etc/entrepot/entrepot.yaml; fi
exec $library/bin/node $library/dist/cli/main.js "\$@"
END
  # Not by a pipe: what put notes would be lost with its process, and the service not be restarted.
  put 0644 "$unit" < <(sed "s|@LIBRARY@|$library|g" "$here/entrepot.service.in")
  put 0644 "$users" <"$here/sysusers.conf"
  local source=$here/entrepot.yaml
  [ ! -e "$project/entrepot.yaml" ] || source=$project/entrepot.yaml
  keep 0644 /etc/entrepot/entrepot.yaml "$source"
  [ ! -e "$project/entrepot.env" ] || keep 0600 /etc/entrepot/entrepot.env "$project/entrepot.env"
  if is_live; then start; else echo 'install: done; nothing was started'; fi
}

start() {
  systemd-sysusers "$users"
  systemctl daemon-reload
  systemctl enable --quiet entrepot.service
  if [ "$changed" = yes ]; then systemctl restart entrepot.service; else systemctl start entrepot.service; fi
  systemctl --no-pager --lines 0 status entrepot.service || fail 'it does not run: journalctl --unit entrepot says why'
  echo 'install: done. Its log: journalctl --unit entrepot'
}

uninstall_all() {
  may_write
  if is_live && [ -e "$unit" ]; then systemctl disable --now entrepot.service || true; fi
  rm -rf "$DESTDIR$library"
  rm -f "$DESTDIR$program" "$DESTDIR$unit" "$DESTDIR$users"
  if is_live; then systemctl daemon-reload; fi
  echo 'uninstall: done. The configuration in /etc/entrepot and what is kept in /var/lib/entrepot are left; so is the user entrepot'
}

case ${1-} in
  '') install_all ;;
  --uninstall) uninstall_all ;;
  *) fail "does not know $1" ;;
esac
