import { readFile } from 'node:fs/promises';
import { checkServerPems, PemProblem, type ServerPems, type Validity } from '../../util/watched/certified-key.ts';
import { stampFiles } from '../../util/watched/watched-stamp.ts';

/** What was read of the files of a door, and fits together. */
export interface TlsFiles extends ServerPems {
  readonly validity: Validity;
}

/** Where the files are. */
export type TlsPaths = ServerPems;

/**
 * Reads the files of a door.
 * @throws Error that names the file that cannot be used, and quotes none of it
 */
export async function readTlsFiles(door: string, paths: TlsPaths): Promise<TlsFiles> {
  const [cert, key, clientCa] = await Promise.all([
    readPart(door, 'cert', paths.cert),
    readPart(door, 'key', paths.key),
    paths.clientCa === undefined ? undefined : readPart(door, 'clientCa', paths.clientCa),
  ]);
  try {
    return { cert, key, clientCa, validity: checkServerPems({ cert, key, clientCa }) };
  } catch (error) {
    if (!(error instanceof PemProblem)) throw error;
    throw unusable(door, error.part, paths[error.part] ?? '', error.message);
  }
}

/** What changes whenever one of the files does. */
export function stampTlsFiles({ cert, key, clientCa }: TlsPaths): Promise<string> {
  return stampFiles(clientCa === undefined ? [cert, key] : [cert, key, clientCa]);
}

async function readPart(door: string, part: keyof ServerPems, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw unusable(door, part, path, codeOf(error));
  }
}

// With a code, as what the surroundings are at fault for.
function unusable(door: string, part: keyof ServerPems, path: string, reason: string): Error {
  return Object.assign(new Error(`Cannot use doors.${door}.tls.${part} "${path}": ${reason}`), {
    code: 'TLS_FILE_UNUSABLE',
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
