import { probePath } from '../../oci/probe-tag.ts';
import { type DoorAccess, identifyClient } from '../client-access.ts';
import { signalOf } from '../registry-handler.ts';
import type { Admin } from './admin.ts';

// What balancers and supervisors ask, and who looks whether anybody is there: it tells of nobody's images.
const openPaths = new Set(['/', '/healthz', '/readyz']);

// A word that cannot be guessed leads to what is told there.
const isOpenPath = (path: string) => openPaths.has(path) || path.startsWith(probePath);

/** The administrative paths behind a door: where that asks for a login, `/metrics`, `/status` and the rest do, too. */
export function guardAdmin(admin: Admin, { access, door }: DoorAccess): Admin {
  return async (exchange, path, query) => {
    if (!access.isOpen(door) && !isOpenPath(path)) {
      await identifyClient({ access, door }, exchange.request, signalOf(exchange.response));
    }
    await admin(exchange, path, query);
  };
}
