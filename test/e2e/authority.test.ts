import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Authority, makeAuthority, makeLeaf } from '../../src/proxy/ca/certificates.ts';
import { currentLab } from './lab/lab.ts';
import { addresses } from './lab/machine/namespace.ts';
import { run } from './lab/machine/processes.ts';

// Whether those who verify certificates take what an authority of the proxy door signs for the hosts that it is limited to,
// and nothing else: whoever has its key can sign for another host all the same, and is to gain nothing by that.

const port = 8443;
const [permitted, forbidden] = ['ghcr.io', 'quay.io'] as const;

/** A registry of that name, that has nothing. */
async function startRegistry(authority: Authority, host: string, address: string): Promise<Server> {
  const server = createServer(await makeLeaf(authority, host, Date.now()), ({ url }, response) => {
    response.writeHead(url === '/v2/' ? 200 : 404, { 'content-type': 'application/json' });
    response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"nothing is here"}]}');
  });
  server.listen(port, address);
  await once(server, 'listening');
  return server;
}

describe('an authority that is limited to a host', () => {
  const folder = join(currentLab().scratch, 'authority');
  const trusted = join(folder, 'ca.crt');
  const servers: Server[] = [];
  let authority: Authority;
  before(async () => {
    await mkdir(folder);
    authority = await makeAuthority([permitted], Date.now());
    await writeFile(trusted, authority.cert);
    servers.push(await startRegistry(authority, permitted, addresses.ghcr));
    servers.push(await startRegistry(authority, forbidden, addresses.quay));
  });
  after(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await rm(folder, { recursive: true });
  });

  /** What somebody says of the certificate of a host: nothing, when it is right. */
  type Verifier = (host: string) => Promise<string>;

  const saidBy = (verify: (host: string) => Promise<unknown>): Verifier => {
    return (host) =>
      verify(host).then(
        () => '',
        (error: Error) => error.message,
      );
  };
  const verifiers: Readonly<
    Record<string, { readonly verify: Verifier; readonly right: RegExp; readonly wrong: RegExp }>
  > = {
    'OpenSSL, as curl asks it,': {
      verify: saidBy((host) =>
        run('curl', ['--silent', '--show-error', '--cacert', trusted, `https://${host}:${port}/v2/`]),
      ),
      right: /^$/,
      wrong: /permitted subtree violation/,
    },
    'Go, as skopeo asks it,': {
      verify: saidBy((host) => run('skopeo', ['inspect', '--cert-dir', folder, `docker://${host}:${port}/lab/none:1`])),
      right: /nothing is here|manifest unknown/,
      wrong: /not authorized to sign for this name|not permitted by any constraint/,
    },
    'GnuTLS, as certtool asks it,': {
      verify: saidBy(async (host) => {
        const chain = join(folder, `${host}.pem`);
        await writeFile(chain, (await makeLeaf(authority, host, Date.now())).cert);
        await run('certtool', [
          '--verify',
          '--load-ca-certificate',
          trusted,
          '--infile',
          chain,
          '--verify-hostname',
          host,
        ]);
      }),
      right: /^$/,
      wrong: /violates the signer's constraints/,
    },
  };

  for (const [who, { verify, right, wrong }] of Object.entries(verifiers)) {
    test(`is believed by ${who} for that host, and for no other`, async () => {
      assert.match(await verify(permitted), right);
      assert.match(await verify(forbidden), wrong);
    });
  }
});
