import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { MemoryPushable } from '../../../test/support/memory/memory-pushable.ts';
import { parseRepository } from '../../oci/reference.ts';
import { newRecord } from '../answer/record.ts';
import { pushContext } from './push-context.ts';

const repository = parseRepository('team/app');

/** As whom a client counts that pushes from an address, with the name that it proved. */
function clientOf(remoteAddress: string, user?: string): string {
  const request = new IncomingMessage(Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress }));
  const context = pushContext(
    {
      ...{ request, response: new ServerResponse(request), repository, registry: new MemoryPushable() },
      hints: { host: undefined, prefix: undefined, namespace: undefined },
      body: { sizeBytes: 0, async *read() {}, leave() {} },
      record: Object.assign(newRecord(), { user }),
      signal: new AbortController().signal,
      maxManifestBytes: 1,
      offer: () => ({ from: undefined, mayRead: () => false }),
    },
    { kind: 'begin-upload', name: 'team/app', digest: undefined, algorithm: undefined, mount: undefined },
  );
  return context.client;
}

test('who pushes without a login counts as one client with its whole network of 64 bits', () => {
  assert.equal(clientOf('2001:db8:1:2::3'), clientOf('2001:db8:1:2:aaaa::4'));
  assert.notEqual(clientOf('2001:db8:1:2::3'), clientOf('2001:db8:1:3::3'));
  assert.equal(clientOf('::ffff:10.0.0.1'), clientOf('10.0.0.1'));
  assert.notEqual(clientOf('10.0.0.1'), clientOf('10.0.0.2'));
});

test('who proved a name counts by that, wherever it is', () => {
  assert.equal(clientOf('2001:db8:1:2::3', 'alice'), clientOf('10.0.0.1', 'alice'));
  assert.notEqual(clientOf('10.0.0.1', 'alice'), clientOf('10.0.0.1'));
});
