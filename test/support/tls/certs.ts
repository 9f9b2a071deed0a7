import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, as PEM. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

/** An authority, and what it signed: a server's certificate and a client's. */
export interface Certificates {
  readonly ca: CertifiedKey;
  readonly server: CertifiedKey;
  readonly client: CertifiedKey;
}

const lifetimeDays = '2'; // outlives any test run, and is worth nothing afterwards

const made = new Map<string, Certificates>(); // one openssl run per process and list of names is enough

/** Makes certificates with the `openssl` command; the server's is for loopback and for the names given. */
export function certificates(names: readonly string[] = []): Certificates {
  const subjects = ['DNS:localhost', 'IP:127.0.0.1', 'IP:127.0.0.2', 'IP:::1', ...names.map((name) => `DNS:${name}`)];
  const known = made.get(subjects.join());
  if (known !== undefined) return known;
  const directory = mkdtempSync(join(tmpdir(), 'entrepot-certs-'));
  try {
    const ca = makeAuthority(directory);
    const server = sign(directory, 'server', [
      'extendedKeyUsage=serverAuth',
      `subjectAltName=${subjects.join()}`,
      'basicConstraints=CA:FALSE',
    ]);
    const client = sign(directory, 'client', ['extendedKeyUsage=clientAuth', 'basicConstraints=CA:FALSE']);
    made.set(subjects.join(), { ca, server, client });
    return { ca, server, client };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function makeAuthority(directory: string): CertifiedKey {
  openssl(directory, [
    ...['req', '-x509', ...newKey, '-days', lifetimeDays, '-subj', '/CN=Entrepot test authority'],
    ...['-addext', 'keyUsage=critical,keyCertSign', '-keyout', 'ca.key', '-out', 'ca.crt'],
  ]);
  return readPair(directory, 'ca');
}

function sign(directory: string, name: string, extensions: readonly string[]): CertifiedKey {
  writeFileSync(join(directory, `${name}.ext`), extensions.join('\n'));
  openssl(directory, [
    'req',
    '-new',
    ...newKey,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  ]);
  openssl(directory, [
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-days', lifetimeDays, '-extfile', `${name}.ext`, '-out', `${name}.crt`],
  ]);
  return readPair(directory, name);
}

function readPair(directory: string, name: string): CertifiedKey {
  const read = (extension: string) => readFileSync(join(directory, `${name}.${extension}`), 'utf8');
  return { cert: read('crt'), key: read('key') };
}

function openssl(directory: string, args: readonly string[]): void {
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
}
