/** What a running server says of itself (`GET /status`). Times are in ISO 8601; nothing in it is a secret. */
export interface ServerStatus {
  readonly version: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  /** Absent while the index cannot tell. */
  readonly store?: StoreStatus;
  /** What hosted repositories hold, beside that; absent while the index cannot tell. */
  readonly hosted?: HostedStatus;
  /** What of the disk fails now; absent while nothing does. */
  readonly troubles?: readonly string[];
  readonly downloads: { readonly running: number; readonly waiting: number };
  readonly upstreams: readonly UpstreamStatus[];
  /** The lists of images that are kept fresh; absent when there are none. */
  readonly warm?: readonly WarmStatus[];
}

/** How a list of images is that are kept fresh. */
export interface WarmStatus {
  /** How many there are. */
  readonly images: number;
  readonly everySeconds: number;
  readonly running: boolean;
  /** When they were looked at last; absent before the first time, as are the facts about it. */
  readonly lastAt?: string;
  readonly failed?: number;
  /** How many may be older than upstream's, as that could not be asked. */
  readonly stale?: number;
  readonly fetchedBytes?: number;
  /** The first of those that failed. */
  readonly failures?: readonly { readonly image: string; readonly reason: string }[];
  /** When they are looked at next; absent meanwhile. */
  readonly nextAt?: string;
}

/** How much is kept, and how much may be. */
export interface StoreStatus {
  readonly contents: number;
  readonly sizeBytes: number;
  readonly maxBytes: number;
}

/** How much is hosted: content of several repositories counts once. */
export interface HostedStatus {
  readonly repositories: number;
  readonly contents: number;
  readonly sizeBytes: number;
}

/** How one upstream is. */
export interface UpstreamStatus {
  readonly name: string;
  readonly circuit: {
    readonly state: CircuitState;
    /** How many requests have failed since the last that did not. */
    readonly failures: number;
    /** Until when it is left alone; absent while it is not. */
    readonly until?: string;
  };
  /** What it said last of its pull rate limit, while that can still be true. */
  readonly rateLimit?: {
    readonly limit: number;
    readonly remaining: number;
    readonly windowSeconds?: number;
    /** Whom it counts for: an address, or an account's number. */
    readonly source?: string;
    readonly at: string;
    /** How much of it is kept for content that is not here. */
    readonly reserved: number;
  };
  /** The requests to it that wait in line; absent when any number may be under way. */
  readonly requests?: { readonly waiting: number };
  /** Until when it asked us to wait: with what it counts, and with everything. */
  readonly waits?: { readonly countedUntil: string; readonly allUntil?: string };
  /** Why tags that are here are served without asking; absent while they are not. */
  readonly saving?: string;
  readonly lastError?: { readonly at: string; readonly code: string };
}

/** Whether requests to an upstream pass, none does, or one does to find out. */
export type CircuitState = 'closed' | 'open' | 'probing';
