import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';

/** Takes all tables out of the index of a cache that is running. */
function breakIndex(data: string): void {
  const database = new DatabaseSync(join(data, 'index-v1.sqlite'));
  try {
    database.exec('PRAGMA foreign_keys = OFF');
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    for (const { name } of tables.all()) database.exec(`DROP TABLE "${name}"`);
  } finally {
    database.close();
  }
}

test('while upstream is down, the cache is alive and ready', async (t) => {
  const { url, origin } = await setDoorStage(t);
  origin.faults.closeWithoutAnswer('any', { times: Infinity });
  assert.equal((await rawFetch(`${url}/v2/${repository}/tags/list`)).status, 502);
  for (const path of ['/healthz', '/readyz', '/metrics', '/']) {
    assert.equal((await rawFetch(url + path)).status, 200, path);
  }
});

test('when the index fails, the cache says so, serves what upstream has, and tells clients no details', async (t) => {
  const { url, origin, data, log, manifestUrl } = await setDoorStage(t);
  origin.content.push(repository, makeImage({ seed: 'app', layers: [10] }), 'latest');
  assert.equal((await rawFetch(`${url}/readyz`)).status, 200);
  breakIndex(data);
  const ready = await rawFetch(`${url}/readyz`);
  assert.equal(ready.status, 200);
  assert.match(ready.body.toString(), /^ready, but the index cannot be read since .*: no such table/);
  assert.equal((await rawFetch(`${url}/healthz`)).status, 200);
  const metrics = await rawFetch(`${url}/metrics`);
  assert.equal(metrics.status, 200);
  assert.equal(parsePrometheusText(metrics.body.toString()).value('entrepot_store_bytes'), Number.NaN);

  const manifest = await rawFetch(manifestUrl('latest'));
  assert.deepEqual([manifest.status, manifest.headers['cache-status']], [200, 'Entrepot; fwd=miss']);
  const catalog = await rawFetch(`${url}/v2/_catalog`);
  assert.equal(catalog.status, 500);
  assert.equal(JSON.parse(catalog.body.toString()).errors[0].code, 'INTERNAL');
  assert.doesNotMatch(catalog.body.toString(), /sql|table/i);
  const [request] = log.named('request').filter(({ facts }) => facts['route'] === 'catalog');
  assert.equal(request?.level, 'error');
  assert.match(String(request.facts['error']), /no such table/);
});

test('when the index fails while the cache is offline, nothing can be served, and it is not ready', async (t) => {
  const { url, data } = await setDoorStage(t, { cache: { offline: true } });
  assert.equal((await rawFetch(`${url}/readyz`)).status, 200);
  breakIndex(data);
  const ready = await rawFetch(`${url}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(ready.body.toString(), /^not ready: no such table/);
});
