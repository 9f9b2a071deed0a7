import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCacheStatus } from '../../support/http/cache-status.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';

test('GET and HEAD of /v2/ say that a registry is here, in every shape, and ask upstream nothing', async (t) => {
  const { url, origin } = await setDoorStage(t);
  for (const path of [
    '/v2/',
    '/v2',
    '/origin.test/v2/',
    '/origin.test/v2',
    '/v2/origin.test/',
    '/v2/?ns=origin.test',
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await rawFetch(url + path, { method });
      const what = `${method} ${path}`;
      assert.deepEqual([what, status, body.toString()], [what, 200, method === 'HEAD' ? '' : '{}']);
      assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['content-type'], 'application/json');
      assert.equal(headers['content-length'], '2');
      assert.deepEqual(parseCacheStatus(headers['cache-status']), {
        cache: 'Entrepot',
        parameters: { detail: 'local' },
      });
    }
  }
  assert.deepEqual(origin.requests.lines(), []);
});

test('/v2/ is answered while upstream is down, and where there is no default', async (t) => {
  const { url, origin } = await setDoorStage(t, { cache: { default: null } });
  origin.faults.closeWithoutAnswer('any', { times: Infinity });
  assert.equal((await rawFetch(`${url}/v2/`)).status, 200);
  assert.equal((await rawFetch(`${url}/v2/team/app/manifests/latest?ns=origin.test`)).status, 502);
});
