import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { UpstreamConfig } from '../../../src/config/config.ts';
import { makeImage, type TestImage } from '../content/images.ts';
import { type RawAnswer, rawFetch } from '../http/raw-http.ts';
import type { RecordedRequest } from '../registry/recorder.ts';
import { type BearerAuth, basicAuthorization } from '../registry/token-server.ts';
import { ManualClock } from '../time/clock.ts';
import { repository, type Stage, type StageOptions, setStage } from './stage.ts';
import type { TestCacheOptions } from './test-cache.ts';

/** The repository that everybody may read. */
export const publicRepository = 'lib/public';

/** Who may read what is guarded, and their passwords; bob only the other repository. */
export const readers = {
  alice: { password: 'alice-pw', repositories: [repository, 'lib/other'] },
  anna: { password: 'anna-pw', repositories: [repository] },
  bob: { password: 'bob-pw', repositories: ['lib/other'] },
} as const;

/** What a stage is set with; `auth` is the registry's, beside what all of them have. */
export interface GuardStageOptions extends StageOptions {
  readonly auth?: Partial<BearerAuth>;
  /** When it is. */
  readonly nowMs?: number;
}

interface Settings {
  cache: Partial<TestCacheOptions>;
  upstream: Partial<UpstreamConfig>;
}

/** A cache, as nobody, in front of a registry with guarded repositories. */
export interface GuardStage {
  readonly stage: Stage;
  readonly clock: ManualClock;
  /** What the cache is started with again. */
  readonly settings: Settings;
  readonly image: TestImage;
  /** What may not be read by everybody; it may change. */
  readonly guarded: Set<string>;
  /** Logs in to the registry's token server, as a client does by itself; nothing of it is recorded. */
  login(user: keyof typeof readers, name?: string): Promise<string>;
  /** Has what was asked with this `Authorization` told by a name. */
  call(authorization: string, name: string): void;
  /** Asks for a path below `/v2/`, as a client that sends this along. */
  get(path: string, authorization?: string, method?: string): Promise<RawAnswer>;
  /** What the registry was asked since this was called last: the request, and whose credentials it had. */
  asked(): string[];
}

/** Sets a stage with an image in the guarded repositories and in the public one. */
export async function setGuardStage(
  t: TestContext,
  { auth = {}, registry = {}, cache = {}, upstream = {}, others = [], nowMs }: GuardStageOptions = {},
): Promise<GuardStage> {
  const clock = new ManualClock(nowMs);
  const guarded = new Set<string>([repository, 'lib/other']);
  const settings = { cache: { clock, ...cache }, upstream: { ...upstream } };
  const stage = await setStage(t, {
    registry: { clock, auth: { kind: 'bearer', guarded, readers, ...auth }, ...registry },
    others,
    get cache() {
      return settings.cache;
    },
    get upstream() {
      return settings.upstream;
    },
  });
  const { origin } = stage;
  const image = makeImage({ seed: 'secret', layers: [200_000, 500] });
  for (const name of [repository, 'lib/other', publicRepository]) origin.content.push(name, image, 'latest');
  const names = new Map<string, string>();
  for (const [name, { password }] of Object.entries(readers)) {
    names.set(basicAuthorization(name, password), `${name} by password`);
  }
  const nameOf = (authorization: string | undefined) => {
    if (authorization === undefined) return 'nobody';
    return names.get(authorization) ?? (authorization.startsWith('Bearer test-token-') ? 'Entrepot' : 'a stranger');
  };
  return {
    stage,
    clock,
    settings,
    image,
    guarded,
    async login(user, name = repository) {
      const before = [...origin.requests.all];
      const query = new URLSearchParams({ service: 'test-registry', scope: `repository:${name}:pull` });
      const headers = { authorization: basicAuthorization(user, readers[user].password) };
      const { status, body } = await rawFetch(`${origin.url}/token?${query}`, { headers });
      assert.equal(status, 200);
      forgetSince(origin.requests.all as RecordedRequest[], before.length);
      const authorization = `Bearer ${(JSON.parse(body.toString()) as { token: string }).token}`;
      names.set(authorization, user);
      return authorization;
    },
    call: (authorization, name) => void names.set(authorization, name),
    get: (path, authorization, method = 'GET') =>
      rawFetch(`${stage.url}/v2/${path}`, { method, headers: authorization === undefined ? {} : { authorization } }),
    asked() {
      const lines = origin.requests.all.map(({ line, headers: { authorization } }) => {
        return `${line} as ${nameOf(authorization)}`;
      });
      origin.requests.clear();
      return lines;
    },
  };
}

function forgetSince(requests: RecordedRequest[], count: number): void {
  requests.splice(count);
}
