import { setupMark } from '../mark.ts';
import type { SetupFile } from '../target.ts';
import { quote } from './proxy-script.ts';

/**
 * A script that writes files when a machine boots for the first time. It ends well whatever happens and waits for nothing:
 * a machine that pulls past the cache is better than one that does not come up.
 */
export function firstBootScript(files: readonly SetupFile[]): string {
  const puts = files.map((file) => {
    const mode = (file.mode ?? 0o644).toString(8).padStart(4, '0');
    return `put ${quote(file.path)} ${mode} <<'${end}'\n${file.render(undefined)}${end}\n`;
  });
  return `${head}\n${puts.join('')}${tail}`;
}

const end = 'END_OF_FILE'; // no line of a client's file is so

const head = `#!/bin/sh
# Sets up docker and containerd to pull through the cache. Made by ${setupMark}.
umask 022
root=\${ENTREPOT_ROOT:-}

say() { printf 'entrepot: %s\\n' "$1"; }

# write PATH MODE TEXT: it appears as a whole, or not at all
write() {
  mkdir -p "\${1%/*}" && rm -f "$1.entrepot-new" && (umask 077 && printf '%s' "$3" >"$1.entrepot-new") &&
    chmod "$2" "$1.entrepot-new" && mv "$1.entrepot-new" "$1"
}

# put PATH MODE: the text comes on standard input
put() {
  to=$root$1
  # A shell takes away the line breaks at the end.
  text=$(cat; printf x)
  text=\${text%x}
  if [ -e "$to" ] && [ "$(cat "$to"; printf x)" = "\${text}x" ]; then
    return 0
  elif [ -s "$to" ] && ! grep -qF '${setupMark}' "$to"; then
    case $1 in
      */entrepot*.crt) write "$to" "$2" "$text" || say "$1 could not be written" ;;
      */daemon.json) merge "$to" "$text" || say "$1 is left as it is" ;;
      *) say "$1 is there already, and left as it is" ;;
    esac
  else
    write "$to" "$2" "$text" || say "$1 could not be written"
  fi
}

# tell VERB SERVICE: nothing is waited for, as a service may wait for the boot to end
tell() {
  if [ -z "$root" ] && command -v systemctl >/dev/null; then
    systemctl --no-block "$1" "$2.service" || say "$2 could not be told"
  fi
}

# merge PATH TEXT: puts the lists of ours before those of a daemon.json
merge() {
  merged=$(python3 - "$1" "$2" <<'PYTHON'
import json, sys
with open(sys.argv[1], encoding="utf-8-sig") as file:
    there = json.load(file)
for key, ours in json.loads(sys.argv[2]).items():
    there[key] = ours + [each for each in there.get(key) or [] if each not in ours]
print(json.dumps(there, indent=2))
PYTHON
  ) && write "$1" "$(stat -c %a "$1")" "$merged
"
}
`;

const tail = `
config=$root/etc/containerd/config.toml
if [ ! -e "$config" ]; then
  if write "$config" 0644 '# Made by ${setupMark}.
version = 2
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
'; then
    tell try-restart containerd
  else
    say '/etc/containerd/config.toml could not be written'
  fi
elif ! grep -q '^[[:space:]]*config_path[[:space:]]*=[[:space:]]*["'\\'']..*["'\\'']' "$config"; then
  say '/etc/containerd/config.toml has no config_path, so containerd does not look into /etc/containerd/certs.d'
fi

tell try-reload-or-restart docker
exit 0
`;
