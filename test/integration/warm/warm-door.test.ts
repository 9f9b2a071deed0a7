import assert from 'node:assert/strict';
import { rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CacheOutcome } from '../../../src/oci/registry.ts';
import { renderCacheStatus, renderWarning } from '../../../src/server/pull/cache-status.ts';
import { parseCacheStatus } from '../../../src/warm/door-registry.ts';
import { runTool } from '../../support/command/run-tool.ts';
import { makeImage } from '../../support/content/images.ts';
import { spoolFolder } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { writePasswords } from '../../support/stages/access-stage.ts';
import { setStage } from '../../support/stages/stage.ts';
import { certificates } from '../../support/tls/certs.ts';
import { writeTlsFiles } from '../../support/tls/tls-files.ts';
import { lengthAnswer, startScriptedServer } from '../../support/upstream/scripted-server.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

// Warming through a running server: what of its door the command has to cope with.

const image = makeImage({ seed: 'door', layers: [3_000] });
const nowhere = {
  builtinUpstreams: false,
  upstreams: { 'origin.test': { url: 'http://127.0.0.1:1' }, 'other.test': { url: 'http://127.0.0.1:1' } },
  doors: { registry: { listen: '127.0.0.1:0', default: 'origin.test' } },
};

test('what the server says of its cache is read as it is written', () => {
  const outcomes: (CacheOutcome | undefined)[] = [
    undefined,
    { kind: 'hit' },
    { kind: 'revalidated' },
    { kind: 'revalidating' },
    { kind: 'stale', reason: 'upstream is down' },
    ...[true, false].flatMap((stored) =>
      [true, false].map((collapsed): CacheOutcome => ({ kind: 'miss', stored, collapsed })),
    ),
  ];
  for (const outcome of outcomes) {
    const warning = outcome?.kind === 'stale' ? renderWarning(outcome.reason) : '';
    assert.deepEqual(parseCacheStatus(renderCacheStatus(outcome), warning), outcome);
  }
  assert.equal(parseCacheStatus('Other; hit', ''), undefined);
});

test('what the server cannot keep as its disk fails is told with what fails there', async (t) => {
  const stage = await setStage(t);
  stage.origin.content.push('lib/app', image, '1.0');
  rmdirSync(spoolFolder(stage.data));
  writeFileSync(spoolFolder(stage.data), 'in the way of the folder');
  const place = { folder: tmpDir(t), settings: nowhere };
  const { code, out } = await runTool(place, 'warm', '--address', stage.url, 'lib/app:1.0');
  assert.equal(code, 1);
  assert.match(out, /^Failed .*is not kept: the store cannot be written since .*: (EEXIST|not a directory)/m);
});

test('a server that asks for a login and speaks TLS is asked with both, and says what is missing', async (t) => {
  const folder = tmpDir(t);
  const { ca, server } = certificates();
  const { paths } = writeTlsFiles(folder, server);
  const passwords = writePasswords(t, { ci: 'secret' });
  const stage = await setStage(t, {
    cache: { auth: passwords.auth(), tls: { ...paths, clientCa: undefined, hstsMs: undefined } },
  });
  stage.origin.content.push('lib/app', image, '1.0');
  const files = { ca: join(folder, 'ca.crt'), login: join(folder, 'login'), wrong: join(folder, 'wrong') };
  writeFileSync(files.ca, ca.cert);
  writeFileSync(files.login, 'ci:secret\n');
  writeFileSync(files.wrong, 'ci:guess\n');
  const warm = (...flags: string[]) =>
    runTool({ folder, settings: nowhere }, 'warm', '--address', stage.url, 'lib/app:1.0', ...flags);
  const untrusted = await warm();
  assert.match(untrusted.error, /^Cannot ask https:.*certificate/);
  const unknown = await warm('--tls-ca', files.ca);
  assert.match(
    unknown.error,
    /^Cannot ask https:.* wants a login, name a file that holds name:password with --login\n$/,
  );
  const refused = await warm('--tls-ca', files.ca, '--login', files.wrong);
  assert.match(refused.error, /^Cannot ask https:.* refuses the name or the password of --login\n$/);
  assert.deepEqual(
    [untrusted, unknown, refused].map(({ code }) => code),
    [1, 1, 1],
  );
  const { code, out } = await warm('--tls-ca', files.ca, '--login', files.login);
  assert.equal(code, 0);
  assert.match(out, /1 of 1 images are warm/);
});

test('an image of another registry than the default goes to that one', async (t) => {
  const other = await startTestRegistry();
  t.after(() => other.close());
  other.content.push('lib/app', image, '1.0');
  const stage = await setStage(t, { others: [{ name: 'other.test', urls: [new URL(other.url)] }] });
  const place = { folder: tmpDir(t), settings: nowhere };
  const { code } = await runTool(place, 'warm', '--address', stage.url, 'other.test/lib/app:1.0');
  assert.equal(code, 0);
  assert.equal(other.requests.lines(/blobs/).length, 2);
  assert.deepEqual(stage.origin.requests.lines(), []);
});

test('another program at the address is told apart', async (t) => {
  const server = await startScriptedServer(async (connection) => {
    await connection.request();
    await connection.send(lengthAnswer('Welcome to nginx!'));
  });
  t.after(() => server.close());
  const place = { folder: tmpDir(t), settings: nowhere };
  const { code, error } = await runTool(place, 'warm', '--address', server.url, 'lib/app:1.0');
  assert.equal(code, 1);
  assert.match(error, /another program than Entrepot answers/);
});
