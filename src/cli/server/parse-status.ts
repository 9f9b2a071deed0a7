import type { ServerStatus } from '../../util/status.ts';

/** What a value must be: a name of `typeof`, an object of such, or a list of one. A key that ends in `?` may be absent. */
type Shape = 'string' | 'number' | { readonly [key: string]: Shape } | readonly [Shape];

// Further keys may come: the server may be of a newer version than this tool.
const statusShape: Shape = {
  version: 'string',
  startedAt: 'string',
  uptimeSeconds: 'number',
  'store?': { contents: 'number', sizeBytes: 'number', maxBytes: 'number' },
  'hosted?': { repositories: 'number', contents: 'number', sizeBytes: 'number' },
  'troubles?': ['string'],
  downloads: { running: 'number', waiting: 'number' },
  'warm?': [
    {
      images: 'number',
      everySeconds: 'number',
      'lastAt?': 'string',
      'failed?': 'number',
      'stale?': 'number',
      'fetchedBytes?': 'number',
      'failures?': [{ image: 'string', reason: 'string' }],
      'nextAt?': 'string',
    },
  ],
  upstreams: [
    {
      name: 'string',
      circuit: { state: 'string', failures: 'number', 'until?': 'string' },
      'rateLimit?': { limit: 'number', remaining: 'number', at: 'string', reserved: 'number' },
      'requests?': { waiting: 'number' },
      'waits?': { countedUntil: 'string', 'allUntil?': 'string' },
      'saving?': 'string',
      'lastError?': { at: 'string', code: 'string' },
    },
  ],
};

/**
 * Reads the status of a server.
 * @throws Error that says what is wrong with it
 */
export function parseStatus(text: string): ServerStatus {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  const wrong = mismatch(value, statusShape, 'status');
  if (wrong !== undefined) throw new Error(`${wrong} is not what it should be`);
  return value as ServerStatus;
}

/** The first place where a value has not the shape; undefined when there is none. */
function mismatch(value: unknown, shape: Shape, place: string): string | undefined {
  if (typeof shape === 'string') return typeof value === shape ? undefined : place;
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== Array.isArray(shape)) return place;
  if (Array.isArray(shape)) {
    const entries = (value as unknown[]).map((entry, index) => mismatch(entry, shape[0], `${place}[${index}]`));
    return entries.find((wrong) => wrong !== undefined);
  }
  for (const [key, inner] of Object.entries(shape)) {
    const name = key.replace(/\?$/, '');
    const held = (value as Record<string, unknown>)[name];
    if (held === undefined && name !== key) continue;
    const wrong = mismatch(held, inner, `${place}.${name}`);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
