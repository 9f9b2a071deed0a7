import { formatSize } from '../../config/schema/values/size.ts';

const barLength = 24;
const minRateMs = 500; // before, a rate says nothing
const minRatePart = 0.001; // nor does one of a first byte, by which the rest would take years

/** How far some reading is: `[######------] 12 GB of 48 GB, 510 MB/s, 1m 11s left`. What is read may be more than was known. */
export function describeProgress(doneBytes: number, totalBytes: number, elapsedMs: number): string {
  const part = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.floor(part * barLength);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(barLength - filled)}]`;
  const sizes = `${bar} ${formatSize(doneBytes)} of ${formatSize(Math.max(doneBytes, totalBytes))}`;
  if (doneBytes === 0 || part < minRatePart || elapsedMs < minRateMs) return sizes;
  const bytesPerMs = doneBytes / elapsedMs;
  const leftMs = Math.max(0, totalBytes - doneBytes) / bytesPerMs;
  return `${sizes}, ${formatSize(bytesPerMs * 1000)}/s, ${describeTime(leftMs)} left`;
}

/** A time in its two largest units: `1h 5m`, `1m 11s`, `3s`. */
export function describeTime(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
}
