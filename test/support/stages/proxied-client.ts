import assert from 'node:assert/strict';
import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { parseChallenges } from '../../../src/upstream/auth/challenge.ts';
import type { TestImage } from '../content/images.ts';
import { type RawAnswer, rawFetch } from '../http/raw-http.ts';
import { askConnect, shakeHands } from './proxy-client.ts';

/** What is asked beside a path. */
export interface ProxiedOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A client of one registry through the proxy door. */
export interface ProxiedClient {
  /** Sends a request on a connection of its own. */
  ask(path: string, options?: ProxiedOptions): Promise<RawAnswer>;
  /**
   * Pulls as docker and podman do: `/v2/` says how to log in, then a token is fetched, then it is used for all that
   * follows. Gives the statuses of what was asked, in order.
   */
  pull(repository: string, image: TestImage, login?: string): Promise<number[]>;
  /** Where `/v2/` sends clients for tokens, as a path of the registry's own host. */
  place(): Promise<string>;
}

/** Makes a client of the registry at a host. */
export function proxiedClient(door: { readonly url: string; readonly proxyPort: number }, host: string): ProxiedClient {
  const ask = async (path: string, { method = 'GET', headers = {}, body }: ProxiedOptions = {}): Promise<RawAnswer> => {
    const ca = (await rawFetch(`${door.url}/ca.crt`)).body.toString();
    const { status, socket } = await askConnect(door.proxyPort, `${host}:443`);
    assert.equal(status, 200);
    const secure = await shakeHands(socket, { servername: host, ca });
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const all = { host, connection: 'close', ...length, ...headers };
    const answer = await new Promise<RawAnswer>((resolve, reject) => {
      const sent = request({ createConnection: () => secure, method, path, headers: all }, (message) => {
        const { statusCode = 0, headers: given } = message;
        buffer(message).then(
          (body) => resolve({ status: statusCode, headers: given, body, broken: undefined }),
          reject,
        );
      });
      sent.once('error', reject);
      sent.end(body);
    });
    secure.destroy();
    return answer;
  };
  const challenge = async () => {
    const { status, headers } = await ask('/v2/');
    return status === 401 ? parseChallenges(headers['www-authenticate'] ?? '')[0]! : undefined;
  };
  const place = async () => {
    const realm = new URL((await challenge())!.parameters.get('realm')!);
    assert.equal(realm.origin, `https://${host}`);
    return realm.pathname;
  };
  return {
    ask,
    place,
    async pull(repository, image, login) {
      const { parameters } = (await challenge()) ?? {};
      let authorization = {};
      if (parameters) {
        const realm = new URL(parameters.get('realm')!);
        assert.equal(realm.origin, `https://${host}`);
        realm.searchParams.set('service', parameters.get('service')!);
        realm.searchParams.set('scope', `repository:${repository}:pull`);
        const headers = login === undefined ? {} : { authorization: login };
        const { status, body } = await ask(`${realm.pathname}${realm.search}`, { headers });
        if (status !== 200) return [status];
        authorization = { authorization: `Bearer ${(JSON.parse(body.toString()) as { token: string }).token}` };
      }
      const statuses: number[] = [];
      for (const path of ['manifests/latest', ...image.blobs.map(({ digest }) => `blobs/${digest}`)]) {
        const { status, body } = await ask(`/v2/${repository}/${path}`, { headers: authorization });
        const blob = image.blobs.find(({ digest }) => path.endsWith(digest));
        if (status === 200) assert.deepEqual(body, blob?.bytes ?? image.manifest.bytes);
        statuses.push(status);
      }
      return statuses;
    },
  };
}
