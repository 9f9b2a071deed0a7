import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadConfig } from '../../../src/config/load-config.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

const page = readFileSync(new URL('../../../docs/tls.md', import.meta.url), 'utf8');
const execute = promisify(execFile);

test('what docs/tls.md says is done as it is written: certificates are made, doors open, clients let in', async (t) => {
  const folder = tmpDir(t);
  const blocks = [...page.matchAll(/```(sh|yaml)\n([\s\S]*?)```/g)].map(([, kind, text = '']) => ({ kind, text }));
  assert.deepEqual(blocks.map(({ kind }) => kind).join(), 'sh,yaml,sh,sh,yaml,sh');
  let port = 0;
  for (const [number, { kind, text }] of blocks.entries()) {
    if (kind === 'sh') {
      const command = text.replaceAll(':5443', `:${port}`);
      const { stdout } = await execute('sh', ['-euc', command], { cwd: folder });
      if (command.includes('curl')) assert.equal(stdout, 'ready\n', command);
      continue;
    }
    const readFile = (path: string) => (path === 'page.yaml' ? text : readFileSync(join(folder, path), 'utf8'));
    const { config } = loadConfig({ file: 'page.yaml', env: {}, readFile });
    const { listen, tls } = config.doors.registry;
    assert.deepEqual(listen, { host: '', port: 5443 });
    assert.ok(tls);
    const here = (path: string) => join(folder, path);
    const paths = { cert: here(tls.cert), key: here(tls.key), clientCa: tls.clientCa && here(tls.clientCa) };
    const data = join(folder, `data-${number}`);
    const cache = await startTestCache({ data, upstreams: [], tls: { ...tls, ...paths } });
    t.after(() => cache.stop());
    port = cache.port;
  }
});

test('docs/tls.md names the metric and the events as they are', () => {
  const sources = ['src/util/metrics/create-metrics.ts', 'src/server/tls/door-certificate.ts'];
  const code = sources.map((path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')).join('');
  for (const name of [
    'entrepot_tls_certificate_expires_timestamp_seconds',
    'certificate renewed',
    'new certificate unusable, the old one is kept',
  ]) {
    assert.ok(page.replace(/\s+/g, ' ').includes(name), name);
    assert.ok(code.includes(`'${name}'`), name);
  }
});
