import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsPaths } from '../../../src/server/tls/tls-files.ts';
import type { CertifiedKey } from './certs.ts';

/** The files of a door of TLS. */
export interface TestTlsFiles {
  readonly paths: TlsPaths;
  /** Puts another text in the place of a file, all at once. */
  put(part: keyof TlsPaths, text: string): void;
  /** Puts another certificate and its key in place, one after the other. */
  putPair(pair: CertifiedKey): void;
}

/** Writes the files of a door of TLS into a folder. */
export function writeTlsFiles(folder: string, pair: CertifiedKey, clientCa?: string): TestTlsFiles {
  const paths = {
    cert: join(folder, 'door.crt'),
    key: join(folder, 'door.key'),
    clientCa: clientCa === undefined ? undefined : join(folder, 'clients.crt'),
  };
  const put = (part: keyof TlsPaths, text: string) => {
    const path = paths[part]!;
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const putPair = ({ cert, key }: CertifiedKey) => {
    put('cert', cert);
    put('key', key);
  };
  putPair(pair);
  if (clientCa !== undefined) put('clientCa', clientCa);
  return { paths, put, putPair };
}
