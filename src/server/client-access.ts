import type { IncomingMessage } from 'node:http';
import type { Access, DoorName, Identity, RepositoryOf, Verb } from '../access/access.ts';

/** Who may do what at one door. */
export interface DoorAccess {
  readonly access: Access;
  readonly door: DoorName;
  /**
   * Who is on a connection, where that was found out when it was made.
   * @throws RegistryError DENIED when that counts no more; the signal's reason
   */
  identify?(request: IncomingMessage, signal: AbortSignal): Promise<Identity>;
}

/** What one client may do at the door that it came in by. */
export interface ClientAccess {
  /** The name that it proved, if any. */
  readonly user: string | undefined;
  may(verb: Verb, target: RepositoryOf): boolean;
  /**
   * Called before anything is read, and before any upstream is asked.
   * @throws RegistryError UNAUTHORIZED or DENIED when it may not
   */
  authorize(verb: Verb, target: RepositoryOf): void;
}

/** What everybody may do at a door, where nobody can log in and nothing has to be found out; undefined elsewhere. */
export function everybodysAccess({ access, door, identify }: DoorAccess): ClientAccess | undefined {
  if (access.everybody === undefined || identify !== undefined || !access.isOpen(door)) return undefined;
  return clientAccess(access, door, access.everybody);
}

/**
 * Finds out who sends a request, and lets nobody in by a door that is not open.
 * @throws RegistryError UNAUTHORIZED, DENIED, TOOMANYREQUESTS; the signal's reason
 */
export async function identifyClient(
  { access, door, identify }: DoorAccess,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<ClientAccess> {
  const { authorization } = request.headers;
  const identity = await (identify?.(request, signal) ??
    access.identify(authorization, request.socket.remoteAddress, signal));
  if (identity.user === undefined && !access.isOpen(door)) throw access.refuse(identity, 'pull', undefined);
  return clientAccess(access, door, identity);
}

function clientAccess(access: Access, door: DoorName, identity: Identity): ClientAccess {
  return {
    user: identity.user,
    may: (verb, target) => access.may(identity, door, verb, target),
    authorize(verb, target) {
      if (!access.may(identity, door, verb, target)) throw access.refuse(identity, verb, target);
    },
  };
}
