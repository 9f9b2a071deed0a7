import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** How a client comes to what it wants. */
export interface Way {
  /** The file of the authority that it trusts. */
  readonly authority?: string;
  readonly proxyUrl?: string;
}

/** Fetches something by curl, and throws it away; gives how long that took. @throws Error when the answer is not 200 */
export async function fetchByCurl(url: string, { authority, proxyUrl }: Way): Promise<number> {
  const trust = authority === undefined ? [] : ['--cacert', authority];
  const proxy = proxyUrl === undefined ? ['--noproxy', '*'] : ['--noproxy', '', '--proxy', proxyUrl];
  const fixed = ['--silent', '--show-error', '--fail', '--output', '/dev/null', '--write-out', '%{time_total}'];
  const { stdout } = await run('curl', [...fixed, ...trust, ...proxy, url]);
  return Number(stdout) * 1000;
}

/** Pulls an image by skopeo into a folder that is removed again; gives how long the pull took. */
export async function pullBySkopeo(reference: string, folder: string, { authority, proxyUrl }: Way): Promise<number> {
  const { HTTPS_PROXY: _proxy, https_proxy: _lower, NO_PROXY: _none, no_proxy: _lowerNone, ...own } = process.env;
  const env = {
    ...own,
    ...(authority === undefined ? {} : { SSL_CERT_FILE: authority }),
    ...(proxyUrl === undefined ? {} : { HTTPS_PROXY: proxyUrl }),
  };
  const destination = join(folder, 'pulled');
  const verify = `--src-tls-verify=${authority !== undefined}`;
  const flags = ['--insecure-policy', 'copy', '--quiet', verify];
  const beganAtMs = performance.now();
  try {
    await run('skopeo', [...flags, `docker://${reference}`, `dir:${destination}`], { env });
    return performance.now() - beganAtMs;
  } finally {
    await rm(destination, { recursive: true, force: true });
  }
}
