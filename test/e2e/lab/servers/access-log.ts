import { appendFile, readFile } from 'node:fs/promises';
import { waitFor } from '../machine/wait.ts';

/** A request, as the made-up registries log it. */
export interface LoggedRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly userAgent: string;
  /** What came with `Authorization`; registries do not log it, the content network does. */
  readonly authorization: string | undefined;
}

/** The log of one server, read piece by piece. */
export interface AccessLog {
  readonly host: string;
  /** The requests since the last call, all that were answered before it included. */
  take(): Promise<LoggedRequest[]>;
}

// Servers write a line when a request has ended, which may be after the client has its answer. So a request of our
// own goes last, and the log is read up to that one.
const markerPath = '/end-to-end-marker-';

const linePattern = /"(\S+) (\S+) [^"]*" (\d+) \d+ "[^"]*" "([^"]*)"(?: "([^"]*)")?$/;

/** Opens the log of the server that answers to a name. */
export async function openAccessLog(host: string, file: string): Promise<AccessLog> {
  await appendFile(file, '');
  let readBytes = (await readFile(file)).length;
  let markers = 0;
  return {
    host,
    async take() {
      const marker = `${markerPath}${++markers} `;
      await (await fetch(`https://${host}${marker.trim()}`)).arrayBuffer();
      const lines = await waitFor(`the log of ${host} being complete`, async () => {
        const bytes = (await readFile(file)).subarray(readBytes);
        const end = bytes.lastIndexOf('\n') + 1;
        const text = bytes.toString('utf8', 0, end);
        if (!text.includes(marker)) return undefined;
        readBytes += end;
        return text.trimEnd().split('\n');
      });
      return lines.filter((line) => !line.includes(markerPath)).map((line) => parseLine(host, line));
    },
  };
}

function parseLine(host: string, line: string): LoggedRequest {
  const [, method, path, status, userAgent, authorization] = linePattern.exec(line) ?? [];
  if (!method || !path) throw new Error(`Cannot read the log of ${host}: unknown form of line "${line}"`);
  const isAuthorized = authorization !== undefined && authorization !== '-';
  return {
    host,
    method,
    path,
    status: Number(status),
    userAgent: userAgent ?? '',
    authorization: isAuthorized ? authorization : undefined,
  };
}
