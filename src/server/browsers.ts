import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Verb } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';

/** Whether a host, as the `Host` of a request has it, is one that a door is known by. */
export type KnownHost = (host: string | undefined) => boolean;

/**
 * Tells the hosts that a door is known by: this machine's names for itself, every address, the names that are configured,
 * and what is below the domain. By any other name a web page may have come that had its own name lead here once it was
 * loaded (DNS rebinding); to the browser, page and server are of one origin then. It can do so by no address, and by no
 * name that the browser itself takes for this machine.
 */
export function knownHosts(names: readonly string[], domain: string | undefined): KnownHost {
  const known = new Set(['localhost', ...names.map(hostnameOf), ...(domain === undefined ? [] : [domain])]);
  const suffixes = ['.localhost', ...(domain === undefined ? [] : [`.${domain}`])];
  return (host) => {
    if (host === undefined) return true; // no browser leaves it out
    const hostname = hostnameOf(host);
    return isIP(hostname) !== 0 || known.has(hostname) || suffixes.some((suffix) => hostname.endsWith(suffix));
  };
}

function hostnameOf(host: string): string {
  const hostname = host.toLowerCase().replace(/:\d*$/, '');
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname.replace(/\.$/, '');
}

type Asked = Pick<IncomingMessage, 'headers' | 'socket'>;

/**
 * Why a request may not change anything, as a web page may have sent it that somebody looks at who may; undefined when it
 * may. A page needs nobody's leave to send what changes something, only to read the answer.
 * @param user who proved a name: browsers show what was typed into them once, but to one origin alone
 */
export function refuseChange(
  { headers, socket }: Asked,
  verb: Verb,
  user: string | undefined,
  isKnown: KnownHost,
): RegistryError | undefined {
  if (user === undefined ? isOfPage(headers) : isOfOtherSite(headers)) {
    const page = headers.origin === undefined ? 'a web page' : `a web page of ${quote(headers.origin)}`;
    const advice =
      user === undefined
        ? 'log in (auth.htpasswd), or use a client that is no browser'
        : 'use a client that is no browser';
    return new RegistryError('DENIED', `Cannot ${verb} for ${page}: ${advice}`);
  }
  return user === undefined ? refuseHost({ headers, socket }, verb, isKnown) : undefined;
}

/**
 * Why a browser may not read, as it may have been led here under the name of a web page, which then reads what everybody
 * on this machine may; undefined when it may, and when this is no browser.
 */
export function refuseReading(asked: Asked, user: string | undefined, isKnown: KnownHost): RegistryError | undefined {
  if (user !== undefined || !isOfBrowser(asked.headers)) return undefined;
  return refuseHost(asked, 'read', isKnown);
}

/**
 * All browsers send `Accept-Language`, which no page can take away, and no client of registries does, but for programs
 * that use `fetch` of Node.js. These send `Sec-Fetch-Mode` alone: browsers send it together with `Sec-Fetch-Site` or,
 * without TLS, neither, and no page can set one.
 */
function isOfBrowser(headers: IncomingHttpHeaders): boolean {
  if (headers['accept-language'] === undefined) return false;
  return headers['sec-fetch-mode'] === undefined || headers['sec-fetch-site'] !== undefined;
}

function refuseHost(
  { headers: { host }, socket }: Asked,
  verb: Verb | 'read',
  isKnown: KnownHost,
): RegistryError | undefined {
  // With TLS the browser has looked whether the server may have that name.
  if ('encrypted' in socket || isKnown(host)) return undefined;
  const what = `Cannot ${verb} by the name ${quote(host ?? '')}, as a web page could have made it lead here`;
  const advice = 'use localhost or an address, log in, or have whoever runs this server add it to hosted.names';
  return new RegistryError('DENIED', `${what}: ${advice}`);
}

function isOfPage({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return origin !== undefined || (site !== undefined && site !== 'none');
}

function isOfOtherSite({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (site !== undefined) return site !== 'none' && site !== 'same-origin';
  return origin !== undefined && origin.replace(/^https?:\/\//, '') !== host;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
