import { setTimeout as delay } from 'node:timers/promises';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { makeImage, type TestBlob } from '../../support/content/images.ts';
import { type Asked, Asker, type AskOptions } from '../ask.ts';
import type { Judge } from '../judge.ts';
import type { Random } from '../random.ts';
import type { KnownImages } from '../world/images.ts';
import type { Ledger, Push, PushedImage } from './ledger.ts';
import { inPut, isStatus, sendBlob } from './send-blob.ts';

/** What every pusher knows, and tells. */
export interface PusherTools {
  readonly name: string;
  readonly images: KnownImages;
  readonly judge: Judge;
  readonly random: Random;
  readonly ledger: Ledger;
}

/** All push to this one, and to the same tags of it. */
const sharedRepository = 'pushed/shared';
const sharedTags = ['latest', 'Latest', 'stable'];

const keptImages = 12; // of each pusher; it removes what is more
const retryMs = 250;
const pushTries = 60; // 15 s and more: longer than any blow, but for a disk that stays full

/** A client that pushes images, and removes some, as builds do. */
export class Pusher {
  readonly #asker: Asker;
  readonly #tools: PusherTools;
  readonly #own: PushedImage[] = [];
  #made = 0;

  constructor(url: string, tools: PusherTools) {
    this.#asker = new Asker(url);
    this.#tools = tools;
  }

  /** Ends its connections. */
  close(): void {
    this.#asker.close();
  }

