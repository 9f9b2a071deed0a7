import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { CertifiedKey } from './ca/certificates.ts';
import { parseHost } from './connect/target.ts';

/** What intercepting works with. */
export interface InterceptionTools {
  /** A certificate for a host, and its key; the same ones while they are good. */
  leafFor(host: string): Promise<CertifiedKey>;
  /** For how long a handshake may take. */
  readonly handshakeMs: number;
}

/** Speaks TLS with clients in the place of the hosts that they asked for. */
export class Interception {
  readonly #tools: InterceptionTools;
  // One context for each certificate: sessions are resumed within it.
  readonly #contexts = new WeakMap<CertifiedKey, SecureContext>();

  constructor(tools: InterceptionTools) {
    this.#tools = tools;
  }

  /** Makes ready for a host, so that a certificate that cannot be had is known before the client is told to begin. */
  async prepare(host: string): Promise<SecureContext> {
    const leaf = await this.#tools.leafFor(host);
    const known = this.#contexts.get(leaf);
    if (known) return known;
    const context = createSecureContext({ cert: leaf.cert, key: leaf.key, minVersion: 'TLSv1.2' });
    this.#contexts.set(leaf, context);
    return context;
  }

  /**
   * Shakes hands, as this host and no other.
   * @throws Error when the client names another host (SNI), wants a protocol that is not spoken here, takes too long, or
   *   does not trust the certificate
   */
  shakeHands(socket: Socket, host: string, context: SecureContext): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const secure = new TLSSocket(socket, {
        isServer: true,
        secureContext: context,
        ALPNProtocols: ['http/1.1'],
        SNICallback: (name, answer) => {
          if (parseHost(name) === host) answer(null, context);
          else
            answer(new Error(`the client names ${name.slice(0, 100)} (SNI), and asked to be connected with ${host}`));
        },
      });
      const end = (error?: Error) => {
        clearTimeout(limit);
        secure.removeListener('error', end);
        secure.removeListener('close', gone);
        if (error === undefined) return resolve(secure);
        secure.on('error', () => {});
        secure.destroy();
        reject(error);
      };
      const gone = () => end(new Error('the client left during the handshake'));
      const limit = setTimeout(() => end(new Error('the handshake took too long')), this.#tools.handshakeMs);
      secure.once('error', end);
      secure.once('close', gone);
      secure.once('secure', () => end());
    });
  }
}
