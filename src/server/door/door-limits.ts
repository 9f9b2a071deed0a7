/** What clients are held to: how long they may take, in milliseconds, and how many there may be. */
export interface DoorLimits {
  /** From connecting, or from the first byte of a request, until its head is whole; and for a handshake of TLS. */
  readonly headMs: number;
  /** From its head on, until a body that is not wanted is whole. For one that is wanted, see `least-progress.ts`. */
  readonly requestMs: number;
  /** Between two reads or writes of a connection on which an answer is under way. */
  readonly idleMs: number;
  /** Between an answer and the next request. */
  readonly keepAliveMs: number;
  /** How often heads and bodies are looked at. */
  readonly checkMs: number;
  /** How many connections, of which one place may have half. */
  readonly maxConnections: number;
}

/** What every client keeps to that means well. */
export const defaultDoorLimits: DoorLimits = {
  headMs: 20_000, // a head is one packet or two: whoever takes longer holds a descriptor, and means nothing by it
  requestMs: 60_000, // enough for what is small, and of what is large nobody needs the rest
  idleMs: 5 * 60_000, // a client that neither reads nor writes for so long has gone without saying so
  keepAliveMs: 75_000, // above the 60 s of the balancers in front of us, lest one sends into a connection that we end
  checkMs: 5_000,
  // A thousand machines that pull at the same time have half as many. Each has a descriptor, and tens of kB where there
  // is TLS; three doors leave most of the 65,536 descriptors for files.
  maxConnections: 8_192,
};
