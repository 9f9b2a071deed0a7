import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { answerOf, feed, openAnswer } from '../../../test/support/upstream/upstream-answer.ts';
import { discard, errorOfAnswer, readBounded } from './answers.ts';

const sized = (text: string | Uint8Array) => ({ 'content-length': `${Buffer.byteLength(text)}` });

describe('readBounded()', () => {
  test('gives the whole body, up to the limit itself', async () => {
    assert.equal((await readBounded(answerOf(200, sized('abcde'), 'abc', 'de'), 5)).toString(), 'abcde');
    assert.equal((await readBounded(answerOf(200, sized('')), 5)).length, 0);
  });

  test('refuses a byte more, and gives up the connection', async () => {
    const answer = answerOf(200, { 'content-length': '1000000000000' }, 'abcdef');
    await assert.rejects(readBounded(answer, 5), { name: 'RegistryError', code: 'UNAVAILABLE', message: /5 bytes/ });
    assert.deepEqual(answer.calls, ['abandon']);
  });

  test('counts what an encoded body is decoded to, so that a small one cannot become a large one', async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000));
    const answer = answerOf(200, { ...sized(bomb), 'content-encoding': 'gzip' }, bomb);
    await assert.rejects(readBounded(answer, 100_000), { code: 'UNAVAILABLE', message: /100000 bytes/ });
  });

  test('does not take a part for the whole', async () => {
    await assert.rejects(readBounded(answerOf(200, { 'content-length': '5' }, 'abc'), 5), { code: 'UNAVAILABLE' });
  });
});

function error(status: number, body: string | Uint8Array = '', headers: Record<string, string> = {}) {
  return errorOfAnswer(answerOf(status, { ...sized(body), ...headers }, body), 'r.test', 'BLOB_UNKNOWN');
}

describe('the error that an answer stands for', () => {
  const codes: Readonly<Record<number, string>> = {
    400: 'UNAVAILABLE',
    401: 'DENIED',
    403: 'DENIED',
    404: 'BLOB_UNKNOWN',
    405: 'UNSUPPORTED',
    416: 'RANGE_INVALID',
    429: 'TOOMANYREQUESTS',
    500: 'UNAVAILABLE',
    503: 'UNAVAILABLE',
    302: 'UNAVAILABLE',
    204: 'UNAVAILABLE',
  };
  for (const [status, code] of Object.entries(codes)) {
    test(`of a ${status} is ${code}`, async () => assert.equal((await error(Number(status))).code, code));
  }

  test('names the upstream and the status, and what the registry says', async () => {
    const { message } = await error(404, '{"errors":[{"code":"BLOB_UNKNOWN","message":"gone","detail":{"a":1}}]}');
    assert.equal(message, 'Upstream r.test answered 404: BLOB_UNKNOWN gone');
    assert.equal((await error(404)).message, 'Upstream r.test answered 404');
  });

  test('keeps what the client needs: when to come back, and how large the blob is', async () => {
    assert.deepEqual((await error(429, '', { 'retry-after': '17' })).headers, { 'retry-after': '17' });
    assert.deepEqual((await error(429)).headers, {});
    assert.deepEqual((await error(416, '', { 'content-range': 'bytes */5' })).headers, {
      'content-range': 'bytes */5',
    });
    assert.deepEqual((await error(416)).headers, {});
    assert.deepEqual((await error(404, '', { 'retry-after': '17', 'x-secret': 'y' })).headers, {});
  });

  test('repeats no page of some proxy, and no shape but the spec’s', async () => {
    const bodies = [
      '<html>busy</html>',
      'null',
      '[]',
      '{"errors":[]}',
      '{"errors":"x"}',
      '{"errors":[null]}',
      '"text"',
    ];
    for (const body of [...bodies, '{"message":"x"}', '{"errors":[{"code":5,"message":{}}]}']) {
      assert.equal((await error(503, body)).message, 'Upstream r.test answered 503');
    }
  });

  test('is one short line, whatever the registry writes', async () => {
    const text = `a\r\nb\u0000\u001b[31mc\u202e ${'x'.repeat(1_000)}`;
    const { message } = await error(503, JSON.stringify({ errors: [{ message: text }] }));
    assert.match(message, /^Upstream r\.test answered 503: a b \[31mc x+$/);
    assert.ok(message.length < 400);
  });

  test('is read from an encoded body, too', async () => {
    const body = gzipSync('{"errors":[{"code":"DENIED","message":"no"}]}');
    assert.match((await error(403, body, { 'content-encoding': 'gzip' })).message, /DENIED no$/);
  });

  test('does not depend on a body that breaks off, never ends or cannot be decoded', async () => {
    const endless = answerOf(404, { 'content-length': '1000000000000' }, 'x'.repeat(100_000));
    const broken = answerOf(404, { 'content-length': '5' }, 'x');
    const odd = answerOf(404, { 'content-encoding': 'odd', 'content-length': '1' }, 'x');
    for (const answer of [endless, broken, odd]) {
      const { code, message } = await errorOfAnswer(answer, 'r.test', 'MANIFEST_UNKNOWN');
      assert.deepEqual([code, message], ['MANIFEST_UNKNOWN', 'Upstream r.test answered 404']);
    }
    assert.deepEqual(endless.calls, ['abandon']);
  });

  test('does not wait for a body for longer than two seconds, though it may come, byte by byte', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const slow = openAnswer(404, { 'content-length': '1000' });
    const reading = errorOfAnswer(slow, 'r.test', 'MANIFEST_UNKNOWN');
    t.mock.timers.tick(1_999);
    feed(slow.body, Buffer.from('{'));
    assert.deepEqual(slow.calls, []);
    t.mock.timers.tick(1);
    const { code, message } = await reading;
    assert.deepEqual([code, message], ['MANIFEST_UNKNOWN', 'Upstream r.test answered 404']);
    assert.deepEqual(slow.calls, ['abandon']);
  });
});

test('the body of an answer that is not wanted, as of a redirect, is waited for no longer than that either', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [slow, whole] = [openAnswer(307, { 'content-length': '100' }), openAnswer(307, { 'content-length': '1' })];
  const discarding = [discard(slow), discard(whole)];
  feed(whole.body, Buffer.from('x'));
  t.mock.timers.tick(2_000);
  await Promise.all(discarding);
  assert.deepEqual([slow.calls, whole.calls], [['abandon'], ['finished']]);
});
