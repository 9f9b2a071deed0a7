import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { hexOf } from '../../../src/oci/digest.ts';
import { proxyFromEnvironment } from '../../../src/upstream/transport/proxy-env.ts';
import { Transport } from '../../../src/upstream/transport/transport.ts';
import { countBytes, readAll } from '../../support/http/read.ts';
import { basicAuthorization } from '../../support/registry/token-server.ts';
import { certificates } from '../../support/tls/certs.ts';
import { type ForwardProxyOptions, startForwardProxy } from '../../support/upstream/forward-proxy.ts';
import { closedPort, startScriptedServer, turns } from '../../support/upstream/scripted-server.ts';
import type { TestRegistryOptions } from '../../support/upstream/test-registry.ts';
import { latest, makeClient, patient, repository, startUpstream } from '../../support/upstream/upstream-client.ts';

// Loopback is never asked for through a proxy, so the registry goes by a name that only the proxy knows.
const host = 'registry.test';
const { ca, server: serverCertificate } = certificates([host, 'cdn.test']);
const trusting = { ca: ca.cert, insecure: false };
const oneTry = { rounds: 1 };

interface SetUpOptions {
  readonly secure: boolean;
  readonly server?: TestRegistryOptions;
  readonly proxy?: ForwardProxyOptions;
  /** What stands before the proxy's host in its URL. */
  readonly login?: string;
  readonly noProxy?: string;
}

/** A registry that is reached through a forward proxy alone. */
async function setUp(
  t: TestContext,
  { secure, server: serverOptions = {}, login = '', noProxy = '', ...rest }: SetUpOptions,
) {
  const upstream = await startUpstream(t, { ...serverOptions, ...(secure ? { tls: serverCertificate } : {}) });
  const { authority } = upstream.server;
  const resolve = (asked: string) => (/^(registry|cdn)\.test(:443)?$/.test(asked) ? authority : asked);
  const proxy = await startForwardProxy({ resolve, ...rest.proxy });
  t.after(() => proxy.close());
  const proxyUrl = proxy.url.replace('//', `//${login}`);
  const proxyFor = proxyFromEnvironment({ HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl, NO_PROXY: noProxy });
  const client = makeClient(t, [`${secure ? 'https' : 'http'}://${host}`], {
    proxyFor,
    identity: trusting,
    retry: oneTry,
  });
  return { ...upstream, ...client, proxy, proxyFor };
}

describe('HTTPS through a proxy', () => {
  test('goes by CONNECT, in one tunnel for many requests, which are verified end to end', async (t) => {
    const { registry, server, proxy } = await setUp(t, { secure: true });
    for (let round = 0; round < 3; round++) await registry.getManifest(repository, latest, patient);
    assert.deepEqual(proxy.lines(), [`CONNECT ${host}:443`]);
    const manifest = `GET /v2/${repository}/manifests/latest`;
    assert.deepEqual(server.requests.lines(), ['GET /v2/', manifest, manifest, manifest]);
    assert.equal(server.requests.all[0]!.headers.host, host);
  });

  test('logs in to the proxy, and tells the registry nothing of it', async (t) => {
    const credentials = { username: 'user', password: 'p@ss:w/rd' };
    const login = 'user:p%40ss%3Aw%2Frd@';
    const { registry, server, proxy } = await setUp(t, { secure: true, proxy: { credentials }, login });
    await registry.getManifest(repository, latest, patient);
    assert.equal(proxy.asked[0]!.headers['proxy-authorization'], basicAuthorization('user', 'p@ss:w/rd'));
    for (const { rawHeaders } of server.requests.all) assert.ok(!rawHeaders.some((text) => /proxy/i.test(text)));
  });

  test('without the login that the proxy wants is UNAVAILABLE, and tells no password', async (t) => {
    const credentials = { username: 'user', password: 'right' };
    for (const login of ['', 'user:hunter2@']) {
      const { registry, server } = await setUp(t, { secure: true, proxy: { credentials }, login });
      await assert.rejects(registry.getManifest(repository, latest, patient), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'UNAVAILABLE');
        assert.match(error.message, /registry\.test through the proxy 127\.0\.0\.1:\d+: the proxy answered 407/);
        assert.ok(!`${error.message}${error.cause}`.includes('hunter2'));
        return true;
      });
      assert.deepEqual(server.requests.lines(), []);
    }
  });

  test('is followed to a CDN by a tunnel of its own', async (t) => {
    const { registry, server, proxy, image } = await setUp(t, { secure: true });
    const { digest, bytes } = image.blobs[1]!;
    const location = `https://cdn.test/v2/${repository}/blobs/${digest}`;
    server.faults.answer('blob', { status: 307, headers: { location } });
    assert.ok((await readAll(await registry.getBlob(repository, digest, undefined, patient))).equals(bytes));
    assert.deepEqual(proxy.lines(), [`CONNECT ${host}:443`, 'CONNECT cdn.test:443']);
  });

  test('refuses the certificate of another host, though the proxy vouches for it', async (t) => {
    const { server, proxyFor } = await setUp(t, { secure: true });
    const proxy = await startForwardProxy({ resolve: () => server.authority });
    t.after(() => proxy.close());
    const toProxy = () => new URL(proxy.url);
    const { registry } = makeClient(t, ['https://elsewhere.test'], {
      proxyFor: toProxy,
      identity: trusting,
      retry: oneTry,
    });
    await assert.rejects(registry.getManifest(repository, latest, patient), {
      message: /elsewhere\.test.*certificate/,
    });
    assert.ok(proxyFor(new URL('https://elsewhere.test')));
    assert.deepEqual(server.requests.lines(), []);
  });

  const sizeBytes = 24_000_000;

  /** The body of a large blob, through a tunnel, asked for with nothing but the transport. */
  async function largeBody(t: TestContext, limits = {}, signal = patient) {
    const { server, proxyFor } = await setUp(t, { secure: true });
    const digest = server.content.putGenerated(repository, 'large', sizeBytes);
    const transport = new Transport({ proxyFor, limits });
    t.after(() => transport.close());
    const url = new URL(`https://${host}/v2/${repository}/blobs/${digest}`);
    const request = { method: 'GET', url, headers: {}, identity: trusting } as const;
    return { server, digest, ask: () => transport.request(request, signal) };
  }

  test('a large body arrives whole, also when its reader stops for a while', async (t) => {
    const { server, digest, ask } = await largeBody(t);
    const { body } = await ask();
    while (!body.paused) await turns();
    const [recorded] = server.requests.matching(/blobs/);
    assert.ok(recorded!.bodyBytes < sizeBytes, `${recorded!.bodyBytes} bytes`);
    const hash = createHash('sha256');
    for (let chunk = await body.next(); chunk; chunk = await body.next()) {
      hash.update(chunk.bytes);
      chunk.release();
    }
    assert.equal(hash.digest('hex'), hexOf(digest));
  });

  test('the limit on connecting does not end a tunnel that stands', async (t) => {
    const connectMs = 1_000;
    const { server, ask } = await largeBody(t, { connectMs });
    const gate = server.faults.stallAfterBytes('GET blob', 1_000_000);
    const { body } = await ask();
    await gate.reached;
    const later = AbortSignal.timeout(connectMs + 100);
    await once(later, 'abort');
    gate.release();
    assert.equal(await countBytes(body), sizeBytes);
  });

  test('a tunnel ends with the caller’s signal', async (t) => {
    const controller = new AbortController();
    const { server, ask } = await largeBody(t, {}, controller.signal);
    const { body } = await ask();
    (await body.next())!.release();
    const reason = new Error('client gone');
    controller.abort(reason);
    await assert.rejects(
      async () => {
        while (await body.next());
      },
      (error) => error === reason,
    );
    assert.equal(await server.requests.matching(/blobs/)[0]!.ended, 'broken');
  });

  test('a proxy that cannot be reached is named', async (t) => {
    const { registry } = makeClient(t, [`https://${host}`], {
      proxyFor: () => new URL(`http://127.0.0.1:${closedPort}`),
      retry: oneTry,
    });
    await assert.rejects(registry.getManifest(repository, latest, patient), {
      code: 'UNAVAILABLE',
      message: new RegExp(`${host} through the proxy 127\\.0\\.0\\.1:${closedPort}: .*ECONNREFUSED`),
    });
  });

  test('a proxy that does not answer is given up in time, and its connection ended', async (t) => {
    const closed = Promise.withResolvers<void>();
    const silent = await startScriptedServer(async (connection) => {
      await connection.closed;
      closed.resolve();
    });
    t.after(() => silent.close());
    const { registry } = makeClient(t, [`https://${host}`], {
      proxyFor: () => new URL(silent.url),
      limits: { connectMs: 50 },
      retry: oneTry,
    });
    await assert.rejects(registry.getManifest(repository, latest, patient), { message: /through the proxy.* 50 ms/ });
    await closed.promise;
  });
});

