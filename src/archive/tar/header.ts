/** The unit of tar: headers are one, and contents are padded to the next. */
export const blockBytes = 512;

/** What a header is of: content, a folder, a note about the next header (`pax`, or a long name), or something else. */
export type TarKind = 'file' | 'folder' | 'pax' | 'globalPax' | 'longName' | 'sparse' | 'other';

/** One header, as it stands there. */
export interface TarHeader {
  readonly name: string;
  readonly kind: TarKind;
  readonly sizeBytes: number;
}

// Where the fields are (POSIX ustar): offset and length.
const fields = {
  name: [0, 100],
  mode: [100, 8],
  owner: [108, 8],
  group: [116, 8],
  size: [124, 12],
  time: [136, 12],
  checksum: [148, 8],
  kind: [156, 1],
  magic: [257, 8],
  prefix: [345, 155],
} as const;

/** What the eleven octal digits of a size can say; larger ones are in a pax header. */
export const maxUstarSizeBytes = 8 ** 11 - 1;
/** How long a name the header has room for, as it is written here: without the prefix. */
export const maxUstarNameBytes = 100;

const kinds: Readonly<Record<string, TarKind>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file', // contiguous, of systems that had such
  '5': 'folder',
  x: 'pax',
  g: 'globalPax',
  L: 'longName',
  S: 'sparse',
};

/**
 * Reads a header; undefined for a block of zeros, which ends an archive.
 * @throws Error that says what is wrong with it
 */
export function readHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const [at, length] = fields.checksum;
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= at && index < at + length ? 0x20 : byte;
  if (readNumber(block, fields.checksum) !== sum) throw new Error('a header has a wrong checksum');
  const isUstar = readText(block, [257, 5]) === 'ustar';
  // What follows the magic in GNU's older format is no prefix.
  const prefix = isUstar && block[262] === 0 ? readText(block, fields.prefix) : '';
  const name = readText(block, fields.name);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    kind: kinds[String.fromCharCode(block[fields.kind[0]] ?? 0)] ?? 'other',
    sizeBytes: readNumber(block, fields.size),
  };
}

/** Writes a header; name and size have room in it. The same is written for the same, whoever writes it and when. */
export function writeHeader(name: string, kind: 'file' | 'folder' | 'pax', sizeBytes: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const put = ([offset]: readonly [number, number], text: string) => block.write(text, offset, 'utf8');
  const octal = (value: number, [, length]: readonly [number, number]) => value.toString(8).padStart(length - 1, '0');
  put(fields.name, name);
  put(fields.mode, octal(kind === 'folder' ? 0o755 : 0o644, fields.mode));
  put(fields.owner, octal(0, fields.owner));
  put(fields.group, octal(0, fields.group));
  put(fields.size, octal(sizeBytes, fields.size));
  put(fields.time, octal(0, fields.time));
  put(fields.kind, { file: '0', folder: '5', pax: 'x' }[kind]);
  put(fields.magic, 'ustar\x0000');
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(fields.checksum, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

function readText(block: Uint8Array, [offset, length]: readonly [number, number]): string {
  const bytes = Buffer.from(block.buffer, block.byteOffset + offset, length);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? length : end);
}

function readNumber(block: Uint8Array, [offset, length]: readonly [number, number]): number {
  const first = block[offset] ?? 0;
  if (first === 0x80) return readBinary(block.subarray(offset + 1, offset + length));
  const text = readText(block, [offset, length]).trim();
  if (!/^[0-7]*$/.test(text)) throw new Error('a header has a number that is none');
  return Number.parseInt(text || '0', 8);
}

// GNU's way to say what octal digits have no room for.
function readBinary(bytes: Uint8Array): number {
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw new Error('a header has a number that is too large');
  return value;
}
