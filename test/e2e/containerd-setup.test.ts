import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { containerd } from '../../src/setup/targets/containerd.ts';
import { setupViewOf } from '../support/command/setup-views.ts';
import { rawFetch } from '../support/http/raw-http.ts';
import { certificates } from '../support/tls/certs.ts';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { type Ctr, pullBy, withContainerd } from './lab/clients/containerd.ts';
import { assertPulled } from './lab/clients/pulled-image.ts';
import { skopeoPusher } from './lab/clients/pushers.ts';
import { type BuiltImage, buildImage, manifestForThisMachine } from './lab/images.ts';
import { currentLab } from './lab/lab.ts';
import { ownEtc } from './lab/machine/namespace.ts';
import { run, startDaemon } from './lab/machine/processes.ts';
import { type EntrepotSettings, entrepotAddress, entrepotTlsName, hostedName } from './lab/servers/entrepot.ts';
import { takeOriginRequests } from './lab/servers/origin-requests.ts';

// containerd as the server's own script sets it up, at the places where it looks by itself.

const domain = 'hosts.test';
const folder = '/etc/containerd';
const shapes = ['ns', 'alias', 'vhost'];
const names = ['docker.io', 'ghcr.io', 'hosted.entrepot'].map((alias) => `${alias}.${domain}`);
const { images, scratch: labFolder } = currentLab();

// An authority of its own, which nobody here trusts but by what the script writes: the door shows it with its certificate.
const { ca, server } = certificates([new URL(`https://${entrepotTlsName}`).hostname, ...names]);
const tls = { cert: join(labFolder, 'setup.crt'), key: join(labFolder, 'setup.key'), clientCa: undefined };
await writeFile(tls.cert, server.cert + ca.cert);
await writeFile(tls.key, server.key);

const doors: readonly (readonly [string, string, EntrepotSettings])[] = [
  ['plain HTTP', `http://${entrepotAddress}`, {}],
  ['TLS', `https://${entrepotTlsName}`, { tls }],
];

/** Runs the script of the server, as people do: `curl … | sh`. */
async function setUp(url: string, query: string, scratch: string, headers = {}): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const { status, body } = await rawFetch(`${url}/setup/containerd.sh${query}`, { ca: ca.cert, headers });
  assert.equal(status, 200);
  const script = join(scratch, 'containerd.sh');
  await writeFile(script, body);
  return run('sh', [script]);
}

for (const [what, url, settings] of doors) {
  describe(`containerd, set up by the script of a door of ${what}`, () => {
    let bench: Bench;
    let giveBack: (() => Promise<void>) | undefined;
    before(async () => {
      giveBack = await ownEtc(await mkdtemp(join(labFolder, 'etc-')));
      // The door of TLS is on ::1.
      await appendFile('/etc/hosts', `${settings.tls ? '::1' : '127.0.0.1'} ${names.join(' ')}\n`);
      bench = await setUpBench('containerd-setup', { domain, hosted: true, cache: { tagTtl: '1h' }, ...settings });
    });
    after(async () => {
      await bench?.clear();
      await giveBack?.();
    });
    afterEach((context) => showLogAfterFailure(bench, context));

    const withClient = async (use: (ctr: Ctr, scratch: string) => Promise<void>) => {
      const scratch = await bench.makeFolder();
      await withContainerd(scratch, {}, (ctr) => use(ctr, scratch));
    };

    for (const shape of shapes) {
      test(`by ${shape}: pulls through Entrepot from several registries, which it never asks itself`, async () => {
        await withClient(async (ctr, scratch) => {
          await setUp(url, `?shape=${shape}`, scratch);
          for (const image of [images.layered, images.list]) {
            const pulled = await pullBy(ctr, join(folder, 'certs.d'), image.reference);
            assertPulled(pulled, image, [manifestForThisMachine(image)]);
          }
        });
        await takeOriginRequests(bench.origin); // which throws when a client is among those who asked
      });

      test(`by ${shape}: pulls what was pushed to ${hostedName}, and pushes there`, async () => {
        const built = hostedImage(`${what.at(0)}-${shape}`.toLowerCase());
        await skopeoPusher.push(built, await bench.makeFolder());
        await withClient(async (ctr, scratch) => {
          await setUp(url, `?shape=${shape}`, scratch);
          const hosts = join(folder, 'certs.d');
          assert.equal((await pullBy(ctr, hosts, built.image.reference)).digest, built.image.digest);
          const copy = `${built.image.reference}-copy`;
          await ctr('images', 'tag', built.image.reference, copy);
          await ctr('images', 'push', '--hosts-dir', hosts, copy);
          await ctr('images', 'remove', copy, built.image.reference);
          assert.equal((await pullBy(ctr, hosts, copy)).digest, built.image.digest);
        });
      });
    }

    test('pulls from the registry itself when nobody answers at the address', async () => {
      await withClient(async (ctr, scratch) => {
        await setUp(url, '', scratch, { host: 'localhost:5999' });
        const pulled = await pullBy(ctr, join(folder, 'certs.d'), images.list.reference);
        assertPulled(pulled, images.list, [manifestForThisMachine(images.list)]);
      });
      const agents = (await bench.origin.takeRequests()).map(({ userAgent }) => userAgent);
      assert.ok(agents.length > 0 && agents.every((agent) => agent.startsWith('containerd/')), agents.join());
    });

    test('pulls from a registry that Entrepot does not have from itself', async () => {
      await withClient(async (ctr, scratch) => {
        await setUp(url, '', scratch);
        const pulled = await pullBy(ctr, join(folder, 'certs.d'), images.unknown.reference);
        assertPulled(pulled, images.unknown, images.unknown.manifests);
      });
      assert.deepEqual([...new Set((await bench.origin.takeRequests()).map(({ host }) => host))], ['quay.io']);
    });
  });
}