  /** Pushes until it is told to stop. */
  async loop(signal: AbortSignal): Promise<void> {
    const { random, judge, ledger } = this.#tools;
    while (!signal.aborted) {
      const image = this.#makeImage();
      const push = ledger.begin(image, random.chance(0.9) ? [this.#pickTag(image)] : []);
      if (await this.#push(push, signal)) {
        if (ledger.acknowledge(push)) judge.figures.acknowledgedPushes++;
        this.#own.push(image);
      } else {
        ledger.giveUp(push);
        judge.figures.failedPushes++;
      }
      if (random.chance(0.05)) await this.#untag(image.repository, this.#pickTag(image));
      if (this.#own.length > keptImages) await this.#deleteOne();
    }
  }

  /** Sends the bytes of some content again, which mends it where it was damaged; false when they did not come. */
  async mend(image: PushedImage, digest: string): Promise<boolean> {
    const blob = image.blobs.find((each) => each.digest === digest);
    const sender = { ask: this.#ask, random: this.#tools.random, sourcesOf: () => [] };
    if (blob) return inPut(sender, image.repository, blob);
    return this.#putManifest(image, image.manifest.digest).then((asked) => isStatus(asked, 201));
  }

  async #push({ image, tags }: Push, signal: AbortSignal): Promise<boolean> {
    const { random, judge } = this.#tools;
    const { repository, manifest, blobs } = image;
    const byDigest = tags.length === 0 || random.chance(0.2);
    const query = byDigest ? tags.map((tag) => `tag=${tag}`).join('&') : '';
    const reference = byDigest ? manifest.digest + (query && `?${query}`) : tags[0]!;
    const missing = new Set(blobs);
    for (let tries = 0; tries < pushTries && !signal.aborted; tries++) {
      if (tries > 0) await delay(retryMs);
      for (const blob of missing) if (await this.#sendBlob(repository, blob)) missing.delete(blob);
      if (missing.size > 0) continue;
      const asked = await this.#putManifest(image, reference);
      if (isStatus(asked, 201)) {
        if (asked.kind === 'whole' && asked.digest !== manifest.digest)
          judge.blame(`${manifest.digest} was pushed to ${repository}, and called ${asked.digest}`);
        return true;
      }
      // What it needs may be garbage by now, if it took so long: clients send it again.
      for (const blob of blobs) missing.add(blob);
    }
    return false;
  }

  #sendBlob(repository: string, blob: TestBlob): Promise<boolean> {
    const { random, images, ledger } = this.#tools;
    const sourcesOf = ({ digest }: TestBlob) => {
      const pushed = ledger.imagesWith(digest).map((image) => image.repository);
      const pulled = images.repositories.filter(({ index }) =>
        index.children.some(({ blobs }) => blobs.some((each) => each.digest === digest)),
      );
      return [...pushed, ...pulled.map(({ name }) => `origin.test/${name}`)];
    };
    return sendBlob({ ask: this.#ask, random, sourcesOf }, repository, blob);
  }

  #putManifest({ repository, manifest }: PushedImage, reference: string): Promise<Asked> {
    const headers = { 'content-type': manifest.mediaType };
    const path = `/v2/${repository}/manifests/${reference}`;
    return this.#ask(path, { method: 'PUT', headers, body: manifest.bytes });
  }

  /** Layers of its own, some that others push, and now and then one of an image that is pulled. */
  #makeImage(): PushedImage {
    const { random, name, images, ledger } = this.#tools;
    const repository = random.chance(0.3) ? sharedRepository : `pushed/${name}-${random.whole(0, 1)}`;
    const size = () => Math.round(10 ** (2 + random.next() * 3.7)); // 100 B to 500 kB
    const parts = makeImage({ seed: `${name}/${this.#made++}`, layers: [size(), size()] });
    const shared = makeImage({ seed: `shared/${random.whole(0, 9)}`, layers: [50_000] }).blobs.slice(1);
    const base = random
      .pick(random.pick(images.repositories).index.children)
      .blobs.filter(({ bytes }) => bytes.length < 1_000_000);
    const blobs = [...parts.blobs, ...shared, ...(random.chance(0.3) ? base.slice(1, 2) : [])];
    const others = ledger.images.filter((image) => image.repository === repository);
    const subject = others.length > 0 && random.chance(0.2) ? random.pick(others).manifest : undefined;
    return withManifest(repository, blobs, subject);
  }

  #pickTag({ repository }: PushedImage): string {
    const { random } = this.#tools;
    return repository === sharedRepository ? random.pick(sharedTags) : `v${random.whole(0, 3)}`;
  }

  async #untag(repository: string, tag: string): Promise<void> {
    const end = this.#tools.ledger.beginUntag(repository, tag);
    const asked = await this.#ask(`/v2/${repository}/manifests/${tag}`, { method: 'DELETE' });
    end(isStatus(asked, 202) || isStatus(asked, 404));
  }

  /** Removes the oldest that no tag stands for. */
  async #deleteOne(): Promise<void> {
    const { ledger, judge } = this.#tools;
    const at = this.#own.findIndex((image) => ledger.mayGo(image));
    const [image] = at < 0 ? [] : this.#own.splice(at, 1);
    if (image === undefined) return;
    const acknowledge = ledger.beginDelete(image);
    const asked = await this.#ask(`/v2/${image.repository}/manifests/${image.manifest.digest}`, { method: 'DELETE' });
    if (!isStatus(asked, 202)) return;
    acknowledge();
    judge.figures.deletions++;
  }

  readonly #ask = async (path: string, options: AskOptions): Promise<Asked> => {
    const { judge } = this.#tools;
    judge.figures.requests++;
    const asked = await this.#asker.ask(path, options);
    if (asked.kind === 'hung') judge.blame(`${options.method} ${path} hung: nothing came for a minute`);
    if (asked.kind !== 'whole' || asked.status < 300) return asked;
    judge.noteStatus(asked.status);
    if (asked.status === 500) {
      judge.blame(`${options.method} ${path} was answered 500 ${asked.bytes.toString('utf8', 0, 300)}`);
    }
    return asked;
  };
}

function withManifest(
  repository: string,
  blobs: readonly TestBlob[],
  subject: PushedImage['manifest'] | undefined,
): PushedImage {
  const [config, ...layers] = blobs;
  const described = (mediaType: string, { digest, bytes }: TestBlob) => ({ mediaType, digest, size: bytes.length });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: described('application/vnd.oci.image.config.v1+json', config!),
    layers: layers.map((layer) => described('application/vnd.oci.image.layer.v1.tar', layer)),
    ...(subject && { subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.length } }),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest: Digest = digestOf(bytes);
  return { repository, manifest: { bytes, digest, mediaType }, blobs, subject: subject?.digest };
}
