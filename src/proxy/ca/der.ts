/** Encodes one element of DER: its tag, the length of what it holds, and that. */
export function encodeElement(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const digits = length.subarray(length.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length]), digits, content]);
}

/** An element of DER. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/**
 * The elements that stand one after the other in these bytes.
 * @throws Error when an element is cut short
 */
export function decodeElements(bytes: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!;
    const first = bytes[at + 1] ?? 0;
    const digits = first < 0x80 ? 0 : first & 0x7f;
    const length = digits === 0 ? first : Number(`0x${bytes.subarray(at + 2, at + 2 + digits).toString('hex') || '0'}`);
    const start = at + 2 + digits;
    if (start + length > bytes.length) throw new Error('The element ends before its content does');
    elements.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}
