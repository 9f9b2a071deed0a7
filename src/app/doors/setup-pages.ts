import type { IncomingMessage } from 'node:http';
import type { Access } from '../../access/access.ts';
import type { ListenAddress } from '../../config/config.ts';
import { isLoopback } from '../../config/schema/values/listen-address.ts';
import type { AdminPage } from '../../server/admin/admin.ts';
import { proxyAddress } from '../../setup/proxy-address.ts';
import { proxyScript } from '../../setup/proxy-script.ts';
import type { Proxied } from './proxied.ts';

/** What the pages about setting up clients are made of. */
export interface SetupPageTools {
  /** Undefined when there is no proxy door. */
  readonly proxied: Proxied | undefined;
  /** Where the proxy door listens; undefined until it is open. */
  readonly proxyDoor: () => ListenAddress | undefined;
  readonly access: Pick<Access, 'isOpen'>;
}

/** What can be read at every door about setting up clients: the authority to trust, and scripts. */
export function setupPages(tools: SetupPageTools): (path: string, request: IncomingMessage) => AdminPage | undefined {
  return (path, request) => {
    const { proxied } = tools;
    if (proxied === undefined) return undefined;
    if (path === '/ca.crt') return { type: 'application/x-pem-file', body: proxied.authorities.bundle };
    const listen = path === '/setup/proxy.sh' ? tools.proxyDoor() : undefined;
    if (listen === undefined) return undefined;
    return { type: 'text/x-shellscript; charset=utf-8', body: scriptFor(request, listen, proxied, tools.access) };
  };
}

function scriptFor(
  { headers, socket }: IncomingMessage,
  listen: ListenAddress,
  { authorities }: Proxied,
  access: SetupPageTools['access'],
): string {
  const { host } = headers;
  const { proxy, note } = proxyAddress({
    ...{ listen, host, localAddress: socket.localAddress },
    isLocal: isLoopback(listen.host),
  });
  const login = access.isOpen('proxy')
    ? []
    : ['It asks for a login: --proxy http://USER:PASSWORD@HOST:PORT gives one.'];
  const notes = [...(note === undefined ? [] : [note]), ...login];
  return proxyScript({ proxy, bundle: authorities.bundle, hosts: authorities.hosts, note: notes.join('\n') });
}
