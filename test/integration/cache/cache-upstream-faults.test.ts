import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { type RawAnswer, rawFetch } from '../../support/http/raw-http.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import { certificates } from '../../support/tls/certs.ts';
import { closedPort, type ScriptedConnection, startScriptedServer } from '../../support/upstream/scripted-server.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const image = makeImage({ seed: 'image', layers: [5_000] });
const layer = image.blobs[1]!.digest;
const limitMs = 1_000; // of each wait of the cache for its upstream, in place of the many seconds that it has otherwise
const soonMs = 10_000; // for an answer, on a machine that does much else

/** Starts an upstream with a fault; its URL. */
type Fault = (t: TestContext) => Promise<string>;

/** An upstream that does the same to every connection. */
function scripted(script: (connection: ScriptedConnection) => Promise<void> | void, scheme = 'http'): Fault {
  return async (t) => {
    const server = await startScriptedServer(script);
    t.after(() => server.close());
    return `${scheme}://127.0.0.1:${server.port}`;
  };
}

/** An upstream that answers every request with the same head, and no body. */
function answering(status: string, headers = ''): Fault {
  return scripted(async (connection) => {
    while ((await connection.request()) !== undefined) {
      await connection.send(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n${headers}\r\n`);
    }
  });
}

const faults: Readonly<Record<string, Fault>> = {
  'answers 429 with Retry-After': answering('429 Too Many Requests', 'Retry-After: 120\r\n'),
  'answers 429 without Retry-After': answering('429 Too Many Requests'),
  'answers 429 for a limit of pulls': answering(
    '429 Too Many Requests',
    'ratelimit-limit: 100;w=21600\r\nratelimit-remaining: 0;w=21600\r\n',
  ),
  'answers 500': answering('500 Internal Server Error'),
  'answers 502': answering('502 Bad Gateway'),
  'answers 503': answering('503 Service Unavailable', 'Retry-After: 3600\r\n'),
  'answers 504': answering('504 Gateway Timeout'),
  'answers what is no HTTP': scripted(async (connection) => {
    await connection.request();
    await connection.send('SSH-2.0-OpenSSH_9.9\r\n');
    connection.socket.end();
  }),
  'never answers': scripted(() => {}),
  'stops in the middle of a head': scripted(async (connection) => {
    await connection.request();
    await connection.send('HTTP/1.1 200 OK\r\nContent-Le');
  }),
  'closes every connection': scripted(async (connection) => {
    await connection.request();
    connection.socket.end();
  }),
  'resets every connection': scripted((connection) => void connection.socket.resetAndDestroy()),
  'is refused': async () => `http://127.0.0.1:${closedPort}`,
  // No resolver is asked for a name with a part that is too long for one.
  'has no address': async () => `http://${'x'.repeat(64)}.invalid`,
  'has a certificate of nobody that is known': async (t) => {
    const server = await startTestRegistry({ tls: certificates().server });
    t.after(() => server.close());
    return server.url;
  },
  'speaks no TLS': scripted((connection) => connection.send('HTTP/1.1 400 Bad Request\r\n\r\n'), 'https'),
  'never ends its TLS handshake': scripted(() => {}, 'https'),
  'has a token server that is gone': async (t) => {
    const realm = `http://127.0.0.1:${closedPort}/token`;
    const challenge = `WWW-Authenticate: Bearer realm="${realm}",service="origin.test"\r\n`;
    return answering('401 Unauthorized', challenge)(t);
  },
};

/** A cache that can be given another upstream, and has its whole patience with each in about a second. */
async function setUp(t: TestContext) {
  const cache = {
    upstreams: ['http://127.0.0.1:1'],
    tagTtlMs: 0,
    limits: { connectMs: limitMs, firstByteMs: limitMs, idleMs: limitMs },
    retry: { rounds: 1 },
  };
  const stage = await setStage(t, { cache });
  return {
    stage,
    async restart(url: string) {
      cache.upstreams = [url];
      await stage.restart();
    },
  };
}

/** Asks for all of it at once; how long that took must not depend on how long upstream would like it to take. */
async function askSoon(urls: readonly (readonly [method: string, url: string])[]): Promise<RawAnswer[]> {
  const beganAtMs = performance.now();
  const answers = await Promise.all(urls.map(([method, url]) => rawFetch(url, { method })));
  const tookMs = performance.now() - beganAtMs;
  assert.ok(tookMs < soonMs, `answered after ${Math.round(tookMs)} ms`);
  return answers;
}

function bothMethods(...urls: string[]): (readonly [string, string])[] {
  return urls.flatMap((url) => [['GET', url] as const, ['HEAD', url] as const]);
}

async function countStale({ url }: Stage): Promise<number> {
  const scrape = parsePrometheusText((await rawFetch(`${url}/metrics`)).body.toString());
  return scrape.sum('entrepot_requests_total', { cache: 'stale' });
}

describe('when the upstream', () => {
  for (const [name, start] of Object.entries(faults)) {
    test(`${name}, what is not here is 502 or 503 soon, and never 429`, async (t) => {
      const { stage, restart } = await setUp(t);
      await restart(await start(t));
      const urls = bothMethods(
        stage.manifestUrl('latest'),
        stage.manifestUrl(image.manifest.digest),
        stage.blobUrl(layer),
        `${stage.url}/v2/${repository}/tags/list`,
        `${stage.url}/v2/${repository}/referrers/${image.manifest.digest}`,
      );
      for (const [index, { status, body }] of (await askSoon(urls)).entries()) {
        const [method, url] = urls[index]!;
        assert.ok(status === 502 || status === 503, `${status} for ${method} ${url}`);
        if (method === 'GET')
          assert.match(JSON.parse(body.toString()).errors[0].code, /^(UNAVAILABLE|TOOMANYREQUESTS)$/);
      }
    });

    test(`${name}, what is here is served soon, with a warning where upstream had to say whether it holds`, async (t) => {
      const { stage, restart } = await setUp(t);
      stage.origin.content.push(repository, image, 'latest');
      await restart(stage.origin.url);
      assert.equal((await rawFetch(stage.manifestUrl('latest'))).status, 200);
      assert.equal((await rawFetch(stage.blobUrl(layer))).status, 200);
      await stage.log.waitFor('blob stored');
      await restart(await start(t));

      const asHit = await askSoon([
        ['GET', stage.manifestUrl(image.manifest.digest)],
        ...bothMethods(stage.blobUrl(layer)),
      ]);
      for (const { status, headers } of asHit) {
        assert.deepEqual([status, headers['cache-status'], headers['warning']], [200, 'Entrepot; hit', undefined]);
      }
      const asStale = await askSoon([
        ...bothMethods(stage.manifestUrl('latest'), stage.blobUrl(layer, 'lib/other')),
        ...bothMethods(`${stage.url}/v2/${repository}/tags/list`),
      ]);
      for (const { status, headers } of asStale) {
        assert.deepEqual([status, headers['cache-status']], [200, 'Entrepot; hit; detail=stale']);
        const warning = String(headers['warning']);
        assert.match(warning, /^299 - "Served from the cache, may be out of date: [\x20\x21\x23-\x5b\x5d-\x7e]+"$/);
        assert.ok(warning.length <= 4096);
      }
      const [tagged, , blob, , list] = asStale;
      assert.deepEqual(tagged!.body, image.manifest.bytes);
      assert.deepEqual(blob!.body, Buffer.from(image.blobs[1]!.bytes));
      assert.deepEqual(JSON.parse(list!.body.toString()).tags, ['latest']);
      await stage.log.requests(asHit.length + asStale.length + 2); // which is when they are counted, too
      assert.equal(await countStale(stage), asStale.length);
    });
  }
});
