import assert from 'node:assert/strict';
import { digestOf } from '../../src/oci/digest.ts';
import { type ErrorCode, RegistryError } from '../../src/oci/errors.ts';
import type { Registry } from '../../src/oci/registry.ts';
import type { ContractContent } from './content/contract-content.ts';

/** What a registry can do of what the contract leaves open; everything, unless it says otherwise. */
export interface RegistryCapabilities {
  /** It lists its repositories (those that were pulled from, at least). */
  readonly listsRepositories?: boolean;
  /** It filters referrers by artifact type. */
  readonly filtersReferrers?: boolean;
  /** It puts so many entries on a page of a list at most; any number, if not given. */
  readonly maxPageSize?: number;
  /** The signal that a blob was asked for with ends its body, too. */
  readonly abortsBodies?: boolean;
}

/** What every part of the registry contract is checked with. */
export interface Suite {
  readonly truth: ContractContent;
  readonly capabilities: RegistryCapabilities;
  readonly registry: () => Registry;
}

/** The signal of a caller that stays. */
export const { signal } = new AbortController();

/** The digest of something that is in no repository. */
export const absentDigest = digestOf(Buffer.from('nobody has this'));

/** The error that a call rejects with, which has one of the codes. */
export async function rejectsWith(call: Promise<unknown>, codes: readonly ErrorCode[]): Promise<RegistryError> {
  const error = await call.then(
    () => assert.fail(`nothing failed; expected ${codes}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RegistryError, `not a RegistryError: ${error}`);
  assert.ok(codes.includes(error.code), `${error.code}, not ${codes}: ${error.message}`);
  return error;
}
