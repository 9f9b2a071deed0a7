import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { ListenAddress } from '../../config/config.ts';
import type { ServerStatus } from '../../util/status.ts';
import { tlsReason } from '../../util/system/tls-reason.ts';
import { CommandFailure } from '../command-failure.ts';
import type { DoorTrust } from './door-trust.ts';
import { parseStatus } from './parse-status.ts';

/** A server that does not say how it is within so long is in no state to be waited for. */
export const answerMs = 5_000;
/** What to do about a server that nothing comes from. */
export const whereToLook = 'see whether it runs there, and listens for this machine';

const unreachableCodes = new Set<unknown>(['ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);
const maxStatusBytes = 4 * 1024 * 1024; // what is longer comes from somebody else

/** Where a server that listens so, by plain HTTP or TLS, is reached from its own machine. */
export function localUrl({ host, port }: ListenAddress, scheme: 'http' | 'https' = 'http'): string {
  const reached = { '': '127.0.0.1', '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `${scheme}://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}

/** How a server is asked. */
interface AskOptions {
  readonly limitMs?: number;
  readonly trust?: DoorTrust | undefined;
  readonly login?: string | undefined;
}

/**
 * Asks the server at a URL how it is; undefined when none listens there.
 * @param trust how a server that speaks TLS is known again
 * @param login `name:password`, for a server that asks for one
 * @throws CommandFailure when it does not answer in time, or with what is no status
 */
export async function askStatus(
  url: string,
  { limitMs = answerMs, trust, login }: AskOptions = {},
): Promise<ServerStatus | undefined> {
  const answer = await ask(`${url}/status`, { limitMs, trust, login });
  if (answer === undefined) return undefined;
  if (answer.code === 401) throw new CommandFailure(loginNeeded(url, login));
  try {
    if (answer.code !== 200) throw new Error(`its status is ${answer.code}`);
    return parseStatus(answer.body);
  } catch (error) {
    throw unusable(`${url}/status`, (error as Error).message);
  }
}

/**
 * Asks the server at a URL whether it answers, which takes no login; false when none listens there.
 * @throws CommandFailure when it does not answer in time, or with something else
 */
export async function askHealth(url: string, { limitMs = answerMs, trust }: AskOptions = {}): Promise<boolean> {
  const answer = await ask(`${url}/healthz`, { limitMs, trust, login: undefined });
  if (answer === undefined) return false;
  if (answer.code !== 200) throw unusable(`${url}/healthz`, `its status is ${answer.code}`);
  // Many a server has a page for every path, and is in good health.
  if (answer.body.trim() !== 'ok') throw unusable(`${url}/healthz`, 'it is another text than "ok"');
  return true;
}

/** What a server answers in time; undefined when none listens there. */
async function ask(
  url: string,
  { limitMs, trust, login }: Required<AskOptions>,
): Promise<{ readonly code: number | undefined; readonly body: string } | undefined> {
  // An agent of its own: that of the process may be made to use a proxy by the environment.
  const agent = trust === undefined ? new http.Agent() : new https.Agent(trust);
  const signal = AbortSignal.timeout(limitMs);
  try {
    const answer = await get(url, { agent, signal, ...(login === undefined ? {} : { auth: login }) });
    return { code: answer.statusCode, body: await readStatusBody(answer) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return undefined;
    if (unreachableCodes.has((error as NodeJS.ErrnoException).code)) {
      throw new CommandFailure(`Cannot ask ${url}: ${(error as Error).message}; ${whereToLook}`);
    }
    throw unusable(
      url,
      signal.aborted ? `there was none within ${limitMs / 1000} s` : tlsReason((error as Error).message),
    );
  } finally {
    agent.destroy();
  }
}

function unusable(url: string, why: string): CommandFailure {
  return new CommandFailure(`Cannot use the answer of ${url}: ${why}; is it Entrepot that listens there?`);
}

function loginNeeded(url: string, login: string | undefined): string {
  if (login !== undefined) return `Cannot ask ${url}: it refuses the name or the password of --login`;
  return `Cannot ask ${url}: it wants a login, name a file that holds name:password with --login`;
}

function get(url: string, options: http.RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const ask = url.startsWith('https:') ? https.get : http.get;
    ask(url, options, resolve).on('error', reject);
  });
}

/** The text of an answer about the server's state. @throws Error when it is too long to be one */
export async function readStatusBody(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    sizeBytes += part.length;
    if (sizeBytes > maxStatusBytes) throw new Error('it has no end');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
