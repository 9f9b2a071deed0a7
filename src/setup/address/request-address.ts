import { otherDoor, parseHostHeader } from './address.ts';

/** How a client came to ask. */
export interface RequestWay {
  /** Its `Host`. */
  readonly host: string | undefined;
  /** What a balancer in front says: `https` where it speaks TLS with the client. */
  readonly forwardedProto: string | undefined;
  /** Where on this machine the request came in. */
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
}

/** Where the registry door is, by the name that a client has used for this machine, at this or another of its doors. */
export function registryAddress(way: RequestWay, door: { readonly port: number; readonly isTls: boolean }): string {
  const used = parseHostHeader(way.host);
  const isHere = way.localPort === door.port;
  if (used !== undefined && isHere) {
    const isTls = door.isTls || /^https$/i.test(way.forwardedProto?.split(',')[0]?.trim() ?? '');
    return `${isTls ? 'https' : 'http'}://${used.name}${used.port}`;
  }
  return otherDoor(`http://${used?.name ?? ownAddress(way)}`, door, door.isTls);
}

function ownAddress({ localAddress = '' }: RequestWay): string {
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  if (address === '') return 'localhost';
  return address.includes(':') ? `[${address}]` : address;
}
