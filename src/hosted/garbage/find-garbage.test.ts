import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HeldLink } from '../../index/hosted-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseRepository } from '../../oci/reference.ts';
import { findGarbage } from './find-garbage.ts';

const repository = parseRepository('team/app');
const oldMs = 10;
const newMs = 100;
const beforeMs = 50;

/** A link by a short name; a manifest when it has anything of one. */
function link(name: string, about: Partial<Omit<HeldLink, 'references' | 'subject'>> & Parts = {}): HeldLink {
  const { references = [], subject, ...rest } = about;
  const isManifest = about.references !== undefined || subject !== undefined || about.tagged !== undefined;
  return {
    ...{ repository, digest: name as Digest, sizeBytes: 1, linkedAtMs: oldMs, tagged: false },
    mediaType: isManifest ? 'type' : undefined,
    ...rest,
    references: references as Digest[],
    subject: subject as Digest | undefined,
  };
}

interface Parts {
  readonly references?: readonly string[];
  readonly subject?: string;
}

function find(links: readonly HeldLink[], untagged = true): string[][] {
  const { manifests, blobs } = findGarbage(links, { beforeMs, untagged });
  return [manifests, blobs].map((found) => found.map(({ digest }) => digest));
}

describe('what nobody needs of a repository', () => {
  test('blobs that no manifest references, unless they are new', () => {
    const image = link('image', { references: ['layer'] });
    assert.deepEqual(find([image, link('layer'), link('old'), link('new', { linkedAtMs: newMs })], false), [
      [],
      ['old'],
    ]);
  });

  test('manifests stay without a tag, unless it is said that they go', () => {
    const links = [link('image', { references: ['layer'] }), link('layer')];
    assert.deepEqual(find(links, false), [[], []]);
    assert.deepEqual(find(links), [['image'], ['layer']]);
  });

  test('what is being removed as a manifest goes itself, as the blob that it looks like, and what it needs does not yet', () => {
    const links = [
      link('removed', { references: ['child', 'layer'], mediaType: undefined }),
      link('child', { references: ['config'] }),
      ...['layer', 'config', 'loose'].map((name) => link(name)),
    ];
    assert.deepEqual(find(links), [[], ['removed', 'loose']]);
  });

  test('what a tagged manifest consists of stays, however deep, and what refers to any of it', () => {
    const links = [
      link('index', { references: ['child'], tagged: true }),
      link('child', { references: ['layer'] }),
      link('signature', { subject: 'child', references: ['signed'] }),
      link('of-signature', { subject: 'signature' }),
      ...['layer', 'signed'].map((name) => link(name)),
    ];
    assert.deepEqual(find(links), [[], []]);
  });

  test('new manifests count as if they had a tag', () => {
    const links = [link('image', { references: ['layer'], linkedAtMs: newMs }), link('layer')];
    assert.deepEqual(find(links), [[], []]);
  });

  test('what goes goes in an order in which each can: what references before that, subjects before referrers', () => {
    const links = [
      link('signature', { subject: 'index' }),
      link('child', { references: ['layer'] }),
      link('of-child', { subject: 'child' }),
      link('index', { references: ['child'] }),
      link('layer'),
    ];
    const [manifests, blobs] = find(links) as [string[], string[]];
    const place = (name: string) => manifests.indexOf(name);
    assert.deepEqual(manifests.toSorted(), ['child', 'index', 'of-child', 'signature']);
    assert.ok(place('index') < place('child') && place('child') < place('of-child'));
    assert.ok(place('index') < place('signature'));
    assert.deepEqual(blobs, ['layer']);
  });

  test('a blob stays with a new manifest though an old one that references it goes', () => {
    const links = [
      link('old', { references: ['shared', 'own'] }),
      link('new', { references: ['shared'], linkedAtMs: newMs }),
      ...['shared', 'own'].map((name) => link(name)),
    ];
    assert.deepEqual(find(links), [['old'], ['own']]);
  });

  test('a referrer with a tag stays, though its subject goes', () => {
    const links = [link('image', { references: [] }), link('signature', { subject: 'image', tagged: true })];
    assert.deepEqual(find(links), [['image'], []]);
  });

  test('what refers to something that it also consists of stays as a whole, with its blobs', () => {
    const links = [
      link('odd', { subject: 'part', references: ['part', 'own'] }),
      link('part', { references: ['layer'] }),
      ...['own', 'layer', 'other'].map((name) => link(name)),
    ];
    assert.deepEqual(find(links), [[], ['other']]);
  });

  test('a chain of many thousand referrers is no more than that', () => {
    const count = 20_000;
    const links = Array.from({ length: count }, (_, at) => link(`${at}`, { subject: `${at - 1}`, references: [] }));
    assert.equal(find(links.toReversed())[0]?.length, count);
  });
});
