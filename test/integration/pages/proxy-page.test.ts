import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadTestConfig } from '../../support/command/config-sources.ts';
import { fakeSystem } from '../../support/command/fake-system.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const page = readFileSync(new URL('../../../docs/proxy.md', import.meta.url), 'utf8');
const execute = promisify(execFile);
const blocks = [...page.matchAll(/```(sh|yaml)\n([\s\S]*?)```/g)].map(([, kind, text = '']) => ({ kind, text }));

test('what docs/proxy.md says is done as it is written: the authority is fetched and checked, the script tried', async (t) => {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  const upstreams = [{ name: 'ghcr.io', urls: [new URL(origin.url)] }];
  const cache = await startTestCache({ data: tmpDir(t), upstreams, proxy: {} });
  t.after(() => cache.stop());
  const folder = tmpDir(t);
  const { root } = fakeSystem(t, { 'etc/os-release': 'ID=debian\n' }, []);
  const env = { PATH: process.env['PATH'], ENTREPOT_ROOT: root };
  const said: string[] = [];
  for (const { text } of blocks.filter(({ kind }) => kind === 'sh')) {
    const command = text.replaceAll(':3128', `:${cache.proxyPort}`);
    said.push((await execute('sh', ['-euc', command], { cwd: folder, env })).stdout);
  }
  const [ping, dryRun, fingerprint, ...more] = said;
  assert.equal(more.length, 0);
  assert.equal(ping, '{}');
  assert.match(dryRun ?? '', /can sign for ghcr\.io\n(.*\n)+Nothing was done: this was a dry run\n$/);
  const { fingerprint256 } = new X509Certificate(readFileSync(join(folder, 'ca.crt')));
  assert.equal(fingerprint?.trim().toLowerCase(), `sha256 fingerprint=${fingerprint256.toLowerCase()}`);
});

test('the script prints what docs/proxy.md shows', async (t) => {
  const upstreams = ['docker.io', 'ghcr.io'].map((name) => ({ name, urls: [new URL(`https://${name}`)] }));
  const cache = await startTestCache({ data: tmpDir(t), upstreams, proxy: {} });
  t.after(() => cache.stop());
  const files = { 'etc/os-release': 'ID=debian\n', 'lib/systemd/system/docker.service': '' };
  const system = fakeSystem(t, files, ['usr/sbin/update-ca-certificates', 'usr/bin/systemctl']);
  const { body } = await rawFetch(`http://127.0.0.1:${cache.proxyPort}/setup/proxy.sh`);
  const [, options = '', shown = ''] = /^\$ sudo sh proxy\.sh (\S+)\n([\s\S]*?)^```/m.exec(page) ?? [];
  const { code, out, error } = system.run(['sh'], body.toString(), [options]);
  assert.deepEqual([code, error], [0, '']);
  const comparable = (text: string) =>
    text
      .replace(/ proxy http:\S+,/, ' proxy ADDRESS,')
      .replace(/-[0-9a-f]{12}\.crt/, '-FINGERPRINT.crt')
      .replace(/ ?…/, '')
      .split('\n')
      // Where the proxy is for this machine alone, that is said, too.
      .filter((line) => line !== '' && !line.startsWith('The proxy listens on 127.0.0.1 alone'));
  assert.deepEqual(comparable(out), comparable(shown));
});

test('the configuration in docs/proxy.md opens the proxy door to other machines', () => {
  const [yaml, ...others] = blocks.filter(({ kind }) => kind === 'yaml');
  assert.equal(others.length, 0);
  assert.deepEqual(loadTestConfig({ yaml: yaml?.text ?? '' }).config.doors.proxy.listen, { host: '', port: 3128 });
});

test('docs/proxy.md names keys, events, messages and files as they are', () => {
  const sources = [
    ...['src/app/doors/proxy-door.ts', 'src/proxy/proxy-door.ts', 'src/setup/script/proxy.sh', 'docs/configuration.md'],
    ...['src/setup/script/proxy-script.ts', 'src/app/doors/setup-pages.ts'],
  ];
  const code = sources.map((path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')).join('');
  for (const name of [
    ...['everybody may use the proxy', 'authority may not sign for these hosts: they are passed on'],
    ...['connect refused', 'tunnelled', 'entrepot-proxy.conf', '/etc/rc.conf.d', '/etc/containers/containers.conf.d'],
    ...['CONTAINERD_', '/etc/pki/ca-trust/source/anchors', '--restart', '--undo', '--no-proxy', 'ENTREPOT_ROOT'],
    ...['doors.proxy.listen', 'proxy.others', 'proxy.ports', 'proxy.allowAddresses', 'proxy.constrain'],
    ...['/setup/proxy.sh', '/ca.crt'],
  ]) {
    assert.ok(page.includes(name), `the page: ${name}`);
    assert.ok(code.includes(name), `the code: ${name}`);
  }
});
