import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../digest.ts';
import { isChildChosen, isPlatformChosen, ownPlatform, parsePlatforms } from './platform-choice.ts';

test('platforms are read with commas between, or as all', () => {
  assert.deepEqual(parsePlatforms('linux/amd64, Linux/ARM/v7'), ['linux/amd64', 'linux/arm/v7']);
  assert.equal(parsePlatforms('all'), 'all');
  for (const wrong of ['', 'amd64', 'linux/', 'linux/amd64,', 'linux/a/b/c', 'linux/amd 64']) {
    assert.throws(() => parsePlatforms(wrong), /expected a platform, such as linux\/amd64/, wrong);
  }
});

test('a platform without a variant means all of its variants', () => {
  const cases: [chosen: string, platform: string, is: boolean][] = [
    ['linux/amd64', 'linux/amd64', true],
    ['linux/amd64', 'linux/amd64/v3', true],
    ['linux/amd64', 'linux/arm64', false],
    ['linux/amd64', 'windows/amd64', false],
    ['linux/arm', 'linux/arm/v5', true],
    ['linux/arm/v7', 'linux/arm/v7', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/amd64/v2', 'linux/amd64', false],
  ];
  for (const [chosen, platform, is] of cases) {
    assert.equal(isPlatformChosen([chosen], platform), is, `${chosen} ${platform}`);
  }
});

test('what says no platform is chosen always, an attestation with everything only', () => {
  const child = { digest: digestOf(Buffer.from('x')), mediaType: '', sizeBytes: 1, platform: undefined };
  assert.equal(isChildChosen(['linux/amd64'], { ...child, isAttestation: false }), true);
  assert.equal(isChildChosen(['linux/amd64'], { ...child, isAttestation: true }), false);
  assert.equal(isChildChosen('all', { ...child, isAttestation: true }), true);
});

test('the platform of a machine is called as images call it', () => {
  assert.deepEqual(['x64', 'arm64', 'ia32', 'ppc64', 's390x', 'riscv64'].map(ownPlatform), [
    ...['linux/amd64', 'linux/arm64', 'linux/386', 'linux/ppc64le', 'linux/s390x', 'linux/riscv64'],
  ]);
});
