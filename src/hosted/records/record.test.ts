import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../oci/digest.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';
import { manifestRecord, manifestRecordName, readRecord, tagRecord, tagRecordName } from './record.ts';

const repository = parseRepository('team/app');
const tag = parseTag('V1.0_x');

test('a record is read as it was written', () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const digest = digestOf(Buffer.from('manifest'), algorithm);
    assert.deepEqual(readRecord(manifestRecordName(repository, digest), manifestRecord('a/b')), {
      ...{ kind: 'manifest', repository, digest, mediaType: 'a/b', held: [] },
    });
    const held = [digestOf(Buffer.from('layer'), algorithm)];
    assert.deepEqual(readRecord(manifestRecordName(repository, digest), manifestRecord('a/b', held)), {
      ...{ kind: 'manifest', repository, digest, mediaType: 'a/b', held },
    });
    assert.deepEqual(readRecord(tagRecordName(repository, tag), tagRecord(digest)), {
      ...{ kind: 'tag', repository, tag, digest },
    });
  }
});

test('a record that is broken, or of no name that is known, says nothing', () => {
  const digest = digestOf(Buffer.from('manifest'));
  const ofTag = tagRecordName(repository, tag);
  const ofManifest = manifestRecordName(repository, digest);
  for (const text of [
    '',
    '{',
    'null',
    '{}',
    '{"digest":1}',
    '{"digest":"sha256:1"}',
    '{"mediaType":1}',
    '{"mediaType":"a/b","held":1}',
  ]) {
    assert.equal(readRecord(ofTag, Buffer.from(text)), undefined, text);
    assert.equal(readRecord(ofManifest, Buffer.from(text)), undefined, text);
  }
  for (const name of [
    'team/app',
    '_tags/v1',
    'Team/_tags/v1',
    'team/_tags/-',
    'team/_manifests/sha256/00',
    'team/_x/v1',
  ]) {
    assert.equal(readRecord(name, tagRecord(digest)), undefined, name);
  }
});
