import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage, seededBytes } from '../../support/content/images.ts';
import type { EventLog } from '../../support/event-log.ts';
import { rawFetch, rawRequest } from '../../support/http/raw-http.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';

/** The facts of the request of this number, without its duration, which is checked. */
async function request(log: EventLog, number: number): Promise<Record<string, unknown>> {
  const all = await log.requests(number);
  assert.equal(all.length, number, 'a request was logged more than once');
  const { ms, ...facts } = all[number - 1] ?? {};
  assert.ok(typeof ms === 'number' && ms >= 0 && ms < 60_000, `${ms} ms`);
  return facts;
}

const common = { registry: 'origin.test', client: '127.0.0.1' };

test('each request is one event, with who asked for what and what became of it', async (t) => {
  const { origin, url, log } = await setDoorStage(t);
  const image = makeImage({ seed: 'app', layers: [5000] });
  origin.content.push(repository, image, 'latest');
  const { digest } = image.manifest;
  const layer = image.blobs[1]?.digest;
  const of = (route: string, reference?: string) => ({ ...common, method: 'GET', route, repository, reference });
  const ofNone = (route: string) => ({ ...of(route), repository: undefined, cache: 'none' });
  const rows: readonly (readonly [path: string, expected: object, asked?: { method: string } | { range: string }])[] = [
    [`${repository}/manifests/latest`, { ...of('manifest', 'latest'), cache: 'miss' }],
    [`${repository}/manifests/latest`, { ...of('manifest', 'latest'), cache: 'hit' }],
    [
      `${repository}/manifests/latest`,
      { ...of('manifest', 'latest'), method: 'HEAD', cache: 'hit' },
      { method: 'HEAD' },
    ],
    [`${repository}/manifests/${digest}?ns=origin.test`, { ...of('manifest', digest), cache: 'hit' }],
    [`origin.test/${repository}/blobs/${layer}`, { ...of('blob', layer), cache: 'miss' }],
    [`${repository}/blobs/${layer}`, { ...of('blob', layer), status: 206, cache: 'hit' }, { range: 'bytes=10-19' }],
    [`${repository}/tags/list`, { ...of('tags'), cache: 'miss' }],
    [`${repository}/referrers/${digest}`, { ...of('referrers', digest), cache: 'miss' }],
    ['', { ...ofNone('ping'), registry: undefined }],
    ['_catalog?ns=origin.test', ofNone('catalog')],
  ];
  for (const [index, [path, expected, asked = { method: 'GET' }]] of rows.entries()) {
    const { body } = await rawFetch(`${url}/v2/${path}`, 'method' in asked ? asked : { headers: asked });
    assert.deepEqual(await request(log, index + 1), { status: 200, ...expected, bytes: body.length });
    if (path.startsWith('origin.test')) await log.waitFor('blob stored');
  }
});

test('a request that fails is one event, which tells why', async (t) => {
  const { origin, url, log } = await setDoorStage(t);
  const rows: readonly (readonly [method: string, path: string, expected: object])[] = [
    [
      'GET',
      `/v2/${repository}/manifests/none`,
      { ...common, route: 'manifest', repository, reference: 'none', status: 404 },
    ],
    ['PUT', `/v2/${repository}/manifests/new`, { ...common, route: 'put-manifest', repository, status: 405 }],
    ['PUT', `/v2/${repository}/tags/list`, { client: common.client, route: 'other', status: 405 }],
    ['GET', '/v2/Upper/tags/list', { ...common, route: 'tags', status: 400 }],
    ['GET', '/v2/a/b/tags/list?ns=quay.io', { client: common.client, route: 'tags', status: 404 }],
    ['GET', '/nowhere', { client: common.client, route: 'admin', status: 404 }],
  ];
  for (const [index, [method, path, expected]] of rows.entries()) {
    const { body } = await rawFetch(url + path, { method });
    const { bytes, cache, error, ...facts } = await request(log, index + 1);
    const known = { method, registry: undefined, repository: undefined, reference: undefined, ...expected };
    assert.deepEqual(facts, known);
    assert.deepEqual([bytes, cache], [body.length, 'none']);
    assert.equal(error, JSON.parse(body.toString()).errors[0].message);
  }
  origin.faults.answer('tags', { status: 500 }, { times: Infinity });
  await rawFetch(`${url}/v2/${repository}/tags/list`);
  const { status, error } = await request(log, rows.length + 1);
  assert.deepEqual([status, error], [502, 'Upstream origin.test answered 500: UNKNOWN something went wrong']);
  for (const { level } of log.named('request').slice(0, -2)) assert.equal(level, 'info');
});

