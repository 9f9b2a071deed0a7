import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import type { TestContext } from 'node:test';
import type { UpstreamConfig } from '../../../src/config/config.ts';
import { tmpDir } from '../disk/tmp.ts';
import { EventLog } from '../event-log.ts';
import { type RawRequestOptions, rawRequest } from '../http/raw-http.ts';
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '../upstream/test-registry.ts';
import { startTestCache, type TestCacheOptions } from './test-cache.ts';

/** What a stage is set up with; what is said of the cache counts when that is started. */
export interface StageOptions {
  readonly registry?: TestRegistryOptions;
  readonly cache?: Partial<TestCacheOptions>;
  /** What is said of the registry as an upstream, which is called `origin.test`. */
  readonly upstream?: Partial<UpstreamConfig>;
  /** Upstreams beside it. */
  readonly others?: TestCacheOptions['upstreams'];
  /** The folder of the cache's data, when it is not one that comes and goes with the test. */
  readonly data?: string;
}

/** A cache in front of a registry. */
export interface Stage {
  readonly origin: TestRegistry;
  readonly data: string;
  /** Every event of the cache, also of one that was started again. */
  readonly log: EventLog;
  /** The cache's own. */
  readonly url: string;
  /** Where its proxy door is; 0 without one. */
  readonly proxyPort: number;
  blobUrl(digest: string, repository?: string): string;
  manifestUrl(reference: string, repository?: string): string;
  /** As `rawRequest`; what was not read of the answer goes with the stage. */
  request(url: string, options?: RawRequestOptions): Promise<IncomingMessage>;
  /** Stops the cache, and starts it again on the same data; `between` is done while it is stopped. */
  restart(between?: () => Promise<void> | void): Promise<void>;
  /** Stops the cache. */
  stop(): Promise<void>;
}

/** The repository that tests pull from. */
export const repository = 'lib/app';

/**
 * Sets a stage that is cleared when the test is over: then no file of the cache's may be open, and every fault must
 * have struck. Waits are short; the cache breaks off what is under way when it is stopped.
 */
export async function setStage(t: TestContext, options: StageOptions = {}): Promise<Stage> {
  const data = options.data ?? tmpDir(t, { assertClosed: true });
  const origin = await startTestRegistry(options.registry);
  const log = new EventLog();
  const over = new AbortController();
  const start = () =>
    startTestCache({
      data,
      upstreams: [{ name: 'origin.test', urls: [new URL(origin.url)], ...options.upstream }, ...(options.others ?? [])],
      graceMs: 0,
      retry: { firstDelayMs: 1 },
      download: { firstDelayMs: 1, maxDelayMs: 1 },
      log,
      ...options.cache,
    });
  let cache = await start();
  t.after(async () => {
    over.abort();
    await cache.stop();
    const { unused } = origin.faults;
    await origin.close();
    assert.equal(unused, 0, 'faults that struck nobody');
  });
  return {
    origin,
    data,
    log,
    get url() {
      return cache.url;
    },
    get proxyPort() {
      return cache.proxyPort;
    },
    blobUrl: (digest, name = repository) => `${cache.url}/v2/${name}/blobs/${digest}`,
    manifestUrl: (reference, name = repository) => `${cache.url}/v2/${name}/manifests/${reference}`,
    request: (url, { signal = over.signal, ...others } = {}) =>
      rawRequest(url, { ...others, signal: AbortSignal.any([signal, over.signal]) }),
    async restart(between) {
      await cache.stop();
      await between?.();
      cache = await start();
    },
    stop: () => cache.stop(),
  };
}
