/** What is asked of an upstream, as metrics and logs name it. */
export type UpstreamOperation = 'manifest' | 'blob' | 'tags' | 'referrers' | 'catalog' | 'ping';

/** One request to an upstream that was answered or given up, retries, tokens and redirects included. */
export interface UpstreamEvent {
  readonly upstream: string;
  readonly operation: UpstreamOperation;
  readonly method: 'GET' | 'HEAD';
  /** The status of the answer, or the code of the error. */
  readonly result: string;
  /** Until the head of the answer was there, in milliseconds. */
  readonly durationMs: number;
}

/** Is told what goes on between us and the upstreams. It must not throw. */
export interface UpstreamObserver {
  answered(event: UpstreamEvent): void;
  /** Bytes of blobs that came from upstream. */
  fetched(upstream: string, bytes: number): void;
}
