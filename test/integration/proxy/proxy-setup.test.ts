import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hashSync } from 'bcryptjs';
import { fakeSystem } from '../../support/command/fake-system.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';

const upstreams = [{ name: 'origin.test', urls: [new URL('https://origin.test')] }];

async function openCache(t: TestContext, options: Partial<TestCacheOptions> = {}) {
  const cache = await startTestCache({ data: tmpDir(t), upstreams, proxy: {}, ...options });
  t.after(() => cache.stop());
  const read = async (port: number, path: string, headers = {}) => {
    const { status, body, headers: answered } = await rawFetch(`http://127.0.0.1:${port}${path}`, { headers });
    return { status, text: body.toString(), type: answered['content-type'] };
  };
  return { ...cache, read };
}

const debian = (t: TestContext) =>
  fakeSystem(t, { 'etc/os-release': 'ID=debian\n', 'lib/systemd/system/docker.service': '' }, [
    'usr/sbin/update-ca-certificates',
  ]);

test('the script of either door sets a machine up for this proxy and its authority', async (t) => {
  const { port, proxyPort, read } = await openCache(t);
  const { text: authority, type } = await read(port, '/ca.crt');
  assert.equal(type, 'application/x-pem-file');
  for (const door of [port, proxyPort]) {
    const script = await read(door, '/setup/proxy.sh');
    assert.equal(script.status, 200);
    assert.equal(script.type, 'text/x-shellscript; charset=utf-8');
    const system = debian(t);
    const { code, out, error } = system.run(['sh'], script.text, []);
    assert.deepEqual([code, error], [0, '']);
    assert.match(out, /can sign for origin\.test\nThe proxy listens on 127\.0\.0\.1 alone, so no other machine/);
    const tree = system.tree();
    const paths = Object.keys(tree).filter((path) => path.includes('entrepot-proxy'));
    const [certificate = '', service = ''] = paths.reverse().map((path) => tree[path] ?? '');
    assert.ok(certificate.endsWith(authority));
    assert.ok(service.includes(`Environment="HTTPS_PROXY=http://127.0.0.1:${proxyPort}"\n`), service);
  }
});

test('where the proxy asks for a login the script says how to give one, to those who have one', async (t) => {
  const htpasswd = join(tmpDir(t), 'htpasswd');
  writeFileSync(htpasswd, `ci:${hashSync('pass', 4)}\n`);
  const { proxyPort, read } = await openCache(t, { auth: { htpasswd, rules: undefined, rememberForMs: 1000 } });
  assert.equal((await read(proxyPort, '/setup/proxy.sh')).status, 401);
  const authorization = `Basic ${Buffer.from('ci:pass').toString('base64')}`;
  const { text } = await read(proxyPort, '/setup/proxy.sh', { authorization });
  const { out } = debian(t).run(['sh'], text, ['--dry-run']);
  assert.match(out, /^It asks for a login: --proxy http:\/\/USER:PASSWORD@HOST:PORT gives one\.$/m);
});

test('without a proxy door there is nothing to set up', async (t) => {
  const cache = await startTestCache({ data: tmpDir(t), upstreams });
  t.after(() => cache.stop());
  for (const path of ['/ca.crt', '/setup/proxy.sh']) {
    assert.equal((await rawFetch(`${cache.url}${path}`)).status, 404);
  }
});
