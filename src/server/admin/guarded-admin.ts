import { probePath } from '../../oci/wire/probe-tag.ts';
import { signalOf } from '../answer/exchange.ts';
import { type KnownHost, refuseReading } from '../browsers.ts';
import { type DoorAccess, identifyClient } from '../client-access.ts';
import type { Admin } from './admin.ts';

// What balancers and supervisors ask, and who looks whether anybody is there: it tells of nobody's images.
const openPaths = new Set(['/', '/healthz', '/readyz']);

// A word that cannot be guessed leads to what is told there.
const isOpenPath = (path: string) => openPaths.has(path) || path.startsWith(probePath);

// What tells of upstreams, and as whom they are asked: for nobody whose page somebody here looks at.
const toldPaths = new Set(['/metrics', '/status']);

/** The administrative paths behind a door: where that asks for a login, `/metrics`, `/status` and the rest do, too. */
export function guardAdmin(admin: Admin, { access, door }: DoorAccess, isKnownHost: KnownHost): Admin {
  return async (exchange, path, query) => {
    const isClosed = !access.isOpen(door);
    if (isClosed && !isOpenPath(path)) {
      await identifyClient({ access, door }, exchange.request, signalOf(exchange.response));
    } else if (toldPaths.has(path)) {
      const refusal = refuseReading(exchange.request, undefined, isKnownHost);
      if (refusal !== undefined) throw refusal;
    }
    await admin(exchange, path, query, isClosed);
  };
}
