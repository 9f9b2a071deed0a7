import { blockBytes, maxUstarNameBytes, maxUstarSizeBytes, writeHeader } from './header.ts';
import { writePax } from './pax.ts';

/** Takes the bytes of an archive, in order. They may change when it resolved. */
export type TarSink = (bytes: Uint8Array) => Promise<void>;

/** Writes an archive: entries one after the other, then its end. */
export class TarWriter {
  readonly #sink: TarSink;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /** Writes a folder; its name ends in a slash. */
  async folder(name: string): Promise<void> {
    await this.#sink(writeHeader(name, 'folder', 0));
  }

  /**
   * Writes a file.
   * @throws Error when the content has not the size that was said
   */
  async file(
    name: string,
    sizeBytes: number,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const pax = writePax(name, sizeBytes);
    if (pax.length > 0) {
      await this.#sink(writeHeader('pax', 'pax', pax.length));
      await this.#sink(padded(pax));
    }
    // Who reads pax headers takes name and size from there.
    const shortName = Buffer.from(name).subarray(0, maxUstarNameBytes).toString();
    await this.#sink(writeHeader(shortName, 'file', Math.min(sizeBytes, maxUstarSizeBytes)));
    let written = 0;
    for await (const bytes of content) {
      written += bytes.length;
      if (written > sizeBytes) break;
      await this.#sink(bytes);
    }
    if (written !== sizeBytes) throw new Error(`"${name}" has another size than ${sizeBytes} bytes`);
    const padding = paddingOf(sizeBytes);
    if (padding > 0) await this.#sink(Buffer.alloc(padding));
  }

  /** Ends the archive. */
  async end(): Promise<void> {
    await this.#sink(Buffer.alloc(2 * blockBytes));
  }
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(paddingOf(bytes.length))]);
}

/** How much follows content of a size, up to the next block. */
export function paddingOf(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}
