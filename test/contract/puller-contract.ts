import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Puller, PullSource } from '../../src/measure/pullers/puller.ts';

/** A client that has nothing yet of what it can pull. */
export interface PullerUnderTest {
  readonly puller: Puller;
  /** What can be pulled: one image, by its tag and by its digest. */
  readonly byTag: PullSource;
  readonly byDigest: PullSource;
  /** What cannot. */
  readonly missing: PullSource;
}

const patient = new AbortController().signal;

/** What every client promises that measures pulls. */
export function pullerContract(name: string, use: (test: (stage: PullerUnderTest) => Promise<void>) => Promise<void>) {
  describe(`${name} as what pulls`, () => {
    test('has an image once it was pulled, by tag and by digest, until it is removed', () =>
      use(async ({ puller, byTag, byDigest }) => {
        assert.match(puller.name, /^[a-z-]+ \d/);
        for (const source of [byTag, byDigest]) {
          assert.equal(await puller.has(source, patient), false);
          assert.deepEqual(await puller.pull(source, patient), { layersHeld: 0 });
          assert.equal(await puller.has(source, patient), true);
          await puller.remove(source, patient);
          assert.equal(await puller.has(source, patient), false);
        }
        await puller.close(patient);
      }));

    test('pulls again what it has, and removes what is not there without an error', () =>
      use(async ({ puller, byTag }) => {
        await puller.pull(byTag, patient);
        await puller.pull(byTag, patient);
        await puller.remove(byTag, patient);
        await puller.remove(byTag, patient);
        await puller.close(patient);
        await puller.close(patient);
      }));

    test('says in one line why it cannot pull, and has nothing then', () =>
      use(async ({ puller, missing }) => {
        await assert.rejects(puller.pull(missing, patient), ({ message }: Error) => {
          assert.match(message, /not found|unknown|denied/i);
          assert.doesNotMatch(message, /[\r\n]/);
          return true;
        });
        assert.equal(await puller.has(missing, patient), false);
        await puller.close(patient);
      }));

    test('goes when the signal fires, with its reason', () =>
      use(async ({ puller, byTag }) => {
        const gone = AbortSignal.abort(new Error('gone'));
        await assert.rejects(puller.pull(byTag, gone), { message: 'gone' });
        assert.equal(await puller.has(byTag, patient), false);
        await puller.close(patient);
      }));
  });
}
