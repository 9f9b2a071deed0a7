import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { containerdThrough } from './lab/clients/containerd.ts';
import { pullsByName, testPulls } from './lab/clients/pull-tests.ts';
import { assertPulled } from './lab/clients/pulled-image.ts';
import { plainMirror } from './lab/servers/mirror.ts';

const containerd = containerdThrough(plainMirror);

testPulls(containerd, 'through the mirror of every registry', pullsByName);

describe('containerd and a registry that Entrepot does not know', () => {
  let bench: Bench;
  before(async () => {
    bench = await setUpBench('containerd-fallback');
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  test('goes on to that registry, after Entrepot has said that it does not know it', async () => {
    const { unknown } = bench.lab.images;
    const pulled = await containerd.pull(unknown.reference, await bench.makeFolder());
    assertPulled(pulled, unknown, unknown.manifests);
    const requests = await bench.origin.takeRequests();
    assert.deepEqual([...new Set(requests.map(({ host }) => host))], ['quay.io']);
    assert.ok(requests.every(({ userAgent }) => userAgent.startsWith('containerd/')));
    const lines = (await bench.entrepotLog()).split('\n').filter((line) => line.includes('quay.io'));
    const statuses = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line).status);
    assert.ok(statuses.includes(404), `Entrepot logged only\n${lines.join('\n')}`);
  });
});
