import { z } from 'zod';
import { failurePolicies, guardModes } from '../../config.ts';
import { parseDurationAboveZero } from '../values/duration.ts';
import { about, choice, parsedBy } from '../values/key.ts';

/** The keys about who may read what an upstream lets not everybody read. */
export const guardKeys = z.strictObject({
  ttl: parsedBy(parseDurationAboveZero)
    .prefault('5m')
    .register(about, {
      type: 'duration',
      description:
        'For how long a client is believed that the upstream accepted its credentials for a repository, but never for ' +
        'longer than its token says that it lives.',
    }),
  whenUpstreamFails: choice(failurePolicies)
    .prefault('deny')
    .register(about, {
      type: 'choice',
      description:
        'What happens to a client whose `ttl` is over while the upstream cannot be asked: `deny`, or `allow-proven` for those ' +
        'whom it accepted before, since Entrepot was started.',
    }),
});

/** The key of an upstream about the same. */
export const upstreamGuardKeys = {
  guard: choice(guardModes)
    .optional()
    .register(about, {
      type: 'choice',
      description:
        '`auto` (unless given): what Entrepot may read itself everybody may, the rest only with credentials of their own. ' +
        '`always`: each client needs its own for everything. `never`: what Entrepot may not read, nobody gets; see ' +
        '[guard.md](guard.md).',
    }),
};
