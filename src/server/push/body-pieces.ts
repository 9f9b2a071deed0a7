import type { Readable } from 'node:stream';

// As many as arrive while a full buffer is being written: enough that the connection need not wait for each.
const maxWaitingBytes = 256 * 1024;

// Smaller ones may be a part of memory that is others', too; and of those there is never much.
const minFreedBytes = 16 * 1024;

/**
 * The bytes of a stream as they come, each piece until the next is asked for. A stream's own iterator joins what waits
 * into new memory. And what a piece takes is given back at once here: left to the collector, which is told of each, it
 * would go through all of the heap for every 30 MB that a client sends, which took as long as all the rest.
 * @param stop fires when no more is waited for
 * @throws the signal's reason; what the stream failed with, or that it broke off
 */
export async function* piecesOf(stream: Readable, stop: AbortSignal): AsyncGenerator<Uint8Array> {
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let end: { readonly error: unknown } | undefined;
  let wake = (): void => {};
  const take = (piece: Uint8Array): void => {
    waiting.push(piece);
    waitingBytes += piece.length;
    if (waitingBytes >= maxWaitingBytes) stream.pause();
    wake();
  };
  const finish = (error?: unknown): void => {
    end ??= { error };
    wake();
  };
  const onEnd = () => finish();
  const onClose = () => finish(stream.readableEnded ? undefined : (stream.errored ?? brokenOff()));
  stream.on('data', take).once('end', onEnd).once('error', finish).once('close', onClose);
  const onStop = () => finish(stop.reason);
  stop.addEventListener('abort', onStop, { once: true });
  if (stream.destroyed) onClose();
  try {
    for (;;) {
      const piece = waiting.shift();
      if (piece !== undefined) {
        waitingBytes -= piece.length;
        if (stream.isPaused() && waitingBytes < maxWaitingBytes) stream.resume();
        yield piece;
        free(piece);
      } else if (end) {
        if (end.error !== undefined) throw end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    stream.pause();
    stop.removeEventListener('abort', onStop);
    stream.off('data', take).off('end', onEnd).off('error', finish).off('close', onClose);
  }
}

function free(piece: Uint8Array): void {
  const { buffer } = piece;
  if (buffer.byteLength < minFreedBytes || buffer.byteLength !== piece.length) return;
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}

function brokenOff(): Error {
  return Object.assign(new Error('the client broke off'), { code: 'ECONNRESET' });
}
