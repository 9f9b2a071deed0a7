import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../oci/digest.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';
import { type MatchedImage, matchesAny, parseImagePattern } from './image-patterns.ts';

const digest = digestOf(Buffer.from('an image'));
const naming = {
  registries: [
    { name: 'docker.io', alias: 'docker.io', names: ['index.docker.io'], dockerHub: true },
    { name: 'ghcr.io', alias: 'ghcr.io', names: [], dockerHub: false },
    { name: 'registry.corp:5443', alias: 'corp.local', names: [], dockerHub: false },
  ],
  default: 'docker.io',
};

const image = (registry: string, repository: string, ...tags: string[]): MatchedImage => ({
  registry,
  repository: parseRepository(repository),
  digest,
  tags: tags.map(parseTag),
});

const nginx = image('docker.io', 'library/nginx', '1.27', '1.27.3', 'latest');
const redis = image('docker.io', 'bitnami/redis', '7');
const app = image('ghcr.io', 'owner/app', 'v1.2');
const inner = image('registry.corp:5443', 'team/nginx');
const all = { nginx, redis, app, inner };

const matched = (pattern: string) =>
  Object.entries(all)
    .filter(([, one]) => parseImagePattern(pattern, naming).matches(one))
    .map(([name]) => name)
    .join(' ');

test('a pattern is a name as people write it, with * for anything', () => {
  const cases = {
    nginx: 'nginx',
    'nginx:1.27': 'nginx',
    'nginx:1.2': '',
    'nginx:1.*': 'nginx',
    'ngin*': 'nginx',
    'bitnami/*': 'redis',
    'docker.io/*': 'nginx redis',
    'index.docker.io/nginx': 'nginx',
    'docker.io': 'nginx redis',
    'ghcr.io': 'app',
    'ghcr.io/owner/app:v*': 'app',
    'corp.local/*': 'inner',
    'registry.corp:5443': 'inner',
    'registry.corp:5443/team/*': 'inner',
    '*': 'nginx redis app inner',
    '*nginx': 'nginx inner',
    '*:1.27': 'nginx',
    '*:*': 'nginx redis app',
    [`*@${digest}`]: 'nginx redis app inner',
    '*@sha256:0000*': '',
    'nginx.*': '',
    'n(inx': '',
    elsewhere: '',
  };
  for (const [pattern, names] of Object.entries(cases)) assert.equal(matched(pattern), names, pattern);
});

test('a pattern tells which tags it means', () => {
  const tagsOf = (pattern: string) => parseImagePattern(pattern, naming).tagsOf(nginx);
  assert.deepEqual(tagsOf('nginx:1.27*'), ['1.27', '1.27.3']);
  assert.deepEqual(tagsOf('nginx'), ['1.27', '1.27.3', 'latest']);
});

test('of several patterns one is enough, and none mean everything', () => {
  const patterns = ['ghcr.io', 'redis'].map((pattern) => parseImagePattern(pattern, naming));
  assert.deepEqual(
    Object.values(all).map((one) => matchesAny(patterns, one)),
    [false, false, true, false],
  );
  assert.equal(matchesAny([], inner), true);
});

test('a pattern of many stars is matched in no time', () => {
  const pattern = parseImagePattern(`${'*a'.repeat(30)}*b`, naming);
  assert.equal(pattern.matches(image('ghcr.io', 'a'.repeat(200))), false);
});
