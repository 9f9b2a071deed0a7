import { blockEnd } from '../edit/marked-block.ts';
import { setupMark } from '../mark.ts';
import type { SetupPlan, SetupTarget } from '../target.ts';
import { modeOf } from './plan-text.ts';
import { quote } from './proxy-script.ts';

/**
 * A plan as a script for the machine that is to be set up. It writes what is not there, and renews what it has written;
 * where there is another's file it changes nothing, as a shell cannot merge them.
 */
export function planScript(target: SetupTarget, { files, steps, notes }: SetupPlan): string {
  const writes = files.map((file) => {
    const text = file.render(undefined);
    const end = endOf(text);
    return `  file ${quote(file.path)} ${modeOf(file)} <<'${end}'\n${text}${end}\n`;
  });
  const said = [
    ...(steps.length > 0 ? ['Then run:', ...steps.map((step) => `  ${step.replaceAll('\n', '\n  ')}`)] : []),
    ...(notes.length > 0 ? ['Good to know:', ...notes.map((note) => `- ${note}`)] : []),
  ].join('\n');
  const end = endOf(said);
  return `${head(target)}
files() {
${writes.join('')}}

tell() {
  cat <<'${end}'
${said}
${end}
}
${tail(target, files)}`;
}

function head({ name, description }: SetupTarget): string {
  return `#!/bin/sh
# ${name}: ${description}
# It writes the files that are below; one that it has written before is kept as *.entrepot-old*. Where there is another's
# file it does nothing at all.
# --dry-run says what would be done. ENTREPOT_ROOT puts the files below another folder.
set -eu
umask 022
root=\${ENTREPOT_ROOT:-}
dry=
others=

marked() { head -n 1 "$1" | grep -qF '${setupMark}'; }

# same FILE FILE: a shell takes away the line breaks at the end
same() { [ "$(cat "$1"; printf x)" = "$(cat "$2"; printf x)" ]; }

# Whether nobody else has a part in a file. An authority has no line that says so, but a name of its own; where there can
# be no such line, as in JSON, what was written is beside it.
ours() {
  case \${1##*/} in entrepot*.crt) return 0 ;; esac
  if [ -f "$1.entrepot-made" ] && same "$1" "$1.entrepot-made"; then return 0; fi
  marked "$1" || return
  ! grep -qxF '${blockEnd}' "$1" || [ "$(tail -n 1 "$1")" = '${blockEnd}' ]
}

# keep PATH: what was kept before stays, too
keep() {
  old=$1.entrepot-old
  count=1
  while [ -e "$old" ] && ! same "$old" "$1"; do
    count=$((count + 1))
    old=$1.entrepot-old-$count
  done
  cp -p "$1" "$old"
}

# note PATH: this very text is ours
note() { cp -p "$1" "$1.entrepot-made"; }

# file PATH MODE: the text comes on standard input
file() {
  case $1 in
    /*) to=$root$1 ;;
    *) to=$1 ;;
  esac
  # A shell takes away the line breaks at the end.
  new=$(cat; printf x)
  if [ -f "$to" ] && [ "$(cat "$to"; printf x)" = "$new" ]; then
    if [ $pass = write ]; then
      printf 'as it is: %s\\n' "$1"
      # One that was written when this script was killed.
      if [ -z "$dry" ] && [ -e "$to.entrepot-made" ]; then note "$to"; fi
    fi
  elif [ $pass = check ]; then
    if [ -L "$to" ]; then others="$others $1"
    elif [ -e "$to" ] && ! ours "$to"; then others="$others $1"; fi
  else
    printf 'write: %s\\n' "$1"
    if [ -z "$dry" ]; then
      mkdir -p "$(dirname "$to")"
      if [ -e "$to" ]; then keep "$to"; fi
      printf '%s' "\${new%x}" >"$to.entrepot-new"
      chmod "$2" "$to.entrepot-new"
      mv "$to.entrepot-new" "$to"
      case \${to##*/} in
        entrepot*.crt) ;;
        *) marked "$to" || note "$to" ;;
      esac
    fi
  fi
}
`;
}

// Nothing runs before all of it has come: of a connection that breaks, no half is done.
function tail({ name }: SetupTarget, files: SetupPlan['files']): string {
  const isPlaced = files.every(({ path }) => path.startsWith('/'));
  const advice = `Merge it by hand, or by: entrepot setup ${name} ${isPlaced ? '--apply' : '--merge --file PATH'}`;
  return `
main() {
  for argument in "$@"; do
    if [ "$argument" != --dry-run ]; then
      printf 'This script does not know "%s": it takes --dry-run\\n' "$argument" >&2
      exit 2
    fi
    dry=yes
  done
  pass=check
  files
  if [ -n "$others" ]; then
    printf 'Nothing was done, as there is already:%s\\n' "$others" >&2
    printf '%s\\n' ${quote(advice)} >&2
    exit 1
  fi
  pass=write
  files
  if [ -n "$dry" ]; then printf 'Nothing was done: this was a dry run\\n'; fi
  tell
}

main "$@"
`;
}

/** A line that ends a text, and is none of its own. */
function endOf(text: string): string {
  let end = 'END';
  while (text.includes(end)) end += '_';
  return end;
}
