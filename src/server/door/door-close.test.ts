import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { connectRaw } from '../../../test/support/http/raw-socket.ts';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { endlessMs, openTestDoor } from '../../../test/support/stages/test-door.ts';
import { mediaTypes } from '../../oci/manifest/media-types.ts';
import type { Registry } from '../../oci/registry.ts';

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: cache\r\n\r\n`;
const manifest = get('/v2/team/app/manifests/latest');

/** A registry whose manifest comes when it is let go. */
function heldRegistry(bytes: Buffer = Buffer.from('{}')) {
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const inner = new MemoryRegistry();
  inner.content.putManifest('team/app', bytes, mediaTypes.ociManifest, 'latest');
  const registry: Registry = Object.assign(new MemoryRegistry({ content: inner.content }), {
    getManifest: async (...given: Parameters<Registry['getManifest']>) => {
      asked.resolve();
      await held.promise;
      return inner.getManifest(...given);
    },
  });
  return { registry, asked: asked.promise, release: held.resolve };
}

/** A door, and a connection whose request waits for such a manifest. */
async function askHeld(t: TestContext, request = manifest) {
  const { registry, asked, release } = heldRegistry();
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const socket = await connectRaw(door.port);
  socket.write(request);
  await asked;
  return { door, socket, release };
}

test('close() lets an answer under way end, then ends its connection at once', async (t) => {
  const { door, socket, release } = await askHeld(t);
  const closed = door.close(endlessMs);
  release();
  assert.match(await socket.closed, /^HTTP\/1\.1 200 .*\{\}$/s);
  await closed;
});

test('close() refuses new connections while an answer is under way', async (t) => {
  const { door, release } = await askHeld(t);
  const closed = door.close(endlessMs);
  await assert.rejects(connectRaw(door.port), { code: 'ECONNREFUSED' });
  release();
  await closed;
});

test('close() ends idle connections at once, those that were used and those that never were', async (t) => {
  const door = await openTestDoor(t);
  const used = await connectRaw(door.port);
  used.write(get('/healthz'));
  await used.until(/ok\n$/);
  const unused = await connectRaw(door.port);
  await door.close(endlessMs);
  await Promise.all([used.closed, unused.closed]);
});

test('close() answers a request that came before it on a connection where another was under way', async (t) => {
  const { door, socket, release } = await askHeld(t, manifest + get('/healthz'));
  const closed = door.close(endlessMs);
  release();
  assert.match(await socket.closed, /^HTTP\/1\.1 200 .*\{\}HTTP\/1\.1 200 .*ok\n$/s);
  await closed;
});

test('close() lets a client that reads slowly have the last bytes of its answer', async (t) => {
  // Far more than the system's own buffers hold, so that it is the process that has the rest.
  const bytes = seededBytes('manifest', 24 * 1024 * 1024);
  const { registry, release } = heldRegistry(bytes);
  release();
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const socket = await connectRaw(door.port);
  socket.write(manifest);
  await socket.until(/\r\n\r\n/);
  socket.socket.pause();
  const closed = door.close(endlessMs);
  socket.socket.resume();
  const text = await socket.closed;
  assert.equal(text.length - (text.indexOf('\r\n\r\n') + 4), bytes.length);
  await closed;
});

test('close() breaks off what takes longer than its grace', async (t) => {
  const { door, socket, release } = await askHeld(t);
  await door.close(1);
  assert.equal(await socket.closed, '');
  const [facts] = await door.events.requests(1);
  assert.equal(facts?.['status'], 499);
  release();
});

test('close() with nobody there ends at once, and a second time, too', async (t) => {
  const door = await openTestDoor(t);
  await door.close(endlessMs);
  await door.close(endlessMs);
});
