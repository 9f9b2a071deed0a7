import type { Socket } from 'node:net';
import { clientPlace } from '../../util/client-place.ts';
import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';

/** One line says it; where there are too many, there are more every moment. */
const logEveryMs = 60_000;

/** What a limit of connections works with. */
export interface ConnectionLimitOptions {
  /** What the door is called in the log. */
  readonly door: string;
  readonly log: Log;
  readonly clock: Pick<Clock, 'now'>;
  readonly maxCount: number;
  /** Takes the connection that has been idle for longest, of all or of those from one place; it will be ended. */
  takeIdle(isOf: (socket: Socket) => boolean): Socket | undefined;
}

/**
 * How many connections a door holds. When there are too many, the one that has been idle for longest gives way to a new
 * one; where all are in use, the new one is ended. One place may have half of all, and beyond that its own give way: so
 * nobody keeps all others out.
 */
export class ConnectionLimit {
  readonly #options: ConnectionLimitOptions;
  readonly #countByPlace = new Map<string, number>();
  #count = 0;
  #unlogged = 0;
  #loggedAtMs: number | undefined;

  constructor(options: ConnectionLimitOptions) {
    this.#options = options;
  }

  /** Counts a new connection until it is closed, and ends one when there are too many by it. */
  admit(socket: Socket): void {
    const { maxCount, takeIdle } = this.#options;
    const place = placeOf(socket);
    const ofPlace = this.#change(place, 1);
    socket.once('close', () => this.#change(place, -1));
    const hasTooMany = ofPlace > Math.ceil(maxCount / 2);
    if (!hasTooMany && this.#count <= maxCount) return;
    const idle = takeIdle((other) => other !== socket && (!hasTooMany || placeOf(other) === place));
    if (idle) idle.destroySoon();
    else socket.destroy();
    this.#tell(place);
  }

  /** @returns how many there are from that place now */
  #change(place: string, change: 1 | -1): number {
    const count = (this.#countByPlace.get(place) ?? 0) + change;
    this.#count += change;
    if (count === 0) this.#countByPlace.delete(place);
    else this.#countByPlace.set(place, count);
    return count;
  }

  #tell(client: string): void {
    const { door, log, clock, maxCount } = this.#options;
    this.#unlogged++;
    const sinceMs = clock.now() - (this.#loggedAtMs ?? Number.NEGATIVE_INFINITY);
    if (sinceMs >= 0 && sinceMs < logEveryMs) return;
    this.#loggedAtMs = clock.now();
    log.warn(
      { door, client, maxConnections: maxCount, open: this.#count, ended: this.#unlogged },
      'too many connections: idle ones are ended, and else new ones',
    );
    this.#unlogged = 0;
  }
}

function placeOf({ remoteAddress }: Socket): string {
  return clientPlace(remoteAddress ?? '');
}
