/** A time, for people: three digits that count, and no more than a thousandth of a second. */
export function formatSeconds(seconds: number): string {
  return `${seconds.toFixed(seconds < 10 ? 3 : 1)} s`;
}

/** How fast bytes came, for people, in the unit that blobs are counted in. */
export function formatByteRate(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`;
}

/** How fast bytes came, for people, in the unit that networks are sold in. */
export function formatBitRate(bytesPerSecond: number): string {
  const megabits = (bytesPerSecond * 8) / 1e6;
  return megabits < 1000 ? `${megabits.toFixed(1)} Mbit/s` : `${(megabits / 1000).toFixed(2)} Gbit/s`;
}
