import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { downloadUrl } from './download-url.ts';

const patient = new AbortController().signal;

async function serve(t: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file`);
}

/** Every look at the clock is a second later. */
function options(limitMs = 60_000) {
  let time = 0;
  const nowMs = () => {
    time += 1000;
    return time;
  };
  return { env: {}, userAgent: 'test', limitMs, nowMs };
}

test('a file is downloaded, wherever it is redirected to, and its bytes are counted', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/file') response.writeHead(302, { location: '/there' }).end('go');
    else response.end(Buffer.alloc(1_000_000));
  });
  const rate = await downloadUrl(url, options(), patient);
  assert.ok(rate > 0 && rate <= 1_000_000, String(rate));
});

test('a file that takes long is left when enough has come', async (t) => {
  const url = await serve(t, (_request, response) => {
    response.write(Buffer.alloc(100_000)); // and no end
  });
  assert.ok((await downloadUrl(url, options(500), patient)) > 0);
});

test('what is no file is an error that says what was answered', async (t) => {
  const missing = await serve(t, (_request, response) => response.writeHead(404).end());
  await assert.rejects(downloadUrl(missing, options(), patient), { message: `${missing.host} answered 404` });
  const circle = await serve(t, (_request, response) => response.writeHead(307, { location: '/again' }).end());
  await assert.rejects(downloadUrl(circle, options(), patient), /redirects more than 5 times/);
  const away = await serve(t, (_request, response) =>
    response.writeHead(307, { location: 'file:///etc/passwd' }).end(),
  );
  await assert.rejects(downloadUrl(away, options(), patient), { message: `${away.host} answered 307` });
});
