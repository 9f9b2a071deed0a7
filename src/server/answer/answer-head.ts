import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { RequestRecord } from './record.ts';

/** An answer of a registry in the making. */
interface Answer {
  readonly response: ServerResponse;
  readonly record: RequestRecord;
}

/**
 * Writes the head of a registry's answer, with what all of them carry. In one piece: node:http checks and copies each
 * header twice as soon as one of them was set before.
 */
export function writeHead({ response, record }: Answer, status: number, headers: OutgoingHttpHeaders): void {
  const length = headers['content-length'];
  record.lengthBytes = length === undefined ? undefined : Number(length);
  headers['docker-distribution-api-version'] = 'registry/2.0';
  headers['x-content-type-options'] = 'nosniff';
  if (record.namespace !== undefined) headers['oci-namespace'] = record.namespace;
  response.writeHead(status, headers);
}
