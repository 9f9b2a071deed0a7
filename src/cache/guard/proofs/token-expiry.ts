const maxClaimsLength = 64 * 1024; // tokens of large companies' users list hundreds of groups

/**
 * When the token of an `Authorization` says that it ends, in milliseconds since the epoch; undefined when it does not say
 * so. Nobody checks its signature here: this may shorten what is believed of it, and nothing else.
 */
export function tokenExpiry(authorization: string): number | undefined {
  const claims = /^Bearer +[\w-]+\.([\w-]+)\.[\w-]*$/i.exec(authorization)?.[1];
  if (claims === undefined || claims.length > maxClaimsLength) return undefined;
  try {
    const { exp } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as { exp?: unknown };
    return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : undefined;
  } catch {
    return undefined; // it is no JWT, or its claims are nothing that has fields
  }
}
