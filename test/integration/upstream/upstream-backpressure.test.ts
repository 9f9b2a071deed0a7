import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { type Digest, hexOf } from '../../../src/oci/digest.ts';
import type { Chunk } from '../../../src/oci/registry.ts';
import type { Answer } from '../../../src/upstream/transport/connection.ts';
import { Transport } from '../../../src/upstream/transport/transport.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { certificates } from '../../support/tls/certs.ts';
import { turns } from '../../support/upstream/scripted-server.ts';
import type { TestRegistryOptions } from '../../support/upstream/test-registry.ts';
import { patient, repository, startUpstream } from '../../support/upstream/upstream-client.ts';

const mebibyte = 1024 * 1024;
const sizeBytes = 48 * mebibyte;
/** What may be on its way to a reader that does not read: four blocks of ours, and whatever the system's buffers take. */
const mostOnItsWay = 32 * mebibyte;

async function setUp(t: TestContext, options: TestRegistryOptions = {}) {
  const { server } = await startUpstream(t, options);
  const slow = server.content.putGenerated(repository, 'slow', sizeBytes);
  const fast = server.content.putGenerated(repository, 'fast', sizeBytes);
  const transport = new Transport();
  t.after(() => transport.close());
  const identity = { ca: certificates().ca.cert, insecure: false };
  const fetch = (digest: Digest): Promise<Answer> => {
    const url = new URL(`/v2/${repository}/blobs/${digest}`, server.url);
    return transport.request({ method: 'GET', url, headers: {}, identity }, patient);
  };
  const sentOf = (digest: Digest) => {
    const [request] = server.requests.matching(`GET /v2/${repository}/blobs/${shorten(digest)}`);
    return request!.bodyBytes;
  };
  return { server, slow, fast, fetch, sentOf };
}

/** Reads a body to its end and checks it; `before` has been read of it already. */
async function assertWhole({ body }: Answer, digest: Digest, before: readonly Uint8Array[] = []): Promise<void> {
  const hash = createHash('sha256');
  for (const bytes of before) hash.update(bytes);
  for (let chunk = await body.next(); chunk; chunk = await body.next()) {
    hash.update(chunk.bytes);
    chunk.release();
  }
  assert.equal(hash.digest('hex'), hexOf(digest));
}

const kinds: Record<string, TestRegistryOptions> = { HTTP: {}, HTTPS: { tls: certificates().server } };

for (const [kind, options] of Object.entries(kinds)) {
  describe(`over ${kind}`, () => {
    test('a body that is not read pauses the server, while another comes whole beside it; then it goes on', async (t) => {
      const { slow, fast, fetch, sentOf } = await setUp(t, options);
      const waiting = await fetch(slow);
      while (!waiting.body.paused) await turns();
      await assertWhole(await fetch(fast), fast); // in which time the other would have come as well
      assert.ok(sentOf(slow) <= mostOnItsWay, `${sentOf(slow)} bytes`);
      await assertWhole(waiting, slow);
      assert.equal(sentOf(slow), sizeBytes);
    });

    test('chunks that are read and not released pause the server; released, they let it go on', async (t) => {
      const { slow, fast, fetch, sentOf } = await setUp(t, options);
      const holding = await fetch(slow);
      const held: Chunk[] = [];
      while (!holding.body.paused) {
        const chunk = await holding.body.next();
        if (chunk) held.push(chunk);
      }
      await assertWhole(await fetch(fast), fast);
      assert.ok(sentOf(slow) <= mostOnItsWay, `${sentOf(slow)} bytes`);
      const copies = held.map(({ bytes }) => Buffer.from(bytes));
      assert.ok(copies.reduce((sum, { length }) => sum + length, 0) <= 4 * mebibyte);
      for (const chunk of held) chunk.release();
      assert.equal(holding.body.paused, false);
      await assertWhole(holding, slow, copies);
    });
  });
}

test('a body that is closed while it is paused ends its connection, and the next uses its memory', async (t) => {
  const { slow, fast, fetch } = await setUp(t);
  for (let round = 0; round < 20; round++) {
    const { body } = await fetch(slow);
    while (!body.paused) await turns();
    body.close();
  }
  await assertWhole(await fetch(fast), fast);
});

test('a connection whose body was paused serves the next request as any other', async (t) => {
  const { slow, fast, fetch, server } = await setUp(t);
  const first = await fetch(slow);
  while (!first.body.paused) await turns();
  await assertWhole(first, slow);
  await assertWhole(await fetch(fast), fast);
  assert.equal(server.connectionsOpened, 1);
});
