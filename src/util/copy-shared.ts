/**
 * Copies bytes from or into shared memory. `TypedArray.set` copies shared memory a word at a time, and a byte at a time
 * when the two are not aligned: 75 and 300 ms for a GiB. A part of a `Buffer` is copied as fast as any memory (25 ms),
 * the whole is handed to `set`; hence all but the first byte.
 * @returns how many bytes were copied: as many as there are from the position on, and `into` takes
 */
export function copyShared(from: Uint8Array, position: number, into: Uint8Array): number {
  const count = Math.min(into.length, from.length - position);
  if (count === 0) return 0;
  into[0] = from[position]!;
  Buffer.from(from.buffer, from.byteOffset, from.length).copy(into, 1, position + 1, position + count);
  return count;
}
