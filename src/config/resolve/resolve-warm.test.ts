import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTestConfig } from '../../../test/support/command/config-sources.ts';

const lists = (yaml: string) => loadTestConfig({ yaml }).config.warm;

test('a list is that of warm itself, and others have what they do not say from it', () => {
  const yaml = `
warm:
  images: [nginx:1.27, "ghcr.io/owner/app@sha256:${'0'.repeat(64)}"]
  every: 2h
  platforms: [linux/arm64]
  lists:
    - images: [quay.io/a/b, registry-1.docker.io/library/redis]
      every: 10m
    - { images: [nginx], platforms: [all, linux/amd64], concurrency: 7 }`;
  assert.deepEqual(lists(yaml), [
    {
      images: ['nginx:1.27', `ghcr.io/owner/app@sha256:${'0'.repeat(64)}`],
      ...{ everyMs: 7_200_000, platforms: ['linux/arm64'], concurrency: 2 },
    },
    {
      images: ['quay.io/a/b', 'registry-1.docker.io/library/redis'],
      ...{ everyMs: 600_000, platforms: ['linux/arm64'], concurrency: 2 },
    },
    { images: ['nginx'], everyMs: 7_200_000, platforms: 'all', concurrency: 7 },
  ]);
});

test('without images there is no list', () => {
  assert.deepEqual(lists('warm: { every: 1h }'), []);
});

test('what can never be warmed is told with its place', () => {
  const wrong: [yaml: string, problem: RegExp][] = [
    ['warm: { images: [Nginx] }', /warm\.images "Nginx".*expected the name of an image/s],
    [
      'warm: { images: [elsewhere.example/x] }',
      /warm\.images "elsewhere\.example\/x": no upstream is called elsewhere/,
    ],
    [
      'warm: { lists: [{ images: [nginx] }, { images: [a.b/x] }] }',
      /warm\.lists, entry 2, images "a\.b\/x": no upstream/,
    ],
    ['warm: { lists: [{ images: [] }] }', /warm\.lists, entry 1, images.*at least one image/s],
    ['warm: { lists: [{ images: [nginx], often: 1h }] }', /warm\.lists, entry 1.*expected a group of images, every/s],
    ['warm: { images: [nginx], every: 1s }', /warm\.every "1s".*at least 1m/s],
    ['warm: { images: [nginx], platforms: [amd64] }', /warm\.platforms "amd64".*expected a platform/s],
    ['warm: { images: [nginx], concurrency: 0 }', /warm\.concurrency "0"/],
  ];
  for (const [yaml, problem] of wrong) assert.throws(() => lists(yaml), { message: problem }, yaml);
});
