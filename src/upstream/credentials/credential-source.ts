/** A user and a password. */
export interface Password {
  readonly username: string;
  readonly password: string;
}

/** A token that stands for somebody who logged in elsewhere (OAuth 2 calls it a refresh token). */
export interface IdentityToken {
  readonly identityToken: string;
}

/** What shows to an upstream who asks. */
export type Credentials = Password | IdentityToken;

/**
 * Where the credentials of one upstream come from. A source may change its mind: secrets are rotated, tokens end.
 */
export interface CredentialSource {
  /**
   * What to show to this server now; undefined to come as nobody. It is asked before every request, so it answers from
   * memory whenever it can, and gets a new answer once for any number of waiters. As long as nothing has changed, it
   * answers with the same object.
   * @throws RegistryError UNAVAILABLE, without a secret, when they cannot be had; the signal's reason when that fires
   */
  current(server: URL, signal: AbortSignal): Promise<Credentials | undefined>;
  /**
   * The server refused what `current` answered. The next `current` looks for newer ones, unless these are no longer the
   * current ones, or were got only just now: whoever is refused for good must not be asked for again with every request.
   */
  refused(server: URL, credentials: Credentials): void;
}

/** Credentials that never change. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return { current: async () => credentials, refused() {} };
}

/** Whether two are one and the same, whatever objects they are in. */
export function areSameCredentials(a: Credentials | undefined, b: Credentials | undefined): boolean {
  return credentialKey(a) === credentialKey(b);
}

/** A text that is another for other credentials. It holds the secret: for comparing, never for printing. */
export function credentialKey(credentials: Credentials | undefined): string {
  if (credentials === undefined) return '';
  return JSON.stringify(
    'identityToken' in credentials ? [credentials.identityToken] : [credentials.username, credentials.password],
  );
}
