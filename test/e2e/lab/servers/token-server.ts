import { createHash, createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Certificates } from '../machine/certs.ts';
import { addresses } from '../machine/namespace.ts';

/** Who signs tokens: the registries are told to believe this name. */
export const tokenIssuer = 'end-to-end';

/** A user who may pull and push everything; everybody else may pull what is not private. */
export const tokenUser = { name: 'harbourmaster', password: 'open sesame' } as const;

/** A request for a token. */
export interface TokenRequest {
  readonly path: string;
  /** The user that it was asked for; undefined for nobody's. */
  readonly user: string | undefined;
  readonly userAgent: string;
  readonly status: number;
}

/** A token server, and what it was asked. */
export interface TokenServer {
  /** All requests so far, oldest first. */
  readonly requests: readonly TokenRequest[];
  stop(): Promise<void>;
}

interface Grant {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

// As short as a registry's tokens may be by the specification.
const lifetimeSeconds = 60;

/** Starts https://auth.docker.io/token, which is also, under names of their own, the token server of the other registries. */
export async function startTokenServer(certificates: Certificates): Promise<TokenServer> {
  const [cert, key, tokenCertificate, tokenKey] = await Promise.all(
    [certificates.server, certificates.serverKey, certificates.token, certificates.tokenKey].map((file) =>
      readFile(file),
    ),
  );
  const signer = { key: createPrivateKey(tokenKey!), id: keyId(new X509Certificate(tokenCertificate!).publicKey) };
  const requests: TokenRequest[] = [];
  const server = createServer({ cert: cert!, key: key! }, (request, response) => {
    const path = request.url ?? '';
    const user = readUser(request.headers.authorization);
    const status = answer(request, response, user, signer);
    requests.push({ path, user, userAgent: request.headers['user-agent'] ?? '', status });
  });
  server.listen(443, addresses.tokens);
  await once(server, 'listening');
  return {
    requests,
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  user: string | undefined,
  signer: { key: KeyObject; id: string },
): number {
  const url = new URL(request.url ?? '', 'https://auth.docker.io');
  const isRefused = request.headers.authorization !== undefined && user !== tokenUser.name;
  // What OAuth 2 posts is not for every token server: clients that are told so go on as they did before it.
  const refusal = request.method === 'GET' ? 401 : 405;
  const isAsked = request.method === 'GET' && !isRefused;
  const status = url.pathname !== '/token' ? 404 : isAsked ? 200 : refusal;
  response.writeHead(status, { 'content-type': 'application/json' });
  if (status !== 200) {
    response.end('{"details":"refused"}');
    return status;
  }
  const scopes = url.searchParams.getAll('scope').flatMap((scope) => scope.split(' '));
  const access = scopes.flatMap((scope) => grant(scope, user !== undefined));
  const token = mintToken(signer, { aud: url.searchParams.get('service'), sub: user ?? '', access });
  response.end(JSON.stringify({ token, expires_in: lifetimeSeconds }));
  return status;
}

function readUser(authorization: string | undefined): string | undefined {
  const [scheme, encoded] = authorization?.split(' ') ?? [];
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const credentials = Buffer.from(encoded ?? '', 'base64').toString();
  return credentials === `${tokenUser.name}:${tokenUser.password}` ? tokenUser.name : undefined;
}

function grant(scope: string, isUser: boolean): Grant[] {
  const [type, name, actions] = scope.split(':');
  if (!type || !name || !actions) return [];
  const asked = actions.split(',');
  const allowed = isUser ? asked : name.startsWith('private/') ? [] : asked.filter((action) => action === 'pull');
  return allowed.length === 0 ? [] : [{ type, name, actions: allowed }];
}

function mintToken(signer: { key: KeyObject; id: string }, claims: Record<string, unknown>): string {
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, nbf: now - 10, exp: now + lifetimeSeconds };
  const header = { typ: 'JWT', alg: 'RS256', kid: signer.id };
  const payload = { iss: tokenIssuer, jti: randomUUID(), ...times, ...claims };
  const signed = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${signed}.${sign('sha256', Buffer.from(signed), signer.key).toString('base64url')}`;
}

/** The name that docker-registry gives a key (libtrust's): 240 bits of its hash in base 32, in groups of four. */
function keyId(publicKey: KeyObject): string {
  const hash = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 30);
  const bits = [...hash].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const letters = bits.match(/.{5}/g)!.map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]);
  return letters.join('').match(/.{4}/g)!.join(':');
}
