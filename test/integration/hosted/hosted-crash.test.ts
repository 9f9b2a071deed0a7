import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { digestOf } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { connectRaw } from '../../support/http/raw-socket.ts';
import { type ChildCache, startChildCache } from '../../support/stages/child-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const begin = '/v2/hosted.entrepot/team/app/blobs/uploads/';
const blob = seededBytes('pushed', 8_000_000);
const digest = digestOf(blob);

function send({ url }: ChildCache, method: string, path: string, body?: Buffer, headers: Record<string, string> = {}) {
  return fetch(`${url}${path}`, { method, headers, ...(body && { body: new Uint8Array(body) }) });
}

async function beginUpload(cache: ChildCache): Promise<string> {
  return (await send(cache, 'POST', begin)).headers.get('location')!;
}

describe('a server that is killed', () => {
  test('has every blob afterwards that it acknowledged', async (t) => {
    const data = `${tmpDir(t)}/data`;
    const origin = await startTestRegistry();
    t.after(() => origin.close());
    const before = await startChildCache(t, data, origin);
    const acknowledged: Buffer[] = [];
    const pushing = Array.from({ length: 4 }, async (_, client) => {
      for (let at = 0; ; at++) {
        const bytes = seededBytes(`${client}/${at}`, 50_000);
        const location = await beginUpload(before);
        const pushed = await send(before, 'PUT', `${location}?digest=${digestOf(bytes)}`, bytes);
        assert.equal(pushed.status, 201);
        acknowledged.push(bytes);
        if (acknowledged.length === 40) await before.kill();
      }
    });
    for (const { status } of await Promise.allSettled(pushing)) assert.equal(status, 'rejected', 'it was killed');
    const after = await startChildCache(t, data, origin);
    assert.ok(acknowledged.length >= 40);
    for (const bytes of acknowledged) {
      const pulled = await send(after, 'GET', `/v2/hosted.entrepot/team/app/blobs/${digestOf(bytes)}`);
      assert.deepEqual([pulled.status, digestOf(Buffer.from(await pulled.arrayBuffer()))], [200, digestOf(bytes)]);
    }
  });

  test('goes on with an upload after the last byte that it wrote', async (t) => {
    const data = `${tmpDir(t)}/data`;
    const origin = await startTestRegistry();
    t.after(() => origin.close());
    const before = await startChildCache(t, data, origin);
    const location = await beginUpload(before);
    const chunk = await send(before, 'PATCH', location, blob.subarray(0, 3_000_000), { 'content-range': '0-2999999' });
    assert.deepEqual([chunk.status, chunk.headers.get('range')], [202, '0-2999999']);
    const socket = await connectRaw(Number(new URL(before.url).port));
    socket.write(`PATCH ${location} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000000\r\n\r\n`);
    socket.write(blob.subarray(3_000_000, 6_000_000));
    while ((await send(before, 'GET', location)).headers.get('range') === '0-2999999') await turn();
    await before.kill();
    const after = await startChildCache(t, data, origin);
    const state = await send(after, 'GET', location);
    const next = Number(/^0-(\d+)$/.exec(state.headers.get('range') ?? '')?.[1]) + 1;
    assert.ok(state.status === 204 && next > 3_000_000 && next <= 6_000_000, `${state.status}, ${next}`);
    const headers = { 'content-range': `${next}-7999999` };
    const pushed = await send(after, 'PUT', `${location}?digest=${digest}`, blob.subarray(next), headers);
    assert.equal(pushed.status, 201);
    const pulled = await send(after, 'GET', `/v2/hosted.entrepot/team/app/blobs/${digest}`);
    assert.equal(digestOf(Buffer.from(await pulled.arrayBuffer())), digest);
  });

  test('leaves its uploads to another that shares its folder, and that writes none of them before', async (t) => {
    const data = `${tmpDir(t)}/data`;
    const origin = await startTestRegistry();
    t.after(() => origin.close());
    const first = await startChildCache(t, data, origin);
    const second = await startChildCache(t, data, origin);
    const location = await beginUpload(first);
    const half = blob.length / 2;
    const chunk = await send(first, 'PATCH', location, blob.subarray(0, half));
    assert.equal(chunk.status, 202);
    const rest = blob.subarray(half);
    const refused = await send(second, 'PUT', `${location}?digest=${digest}`, rest);
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);
    assert.match(await refused.text(), /another server that shares the data folder has it/);
    const still = await send(first, 'GET', location);
    assert.deepEqual([still.status, still.headers.get('range')], [204, `0-${half - 1}`]);
    await first.kill();
    const pushed = await send(second, 'PUT', `${location}?digest=${digest}`, rest);
    assert.equal(pushed.status, 201);
    const pulled = await send(second, 'GET', `/v2/hosted.entrepot/team/app/blobs/${digest}`);
    assert.equal(digestOf(Buffer.from(await pulled.arrayBuffer())), digest);
  });
});
