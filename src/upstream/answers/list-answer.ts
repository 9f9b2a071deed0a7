import { RegistryError } from '../../oci/errors.ts';
import type { Page } from '../../oci/registry.ts';
import type { Headers } from '../transport/head.ts';

// Neither goes beyond the next bracket, so that a header which is nothing but brackets is read in one pass.
const linkValue = /<([^<>]*)>([^<]*)/g;
const nextRelation = /;\s*rel="?next(?:["\s;,]|$)/i;

/**
 * The query of the next page, from a `Link` header with `rel="next"` (RFC 8288); undefined on the last page. Only the
 * query is taken: paths and hosts in it are the registry's own affair, and often wrong behind its balancers.
 */
export function nextQuery(headers: Headers): string | undefined {
  for (const [, target, parameters] of (headers.get('link') ?? '').matchAll(linkValue)) {
    const mark = target!.indexOf('?');
    if (nextRelation.test(parameters!)) return mark < 0 ? undefined : target!.slice(mark + 1);
  }
  return undefined;
}

/** The same as a page; a registry that uses other parameters than the spec's has no next page that we could name. */
export function nextPage(headers: Headers): Page | undefined {
  const query = nextQuery(headers);
  if (query === undefined) return undefined;
  const parameters = new URLSearchParams(query);
  const last = parameters.get('last') ?? undefined;
  const count = parameters.get('n');
  if (last === undefined) return undefined;
  return { last, count: count !== null && /^\d{1,6}$/.test(count) ? Number(count) : undefined };
}

/**
 * The list of names in the answer's JSON; `null` counts as empty, as some registries send it.
 * @throws RegistryError UNAVAILABLE
 */
export function namesOf(bytes: Uint8Array, key: 'tags' | 'repositories', upstream: string): string[] {
  try {
    const names = (JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>)[key] ?? [];
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  } catch {
    // The same error as for any other body.
  }
  throw new RegistryError('UNAVAILABLE', `Cannot read the list of ${key} from ${upstream}: it is not the spec's JSON`);
}
