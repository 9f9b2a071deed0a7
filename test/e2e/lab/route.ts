import { entrepotProxyUrl } from './entrepot.ts';
import type { Mirror } from './mirror.ts';

/** A user of a registry, as who a client is logged in there. */
export interface Login {
  readonly name: string;
  readonly password: string;
}

/** A proxy for all that a client does, which it is told of by its environment and nothing else. */
export interface ProxyRoute {
  readonly proxyUrl: string;
}

/** How clients come to Entrepot. */
export type Route = Mirror | ProxyRoute;

/** The proxy door. */
export const proxyRoute: ProxyRoute = { proxyUrl: entrepotProxyUrl };

/** The mirror that a client is told of, where it is. */
export function mirrorOf(route: Route): Mirror | undefined {
  return 'proxyUrl' in route ? undefined : route;
}

/** What is in a client's environment. */
export function environmentOf(route: Route): Record<string, string> {
  return 'proxyUrl' in route ? { HTTPS_PROXY: route.proxyUrl } : {};
}
