import { proxyFromEnvironment } from '../../upstream/transport/proxy-env.ts';
import { Transport } from '../../upstream/transport/transport.ts';

/** How a file is downloaded. */
export interface DownloadUrlOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly userAgent: string;
  /** After so long, what came until then says enough. */
  readonly limitMs: number;
  nowMs(): number;
}

const maxRedirects = 5; // a speed test's file is where it is said to be, or one or two names further

/**
 * Downloads a file of the web to nowhere, by a new connection, and says how fast it came.
 * @throws Error that says why it cannot be had
 */
export async function downloadUrl(url: URL, options: DownloadUrlOptions, signal: AbortSignal): Promise<number> {
  const { env, userAgent, limitMs, nowMs } = options;
  const transport = new Transport({ proxyFor: proxyFromEnvironment(env) });
  const headers = { 'user-agent': userAgent, accept: '*/*', 'accept-encoding': 'identity' };
  const beganAtMs = nowMs();
  try {
    let at = url;
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      const { head, body } = await transport.request(
        { method: 'GET', url: at, headers, identity: { insecure: false } },
        signal,
      );
      const location = head.headers.get('location');
      if (head.status === 200) return await rateOf(body, { beganAtMs, limitMs, nowMs });
      body.close();
      const next = head.status >= 300 && head.status < 400 && location ? URL.parse(location, at.href) : undefined;
      if (!next || !/^https?:$/.test(next.protocol)) throw new Error(`${at.host} answered ${head.status}`);
      at = next;
    }
    throw new Error(`${url.host} redirects more than ${maxRedirects} times`);
  } finally {
    transport.close();
  }
}

interface Readable {
  next(): Promise<{ readonly bytes: Uint8Array; release(): void } | undefined>;
  close(): void;
}

async function rateOf(
  body: Readable,
  { beganAtMs, limitMs, nowMs }: Pick<DownloadUrlOptions, 'limitMs' | 'nowMs'> & { readonly beganAtMs: number },
): Promise<number> {
  let receivedBytes = 0;
  try {
    for (let chunk = await body.next(); chunk; chunk = await body.next()) {
      receivedBytes += chunk.bytes.length;
      chunk.release();
      if (nowMs() - beganAtMs > limitMs) break;
    }
  } finally {
    body.close();
  }
  return receivedBytes / ((nowMs() - beganAtMs) / 1000);
}
