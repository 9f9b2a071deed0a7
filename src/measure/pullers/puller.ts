import { isDigest } from '../../oci/digest.ts';
import type { Reference, Repository } from '../../oci/reference.ts';

/** An image, by where it is pulled from. */
export interface PullSource {
  /** Host and port, as they stand in names of images. */
  readonly host: string;
  readonly repository: Repository;
  readonly reference: Reference;
  /** Whether the host speaks plain HTTP. */
  readonly plainHttp: boolean;
}

/** What came of a pull. */
export interface Pulled {
  /** Of how many layers the client says that it had them already, of some other image. */
  readonly layersHeld: number;
}

/**
 * What pulls whole images: a client on this machine, or our own. Whatever fails rejects with an `Error` that says why in
 * one line, in the client's own words where it has some; a signal that fires, with its reason.
 */
export interface Puller {
  /** What people call it, with its version where it has one. */
  readonly name: string;
  /** Whether it keeps what it pulls, so that it can have an image already, and has to be rid of it. */
  readonly keepsImages: boolean;
  /** What has to be known to understand how long it takes to pull from these hosts. */
  notes(hosts: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** Whether it has an image of this very name. */
  has(source: PullSource, signal: AbortSignal): Promise<boolean>;
  /** Pulls an image; of one that it has, it finds out whether it is still the right one. */
  pull(source: PullSource, signal: AbortSignal): Promise<Pulled>;
  /** Removes the image of this very name, and what of it no other image needs. One that is not there is no error. */
  remove(source: PullSource, signal: AbortSignal): Promise<void>;
  /** Removes whatever else it made for pulling. */
  close(signal: AbortSignal): Promise<void>;
}

/** The name of an image as clients are given it. */
export function nameOfSource({ host, repository, reference }: PullSource): string {
  return `${host}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
}
