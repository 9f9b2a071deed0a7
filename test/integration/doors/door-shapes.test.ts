import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

// What clients ask for when a mirror is configured for them whose URL has a path: the alias of an upstream. Both upstreams
// have the same repository and tag with another image, and the door's default is the wrong one.

interface Shape {
  readonly client: string;
  /** The URL that the client is configured with, `h` being the cache. */
  readonly configured: string;
  /** The path before the name of the repository. */
  readonly root: string;
  /** What the client adds as `ns`: the registry that the image's name says. */
  readonly namespace?: string;
}

const alias = 'right.test';

const shapes: readonly Shape[] = [
  { client: 'dockerd with the classic store', configured: `https://h/${alias}`, root: `/${alias}/v2/` },
  {
    client: 'dockerd with the containerd store',
    configured: `https://h/${alias}`,
    root: `/${alias}/v2/`,
    namespace: 'docker.io',
  },
  {
    client: 'containerd with hosts.toml',
    configured: `https://h/${alias}`,
    root: `/${alias}/v2/`,
    namespace: alias,
  },
  {
    client: 'containerd with override_path',
    configured: `https://h/v2/${alias}`,
    root: `/v2/${alias}/`,
    namespace: alias,
  },
  { client: 'k3s', configured: `https://h/v2/${alias}`, root: `/v2/${alias}/`, namespace: alias },
  { client: 'BuildKit', configured: `h/${alias}`, root: `/v2/${alias}/`, namespace: alias },
  { client: 'podman and CRI-O', configured: `h/${alias}`, root: `/v2/${alias}/` },
];

const repository = 'team/app';

for (const shape of shapes) {
  const { client, configured, root, namespace } = shape;
  const title = `${client}, configured with ${configured}, pulls from the upstream that the path names`;
  describe(title, () => {
    // With an `ns` of any other upstream, too: the path has decided.
    for (const ns of namespace === undefined
      ? [undefined]
      : new Set([namespace, 'wrong.test', 'docker.io', 'nobody.test'])) {
      test(ns === undefined ? 'without ns' : `with ns=${ns}`, async (t) => {
        const right = await startTestRegistry();
        const wrong = await startTestRegistry();
        const image = makeImage({ seed: 'right', layers: [2000] });
        right.content.push(repository, image, 'latest');
        wrong.content.push(repository, makeImage({ seed: 'wrong', layers: [2000] }), 'latest');
        const cache = await startTestCache({
          data: tmpDir(t),
          upstreams: [
            { name: 'wrong.test', urls: [new URL(wrong.url)] },
            { name: alias, urls: [new URL(right.url)] },
            { name: 'docker.io', urls: [new URL(wrong.url)], dockerHub: true },
          ],
        });
        t.after(() => Promise.all([cache.stop(), right.close(), wrong.close()]));
        const fetch = (path: string, method = 'GET') =>
          rawFetch(`${cache.url}${root}${path}${ns === undefined ? '' : `?ns=${encodeURIComponent(ns)}`}`, { method });

        assert.equal((await fetch('')).status, 200, 'the ping');
        const head = await fetch(`${repository}/manifests/latest`, 'HEAD');
        assert.equal(head.headers['docker-content-digest'], image.manifest.digest);
        const manifest = await fetch(`${repository}/manifests/${image.manifest.digest}`);
        assert.deepEqual(manifest.body, image.manifest.bytes);
        for (const { digest, bytes } of image.blobs) {
          assert.deepEqual((await fetch(`${repository}/blobs/${digest}`)).body, bytes);
        }
        assert.deepEqual(JSON.parse((await fetch(`${repository}/tags/list`)).body.toString()).tags, ['latest']);

        const [config, layer] = image.blobs.map(({ digest }) => shorten(digest));
        assert.deepEqual(right.requests.lines(), [
          'GET /v2/',
          `HEAD /v2/${repository}/manifests/latest`,
          `GET /v2/${repository}/manifests/${shorten(image.manifest.digest)}`,
          `GET /v2/${repository}/blobs/${config}`,
          `GET /v2/${repository}/blobs/${layer}`,
          `GET /v2/${repository}/tags/list`,
        ]);
        assert.deepEqual(wrong.requests.lines(), []);
      });
    }
  });
}

describe('without a path in the mirror’s URL, ns decides', () => {
  // dockerd (classic) and podman send none, and so get the default.
  const rows = [
    [undefined, 'default.test'],
    ['right.test', 'right.test'],
    ['right.test:443', 'right.test'],
  ] as const;
  for (const [namespace, expected] of rows) {
    test(namespace === undefined ? 'none: the default' : `ns=${namespace}`, async (t) => {
      const registries = { 'default.test': await startTestRegistry(), 'right.test': await startTestRegistry() };
      const digests = new Map<string, string>();
      for (const [name, { content }] of Object.entries(registries)) {
        digests.set(name, content.push(repository, makeImage({ seed: name, layers: [10] }), 'latest'));
      }
      const upstreams = Object.entries(registries).map(([name, { url }]) => ({ name, urls: [new URL(url)] }));
      const cache = await startTestCache({ data: tmpDir(t), upstreams });
      t.after(() => Promise.all([cache.stop(), ...Object.values(registries).map((registry) => registry.close())]));
      const query = namespace === undefined ? '' : `?ns=${encodeURIComponent(namespace)}`;
      const { headers } = await rawFetch(`${cache.url}/v2/${repository}/manifests/latest${query}`);
      assert.equal(headers['docker-content-digest'], digests.get(expected));
      assert.equal(headers['oci-namespace'], namespace);
      for (const [name, { requests }] of Object.entries(registries)) {
        assert.deepEqual(
          requests.lines(),
          name === expected ? ['GET /v2/', `GET /v2/${repository}/manifests/latest`] : [],
        );
      }
    });
  }
});
