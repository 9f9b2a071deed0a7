import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { chartValues, type ValueSchema } from '../../scripts/deploy/chart-readme.ts';
import { deployFiles } from '../../scripts/deploy/deploy-files.ts';
import { packageVersion } from '../../src/util/version.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const chart = 'deploy/helm/entrepot';
const schema: ValueSchema = JSON.parse(read(`${chart}/values.schema.json`));
const values: unknown = parse(read(`${chart}/values.yaml`));

test('the files of deploy/ that follow from others are what they should be: npm run docs writes them', () => {
  for (const [path, text] of Object.entries(deployFiles())) assert.equal(read(path), text, path);
});

test('the chart is of the version that the package is', () => {
  const { version, appVersion } = parse(read(`${chart}/Chart.yaml`));
  assert.deepEqual([String(version), String(appVersion)], [packageVersion(), packageVersion()]);
});

test('every value of the chart is described, and has a default unless it is a name that follows from others', () => {
  const described = chartValues(schema, values);
  for (const { name, schema: one } of described) assert.ok(one.description, name);
  const without = described.filter((one) => one.default === undefined).map(({ name }) => name);
  assert.deepEqual(without, ['global', 'nameOverride', 'fullnameOverride']);
});

test('every value with a default is one that the schema knows', () => {
  const known = new Set(chartValues(schema, values).map(({ name }) => name));
  const check = (value: unknown, name: string) => {
    if (known.has(name)) return;
    assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), `the schema does not know ${name}`);
    for (const [key, inner] of Object.entries(value)) check(inner, name === '' ? key : `${name}.${key}`);
  };
  check(values, '');
});

test('groups of values take no others: a misspelt one would do nothing', () => {
  const check = (one: ValueSchema, name: string) => {
    if (one.properties === undefined) return;
    assert.equal(one.additionalProperties, false, name);
    for (const [key, inner] of Object.entries(one.properties)) check(inner, `${name}.${key}`);
  };
  check(schema, 'values');
});
