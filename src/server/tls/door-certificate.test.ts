import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { EventLog } from '../../../test/support/event-log.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { certificates } from '../../../test/support/tls/certs.ts';
import { writeTlsFiles } from '../../../test/support/tls/tls-files.ts';
import { checkServerPems } from '../../util/watched/certified-key.ts';
import { DoorCertificate } from './door-certificate.ts';

const first = certificates();
const second = certificates(['second.test']);
const validity = checkServerPems({ ...first.server, clientCa: undefined });

async function openCertificate(
  t: TestContext,
  { startMs = Date.now(), clientCa = undefined as string | undefined } = {},
) {
  const files = writeTlsFiles(tmpDir(t), first.server, clientCa);
  const clock = new ManualClock(startMs);
  const log = new EventLog();
  const expiries: number[] = [];
  const certificate = await DoorCertificate.open({
    ...{ door: 'registry', paths: files.paths, clock, log },
    expires: (untilMs) => expiries.push(untilMs),
  });
  t.after(() => certificate.close());
  await clock.nextSleep();
  const look = async () => {
    clock.advance(2_000);
    await clock.nextSleep();
  };
  return { files, certificate, log, expiries, look };
}

test('a new certificate with its key counts once both have stood still, and is told of', async (t) => {
  const { files, certificate, log, expiries, look } = await openCertificate(t);
  const renewed: string[] = [];
  certificate.onRenewed(({ cert }) => renewed.push(cert));
  files.putPair(second.server);
  await look();
  assert.equal(certificate.files.cert, first.server.cert);
  await look();
  assert.deepEqual([certificate.files.cert, certificate.files.key], [second.server.cert, second.server.key]);
  assert.deepEqual(renewed, [second.server.cert]);
  await look();
  assert.deepEqual(
    log.events.map(({ level, event }) => [level, event]),
    [['info', 'certificate renewed']],
  );
  assert.equal(expiries.length, 2);
});

test('files that are written one long after the other are no fault', async (t) => {
  const { files, certificate, log, look } = await openCertificate(t);
  files.put('cert', second.server.cert);
  await look();
  files.put('key', second.server.key);
  await look();
  assert.deepEqual(log.events, []);
  await look();
  assert.equal(certificate.files.cert, second.server.cert);
  assert.deepEqual(
    log.events.map(({ event }) => event),
    ['certificate renewed'],
  );
});

test('a pair that does not belong together is kept out, told of once, and mended by the next', async (t) => {
  const { files, certificate, log, look } = await openCertificate(t);
  files.put('key', second.server.key);
  for (let count = 0; count < 5; count++) await look();
  assert.equal(certificate.files.key, first.server.key);
  const [told, ...more] = log.events;
  assert.deepEqual(more, []);
  assert.equal(told?.level, 'error');
  assert.match(String(told.facts['reason']), /doors\.registry\.tls\.key ".*door\.key": it is not the key of/);
  files.put('cert', second.server.cert);
  await look();
  await look();
  assert.equal(certificate.files.key, second.server.key);
});

test('files that are gone change nothing, and may come back as they were', async (t) => {
  const { files, certificate, log, look } = await openCertificate(t);
  rmSync(files.paths.cert);
  for (let count = 0; count < 3; count++) await look();
  assert.equal(certificate.files.cert, first.server.cert);
  assert.match(String(log.events[0]?.facts['reason']), /doors\.registry\.tls\.cert ".*": ENOENT/);
  files.put('cert', first.server.cert);
  for (let count = 0; count < 3; count++) await look();
  assert.equal(log.events.length, 1);
});

test('other authorities for clients count as a new certificate does', async (t) => {
  const { files, certificate, look } = await openCertificate(t, { clientCa: first.ca.cert });
  files.put('clientCa', second.ca.cert);
  await look();
  await look();
  assert.equal(certificate.files.clientCa, second.ca.cert);
});

for (const [event, startMs] of [
  ['certificate expired', validity.untilMs],
  ['certificate not valid yet', validity.fromMs - 1],
] as const) {
  test(`at the start, a ${event} is a warning with its dates`, async (t) => {
    const { log, expiries } = await openCertificate(t, { startMs });
    const [warning, ...more] = log.events;
    assert.deepEqual(more, []);
    assert.deepEqual([warning?.level, warning?.event], ['warn', event]);
    assert.equal(warning?.facts['until'], new Date(validity.untilMs).toISOString());
    assert.deepEqual(expiries, [validity.untilMs]);
  });
}

test('nothing is opened with files that cannot be used, and the key and the file are named', async (t) => {
  const files = writeTlsFiles(tmpDir(t), first.server);
  const open = (paths: Partial<typeof files.paths>) =>
    DoorCertificate.open({
      ...{ door: 'hosted', paths: { ...files.paths, ...paths }, clock: new ManualClock(), log: new EventLog() },
      expires: () => {},
    });
  await assert.rejects(open({ key: '/nowhere.key' }), {
    message: 'Cannot use doors.hosted.tls.key "/nowhere.key": ENOENT',
  });
  await assert.rejects(
    open({ cert: files.paths.key }),
    /doors\.hosted\.tls\.cert ".*door\.key": there is no certificate in it/,
  );
  await assert.rejects(open({ clientCa: files.paths.key }), /doors\.hosted\.tls\.clientCa ".*door\.key": there is no/);
});
