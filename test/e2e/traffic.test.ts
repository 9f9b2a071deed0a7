import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { assertPulled } from './lab/clients/pulled-image.ts';
import { skopeo } from './lab/clients/skopeo.ts';
import type { TestImage } from './lab/images.ts';
import { currentLab } from './lab/lab.ts';
import { assertOriginAsked, requestsForColdPull, takeOriginRequests } from './lab/servers/origin-requests.ts';
import { tokenUser } from './lab/servers/token-server.ts';

// What leaves the house, seen from the origin.

async function pullAndCompare(bench: Bench, image: TestImage): Promise<void> {
  assertPulled(await skopeo.pull(image.reference, await bench.makeFolder()), image, image.manifests);
}

describe('several clients that want one image', () => {
  let bench: Bench;
  before(async () => {
    bench = await setUpBench('several-clients');
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  test('cost the origin one pull and one token when they come at once, and the image is nowhere yet', async () => {
    const { layered } = bench.lab.images;
    await Promise.all(Array.from({ length: 6 }, () => pullAndCompare(bench, layered)));
    assert.deepEqual(await takeOriginRequests(bench.origin), {
      content: requestsForColdPull(layered, layered.manifests).sort(),
      challenges: ['GET registry-1.docker.io/v2/ 401'],
      tokens: ['/token?service=registry.docker.io&scope=repository%3Alibrary%2Fstrata%3Apull'],
    });
  });
});

describe('a tag that is never fresh', () => {
  let bench: Bench;
  before(async () => {
    bench = await setUpBench('never-fresh', { cache: { tagTtl: '0' } });
    await pullAndCompare(bench, bench.lab.images.layered);
    await takeOriginRequests(bench.origin);
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  test('is looked up by a request that registries do not count as a pull, and nothing is fetched again', async () => {
    await pullAndCompare(bench, bench.lab.images.layered);
    await assertOriginAsked(bench.origin, ['HEAD registry-1.docker.io/v2/library/strata/manifests/1 200']);
  });

  test('is served as it was when the origin has stopped', async () => {
    await bench.origin.stop();
    await pullAndCompare(bench, bench.lab.images.layered);
  });
});

describe('an image that takes credentials', () => {
  const { restricted } = currentLab().images;
  let bench: Bench | undefined;
  afterEach(async (context) => {
    await showLogAfterFailure(bench, context);
    await bench?.clear();
    bench = undefined;
  });

  test('is not to be had through an Entrepot that has none', async () => {
    bench = await setUpBench('without-credentials');
    const pull = skopeo.pull(restricted.reference, await bench.makeFolder());
    await assert.rejects(pull, /unauthorized|denied/);
  });

  test('is pulled with the credentials of Entrepot, which go to the token server only', async () => {
    const passwordFile = join(currentLab().scratch, 'password');
    await writeFile(passwordFile, `${tokenUser.password}\n`);
    const credentials = { username: tokenUser.name, passwordFile };
    bench = await setUpBench('with-credentials', { upstreams: { 'docker.io': credentials } });
    await pullAndCompare(bench, restricted);
    const users = bench.origin.takeTokenRequests().map(({ user }) => user);
    assert.deepEqual([...new Set(users)], [tokenUser.name]);
    await assertOriginAsked(bench.origin, requestsForColdPull(restricted, restricted.manifests));
  });
});
