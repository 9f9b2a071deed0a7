import type { IncomingHttpHeaders } from 'node:http';
import { type Answer, errorAnswer } from './answer.ts';
import type { Quirks } from './quirks.ts';
import type { Route } from './routes.ts';
import { type BearerAuth, basicAuthorization, type TokenServer } from './token-server.ts';

/** Whom a test registry lets in. */
export type Auth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | BearerAuth;

const service = 'test-registry';

/** The 401 that a request gets; undefined when it may pass. */
export function refuse(
  auth: Auth,
  tokens: TokenServer | undefined,
  realm: string,
  route: Route,
  headers: IncomingHttpHeaders,
  quirks: Quirks,
): Answer | undefined {
  if (auth.kind === 'none' || (route.name === 'ping' && quirks.pingOk)) return undefined;
  if (auth.kind === 'basic') {
    const isUser = headers.authorization === basicAuthorization(auth.username, auth.password);
    return isUser ? undefined : unauthorized(`Basic realm="${service}"`);
  }
  const verdict = tokens?.check(headers.authorization, route.repository) ?? 'missing';
  if (verdict === 'good') return undefined;
  const scope = scopeOf(route, quirks);
  const parameters = [
    `realm="${realm}"`,
    `service="${service}"`,
    ...(scope === undefined ? [] : [`scope="${scope}"`]),
    ...(verdict === 'invalid' ? ['error="invalid_token"'] : []),
    ...(verdict === 'insufficient' ? ['error="insufficient_scope"'] : []),
  ];
  return unauthorized(`Bearer ${parameters.join(',')}`);
}

function scopeOf(route: Route, quirks: Quirks): string | undefined {
  if (route.repository !== '') return `repository:${route.repository}:pull`;
  if (route.name === 'catalog') return 'registry:catalog:*';
  return quirks.placeholderScope ? 'repository:user/image:pull' : undefined;
}

function unauthorized(challenge: string): Answer {
  return errorAnswer(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
}
