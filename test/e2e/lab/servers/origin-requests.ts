import assert from 'node:assert/strict';
import { hexOf } from '../../../../src/oci/digest.ts';
import type { ImageManifest, TestImage } from '../images.ts';
import type { LoggedRequest } from './access-log.ts';
import type { Origin } from './origin.ts';

/**
 * What the origin is asked for one cold image: each thing once, and blobs where the registry sends for them.
 * @param looksUpFirst whether the client asks what digest the tag has, and then for that
 */
export function requestsForColdPull(
  image: TestImage,
  manifests: readonly ImageManifest[],
  { looksUpFirst = false } = {},
): string[] {
  const { host, repository, tag } = splitReference(image.reference);
  const at = (kind: string, name: string) => `${host}/v2/${repository}/${kind}/${name}`;
  const byTag = at('manifests', tag);
  const top = looksUpFirst ? [`HEAD ${byTag} 200`, `GET ${at('manifests', image.digest)} 200`] : [`GET ${byTag} 200`];
  const children = image.isIndex ? manifests.map(({ digest }) => digest) : [];
  const blobs = manifests.flatMap(({ config, layers }) => [config, ...layers]);
  return [
    ...top,
    ...children.map((digest) => `GET ${at('manifests', digest)} 200`),
    ...blobs.flatMap((digest) => {
      if (host !== 'registry-1.docker.io') return [`GET ${at('blobs', digest)} 200`];
      const hex = hexOf(digest);
      const file = `/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
      return [`GET ${at('blobs', digest)} 307`, `GET production.cloudflare.docker.com${file} 200`];
    }),
  ];
}

/** What Entrepot has asked the origin, each kind sorted, as `METHOD host/path status`. */
export interface OriginRequests {
  /** Manifests, blobs, lists. */
  readonly content: readonly string[];
  /** What was refused for want of a token, and looks at `/v2/`: how Entrepot learns where tokens are made. */
  readonly challenges: readonly string[];
  /** The paths and queries of Entrepot's requests for tokens; clients may ask for some, too. */
  readonly tokens: readonly string[];
}

/**
 * The requests since the last look.
 * @throws AssertionError when they are not Entrepot's, or have taken credentials to where a registry redirects
 */
export async function takeOriginRequests(origin: Origin): Promise<OriginRequests> {
  const requests = await origin.takeRequests();
  for (const request of requests) {
    assert.ok(isEntrepot(request.userAgent), `sent by a client: ${show(request)}`);
    assert.equal(request.authorization, undefined, `credentials went to ${request.host}`);
  }
  const isChallenge = ({ status, path }: LoggedRequest) => status === 401 || path === '/v2/';
  return {
    content: requests
      .filter((request) => !isChallenge(request))
      .map(show)
      .sort(),
    challenges: requests.filter(isChallenge).map(show).sort(),
    tokens: origin
      .takeTokenRequests()
      .filter(({ userAgent }) => isEntrepot(userAgent))
      .map(({ path }) => path),
  };
}

/** Asserts that the origin was asked for exactly this content since the last look, and for no token twice. */
export async function assertOriginAsked(origin: Origin, expected: readonly string[]): Promise<void> {
  const { content, tokens } = await takeOriginRequests(origin);
  assert.deepEqual(content, [...expected].sort());
  assert.deepEqual(tokens, expected.length === 0 ? [] : [...new Set(tokens)], 'a token was fetched in vain');
}

function isEntrepot(userAgent: string): boolean {
  return /^entrepot\//i.test(userAgent);
}

function show({ method, host, path, status }: LoggedRequest): string {
  return `${method} ${host}${path} ${status}`;
}

function splitReference(reference: string) {
  const [, registry, repository, tag] = /^([^/]+)\/(.+):([^:]+)$/.exec(reference) ?? [];
  if (!registry || !repository || !tag) throw new Error(`Cannot read "${reference}": expected registry/repository:tag`);
  return { host: registry === 'docker.io' ? 'registry-1.docker.io' : registry, repository, tag };
}
