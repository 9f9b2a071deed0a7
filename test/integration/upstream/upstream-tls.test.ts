import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { RegistryError } from '../../../src/oci/errors.ts';
import { Transport } from '../../../src/upstream/transport/transport.ts';
import { readAll } from '../../support/http/read.ts';
import { certificates } from '../../support/tls/certs.ts';
import { lengthAnswer } from '../../support/upstream/scripted-server.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';
import { latest, makeClient, patient, repository, startUpstream } from '../../support/upstream/upstream-client.ts';

const { ca, server: serverCertificate, client: clientCertificate } = certificates();
const trusting = { ca: ca.cert, insecure: false };
const oneTry = { rounds: 1 };

/** The message of a refusal to connect. */
async function refusal(request: Promise<unknown>): Promise<string> {
  const error = await request.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RegistryError);
  assert.equal(error.code, 'UNAVAILABLE');
  return error.message;
}

describe('the certificate of a registry', () => {
  test('is verified unless something else is said: one of an unknown authority is refused before anything is sent', async (t) => {
    const { registry, server } = await startUpstream(t, { tls: serverCertificate }, { retry: oneTry });
    const message = await refusal(registry.getManifest(repository, latest, patient));
    assert.match(message, new RegExp(`Cannot connect to ${server.authority}: .*certificate`));
    assert.deepEqual(server.requests.lines(), []);
  });

  test('is trusted when its authority is the upstream’s `ca`', async (t) => {
    const { registry, image } = await startUpstream(t, { tls: serverCertificate }, { identity: trusting });
    const manifest = await registry.getManifest(repository, latest, patient);
    assert.equal(manifest.digest, image.manifest.digest);
  });

  test('is refused when it is for another name, also one of a trusted authority', async (t) => {
    const { server } = await startUpstream(t, { tls: serverCertificate });
    const url = server.url.replace('127.0.0.1', '0.0.0.0'); // the same machine by an address that no certificate has
    const { registry } = makeClient(t, [url], { identity: trusting, retry: oneTry });
    assert.match(await refusal(registry.getManifest(repository, latest, patient)), /certificate's (altnames|list)/);
    assert.deepEqual(server.requests.lines(), []);
  });

  test('does not matter to an `insecure` upstream, neither its authority nor its name', async (t) => {
    const { server } = await startUpstream(t, { tls: serverCertificate });
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      const { registry } = makeClient(t, [server.url.replace('127.0.0.1', host)], { identity: { insecure: true } });
      await registry.getManifest(repository, latest, patient);
    }
  });

  test('is verified for one upstream though another, of the same server, is insecure or trusts it', async (t) => {
    const { server } = await startUpstream(t, { tls: serverCertificate });
    const transport = new Transport();
    t.after(() => transport.close());
    const ask = async (identity: { ca?: string; insecure: boolean }) => {
      const url = new URL('/v2/', server.url);
      const { head, body } = await transport.request({ method: 'GET', url, headers: {}, identity }, patient);
      while (await body.next());
      return head.status;
    };
    assert.equal(await ask({ insecure: true }), 200);
    assert.equal(await ask(trusting), 200);
    await assert.rejects(ask({ insecure: false }), { code: 'CONNECT_FAILED', message: /certificate/ });
    assert.equal(await ask(trusting), 200);
    assert.equal(server.connectionsOpened, 3); // the last one is the second again
  });

  test('is verified for the CDN, too, by the same `ca`', async (t) => {
    const quirks = { redirectBlobs: { to: 'absolute' } } as const;
    const { registry, image } = await startUpstream(t, { tls: serverCertificate, quirks }, { identity: trusting });
    const { digest, bytes } = image.blobs[1]!;
    assert.ok((await readAll(await registry.getBlob(repository, digest, undefined, patient))).equals(bytes));

    const plain = await startUpstream(t);
    const strangers = await startTestRegistry({ tls: serverCertificate });
    t.after(() => strangers.close());
    plain.server.faults.answer('blob', { status: 307, headers: { location: `${strangers.url}/x` } }, { times: 3 });
    const { registry: careful } = makeClient(t, [plain.server.url], { retry: oneTry });
    assert.match(await refusal(careful.getBlob(repository, digest, undefined, patient)), /certificate/);
    assert.deepEqual(strangers.requests.lines(), []);
  });
});

