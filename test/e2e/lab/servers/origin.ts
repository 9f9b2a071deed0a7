import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Certificates } from '../machine/certs.ts';
import { addresses } from '../machine/namespace.ts';
import { type Daemon, startDaemon } from '../machine/processes.ts';
import { type LoggedRequest, openAccessLog } from './access-log.ts';
import { startTokenServer, type TokenRequest, tokenIssuer } from './token-server.ts';

/** The made-up registries, over TLS and with token authentication, and what they were asked. */
export interface Origin {
  /** What the registries and the content network were asked since the last call. */
  takeRequests(): Promise<LoggedRequest[]>;
  /** What the token server was asked since the last call. */
  takeTokenRequests(): TokenRequest[];
  stop(): Promise<void>;
}

interface MadeUpRegistry {
  readonly host: string;
  readonly address: string;
  /** The `service` that tokens are for, and where they are made: within the registry's own domain. */
  readonly service: string;
  readonly realm: string;
  /** Where the answers to blob requests send the client; without it, the registry serves blobs itself. */
  readonly redirect?: string;
}

const contentNetwork = 'production.cloudflare.docker.com';

const hub: MadeUpRegistry = {
  host: 'registry-1.docker.io',
  address: addresses.hub,
  service: 'registry.docker.io',
  realm: 'https://auth.docker.io/token',
  redirect: `https://${contentNetwork}`,
};

const registries: readonly MadeUpRegistry[] = [
  hub,
  { host: 'ghcr.io', address: addresses.ghcr, service: 'ghcr.io', realm: 'https://auth.ghcr.io/token' },
  { host: 'quay.io', address: addresses.quay, service: 'quay.io', realm: 'https://auth.quay.io/token' },
];

/**
 * Starts docker.io (with blobs on a content network), ghcr.io and quay.io. Their images are kept in the storage
 * folder from one start to the next; logs go to the folder of this start.
 */
export async function startOrigin(folder: string, storage: string, certificates: Certificates): Promise<Origin> {
  await mkdir(folder, { recursive: true });
  const tokens = await startTokenServer(certificates);
  const daemons: Daemon[] = [];
  const stop = async () => {
    await Promise.all([...daemons.splice(0).map((daemon) => daemon.stop()), tokens.stop()]);
  };
  try {
    for (const registry of registries) daemons.push(await startRegistry(registry, folder, storage, certificates));
    daemons.push(await startContentNetwork(folder, join(storage, hub.host), certificates));
    await Promise.all([
      ...registries.map(({ address }, at) => daemons[at]!.ready(() => isListening(address))),
      daemons.at(-1)!.ready(() => isListening(addresses.cdn)),
    ]);
    const hosts = [...registries.map((registry) => registry.host), contentNetwork];
    const logs = await Promise.all(hosts.map((host) => openAccessLog(host, join(folder, `${host}.access.log`))));
    let tokenRequestsTaken = 0;
    return {
      takeRequests: async () => (await Promise.all(logs.map((log) => log.take()))).flat(),
      takeTokenRequests() {
        const taken = tokens.requests.slice(tokenRequestsTaken);
        tokenRequestsTaken += taken.length;
        return taken;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startRegistry(
  { host, address, service, realm, redirect }: MadeUpRegistry,
  folder: string,
  storage: string,
  certificates: Certificates,
): Promise<Daemon> {
  const configuration = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(storage, host) } },
    ...(redirect && { middleware: { storage: [{ name: 'redirect', options: { baseurl: redirect } }] } }),
    http: { addr: `${address}:443`, tls: { certificate: certificates.server, key: certificates.serverKey } },
    auth: {
      token: {
        realm,
        service,
        issuer: tokenIssuer,
        rootcertbundle: certificates.token,
      },
    },
  };
  const file = join(folder, `${host}.yml`);
  await writeFile(file, JSON.stringify(configuration)); // JSON is YAML too
  const output = { log: join(folder, `${host}.log`), standardOutput: join(folder, `${host}.access.log`) };
  return startDaemon('docker-registry', ['serve', file], output);
}

async function startContentNetwork(folder: string, storage: string, certificates: Certificates): Promise<Daemon> {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(folder, `nginx-${kind}`)};`)
    .join(' ');
  const configuration = `
    daemon off; user root; worker_processes 1; pid ${join(folder, 'nginx.pid')};
    events { worker_connections 256; }
    http {
      log_format full '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_authorization"';
      access_log ${join(folder, `${contentNetwork}.access.log`)} full;
      ${temporary}
      server {
        listen ${addresses.cdn}:443 ssl; ssl_certificate ${certificates.server}; ssl_certificate_key ${certificates.serverKey};
        location /docker/ { root ${storage}; default_type application/octet-stream; }
      }
    }`;
  const file = join(folder, 'nginx.conf');
  await writeFile(file, configuration);
  return startDaemon('nginx', ['-e', 'stderr', '-c', file], { log: join(folder, 'nginx.log') });
}

function isListening(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(443, address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
