import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import type { ServerStatus } from '../../../src/util/status.ts';
import { seededBytes } from '../../support/content/images.ts';
import { smallDisk } from '../../support/disk/small-disk.ts';
import { spoolFolder, storedPath } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { basic, writePasswords } from '../../support/stages/access-stage.ts';
import { repository, type Stage, type StageOptions, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const reading = { part: 'store', action: 'read' };
const writing = { part: 'store', action: 'write' };

async function setUp(t: TestContext, options: StageOptions = {}) {
  const clock = new ManualClock();
  const stage = await setStage(t, { ...options, cache: { clock, retry: { rounds: 1 }, ...options.cache } });
  const put = (seed: string, sizeBytes = 100_000) =>
    stage.origin.content.putBlob(repository, seededBytes(seed, sizeBytes));
  return { stage, clock, put };
}

async function readyz({ url }: Stage): Promise<string> {
  const { status, body } = await rawFetch(`${url}/readyz`);
  assert.equal(status, 200);
  return body.toString();
}

async function scrape({ url }: Stage) {
  return parsePrometheusText((await rawFetch(`${url}/metrics`)).body.toString());
}

test('while the store cannot be written all are served, it is said once a minute, and no more when it works again', async (t) => {
  const { stage, clock, put } = await setUp(t);
  const { log } = stage;
  assert.equal(await readyz(stage), 'ready\n');
  rmdirSync(spoolFolder(stage.data));
  writeFileSync(spoolFolder(stage.data), 'in the way of the folder');
  for (let count = 1; count <= 5; count++) {
    const digest = put(`layer ${count}`);
    assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
    stage.origin.content.putManifest(repository, Buffer.from(`{"count":${count}}`), mediaType, `v${count}`);
    assert.equal((await rawFetch(stage.manifestUrl(`v${count}`))).status, 200);
  }
  await log.waitFor('blob download failed', 5);
  assert.match(
    await readyz(stage),
    /^ready, but the store cannot be written since 2026-01-01T00:00:00.000Z: .*ENOTDIR/,
  );
  const failing = await scrape(stage);
  assert.equal(failing.value('entrepot_store_failing', { ...writing, code: 'ENOTDIR' }), 1);
  assert.ok(failing.value('entrepot_store_failures_total', { ...writing, code: 'ENOTDIR' }) >= 10);
  const loud = () => log.events.filter(({ level }) => level === 'error' || level === 'warn').map(({ event }) => event);
  assert.deepEqual(loud(), ['disk fails']);

  clock.advance(60_000);
  const late = put('late');
  assertWhole(await rawFetch(stage.blobUrl(late)), late);
  await log.waitFor('disk fails', 2);
  assert.deepEqual(loud(), ['disk fails', 'disk fails']);

  rmSync(spoolFolder(stage.data));
  const digest = put('layer 1');
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await log.waitFor('blob stored');
  assert.equal(await readyz(stage), 'ready\n');
  assert.equal((await scrape(stage)).value('entrepot_store_failing', { ...writing, code: 'ENOTDIR' }), 0);
  assert.equal(log.named('disk works again').length, 1);
});

test('where a login is wanted, who has none is told that it is ready, and who has one what fails', async (t) => {
  const { stage, put } = await setUp(t, { cache: { auth: writePasswords(t, { alice: 'a' }).auth() } });
  rmdirSync(spoolFolder(stage.data));
  writeFileSync(spoolFolder(stage.data), 'in the way of the folder');
  await rawFetch(stage.blobUrl(put('layer')), { headers: basic('alice', 'a') });
  await stage.log.waitFor('blob download failed');
  assert.equal(await readyz(stage), 'ready\n');
  const { body } = await rawFetch(`${stage.url}/status`, { headers: basic('alice', 'a') });
  const { troubles } = JSON.parse(body.toString()) as ServerStatus;
  assert.match(String(troubles), /^the store cannot be written since .*(EEXIST|ENOTDIR)/);
});

test('a disk that is full is known by its code', async (t) => {
  const { stage, put } = await setUp(t, { data: smallDisk(t, 3 * 1024 * 1024) });
  const digest = put('large', 6 * 1024 * 1024);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await stage.log.waitFor('blob download failed');
  assert.match(await readyz(stage), /^ready, but the store cannot be written since .*(ENOSPC|EFBIG)/);
});

test('a blob that cannot be looked up is fetched, though the store be in the way of itself', async (t) => {
  const { stage, put } = await setUp(t);
  const digest = put('layer');
  const shard = dirname(storedPath(stage.data, digest));
  mkdirSync(dirname(shard), { recursive: true });
  writeFileSync(shard, 'in the way of the folder');
  for (let count = 0; count < 2; count++) {
    const head = await rawFetch(stage.blobUrl(digest), { method: 'HEAD' });
    assert.equal(head.status, 200);
    assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  }
  const failures = (await scrape(stage)).value('entrepot_store_failures_total', { ...reading, code: 'ENOTDIR' });
  assert.ok(failures >= 2, `${failures} look-ups failed`);
});

test('a manifest that cannot be looked up is fetched', async (t) => {
  const { stage } = await setUp(t);
  const manifest = Buffer.from('{"schemaVersion":2}');
  stage.origin.content.putManifest(repository, manifest, mediaType, 'latest');
  assert.equal((await rawFetch(stage.manifestUrl('latest'))).status, 200);
  await stage.restart(() => {
    const shard = dirname(storedPath(stage.data, digestOf(manifest)));
    rmSync(shard, { recursive: true });
    writeFileSync(shard, 'in the way of the folder');
  });
  for (const reference of ['latest', digestOf(manifest)]) {
    const answer = await rawFetch(stage.manifestUrl(reference));
    assert.deepEqual([answer.status, answer.body], [200, manifest]);
  }
  assert.match(await readyz(stage), /the store cannot be (read|written) since .*(ENOTDIR|ENOTDIR)/);
});

test('a data folder that is moved under the server is told of, with nobody asking, until it is back; pulls go on', async (t) => {
  const folder = tmpDir(t);
  const [data, elsewhere] = [join(folder, 'data'), join(folder, 'elsewhere')];
  const { stage, put } = await setUp(t, { data });
  const { log } = stage;
  const known = put('known');
  assertWhole(await rawFetch(stage.blobUrl(known)), known);
  await log.waitFor('blob stored');
  renameSync(data, elsewhere);
  await log.waitFor('disk fails');
  assert.match(
    await readyz(stage),
    /^ready, but the index cannot be found since .*: The index ".*" was moved or removed while it is in use/,
  );
  const facts = log.named('disk fails')[0]?.facts as { action: string; code: string };
  assert.deepEqual([facts.action, facts.code], ['find', 'INDEX_GONE']);
  for (const digest of [known, put('other')]) assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  const layer = Buffer.from('layer');
  const uploads = `${stage.url}/v2/hosted.entrepot/team/app/blobs/uploads/?digest=${digestOf(layer)}`;
  const push = async () => (await rawFetch(uploads, { method: 'POST', body: layer })).status;
  assert.equal(await push(), 500);

  rmSync(data, { recursive: true });
  renameSync(elsewhere, data);
  await log.waitFor('disk works again');
  assert.equal(await push(), 201);
  assert.equal(await readyz(stage), 'ready\n');
});
