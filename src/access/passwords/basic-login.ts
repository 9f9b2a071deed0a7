/** A name and a password, as a client claims them. */
export interface Login {
  readonly name: string;
  readonly password: string;
}

// Blanks in one place alone: between two, whoever sends thousands of them has each way of sharing them out tried.
const basicPattern = /^basic +([a-z0-9+/_=-]*)$/i;

/** Reads an `Authorization` header of the scheme Basic (RFC 7617); undefined for every other. */
export function parseBasicLogin(authorization: string): Login | undefined {
  const encoded = basicPattern.exec(authorization.trimEnd())?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  const colon = bytes.indexOf(':');
  if (colon < 0) return undefined;
  // Each decoded by itself: a name that is a part of the text would keep the password in memory, for as long as it is kept.
  return { name: bytes.toString('utf8', 0, colon), password: bytes.toString('utf8', colon + 1) };
}

/** Whether it claims nothing: podman and skopeo send an empty name and password where they have none. */
export function isEmptyLogin({ name, password }: Login): boolean {
  return name === '' && password === '';
}
