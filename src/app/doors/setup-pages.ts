import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Access } from '../../access/access.ts';
import type { Config, ListenAddress } from '../../config/config.ts';
import { parseDomain } from '../../config/schema/values/network/host-name.ts';
import { isLoopback } from '../../config/schema/values/network/listen-address.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { AdminPage } from '../../server/admin/admin.ts';
import { proxyAddress } from '../../setup/address/proxy-address.ts';
import { registryAddress } from '../../setup/address/request-address.ts';
import { ownAuthority } from '../../setup/door-authority.ts';
import { type SetupAnswer, setupAnswer } from '../../setup/script/answer.ts';
import { proxyScript } from '../../setup/script/proxy-script.ts';
import { parseShape } from '../../setup/shape.ts';
import { SetupError, type SetupView } from '../../setup/target.ts';
import { parseOnly, setupView } from '../../setup/view.ts';
import type { Addresses } from './doors.ts';
import type { Proxied } from './proxied.ts';

/** What the pages about setting up clients are made of. */
export interface SetupPageTools {
  readonly config: Config;
  /** Undefined when there is no proxy door. */
  readonly proxied: Proxied | undefined;
  /** Where the doors listen; undefined until they are open. */
  readonly addresses: () => Addresses | undefined;
  readonly access: Pick<Access, 'isOpen'>;
}

/** What can be read at every door about setting up clients: what to put where, scripts, and the authority to trust. */
export async function setupPage(
  tools: SetupPageTools,
  path: string,
  request: IncomingMessage,
): Promise<AdminPage | undefined> {
  const { proxied } = tools;
  const addresses = tools.addresses();
  if (addresses === undefined) return undefined;
  if (path === '/ca.crt' || path === '/setup/proxy.sh') {
    if (proxied === undefined || addresses.proxy === undefined) return undefined;
    if (path === '/ca.crt') return { type: 'application/x-pem-file', body: proxied.authorities.bundle };
    return { type: types.script, body: scriptFor(request, addresses.proxy, proxied, tools.access) };
  }
  const [, rest] = /^\/setup(?:\/([^/]*))?$/.exec(path) ?? [];
  if (path === '/registries.yaml') return answer('k3s', 'registries.yaml', request, tools.config, addresses);
  if (rest === undefined && path !== '/setup') return undefined;
  return answer(rest ?? '', undefined, request, tools.config, addresses);
}

const types: Readonly<Record<SetupAnswer['kind'], string>> = {
  text: 'text/plain; charset=utf-8',
  script: 'text/x-shellscript; charset=utf-8',
  file: 'text/plain; charset=utf-8',
};

async function answer(
  path: string,
  file: string | undefined,
  request: IncomingMessage,
  config: Config,
  addresses: Addresses,
): Promise<AdminPage> {
  const query = new URL(request.url ?? '', 'http://any').searchParams;
  const ca = await authorityOf(config);
  try {
    const view = () => viewOf(query, ca, request, config, addresses);
    const { kind, text } = setupAnswer(path, view, file ?? query.get('file') ?? undefined);
    return { type: types[kind], body: text };
  } catch (error) {
    throw error instanceof SetupError ? inWire(error) : error;
  }
}

function viewOf(
  query: URLSearchParams,
  ca: string | undefined,
  { headers, socket }: IncomingMessage,
  config: Config,
  addresses: Addresses,
): SetupView {
  const { tls } = config.doors.registry;
  const forwardedProto = String(headers['x-forwarded-proto'] ?? '');
  const way = { host: headers.host, forwardedProto, localAddress: socket.localAddress, localPort: socket.localPort };
  const { doors } = config;
  const open = {
    registry: { ...doors.registry, listen: addresses.registry },
    hosted: { ...doors.hosted, listen: addresses.hosted },
    proxy: { ...doors.proxy, listen: addresses.proxy },
  };
  return setupView(
    { ...config, doors: open },
    {
      address: registryAddress(way, { port: addresses.registry.port, isTls: tls !== undefined }),
      domain: domainOf(query.get('domain')),
      shape: parseShape(query.get('shape') ?? undefined),
      only: parseOnly(query.get('only') ?? undefined),
      ca,
    },
  );
}

function domainOf(given: string | null): string | undefined {
  try {
    return given === null ? undefined : parseDomain(given);
  } catch (error) {
    throw new SetupError('NO_DOMAIN', `Cannot use this domain: ${(error as Error).message}`);
  }
}

async function authorityOf({ doors }: Config): Promise<string | undefined> {
  const { tls } = doors.registry;
  return tls && ownAuthority(await readFile(tls.cert, 'utf8'));
}

function inWire({ code, message }: SetupError): RegistryError {
  const isAbsent = code === 'UNKNOWN_TARGET' || code === 'UNKNOWN_FILE';
  return new RegistryError('NOT_FOUND', message, { status: isAbsent ? 404 : 400 });
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
