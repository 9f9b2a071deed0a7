import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { comparedSides } from '../../../src/cli/measure/compared-sides.ts';
import type { BenchFlags } from '../../../src/cli/measure/measure-flags.ts';
import { bench } from '../../../src/cli/measure/run-bench.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { type FakeMachine, fakePrograms } from '../../support/command/fake-programs.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { type MeasureStage, setUpMeasureStage } from '../../support/stages/measure-stage.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const kinds = ['pull by tag', 'pull by digest', 'blob download'];
const legs = kinds.flatMap((kind) => [`${kind}, upstream:`, `${kind}, cache:`]);

test('without any client on the machine, the built-in one pulls the whole image both ways', async (t) => {
  const { run, upstream, image, index } = await setUpMeasureStage(t);
  const { exitCode, out, errors } = await run(['bench', '--pulls', '2']);
  assert.deepEqual([exitCode, errors], [0, '']);
  const [, summary = ''] = out.split('[summary]\n');
  const lines = summary.split('\n').slice(0, 6);
  const figure = '[\\d.]+ (?:s|MB/s)';
  for (const [at, line] of lines.entries()) {
    const pattern = `^${legs[at]} +avg ${figure}  median ${figure}  p95 ${figure}  min ${figure}  max ${figure}$`;
    assert.match(line, new RegExp(pattern));
  }
  assert.match(out, /^\[pull by tag\] cache 2\/2: [\d.]+ s$/m);
  assert.match(out, /^pull by digest, median\n {2}upstream +#+ +[\d.]+ s\n {2}cache +#+ +[\d.]+ s$/m);
  // Two pulls by tag and two by digest asked upstream for all blobs, and two downloads for the largest; the cache asked once.
  const fetched = (digest: string) =>
    upstream.requests.all.filter(({ method, url }) => method === 'GET' && url.endsWith(digest)).length;
  for (const { digest, bytes } of image.blobs) assert.equal(fetched(`blobs/${digest}`), bytes.length === 3e6 ? 7 : 5);
  assert.equal(fetched(`manifests/${index.manifest.digest}`), 2);
});

test('the environment says what to measure, and flags win over it', async (t) => {
  const { run, upstream, index } = await setUpMeasureStage(t);
  upstream.content.push('owner/app', index, 'v1');
  const env = { REPO: 'owner/app', TAG: 'v1', PULLS: '1', PRUNE_BETWEEN: 'true' };
  const named = JSON.parse((await run(['bench', '--json'], env)).out);
  assert.equal(named.upstream, 'docker.io/owner/app:v1');
  assert.deepEqual([named.pulls, named.pruneBetween, named.digest], [1, true, index.manifest.digest]);
  const flags = ['--repo', 'nginx', '--tag', 'latest', '--pulls', '2', '--no-prune-between'];
  const flagged = JSON.parse((await run(['bench', '--json', ...flags], env)).out);
  assert.equal(flagged.upstream, 'docker.io/library/nginx:latest');
  assert.deepEqual([flagged.pulls, flagged.pruneBetween], [2, false]);
});

test('JSON has every figure, and what they come to, and what is said meanwhile goes beside it', async (t) => {
  const { run, cache, image } = await setUpMeasureStage(t);
  const { out, errors } = await run(['bench', '--json', '--pulls', '2']);
  const { measured, ...rest } = JSON.parse(out);
  assert.deepEqual(
    measured.map(({ kind, from }: { kind: string; from: string }) => `${kind}, ${from}:`),
    legs,
  );
  for (const { figures, summary, failures, unit, kind } of measured) {
    assert.deepEqual([figures.length, summary.count, failures], [2, 2, []]);
    assert.equal(summary.avg, (figures[0] + figures[1]) / 2);
    assert.equal(unit, kind === 'blob download' ? 'bytesPerSecond' : 'seconds');
  }
  const largest = image.blobs.find(({ bytes }) => bytes.length === 3_000_000);
  assert.deepEqual(rest.blob, { digest: largest?.digest, sizeBytes: 3_000_000 });
  assert.deepEqual([rest.removed, rest.left, rest.isBrokenOff], [[], [], false]);
  assert.equal(rest.cache, `127.0.0.1:${cache.port}/library/nginx:latest`);
  assert.match(errors, /^\[blob download\] cache 2\/2: /m);
});

test('what fails is counted and said, and the command ends with 1', async (t) => {
  const { run, upstream } = await setUpMeasureStage(t);
  upstream.faults.answer('GET blob', { status: 500 });
  const { exitCode, out, errors } = await run(['bench', '--pulls', '2']);
  assert.equal(exitCode, 1);
  assert.match(out, /^\[pull by tag\] upstream 1\/2: failed: .*500/m);
  assert.match(out, /^pull by tag, upstream: .*max [\d.]+ s {2}failed 1$/m);
  assert.equal(errors, '1 of 12 measurements failed\n');
});

test('an image of another registry is at the cache by its alias, and at a host of its own by its plain name', async (t) => {
  const ghcr = await startTestRegistry();
  t.after(() => ghcr.close());
  const { run, cache, index } = await setUpMeasureStage(t, {
    domain: 'localhost',
    upstreams: [{ name: 'ghcr.io', urls: [new URL(ghcr.url)] }],
    default: null,
  });
  ghcr.content.push('owner/app', index, 'latest');
  const env = { ENTREPOT_UPSTREAMS: JSON.stringify({ 'ghcr.io': { url: ghcr.url } }) };
  const set = ['--set', 'doors.registry.default=none'];
  const args = ['bench', '--json', '--pulls', '1', '--repo', 'ghcr.io/owner/app', ...set];
  const { out, exitCode } = await run(args, env);
  assert.equal(exitCode, 0);
  assert.equal(JSON.parse(out).cache, `127.0.0.1:${cache.port}/ghcr.io/owner/app:latest`);
  const other = await run(
    [...args, '--cache-repo', 'ghcr.io/owner/app', '--cache-host', `localhost:${cache.port}`],
    env,
  );
  assert.equal(JSON.parse(other.out).cache, `localhost:${cache.port}/ghcr.io/owner/app:latest`);
  const { config } = loadConfig({
    ...{ flags: { domain: 'localhost', default: 'none' }, env: { ENTREPOT_UPSTREAMS: env.ENTREPOT_UPSTREAMS } },
    readFile: () => '',
  });
  const flags = { repo: 'ghcr.io/owner/app', cacheHost: 'ghcr.io.localhost:5000' };
  assert.equal(comparedSides(flags, config, {}, t.signal).cache.repository, 'owner/app');
});

test('a cache that asks for a login gets it', async (t) => {
  const cacheRegistry = await startTestRegistry({ auth: { kind: 'basic', username: 'me', password: 'se:cret' } });
  t.after(() => cacheRegistry.close());
  const { run, index } = await setUpMeasureStage(t);
  cacheRegistry.content.push('library/nginx', index, 'latest');
  const args = ['bench', '--pulls', '1', '--cache-host', cacheRegistry.authority];
  const refused = await run(args);
  assert.equal(refused.exitCode, 1);
  assert.equal(refused.errors, '3 of 6 measurements failed\n');
  const login = join(tmpDir(t), 'login');
  writeFileSync(login, 'me:se:cret\n');
  const allowed = await run([...args, '--login', login]);
  assert.deepEqual([allowed.exitCode, allowed.errors], [0, '']);
  assert.ok(!allowed.out.includes('se:cret'));
});

test('what cannot be measured is said before anything is', async (t) => {
  const { run } = await setUpMeasureStage(t);
  const cases: [string[], RegExp, Record<string, string>?][] = [
    [['--repo', 'nginx:1.27'], /^Cannot use --repo "nginx:1\.27": it is a repository, a tag is given by --tag/],
    [['--repo', 'quay.io/a/b'], /^Cannot use --repo "quay\.io\/a\/b": quay\.io is no upstream that is configured/],
    [['--tag', 'a b'], /^Cannot use --tag "a b": /],
    [['--cache-host', 'http://a/b'], /^Cannot use --cache-host "http:\/\/a\/b": it is no host and port/],
    [['--tag', 'none'], /^Cannot find library\/nginx:none, neither upstream nor in the cache/],
    [
      ['--cache-host', '127.0.0.1:1'],
      /^Cannot measure: no cache answers at http:\/\/127\.0\.0\.1:1: .*; start it, or say where it is with --cache-host/,
    ],
    [['--client', 'podman'], /Cannot pull with podman: it is not on this machine/],
    [[], /^Cannot use \$PULLS "many": expected a whole number/, { PULLS: 'many' }],
    [[], /^Cannot use \$PRUNE_BETWEEN "maybe": expected 1 or 0/, { PRUNE_BETWEEN: 'maybe' }],
  ];
  for (const [args, message, env] of cases) {
    const { exitCode, out, errors } = await run(['bench', ...args], env);
    assert.deepEqual([exitCode, out], [1, ''], errors);
    assert.match(errors, message);
  }
  assert.equal((await run(['bench', '--pulls', '0'])).exitCode, 2);
  assert.equal((await run(['bench', '--client', 'rkt'])).exitCode, 2);
});

/** Runs the command on a machine with these programs. */
async function benchWith(t: TestContext, machine: Partial<FakeMachine>, flags: BenchFlags = {}) {
  const stage: MeasureStage = await setUpMeasureStage(t);
  const programs = fakePrograms({ programs: ['docker'], canPull: () => true, ...machine });
  const said = { out: '', errors: '' };
  const terminal = {
    env: stage.env,
    writeOut: (text: string) => {
      said.out += text;
    },
    writeError: (text: string) => {
      said.errors += text;
    },
  };
  const image = `127.0.0.1:${stage.cache.port}/library/nginx`;
  const run = () =>
    bench({ pulls: 1, ...flags }, terminal, programs.run).then(
      () => undefined,
      (error: Error) => error,
    );
  return { stage, programs, said, image, run };
}

test('docker pulls where there is one, and has afterwards what it had before', async (t) => {
  const { programs, said, image, run, stage } = await benchWith(t, { mirrors: ['http://127.0.0.1:5000/'] });
  programs.images.docker.add('redis:7');
  assert.equal(await run(), undefined);
  const { digest } = stage.index.manifest;
  assert.match(said.out, /^Pulled by docker 20\.10\.24, once each way\./m);
  assert.match(said.out, /^Note: docker pulls docker\.io through http:\/\/127\.0\.0\.1:5000\/: /m);
  const removed = [
    ...['docker.io/library/nginx:latest', `${image}:latest`],
    ...[`docker.io/library/nginx@${digest}`, `${image}@${digest}`],
  ];
  assert.ok(said.out.endsWith(`Removed from docker 20.10.24: ${removed.join(', ')}\n`));
  assert.deepEqual([...programs.images.docker], ['redis:7']);
});

test('an image that docker has already stays: the built-in client pulls, or nobody when docker was asked for', async (t) => {
  const held = 'docker.io/library/nginx:latest';
  const { programs, said, run } = await benchWith(t, {});
  programs.images.docker.add(held);
  assert.equal(await run(), undefined);
  assert.match(
    said.out,
    /^Note: docker 20\.10\.24 has docker\.io\/library\/nginx:latest already, and would lose it, so the/m,
  );
  const asked = await benchWith(t, {}, { client: 'docker' });
  asked.programs.images.docker.add(held);
  assert.match((await asked.run())?.message ?? '', /^Cannot measure: docker 20\.10\.24 has .*; remove it yourself/);
  assert.deepEqual([[...programs.images.docker], [...asked.programs.images.docker]], [[held], [held]]);
});

test('Ctrl-C removes what was pulled, and tells what was measured until then', async (t) => {
  const { programs, said, run, image } = await benchWith(t, {
    pulling: (name) => {
      if (name.startsWith('127.0.0.1')) process.emit('SIGINT');
    },
  });
  const listeners = process.listenerCount('SIGINT');
  assert.match((await run())?.message ?? '', /^Broken off/);
  assert.match(said.out, /^pull by tag, upstream: +avg/m);
  assert.ok(!said.out.includes('pull by tag, cache:'));
  assert.ok(!said.out.includes(image.concat(':latest,')));
  assert.deepEqual([...programs.images.docker], []);
  assert.equal(process.listenerCount('SIGINT'), listeners);
});
