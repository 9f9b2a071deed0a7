import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { withSetupLock } from './setup-lock.ts';

test('on one machine one works after the other, and none waits for what is done on another', async (t) => {
  const [root, other] = [tmpDir(t), tmpDir(t)];
  const steps: string[] = [];
  const first = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const works = [
    withSetupLock({ root }, async () => {
      steps.push('first begins');
      began.resolve();
      await first.promise;
      steps.push('first ends');
    }),
  ];
  await began.promise;
  const another = async () => {
    steps.push('another begins');
    await Promise.resolve();
    steps.push('another ends');
  };
  for (const same of [root, `${root}/.`]) works.push(withSetupLock({ root: same }, another));
  await withSetupLock({ root: other }, async () => void steps.push('elsewhere'));
  first.resolve();
  await Promise.all(works);
  assert.deepEqual(steps, [
    ...['first begins', 'elsewhere', 'first ends'],
    ...['another begins', 'another ends', 'another begins', 'another ends'],
  ]);
});

test('who waits too long is told why, and what fails lets go', async (t) => {
  const root = tmpDir(t);
  const uid = process.getuid?.();
  await withSetupLock({ root }, async () => {
    await assert.rejects(
      withSetupLock({ root }, async () => {}, 1),
      {
        code: 'CANNOT_WRITE',
        message: new RegExp(`process ${process.pid} \\(.*, of the user with id ${uid}\\) holds`),
      },
    );
  });
  await assert.rejects(
    withSetupLock({ root }, () => Promise.reject(new Error('mine'))),
    /mine/,
  );
  assert.equal(await withSetupLock({ root }, async () => 'free'), 'free');
});
