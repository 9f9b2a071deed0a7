import type { IncomingHttpHeaders } from 'node:http';
import { memorySource } from '../content/byte-source.ts';
import type { Content } from '../content/content.ts';
import { type Answer, errorAnswer, jsonAnswer, redirectAnswer } from './answer.ts';
import { blobAnswer, cdnErrorAnswer } from './blob-answers.ts';
import { catalogAnswer, referrersAnswer, tagsAnswer } from './list-answers.ts';
import type { Quirks } from './quirks.ts';
import type { Route } from './routes.ts';
import type { SignedLinks } from './signed-links.ts';

/** What the registry answers from. */
export interface AnswerContext {
  readonly content: Content;
  readonly links: SignedLinks;
  /** The origin that absolute redirects lead to. */
  readonly cdnUrl: () => string;
  /** How many manifests were fetched since the quirks were set. */
  pulls: number;
}

/** A request, as far as answers depend on it. */
export interface AnsweredRequest {
  readonly method: string;
  readonly route: Route;
  readonly headers: IncomingHttpHeaders;
  /** The origin that the client asked. */
  readonly ownUrl: string;
  /** What was posted. */
  readonly form?: URLSearchParams | undefined;
}

/** Answers a request that was let in. */
export function answerRequest(context: AnswerContext, request: AnsweredRequest, quirks: Quirks): Answer {
  const { content } = context;
  const { method, route, ownUrl } = request;
  if (method !== 'GET' && method !== 'HEAD') return errorAnswer(405, 'UNSUPPORTED', 'the operation is unsupported');
  switch (route.name) {
    case 'ping':
      return jsonAnswer(200, {});
    case 'manifest':
      return manifestAnswer(context, request, quirks);
    case 'blob':
      return registryBlobAnswer(context, request, quirks);
    case 'tags':
      return tagsAnswer(content, route, quirks, ownUrl);
    case 'referrers':
      return referrersAnswer(content, route, quirks, ownUrl);
    case 'catalog':
      return catalogAnswer(content, route, quirks, ownUrl);
    default:
      return errorAnswer(404, 'NOT_FOUND', '404 page not found');
  }
}

/** Answers for a signed URL. The CDN itself refuses an `Authorization` beside the signature, as S3 does. */
export function answerSigned(
  context: AnswerContext,
  { route, headers }: AnsweredRequest,
  quirks: Quirks,
  isCdn: boolean,
): Answer {
  if (isCdn && headers.authorization !== undefined) return cdnErrorAnswer(400, 'InvalidArgument');
  const target = context.links.use(route.query.get('signature'), route.reference);
  if (target === undefined) return cdnErrorAnswer(403, 'AccessDenied');
  const source = context.content.blob(target.repository, target.digest);
  if (source === undefined) return cdnErrorAnswer(404, 'NoSuchKey');
  return blobAnswer(source, headers.range, { etag: `"${route.reference.slice(-32)}"` }, quirks);
}

function manifestAnswer(context: AnswerContext, { method, route }: AnsweredRequest, quirks: Quirks): Answer {
  if (method === 'HEAD' && quirks.head405) return errorAnswer(405, 'UNSUPPORTED', 'the operation is unsupported');
  const limit = quirks.pullLimit;
  if (limit !== undefined && method === 'GET' && context.pulls >= limit.limit) return pullLimitAnswer(quirks);
  if (method === 'GET') context.pulls++;
  const held = context.content.manifest(route.repository, route.reference);
  if (held === undefined) return errorAnswer(404, 'MANIFEST_UNKNOWN', 'manifest unknown', rateHeaders(context, quirks));
  const isByTag = route.reference !== held.digest;
  const isDigestTold = !quirks.noDigestHeader && !(isByTag && quirks.noDigestOnTagGet);
  return {
    status: 200,
    headers: {
      'content-type': quirks.plainTextManifests ? 'text/plain; charset=utf-8' : held.mediaType,
      etag: `"${held.digest}"`,
      ...(isDigestTold ? { 'docker-content-digest': held.digest } : {}),
      ...rateHeaders(context, quirks),
    },
    body: memorySource(quirks.wrongManifest ? Buffer.concat([held.bytes, Buffer.from('\n')]) : held.bytes),
    content: 'manifest',
  };
}

function registryBlobAnswer(context: AnswerContext, { route, headers }: AnsweredRequest, quirks: Quirks): Answer {
  const source = context.content.blob(route.repository, route.reference);
  if (source === undefined) return errorAnswer(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  const redirect = quirks.redirectBlobs;
  if (redirect !== undefined) {
    const path = context.links.sign(route.repository, route.reference, redirect);
    return redirectAnswer(redirect.status ?? 307, redirect.to === 'absolute' ? context.cdnUrl() + path : path);
  }
  const digestHeader: Record<string, string> = quirks.noDigestHeader
    ? {}
    : { 'docker-content-digest': route.reference };
  return blobAnswer(source, headers.range, { etag: `"${route.reference}"`, ...digestHeader }, quirks);
}

function pullLimitAnswer(quirks: Quirks): Answer {
  const retryAfter = quirks.pullLimit?.retryAfter;
  return errorAnswer(429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit', {
    'docker-ratelimit-source': '127.0.0.1',
    ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
  });
}

function rateHeaders(context: AnswerContext, { pullLimit }: Quirks): Record<string, string> {
  if (pullLimit === undefined) return {};
  const window = `w=${pullLimit.windowSeconds ?? 21_600}`; // Docker Hub's six hours
  return {
    'ratelimit-limit': `${pullLimit.limit};${window}`,
    'ratelimit-remaining': `${Math.max(0, pullLimit.limit - context.pulls)};${window}`,
    'docker-ratelimit-source': '127.0.0.1',
  };
}
