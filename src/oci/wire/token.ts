/** What a client asks of a token server (distribution's token specification; OAuth 2 posts a form). */
export interface TokenRequest {
  /** Its `Authorization`, word for word; undefined when it has none. */
  readonly authorization: string | undefined;
  /** The parameters of the URL. */
  readonly query: URLSearchParams;
  /** Those of the form that it posted; undefined when it got. */
  readonly form: URLSearchParams | undefined;
}

/** What a token server answers. */
export interface TokenAnswer {
  readonly status: number;
  /** The header fields that are meant for the client, in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * What Entrepot gives as a token to clients that have not logged in. It says that they have not, and nothing more, so it
 * is the same for all and for ever, and whoever has it has nothing.
 */
export const anonymousToken = 'entrepot-anonymous';

const anonymousLogin = new RegExp(`^Bearer +${anonymousToken}`, 'i');

/** What of an `Authorization` is meant for an upstream: nothing, when it is the token of those who have not logged in. */
export function loginIn(authorization: string | undefined): string | undefined {
  return authorization === undefined || anonymousLogin.test(authorization) ? undefined : authorization;
}

/** Every value of a parameter of a token request. */
export function tokenParameters({ query, form }: TokenRequest, name: string): string[] {
  return [...query.getAll(name), ...(form?.getAll(name) ?? [])];
}

/** Whether nobody logs in by a token request. */
export function isWithoutLogin(request: TokenRequest): boolean {
  // An empty name with an empty password is what some clients send when they have none.
  const authorization = loginIn(request.authorization)?.replace(/^Basic +Og==$/i, '') ?? '';
  const hasSecret = ['password', 'refresh_token', 'assertion', 'client_secret'].some((name) =>
    tokenParameters(request, name).some((value) => value !== ''),
  );
  return authorization === '' && !hasSecret;
}

/** The repositories that a token request is about: the first of them, as nobody asks for many. */
export function scopedRepositories(request: TokenRequest): string[] {
  const scopes = tokenParameters(request, 'scope').flatMap((value) => value.split(' '));
  return scopes.slice(0, maxScopes).flatMap((scope) => {
    const [, name] = /^repository(?:\([^()]*\))?:([^\s]+):[^:]*$/.exec(scope) ?? [];
    return name === undefined ? [] : [name];
  });
}

const maxScopes = 16; // docker and containerd ask for one, a mount for two
