/** Nobody is obeyed for longer: a server whose clock or head is wrong must not shut itself off for days. */
export const maxRetryAfterMs = 60 * 60_000;

/** How long `Retry-After` asks to wait (seconds, or an HTTP date), an hour at most; undefined when it says nothing. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : dateMs(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), maxRetryAfterMs);
}

// Date.parse takes far more than dates of HTTP: "-5", for one. Those begin with the name of a day.
function dateMs(text: string): number {
  return /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN;
}
