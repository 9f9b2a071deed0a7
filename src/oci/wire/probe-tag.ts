import { randomBytes } from 'node:crypto';

const prefix = 'entrepot-doctor-';
const pattern = /^entrepot-doctor-[0-9a-f]{32}$/;

/** Where a server tells of the requests for such a tag; the tag follows. */
export const probePath = '/doctor/';

/** A tag that no image has: whoever asks for it wants to know which way the question goes. */
export function newProbeTag(): string {
  return `${prefix}${randomBytes(16).toString('hex')}`; // not to be guessed, so nobody else asks where it was seen
}

/** Whether a reference is such a tag. */
export function isProbeTag(reference: string): boolean {
  return reference.startsWith(prefix) && pattern.test(reference);
}
