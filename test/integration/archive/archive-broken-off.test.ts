import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runTool } from '../../support/command/run-tool.ts';
import { sourceEnvironment } from '../../support/command/source-environment.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const image = makeImage({ seed: 'broken off', layers: [20_000_000, 20_000_000, 20_000_000] });

const settingsOf = (url: string) => ({
  builtinUpstreams: false,
  upstreams: { 'origin.test': { url } },
  doors: { registry: { listen: '127.0.0.1:0', default: 'origin.test' } },
});

test('an import that is killed leaves no half image, and the next one completes it', async (t) => {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  origin.content.push('lib/app', image, '1.0');
  const source = tmpDir(t);
  const file = join(source, 'images.tar');
  await runTool({ folder: source, settings: settingsOf(origin.url) }, 'warm', 'lib/app:1.0');
  await runTool({ folder: source, settings: settingsOf(origin.url) }, 'export', 'lib/app:1.0', '-o', file);
  const folder = tmpDir(t);
  const config = join(folder, 'entrepot.yaml');
  writeFileSync(config, JSON.stringify({ data: folder, ...settingsOf('http://127.0.0.1:1') }));
  const child = spawn(process.execPath, [main, 'import', '--config', config, file], {
    stdio: 'ignore',
    env: sourceEnvironment,
  });
  t.after(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const blobs = join(folder, 'blobs-v1', 'sha256');
  const isSomeStored = () => {
    try {
      return readdirSync(blobs, { recursive: true }).some((name) => String(name).length > 60);
    } catch {
      return false; // not made yet
    }
  };
  while (!isSomeStored() && child.exitCode === null) await new Promise((resolve) => setImmediate(resolve));
  child.kill('SIGKILL');
  await exited;
  const serve = () =>
    startTestCache({ data: folder, upstreams: [{ name: 'origin.test', urls: [new URL(origin.url)] }], offline: true });
  const broken = await serve();
  const { status } = await rawFetch(`${broken.url}/v2/lib/app/manifests/1.0`);
  // It may have been quicker than the blow; then it has to be all there.
  if (status !== 404) await assertWhole(broken.url);
  await broken.stop();
  const { code } = await runTool({ folder, settings: settingsOf('http://127.0.0.1:1') }, 'import', file);
  assert.equal(code, 0);
  const cache = await serve();
  t.after(() => cache.stop());
  await assertWhole(cache.url);
});

async function assertWhole(url: string): Promise<void> {
  assert.equal((await rawFetch(`${url}/v2/lib/app/manifests/1.0`)).status, 200);
  for (const { digest, bytes } of image.blobs) {
    assert.ok((await rawFetch(`${url}/v2/lib/app/blobs/${digest}`)).body.equals(bytes));
  }
}
