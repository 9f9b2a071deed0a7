import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostNames } from './namespace.ts';
import { run } from './processes.ts';

/** The files of the test's own certificate authority. */
export interface Certificates {
  /** The authority that clients trust. */
  readonly authority: string;
  /** The certificate that every made-up server shows, with the authority after it, and its key. */
  readonly server: string;
  readonly serverKey: string;
  /** What the token server signs with: the registries know the certificate. */
  readonly token: string;
  readonly tokenKey: string;
}

const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const rsa = ['-newkey', 'rsa:2048', '-nodes'];

/** Makes a certificate authority, a certificate for all names of the made-up registries, and a token signing key. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  await mkdir(folder);
  const file = (name: string) => join(folder, name);
  const [authorityKey, request, leaf, extensions] = ['ca.key', 'server.csr', 'leaf.crt', 'extensions'].map(file);
  const certificates = {
    authority: file('ca.crt'),
    server: file('server.crt'),
    serverKey: file('server.key'),
    token: file('token.crt'),
    tokenKey: file('token.key'),
  };
  const selfSigned = (name: string, key: string, out: string) => [
    '-x509',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    key,
    '-out',
    out,
  ];
  await run('openssl', ['req', ...elliptic, ...selfSigned('End-to-end tests', authorityKey!, certificates.authority)]);
  await run('openssl', ['req', ...rsa, ...selfSigned('End-to-end tokens', certificates.tokenKey, certificates.token)]);
  const names = Object.values(hostNames).flat();
  const alternatives = names.map((name) => `DNS:${name}`).join(',');
  await writeFile(
    extensions!,
    `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`,
  );
  await run('openssl', [
    'req',
    ...elliptic,
    '-subj',
    '/CN=registries',
    '-keyout',
    certificates.serverKey,
    '-out',
    request!,
  ]);
  const signer = ['-CA', certificates.authority, '-CAkey', authorityKey!, '-CAcreateserial', '-extfile', extensions!];
  await run('openssl', ['x509', '-req', '-in', request!, ...signer, '-out', leaf!]);
  const chain = await Promise.all([readFile(leaf!), readFile(certificates.authority)]);
  await writeFile(certificates.server, Buffer.concat(chain));
  return certificates;
}
