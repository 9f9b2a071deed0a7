import type { RequestListener, ServerOptions } from 'node:http';
import https from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { Log } from '../../util/log/log.ts';
import type { DoorCertificate } from './door-certificate.ts';
import { Handshakes } from './handshakes.ts';
import type { TlsFiles } from './tls-files.ts';

/** What makes a door one of TLS. */
export interface DoorTls {
  readonly door: string;
  readonly certificate: DoorCertificate;
  /** For how long browsers are told to come by TLS alone; undefined for not telling them. */
  readonly hstsMs: number | undefined;
  readonly log: Log;
}

/** Makes a server that answers by TLS alone. */
export function createTlsServer(
  options: ServerOptions & { readonly handshakeTimeout: number },
  listener: RequestListener,
  { door, certificate, hstsMs, log }: DoorTls,
): { readonly server: https.Server; readonly handshakes: Handshakes } {
  const { files } = certificate;
  const asksClients = files.clientCa !== undefined;
  const server = https.createServer(
    { ...options, ...contextOf(files), requestCert: asksClients, rejectUnauthorized: asksClients },
    hstsMs === undefined ? listener : withHsts(listener, hstsMs),
  );
  certificate.onRenewed((renewed) => server.setSecureContext(contextOf(renewed)));
  return { server, handshakes: new Handshakes(server, door, log) };
}

function contextOf({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  return {
    cert,
    key,
    ca: clientCa,
    minVersion: 'TLSv1.2',
    // The client's order, which knows what its machine is quick at; what is not safe is not among ours.
    honorCipherOrder: false,
  };
}

function withHsts(listener: RequestListener, hstsMs: number): RequestListener {
  const value = `max-age=${Math.floor(hstsMs / 1000)}`;
  return (request, response) => {
    response.setHeader('strict-transport-security', value);
    listener(request, response);
  };
}
