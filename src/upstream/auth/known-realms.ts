import { createHash } from 'node:crypto';
import type { ResponseHead } from '../transport/head.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { checkRealm } from './realm.ts';

// A registry has one realm; some that hold many registries have one for each of these.
const maxRealms = 64;
const maxRealmLength = 2048; // far above any; the field it comes in may be longer

/**
 * The token servers that one server of a registry has named, and may name: those that clients' logins are passed on to.
 * No other address ever gets there by a client's doing.
 */
export class KnownRealms {
  readonly #server: URL;
  readonly #tokenHosts: readonly string[];
  readonly #realms = new Map<string, URL>();

  constructor(server: URL, tokenHosts: readonly string[]) {
    this.#server = server;
    this.#tokenHosts = tokenHosts;
  }

  /** Remembers what a 401 of the server names, if it may name it. */
  note({ headers }: ResponseHead): void {
    for (const realm of bearerRealms(parseChallenges(headers.get('www-authenticate') ?? ''))) {
      let url: URL;
      try {
        url = checkRealm(realm, this.#server, this.#tokenHosts);
      } catch {
        continue; // the client may go there by itself; we do not
      }
      const id = idOf(realm);
      this.#realms.delete(id); // so that it stands at the end, as the youngest
      this.#realms.set(id, url);
      if (this.#realms.size > maxRealms) this.#realms.delete(this.#realms.keys().next().value!);
    }
  }

  /** The realm of this name. */
  find(id: string): URL | undefined {
    return this.#realms.get(id);
  }

  /**
   * The same challenge, with each realm that is known here at `place` in its stead, followed by the realm's name there.
   * Undefined when none of them is. What a client would send to a realm by TLS it is not told to send without.
   */
  rename(challenge: string, place: string): string | undefined {
    let isRenamed = false;
    const isPlain = place.startsWith('http:');
    const challenges = parseChallenges(challenge).map(({ scheme, parameters }) => {
      const realm = scheme === 'bearer' ? parameters.get('realm') : undefined;
      const url = realm === undefined ? undefined : this.#realms.get(idOf(realm));
      if (realm === undefined || url === undefined || (isPlain && url.protocol === 'https:')) {
        return render({ scheme, parameters });
      }
      isRenamed = true;
      return render({ scheme, parameters: new Map([...parameters, ['realm', place + idOf(realm)]]) });
    });
    return isRenamed ? challenges.join(', ') : undefined;
  }
}

function bearerRealms(challenges: readonly Challenge[]): string[] {
  return challenges
    .flatMap(({ scheme, parameters }) => (scheme === 'bearer' ? (parameters.get('realm') ?? []) : []))
    .filter((realm) => realm.length <= maxRealmLength);
}

/** Says which realm is meant, also after a restart; the realm itself it does not say, so that nobody can name another. */
function idOf(realm: string): string {
  return createHash('sha256').update(realm).digest('hex').slice(0, 16);
}

function render({ scheme, parameters }: Challenge): string {
  const name = `${scheme.slice(0, 1).toUpperCase()}${scheme.slice(1)}`;
  const values = [...parameters].map(([key, value]) => `${key}="${value.replace(/["\\]/g, '\\$&')}"`);
  return values.length === 0 ? name : `${name} ${values.join(',')}`;
}
