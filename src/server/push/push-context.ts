import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Verb } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { MountOffer, PushableRegistry, UploadBody } from '../../oci/registry.ts';
import type { PushRequest } from '../../oci/wire/push-request.ts';
import { clientPlace } from '../../util/client-place.ts';
import { writeHead } from '../answer/answer-head.ts';
import type { RequestRecord } from '../answer/record.ts';
import type { ClientAccess } from '../client-access.ts';
import { renderCacheStatus } from '../pull/cache-status.ts';
import { type Route, type RoutingHints, repositoryOf } from '../routing/routing.ts';
import type { RequestBody } from './request-body.ts';

/** A request that pushes, which was routed to a registry and may do so. */
export interface PushContext {
  readonly response: ServerResponse;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: RequestBody;
  readonly registry: PushableRegistry;
  readonly repository: Repository;
  readonly record: RequestRecord;
  /** What tells this client from others: the name that it proved, or else the place of its address. */
  readonly client: string;
  /** Fires when the client has gone. */
  readonly signal: AbortSignal;
  readonly maxManifestBytes: number;
  /** The URL of a path, for a client that came as this one did: by the same alias, prefix or `ns`. */
  locate(path: (name: Repository) => string): string;
  /** Where a blob may be mounted from, when the client names a repository or none. */
  offer(from: string | undefined): MountOffer;
}

/** What a context of a push is made of. */
export interface RoutedPush extends Pick<PushContext, 'response' | 'body' | 'registry' | 'repository' | 'record'> {
  readonly request: IncomingMessage;
  readonly signal: AbortSignal;
  readonly hints: RoutingHints;
  readonly maxManifestBytes: number;
  readonly offer: PushContext['offer'];
}

/** The context of a push that was routed. */
export function pushContext(routed: RoutedPush, { name }: PushRequest): PushContext {
  const { response, body, registry, repository, record, signal, maxManifestBytes, offer } = routed;
  const { remoteAddress = '' } = routed.request.socket;
  const { prefix, namespace } = routed.hints;
  const before = prefix === undefined ? '' : `/${prefix}`;
  const query = namespace === undefined ? '' : `?ns=${encodeURIComponent(namespace)}`;
  return {
    ...{ response, body, registry, repository, record, signal, maxManifestBytes, offer },
    headers: routed.request.headers,
    client: record.user === undefined ? `at ${clientPlace(remoteAddress)}` : `user ${record.user}`,
    // An alias in front makes a name that is none of a repository, and whose every component could be of one.
    locate: (path) => `${before}${path(name as Repository)}${query}`,
  };
}

/** Says where a client may have blobs mounted from: it names repositories as it does in paths. */
export function mountOffers(
  client: Pick<ClientAccess, 'may'>,
  { to }: Route,
  route: (name: string) => Route,
): PushContext['offer'] {
  const mayRead = (registry: string, repository: Repository) => client.may('pull', { registry, repository });
  const find = (from: string) => {
    try {
      const found = route(from);
      return found.to === to ? repositoryOf(found) : undefined;
    } catch {
      return undefined; // it is no repository here: any other that has the blob will do
    }
  };
  return (from) => ({ from: from === undefined ? undefined : find(from), mayRead });
}

/** The kind of push that a function answers. */
export type PushOf<K extends PushRequest['kind']> = Extract<PushRequest, { kind: K }>;

/** What a client must be allowed to do for a request. */
export const pushVerbs: Readonly<Record<PushRequest['kind'], Verb>> = {
  'begin-upload': 'push',
  'upload-status': 'push',
  'append-upload': 'push',
  'finish-upload': 'push',
  'cancel-upload': 'push',
  'put-manifest': 'push',
  'delete-manifest': 'delete',
  'delete-blob': 'delete',
};

/** Sends an answer that has no body. */
export function sendEmpty(
  { response, record, body }: PushContext,
  status: number,
  headers: OutgoingHttpHeaders = {},
): void {
  body.leave();
  const length = status === 204 ? {} : { 'content-length': 0 };
  writeHead({ response, record }, status, { ...headers, ...length, 'cache-status': renderCacheStatus(undefined) });
  response.end();
}

const contentRange = /^([0-9]{1,15})-([0-9]{1,15})$/; // fifteen digits are beyond every blob, and exact as a number

/**
 * The body as bytes of a blob, with the place that `Content-Range` says they have in it: `<first>-<last>`, without a unit.
 * @throws RegistryError BLOB_UPLOAD_INVALID when that cannot be read, SIZE_INVALID when it contradicts the length
 */
export function uploadBody({ headers, body }: Pick<PushContext, 'headers' | 'body'>): UploadBody {
  const given = headers['content-range'];
  const { sizeBytes } = body;
  if (given === undefined) return { bytes: body.read(), sizeBytes, start: undefined };
  const match = contentRange.exec(String(given).trim());
  const [start, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || last < start) {
    const shown = String(given).slice(0, 60);
    throw new RegistryError('BLOB_UPLOAD_INVALID', `Cannot read Content-Range "${shown}": expected <first>-<last>`);
  }
  const rangeBytes = last - start + 1;
  if (sizeBytes !== undefined && sizeBytes !== rangeBytes) {
    const what = `Cannot take ${sizeBytes} bytes as the ${rangeBytes} of Content-Range ${start}-${last}`;
    throw new RegistryError('SIZE_INVALID', `${what}: the two must be the same`);
  }
  return { bytes: body.read(), sizeBytes: rangeBytes, start };
}