test('a miss begins a download, which is said by the words that people look for, and a hit is local', async (t) => {
  const { origin, blobUrl, log } = await setDoorStage(t);
  const digest = origin.content.putBlob(repository, seededBytes('blob', 100_000));
  const blobEvents = () =>
    log.events.filter(({ event }) => event.startsWith('blob ')).map(({ level, event, facts }) => [level, event, facts]);
  const facts = { registry: 'origin.test', repository, digest };
  await rawFetch(blobUrl(digest));
  await log.waitFor('blob stored');
  const miss = [
    ['info', 'blob download initiated', facts],
    ['info', 'blob stored', { ...facts, bytes: 100_000 }],
  ];
  assert.deepEqual(blobEvents(), miss);
  await rawFetch(blobUrl(digest));
  assert.deepEqual(blobEvents(), [...miss, ['info', 'blob served from local cache', { ...facts, bytes: 100_000 }]]);
});

test('those who come while a blob is downloaded are misses of no download of their own', async (t) => {
  const { origin, blobUrl, log } = await setDoorStage(t);
  const digest = origin.content.putBlob(repository, seededBytes('blob', 100_000));
  const gate = origin.faults.stallAfterBytes('GET blob', 50_000);
  const answers = [await rawRequest(blobUrl(digest)), await rawRequest(blobUrl(digest))];
  gate.release();
  await Promise.all(answers.map((answer) => answer.toArray()));
  const requests = await log.requests(2);
  assert.deepEqual(new Set(requests.map(({ cache }) => cache)), new Set(['miss', 'collapsed']));
  assert.equal(log.named('blob download initiated').length, 1);
  assert.equal(log.named('blob served from local cache').length, 0);
});

test('a client that leaves is 499, before the head and in the middle of a body', async (t) => {
  const { origin, blobUrl, manifestUrl, log } = await setDoorStage(t);
  const digest = origin.content.putBlob(repository, seededBytes('blob', 100_000));
  const held = origin.faults.holdHeaders('manifest');
  const waiting = new AbortController();
  const answer = rawFetch(manifestUrl('latest'), { signal: waiting.signal });
  await held.reached;
  waiting.abort(new Error('left'));
  await assert.rejects(answer, /left/);
  const early = await request(log, 1);
  assert.deepEqual([early['status'], early['bytes'], early['client']], [499, 0, '127.0.0.1']);
  held.release();

  const gate = origin.faults.stallAfterBytes('GET blob', 50_000);
  const body = await rawRequest(blobUrl(digest));
  body.destroy();
  const late = await request(log, 2);
  assert.deepEqual([late['status'], late['cache'], late['client']], [499, 'miss', '127.0.0.1']);
  gate.release();
  await log.waitFor('blob stored');
});

test('a body that upstream spoils is no client that left', async (t) => {
  const { origin, blobUrl, log } = await setDoorStage(t, { registry: { quirks: { wrongBytes: { at: 0 } } } });
  const digest = origin.content.putBlob(repository, seededBytes('blob', 100_000));
  const { broken } = await rawFetch(blobUrl(digest));
  assert.equal(broken, 'ECONNRESET');
  const { status, error } = await request(log, 1);
  assert.equal(status, 502);
  assert.match(String(error), /^Cannot use blob /);
});
