import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { rawFetch, rawRequest } from '../../../test/support/http/raw-http.ts';
import type { BlobContent, CacheOutcome } from '../../oci/registry.ts';
import { sendContent } from './send-content.ts';

/** Content of so many chunks, that counts who has which. */
class CountedContent implements BlobContent {
  readonly sizeBytes: number;
  readonly start = 0;
  readonly end: number | undefined;
  readonly outcome: CacheOutcome;
  taken = 0;
  released = 0;
  mostOutstanding = 0;
  closed = 0;
  /** What `next` waits for, and may fail with. */
  before: () => Promise<void> = async () => {};
  readonly #chunkBytes: number;
  readonly #chunkCount: number;

  constructor(
    chunkCount: number,
    chunkBytes: number,
    { isLengthKnown = true, outcome = { kind: 'hit' } as CacheOutcome } = {},
  ) {
    this.outcome = outcome;
    this.#chunkCount = chunkCount;
    this.#chunkBytes = chunkBytes;
    this.sizeBytes = chunkCount * chunkBytes;
    this.end = isLengthKnown ? this.sizeBytes : undefined;
  }

  async next() {
    await this.before();
    if (this.closed > 0) throw new Error('Cannot read on: the content was closed');
    if (this.taken === this.#chunkCount) return undefined;
    const bytes = Buffer.alloc(this.#chunkBytes, ++this.taken);
    this.mostOutstanding = Math.max(this.mostOutstanding, this.taken - this.released);
    return {
      bytes,
      release: () => {
        this.released++;
      },
    };
  }

  close(): void {
    this.closed++;
  }
}

/** A server that sends this content to whoever asks, and what became of sending it. */
async function serve(t: TestContext, content: BlobContent) {
  const outcome = Promise.withResolvers<unknown>();
  const server = createServer((_, response) => {
    response.writeHead(200, content.end === undefined ? {} : { 'content-length': content.end });
    sendContent(response, content).then(() => outcome.resolve('sent'), outcome.resolve);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  t.after(() => server.closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, outcome: outcome.promise };
}

test('sendContent() sends all chunks in order, and has no more than two at a time', async (t) => {
  const content = new CountedContent(40, 256 * 1024);
  const { url, outcome } = await serve(t, content);
  const { body, broken } = await rawFetch(url);
  assert.equal(broken, undefined);
  assert.equal(body.length, content.sizeBytes);
  for (let index = 0; index < 40; index++) assert.equal(body[index * 256 * 1024], index + 1);
  assert.equal(await outcome, 'sent');
  assert.ok(content.mostOutstanding <= 2);
  assert.equal(content.released, 40);
  assert.ok(content.closed > 0);
});

test('sendContent() sends content of unknown length, and none at all', async (t) => {
  for (const chunkCount of [0, 1, 3]) {
    for (const isLengthKnown of [true, false]) {
      const content = new CountedContent(chunkCount, 1000, { isLengthKnown });
      const { url, outcome } = await serve(t, content);
      const { body, headers, broken } = await rawFetch(url);
      assert.deepEqual([body.length, broken], [chunkCount * 1000, undefined]);
      assert.equal(headers['transfer-encoding'], isLengthKnown ? undefined : 'chunked');
      assert.equal(await outcome, 'sent');
      assert.equal(content.released, chunkCount);
    }
  }
});

test('sendContent() sends the head of a miss before the first byte has come', async (t) => {
  const outcomeOfMiss: CacheOutcome = { kind: 'miss', stored: true, collapsed: false };
  const content = new CountedContent(1, 1000, { outcome: outcomeOfMiss });
  const held = Promise.withResolvers<void>();
  content.before = () => held.promise;
  const { url, outcome } = await serve(t, content);
  const answer = await rawRequest(url);
  assert.equal(answer.headers['content-length'], '1000');
  held.resolve();
  assert.equal(
    (await answer.toArray()).reduce((sum: number, piece: Buffer) => sum + piece.length, 0),
    1000,
  );
  assert.equal(await outcome, 'sent');
});

test('sendContent() breaks the connection when the content fails, rejects with why, and gives all back', async (t) => {
  const content = new CountedContent(10, 1000);
  const failure = new Error('the digest is wrong');
  content.before = async () => {
    if (content.taken === 3) throw failure;
  };
  const { url, outcome } = await serve(t, content);
  const { body, broken } = await rawFetch(url);
  assert.equal(broken, 'ECONNRESET');
  assert.ok(body.length <= 3000);
  assert.equal(await outcome, failure);
  assert.equal(content.released, 3);
  assert.ok(content.closed > 0);
});

test('sendContent() breaks a body of unknown length, so that nobody takes it for whole', async (t) => {
  const content = new CountedContent(10, 1000, { isLengthKnown: false });
  content.before = async () => {
    if (content.taken === 3) throw new Error('the digest is wrong');
  };
  const { url } = await serve(t, content);
  assert.equal((await rawFetch(url)).broken, 'ECONNRESET');
});

test('sendContent() ends without an error when the client leaves, while it waits for bytes and while it writes', async (t) => {
  for (const chunkCount of [2, 400]) {
    const content = new CountedContent(chunkCount, 256 * 1024);
    const waits = Promise.withResolvers<void>();
    content.before = async () => {
      if (chunkCount > 2 || content.taken === 0) return;
      waits.resolve();
      await new Promise<void>((resolve) => {
        const { close } = content;
        content.close = () => {
          close.call(content);
          resolve();
        };
      });
    };
    const { url, outcome } = await serve(t, content);
    const answer = await rawRequest(url);
    answer.pause();
    if (chunkCount === 2) await waits.promise;
    answer.destroy();
    assert.equal(await outcome, 'sent');
    assert.equal(content.released, content.taken);
    assert.ok(content.closed > 0);
    assert.ok(content.taken < chunkCount);
  }
});

test('sendContent() gives back a last chunk that came when the client had gone', async (t) => {
  const content = new CountedContent(1, 1000);
  const waits = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const { url, outcome } = await serve(t, {
    ...{ sizeBytes: 1000, start: 0, end: 1000, outcome: { kind: 'miss', stored: true, collapsed: false } },
    close: () => closed.resolve(),
    async next() {
      const chunk = await content.next(); // a read that was under way when the content was closed still gives its bytes
      waits.resolve();
      await closed.promise;
      return chunk;
    },
  });
  const answer = await rawRequest(url);
  await waits.promise;
  answer.destroy();
  assert.equal(await outcome, 'sent');
  assert.equal(content.released, 1);
});
