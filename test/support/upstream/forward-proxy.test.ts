import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { basicAuthorization } from '../registry/token-server.ts';
import { certificates } from '../tls/certs.ts';
import { type ForwardProxyOptions, startForwardProxy } from './forward-proxy.ts';
import { startTestRegistry, type TestRegistryOptions } from './test-registry.ts';

async function setUp(t: TestContext, registryOptions: TestRegistryOptions, proxyOptions: ForwardProxyOptions = {}) {
  const registry = await startTestRegistry(registryOptions);
  t.after(() => registry.close());
  const proxy = await startForwardProxy({ resolve: () => registry.authority, ...proxyOptions });
  t.after(() => proxy.close());
  return { registry, proxy };
}

async function statusThrough(proxyUrl: string, target: string, headers: Record<string, string> = {}): Promise<number> {
  const [answer] = await once(request(proxyUrl, { path: target, headers, agent: false }).end(), 'response');
  await answer.toArray();
  return answer.statusCode;
}

test('the proxy forwards plain requests to where a name leads', async (t) => {
  const { registry, proxy } = await setUp(t, {});
  const headers = { host: 'registry.example.com', 'proxy-authorization': 'x', accept: 'a/b' };
  assert.equal(await statusThrough(proxy.url, 'http://registry.example.com/v2/?x=1', headers), 200);
  assert.deepEqual(proxy.lines(), ['GET http://registry.example.com/v2/?x=1']);
  assert.equal(proxy.asked[0]?.headers['proxy-authorization'], 'x');
  const [seen] = registry.requests.all;
  assert.equal(seen?.line, 'GET /v2/?x=1');
  assert.deepEqual([seen.headers.host, seen.headers.accept], ['registry.example.com', 'a/b']);
  assert.equal(seen.headers['proxy-authorization'], undefined);
});

test('the proxy tunnels, and the end of one side is the end of the other', async (t) => {
  const { ca, server } = certificates(['registry.example.com']);
  const { registry, proxy } = await setUp(t, { tls: server });
  const asking = request(proxy.url, { method: 'CONNECT', path: 'registry.example.com:443' }).end();
  const [answer, tunnel] = (await once(asking, 'connect')) as [IncomingMessage, Socket];
  assert.equal(answer.statusCode, 200);
  const secure = tlsConnect({ socket: tunnel, servername: 'registry.example.com', ca: ca.cert });
  secure.write('GET /v2/ HTTP/1.1\r\nHost: registry.example.com\r\nConnection: close\r\n\r\n');
  const text = Buffer.concat(await secure.toArray()).toString();
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.deepEqual(proxy.lines(), ['CONNECT registry.example.com:443']);
  assert.deepEqual(registry.requests.lines(), ['GET /v2/']);
});

test('the proxy asks for its credentials, for both kinds of requests', async (t) => {
  const credentials = { username: 'u', password: 'p' };
  const { registry, proxy } = await setUp(t, {}, { credentials });
  const target = 'http://registry.example.com/v2/';
  assert.equal(await statusThrough(proxy.url, target), 407);
  assert.equal(await statusThrough(proxy.url, target, { 'proxy-authorization': basicAuthorization('u', 'p') }), 200);
  const asking = request(proxy.url, { method: 'CONNECT', path: 'registry.example.com:443' }).end();
  const [answer, tunnel] = (await once(asking, 'connect')) as [IncomingMessage, Socket];
  tunnel.destroy();
  assert.equal(answer.statusCode, 407);
  assert.equal(registry.requests.all.length, 1);
});

test('the proxy answers 502, or breaks the tunnel, when nobody is there', async (t) => {
  const { registry, proxy } = await setUp(t, {});
  await registry.close();
  assert.equal(await statusThrough(proxy.url, 'http://registry.example.com/v2/'), 502);
  const asking = request(proxy.url, { method: 'CONNECT', path: 'registry.example.com:443' }).end();
  await assert.rejects(once(asking, 'connect'), { code: 'ECONNRESET' });
});
