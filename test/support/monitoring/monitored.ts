import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashSync } from 'bcryptjs';
import { spawnCache } from '../stages/child-cache.ts';
import { certificates } from '../tls/certs.ts';
import { writeTlsFiles } from '../tls/tls-files.ts';
import { startTestRegistry, type TestRegistry } from '../upstream/test-registry.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';

/** An Entrepot with every door, three registries behind it, and a Prometheus that scrapes it. */
export interface Monitored {
  readonly data: string;
  readonly hub: TestRegistry;
  readonly ghcr: TestRegistry;
  /** Whose repositories not everybody may read. */
  readonly guarded: TestRegistry;
  readonly url: string;
  readonly hostedUrl: string;
  readonly proxyPort: number;
  /** What the hosted door's certificate is signed by. */
  readonly authority: string;
  readonly prometheus: Prometheus;
  stop(): Promise<void>;
}

/** The replica that is scraped. There is a second one in name, which does not answer. */
export const replica = 'entrepot-0';

/** Who may push. */
export const pusher = { name: 'ci', password: 'pushes' } as const;

/** The repositories of `guarded`. */
export const guardedRepositories = ['team/secret', 'team/plans'] as const;

/** So small that a minute of pulls fills it, with what is stored taken for old at once. */
const cacheBytes = 4_000_000;
const hostedBytes = 4_000_000;

const rules = fileURLToPath(new URL('../../../deploy/helm/entrepot/files/alerts.yaml', import.meta.url));
const noServer = '127.0.0.1:1';

/** Starts all of it, with its data below a folder, and a scrape every so often. */
export async function startMonitored(folder: string, everyMs: number): Promise<Monitored> {
  const running: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const end of running.splice(0).reverse()) await end();
  };
  try {
    const registry = async (...options: Parameters<typeof startTestRegistry>) => {
      const started = await startTestRegistry(...options);
      running.push(() => started.close());
      return started;
    };
    const hub = await registry();
    const ghcr = await registry();
    const guarded = await registry({ auth: { kind: 'bearer', guarded: new Set(guardedRepositories) } });
    const { ca, server } = certificates();
    const data = join(folder, 'data');
    const settings = settingsOf(folder, data, { hub, ghcr, guarded }, writeTlsFiles(folder, server).paths);
    const { process: child, log } = spawnCache(join(folder, 'entrepot.yaml'), settings);
    const ended = once(child, 'exit');
    running.push(async () => {
      child.kill('SIGTERM');
      await ended;
    });
    const portOf = async (door: string) => {
      const open = await Promise.race([log.waitFor(`${door} door open`), ended]);
      if (Array.isArray(open)) throw new Error(`Cannot go on: Entrepot ended with ${open[0]}`);
      return Number(open.facts['port']);
    };
    const port = await portOf('registry');
    const targets = { [replica]: `127.0.0.1:${port}`, 'entrepot-1': noServer };
    const prometheus = await startPrometheus(folder, { targets, rules, everyMs });
    running.push(() => prometheus.stop());
    return {
      ...{ data, hub, ghcr, guarded, authority: ca.cert, prometheus, stop },
      url: `http://127.0.0.1:${port}`,
      hostedUrl: `https://127.0.0.1:${await portOf('hosted')}`,
      proxyPort: await portOf('proxy'),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function settingsOf(
  folder: string,
  data: string,
  { hub, ghcr, guarded }: Readonly<Record<'hub' | 'ghcr' | 'guarded', TestRegistry>>,
  tls: { readonly cert: string; readonly key: string },
): object {
  const htpasswd = join(folder, 'htpasswd');
  writeFileSync(htpasswd, `${pusher.name}:${hashSync(pusher.password, 4)}\n`);
  const listen = '127.0.0.1:0';
  return {
    data,
    builtinUpstreams: false,
    upstreams: {
      'docker.io': { url: hub.url, rateLimitReserve: '0', maxConcurrent: '6' },
      'ghcr.io': { url: ghcr.url },
      'registry.corp.example': { url: guarded.url },
    },
    doors: {
      registry: { listen, default: 'docker.io' },
      hosted: { listen, tls: { cert: tls.cert, key: tls.key } },
      proxy: { listen },
    },
    proxy: { others: 'deny' },
    cache: {
      ...{ maxBytes: `${cacheBytes}`, minFreeBytes: '0', grace: '1s', maxDownloads: '3' },
      ...{ tagTtl: '3s', negativeTtl: '1s' },
    },
    auth: {
      htpasswd,
      rules: [
        { users: ['anonymous'], doors: ['registry'], allow: ['pull'] },
        { users: [pusher.name], allow: ['pull', 'push', 'delete'] },
      ],
    },
    hosted: { maxBytes: `${hostedBytes}`, garbage: { every: '3s', grace: '1s', untagged: true } },
    warm: { images: ['ghcr.io/team/kept:1', 'ghcr.io/team/gone:1'], every: '1m', platforms: ['all'] },
    shutdown: { grace: '1s' },
  };
}
