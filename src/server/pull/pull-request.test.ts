import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage } from '../../../test/support/content/images.ts';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { openTestDoor } from '../../../test/support/stages/test-door.ts';
import { RegistryError } from '../../oci/errors.ts';
import { parseRepository } from '../../oci/reference.ts';
import { anonymousToken } from '../../oci/wire/token.ts';
import type { RegistryGuard } from '../routing/routing.ts';
import type { UpstreamLogin } from './pull-request.ts';

const repository = parseRepository('lib/app');
const image = makeImage({ seed: 'app', layers: [] });
const challenge = 'Bearer realm="https://auth.test/token"';
const unauthorized = new RegistryError('UNAUTHORIZED', 'no', { headers: { 'www-authenticate': challenge } });

/** A door to a registry whose repository is open until `state` says otherwise. */
async function setUp(t: TestContext, upstreamLogin: UpstreamLogin, state = { isOpen: true, turns: false }) {
  const open = new MemoryRegistry();
  open.content.push(repository, image, 'latest');
  const seen: (string | undefined)[] = [];
  const guard: RegistryGuard = {
    open: state.turns ? refusing(open, () => Object.assign(state, { isOpen: false })) : open,
    isOpen: () => state.isOpen,
    forClient(authorization) {
      seen.push(authorization);
      return authorization === 'Bearer right' ? open : refusing(open, () => unauthorized);
    },
    challenge: async () => challenge,
    tokens: {
      renameRealm: (given, place) => (given === challenge ? `Bearer realm="${place}name"` : undefined),
      answer: () => Promise.reject(new Error('nobody asks for a token')),
    },
  };
  const { url } = await openTestDoor(t, { registries: [{ registry: open, guard }], upstreamLogin });
  const get = async (path: string, authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await rawFetch(`${url}/v2/${path}`, { headers });
    return [answer.status, answer.headers['www-authenticate']];
  };
  return { get, seen };
}

/** The same registry, which gives nobody a manifest. */
function refusing(registry: MemoryRegistry, refuse: () => unknown): MemoryRegistry {
  return Object.assign(Object.create(registry), {
    async getManifest() {
      const refusal = refuse();
      throw refusal instanceof RegistryError ? refusal : new RegistryError('DENIED', 'not any more');
    },
  });
}

const manifest = `${repository}/manifests/latest`;

test('what is open is given to all, and nobody looks at what they send along', async (t) => {
  const { get, seen } = await setUp(t, 'requests');
  assert.deepEqual(await get(manifest, 'Bearer wrong'), [200, undefined]);
  assert.deepEqual(seen, []);
});

test('what turns out to be guarded while it is asked for is asked for as the client', async (t) => {
  for (const [authorization, status] of [
    ['Bearer right', 200],
    ['Bearer wrong', 401],
  ] as const) {
    const { get, seen } = await setUp(t, 'requests', { isOpen: true, turns: true });
    assert.equal((await get(manifest, authorization))[0], status);
    assert.deepEqual(seen, [authorization]);
  }
});

test('where the Authorization is our own, it is passed to nobody, and nobody is asked to log in elsewhere', async (t) => {
  const { get, seen } = await setUp(t, 'none', { isOpen: false, turns: false });
  assert.deepEqual(await get(manifest, 'Bearer right'), [403, undefined]);
  assert.deepEqual(seen, [undefined]);
});

const there = { tokenPlace: () => undefined, reachesOthers: true };
const nowhere = { tokenPlace: () => undefined, reachesOthers: false };
const here = { tokenPlace: () => 'https://here.test/', reachesOthers: false };

test('the ping says how to log in only where it is to, and to whom has not', async (t) => {
  for (const [login, first] of [
    [there, [401, challenge]],
    [here, [401, 'Bearer realm="https://here.test/name"']],
    [nowhere, [200, undefined]],
    ['requests', [200, undefined]],
    ['none', [200, undefined]],
  ] as const) {
    const { get } = await setUp(t, login);
    assert.deepEqual(await get('?ns=origin.test'), first, JSON.stringify(login));
    assert.deepEqual(await get('?ns=origin.test', 'Bearer any'), [200, undefined]);
    assert.deepEqual(await get(''), [200, undefined]); // of the door itself
  }
});

test('what is refused names us where we give tokens, and else upstream', async (t) => {
  for (const [login, named] of [
    [here, 'Bearer realm="https://here.test/name"'],
    [there, challenge],
    [nowhere, challenge],
    ['requests', challenge],
  ] as const) {
    const { get } = await setUp(t, login, { isOpen: false, turns: false });
    assert.deepEqual(await get(manifest, 'Bearer wrong'), [401, named]);
  }
});

test('a token of our own for nobody is passed on by no door', async (t) => {
  for (const login of ['requests', here, 'none'] as const) {
    const { get, seen } = await setUp(t, login, { isOpen: false, turns: false });
    for (const token of [`Bearer ${anonymousToken}`, `bearer  ${anonymousToken}`, `Bearer ${anonymousToken}.more`]) {
      await get(manifest, token);
    }
    assert.deepEqual(seen, [undefined, undefined, undefined]);
  }
});
