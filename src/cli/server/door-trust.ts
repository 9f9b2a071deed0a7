import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { TlsConfig } from '../../config/config.ts';
import { systemReason } from '../../util/system/system-reason.ts';
import { CommandFailure } from '../command-failure.ts';

/** The flags about the TLS of the server that is asked. */
export interface TlsFlags {
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
}

/** What a client connects with to the door of its own machine. */
export type DoorTrust = Pick<
  ConnectionOptions,
  'ca' | 'cert' | 'key' | 'allowPartialTrustChain' | 'checkServerIdentity'
>;

/**
 * How the server of this machine is known again, and shown who asks: by the very certificate of its door, or, with
 * `--tls-ca`, by any of that authority. Its name does not count, as it is reached by an address of loopback.
 * @throws CommandFailure when a file cannot be read, or the door needs a certificate that is not given
 */
export function trustDoor(tls: TlsConfig, { tlsCa, tlsCert, tlsKey }: TlsFlags): DoorTrust {
  const identity = identityOf({ tlsCert, tlsKey });
  if (tls.clientCa !== undefined && tlsCert === undefined) {
    throw new CommandFailure('Cannot ask the server: it wants a certificate, name one with --tls-cert and --tls-key');
  }
  if (tlsCa !== undefined) return { ...identity, ca: readFlagFile(tlsCa), checkServerIdentity: () => undefined };
  const ca = readFlagFile(tls.cert);
  const { fingerprint256 } = new X509Certificate(ca);
  return {
    ...identity,
    ca,
    // It is trusted for being the one, whoever signed it.
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, shown) =>
      shown.fingerprint256 === fingerprint256
        ? undefined
        : new Error(`it shows another certificate than the one in "${tls.cert}"`),
  };
}

/**
 * How a server that is named is known again, and shown who asks: by the authorities that Node.js has, or that of `--tls-ca`.
 * @throws CommandFailure when a file cannot be read
 */
export function trustNamed({ tlsCa, ...flags }: TlsFlags): DoorTrust {
  return { ...(tlsCa === undefined ? {} : { ca: readFlagFile(tlsCa) }), ...identityOf(flags) };
}

function identityOf({ tlsCert, tlsKey }: TlsFlags): Pick<DoorTrust, 'cert' | 'key'> {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new CommandFailure('Cannot show a certificate to the server: it takes both --tls-cert and --tls-key');
  }
  return tlsCert && tlsKey ? { cert: readFlagFile(tlsCert), key: readFlagFile(tlsKey) } : {};
}

/** Reads a file that a flag names. @throws CommandFailure */
export function readFlagFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandFailure(`Cannot read "${path}": ${systemReason(error) ?? String(error)}`);
  }
}
