import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { checkServerPems } from '../../../src/util/watched/certified-key.ts';
import { runCommandLine } from '../../support/command/run-tool.ts';
import { makeImage, seededBytes } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { certificates } from '../../support/tls/certs.ts';
import { writeTlsFiles } from '../../support/tls/tls-files.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const { ca, server, client } = certificates();
const other = certificates(['other.test']);
const image = makeImage({ seed: 'app', layers: [3_000_000, 10] });

async function setUp(t: TestContext, { clientCa }: { clientCa?: string } = {}) {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  origin.content.push(repository, image, 'latest');
  const folder = tmpDir(t);
  const files = writeTlsFiles(folder, server, clientCa);
  const tls = { ...files.paths, hstsMs: undefined };
  const clock = new ManualClock(Date.now()); // stands still: no change of a file is seen
  const cache = await startTestCache({ data: join(folder, 'data'), upstreams: [origin.url], tls, clock });
  t.after(() => cache.stop());
  const settings = Object.entries(files.paths).filter(([, path]) => path !== undefined);
  const flags = settings.flatMap(([key, path]) => ['--set', `doors.registry.tls.${key}=${path}`]);
  const status = async (...args: readonly string[]) => {
    const { code, out, error } = await runCommandLine([
      ...['status', '--listen', `127.0.0.1:${cache.port}`],
      ...[...flags, ...args],
    ]);
    return { code, said: out + error };
  };
  return { cache, files, folder, status };
}

test('an image is pulled through by TLS, as by plain HTTP', async (t) => {
  const { cache } = await setUp(t);
  for (const pull of ['first', 'second']) {
    const manifest = await rawFetch(`${cache.url}/v2/${repository}/manifests/latest`, { ca: ca.cert });
    assert.ok(manifest.body.equals(image.manifest.bytes), pull);
    for (const { digest, bytes } of image.blobs) {
      const answer = await rawFetch(`${cache.url}/v2/${repository}/blobs/${digest}`, { ca: ca.cert });
      assert.ok(answer.body.equals(bytes), `${pull}: ${digest}`);
    }
  }
});

test('what is pushed by TLS to the hosted door is pulled from it, byte for byte', async (t) => {
  const folder = tmpDir(t);
  const tls = { ...writeTlsFiles(folder, server).paths, hstsMs: undefined };
  const cache = await startTestCache({ data: join(folder, 'data'), upstreams: [], hostedDoor: { tls } });
  t.after(() => cache.stop());
  const door = `https://127.0.0.1:${cache.hostedPort}`;
  const blob = seededBytes('pushed', 5_000_000);
  const blobs = `${door}/v2/${repository}/blobs`;
  const pushed = await rawFetch(`${blobs}/uploads/?digest=${digestOf(blob)}`, {
    ...{ method: 'POST', body: blob, ca: ca.cert },
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(blob.length) },
  });
  assert.equal(pushed.status, 201);
  assert.doesNotMatch(pushed.headers.location ?? '', /^http:/, 'nobody is sent away from TLS');
  const { body } = await rawFetch(`${blobs}/${digestOf(blob)}`, { ca: ca.cert });
  assert.ok(body.equals(blob));
});

test('the metrics tell when the certificate of the door expires', async (t) => {
  const { cache } = await setUp(t);
  const scrape = parsePrometheusText((await rawFetch(`${cache.url}/metrics`, { ca: ca.cert })).body.toString());
  const { untilMs } = checkServerPems({ ...server, clientCa: undefined });
  const expires = scrape.value('entrepot_tls_certificate_expires_timestamp_seconds', { door: 'registry' });
  assert.equal(expires, untilMs / 1000);
});

test('`entrepot status` knows the door by its certificate, or by the authority it is given', async (t) => {
  const { cache, status } = await setUp(t);
  const authority = writeTlsFiles(tmpDir(t), ca).paths.cert;
  for (const args of [[], ['--tls-ca', authority]]) {
    const { code, said } = await status(...args);
    assert.equal(code, 0, said);
    assert.match(said, new RegExp(`https://127\\.0\\.0\\.1:${cache.port}`));
  }
});

test('`entrepot status` takes no other certificate for that of the door', async (t) => {
  const { files, folder, status } = await setUp(t);
  files.putPair(other.server); // which the door has not read
  const wrong = writeTlsFiles(tmpDir(t), other.ca).paths.cert;
  for (const args of [[], ['--tls-ca', wrong]]) {
    const { code, said } = await status(...args);
    assert.equal(code, 1, said);
    assert.match(said, /Cannot use the answer of https:.*certificate/);
  }
  assert.match(
    (await status('--tls-ca', join(folder, 'none'))).said,
    /Cannot read ".*none": no such file or directory \(ENOENT\)/,
  );
});

test('`entrepot status` shows a certificate to a door that wants one, and says so when it has none', async (t) => {
  const { status } = await setUp(t, { clientCa: ca.cert });
  assert.match((await status()).said, /it wants a certificate, name one with --tls-cert and --tls-key/);
  const { paths } = writeTlsFiles(tmpDir(t), client);
  assert.match((await status('--tls-cert', paths.cert)).said, /both --tls-cert and --tls-key/);
  const { code, said } = await status('--tls-cert', paths.cert, '--tls-key', paths.key);
  assert.equal(code, 0, said);
});