describe('HTTP through a proxy', () => {
  test('goes in absolute form, in one connection for many requests', async (t) => {
    const { registry, server, proxy } = await setUp(t, { secure: false });
    await registry.getManifest(repository, latest, patient);
    await registry.listTags(repository, { count: 5 }, patient);
    const base = `GET http://${host}/v2/`;
    assert.deepEqual(proxy.lines(), [
      base,
      `${base}${repository}/manifests/latest`,
      `${base}${repository}/tags/list?n=5`,
    ]);
    assert.equal(proxy.asked[0]!.headers.host, host);
    assert.equal(proxy.asked[0]!.headers['proxy-authorization'], undefined);
    assert.equal(server.requests.all[0]!.headers.host, host);
  });

  test('logs in to the proxy with every request', async (t) => {
    const credentials = { username: 'user', password: 'p@ss' };
    const { registry, proxy } = await setUp(t, { secure: false, proxy: { credentials }, login: 'user:p%40ss@' });
    await registry.getManifest(repository, latest, patient);
    for (const { headers } of proxy.asked) {
      assert.equal(headers['proxy-authorization'], basicAuthorization('user', 'p@ss'));
    }
  });
});

describe('what NO_PROXY names', () => {
  // The same machine by an address that is not one of loopback's own.
  const own = (url: string) => url.replace('127.0.0.1', '0.0.0.0');

  test('is asked directly, everything else through the proxy', async (t) => {
    const { server } = await startUpstream(t);
    const proxy = await startForwardProxy();
    t.after(() => proxy.close());
    const through = proxyFromEnvironment({ http_proxy: proxy.url });
    await makeClient(t, [own(server.url)], { proxyFor: through }).registry.getManifest(repository, latest, patient);
    assert.equal(proxy.lines().length, 2);
    const direct = proxyFromEnvironment({ http_proxy: proxy.url, no_proxy: 'other.test,0.0.0.0' });
    await makeClient(t, [own(server.url)], { proxyFor: direct }).registry.getManifest(repository, latest, patient);
    assert.equal(proxy.lines().length, 2);
    assert.equal(server.requests.all.length, 4);
  });

  test('and loopback, without being named', async (t) => {
    const { server } = await startUpstream(t);
    const proxy = await startForwardProxy();
    t.after(() => proxy.close());
    const proxyFor = proxyFromEnvironment({ HTTP_PROXY: proxy.url });
    await makeClient(t, [server.url], { proxyFor }).registry.getManifest(repository, latest, patient);
    assert.deepEqual(proxy.lines(), []);
  });
});
