import { X509Certificate } from 'node:crypto';

/**
 * What a client has to trust of what a door shows: the certificates that are signed by themselves. A chain that has none
 * leads to an authority that is elsewhere, most likely in every system.
 */
export function ownAuthority(chain: string): string | undefined {
  const own = certificatesOf(chain).filter((certificate) => certificate.checkIssued(certificate));
  return own.length === 0 ? undefined : own.map(({ raw }) => toPem(raw)).join('');
}

/** The certificates of a PEM text, written anew: nothing else that is in it gets into a file of a client's. */
export function cleanPem(text: string): string | undefined {
  const certificates = certificatesOf(text);
  return certificates.length === 0 ? undefined : certificates.map(({ raw }) => toPem(raw)).join('');
}

/** A name that a certificate is for, and that a client may use; undefined when it has none. */
export function nameOfCertificate(chain: string): string | undefined {
  const names = certificatesOf(chain)[0]?.subjectAltName ?? '';
  return /(?:^|, )DNS:([a-z0-9][a-z0-9.-]*)/i.exec(names)?.[1];
}

function certificatesOf(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return []; // looks like one, and is none
    }
  });
}

function toPem(raw: Buffer): string {
  const lines = raw.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
