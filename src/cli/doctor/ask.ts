import { readFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { getCACertificates } from 'node:tls';
import type { Answer, Question } from '../../setup/doctor/doctor-tools.ts';
import { tlsReason } from '../../util/system/tls-reason.ts';

const answerMs = 10_000; // what takes longer is no cache that helps anybody
const maxBodyBytes = 64 * 1024; // of what is looked at; what is longer comes from somebody else

/** Asks as a client would; never rejects. @param read gives the text of a file of the machine */
export async function ask(question: Question, read: (path: string) => string | undefined): Promise<Answer> {
  const { url, method = 'GET', headers = {}, proxy } = question;
  const proxyEnv = proxy === undefined ? {} : { HTTPS_PROXY: proxy, HTTP_PROXY: proxy };
  const agent = url.startsWith('https:')
    ? new https.Agent({ proxyEnv, ca: authorities(question, read), rejectUnauthorized: !question.isUnchecked })
    : new http.Agent({ proxyEnv });
  const signal = AbortSignal.timeout(answerMs);
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = (url.startsWith('https:') ? https : http).request(
        url,
        { agent, method, headers, signal },
        resolve,
      );
      request.on('error', reject).end();
    });
    return { status: answer.statusCode ?? 0, headers: textHeaders(answer), body: await readBody(answer) };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const why = signal.aborted ? `no answer within ${answerMs / 1000} s` : tlsReason(message) || code;
    return { status: undefined, code, message: why };
  } finally {
    agent.destroy();
  }
}

/** What the machine trusts, and what the client was given beside it. */
function authorities({ authorities: paths = [] }: Question, read: (path: string) => string | undefined): string[] {
  const system = systemBundles.map(readIfThere).find((text) => text !== undefined);
  const given = paths.flatMap((path) => read(path) ?? []);
  return [...(system === undefined ? getCACertificates('system') : [system]), ...given];
}

// Where the systems keep theirs, which clients of registries read; Node.js has a list of its own.
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function textHeaders({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

async function readBody(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part);
    sizeBytes += part.length;
    if (sizeBytes > maxBodyBytes) break;
  }
  return Buffer.concat(parts).toString('utf8');
}
