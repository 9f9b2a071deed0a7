import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { certificates } from '../../support/tls/certs.ts';

const upstreams = [
  { name: 'docker.io', urls: [new URL('https://origin.test')], dockerHub: true },
  { name: 'registry.corp:5443', alias: 'registry.corp', urls: [new URL('http://registry.corp:5443')] },
];

async function openCache(t: TestContext, options: Partial<TestCacheOptions> = {}) {
  const cache = await startTestCache({ data: tmpDir(t), upstreams, ...options });
  t.after(() => cache.stop());
  const read = async (path: string, headers = {}, url = cache.url) => {
    const { status, body, headers: answered } = await rawFetch(`${url}${path}`, { headers });
    return { status, text: body.toString(), type: answered['content-type'] };
  };
  return { ...cache, read };
}

const hubFile = '/setup/containerd?file=docker.io/hosts.toml';

test('a client is told of the cache by the name that it has used for it', async (t) => {
  const { port, hostedUrl, read } = await openCache(t);
  for (const [host, address] of [
    [`127.0.0.1:${port}`, `http://127.0.0.1:${port}`],
    ['cache.lan:5000', 'http://cache.lan:5000'],
    ['Cache.LAN', 'http://cache.lan'],
    ['[fd00::7]:5000', 'http://[fd00::7]:5000'],
  ] as const) {
    const { status, text, type } = await read(hubFile, { host });
    assert.deepEqual([status, type], [200, 'text/plain; charset=utf-8']);
    assert.match(text, /^server = "https:\/\/registry-1\.docker\.io"$/m);
    assert.ok(text.includes(`[host."${address}"]\n`), text);
  }
  const atHosted = await read(hubFile, { host: 'cache.lan:5001' }, hostedUrl);
  assert.ok(atHosted.text.includes(`[host."http://cache.lan:${port}"]`), 'the registry door, whichever was asked');
  const behindTls = await read(hubFile, { host: 'cache.lan', 'x-forwarded-proto': 'https' });
  assert.ok(behindTls.text.includes('[host."https://cache.lan"]'), behindTls.text);
});

test('nothing but a host and a port gets out of a request into a file', async (t) => {
  const { port, read } = await openCache(t);
  const own = `[host."http://127.0.0.1:${port}"]\n`;
  for (const host of ["a'b", 'a"b', '$(id)', 'user@cache.lan', 'cache.lan:x', '-a', 'cache.lan/x', '`id`', 'a;b']) {
    const { status, text } = await read(hubFile, { host });
    assert.equal(status, 200, host);
    assert.ok(text.includes(own), host);
  }
  const { text } = await read(hubFile, { host: 'cache.lan', 'x-forwarded-proto': 'javascript' });
  assert.ok(text.includes('[host."http://cache.lan"]'), text);
});

test('the list, a text, a script and a file are told from each other', async (t) => {
  const { read } = await openCache(t);
  for (const path of ['/setup', '/setup/']) {
    const list = await read(path, { host: 'cache.lan:5000' });
    assert.equal(list.status, 200);
    assert.match(list.text, /^containerd +\S.*$/m);
    assert.ok(list.text.includes('curl -fsSL http://cache.lan:5000/setup/containerd.sh'));
  }
  const text = await read('/setup/containerd');
  assert.match(text.text, /^==> \/etc\/containerd\/certs\.d\/registry\.corp:5443\/hosts\.toml <==$/m);
  const script = await read('/setup/containerd.sh');
  assert.equal(script.type, 'text/x-shellscript; charset=utf-8');
  assert.match(script.text, /^#!\/bin\/sh\n/);
});

test('what is asked for is checked, and the answer says what there is', async (t) => {
  const { read } = await openCache(t);
  for (const [path, status, message] of [
    ['/setup/nope', 404, /Cannot set up "nope": there are docker, containerd, /],
    ['/setup/nope.sh', 404, /Cannot set up "nope": there are docker, containerd, /],
    ['/setup/containerd?file=x', 404, /Cannot find the file "x" of containerd: there are \/etc/],
    [
      '/setup/containerd?only=quay.io',
      400,
      /Cannot find registry "quay\.io": there are docker\.io, registry\.corp:5443/,
    ],
    ['/setup/containerd?shape=x', 400, /Cannot use the shape "x": there are vhost, alias, ns/],
    ['/setup/containerd?shape=vhost', 400, /no domain is configured/],
    ['/setup/containerd?shape=vhost&domain=a"b', 400, /Cannot use this domain: expected/],
    ['/setup/a/b', 404, /it is no path/],
  ] as const) {
    const answer = await read(path);
    assert.equal(answer.status, status, path);
    assert.match(JSON.parse(answer.text).errors[0].message, message);
  }
  const only = await read('/setup/containerd?only=docker.io&shape=vhost&domain=Cache.LAN', { host: 'cache.lan:5000' });
  assert.match(only.text, /\[host\."http:\/\/docker\.io\.cache\.lan:5000"\]/);
  assert.doesNotMatch(only.text, /registry\.corp|localhost:5001|_default/);
});

test('by TLS a client is told so, and of the authority that the door shows behind its certificate', async (t) => {
  const { ca, server } = certificates(['cache.lan']);
  const folder = tmpDir(t);
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), clientCa: undefined, hstsMs: undefined };
  writeFileSync(tls.key, server.key);
  for (const [chain, isShown] of [
    [server.cert + ca.cert, true],
    [server.cert, false],
  ] as const) {
    writeFileSync(tls.cert, chain);
    const { url } = await openCache(t, { tls });
    const { body } = await rawFetch(`${url}/setup/containerd`, { ca: ca.cert, headers: { host: 'cache.lan:5000' } });
    const text = body.toString();
    assert.match(text, /\[host\."https:\/\/cache\.lan:5000"\]/);
    assert.equal(text.includes(`==> /etc/containerd/entrepot-ca.crt <==`), isShown);
    assert.equal(text.includes(ca.cert), isShown);
    assert.equal(text.includes('ca = "/etc/containerd/entrepot-ca.crt"'), isShown);
  }
});
