import type { AdminOptions } from '../../server/admin/admin.ts';
import type { Probes } from '../../server/answer/probes.ts';
import type { SetupPageTools } from './setup-pages.ts';

/** The pages of a door that are none of the registry's: of `entrepot doctor`, and about setting up clients. */
export function doorPages(probes: Probes, setup: SetupPageTools): NonNullable<AdminOptions['page']> {
  return async (path, request) => {
    const probe = probes.page(path);
    if (probe) return probe;
    const { setupPage } = await import('./setup-pages.ts'); // only now: most servers are never asked for it
    return setupPage(setup, path, request);
  };
}
