import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Client } from './client.ts';
import { Judge } from './judge.ts';
import { seededRandom } from './random.ts';
import { makeKnownImages } from './world/images.ts';

// Who watches the watchers: what a client of the torture says of servers that do wrong.

const seed = 1;
const images = makeKnownImages(seed);
const [repository] = images.repositories;

/** Pulls one image from a server that answers in one way or the other; the client has been told what is rotten. */
async function pullFrom(
  t: TestContext,
  answer: (response: ServerResponse, bytes: Buffer) => void,
  rotten: ReadonlySet<string> = new Set(),
): Promise<{ pulled: boolean; judge: Judge }> {
  const server = createServer(({ url = '' }, response) => {
    const reference = url.split('/').at(-1) ?? '';
    const known = images.repositories.find(({ name, tag }) => url === `/v2/${name}/manifests/${tag}`);
    const digest = known?.index.manifest.digest ?? reference;
    response.setHeader('docker-content-digest', digest);
    answer(response, [...images.bytes].find(([own]) => own === digest)![1]);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const judge = new Judge();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tools = { images, judge, random: seededRandom(seed, 'client'), rotten, spoilt: new Set<string>() };
  const client = new Client(url, tools);
  const { index } = repository!;
  const how = { tries: 1, odd: false, signal: new AbortController().signal };
  const pulled = await client.pull(repository!, index.children, how);
  client.close();
  return { pulled, judge };
}

const spoiltOf = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)));

test('a client has nothing to say of a server that sends what is right', async (t) => {
  const { pulled, judge } = await pullFrom(t, (response, bytes) => response.end(bytes));
  assert.ok(pulled && judge.isContent);
  const { index } = repository!;
  const all = [index, ...index.children].flatMap(({ manifest, blobs }) => [manifest, ...blobs]);
  assert.equal(
    judge.figures.acceptedBytes,
    all.reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
});

test('a client blames a server that sends one wrong byte in a whole answer', async (t) => {
  const { pulled, judge } = await pullFrom(t, (response, bytes) => response.end(spoiltOf(bytes)));
  assert.ok(!pulled && !judge.isContent && judge.figures.wrongBytes > 0);
  assert.match(judge.report(''), /WRONG .* came whole, and wrong[\s\S]*FAILED$/);
});

test('a client refuses what was flipped by hand, and blames nobody', async (t) => {
  const rotten = new Set<string>(images.bytes.keys());
  const { pulled, judge } = await pullFrom(t, (response, bytes) => response.end(spoiltOf(bytes)), rotten);
  assert.ok(!pulled && judge.isContent);
  assert.equal(judge.figures.rottenAnswers, 1);
  assert.equal(judge.figures.acceptedBytes, 0);
});

test('a client takes no part for the whole', async (t) => {
  const { pulled, judge } = await pullFrom(t, (response, bytes) => {
    response.setHeader('content-length', bytes.length);
    response.write(bytes.subarray(0, -1), () => response.destroy());
  });
  assert.ok(!pulled && judge.isContent);
  assert.equal(judge.figures.brokenAnswers > 0, true);
  assert.equal(judge.figures.acceptedBytes, 0);
});

test('a client blames a mirror that says 429 or 500, and not one that says 502', async (t) => {
  for (const [status, isBlamed] of [
    [429, true],
    [500, true],
    [502, false],
  ] as const) {
    const { pulled, judge } = await pullFrom(t, (response) => response.writeHead(status).end('no'));
    assert.equal(pulled, false);
    assert.equal(judge.isContent, !isBlamed, `${status}`);
  }
});
