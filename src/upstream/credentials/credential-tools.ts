import { RegistryError } from '../../oci/errors.ts';
import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';

/** What the sources of an upstream's credentials work with. */
export interface CredentialTools {
  /** The name of the upstream in the configuration: for errors and the log. */
  readonly upstream: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The environment that programs are started with. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires when everything ends: nothing is renewed behind anybody's back after that. */
  readonly stopping: AbortSignal;
}

/** Notes in the log why credentials cannot be had. Neither the source's name nor the reason holds a secret. */
export function logFailure({ log, upstream }: CredentialTools, source: string, reason: string): void {
  log.warn({ upstream, source, reason }, 'credentials unavailable');
}

/** Credentials are not looked for again so soon after it failed. */
export const failurePauseMs = 5_000;

/** What clients are told of it: paths and programs are for the log alone. Upstream is not to blame: it was not asked. */
export function credentialsUnavailable({ upstream, clock }: CredentialTools): RegistryError {
  return new RegistryError(
    'UNAVAILABLE',
    `Cannot get the credentials for upstream ${upstream}: the log of the cache says why`,
    { notAskedUntilMs: clock.now() + failurePauseMs },
  );
}
