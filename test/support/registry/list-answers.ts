import type { Content } from '../content/content.ts';
import { cutPage } from '../http/paging.ts';
import { type Answer, errorAnswer, jsonAnswer } from './answer.ts';
import type { Quirks } from './quirks.ts';
import type { Route } from './routes.ts';

/** A page of tags. */
export function tagsAnswer(content: Content, route: Route, quirks: Quirks, origin: string): Answer {
  const tags = content.tags(route.repository);
  if (tags === undefined) return errorAnswer(404, 'NAME_UNKNOWN', 'repository name not known to registry');
  const { entries, nextAfter } = cutPage(tags, (tag) => tag, pageOf(route, quirks));
  const link = linkTo(nextAfter, `/v2/${route.repository}/tags/list`, route, quirks, origin);
  return jsonAnswer(200, { name: route.repository, tags: entries }, link);
}

/** A page of repositories. */
export function catalogAnswer(content: Content, route: Route, quirks: Quirks, origin: string): Answer {
  const { entries, nextAfter } = cutPage(content.repositories(), (name) => name, pageOf(route, quirks));
  return jsonAnswer(200, { repositories: entries }, linkTo(nextAfter, '/v2/_catalog', route, quirks, origin));
}

/** A page of referrers: an index, empty when nothing refers to the digest. */
export function referrersAnswer(content: Content, route: Route, quirks: Quirks, origin: string): Answer {
  if (quirks.noReferrers) return errorAnswer(404, 'NOT_FOUND', '404 page not found');
  if (!content.has(route.repository)) {
    return errorAnswer(404, 'NAME_UNKNOWN', 'repository name not known to registry');
  }
  const all = content.referrers(route.repository, route.reference);
  const artifactType = quirks.noReferrersFilter ? null : route.query.get('artifactType');
  const wanted = artifactType === null ? all : all.filter((entry) => entry.artifactType === artifactType);
  const { entries, nextAfter } = cutPage(wanted, (entry) => entry.digest, pageOf(route, quirks));
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  return jsonAnswer(
    200,
    { schemaVersion: 2, mediaType, manifests: entries },
    {
      'content-type': mediaType,
      ...(artifactType === null ? {} : { 'oci-filters-applied': 'artifactType' }),
      ...linkTo(nextAfter, `/v2/${route.repository}/referrers/${route.reference}`, route, quirks, origin),
    },
  );
}

function pageOf({ query }: Route, { maxPageSize = Infinity }: Quirks): { count: number; last: string | undefined } {
  const asked = query.get('n');
  return {
    count: Math.min(asked === null ? Infinity : Number(asked), maxPageSize),
    last: query.get('last') ?? undefined,
  };
}

/** `Link` to the next page: the same query, after the last entry of this one. */
function linkTo(
  nextAfter: string | undefined,
  path: string,
  route: Route,
  quirks: Quirks,
  origin: string,
): Record<string, string> {
  if (nextAfter === undefined || quirks.noLinkHeader) return {};
  const query = new URLSearchParams(route.query);
  query.set('last', nextAfter);
  return { link: `<${quirks.absoluteLinks ? origin : ''}${path}?${query}>; rel="next"` };
}
