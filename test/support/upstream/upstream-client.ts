import type { TestContext } from 'node:test';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import type { UpstreamOptions } from '../../../src/upstream/asking.ts';
import { UpstreamRegistry } from '../../../src/upstream/client.ts';
import {
  type CredentialSource,
  type Credentials,
  fixedCredentials,
} from '../../../src/upstream/credentials/credential-source.ts';
import type { UpstreamEvent } from '../../../src/upstream/observer.ts';
import { Transport, type TransportOptions } from '../../../src/upstream/transport/transport.ts';
import { Content } from '../content/content.ts';
import { makeImage, type TestImage } from '../content/images.ts';
import { ManualClock } from '../time/clock.ts';
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from './test-registry.ts';

/** The repository that a test upstream has from the start, with an image under the tag `latest`. */
export const repository = parseRepository('library/app');
/** The tag of that image. */
export const latest = parseTag('latest');
/** A signal that never fires. */
export const patient = new AbortController().signal;

/** What a client is made with; what is left out is as in the product, with a clock that stands still. */
export interface TestClientOptions
  extends Partial<Omit<UpstreamOptions, 'transport' | 'clock' | 'credentials'>>,
    TransportOptions {
  readonly clock?: ManualClock;
  /** A source of credentials, or what never changes. */
  readonly credentials?: CredentialSource | Credentials | undefined;
}

/** The upstream client over a transport of its own. */
export interface TestClient {
  readonly registry: UpstreamRegistry;
  readonly transport: Transport;
  readonly clock: ManualClock;
  /** Every request as the observer was told of it. */
  readonly answered: readonly UpstreamEvent[];
  /** The bytes of blobs that the observer was told of, count by count. */
  readonly fetched: readonly number[];
}

/** Makes a client for the servers of these URLs; it is closed when the test is over. */
export function makeClient(
  t: Pick<TestContext, 'after'>,
  urls: readonly string[],
  options: TestClientOptions = {},
): TestClient {
  const { limits, proxyFor, clock = new ManualClock(), credentials, ...rest } = options;
  const transport = new Transport({
    ...(limits === undefined ? {} : { limits }),
    ...(proxyFor === undefined ? {} : { proxyFor }),
  });
  t.after(() => transport.close());
  const answered: UpstreamEvent[] = [];
  const fetched: number[] = [];
  const registry = new UpstreamRegistry({
    name: 'origin.test',
    urls: urls.map((url) => new URL(url)),
    userAgent: 'Entrepot/test',
    random: () => 1,
    observer: {
      answered: (event) => answered.push(event),
      fetched: (_upstream, bytes) => fetched.push(bytes),
    },
    ...rest,
    credentials: credentials && !('current' in credentials) ? fixedCredentials(credentials) : credentials,
    transport,
    clock,
  });
  return { registry, transport, clock, answered, fetched };
}

/** A test registry with one image in it, and a client for it. */
export interface TestUpstream extends TestClient {
  readonly server: TestRegistry;
  readonly image: TestImage;
}

/** Starts a test registry, on the client's clock, and makes a client for it. Both end with the test. */
export async function startUpstream(
  t: Pick<TestContext, 'after'>,
  serverOptions: TestRegistryOptions = {},
  clientOptions: TestClientOptions = {},
): Promise<TestUpstream> {
  const clock = clientOptions.clock ?? new ManualClock();
  const content = serverOptions.content ?? new Content();
  const image = makeImage({ seed: 'app', layers: [1_000] });
  content.push(repository, image, latest);
  const server = await startTestRegistry({ clock, ...serverOptions, content });
  const client = makeClient(t, [server.url], { ...clientOptions, clock });
  t.after(() => server.close());
  return { server, image, ...client };
}

/** Ends every wait on a clock as soon as it begins; the waits so far, in milliseconds. */
export function skipSleeps(clock: ManualClock): readonly number[] {
  const sleeps: number[] = [];
  const skip = async (): Promise<void> => {
    const { delayMs } = await clock.nextSleep();
    sleeps.push(delayMs);
    clock.advance(delayMs);
    return skip();
  };
  void skip();
  return sleeps;
}
