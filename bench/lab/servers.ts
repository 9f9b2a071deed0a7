import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type Server, startServer } from './process.ts';

/** A server under measurement. */
export interface Peer {
  readonly url: string;
  readonly server: Server;
}

const host = '127.0.0.1';

/** Debian's docker-registry as a plain registry. Its access log tells what was fetched from it. */
export async function startOrigin(folder: string, logFile: string, at = host, prefix: string[] = []): Promise<Peer> {
  const port = await freePort();
  const config = registryConfig(join(folder, 'origin'), `${at}:${port}`, 'accesslog: { disabled: false }', '');
  const file = join(folder, `origin-${port}.yml`);
  await writeFile(file, config);
  // A registry in another network namespace cannot be waited for on this one's loopback, but on its own address.
  const server = await startServer([...prefix, 'docker-registry', 'serve', file], { host: at, port }, logFile);
  return { url: `http://${at}:${port}`, server };
}

/** Debian's docker-registry as a proxy of the origin, with nothing cached. */
export async function startRegistryProxy(folder: string, originUrl: string): Promise<Peer> {
  const port = await freePort();
  const data = join(folder, 'proxy');
  await rm(data, { recursive: true, force: true });
  const proxy = `proxy: { remoteurl: "${originUrl}" }\n`;
  const file = join(folder, 'proxy.yml');
  await writeFile(file, registryConfig(data, `${host}:${port}`, 'accesslog: { disabled: true }', proxy));
  const server = await startServer(['docker-registry', 'serve', file], { host, port }, join(folder, 'proxy.log'));
  return { url: `http://${host}:${port}`, server };
}

/** Debian's docker-registry as a plain registry with nothing in it, which is pushed to. */
export async function startRegistry(folder: string, data: string): Promise<Peer> {
  const port = await freePort();
  await rm(data, { recursive: true, force: true });
  const file = join(folder, 'registry.yml');
  await writeFile(file, registryConfig(data, `${host}:${port}`, 'accesslog: { disabled: true }', ''));
  const server = await startServer(['docker-registry', 'serve', file], { host, port }, join(folder, 'registry.log'));
  return { url: `http://${host}:${port}`, server };
}

function registryConfig(data: string, address: string, accessLog: string, rest: string): string {
  const storage = `storage: { filesystem: { rootdirectory: "${data}" }, delete: { enabled: true } }`;
  return `version: 0.1\nlog: { level: error, ${accessLog} }\n${storage}\nhttp: { addr: "${address}" }\n${rest}`;
}

/** nginx that serves files from disk under the paths of the registry: the floor. With the files of a certificate, over TLS. */
export async function startNginx(
  folder: string,
  files: ReadonlyMap<string, string>,
  tls?: { readonly cert: string; readonly key: string },
): Promise<Peer> {
  const port = await freePort();
  const secure = tls ? ` ssl; ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}` : '';
  const locations = [...files].map(([path, file]) => `location = ${path} { alias ${file}; }`).join('\n');
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, 'nginx', name)};`)
    .join(' ');
  await mkdir(join(folder, 'nginx'), { recursive: true });
  const file = join(folder, 'nginx.conf');
  await writeFile(
    file,
    // The folder is its owner's alone, and nginx as root would serve as somebody else.
    `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes auto; pid ${join(folder, 'nginx.pid')}; error_log stderr error;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream; ${temp}
server { listen ${host}:${port}${secure}; keepalive_requests 10000000; ${locations} } }`,
  );
  const server = await startServer(['nginx', '-c', file], { host, port }, join(folder, 'nginx.log'));
  return { url: `${tls ? 'https' : 'http'}://${host}:${port}`, server };
}

const checkout = fileURLToPath(new URL('../..', import.meta.url));

/** As `npm start` does it, but with no process of npm in between. */
const serveCommand = [
  ...['env', `NODE_COMPILE_CACHE=${join(checkout, 'node_modules/.cache/entrepot')}`],
  ...[process.execPath, join(checkout, 'src/cli/main.ts'), 'serve'],
];

/** What Entrepot is started with. */
export interface EntrepotOptions {
  /** Its data, which stay as they are; unless given, it begins with nothing cached. */
  readonly data?: string;
  /** The port of its proxy door, which it has not unless given. */
  readonly proxyPort?: number;
  /** Keys of `cache` in its configuration. */
  readonly cache?: Readonly<Record<string, string | number>>;
}

/** Entrepot in front of the origin, as it is started from a checkout. */
export async function startEntrepot(folder: string, originUrl: string, options: EntrepotOptions = {}): Promise<Peer> {
  const port = await freePort();
  const data = options.data ?? join(folder, 'entrepot');
  if (options.data === undefined) await rm(data, { recursive: true, force: true });
  const file = join(folder, `entrepot-${port}.yaml`);
  await writeFile(
    file,
    `data: ${data}
builtinUpstreams: false
cache: ${JSON.stringify(options.cache ?? {})}
doors: { registry: { listen: "${host}:${port}", default: origin.test }, hosted: { listen: none }, proxy: { listen: ${options.proxyPort === undefined ? 'none' : `"${host}:${options.proxyPort}"`} } }
upstreams: { origin.test: { url: "${originUrl}" } }
log: { format: json }
`,
  );
  const command = [...serveCommand, '--config', file];
  const server = await startServer(command, { host, port }, join(folder, `entrepot-${port}.log`));
  return { url: `http://${host}:${port}`, server };
}

/** Entrepot's hosted door with nothing in it, as it is started from a checkout. */
export async function startHosted(folder: string, data: string): Promise<Peer> {
  const [port, registryPort] = [await freePort(), await freePort()];
  await rm(data, { recursive: true, force: true });
  const file = join(folder, `hosted-${port}.yaml`);
  await writeFile(
    file,
    `data: ${data}
builtinUpstreams: false
doors: { registry: { listen: "${host}:${registryPort}" }, hosted: { listen: "${host}:${port}" } }
log: { format: json }
`,
  );
  const command = [...serveCommand, '--config', file];
  const server = await startServer(command, { host, port }, join(folder, `hosted-${port}.log`));
  return { url: `http://${host}:${port}`, server };
}
