import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { anonymousToken } from '../../../src/oci/wire/token.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { askConnect, exchange, shakeHands } from '../../support/stages/proxy-client.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { certificates } from '../../support/tls/certs.ts';

const { ca: authority, server: leaf } = certificates(['localhost']);

/** A host that is a registry and more, and a proxy door that takes its place. */
async function openStage(t: TestContext, proxy: TestCacheOptions['proxy'] = {}, isTrusted = true) {
  const seen: string[] = [];
  const host = createServer(leaf, (request, response) => {
    void text(request).then((body) => {
      const { authorization = 'nobody', 'proxy-authorization': ours } = request.headers;
      seen.push(`${request.method} ${request.url} ${request.headers.host} ${authorization} ${ours} ${body}`);
      const said = `${request.method} ${request.url}`;
      response.writeHead(203, { 'x-of': 'the host', 'set-cookie': ['a=1', 'b=2'], 'content-length': said.length });
      response.end(said);
    });
  });
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
  t.after(() => {
    host.closeAllConnections();
    host.close();
  });
  const { port } = host.address() as AddressInfo;
  const name = `localhost:${port}`;
  const cache = await startTestCache({
    data: tmpDir(t),
    upstreams: [
      { name, alias: 'host.test', urls: [new URL(`https://${name}`)], ca: isTrusted ? authority.cert : undefined },
    ],
    proxy: { allowAddresses: ['127.0.0.1'], ...proxy },
  });
  t.after(() => cache.stop());
  const trusted = (await rawFetch(`${cache.url}/ca.crt`)).body.toString();
  const ask = async (line: string, rest = '') => {
    const { status, socket } = await askConnect(cache.proxyPort, name);
    assert.equal(status, 200);
    const secure = await shakeHands(socket, { servername: 'localhost', ca: trusted });
    return exchange(secure, `${line} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n${rest}\r\n`);
  };
  return { ask, seen, name, cache };
}

test('what is no registry’s at the host of one is that host’s own, and comes from there', async (t) => {
  const { ask, seen, name } = await openStage(t);
  const answer = await ask('GET /owner/app.git/info/refs?service=git-upload-pack', 'Authorization: Basic YTpi\r\n');
  assert.match(answer, /^HTTP\/1\.1 203 /);
  assert.match(answer, /\r\nx-of: the host\r\n[\s\S]*set-cookie: a=1\r\nset-cookie: b=2\r\n/i);
  assert.doesNotMatch(answer, /nosniff/);
  assert.ok(answer.endsWith('/owner/app.git/info/refs?service=git-upload-pack'), answer);
  const rest = 'Content-Length: 5\r\nProxy-Authorization: Basic eA==\r\n\r\nhello';
  assert.match(await ask('POST /api', rest), /203/);
  for (const path of ['/', '/v2/auth?service=x', '/owner/v2/tree', '/v2x/', '/v1/search?q=x', '/token']) {
    assert.match(await ask(`GET ${path}`), /203/, path);
  }
  await ask('GET /mine', `Authorization: Bearer ${anonymousToken}\r\n`);
  assert.deepEqual(seen.slice(0, 2), [
    `GET /owner/app.git/info/refs?service=git-upload-pack ${name} Basic YTpi undefined `,
    `POST /api ${name} nobody undefined hello`,
  ]);
  assert.equal(seen.at(-1), `GET /mine ${name} nobody undefined `);
});

test('what is a registry’s is answered here, whatever becomes of it', async (t) => {
  const { ask, seen } = await openStage(t);
  for (const line of [
    'POST /v2/team/app/blobs/uploads/',
    'PUT /v2/team/app/manifests/latest',
    'GET /v2/_catalog',
    'GET /v2/team/app/manifests/NO:TAG',
    'GET /v2/team%2Fapp/unknown',
    'GET /entrepot/token/x',
  ]) {
    assert.doesNotMatch(await ask(line, 'Content-Length: 0\r\n'), /203/, line);
  }
  assert.deepEqual(
    seen.filter((line) => !line.startsWith('GET /v2/_catalog')),
    [],
  );
});

test('it is passed on only where everything else is, to an address that may be reached and is believed', async (t) => {
  for (const [proxy, isTrusted, status] of [
    [{ others: 'deny' }, true, 404],
    [{ allowAddresses: [] }, true, 403],
    [{}, false, 502],
  ] as const) {
    const { ask, seen, cache } = await openStage(t, proxy, isTrusted);
    const answer = await ask('GET /page?secret=1');
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.deepEqual(seen, []);
    assert.ok(!JSON.stringify([cache.events, answer]).includes('secret'));
  }
});
