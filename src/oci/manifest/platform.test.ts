import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../digest.ts';
import { configOfManifest, platformOfConfig, platformsOfIndex } from './platform.ts';

const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(Buffer.from(text)));
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

test('an index names its platforms, in its order; attestations are none', () => {
  const manifests = [
    { digest: b, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    { digest: a, platform: { os: 'windows', architecture: 'amd64', 'os.version': '10.0' } },
    { digest: c, platform: { os: 'unknown', architecture: 'unknown' } },
    { digest: c },
    { digest: 'sha256:abc', platform: { os: 'linux', architecture: 'amd64' } },
    null,
  ];
  assert.deepEqual(platformsOfIndex(json({ manifests })), [
    { digest: b, platform: 'linux/arm64/v8' },
    { digest: a, platform: 'windows/amd64' },
  ]);
});

test('an image names its configuration, and that its platform', () => {
  assert.equal(configOfManifest(json({ config: { digest: a }, layers: [{ digest: b }] })), a);
  assert.equal(platformOfConfig(json({ os: 'linux', architecture: 'amd64', rootfs: {} })), 'linux/amd64');
});

test('what says no platform has none, and what a terminal would obey is no platform', () => {
  for (const value of [null, 7, [], {}, { os: 'linux' }, { os: 7, architecture: 'amd64' }]) {
    assert.equal(platformOfConfig(json(value)), undefined);
    assert.deepEqual(platformsOfIndex(json(value)), []);
    assert.equal(configOfManifest(json(value)), undefined);
  }
  assert.equal(platformOfConfig(json({ os: 'linux\u001b[2J', architecture: 'amd64' })), undefined);
  assert.equal(configOfManifest(Buffer.from('{')), undefined);
});
