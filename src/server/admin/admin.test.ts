import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseCacheStatus } from '../../../test/support/http/cache-status.ts';
import { parsePrometheusText } from '../../../test/support/http/prometheus-text.ts';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { openTestDoor } from '../../../test/support/stages/test-door.ts';
import { freeAccess } from '../../access/free-access.ts';

test('/healthz, /readyz and / answer in plain words, and HEAD without any', async (t) => {
  const door = await openTestDoor(t);
  for (const [path, text] of [
    ['/healthz', 'ok\n'],
    ['/readyz', 'ready\n'],
    ['/', 'Entrepot 1.2.3: a cache for container registries\n'],
    ['/healthz?verbose', 'ok\n'],
  ] as const) {
    const { status, headers, body } = await rawFetch(door.url + path);
    assert.deepEqual([path, status, body.toString()], [path, 200, text]);
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(headers['content-length'], String(text.length));
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['docker-distribution-api-version'], undefined);
    assert.deepEqual(parseCacheStatus(headers['cache-status']).parameters, { detail: 'local' });
    const head = await rawFetch(door.url + path, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(text.length), 0]);
  }
});

test('/readyz is 503 with the reason while this process should get no requests, and /healthz stays 200', async (t) => {
  let failure: Error | undefined = new Error('the index is gone');
  let troubles: string[] = [];
  const door = await openTestDoor(t, {
    ready: async () => {
      if (failure) throw failure;
      return troubles;
    },
  });
  const notReady = await rawFetch(`${door.url}/readyz`);
  assert.deepEqual([notReady.status, notReady.body.toString()], [503, 'not ready: the index is gone\n']);
  assert.equal((await rawFetch(`${door.url}/healthz`)).status, 200);
  failure = undefined;
  assert.equal((await rawFetch(`${door.url}/readyz`)).body.toString(), 'ready\n');
  troubles = ['the store cannot be written', 'the index cannot be read'];
  const degraded = await rawFetch(`${door.url}/readyz`);
  const text = 'ready, but the store cannot be written; the index cannot be read\n';
  assert.deepEqual([degraded.status, degraded.body.toString()], [200, text]);
});

// It told paths and errors of the disk to whoever could reach the door.
test('/readyz says whether and no more where a login is wanted for the rest', async (t) => {
  let failure: Error | undefined = new Error('the index is gone');
  const door = await openTestDoor(t, {
    ready: async () => {
      if (failure) throw failure;
      return ['the store cannot be written'];
    },
    access: { access: { ...freeAccess(new Set()), isOpen: () => false }, door: 'registry' },
    isAdminGuarded: true,
  });
  const notReady = await rawFetch(`${door.url}/readyz`);
  assert.deepEqual([notReady.status, notReady.body.toString()], [503, 'not ready\n']);
  failure = undefined;
  const ready = await rawFetch(`${door.url}/readyz`);
  assert.deepEqual([ready.status, ready.body.toString()], [200, 'ready\n']);
});

/** A door over an index that fails when it is told to. */
async function openWithIndex(t: TestContext) {
  const index = { fails: false };
  const store = async () => {
    if (index.fails) throw new Error('the index is gone');
    return { contents: 3, sizeBytes: 4096 };
  };
  return { index, door: await openTestDoor(t, { store }) };
}

test('/metrics is text that Prometheus reads, also while the index fails', async (t) => {
  const { door, index } = await openWithIndex(t);
  for (const fails of [false, true]) {
    index.fails = fails;
    const { status, headers, body } = await rawFetch(`${door.url}/metrics`);
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
    const scrape = parsePrometheusText(body.toString());
    assert.equal(scrape.types.get('entrepot_requests_total'), 'counter');
    assert.equal(scrape.value('entrepot_store_bytes'), fails ? Number.NaN : 4096);
    assert.equal(scrape.value('entrepot_store_contents'), fails ? Number.NaN : 3);
  }
});

test('/status is JSON, and says what it can while the index fails', async (t) => {
  const { door, index } = await openWithIndex(t);
  for (const fails of [false, true]) {
    index.fails = fails;
    const { status, headers, body } = await rawFetch(`${door.url}/status`);
    assert.deepEqual([status, headers['content-type']], [200, 'application/json']);
    const { startedAt, uptimeSeconds, ...rest } = JSON.parse(body.toString());
    assert.ok(Date.parse(startedAt) <= Date.now() && uptimeSeconds >= 0);
    assert.deepEqual(rest, {
      version: '1.2.3',
      ...(fails ? {} : { store: { contents: 3, sizeBytes: 4096, maxBytes: 1e12 } }),
      hosted: { repositories: 0, contents: 0, sizeBytes: 0 },
      downloads: { running: 0, waiting: 0 },
      upstreams: [],
    });
  }
});

test('every other path is 404 in form, and what is not reading is 405', async (t) => {
  const door = await openTestDoor(t);
  for (const path of ['/favicon.ico', '/healthz/', '/metrics/x', '/v1/', '/a/b/v2/', '/%2e%2e/etc/passwd']) {
    const { status, headers, body } = await rawFetch(door.url + path);
    assert.deepEqual([path, status, headers['content-type']], [path, 404, 'application/json']);
    assert.equal(JSON.parse(body.toString()).errors[0].code, 'NOT_FOUND');
    assert.deepEqual(parseCacheStatus(headers['cache-status']).parameters, { detail: 'NOT_FOUND' });
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    const { status, body } = await rawFetch(`${door.url}/metrics`, { method });
    assert.deepEqual([method, status, JSON.parse(body.toString()).errors[0].code], [method, 405, 'UNSUPPORTED']);
  }
});

test('what looks after the cache is logged with its route at debug, and not as traffic', async (t) => {
  const door = await openTestDoor(t);
  for (const path of ['/healthz', '/readyz', '/metrics', '/', '/favicon.ico']) await rawFetch(door.url + path);
  await door.events.waitFor('request', 5);
  for (const { level, facts } of door.events.named('request'))
    assert.deepEqual([level, facts['route']], ['debug', 'admin']);
});
