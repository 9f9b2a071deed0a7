import { z } from 'zod';
import { parseCount } from '../values/count.ts';
import { about, parsedBy } from '../values/key.ts';
import { parseSizeOrZero } from '../values/size.ts';

/** The keys of measuring the way between clients and the cache. */
export const throughputKeys = z.strictObject({
  // As large as the files that speed tests use: a tenth of a second at 10 Gbit/s, and less than many a layer.
  maxBytes: parsedBy(parseSizeOrZero).prefault('100MB').register(about, {
    type: 'size',
    description:
      'How much one request to `/throughput` may send or fetch, within 10 s; 0 for no such path. Nothing of it is stored.',
  }),
  maxConcurrent: parsedBy(parseCount)
    .prefault(8)
    .register(about, { type: 'count', description: 'How many such requests there may be at a time, of all clients.' }),
});
