import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sourceEnvironment } from '../../support/command/source-environment.ts';
import { makeImage, seededBytes } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, rawRequest } from '../../support/http/raw-http.ts';
import { connectRaw } from '../../support/http/raw-socket.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestRegistry, type TestRegistry } from '../../support/upstream/test-registry.ts';

// A stop that would have to wait for this grace to pass fails by the time limit of the run.
const endlessMs = 10 * 60_000;
const blob = seededBytes('blob', 300_000);

test('stop() lets a download that is read end and be stored, while new clients are refused', async (t) => {
  const { origin, blobUrl, url, stop, log } = await setDoorStage(t, { cache: { graceMs: endlessMs } });
  const digest = origin.content.putBlob(repository, blob);
  const gate = origin.faults.stallAfterBytes('GET blob', 100_000);
  const idle = await connectRaw(Number(new URL(url).port));
  const answer = await rawRequest(blobUrl(digest));
  const begin = await takeBytes(answer, 50_000);
  const stopped = stop();
  await idle.closed;
  await assert.rejects(rawFetch(`${url}/v2/`), { code: 'ECONNREFUSED' });
  gate.release();
  const rest = Buffer.concat((await answer.toArray()) as Buffer[]);
  assert.deepEqual(Buffer.concat([begin, rest]), blob);
  await stopped;
  const [request] = await log.requests(1);
  assert.equal(request?.['status'], 200);
});

test('stop() breaks off what takes longer than the grace, and ends', async (t) => {
  const { origin, blobUrl, stop, log } = await setDoorStage(t, { cache: { graceMs: 1 } });
  const digest = origin.content.putBlob(repository, blob);
  const gate = origin.faults.stallAfterBytes('GET blob', 100_000);
  const answer = await rawRequest(blobUrl(digest));
  await takeBytes(answer, 50_000);
  await stop();
  await assert.rejects(answer.toArray(), { code: 'ECONNRESET' });
  assert.equal((await log.requests(1))[0]?.['status'], 499);
  gate.release();
});

test('stop() twice is as good as once', async (t) => {
  const { stop } = await setDoorStage(t);
  await Promise.all([stop(), stop()]);
  await stop();
});

interface Served {
  readonly url: string;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Settles with the exit code and the lines of standard output, when the process has ended. */
  readonly ended: Promise<{ code: number | null; lines: readonly string[] }>;
}

/** Starts `entrepot serve` as a process of its own. */
async function serve(t: TestContext, origin: TestRegistry, grace: string): Promise<Served> {
  const data = tmpDir(t);
  const config = join(data, 'entrepot.yaml');
  writeFileSync(
    config,
    `data: ${data}/data
builtinUpstreams: false
upstreams: { origin.test: { url: "${origin.url}" } }
doors: { registry: { listen: "127.0.0.1:0", default: origin.test }, hosted: { listen: none }, proxy: { listen: none } }
log: { format: json }
shutdown: { grace: ${grace} }
`,
  );
  const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
  const env = { PATH: process.env['PATH'], ...sourceEnvironment };
  const child = spawn(process.execPath, [main, 'serve', '--config', config], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  t.after(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  const closed = once(child, 'close');
  let said = '';
  for await (const line of createInterface(child.stderr)) {
    said += `${line}\n`;
    const [, url] = /listens on (http:\/\/127\.0\.0\.1:\d+)/.exec(line) ?? [];
    if (url === undefined) continue;
    child.stderr.resume();
    const ended = Promise.all([exited, closed]).then(([[code]]) => ({ code, lines }));
    return { url, kill: (signal) => void child.kill(signal), ended };
  }
  throw new Error(`entrepot serve did not start: ${said}`);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`entrepot serve lets an answer end after ${signal}, writes its whole log, and ends with 0`, async (t) => {
    const origin = await startTestRegistry();
    t.after(() => origin.close());
    const image = makeImage({ seed: 'app', layers: [10] });
    origin.content.push(repository, image, 'latest');
    const digest = origin.content.putBlob(repository, blob);
    const { url, kill, ended } = await serve(t, origin, '10m');
    assert.deepEqual((await rawFetch(`${url}/v2/${repository}/manifests/latest`)).body, image.manifest.bytes);
    const gate = origin.faults.stallAfterBytes('GET blob', 100_000);
    const idle = await connectRaw(Number(new URL(url).port));
    const answer = await rawRequest(`${url}/v2/${repository}/blobs/${digest}`);
    const begin = await takeBytes(answer, 50_000);
    kill(signal);
    await idle.closed;
    gate.release();
    const rest = Buffer.concat((await answer.toArray()) as Buffer[]);
    assert.deepEqual(Buffer.concat([begin, rest]), blob);
    const { code, lines } = await ended;
    assert.equal(code, 0);
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const requests = events.filter(({ msg }) => msg === 'request');
    assert.deepEqual(
      requests.map(({ level, route, status, bytes }) => [level, route, status, bytes]),
      [
        ['info', 'manifest', 200, image.manifest.bytes.length],
        ['info', 'blob', 200, blob.length],
      ],
    );
    assert.ok(events.some(({ msg }) => msg === 'blob stored'));
  });
}

test('entrepot serve ends with 0, too, when it has to break an answer off', async (t) => {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  const digest = origin.content.putBlob(repository, blob);
  const { url, kill, ended } = await serve(t, origin, '1ms');
  const gate = origin.faults.stallAfterBytes('GET blob', 100_000);
  const answer = await rawRequest(`${url}/v2/${repository}/blobs/${digest}`);
  await takeBytes(answer, 50_000);
  kill('SIGTERM');
  await assert.rejects(answer.toArray(), { code: 'ECONNRESET' });
  assert.equal((await ended).code, 0);
  gate.release();
});
