/** A `Cache-Status` of one cache, taken apart. */
export interface CacheStatus {
  readonly cache: string;
  /** `true` for a parameter without a value. */
  readonly parameters: Readonly<Record<string, string | number | true>>;
}

const token = /^[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*$/;

/** What RFC 9211 says each parameter is; others are allowed, and there are none here. */
const isRight: Readonly<Record<string, (value: string | number | true) => boolean>> = {
  hit: (value) => value === true,
  fwd: (value) => /^(bypass|method|uri-miss|vary-miss|miss|request|stale|partial)$/.test(String(value)),
  'fwd-status': (value) => typeof value === 'number',
  stored: (value) => value === true,
  collapsed: (value) => value === true,
  ttl: (value) => typeof value === 'number',
  detail: (value) => typeof value === 'string',
};

/** Reads a `Cache-Status`, and throws when RFC 9211 does not allow it, or it is of several caches. */
export function parseCacheStatus(header: string | string[] | undefined): CacheStatus {
  if (typeof header !== 'string') throw new Error(`Not one Cache-Status: ${header}`);
  const [cache = '', ...parts] = header.split(/; */);
  if (!token.test(cache)) throw new Error(`Not the name of a cache: ${header}`);
  const parameters: Record<string, string | number | true> = {};
  for (const part of parts) {
    const [, key = '', value] = /^([a-z*][a-z0-9_\-.*]*)(?:=(.+))?$/.exec(part) ?? [];
    const parsed = value === undefined ? true : parseValue(value, header);
    if (!isRight[key]?.(parsed) || key in parameters) throw new Error(`Not allowed: "${part}" in ${header}`);
    parameters[key] = parsed;
  }
  if ('hit' in parameters && 'fwd' in parameters) throw new Error(`Both from here and forwarded: ${header}`);
  if (!('fwd' in parameters) && ('stored' in parameters || 'collapsed' in parameters || 'fwd-status' in parameters)) {
    throw new Error(`Of a forwarded request only: ${header}`);
  }
  return { cache, parameters };
}

function parseValue(text: string, header: string): string | number {
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text);
  if (quoted) return quoted[1]!.replaceAll(/\\(.)/g, '$1');
  if (token.test(text)) return text;
  throw new Error(`Not a value: ${text} in ${header}`);
}
