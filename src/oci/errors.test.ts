import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorStatus, isNotFound, isTemporary, RegistryError, renderErrorBody } from './errors.ts';

test('an error has the status of its code, unless it is given another', () => {
  assert.equal(new RegistryError('MANIFEST_UNKNOWN', 'gone').status, 404);
  assert.equal(new RegistryError('UNAVAILABLE', 'down', { status: 503 }).status, 503);
});

test('an error keeps its cause, and has none where none was given', () => {
  const cause = new Error('reset');
  assert.equal(new RegistryError('UNAVAILABLE', 'down', { cause }).cause, cause);
  assert.equal('cause' in new RegistryError('UNAVAILABLE', 'down'), false);
});

test('the body of an error is the spec’s JSON, with a detail only where there is one', () => {
  assert.equal(
    renderErrorBody(new RegistryError('DENIED', 'not for "you"')),
    '{"errors":[{"code":"DENIED","message":"not for \\"you\\""}]}',
  );
  assert.deepEqual(JSON.parse(renderErrorBody(new RegistryError('DENIED', 'no', { detail: { name: 'a/b' } }))), {
    errors: [{ code: 'DENIED', message: 'no', detail: { name: 'a/b' } }],
  });
});

test('only a registry that cannot answer now is a temporary failure', () => {
  const codes = Object.keys(errorStatus) as (keyof typeof errorStatus)[];
  const temporary = codes.filter((code) => isTemporary(new RegistryError(code, '')));
  assert.deepEqual(temporary.sort(), ['TOOMANYREQUESTS', 'UNAVAILABLE']);
  assert.equal(isTemporary(new Error('UNAVAILABLE')), false);
});

test('only what does not exist is not found', () => {
  const codes = Object.keys(errorStatus) as (keyof typeof errorStatus)[];
  const absent = codes.filter((code) => isNotFound(new RegistryError(code, '')));
  assert.deepEqual(absent.sort(), [
    'BLOB_UNKNOWN',
    'BLOB_UPLOAD_UNKNOWN',
    'MANIFEST_BLOB_UNKNOWN',
    'MANIFEST_UNKNOWN',
    'NAME_UNKNOWN',
    'NOT_FOUND',
  ]);
  assert.equal(isNotFound(Object.assign(new Error('404'), { status: 404 })), false);
});