function hostedImage(name: string): BuiltImage {
  return buildImage({ reference: `${hostedName}/team/${name}:1`, format: 'oci', layerBytes: [300_000] });
}

describe('what a plan says of config.toml', () => {
  const [, addition = ''] =
    /version = 2.*?\n([\s\S]*?)\n {2}and/.exec(containerd.plan(setupViewOf()).notes.join('\n')) ?? [];
  const mirrors =
    '[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n  endpoint = ["http://127.0.0.1:1"]\n';
  let bench: Bench;
  before(async () => {
    bench = await setUpBench('containerd-config');
  });
  after(() => bench?.clear());

  const configure = async (text: string) => {
    const scratch = await bench.makeFolder();
    const file = join(scratch, 'config.toml');
    const own = `version = 2\nroot = "${scratch}/root"\nstate = "${scratch}/state"\n[grpc]\n  address = "/run/config.sock"\n`;
    await writeFile(file, `${own}[plugins."io.containerd.internal.v1.opt"]\n  path = "${scratch}/opt"\n${text}`);
    return { file, log: join(scratch, 'containerd.log') };
  };

  /** Whether the CRI plugin is `ok`, and what containerd says. */
  const load = async (text: string) => {
    const { file, log } = await configure(text);
    const daemon = startDaemon('containerd', ['--config', file], { log });
    try {
      const ctr = (...args: string[]) => run('ctr', ['--address', '/run/config.sock', ...args]);
      await daemon.ready(async () => (await ctr('version')) !== '');
      const [, state] = /^io\.containerd\.grpc\.v1 +cri .* (ok|error|skip)\s*$/m.exec(await ctr('plugins', 'ls')) ?? [];
      return { state, said: await readFile(log, 'utf8') };
    } finally {
      await daemon.stop();
    }
  };

  test('is where containerd has its config_path, and its CRI plugin loads with it', async () => {
    const { file } = await configure(addition);
    const dumped = await run('containerd', ['--config', file, 'config', 'dump']);
    assert.match(dumped, /^ +config_path = "\/etc\/containerd\/certs\.d"$/m);
    assert.equal((await load(addition)).state, 'ok');
  });

  test('is right about registry.mirrors: beside it, the CRI plugin does not load', async () => {
    const { state, said } = await load(`${addition}\n${mirrors}`);
    assert.equal(state, 'error');
    assert.match(said, /`mirrors` cannot be set when `config_path` is provided/);
    assert.equal((await load(mirrors)).state, 'ok');
  });
});
