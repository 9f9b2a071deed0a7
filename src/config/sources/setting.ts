import { parse } from 'yaml';
import { nearest } from '../../util/nearest.ts';
import type { ConfigKey, KeyPath } from '../schema/keys.ts';
import { configKeys, nameOfPath } from '../schema/keys.ts';
import { likelyPlace, meansAddress } from './likely-places.ts';

/** Among more, nobody finds the one: a group of keys has no more, and all keys are far more. */
const mostListed = 30;

/** One value that some source gives to one key, unchecked. */
export interface Setting {
  readonly path: KeyPath;
  /** As the file would say it. `null` removes the upstream of the path, `{}` says that there is one. */
  readonly value: unknown;
  /** Where it was given: `entrepot.yaml:4`, `ENTREPOT_DATA`, `--data`. */
  readonly origin: string;
  /** Set when it makes sense only for an upstream that something else configures. */
  readonly needsUpstream?: true;
}

/** Reads what a variable or a flag gives to a key: they have only text, where the file has types. */
export function readText(key: ConfigKey, given: string): unknown {
  switch (key.about.type) {
    case 'boolean':
      return given === 'true' ? true : given === 'false' ? false : given;
    case 'list of hosts':
    case 'list of networks':
    case 'list of ports':
    case 'list of images':
    case 'list of platforms':
    case 'list of URLs':
      return given.split(',').map((entry) => entry.trim());
    case 'list of patterns': // a comma may be part of one, and a space is part of no tag
      return given.split(/\s+/).filter((entry) => entry !== '');
    case 'list of rules':
    case 'list of image lists':
      return readList(given);
    case 'command': // words between blanks or, where one has blanks, a list; no shell reads it, so there are no quotes
      return given.trim().startsWith('[') ? readList(given) : given.trim().split(/\s+/);
    default:
      return given;
  }
}

/** Reads a list that text can only give as YAML or JSON; what is neither stays text, and is refused later. */
function readList(given: string): unknown {
  try {
    return parse(given);
  } catch {
    return given;
  }
}

/**
 * What to say to whoever wrote a key that is none: where it is that others who wrote this looked for, the nearest of its
 * siblings, or one of that name elsewhere.
 */
export function suggestKey(name: string, above: KeyPath, siblings: readonly string[]): string {
  const place = likelyPlace(nameOfPath([...above, name]));
  if (place !== undefined) return place;
  // What is an address elsewhere is all that a door of ours has to be told.
  if (meansAddress(name) && siblings.includes('listen')) {
    return `did you mean "${nameOfPath([...above, 'listen'])}"?`;
  }
  const sibling = nearest(name, siblings);
  if (sibling !== undefined) return `did you mean "${nameOfPath([...above, sibling])}"?`;
  // Reversed, so that of several keys of one name the first is suggested.
  const elsewhere = new Map(configKeys.toReversed().map((key) => [key.path.at(-1) ?? '', nameOfPath(key.path)]));
  const other = elsewhere.get(nearest(name, elsewhere.keys()) ?? '');
  if (other !== undefined) return `did you mean "${other}"?`;
  if (siblings.length <= mostListed) return `expected one of ${siblings.join(', ')}`;
  return `it is like none that there is; all begin with one of ${[...new Set(siblings.map(groupOf))].join(', ')}`;
}

function groupOf(name: string): string {
  return name.split('.')[0] ?? '';
}
