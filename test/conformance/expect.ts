import assert from 'node:assert/strict';
import type { Answer } from './wire.ts';

/** Asserts the status of an answer, and shows what it said otherwise. */
export function expectStatus(answer: Answer, ...statuses: number[]): void {
  const said = answer.body.subarray(0, 300).toString();
  assert.ok(statuses.includes(answer.status), `${answer.url}: ${answer.status} instead of ${statuses}: ${said}`);
  if (answer.status >= 400 && answer.body.length > 0) expectErrorBody(answer);
}

/** An error has the spec's JSON ("Error Codes"). */
function expectErrorBody({ body }: Answer): void {
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message?: string }[] };
  assert.ok(errors.length > 0);
  for (const { code } of errors) assert.match(code, /^[A-Z_]+$/);
}

/** Asserts the value of a header field. */
export function expectHeader(answer: Answer, name: string, value: string): void {
  assert.equal(answer.headers[name], value, `${name} of ${answer.url}`);
}

/** Where the answer leads, which it must say. */
export function locationOf(answer: Answer): URL {
  const { location } = answer.headers;
  assert.ok(location, `${answer.url} says no Location`);
  return new URL(location, answer.url);
}
