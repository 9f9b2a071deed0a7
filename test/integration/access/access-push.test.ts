import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { DoorName } from '../../../src/access/access.ts';
import { openPasswordAccess } from '../../../src/access/password-access.ts';
import type { AccessRuleConfig } from '../../../src/config/config.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import { makeImage } from '../../support/content/images.ts';
import { EventLog } from '../../support/event-log.ts';
import { basic, writePasswords } from '../../support/stages/access-stage.ts';
import { openPushDoor, type PushDoor, ways } from '../../support/stages/push-door.ts';

const image = makeImage({ seed: 'image', layers: [10] });
const blob = Buffer.from('the bytes of a layer');
const digest = digestOf(blob);

/** Everybody pulls by the registry door; by the hosted one bob pulls, ci pushes for the team, and alice may do all. */
const rules: readonly AccessRuleConfig[] = [
  { users: ['anonymous'], doors: ['registry'], repositories: [/^/], allow: ['pull'] },
  { users: ['authenticated'], doors: ['hosted'], repositories: [/^/], allow: ['pull'] },
  { users: ['ci'], doors: ['hosted'], repositories: [/^hosted\.entrepot\/team\//], allow: ['push'] },
  { users: ['alice'], doors: ['hosted'], repositories: [/^/], allow: ['push', 'delete'] },
];

const passwords = { alice: 'a', bob: 'b', ci: 'c' };
type Client = keyof typeof passwords | 'nobody';

async function setUp(t: TestContext, door: DoorName, given = rules): Promise<PushDoor> {
  const auth = writePasswords(t, passwords).auth(given);
  const access = await openPasswordAccess({ ...auth, clock: systemClock, log: new EventLog(), counted: () => {} });
  t.after(() => access.close());
  const way = door === 'hosted' ? ways['the hosted door'] : ways['the alias in the name'];
  const opened = await openPushDoor(t, way, { access: { access, door } });
  for (const name of ['team/app', 'other/app']) {
    opened.registry.content.push(name, image, 'latest');
    opened.registry.content.putBlob(name, blob);
  }
  return opened;
}

function headersOf(client: Client): Readonly<Record<string, string>> {
  return client === 'nobody' ? {} : basic(client, passwords[client]);
}

/** One request of each kind that changes something, by what it needs. */
const pushes = [
  ['POST', 'blobs/uploads/'],
  ['POST', `blobs/uploads/?mount=${digest}`],
  ['POST', `blobs/uploads/?digest=${digest}`],
  ['GET', 'blobs/uploads/upload-1'],
  ['PATCH', 'blobs/uploads/upload-1'],
  ['PUT', `blobs/uploads/upload-1?digest=${digest}`],
  ['DELETE', 'blobs/uploads/upload-1'],
  ['PUT', 'manifests/new'],
  ['PUT', `manifests/${image.manifest.digest}?tag=new`],
] as const;
const deletes = [
  ['DELETE', 'manifests/latest'],
  ['DELETE', `manifests/${image.manifest.digest}`],
  ['DELETE', `blobs/${digest}`],
] as const;
const pulls = [
  ['GET', 'manifests/latest'],
  ['HEAD', 'manifests/latest'],
  ['GET', `blobs/${digest}`],
  ['HEAD', `blobs/${digest}`],
  ['GET', 'tags/list'],
  ['GET', `referrers/${image.manifest.digest}`],
] as const;

async function statusesOf(
  { send, path }: PushDoor,
  requests: typeof pushes | typeof deletes | typeof pulls,
  name: string,
  client: Client,
) {
  const found = new Set<number>();
  for (const [method, rest] of requests) {
    const body =
      method === 'PUT' || method === 'PATCH'
        ? { body: rest.startsWith('manifests') ? image.manifest.bytes : blob }
        : {};
    const headers = { ...headersOf(client), 'content-type': image.manifest.mediaType };
    found.add((await send(method, path(`${name}/${rest}`), { ...body, headers })).status);
  }
  return found;
}

test('an upload is of the user who begins it, in one request or several, and of an address where nobody logged in', async (t) => {
  const { registry, send, path } = await setUp(t, 'hosted');
  await send('POST', path('team/app/blobs/uploads/'), { headers: headersOf('alice') });
  await send('POST', path(`team/app/blobs/uploads/?digest=${digest}`), { headers: headersOf('ci'), body: blob });
  const free = await openPushDoor(t);
  await free.send('POST', free.path('team/app/blobs/uploads/'));
  assert.deepEqual([...registry.beginners, ...free.registry.beginners], ['user alice', 'user ci', 'at 127.0.0.1']);
});

describe('by the hosted door', () => {
  const rows: readonly (readonly [Client, name: string, pull: number, push: number, remove: number])[] = [
    ['nobody', 'team/app', 401, 401, 401],
    ['bob', 'team/app', 200, 403, 403],
    ['ci', 'team/app', 200, 0, 403],
    ['ci', 'other/app', 200, 403, 403],
    ['alice', 'other/app', 200, 0, 0],
  ];
  for (const [client, name, pull, push, remove] of rows) {
    test(`${client} at ${name} gets ${pull} to pull, ${push || 'through'} to push, ${remove || 'through'} to delete`, async (t) => {
      const opened = await setUp(t, 'hosted');
      for (const [requests, expected] of [
        [pulls, pull],
        [pushes, push],
        [deletes, remove],
      ] as const) {
        const found = await statusesOf(opened, requests, name, client);
        if (expected === 0) assert.ok(!found.has(401) && !found.has(403), [...found].join());
        else assert.deepEqual([...found], [expected]);
      }
    });
  }

  test('what is refused changes nothing', async (t) => {
    const opened = await setUp(t, 'hosted');
    const before = opened.registry.content.tags('team/app');
    for (const requests of [pushes, deletes]) {
      await statusesOf(opened, requests, 'team/app', 'bob');
      await statusesOf(opened, requests, 'team/app', 'nobody');
    }
    assert.deepEqual(opened.registry.content.tags('team/app'), before);
    assert.equal(
      (await opened.send('GET', opened.path('team/app/manifests/latest'), { headers: headersOf('bob') })).status,
      200,
    );
  });

  test('/v2/ asks for a login, and a push with a wrong password is told so', async (t) => {
    const { send, path } = await setUp(t, 'hosted');
    const ping = await send('GET', '/v2/');
    assert.deepEqual([ping.status, ping.headers['www-authenticate']], [401, 'Basic realm="Entrepot"']);
    assert.equal((await send('GET', '/v2/', { headers: headersOf('ci') })).status, 200);
    const wrong = await send('POST', path('team/app/blobs/uploads/'), { headers: basic('ci', 'swordfish') });
    assert.deepEqual([wrong.status, wrong.headers['www-authenticate']], [401, 'Basic realm="Entrepot"']);
  });
});

describe('by the registry door, which is open to pulls', () => {
  for (const [client, refusal] of [
    ['nobody', 401],
    ['ci', 403],
    ['alice', 403],
  ] as const) {
    test(`${client} may pull, and neither push nor delete`, async (t) => {
      const opened = await setUp(t, 'registry');
      assert.deepEqual([...(await statusesOf(opened, pulls, 'team/app', client))], [200]);
      assert.deepEqual([...(await statusesOf(opened, pushes, 'team/app', client))], [refusal]);
      assert.deepEqual([...(await statusesOf(opened, deletes, 'team/app', client))], [refusal]);
      assert.equal((await opened.send('GET', '/v2/', { headers: headersOf(client) })).status, 200);
    });
  }
});

test('a blob is mounted, or found by who looks before a push, only where the client may pull it', async (t) => {
  const mayPush = { doors: ['hosted'], repositories: [/^hosted\.entrepot\/team\//], allow: ['pull', 'push'] } as const;
  const mayPull = { doors: ['hosted'], repositories: [/^origin\.test\/other\//], allow: ['pull'] } as const;
  for (const [client, status, begun] of [
    ['ci', 404, 202],
    ['alice', 200, 201],
  ] as const) {
    const opened = await setUp(t, 'hosted', [
      { users: ['ci', 'alice'], ...mayPush },
      { users: ['alice'], ...mayPull },
    ]);
    const secret = Buffer.from('only there');
    opened.registry.cached.putBlob('other/app', secret);
    const ask = async (method: string, rest: string) =>
      (await opened.send(method, opened.path(rest), { headers: headersOf(client) })).status;
    const of = digestOf(secret);
    assert.deepEqual([client, await ask('HEAD', `team/new/blobs/${of}`)], [client, status]);
    assert.deepEqual(
      [client, await ask('POST', `team/more/blobs/uploads/?mount=${of}&from=other/app`)],
      [client, begun],
    );
    assert.deepEqual([client, await ask('POST', `team/rest/blobs/uploads/?mount=${of}`)], [client, begun]);
  }
});
