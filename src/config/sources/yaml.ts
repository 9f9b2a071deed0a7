import { type Document, isAlias, isMap, isScalar, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import { z } from 'zod';
import type { Report } from '../config-error.ts';
import { type KeyPath, nameOfPath, withoutDefault } from '../schema/keys.ts';
import { type Setting, suggestKey } from './setting.ts';

/** A YAML text, and where it belongs. */
export interface YamlSource {
  readonly text: string;
  /** The part of the schema that it is a value of, and its path. */
  readonly schema: z.core.$ZodType;
  readonly path: KeyPath;
  /** How its lines are called. */
  originOf(line: number): string;
}

interface Reading extends Pick<YamlSource, 'originOf'> {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  readonly report: Report;
  readonly settings: Setting[];
}

/** Reads settings from YAML (which JSON is, too). Values are checked later; what is no known key is a problem here. */
export function readYaml({ text, schema, path, originOf }: YamlSource, report: Report): Setting[] {
  const lines = new LineCounter();
  // Not `prettyErrors`: they quote the text, in which there may be secrets.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const reading: Reading = { document, lines, report, settings: [], originOf };
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    const where = originAt(reading, pos[0]);
    if (code === 'MULTIPLE_DOCS') {
      report({ where, what: 'A second document begins here', advice: 'leave one, without "---" between' });
      continue;
    }
    const what = message.split(':')[0] ?? ''; // after the colon, it quotes
    report({ where, what: `Cannot read the YAML: ${what}`, advice: 'correct it there' });
  }
  if (document.errors.length === 0) readNode(reading, document.contents, schema, path, originAt(reading, 0));
  return reading.settings;
}

function originAt(reading: Reading, offset: number): string {
  return reading.originOf(reading.lines.linePos(offset).line || 1);
}

function readNode(reading: Reading, node: unknown, schema: z.core.$ZodType, path: KeyPath, origin: string): void {
  const value = isAlias(node) ? node.resolve(reading.document) : node;
  const inner = withoutDefault(schema);
  const isEmpty = value === null || (isScalar(value) && value.value === null);
  if (inner instanceof z.ZodObject) readGroup(reading, value, isEmpty, inner, path, origin);
  else if (inner instanceof z.ZodRecord) readEntries(reading, value, isEmpty, inner, path, origin);
  else if (!isEmpty) readValue(reading, node, path, origin);
}

function readGroup(
  reading: Reading,
  value: unknown,
  isEmpty: boolean,
  schema: z.ZodObject,
  path: KeyPath,
  origin: string,
): void {
  if (isUpstream(path)) reading.settings.push({ path, value: isEmpty ? null : {}, origin });
  if (isEmpty) return;
  for (const [name, child, childOrigin] of pairsOf(reading, value, path, origin)) {
    const childSchema = schema.shape[name];
    if (childSchema !== undefined) readNode(reading, child, childSchema, [...path, name], childOrigin);
    else {
      const what = `Unknown key "${nameOfPath([...path, name])}"`;
      reading.report({ where: childOrigin, what, advice: suggestKey(name, path, Object.keys(schema.shape)) });
    }
  }
}

function readEntries(
  reading: Reading,
  value: unknown,
  isEmpty: boolean,
  schema: z.ZodRecord,
  path: KeyPath,
  origin: string,
): void {
  if (isEmpty) return;
  for (const [name, child, childOrigin] of pairsOf(reading, value, path, origin)) {
    readNode(reading, child, schema.valueType, [...path, name], childOrigin);
  }
}

function* pairsOf(
  reading: Reading,
  value: unknown,
  path: KeyPath,
  origin: string,
): Generator<[string, unknown, string]> {
  if (!isMap<ParsedNode, ParsedNode | null>(value)) {
    const what = path.length === 0 ? 'The whole is not a group of keys' : `"${nameOfPath(path)}" is a group of keys`;
    reading.report({ where: origin, what, advice: 'write its keys below it, as key: value' });
    return;
  }
  for (const { key, value: child } of value.items) {
    const name = isScalar(key) ? String(key.value) : '';
    yield [name, child, originAt(reading, key.range[0])];
  }
}

function readValue(reading: Reading, node: unknown, path: KeyPath, origin: string): void {
  try {
    const value = (node as ParsedNode).toJS(reading.document);
    reading.settings.push({ path, value, origin });
  } catch {
    const what = `Cannot read "${nameOfPath(path)}": the anchor that it refers to is not there`;
    reading.report({ where: origin, what, advice: 'write the value itself' });
  }
}

function isUpstream(path: KeyPath): boolean {
  return path.length === 2 && path[0] === 'upstreams';
}
