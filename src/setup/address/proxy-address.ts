import { parseHostHeader } from './address.ts';

/** How a machine reaches the proxy, and what is to be said about that. */
export interface ProxyAddress {
  readonly proxy: string;
  readonly note: string | undefined;
}

/** Where the proxy door is, and how a client has come to ask. */
export interface ProxyAddressOptions {
  /** Where it listens; the host is empty for every address. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Whether only its own machine reaches that. */
  readonly isLocal: boolean;
  /** The `Host` of the request: a name that the client knows this machine by. */
  readonly host: string | undefined;
  /** The address of this machine that the request came to. */
  readonly localAddress: string | undefined;
}

/** The address of the proxy by the name that the client has used for this machine. */
export function proxyAddress({ listen, isLocal, host, localAddress }: ProxyAddressOptions): ProxyAddress {
  const own = bracketed(listen.host);
  if (isLocal) {
    const proxy = `http://${own}:${listen.port}`;
    return {
      proxy,
      note: `The proxy listens on ${own} alone, so no other machine reaches it: doors.proxy.listen opens it to others.`,
    };
  }
  const used = parseHostHeader(host)?.name;
  const address = bracketed((localAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, ''));
  return { proxy: `http://${used ?? (own || address || 'localhost')}:${listen.port}`, note: undefined };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
