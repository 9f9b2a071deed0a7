import net from 'node:net';

/**
 * Fetches a blob over several connections at once and throws it away: `node blob-client.ts URL CONNECTIONS`. It prints
 * one line of JSON. It is a process of its own, so that it takes no turn from what it measures, and all its connections
 * read into one buffer over and over, which stays in the processor's cache: a client that did more would be the slowest part.
 */
export interface BlobClientResult {
  /** Until the last connection had everything. */
  readonly totalMs: number;
  /** Until the first byte of a body, on the connection where that came first. */
  readonly firstByteMs: number;
  readonly bytes: number;
}

const buffer = Buffer.allocUnsafeSlow(256 * 1024);
const limitMs = 180_000;

function fetchOnce(url: URL, beganAtMs: number): Promise<{ firstByteMs: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    let head = '';
    let expected: number | undefined;
    let bytes = 0;
    let firstByteMs = 0;
    const socket = net.connect({
      host: url.hostname,
      port: Number(url.port),
      onread: {
        buffer,
        callback: (count) => {
          if (expected === undefined) {
            head += buffer.toString('latin1', 0, count);
            const end = head.indexOf('\r\n\r\n');
            if (end < 0) return true;
            if (!head.startsWith('HTTP/1.1 200')) return fail(new Error(head.slice(0, 200)));
            expected = Number(/content-length: (\d+)/i.exec(head)?.[1]);
            bytes = head.length - end - 4;
          } else bytes += count;
          if (bytes > 0 && firstByteMs === 0) firstByteMs = performance.now() - beganAtMs;
          if (bytes === expected) {
            socket.destroy();
            resolve({ firstByteMs, bytes });
          }
          return true;
        },
      },
    });
    const fail = (error: Error): boolean => {
      socket.destroy();
      reject(error);
      return false;
    };
    socket.on('error', fail);
    socket.on('end', () => fail(new Error(`the answer ended after ${bytes} of ${expected} bytes`)));
    socket.setTimeout(limitMs, () => fail(new Error('the answer stopped coming')));
    socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nAccept: */*\r\n\r\n`);
  });
}

const url = new URL(process.argv[2]!);
const connections = Number(process.argv[3]);
const beganAtMs = performance.now();
const results = await Promise.all(Array.from({ length: connections }, () => fetchOnce(url, beganAtMs)));
const result: BlobClientResult = {
  totalMs: performance.now() - beganAtMs,
  firstByteMs: Math.min(...results.map(({ firstByteMs }) => firstByteMs)),
  bytes: results.reduce((sum, { bytes }) => sum + bytes, 0),
};
console.log(JSON.stringify(result));