describe('a client certificate', () => {
  const tls = { ...serverCertificate, clientCa: ca.cert };
  const withCertificate = { ...trusting, cert: clientCertificate.cert, key: clientCertificate.key };

  test('lets us in where one is wanted', async (t) => {
    const { registry } = await startUpstream(t, { tls }, { identity: withCertificate });
    await registry.getManifest(repository, latest, patient);
  });

  test('is what a registry that wants one refuses us without', async (t) => {
    const { registry, server } = await startUpstream(t, { tls }, { identity: trusting, retry: oneTry });
    await refusal(registry.getManifest(repository, latest, patient));
    assert.deepEqual(server.requests.lines(), []);
  });

  /** A server that asks for a certificate and lets everybody in, as a curious CDN; what it was shown. */
  async function curiousServer(t: TestContext, host: string) {
    const shown: string[] = [];
    const options = { ...serverCertificate, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
    const server = createHttpsServer(options, (request, response) => {
      const certificate = (request.socket as TLSSocket).getPeerCertificate();
      shown.push(certificate.subject?.CN === undefined ? 'nothing' : String(certificate.subject.CN));
      response.end('{"token":"theirs"}');
    });
    server.listen(0, host);
    await once(server, 'listening');
    t.after(() => server.close());
    t.after(() => server.closeAllConnections());
    return { shown, url: `https://${host}:${(server.address() as AddressInfo).port}` };
  }

  test('is shown to the registry only, not to where it redirects to', async (t) => {
    const { registry, server, image } = await startUpstream(t, { tls }, { identity: withCertificate });
    const cdn = await curiousServer(t, '127.0.0.1');
    server.faults.answer('blob', { status: 307, headers: { location: `${cdn.url}/x` } });
    const { digest } = image.blobs[1]!;
    const blob = await registry.getBlob(repository, digest, undefined, patient);
    assert.equal((await readAll(blob)).toString(), '{"token":"theirs"}');
    assert.deepEqual(cdn.shown, ['nothing']);
  });

  test('is not shown to a token server on another host', async (t) => {
    const tokenServer = await curiousServer(t, '127.0.0.2');
    const auth = { kind: 'bearer', realm: `${tokenServer.url}/token` } as const;
    const options = { identity: withCertificate, tokenHosts: ['127.0.0.2'] };
    const { registry } = await startUpstream(t, { tls, auth }, options);
    await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'DENIED' });
    assert.ok(tokenServer.shown.length > 0);
    assert.deepEqual([...new Set(tokenServer.shown)], ['nothing']);
  });

  test('would be seen by such a server', async (t) => {
    const curious = await curiousServer(t, '127.0.0.1');
    const { registry } = makeClient(t, [curious.url], { identity: withCertificate });
    assert.deepEqual((await registry.listTags(repository, {}, patient)).tags, []);
    assert.deepEqual([...new Set(curious.shown)], ['client']);
  });
});

describe('a connection over TLS', () => {
  test('serves one request after the other, and brings large bodies whole', async (t) => {
    const { registry, server } = await startUpstream(t, { tls: serverCertificate }, { identity: trusting });
    const digest = server.content.putGenerated(repository, 'large', 20_000_000);
    const expected = server.content.blob(repository, digest)!.read(0, 20_000_000);
    for (let round = 0; round < 2; round++) {
      await registry.getManifest(repository, latest, patient);
      assert.ok((await readAll(await registry.getBlob(repository, digest, undefined, patient))).equals(expected));
    }
    assert.equal(server.connectionsOpened, 1);
  });

  test('that breaks in the middle of a blob is no end of the blob', async (t) => {
    const { registry, server } = await startUpstream(t, { tls: serverCertificate }, { identity: trusting });
    const digest = server.content.putGenerated(repository, 'large', 1_000_000);
    for (const fault of ['resetAfterBytes', 'endAfterBytes'] as const) {
      server.faults[fault]('GET blob', 500_000);
      const blob = await registry.getBlob(repository, digest, undefined, patient);
      await assert.rejects(readAll(blob), { code: 'UNAVAILABLE' });
    }
  });

  test('speaks HTTP/1.1 also with a server that would rather speak HTTP/2', async (t) => {
    const protocols: (string | false | null)[] = [];
    const server = createTlsServer({ ...serverCertificate, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
      protocols.push(socket.alpnProtocol);
      socket.on('error', () => {});
      socket.on('data', () => socket.write(lengthAnswer('{"tags":["1"]}')));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { registry } = makeClient(t, [url], { identity: trusting });
    assert.deepEqual((await registry.listTags(repository, {}, patient)).tags, ['1']);
    assert.deepEqual(protocols, ['http/1.1']);
  });
});
