import { isObject } from '../../oci/json.ts';

/** Where the containers of a pod stand, in a Pod, a template of one, or whatever a resource of another kind has in it. */
const containerLists: ReadonlySet<string> = new Set(['containers', 'initContainers', 'ephemeralContainers']);

const maxDepth = 100; // deeper than any resource; an alias may make YAML circular

/**
 * The images that resources of Kubernetes name, each once, in their order: of every container, wherever in a resource
 * its list is, and of volumes that are images. A resource may be a list of resources.
 */
export function imagesOfResources(resources: readonly unknown[]): string[] {
  const found = new Set<string>();
  for (const resource of resources) collect(resource, found, new Set(), 0);
  return [...found];
}

function collect(value: unknown, found: Set<string>, seen: Set<unknown>, depth: number): void {
  if (!isObject(value) || depth > maxDepth || seen.has(value)) return;
  seen.add(value);
  if (Array.isArray(value)) {
    for (const entry of value) collect(entry, found, seen, depth + 1);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'status' && depth <= 2) continue; // what is, and not what is wanted
    if (containerLists.has(key)) namesIn(inner, found, (container) => container['image']);
    if (key === 'volumes') namesIn(inner, found, ({ image }) => (isObject(image) ? image['reference'] : undefined));
    collect(inner, found, seen, depth + 1);
  }
}

type Entry = Readonly<Record<string, unknown>>;

function namesIn(list: unknown, found: Set<string>, nameOf: (entry: Entry) => unknown): void {
  if (!Array.isArray(list)) return;
  for (const entry of list) {
    const name = isObject(entry) ? nameOf(entry) : undefined;
    if (typeof name === 'string' && name.trim() !== '') found.add(name.trim());
  }
}
