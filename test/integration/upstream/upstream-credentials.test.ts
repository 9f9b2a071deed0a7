import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CredentialTools } from '../../../src/upstream/credentials/credential-tools.ts';
import { type CredentialSettings, openCredentials } from '../../../src/upstream/credentials/open-credentials.ts';
import { silentLog } from '../../../src/util/log/log.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { basicAuthorization } from '../../support/registry/token-server.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { latest, patient, repository, startUpstream } from '../../support/upstream/upstream-client.ts';

const manifest = `GET /v2/${repository}/manifests/latest`;
const token = `GET /token?scope=repository:${repository}:pull`;

const nobody: CredentialSettings = {
  username: undefined,
  password: undefined,
  passwordFile: undefined,
  dockerConfig: undefined,
  tokenCommand: undefined,
};

function toolsOf(clock: ManualClock): CredentialTools {
  return { upstream: 'origin.test', clock, log: silentLog, env: process.env, stopping: patient };
}

/** An upstream whose user `robot` has the password `old`, and a client that has it from a file. */
async function setUp(t: TestContext, kind: 'basic' | 'bearer') {
  const clock = new ManualClock();
  const passwordFile = join(tmpDir(t), 'password');
  writeFileSync(passwordFile, 'old\n');
  const auth = { kind, username: 'robot', password: 'old', anonymous: false };
  const settings = {
    username: 'robot',
    password: undefined,
    passwordFile,
    dockerConfig: undefined,
    tokenCommand: undefined,
  };
  const credentials = openCredentials(settings, toolsOf(clock));
  const upstream = await startUpstream(t, { auth }, { credentials, clock });
  const rotate = () => {
    auth.password = 'new';
    upstream.server.expireTokens();
    writeFileSync(passwordFile, 'new\n');
    upstream.server.requests.clear();
  };
  const sent = () => upstream.server.requests.all.map(({ headers }) => headers.authorization);
  return { ...upstream, rotate, sent };
}

const [old, rotated] = [basicAuthorization('robot', 'old'), basicAuthorization('robot', 'new')];

test('a password that was rotated in its file is sent after the old one was refused, without a restart', async (t) => {
  const { registry, server, rotate, sent } = await setUp(t, 'basic');
  await registry.getManifest(repository, latest, patient);
  rotate();
  await registry.getManifest(repository, latest, patient);
  assert.deepEqual(server.requests.lines(), [manifest, manifest]);
  assert.deepEqual(sent(), [old, rotated]);
});

test('a password that was rotated gets a new token, after the token server refused the old one', async (t) => {
  const { registry, server, rotate, sent } = await setUp(t, 'bearer');
  await registry.getManifest(repository, latest, patient);
  rotate();
  await registry.getManifest(repository, latest, patient);
  assert.deepEqual(server.requests.lines(), [manifest, token, token, manifest]);
  assert.deepEqual(sent(), ['Bearer test-token-1', old, rotated, 'Bearer test-token-2']);
});

test('a password that was rotated a while ago is sent at once, and the tokens of the old one are not used', async (t) => {
  const { registry, server, rotate, sent, clock } = await setUp(t, 'bearer');
  await registry.getManifest(repository, latest, patient);
  rotate();
  clock.advance(2_000);
  await registry.getManifest(repository, latest, patient);
  assert.deepEqual(server.requests.lines(), [token, manifest]);
  assert.deepEqual(sent(), [rotated, 'Bearer test-token-2']);
});

test('a docker config.json that is logged in anew is read without a restart, also from an identity token to another', async (t) => {
  const clock = new ManualClock();
  const dockerConfig = join(tmpDir(t), 'config.json');
  const auth = { kind: 'bearer' as const, anonymous: false, identityToken: 'old' };
  const settings = { ...nobody, dockerConfig };
  writeFileSync(dockerConfig, '{}');
  const { registry, server } = await startUpstream(
    t,
    { auth },
    { credentials: openCredentials(settings, toolsOf(clock)), clock },
  );
  const login = (identitytoken: string) =>
    writeFileSync(dockerConfig, JSON.stringify({ auths: { [server.authority]: { auth: 'MDAwMDo=', identitytoken } } }));
  await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'DENIED' });
  login('old');
  clock.advance(2_000);
  await registry.getManifest(repository, latest, patient);
  auth.identityToken = 'new';
  server.expireTokens();
  login('new');
  server.requests.clear();
  await registry.getManifest(repository, latest, patient);
  assert.deepEqual(server.requests.lines(), [manifest, 'POST /token', 'POST /token', manifest]);
});

test('a token command prints what an upstream that wants a password gets, once for many requests', async (t) => {
  const folder = tmpDir(t);
  const command = join(folder, 'print');
  writeFileSync(command, `#!/bin/sh\necho run >> ${folder}/runs\necho token\n`, { mode: 0o755 });
  const clock = new ManualClock();
  const settings = { ...nobody, username: 'AWS', tokenCommand: [command] } as const;
  const { registry, server } = await startUpstream(
    t,
    { auth: { kind: 'basic', username: 'AWS', password: 'token' } },
    { credentials: openCredentials(settings, toolsOf(clock)), clock },
  );
  await Promise.all(Array.from({ length: 8 }, () => registry.getManifest(repository, latest, patient)));
  assert.deepEqual(server.requests.lines(), ['GET /v2/', ...Array(8).fill(manifest)]);
  assert.equal(readFileSync(join(folder, 'runs'), 'utf8'), 'run\n');
});

test('an identity token is posted for a token, and serves like a password', async (t) => {
  const auth = { kind: 'bearer', anonymous: false, identityToken: 'identity' } as const;
  const { registry, server } = await startUpstream(t, { auth }, { credentials: { identityToken: 'identity' } });
  await registry.getManifest(repository, latest, patient);
  assert.deepEqual(server.requests.lines(), ['GET /v2/', 'POST /token', manifest]);
  assert.equal(server.requests.all[1]!.headers.authorization, undefined);
});

test('an identity token that the token server does not know is DENIED', async (t) => {
  const auth = { kind: 'bearer', anonymous: false, identityToken: 'identity' } as const;
  const { registry, server } = await startUpstream(t, { auth }, { credentials: { identityToken: 'other' } });
  await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'DENIED' });
  assert.deepEqual(server.requests.lines(), ['GET /v2/', 'POST /token']);
});
