import { join } from 'node:path';

// The name of a file has at most 255 bytes, those that say which letters are capitals included.
const lowerPattern = /^[a-z0-9_-][a-z0-9._-]{0,254}$/;
const mixedPattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;
const maxNameLength = 1024; // with the folder of the data it fits into the 4,096 bytes that a path may have

/**
 * Where in a folder the record of a name is. Capitals are written small, with `=` and their places behind (a hexadecimal
 * digit for each four letters), as `Latest` and `latest` are the same file on many disks, and two tags in a registry.
 * @throws Error when it is no name of a record
 */
export function recordPath(folder: string, name: string): string {
  return join(folder, ...assertRecordName(name).split('/').map(fileNameOf));
}

/**
 * The name, if it is one that a record can have.
 * @throws Error when it is not, so that no name leads out of the folder
 */
export function assertRecordName(name: string): string {
  if (name.length <= maxNameLength && name.split('/').every(isSegment)) return name;
  throw new Error(`Cannot name a record "${name.slice(0, 300)}": see RecordStore for what a name is`);
}

/** Which segment of a name a file or folder is called by; undefined when none is. */
export function segmentOf(fileName: string): string | undefined {
  const [small = '', places = ''] = fileName.split('=');
  const isCapital = (index: number) => (Number.parseInt(places[index >> 2] ?? '0', 16) & (8 >> (index & 3))) !== 0;
  const segment = [...small].map((letter, index) => (isCapital(index) ? letter.toUpperCase() : letter)).join('');
  return isSegment(segment) && fileNameOf(segment) === fileName ? segment : undefined;
}

function isSegment(text: string): boolean {
  return lowerPattern.test(text) || mixedPattern.test(text);
}

function fileNameOf(segment: string): string {
  const small = segment.toLowerCase();
  if (small === segment) return segment;
  let places = '';
  for (let start = 0; start < segment.length; start += 4) {
    const isCapital = (index: number) => segment[start + index] !== small[start + index];
    places += [8, 4, 2, 1].reduce((sum, bit, index) => (isCapital(index) ? sum + bit : sum), 0).toString(16);
  }
  return `${small}=${places.replace(/0+$/, '')}`;
}
