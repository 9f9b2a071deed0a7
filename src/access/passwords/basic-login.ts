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
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Whether it claims nothing: podman and skopeo send an empty name and password where they have none. */
export function isEmptyLogin({ name, password }: Login): boolean {
  return name === '' && password === '';
}
