import { isSamePlace, type ProxyTarget, parsePlace } from './connect/target.ts';

/** A request in absolute form, `GET http://host/path`, as a proxy gets it (RFC 9112, 3.2.2). */
export interface ForwardedRequest {
  readonly target: ProxyTarget;
  /** Path and query. */
  readonly path: string;
}

const httpPort = 80;

/** Whether the target of a request is in absolute form. */
export function isAbsoluteForm(url: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(url);
}

/**
 * Parses a target in absolute form. Undefined when it is none of plain HTTP, holds what it may not, or when `Host` names
 * another place: whoever passes it on may believe either.
 */
export function parseForwarded(url: string, hostHeader: string | undefined): ForwardedRequest | undefined {
  const match = /^http:\/\/([^/?#@\s]+)(\/[^\s#]*|\?[^\s#]*)?$/i.exec(url);
  if (!match) return undefined;
  const [, authority = '', rest = '/'] = match;
  const target = parsePlace(authority, httpPort);
  if (target === undefined) return undefined;
  if (hostHeader !== undefined && hostHeader !== '') {
    if (!isSamePlace(parsePlace(hostHeader, httpPort), target)) return undefined;
  }
  return { target, path: rest.startsWith('?') ? `/${rest}` : rest };
}
