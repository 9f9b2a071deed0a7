import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** What a server needs for TLS, as PEM. */
export interface ServerPems {
  /** Its certificate, followed by those that lead to the authority. */
  readonly cert: string;
  readonly key: string;
  /** The authorities whose certificates clients must have; undefined when they need none. */
  readonly clientCa: string | undefined;
}

/** When a certificate counts. */
export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** One of the files for TLS cannot be used. The message quotes none of it. */
export class PemProblem extends Error {
  override readonly name = 'PemProblem';
  readonly part: keyof ServerPems;

  constructor(part: keyof ServerPems, reason: string) {
    super(reason);
    this.part = part;
  }
}

/**
 * Checks what a server is to show and to ask for, and says when its certificate counts.
 * @throws PemProblem when there is no certificate or key in it, or they do not belong together
 */
export function checkServerPems(pems: ServerPems): Validity {
  const certificate = parseCertificate('cert', pems.cert);
  if (!certificate.checkPrivateKey(parseKey(pems.key))) {
    throw new PemProblem('key', 'it is not the key of the (first) certificate in cert');
  }
  if (pems.clientCa !== undefined) parseCertificate('clientCa', pems.clientCa);
  try {
    createSecureContext({ cert: pems.cert, key: pems.key, ca: pems.clientCa });
  } catch (error) {
    // A further certificate that is broken, or a key that is too short to be safe.
    throw new PemProblem('cert', `it cannot be used for TLS: ${(error as Error).message}`);
  }
  return { fromMs: Date.parse(certificate.validFrom), untilMs: Date.parse(certificate.validTo) };
}

function parseCertificate(part: 'cert' | 'clientCa', pem: string): X509Certificate {
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new PemProblem(part, 'there is no certificate in it; expected a line -----BEGIN CERTIFICATE-----');
  }
  try {
    return new X509Certificate(pem);
  } catch {
    throw new PemProblem(part, 'the certificate in it cannot be read');
  }
}

function parseKey(pem: string): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new PemProblem('key', 'there is no key in it; expected a line -----BEGIN PRIVATE KEY-----');
  }
  try {
    return createPrivateKey(pem);
  } catch {
    const isLocked = pem.includes('ENCRYPTED'); // in either of the two forms of such a key
    throw new PemProblem('key', isLocked ? 'it needs a passphrase; expected a key without' : 'it cannot be read');
  }
}
