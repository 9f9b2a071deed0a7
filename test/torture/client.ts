import { setTimeout as delay } from 'node:timers/promises';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import type { TestImage } from '../support/content/images.ts';
import { type Asked, Asker, type AskOptions } from './ask.ts';
import type { Judge } from './judge.ts';
import type { Random } from './random.ts';
import type { KnownImages, KnownRepository } from './world/images.ts';

/** What every client knows, and tells. */
export interface ClientTools {
  readonly images: KnownImages;
  readonly judge: Judge;
  readonly random: Random;
  /** Blobs that are not right on disk, as somebody has seen to; a client refuses them by their digest. */
  readonly rotten: ReadonlySet<string>;
  /** Blobs of which the wire spoilt a byte: a range of one in flight is not verified, the whole is. */
  readonly spoilt: Set<string>;
}

const retryMs = 250;
const parallelBlobs = 3; // as containerd and dockerd

/** A client that pulls as real ones do, and looks at every byte that it would accept. */
export class Client {
  readonly #asker: Asker;
  readonly #tools: ClientTools;

  constructor(url: string, tools: ClientTools) {
    this.#asker = new Asker(url);
    this.#tools = tools;
  }

  /** Ends its connections. */
  close(): void {
    this.#asker.close();
  }

  /**
   * Pulls images at random until it is told to stop. What fails is asked for again a few times, then the pull is given
   * up, as people see it.
   */
  async loop(signal: AbortSignal): Promise<void> {
    const { random, judge, images } = this.#tools;
    while (!signal.aborted) {
      const repository = random.pick(images.repositories);
      const child = random.pick(repository.index.children);
      const pulled = await this.pull(repository, [child], { tries: 8, odd: true, signal });
      if (signal.aborted) return;
      judge.figures[pulled ? 'pulls' : 'failedPulls']++;
    }
  }

  /** Pulls an index by tag or digest and some of its images; whether all of it came. */
  async pull(
    { name, tag, index }: KnownRepository,
    children: readonly TestImage[],
    { tries, odd, signal }: { readonly tries: number; readonly odd: boolean; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const { random } = this.#tools;
    const how = { tries, signal };
    const byTag = random.chance(0.7);
    const manifests = `/v2/${name}/manifests`;
    if (byTag && random.chance(0.5)) await this.#ask(`${manifests}/${tag}`, { method: 'HEAD' });
    const top = index.manifest.digest;
    if (!(await this.get(`${manifests}/${byTag ? tag : top}`, top, how))) return false;
    for (const { manifest, blobs } of children) {
      if (!(await this.get(`${manifests}/${manifest.digest}`, manifest.digest, how))) return false;
      const left = random.shuffle(blobs.map(({ digest }) => digest));
      const worker = async (): Promise<boolean> => {
        for (let digest = left.pop(); digest !== undefined; digest = left.pop()) {
          if (!(await this.#getBlob(name, digest, odd, how))) return false;
        }
        return true;
      };
      const workers = await Promise.all(Array.from({ length: parallelBlobs }, worker));
      if (!workers.every(Boolean)) return false;
    }
    return true;
  }

  async #getBlob(
    name: string,
    digest: Digest,
    odd: boolean,
    how: { readonly tries: number; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const { random, images } = this.#tools;
    const path = `/v2/${name}/blobs/${digest}`;
    const sizeBytes = images.bytes.get(digest)!.length;
    if (odd && random.chance(0.05)) await this.#ask(path, { leaveAfterBytes: random.whole(1, sizeBytes) });
    if (odd && random.chance(0.1)) await this.#askRange(path, digest, sizeBytes);
    return this.get(path, digest, { ...how, pauseMs: odd && random.chance(0.03) ? random.whole(1, 20) : 0 });
  }

  /** Gets something whole, as often as it takes; whether it came and was right. */
  async get(
    path: string,
    digest: Digest,
    { tries, signal, pauseMs = 0 }: { readonly tries: number; readonly signal: AbortSignal; readonly pauseMs?: number },
  ): Promise<boolean> {
    for (let count = 0; count < tries && !signal.aborted; count++) {
      if (count > 0) await delay(retryMs);
      const { rotten } = this.#tools;
      const mayBeRotten = rotten.has(digest);
      const asked = await this.#ask(path, { pauseMs });
      if (asked.kind !== 'whole' || asked.status !== 200) continue;
      if (this.#accept(path, digest, asked, mayBeRotten || rotten.has(digest))) return true;
    }
    return false;
  }

  #accept(path: string, digest: Digest, asked: Asked & { kind: 'whole' }, mayBeRotten: boolean): boolean {
    const { judge, spoilt } = this.#tools;
    if (digestOf(asked.bytes) === digest) {
      judge.figures.acceptedBytes += asked.bytes.length;
      spoilt.delete(digest);
      if (asked.digest !== digest) judge.blame(`${path} is right, and called ${asked.digest}`);
      return true;
    }
    if (mayBeRotten) judge.figures.rottenAnswers++;
    else {
      judge.figures.wrongBytes += asked.bytes.length;
      judge.blame(`${path} came whole, and wrong: ${asked.bytes.length} bytes with ${digestOf(asked.bytes)}`);
    }
    return false;
  }

  async #askRange(path: string, digest: Digest, sizeBytes: number): Promise<void> {
    const { random, images, judge, rotten, spoilt } = this.#tools;
    const start = random.whole(0, sizeBytes - 1);
    const end = random.whole(start, sizeBytes - 1) + 1;
    const isDoubtful = () => rotten.has(digest) || spoilt.has(digest);
    const wasDoubtful = isDoubtful();
    const asked = await this.#ask(path, { headers: { range: `bytes=${start}-${end - 1}` } });
    if (asked.kind !== 'whole' || asked.status !== 206) return;
    const expected = images.bytes.get(digest)!.subarray(start, end);
    if (asked.bytes.equals(expected)) judge.figures.acceptedBytes += asked.bytes.length;
    else if (!wasDoubtful && !isDoubtful()) {
      judge.figures.wrongBytes += asked.bytes.length;
      judge.blame(`bytes ${start} to ${end - 1} of ${path} came wrong, ${asked.bytes.length} of them`);
    }
  }

  async #ask(path: string, options: AskOptions = {}): Promise<Asked> {
    const { judge } = this.#tools;
    judge.figures.requests++;
    const asked = await this.#asker.ask(path, options);
    if (asked.kind === 'broken') judge.figures.brokenAnswers++;
    if (asked.kind === 'hung') judge.blame(`${path} hung: nothing came for a minute`);
    if (asked.kind === 'whole' && asked.status >= 300) {
      judge.noteStatus(asked.status);
      const text = asked.bytes.toString('utf8', 0, 300);
      // What is told to wait by a mirror asks five times again at once; and what is a fault of ours has its own status.
      if (asked.status === 429 || asked.status === 500) judge.blame(`${path} was answered ${asked.status} ${text}`);
    }
    return asked;
  }
}
