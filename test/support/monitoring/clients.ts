import type { TestImage } from '../content/images.ts';
import { type RawAnswer, type RawRequestOptions, rawFetch } from '../http/raw-http.ts';
import { basic } from '../stages/access-stage.ts';
import { askProxy } from '../stages/proxy-client.ts';
import { type Monitored, pusher } from './monitored.ts';

/** What clients do with a monitored Entrepot, and how often they asked its registry door. */
export interface Clients {
  readonly asked: number;
  /** Pulls as containerd does: the tag, what it stands for, and all blobs of that. */
  pull(repository: string, tag: string, image: TestImage): Promise<void>;
  /** Asks the registry door for a path below `/v2/`. */
  get(path: string, options?: RawRequestOptions): Promise<RawAnswer>;
  push(repository: string, image: TestImage, tag: string): Promise<void>;
  /** Pushes a blob under a digest, be it its own or not. */
  pushBlob(repository: string, digest: string, bytes: Buffer): Promise<number>;
  login(name: string, password: string): Promise<void>;
  connect(authority: string): Promise<number>;
}

/** Clients of the doors of a monitored Entrepot. */
export function clientsOf({ url, hostedUrl, proxyPort, authority }: Monitored): Clients {
  let asked = 0;
  const get = (path: string, options?: RawRequestOptions) => {
    asked++;
    return rawFetch(`${url}/v2/${path}`, options);
  };
  const hosted = (path: string, options: RawRequestOptions = {}, login = basic(pusher.name, pusher.password)) =>
    rawFetch(new URL(path, hostedUrl).href, { ca: authority, ...options, headers: { ...options.headers, ...login } });
  const pushBlob = async (repository: string, digest: string, bytes: Buffer) => {
    const { headers } = await hosted(`/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const place = new URL(headers.location ?? '', hostedUrl);
    place.searchParams.set('digest', digest);
    const length = { 'content-length': `${bytes.length}`, 'content-type': 'application/octet-stream' };
    return (await hosted(place.href, { method: 'PUT', body: bytes, headers: length })).status;
  };
  return {
    get asked() {
      return asked;
    },
    get,
    pushBlob,
    async pull(repository, tag, image) {
      const { status } = await get(`${repository}/manifests/${tag}`, { method: 'HEAD' });
      if (status !== 200) return;
      await get(`${repository}/manifests/${image.manifest.digest}`);
      await Promise.all(image.blobs.map(({ digest }) => get(`${repository}/blobs/${digest}`)));
    },
    async push(repository, image, tag) {
      for (const { digest, bytes } of image.blobs) await pushBlob(repository, digest, bytes);
      const headers = { 'content-type': image.manifest.mediaType };
      await hosted(`/v2/${repository}/manifests/${tag}`, { method: 'PUT', body: image.manifest.bytes, headers });
    },
    async login(name, password) {
      await hosted('/v2/', {}, basic(name, password));
    },
    async connect(target) {
      const { status, socket } = await askProxy(proxyPort, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
      socket.destroy();
      return status;
    },
  };
}
