import { setTimeout as delay } from 'node:timers/promises';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { type Asked, Asker, type AskOptions } from '../ask.ts';
import type { Judge } from '../judge.ts';
import type { Ledger, PushedImage } from './ledger.ts';

const tries = 20; // of what is not there: 5 s, in which a server that has just started may still be busy
const patienceMs = 250;

/** Where what was pushed can be pulled: below `/v2/` and this prefix of the names. */
export interface PullDoor {
  readonly url: string;
  readonly prefix: string;
}

/** Looks whether everything that was acknowledged to those who pushed is there, while they push on; by all doors in turn. */
export class Auditor {
  readonly #doors: readonly { readonly asker: Asker; readonly prefix: string }[];
  readonly #ledger: Ledger;
  readonly #judge: Judge;
  readonly #retryMs: number;

  constructor(doors: readonly PullDoor[], ledger: Ledger, judge: Judge, retryMs = patienceMs) {
    this.#retryMs = retryMs;
    this.#doors = doors.map(({ url, prefix }) => ({ asker: new Asker(url), prefix }));
    this.#ledger = ledger;
    this.#judge = judge;
  }

  /** Ends its connections. */
  close(): void {
    for (const { asker } of this.#doors) asker.close();
  }

  /** Pulls every image by digest, each content once, and looks at every tag, referrer, and what was removed. */
  async audit(when: string): Promise<void> {
    const right = new Set<string>();
    for (const image of this.#ledger.images) await this.#auditImage(image, right, when);
    for (const [repository, tag] of this.#ledger.tags) await this.#auditTag(repository, tag, when);
    for (const image of this.#ledger.deleted) await this.#auditDeleted(image, when);
    this.#judge.figures.audits++;
  }

  async #auditImage(image: PushedImage, right: Set<string>, when: string): Promise<void> {
    const { repository, manifest, blobs, subject } = image;
    const isWanted = () => this.#ledger.has(image);
    const manifestPath = `/v2/${repository}/manifests/${manifest.digest}`;
    await this.#expect(manifestPath, manifest.digest, isWanted, when, 'GET');
    for (const { digest } of blobs) {
      const isKnown = right.has(digest);
      const path = `/v2/${repository}/blobs/${digest}`;
      if (await this.#expect(path, digest, isWanted, when, isKnown ? 'HEAD' : 'GET')) right.add(digest);
    }
    if (subject !== undefined) await this.#auditReferrer(image, subject, when);
  }

  /** Asks until it comes right, or need not be there. */
  async #expect(
    path: string,
    digest: Digest,
    isWanted: () => boolean,
    when: string,
    method: 'GET' | 'HEAD',
  ): Promise<boolean> {
    let last = '';
    for (let count = 0; count < tries; count++) {
      if (count > 0) await delay(this.#retryMs);
      const mayBeDamaged = this.#ledger.damaged.has(digest);
      const asked = await this.#ask(path, { method });
      if (!isWanted() || mayBeDamaged || this.#ledger.damaged.has(digest)) return false;
      last = asked.kind === 'whole' ? `${asked.status}` : asked.kind;
      if (asked.kind !== 'whole' || asked.status !== 200) continue;
      if (method === 'HEAD' || digestOf(asked.bytes) === digest) return true;
      this.#judge.figures.wrongBytes += asked.bytes.length;
      this.#judge.blame(`${path} was pushed, and came wrong ${when}`);
      return false;
    }
    this.#lost(`${path} was acknowledged, and is not there ${when}: ${last}`);
    return false;
  }

  async #auditTag(repository: string, tag: string, when: string): Promise<void> {
    let found: string | undefined;
    for (let count = 0; count < tries; count++) {
      if (count > 0) await delay(this.#retryMs);
      const time = this.#ledger.now;
      const asked = await this.#ask(`/v2/${repository}/manifests/${tag}`, { method: 'HEAD' });
      if (asked.kind !== 'whole' || (asked.status !== 200 && asked.status !== 404)) continue;
      found = asked.status === 200 ? asked.digest : undefined;
      const allowed = this.#ledger.allowedSince(repository, tag, time);
      if ([...allowed].some((digest) => digest === found)) return;
      if ([...allowed].some((digest) => digest !== undefined && this.#ledger.damaged.has(digest))) return;
    }
    this.#lost(`${repository}:${tag} stands for ${found} ${when}, which was not acknowledged last`);
  }

  async #auditReferrer(image: PushedImage, subject: Digest, when: string): Promise<void> {
    const { repository, manifest } = image;
    for (let count = 0; count < tries; count++) {
      if (count > 0) await delay(this.#retryMs);
      const asked = await this.#ask(`/v2/${repository}/referrers/${subject}`, {});
      if (!this.#ledger.has(image) || this.#ledger.damaged.has(manifest.digest)) return;
      if (asked.kind === 'whole' && asked.status === 200 && asked.bytes.includes(manifest.digest)) return;
    }
    this.#lost(`${manifest.digest} is not among the referrers of ${subject} in ${repository} ${when}`);
  }

  async #auditDeleted(image: PushedImage, when: string): Promise<void> {
    const path = `/v2/${image.repository}/manifests/${image.manifest.digest}`;
    const asked = await this.#ask(path, { method: 'HEAD' });
    if (asked.kind !== 'whole' || asked.status !== 200 || !this.#ledger.hasDeleted(image)) return;
    this.#judge.blame(`${path} was removed, and is there again ${when}`);
  }

  async #ask(path: string, options: AskOptions): Promise<Asked> {
    this.#judge.figures.requests++;
    const { asker, prefix } = this.#doors[this.#judge.figures.audits % this.#doors.length]!;
    return asker.ask(path.replace('/v2/', `/v2/${prefix}`), options);
  }

  #lost(what: string): void {
    this.#judge.figures.lostPushes++;
    this.#judge.blame(what);
  }
}
