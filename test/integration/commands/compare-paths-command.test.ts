import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hash } from 'bcryptjs';
import { runProgram } from '../../../src/cli/program.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { setUpMeasureStage } from '../../support/stages/measure-stage.ts';

const short = ['--runs', '2', '--seconds', '1'];

test('without iperf3, the path is measured by the cache itself, and the figures are understood', async (t) => {
  const { run, cache } = await setUpMeasureStage(t);
  const { exitCode, out, errors } = await run(['compare-paths', ...short]);
  assert.deepEqual([exitCode, errors], [0, '']);
  const rate = '[\\d.]+ [MG]bit/s';
  const lines = [
    `127\\.0\\.0\\.1:${cache.port} and the same blob from docker\\.io, 2 runs each`,
    '',
    '\\[path\\] iperf3 does not measure: it is not on this machine',
    `\\[path\\] to the cache, 1 connection, by the cache’s own /throughput: ${rate}`,
    `\\[path\\] to the cache, 4 connections, by the cache’s own /throughput: ${rate}`,
    `\\[path\\] from the cache, 4 connections, by the cache’s own /throughput: ${rate}`,
    `\\[download\\] cache 1/2: ${rate} \\([\\d.]+ MB/s\\)`,
    `\\[download\\] CDN 1/2: ${rate} \\([\\d.]+ MB/s\\)`,
    `\\[download\\] cache 2/2: ${rate} \\([\\d.]+ MB/s\\)`,
    `\\[download\\] CDN 2/2: ${rate} \\([\\d.]+ MB/s\\)`,
    '',
    '\\[summary\\]',
    `cache: avg ${rate} \\([\\d.]+ MB/s\\)`,
    `CDN \\(the same blob from docker\\.io\\): avg ${rate} \\([\\d.]+ MB/s\\)`,
    '',
    '\\[interpretation\\]',
    `- the path is the limit\\? (yes|no): the cache sends ${rate}, and the path carries ${rate}: .*`,
    '- the cache’s machine is the limit\\? (yes|no): the cache sends \\d+ % of what the path carries: .*',
    `- the path is likely the bottleneck\\? (yes|no): the CDN sends ${rate}, and the cache ${rate}: .*`,
    '',
  ];
  assert.match(out, new RegExp(`^${lines.join('\n')}$`));
});

test('JSON has every figure, and --skip-iperf leaves the path alone', async (t) => {
  const { run, upstream, image } = await setUpMeasureStage(t);
  const { out, errors } = await run(['compare-paths', '--json', '--skip-iperf', '--runs', '2']);
  const { downloads, interpretation, path, blob, runs } = JSON.parse(out);
  assert.deepEqual([path, runs, blob.sizeBytes], [undefined, 2, 3_000_000]);
  for (const { figures, average, failures } of [downloads.cache, downloads.cdn]) {
    assert.deepEqual([figures.length, failures], [2, []]);
    assert.ok(Math.abs(average - (figures[0] + figures[1]) / 2) < 1);
  }
  assert.deepEqual(
    interpretation.map(({ applies }: { applies?: boolean }) => typeof applies),
    ['undefined', 'undefined', 'boolean'],
  );
  assert.match(errors, /^\[download\] CDN 2\/2: /m);
  // The cache asked once, and that was before anything was measured; twice for the other side.
  const largest = image.blobs.find(({ bytes }) => bytes.length === 3_000_000)!;
  const fetched = upstream.requests.all.filter(({ url }) => url.endsWith(`blobs/${largest.digest}`));
  assert.equal(fetched.length, 3);
});

test('a file of another CDN is compared with, when one is given; what fails is counted, and ends it with 1', async (t) => {
  const { run, upstream } = await setUpMeasureStage(t);
  const args = ['compare-paths', '--skip-iperf', '--runs', '1', '--cdn-url'];
  const given = await run([...args, `${upstream.url}/v2/?signature=secret`]);
  assert.equal(given.exitCode, 0);
  assert.ok(given.out.includes(`\nCDN (${upstream.url}/v2/): avg `) && !given.out.includes('secret'));
  const missing = await run([...args, `${upstream.url}/v2/library/none/manifests/latest`]);
  assert.deepEqual([missing.exitCode, missing.errors], [1, '1 of 2 measurements failed\n']);
  assert.match(missing.out, /^\[download\] CDN 1\/1: failed: 127\.0\.0\.1:\d+ answered 404$/m);
  assert.match(missing.out, /^CDN \(.*\): no figure, failed 1$/m);
  const wrong = await run([...args, 'ftp://a/b']);
  assert.match(wrong.errors, /^Cannot use --cdn-url "ftp:\/\/a\/b": expected the https:\/\/ URL of a file/);
});

/** Presses Ctrl-C once a line is said that matches. */
async function breakOffAt(t: TestContext, line: RegExp, ...args: string[]) {
  const { env } = await setUpMeasureStage(t);
  const said = { out: '', errors: '' };
  const listeners = process.listenerCount('SIGINT');
  const exitCode = await runProgram(['compare-paths', ...args], {
    env,
    writeOut(text) {
      said.out += text;
      if (line.test(text)) process.emit('SIGINT');
    },
    writeError(text) {
      said.errors += text;
    },
  });
  assert.equal(process.listenerCount('SIGINT'), listeners);
  return { exitCode, ...said };
}

// It said nothing but that it was broken off.
test('Ctrl-C tells what was measured until then, and ends it with 1', async (t) => {
  const { exitCode, out, errors } = await breakOffAt(t, /^\[download\] cache 2\/3/, '--skip-iperf');
  assert.deepEqual([exitCode, errors], [1, 'Broken off: what is said above is what was measured until then\n']);
  assert.match(out, /^\[summary\]\ncache: avg .*\nCDN \(.*\): avg /m);
  assert.match(out, /^- the path is likely the bottleneck\? (yes|no|unknown): /m);
});

test('Ctrl-C before anything was measured is said, without a summary of nothing', async (t) => {
  const { exitCode, out, errors } = await breakOffAt(t, /1 run each/, '--skip-iperf', '--runs', '1');
  assert.deepEqual([exitCode, errors], [1, 'Broken off: nothing was measured yet\n']);
  assert.match(out, /, 1 run each\n\n$/);
});

test('where the cache asks for a login, measuring needs it, and /throughput gives nothing without', async (t) => {
  const folder = tmpDir(t);
  const [htpasswd, login] = [join(folder, 'htpasswd'), join(folder, 'login')];
  writeFileSync(htpasswd, `me:${await hash('se:cret', 4)}\n`);
  writeFileSync(login, 'me:se:cret\n');
  const { run, cache } = await setUpMeasureStage(t, {
    auth: { htpasswd, rules: undefined, rememberForMs: 60_000 },
  });
  for (const path of ['/throughput', '/throughput?bytes=1000']) {
    const { status, body } = await rawFetch(cache.url + path);
    assert.equal(status, 401);
    assert.equal(JSON.parse(body.toString()).errors[0].code, 'UNAUTHORIZED');
  }
  const sent = await rawFetch(`${cache.url}/throughput`, { method: 'POST', body: Buffer.alloc(100) });
  assert.equal(sent.status, 401);
  const without = await run(['compare-paths', ...short]);
  assert.match(without.out, /^\[path\] http:.*\/throughput wants a login: name a file that holds name:password/m);
  assert.equal(without.exitCode, 1);
  const allowed = await run(['compare-paths', ...short, '--login', login]);
  assert.deepEqual([allowed.exitCode, allowed.errors], [0, '']);
  assert.match(allowed.out, /^\[path\] from the cache, 4 connections, by the cache’s own \/throughput: \d/m);
});
