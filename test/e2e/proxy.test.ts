import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { containerdThrough } from './lab/clients/containerd.ts';
import { dockerdThrough, withDockerd } from './lab/clients/dockerd.ts';
import { podmanThrough } from './lab/clients/podman.ts';
import type { Client } from './lab/clients/pull-tests.ts';
import { assertPulled } from './lab/clients/pulled-image.ts';
import { skopeoThrough } from './lab/clients/skopeo.ts';
import { manifestForThisMachine, type TestImage } from './lab/images.ts';
import { currentLab } from './lab/lab.ts';
import { addresses, trustOnly } from './lab/machine/namespace.ts';
import { run } from './lab/machine/processes.ts';
import { environmentOf, proxyRoute } from './lab/machine/route.ts';
import { entrepotAddress } from './lab/servers/entrepot.ts';
import { assertOriginAsked, requestsForColdPull } from './lab/servers/origin-requests.ts';
import { tokenUser } from './lab/servers/token-server.ts';

// Clients that know HTTPS_PROXY and the authority of Entrepot, and nothing else: no name of an image is changed.

const { images, certificates } = currentLab();
const [skopeo, podman, containerd, dockerd] = [skopeoThrough, podmanThrough, containerdThrough, dockerdThrough].map(
  (through) => through(proxyRoute),
) as [Client, Client, Client, Client];

/** Sends a request by curl through the proxy. */
function curl(...args: readonly string[]): Promise<string> {
  return run('curl', ['--silent', '--show-error', '--fail', ...args], environmentOf(proxyRoute));
}

/** What of an image a client takes. */
function manifestsFor(client: Client, image: TestImage) {
  return client.chooseManifests?.(image) ?? [manifestForThisMachine(image)];
}

interface LoggedConnect {
  readonly msg: string;
  readonly host: string;
  readonly result?: string;
  readonly reason?: string;
}

/** What clients have asked the proxy to be connected with. */
async function connectsOf(bench: Bench): Promise<LoggedConnect[]> {
  const lines = (await bench.entrepotLog()).split('\n').filter((line) => line.startsWith('{'));
  const entries: LoggedConnect[] = lines.map((line) => JSON.parse(line));
  return entries.filter(({ msg }) => msg === 'connect' || msg === 'connect refused');
}

/** Sets up a bench with a proxy door, whose authority everything here trusts. */
async function setUpProxyBench(name: string, proxy: Readonly<Record<string, unknown>>): Promise<Bench> {
  const bench = await setUpBench(name, { cache: { tagTtl: '1h' }, upstreams: { 'quay.io': {} }, proxy });
  const authority = await fetch(`http://${entrepotAddress}/ca.crt`);
  assert.equal(authority.status, 200);
  await trustOnly(Buffer.concat([Buffer.from(await authority.arrayBuffer()), await readFile(certificates.authority)]));
  return bench;
}

/** For the tests of one group: a bench with a proxy door, and a pull through it of which every byte is compared. */
function setProxyStage(name: string, proxy: Readonly<Record<string, unknown>>) {
  let bench: Bench;
  before(async () => {
    bench = await setUpProxyBench(name, proxy);
  });
  after(async () => {
    await trustOnly(await readFile(certificates.authority));
    await bench?.clear();
  });
  afterEach((context) => showLogAfterFailure(bench, context));
  return {
    get bench() {
      return bench;
    },
    async pull(client: Client, image: TestImage) {
      const pulled = await client.pull(image.reference, await bench.makeFolder());
      assertPulled(pulled, image, manifestsFor(client, image));
    },
  };
}

// Nobody waits longer for an image that is here: what asks the origin in vain is given up before.
const warmLimitMs = 15_000;

