import { isIP } from 'node:net';
import { type ProxyTarget, parseHost } from './connect/target.ts';

/** A registry, and where clients look for it. */
export interface HostedAt<Registry> {
  readonly registry: Registry;
  /** Its names, each perhaps with a port, and the URLs that it is asked at. */
  readonly names: readonly string[];
  readonly urls: readonly URL[];
}

const httpsPort = 443;
const httpPort = 80;

/** Which registry is at a host and port. */
export class RegistryHosts<Registry> {
  readonly #secure = new Map<string, Registry>();
  readonly #plain = new Map<string, Registry>();
  readonly #hosts = new Set<string>();

  /** @param entries of two that claim one place, the first has it */
  constructor(entries: readonly HostedAt<Registry>[]) {
    for (const { registry, names, urls } of entries) {
      for (const name of names) this.#addName(name, registry);
      for (const url of urls) {
        const isPlain = url.protocol === 'http:';
        this.#add(isPlain ? this.#plain : this.#secure, url.hostname, portOf(url), registry);
      }
    }
  }

  /** Every host that is served over TLS, in lexical order: what the authority has to sign for. */
  get hosts(): readonly string[] {
    return [...this.#hosts].sort();
  }

  /** The registry that a client would reach there by TLS. */
  secure({ host, port }: ProxyTarget): Registry | undefined {
    return this.#secure.get(`${host}:${port}`);
  }

  /** The registry that a client would reach there by plain HTTP. */
  plain({ host, port }: ProxyTarget): Registry | undefined {
    return this.#plain.get(`${host}:${port}`);
  }

  #addName(name: string, registry: Registry): void {
    const [, host = name, port] = /^(.*):(\d+)$/.exec(name) ?? [];
    this.#add(this.#secure, host, port === undefined ? httpsPort : Number(port), registry);
  }

  #add(places: Map<string, Registry>, written: string, port: number, registry: Registry): void {
    const host = isIP(written) === 6 ? written : parseHost(written);
    if (host === undefined || places.has(`${host}:${port}`)) return;
    places.set(`${host}:${port}`, registry);
    if (places === this.#secure) this.#hosts.add(host);
  }
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'http:' ? httpPort : httpsPort;
}
