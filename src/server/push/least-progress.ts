import { RegistryError } from '../../oci/errors.ts';
import type { Clock } from '../../util/time/clock.ts';

// 109 bytes a second: a modem of 1990 sends ten times as much, and a satellite telephone three times. A window is twice
// as long as a connection may be idle, so that a link which was down for just less than that has made up for it.
const leastBytes = 64 * 1024;
const windowMs = 10 * 60_000;

// Whether a client is waited for is looked at so often in a window.
const looks = 10;

/** Sees whether a client that is waited for sends what it said it would. */
export interface ProgressWatch {
  /** So many bytes have come, and what they are for goes on. */
  came(sizeBytes: number): void;
  /** Nothing can go on before more has come. */
  waits(): void;
  /** The body is over, or left. */
  end(): void;
}

/**
 * Watches a body whose first byte is being waited for, and calls `tooSlow`, once, when hardly anything of it comes. The
 * time that a client itself has to wait, for the disk or for room, does not count; and what is counted is looks and not
 * pieces, as the framing of a body has bytes that are none of it.
 */
export function watchProgress(clock: Clock, tooSlow: (error: RegistryError) => void): ProgressWatch {
  const ended = new AbortController();
  let isWaiting = true;
  let cameBytes = 0;
  async function watch(): Promise<void> {
    for (let waited = 0; ; ) {
      await clock.sleep(windowMs / looks, ended.signal);
      if (!isWaiting || ++waited < looks) continue;
      if (cameBytes < leastBytes) return tooSlow(slowness(cameBytes));
      waited = 0;
      cameBytes = 0;
    }
  }
  watch().catch(() => {}); // it has ended
  return {
    came(sizeBytes) {
      cameBytes += sizeBytes;
      isWaiting = false;
    },
    waits() {
      isWaiting = true;
    },
    end: () => ended.abort(),
  };
}

function slowness(cameBytes: number): RegistryError {
  const what = `Cannot wait for the rest of what is sent: ${cameBytes} bytes came in ${windowMs / 60_000} minutes`;
  const advice = `at least ${leastBytes} must; send it again, or go on with the upload, by a faster way`;
  return new RegistryError('BLOB_UPLOAD_INVALID', `${what}, ${advice}`, { status: 408 });
}
