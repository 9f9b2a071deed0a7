import { entrepotProxyUrl } from '../servers/entrepot.ts';
import type { Mirror } from '../servers/mirror.ts';

/** A user of a registry, as who a client is logged in there. */
export interface Login {
  readonly name: string;
  readonly password: string;
}

/** A proxy for all that a client does, which it is told of by its environment and nothing else. */
export interface ProxyRoute {
  readonly proxyUrl: string;
}

/** No way to Entrepot: whoever wants something from there names it. */
export interface DirectRoute {
  readonly isDirect: true;
}

/** How clients come to Entrepot. */
export type Route = Mirror | ProxyRoute | DirectRoute;

/** Past Entrepot, to the registries themselves. */
export const directRoute: DirectRoute = { isDirect: true };

/** The proxy door. */
export const proxyRoute: ProxyRoute = { proxyUrl: entrepotProxyUrl };

/** The mirror that a client is told of, where it is. */
export function mirrorOf(route: Route): Mirror | undefined {
  return 'host' in route ? route : undefined;
}

/** What is in a client's environment. */
export function environmentOf(route: Route): Record<string, string> {
  return 'proxyUrl' in route ? { HTTPS_PROXY: route.proxyUrl } : {};
}
