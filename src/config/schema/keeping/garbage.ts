import { z } from 'zod';
import { maxTimerMs, parseDuration } from '../values/duration.ts';
import { about, boolean, parsedBy } from '../values/key.ts';

/** The keys of collecting garbage. */
export const garbageKeys = z.strictObject({
  every: parsedBy(parseInterval)
    .prefault('24h')
    .register(about, {
      type: 'duration',
      description:
        'How often what nobody needs is looked for and removed, while all goes on. `none` for never: `entrepot gc` does it ' +
        'by hand.',
    }),
  grace: parsedBy((text) => parseDuration(text))
    .prefault('1h')
    .register(about, {
      type: 'duration',
      description:
        'What was pushed, mounted or asked for (HEAD) less than so long ago stays: somebody may be about to push the ' +
        'manifest that needs it. No push should take longer.',
    }),
  untagged: boolean.prefault(false).register(about, {
    type: 'boolean',
    description:
      'Whether manifests go, too, that have no tag, that no manifest of their repository references, and that refer to ' +
      'none that is there: those that are pulled by digest alone, and those that a tag stood for before.',
  }),
});

function parseInterval(text: string): number | undefined {
  if (text === 'none') return undefined;
  const intervalMs = parseDuration(text, maxTimerMs);
  if (intervalMs > 0) return intervalMs;
  throw new Error('expected a duration above zero, such as 24h, or none');
}
