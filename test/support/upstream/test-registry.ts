import { type Clock, systemClock } from '../../../src/util/time/clock.ts';
import { Content } from '../content/content.ts';
import type { Faults } from '../registry/faults.ts';
import type { Auth } from '../registry/gatekeeper.ts';
import type { TlsOptions } from '../registry/listener.ts';
import type { Quirks } from '../registry/quirks.ts';
import type { Recorder } from '../registry/recorder.ts';
import { RegistryServer } from '../registry/server.ts';

/** What a test registry is started with. */
export interface TestRegistryOptions {
  /** Empty unless given; it may change while the registry runs. */
  readonly content?: Content;
  readonly quirks?: Quirks;
  readonly auth?: Auth;
  /** Serves HTTPS, on all of its servers. */
  readonly tls?: TlsOptions;
  /** For token and URL life times, and for `throttle`. */
  readonly clock?: Clock;
  /** The address of loopback that the CDN listens on; 127.0.0.1, another port, unless given. */
  readonly cdnHost?: string;
}

/** A registry over HTTP that can be as odd and as broken as the real ones. */
export interface TestRegistry {
  readonly url: string;
  /** Host and port. */
  readonly authority: string;
  /** The origin of absolute redirects. */
  readonly cdnUrl: string;
  readonly content: Content;
  /** Every request that came, to any of its servers. */
  readonly requests: Recorder;
  readonly faults: Faults;
  /** How many connections clients have opened to the registry itself, not counting CDN and token server. */
  readonly connectionsOpened: number;
  /** How many connections are open now, to any of its servers. */
  readonly connectionsOpen: number;
  /** How many tokens were issued. */
  readonly tokensIssued: number;
  /** Replaces all quirks from the next request on, and counts pulls from 0 again. */
  setQuirks(quirks: Quirks): void;
  /** Makes every token that was issued so far invalid. */
  expireTokens(): void;
  /** Cuts all connections and stops. Rejects when the registry itself went wrong, or a fault made no sense. */
  close(): Promise<void>;
}

/** Starts a test registry on loopback. */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const { content = new Content(), auth = { kind: 'none' }, quirks = {}, tls, clock = systemClock } = options;
  const server = new RegistryServer({ content, auth, quirks, tls, clock });
  await server.open('registry', '127.0.0.1');
  await server.open('cdn', options.cdnHost ?? '127.0.0.1');
  if (auth.kind === 'bearer' && auth.tokenHost !== undefined) await server.open('token', auth.tokenHost);
  const { url, authority } = server.listener('registry');
  return {
    url,
    authority,
    cdnUrl: server.listener('cdn').url,
    content,
    requests: server.requests,
    faults: server.faults,
    get connectionsOpened() {
      return server.listener('registry').connectionsOpened;
    },
    get connectionsOpen() {
      return server.connectionsOpen;
    },
    get tokensIssued() {
      return server.tokens?.issued ?? 0;
    },
    setQuirks: (next) => server.setQuirks(next),
    expireTokens: () => server.tokens?.expireTokens(),
    close: () => server.close(),
  };
}
