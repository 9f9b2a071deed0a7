import type { Repository } from '../oci/reference.ts';

/** What may be done with a repository. */
export type Verb = 'pull' | 'push' | 'delete';

/** The doors that clients come in by. */
export type DoorName = 'registry' | 'hosted' | 'proxy';

/** Who sends a request. */
export interface Identity {
  /** The name that was proven; undefined for nobody in particular. */
  readonly user: string | undefined;
}

/** Who sends a request without proving a name. */
export const nobody: Identity = { user: undefined };

/** A repository, and the registry that it belongs to by its name in the configuration, or `hosted.entrepot`. */
export interface RepositoryOf {
  readonly registry: string;
  readonly repository: Repository;
}

/** Says who may do what. */
export interface Access {
  /** Who everybody is, where nobody can log in: then no request need wait for `identify`. */
  readonly everybody?: Identity;

  /**
   * Who sends a request with this `Authorization` header, from this address.
   * @throws RegistryError UNAUTHORIZED (with the challenge) for a wrong name or password, after a while when there were
   *   many; TOOMANYREQUESTS when that would be too long a while; the signal's reason
   */
  identify(authorization: string | undefined, address: string | undefined, signal: AbortSignal): Promise<Identity>;

  /**
   * Whether somebody who was found out a while ago is still who he was: his password is not another since, nor gone.
   * @throws the signal's reason
   */
  isStill(identity: Identity, signal: AbortSignal): Promise<boolean>;

  /** Whether somebody may do something. */
  may(identity: Identity, door: DoorName, verb: Verb, target: RepositoryOf): boolean;

  /** Whether nobody in particular may do anything at a door: then `/v2/` asks for no login. */
  isOpen(door: DoorName): boolean;

  /**
   * The error for somebody who may not: UNAUTHORIZED with the challenge for nobody in particular, DENIED for others.
   * Without a target it is about the door as a whole.
   */
  refuse(identity: Identity, verb: Verb, target: RepositoryOf | undefined): Error;
}