describe('the proxy door', () => {
  const stage = setProxyStage('proxy', { allowAddresses: [addresses.tokens] });
  const { pull } = stage;

  const coldPulls = [
    [skopeo, images.unknown],
    [podman, images.list],
    [containerd, images.layered],
    [dockerd, images.index],
  ] as const;
  for (const [client, image] of coldPulls) {
    test(`lets ${client.name} pull ${image.reference}, and the origin is asked for each thing once`, async () => {
      await pull(client, image);
      await assertOriginAsked(stage.bench.origin, requestsForColdPull(image, manifestsFor(client, image), client));
    });
  }

  test('gives curl a blob, by any name of the registry', async () => {
    const [layer] = images.layered.manifests[0]!.layers;
    for (const host of ['registry-1.docker.io', 'index.docker.io']) {
      const file = join(await stage.bench.makeFolder(), 'layer');
      await curl('--output', file, `https://${host}/v2/library/strata/blobs/${layer}`);
      assert.equal(digestOf(await readFile(file)), layer);
    }
    await assertOriginAsked(stage.bench.origin, []);
  });

  test('tells apart what two registries have by one name', async () => {
    for (const image of [images.namesake, images.index]) await pull(skopeo, image);
  });

  test('was asked by none of them for a host that makes tokens, or keeps blobs', async () => {
    const connects = await connectsOf(stage.bench);
    const hosts = new Set(connects.map(({ host, result }) => `${host} ${result}`));
    const registries = ['ghcr.io', 'index.docker.io', 'quay.io', 'registry-1.docker.io'];
    assert.deepEqual(
      [...hosts].sort(),
      registries.map((host) => `${host} intercepted`),
    );
  });

  test('leads to a host that is no registry, and leaves its certificate as it is', async () => {
    const format = join(await stage.bench.makeFolder(), 'format');
    await writeFile(format, '%{certs}');
    const url = 'https://auth.docker.io/token?service=registry.docker.io';
    const trusting = ['--cacert', certificates.authority, '--output', '/dev/null'];
    const shown = await curl(...trusting, '--write-out', `@${format}`, url);
    const [leaf] = /-----BEGIN[\s\S]+?END CERTIFICATE-----/.exec(shown) ?? [];
    assert.ok(leaf !== undefined && (await readFile(certificates.server, 'utf8')).includes(leaf), shown);
  });

  test('leads to no address that is not public, unless it is allowed', async () => {
    await assert.rejects(curl('https://production.cloudflare.docker.com/'), /403/);
  });

  describe('and an image that takes credentials', () => {
    const { restricted } = images;
    const blobUrl = `https://registry-1.docker.io/v2/private/vault/blobs/${restricted.manifests[0]!.config}`;
    const assertRefused = async () => {
      await assert.rejects(pull(skopeo, restricted), /unauthorized|denied/);
      await assert.rejects(pull(containerd, restricted), /authorization failed|denied/);
      await assert.rejects(curl(blobUrl), /401/);
    };

    test('gives it to nobody who is not logged in', assertRefused);

    for (const through of [dockerdThrough, containerdThrough, skopeoThrough]) {
      const client = through(proxyRoute, tokenUser);
      test(`gives it to ${client.name}, by the login that it has at the registry`, () => pull(client, restricted));
    }

    test('gives it to nobody else afterwards', assertRefused);
  });

  const warmPulls = () => {
    for (const client of [skopeo, podman, containerd, dockerd]) {
      test(`lets ${client.name} pull what it has`, { timeout: warmLimitMs }, () => pull(client, images.layered));
    }
  };

  describe('with the origin and its token server stopped', () => {
    before(() => stage.bench.origin.stop());
    warmPulls();
  });

  describe('with both stopped and Entrepot started anew', () => {
    before(() => stage.bench.restartEntrepot());
    warmPulls();
  });

  describe('with both silent, which is worse', () => {
    let silence: { end(): void };
    before(async () => {
      silence = await beSilentAt([addresses.hub, addresses.tokens]);
      await stage.bench.restartEntrepot();
    });
    after(() => silence?.end());
    warmPulls();
  });
});

describe('the proxy door that leads to registries alone', () => {
  const stage = setProxyStage('alone', { others: 'deny' });
  const { pull } = stage;
  const clients = [skopeo, podman, containerd, dockerd];

  for (const client of clients) {
    test(`lets ${client.name} pull what everybody may read`, () => pull(client, images.layered));
  }

  test('asks for nothing, and for no token, for what is here', async () => {
    stage.bench.origin.takeTokenRequests();
    await stage.bench.origin.takeRequests();
    for (const client of clients) await pull(client, images.layered);
    assert.deepEqual(await stage.bench.origin.takeRequests(), []);
    assert.deepEqual(stage.bench.origin.takeTokenRequests(), []);
  });

  for (const through of [dockerdThrough, containerdThrough, skopeoThrough]) {
    const client = through(proxyRoute, tokenUser);
    test(`passes the login of ${client.name} on, and gives it what that is good for`, async () => {
      await assert.rejects(pull(through(proxyRoute), images.restricted), /unauthorized|denied|authorization failed/);
      stage.bench.origin.takeTokenRequests();
      await pull(client, images.restricted);
      const users = stage.bench.origin
        .takeTokenRequests()
        .flatMap(({ user, status }) => (status === 200 ? [user] : []));
      assert.ok(users.includes(tokenUser.name), String(users));
    });
  }

  const logins: readonly (readonly [string, (folder: string, password: string) => Promise<string>])[] = [
    [
      'skopeo login',
      (folder, password) => {
        const login = ['--username', tokenUser.name, '--password', password, '--authfile', join(folder, 'auth.json')];
        return run('skopeo', ['login', ...login, 'docker.io'], environmentOf(proxyRoute));
      },
    ],
    [
      'docker login',
      (folder, password) =>
        withDockerd(folder, proxyRoute, (docker) =>
          docker('--config', join(folder, 'config'), 'login', '--username', tokenUser.name, '--password', password),
        ),
    ],
  ];
  for (const [what, login] of logins) {
    test(`lets ${what} tell a right password from a wrong one`, async () => {
      assert.match(await login(await stage.bench.makeFolder(), tokenUser.password), /Login Succeeded/);
      await assert.rejects(login(await stage.bench.makeFolder(), 'not that'), /unauthorized|invalid username/i);
    });
  }

  test('reaches nothing else', async () => {
    await assert.rejects(curl('https://auth.docker.io/token'), /403/);
  });

  describe('with the origin and its token server stopped', () => {
    before(() => stage.bench.origin.stop());
    for (const client of [...clients, dockerdThrough(proxyRoute, tokenUser), skopeoThrough(proxyRoute, tokenUser)]) {
      test(`lets ${client.name} pull what it has`, { timeout: warmLimitMs }, () => pull(client, images.layered));
    }
  });
});

/** Takes connections at the HTTPS port of addresses, and says nothing on them. */
async function beSilentAt(places: readonly string[]): Promise<{ end(): void }> {
  const sockets = new Set<Socket>();
  const servers = await Promise.all(
    places.map(async (host) => {
      const server = createServer((socket) => sockets.add(socket.on('error', () => {}).resume()));
      server.listen(443, host);
      await once(server, 'listening');
      return server;
    }),
  );
  return {
    end() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
    },
  };
}
