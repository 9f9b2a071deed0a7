import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { Judge } from '../judge.ts';
import { seededRandom } from '../random.ts';
import { makeKnownImages } from '../world/images.ts';
import { Auditor } from './auditor.ts';
import { Ledger } from './ledger.ts';
import { Pusher } from './pusher.ts';

// Who watches the watchers: what pushers and their auditor say of registries that do wrong.

const images = makeKnownImages(1);

/** A registry in memory that keeps what is pushed, and answers 201 to all of it. */
class HonestRegistry {
  readonly kept = new Map<string, Buffer>();
  readonly uploads = new Map<string, Buffer>();
  #count = 0;

  answer(method: string, url: URL, body: Buffer): [status: number, headers?: Record<string, string>, body?: Buffer] {
    const [, repository = '', kind = '', name = ''] =
      /^\/v2\/(.+)\/(blobs|manifests|uploads|referrers)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === 'uploads') return this.#upload(method, url, repository.replace(/\/blobs$/, ''), name, body);
    if (kind === 'referrers') return [200, {}, Buffer.from([...this.kept.keys()].join())];
    const key = `${repository}/${name}`;
    if (method === 'PUT') return this.#putManifest(url, repository, name, body);
    if (method === 'DELETE') return [this.kept.delete(key) ? 202 : 404];
    const found = this.kept.get(key);
    return found ? [200, { 'docker-content-digest': digestOf(found) }, found] : [404];
  }

  #upload(method: string, url: URL, repository: string, id: string, body: Buffer): [number, Record<string, string>] {
    const at = id === '' ? `${++this.#count}` : id;
    const bytes = Buffer.concat([this.uploads.get(at) ?? Buffer.alloc(0), body]);
    this.uploads.set(at, bytes);
    const location = `http://${url.host}/v2/${repository}/blobs/uploads/${at}`;
    const digest = url.searchParams.get('digest');
    if (digest !== null) this.kept.set(`${repository}/${digest}`, bytes);
    if (digest !== null) return [201, {}];
    return [method === 'GET' ? 204 : 202, { location, range: `0-${bytes.length - 1}` }];
  }

  #putManifest(url: URL, repository: string, name: string, body: Buffer): [number, Record<string, string>] {
    const digest = digestOf(body);
    for (const each of [name, digest, ...url.searchParams.getAll('tag')]) this.kept.set(`${repository}/${each}`, body);
    return [201, { 'docker-content-digest': digest }];
  }
}

function serve(registry: HonestRegistry): Server {
  return createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) pieces.push(piece as Buffer);
    } catch {
      return;
    }
    const url = new URL(request.url ?? '', `http://${request.headers.host}`);
    const [status, headers = {}, body] = registry.answer(request.method ?? '', url, Buffer.concat(pieces));
    response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body);
  });
}

/** Pushes some images, has something done to what the registry keeps, and asks for all of it. */
async function pushAndAudit(t: TestContext, spoil: (registry: HonestRegistry, ledger: Ledger) => void): Promise<Judge> {
  const registry = new HonestRegistry();
  const server = serve(registry);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const judge = new Judge();
  const ledger = new Ledger();
  const over = new AbortController();
  const acknowledge = ledger.acknowledge.bind(ledger);
  ledger.acknowledge = (push) => {
    if (ledger.images.length === 5) over.abort();
    return acknowledge(push);
  };
  const random = seededRandom(1, 'pusher');
  const pusher = new Pusher(url, { name: 'pusher', images, judge, ledger, random });
  await pusher.loop(over.signal);
  pusher.close();
  spoil(registry, ledger);
  const auditor = new Auditor([{ url, prefix: '' }], ledger, judge, 0);
  await auditor.audit('now');
  auditor.close();
  return judge;
}

test('nobody is blamed when all that was acknowledged is there', async (t) => {
  const judge = await pushAndAudit(t, () => {});
  assert.match(judge.report(''), /nothing is wrong$/);
  assert.ok(judge.figures.acknowledgedPushes >= 5);
});

test('a blob, a manifest or a tag that is gone is a push that is lost', async (t) => {
  const judge = await pushAndAudit(t, ({ kept }, ledger) => {
    const [first, second] = ledger.images;
    kept.delete(`${first!.repository}/${first!.blobs[0]!.digest}`);
    kept.delete(`${second!.repository}/${second!.manifest.digest}`);
    const [repository, tag] = ledger.tags.find(([name, each]) => kept.has(`${name}/${each}`))!;
    kept.delete(`${repository}/${tag}`);
  });
  assert.equal(judge.figures.lostPushes, 3);
  assert.match(judge.report(''), /blobs\/\S+ was acknowledged, and is not there now: 404/);
  assert.match(judge.report(''), /manifests\/\S+ was acknowledged, and is not there now: 404/);
  assert.match(judge.report(''), /stands for undefined now, which was not acknowledged last/);
});

test('a wrong byte in what was pushed is blamed, but for what was damaged by hand', async (t) => {
  const spoilLayer = ({ kept }: HonestRegistry, ledger: Ledger): string => {
    const [{ repository, blobs }] = ledger.images as [(typeof ledger.images)[0]];
    const digest = blobs[1]!.digest;
    kept.set(`${repository}/${digest}`, Buffer.from('something else'));
    return digest;
  };
  const judge = await pushAndAudit(t, spoilLayer);
  assert.ok(judge.figures.wrongBytes > 0 && !judge.isContent);
  const forgiving = await pushAndAudit(t, (registry, ledger) => ledger.damaged.add(spoilLayer(registry, ledger)));
  assert.ok(forgiving.isContent);
});

test('what was removed must not be there again', async (t) => {
  const judge = await pushAndAudit(t, (_registry, ledger) => ledger.beginDelete(ledger.images[0]!)());
  assert.match(judge.report(''), /was removed, and is there again now/);
});
