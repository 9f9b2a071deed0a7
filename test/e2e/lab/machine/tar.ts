const blockBytes = 512;

/** A file of a layer. */
export interface TarFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Writes files as a tar archive (ustar), the same for the same files on every run. */
export function writeTar(files: readonly TarFile[]): Buffer {
  const pieces = files.flatMap(({ name, bytes }) => {
    const padding = Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes);
    return [writeHeader(name, bytes.length), bytes, padding];
  });
  return Buffer.concat([...pieces, Buffer.alloc(2 * blockBytes)]);
}

function writeHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 7), 100); // mode
  header.write(octal(0, 7), 108); // owner
  header.write(octal(0, 7), 116); // group
  header.write(octal(sizeBytes, 11), 124);
  header.write(octal(1_700_000_000, 11), 136); // time of change
  header.write(' '.repeat(8), 148); // the checksum counts its own field as spaces
  header.write('0', 156); // a regular file
  header.write('ustar\u000000', 257);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
