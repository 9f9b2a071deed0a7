import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readAll } from '../../../test/support/http/read.ts';
import { answerOf, type FedAnswer } from '../../../test/support/upstream/upstream-answer.ts';
import type { RequestedRange } from '../../oci/registry.ts';
import { blobContentOf } from './blob-content.ts';

const text = '0123456789';
const unseen = () => {};
const unavailable = { name: 'RegistryError', code: 'UNAVAILABLE' };

function whole(headers: Record<string, string> = {}): FedAnswer {
  return answerOf(200, { 'content-length': `${text.length}`, ...headers }, text);
}

function chunked(): FedAnswer {
  return answerOf(200, { 'transfer-encoding': 'chunked' }, '4\r\n0123\r\n', '6\r\n456789\r\n0\r\n\r\n');
}

function part(contentRange: string, body: string, headers: Record<string, string> = {}): FedAnswer {
  return answerOf(206, { 'content-range': contentRange, 'content-length': `${body.length}`, ...headers }, body);
}

async function read(answer: FedAnswer, range: RequestedRange | undefined) {
  const content = blobContentOf(answer, range, unseen);
  const { sizeBytes, start, end } = content;
  return { sizeBytes, start, end, text: (await readAll(content)).toString() };
}

describe('the whole blob', () => {
  test('is given with its size', async () => {
    assert.deepEqual(await read(whole(), undefined), { sizeBytes: 10, start: 0, end: 10, text });
  });

  test('may be empty', async () => {
    const empty = answerOf(200, { 'content-length': '0' });
    assert.deepEqual(await read(empty, undefined), { sizeBytes: 0, start: 0, end: 0, text: '' });
  });

  test('has no size where the registry does not say it', async () => {
    assert.deepEqual(await read(chunked(), undefined), { sizeBytes: undefined, start: 0, end: undefined, text });
  });

  test('has no size where it was encoded', async () => {
    const bytes = gzipSync(text);
    const answer = answerOf(200, { 'content-encoding': 'gzip', 'content-length': `${bytes.length}` }, bytes);
    assert.deepEqual(await read(answer, undefined), { sizeBytes: undefined, start: 0, end: undefined, text });
  });
});

describe('a part that the registry sent', () => {
  test('is given with its place and the size of the whole', async () => {
    const expected = { sizeBytes: 10, start: 3, end: 6, text: '345' };
    assert.deepEqual(await read(part('bytes 3-5/10', '345'), { start: 3, end: 5 }), expected);
  });

  test('may end early: the rest is asked for later', async () => {
    const expected = { sizeBytes: 10, start: 3, end: 6, text: '345' };
    assert.deepEqual(await read(part('bytes 3-5/10', '345'), { start: 3 }), expected);
  });

  test('may be the last bytes', async () => {
    const expected = { sizeBytes: 10, start: 8, end: 10, text: '89' };
    assert.deepEqual(await read(part('bytes 8-9/10', '89'), { suffixLength: 2 }), expected);
  });

  test('may come without a length', async () => {
    const answer = answerOf(
      206,
      { 'content-range': 'bytes 3-5/10', 'transfer-encoding': 'chunked' },
      '3\r\n345\r\n0\r\n\r\n',
    );
    assert.deepEqual(await read(answer, { start: 3 }), { sizeBytes: 10, start: 3, end: 6, text: '345' });
  });

  const useless: Record<string, readonly [FedAnswer, RequestedRange | undefined]> = {
    'it was not asked for': [part('bytes 3-5/10', '345'), undefined],
    'it begins before what was asked for': [part('bytes 2-5/10', '2345'), { start: 3 }],
    'it begins after what was asked for': [part('bytes 4-5/10', '45'), { start: 3 }],
    'it ends after what was asked for': [part('bytes 3-6/10', '3456'), { start: 3, end: 5 }],
    'it is not the end that was asked for': [part('bytes 3-5/10', '345'), { suffixLength: 3 }],
    'it does not say which part it is': [answerOf(206, { 'content-length': '3' }, '345'), { start: 3 }],
    'it does not say how large the whole is': [part('bytes 3-5/*', '345'), { start: 3 }],
    'it ends before it begins': [part('bytes 5-3/10', ''), { start: 5 }],
    'it ends beyond the whole': [part('bytes 3-10/10', '3456789!'), { start: 3 }],
    'its length is not that of the part': [part('bytes 3-5/10', '3456'), { start: 3 }],
    'it is several parts': [part('multipart/byteranges', '345'), { start: 3 }],
    'it is encoded': [part('bytes 3-5/10', '345', { 'content-encoding': 'gzip' }), { start: 3 }],
  };
  for (const [why, [answer, range]] of Object.entries(useless)) {
    test(`is of no use when ${why}`, async () => {
      assert.throws(() => blobContentOf(answer, range, unseen), unavailable);
      await assert.rejects(answer.body.next(), { message: 'The body was closed' });
    });
  }
});

describe('a registry that ignored the range and sent the whole', () => {
  const ranges: readonly (readonly [RequestedRange, start: number, end: number])[] = [
    [{ start: 3 }, 3, 10],
    [{ start: 3, end: 5 }, 3, 6],
    [{ start: 0, end: 0 }, 0, 1],
    [{ start: 3, end: 99 }, 3, 10],
    [{ suffixLength: 2 }, 8, 10],
    [{ suffixLength: 99 }, 0, 10],
  ];
  for (const [range, start, end] of ranges) {
    test(`gives bytes ${start} to ${end - 1} of ${JSON.stringify(range)}`, async () => {
      assert.deepEqual(await read(whole(), range), { sizeBytes: 10, start, end, text: text.slice(start, end) });
    });
  }

  test('gives them, too, where it does not say how large the whole is', async () => {
    const expected = { sizeBytes: undefined, start: 3, end: undefined, text: '345' };
    assert.deepEqual(await read(chunked(), { start: 3, end: 5 }), expected);
    assert.deepEqual(await read(chunked(), { start: 5 }), { ...expected, start: 5, text: '56789' });
    assert.deepEqual(await read(chunked(), { start: 99 }), { ...expected, start: 99, text: '' });
  });

  test('cannot give the end of what it does not say the size of', async () => {
    const answer = chunked();
    assert.throws(() => blobContentOf(answer, { suffixLength: 2 }, unseen), unavailable);
    await assert.rejects(answer.body.next(), { message: 'The body was closed' });
  });

  test('has no bytes beyond its end, and is not read for them', async () => {
    const answer = whole();
    assert.throws(() => blobContentOf(answer, { start: 10 }, unseen), {
      code: 'RANGE_INVALID',
      headers: { 'content-range': 'bytes */10' },
    });
    await assert.rejects(answer.body.next(), { message: 'The body was closed' });
  });
});

test('every byte that came is seen, also what is passed over', async () => {
  const counts: number[] = [];
  await readAll(blobContentOf(whole(), { start: 8 }, (count) => counts.push(count)));
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    10,
  );
});

test('what fails on its way is unavailable', async () => {
  const short = answerOf(200, { 'content-length': '10' }, '012');
  await assert.rejects(readAll(blobContentOf(short, undefined, unseen)), unavailable);
});
