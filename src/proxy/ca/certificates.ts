import 'reflect-metadata';
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  webcrypto,
} from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import {
  decodeNameConstraints,
  describeConstraints,
  encodeNameConstraints,
  nameConstraintsOid,
  permits,
} from './name-constraints.ts';

cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);

const dayMs = 24 * 60 * 60_000;

/** As long as root stores keep theirs: it is installed by hand, on many machines. */
export const authorityLifeMs = 10 * 365 * dayMs;

/** A leaf is made anew whenever it is asked for and old, so it need not live long. */
export const leafLifeMs = 7 * dayMs;

/** The clock of a client may be so much behind. */
export const skewMs = dayMs;

const maxCommonName = 64; // X.520's limit; a longer host stands in the alternative names alone

/** A certificate and its key, as PEM. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

/** An authority that signs for hosts. */
export interface Authority extends CertifiedKey {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** What it may sign for, for people to read; undefined for every host. */
  readonly hosts: readonly string[] | undefined;
  /** Whether what it signs for this host is taken by whoever trusts it. */
  permits(host: string): boolean;
}

/**
 * Makes an authority, of ECDSA P-256.
 * @param hosts what it may sign for, each with all below it, and nothing else; undefined for everything
 */
export async function makeAuthority(hosts: readonly string[] | undefined, nowMs: number): Promise<Authority> {
  const pair = newKeyPair();
  const name = `CN=Entrepot ${new Date(nowMs).toISOString().slice(0, 10)} ${randomBytes(3).toString('hex')}`;
  const publicKey = await importPublic(pair.publicKey);
  const certificate = await X509CertificateGenerator.create({
    ...{ serialNumber: newSerial(), subject: name, issuer: name },
    notBefore: new Date(nowMs - skewMs),
    notAfter: new Date(nowMs + authorityLifeMs),
    publicKey,
    signingKey: await importPrivate(pair.privateKey),
    signingAlgorithm: signatureOf(pair.privateKey),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
      ...(hosts === undefined ? [] : [new Extension(nameConstraintsOid, true, encodeNameConstraints(hosts))]),
    ],
  });
  return readAuthority({ cert: `${certificate.toString('pem')}\n`, key: pemOf(pair.privateKey) });
}

/**
 * Reads an authority.
 * @throws Error that says what is wrong: no certificate, no key, not of one another, or no authority
 */
export function readAuthority({ cert, key }: CertifiedKey): Authority {
  const certificate = new X509Certificate(cert);
  const privateKey = createPrivateKey(key);
  const spki = Buffer.from(certificate.publicKey.rawData);
  if (!spki.equals(publicOf(privateKey))) throw new Error('the key is not that of the certificate');
  if (certificate.getExtension(BasicConstraintsExtension)?.ca !== true) {
    throw new Error('the certificate is none of an authority (CA:TRUE is missing)');
  }
  const extension = certificate.getExtension(nameConstraintsOid);
  const constraints = extension ? decodeNameConstraints(Buffer.from(extension.value)) : undefined;
  return {
    ...{ cert, key },
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    hosts: constraints && describeConstraints(constraints),
    permits: (host) => constraints === undefined || permits(constraints, host),
  };
}

/** Signs a certificate for a host with a key of its own; the authority's follows it in `cert`. */
export async function makeLeaf(authority: Authority, host: string, nowMs: number): Promise<CertifiedKey> {
  const issuer = new X509Certificate(authority.cert);
  const issuerKey = createPrivateKey(authority.key);
  const pair = newKeyPair();
  const publicKey = await importPublic(pair.publicKey);
  const isAddress = isIP(host) !== 0;
  // OpenSSL holds a common name against the constraints on domains, whatever it is.
  const hasCommonName = !isAddress && host.length <= maxCommonName;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: hasCommonName ? `CN=${host}` : '',
    issuer: issuer.subjectName,
    // It may not begin before its authority does, nor outlive it.
    notBefore: new Date(Math.max(nowMs - skewMs, authority.notBeforeMs)),
    notAfter: new Date(Math.min(nowMs + leafLifeMs, authority.notAfterMs)),
    publicKey,
    signingKey: await importPrivate(issuerKey),
    signingAlgorithm: signatureOf(issuerKey),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      // RFC 5280, 4.2.1.6: critical where the subject is empty.
      new SubjectAlternativeNameExtension([{ type: isAddress ? 'ip' : 'dns', value: host }], !hasCommonName),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { cert: `${certificate.toString('pem')}\n${authority.cert}`, key: pemOf(pair.privateKey) };
}

function newKeyPair() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

// Positive, and 16 bytes at most: the CA/B rules want 64 random bits, RFC 5280 no more than 20 bytes.
function newSerial(): string {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial.toString('hex');
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function publicOf(key: KeyObject): Buffer {
  return Buffer.from(createPublicKey(key).export({ type: 'spki', format: 'der' }));
}

/** How a key signs. @throws Error for a kind of key that clients do not take */
function signatureOf(key: KeyObject) {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
  const namedCurve = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (namedCurve === undefined) throw new Error('the key is neither RSA nor ECDSA on P-256 or P-384');
  return { name: 'ECDSA', namedCurve, hash: namedCurve === 'P-256' ? 'SHA-256' : 'SHA-384' } as const;
}

const curves: Readonly<Record<string, 'P-256' | 'P-384'>> = { prime256v1: 'P-256', secp384r1: 'P-384' };

async function importPrivate(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return key.toCryptoKey(signatureOf(key), false, ['sign']);
}

async function importPublic(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return key.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
}
