import { isProbeTag, probePath } from '../../oci/wire/probe-tag.ts';
import type { Clock } from '../../util/time/clock.ts';
import type { AdminPage } from '../admin/admin.ts';
import type { RequestRecord } from './record.ts';

/** A request that was made to find out whether it comes here. */
interface SeenProbe {
  readonly tag: string;
  readonly atMs: number;
  readonly registry: string | undefined;
  readonly repository: string | undefined;
  readonly status: number;
}

const keptMs = 10 * 60_000; // whoever asks looks at once; pulls that are tried again take minutes
const keptCount = 256; // of tags that anybody can make up

/**
 * Notes the requests by which `entrepot doctor` finds out whether a client's pull comes here, and tells of each to who knows
 * its tag, which cannot be guessed: nobody learns of anybody else's requests.
 */
export class Probes {
  readonly #clock: Clock;
  #seen: SeenProbe[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a request, when it was such a one; called with every request that has ended. */
  note({ reference, registry, repository }: RequestRecord, status: number): void {
    if (reference === undefined || !isProbeTag(reference)) return;
    const atMs = this.#clock.now();
    this.#seen = [...this.#fresh(atMs), { tag: reference, atMs, registry, repository, status }].slice(-keptCount);
  }

  /** The page of a tag; undefined for other paths. */
  page(path: string): AdminPage | undefined {
    if (!path.startsWith(probePath)) return undefined;
    const tag = path.slice(probePath.length);
    if (!isProbeTag(tag)) return undefined;
    const seen = this.#fresh(this.#clock.now())
      .filter((each) => each.tag === tag)
      .map(({ atMs, registry, repository, status }) => ({
        ...{ at: new Date(atMs).toISOString(), registry, repository, status },
      }));
    return { type: 'application/json', body: `${JSON.stringify({ seen }, null, 2)}\n` };
  }

  #fresh(nowMs: number): SeenProbe[] {
    return this.#seen.filter(({ atMs }) => nowMs - atMs < keptMs);
  }
}
