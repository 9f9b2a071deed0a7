/** What is counted while torturing. */
export interface Figures {
  kills: number;
  restarts: number;
  cuts: number;
  stalls: number;
  truncations: number;
  spoilings: number;
  diskFullRounds: number;
  flips: number;
  shortenings: number;
  brokenIndexes: number;
  wipes: number;
  rebuilds: number;
  pulls: number;
  failedPulls: number;
  /** Images that a registry said to have, and tags with them. */
  acknowledgedPushes: number;
  failedPushes: number;
  deletions: number;
  /** What was acknowledged and is not there. */
  lostPushes: number;
  /** How often all that was acknowledged was asked for. */
  audits: number;
  /** Pushed content that was damaged by hand, and pushed again. */
  mendings: number;
  requests: number;
  acceptedBytes: number;
  /** The most that the store had at any time that it was looked at. */
  mostStoredBytes: number;
  /** Answers that broke off, which no client takes for whole. */
  brokenAnswers: number;
  /** Whole answers that a client refused by their digest, of blobs in which a byte had been flipped. */
  rottenAnswers: number;
  wrongBytes: number;
  lostBlobs: number;
}

const shownFaults = 20; // the first tell the cause, the others repeat it

/** Counts, and remembers what must not have happened. */
export class Judge {
  readonly figures: Figures = {
    kills: 0,
    restarts: 0,
    cuts: 0,
    stalls: 0,
    truncations: 0,
    spoilings: 0,
    diskFullRounds: 0,
    flips: 0,
    shortenings: 0,
    brokenIndexes: 0,
    wipes: 0,
    rebuilds: 0,
    pulls: 0,
    failedPulls: 0,
    acknowledgedPushes: 0,
    failedPushes: 0,
    deletions: 0,
    lostPushes: 0,
    audits: 0,
    mendings: 0,
    requests: 0,
    acceptedBytes: 0,
    mostStoredBytes: 0,
    brokenAnswers: 0,
    rottenAnswers: 0,
    wrongBytes: 0,
    lostBlobs: 0,
  };
  readonly #statuses = new Map<number, number>();
  readonly #faults: string[] = [];
  readonly #beganAtMs = performance.now();

  /** Whether all is well so far. */
  get isContent(): boolean {
    return this.#faults.length === 0;
  }

  /** Notes what must not happen. */
  blame(what: string): void {
    const seconds = ((performance.now() - this.#beganAtMs) / 1000).toFixed(1);
    this.#faults.push(`at ${seconds} s: ${what}`);
  }

  /** Counts an answer that was no content. */
  noteStatus(status: number): void {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
  }

  /** All of it, for people. */
  report(head: string): string {
    const figures = Object.entries(this.figures).map(([name, value]) => {
      const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      return `  ${words.padEnd(20)} ${name.endsWith('edBytes') ? `${(value / 1e6).toFixed(1)} MB` : value}`;
    });
    const statuses = [...this.#statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${count} × ${status}`);
    const faults = this.#faults.slice(0, shownFaults).map((fault) => `  WRONG ${fault}`);
    const others = this.#faults.length - faults.length;
    return [
      head,
      ...figures,
      `  refusals             ${statuses.join(', ') || 'none'}`,
      ...faults,
      ...(others > 0 ? [`  WRONG and ${others} more`] : []),
      this.isContent ? 'torture: nothing is wrong' : 'torture: FAILED',
    ].join('\n');
  }
}
