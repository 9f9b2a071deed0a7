import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The rules of docs/architecture.md about who may import whom. A failure prints the files: importer → imported.

const root = fileURLToPath(new URL('..', import.meta.url));

const interfaces = [
  ...['src/store/blob-store.ts', 'src/store/upload-store.ts', 'src/store/record-store.ts'],
  ...['src/index/metadata-index.ts', 'src/index/hosted-index.ts'],
];

/** What the composition root may import: everything but src/cli/. */
const composition = [
  ...['src/storage.ts', 'src/authorities.ts', 'src/app.ts'],
  ...[
    'oci',
    'util',
    'config',
    'upstream',
    'store',
    'index',
    'cache',
    'hosted',
    'access',
    'server',
    'proxy',
    'setup',
    'warm',
    'app',
  ].map((folder) => `src/${folder}/`),
];

/** What each part of src/ may import beside its own files: folders, or single files. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  oci: [],
  util: [],
  config: ['src/oci/', 'src/util/'],
  upstream: ['src/oci/', 'src/util/'],
  store: ['src/oci/', 'src/util/'],
  index: ['src/oci/', 'src/util/'],
  setup: ['src/oci/', 'src/util/'],
  warm: ['src/oci/', 'src/util/'],
  archive: ['src/oci/', 'src/util/', ...interfaces],
  cache: ['src/oci/', 'src/util/', ...interfaces],
  hosted: ['src/oci/', 'src/util/', ...interfaces],
  access: ['src/oci/', 'src/util/'],
  server: ['src/oci/', 'src/util/', 'src/cache/', 'src/hosted/', 'src/access/'],
  proxy: ['src/util/'],
  // Measures the ways to an image, from where clients are.
  measure: ['src/oci/', 'src/util/', 'src/upstream/'],
  // What the server and the tools open alike.
  'storage.ts': ['src/oci/', 'src/util/', 'src/store/', 'src/index/'],
  'authorities.ts': ['src/oci/', 'src/util/', 'src/config/', 'src/proxy/', 'src/app/doors/registry-hosts.ts'],
  'app.ts': composition,
  'local-cache.ts': composition,
  app: composition,
  cli: [
    ...['src/app.ts', 'src/local-cache.ts', 'src/storage.ts', 'src/authorities.ts'],
    ...['archive', 'config', 'setup', 'warm', 'cache', 'hosted', 'measure', 'oci', 'util'].map(
      (folder) => `src/${folder}/`,
    ),
  ],
};

/** The folder that may import each third-party package: one, but where two know a format for themselves. */
const owners: Readonly<Record<string, string | readonly string[]>> = {
  '@peculiar/x509': 'src/proxy/',
  commander: 'src/cli/',
  'reflect-metadata': 'src/proxy/',
  yaml: ['src/config/', 'src/setup/edit/'],
  zod: 'src/config/',
  pino: 'src/util/',
  'pino-pretty': 'src/util/',
  bcryptjs: 'src/access/',
  'prom-client': 'src/util/',
  'smol-toml': 'src/setup/',
  tldts: 'src/upstream/',
};

/** One import: of a file of ours by its path from the root, or of a package by its name. */
interface Import {
  readonly from: string;
  readonly to: string;
}

const importPatterns = [
  /^(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm, // import x from, export x from, over several lines
  /^import\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]/g,
];

function importsOf(from: string, text: string): Import[] {
  return importPatterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].flatMap(([, specifier = '']) => {
      if (specifier.startsWith('node:')) return [];
      return [
        { from, to: specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : packageOf(specifier) },
      ];
    }),
  );
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isFile(path: string): boolean {
  return path.endsWith('.ts');
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

/** The imports within the project that the rules do not allow. */
function forbiddenImports(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to }) => from.startsWith('src/') && isFile(to) && !mayImport(from, to))
    .map(({ from, to }) => `${from} → ${to}`);
}

function mayImport(from: string, to: string): boolean {
  const part = from.split('/')[1] ?? '';
  const rule = allowed[part];
  if (rule === undefined) return false; // a part without a rule may import nothing, until it has one
  if (isTest(from) && to.startsWith('test/')) return true;
  return [`src/${part}/`, ...rule].some((prefix) => to === prefix || (prefix.endsWith('/') && to.startsWith(prefix)));
}

/** The imports of packages by others than their owners; tests may use any. */
function strayPackages(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to }) => from.startsWith('src/') && !isTest(from) && !isFile(to))
    .filter(({ from, to }) => ![owners[to] ?? 'nobody'].flat().some((owner) => from.startsWith(owner)))
    .map(({ from, to }) => `${from} → ${to} (of ${owners[to] ?? 'nobody: name its owner in this test'})`);
}

/** Every way round from a file to itself, each told once. */
function circles(imports: readonly Import[]): string[] {
  const next = Map.groupBy(imports, ({ from }) => from);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(' → '));
    if (way.includes(file) || done.has(file)) return;
    for (const { to } of next.get(file) ?? []) visit(to, [...way, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

const files = globSync(['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'], { cwd: root }).sort();
// But for this one, in which imports are quoted.
const readFiles = files.filter((file) => file !== 'test/architecture.test.ts');
const imports = readFiles.flatMap((file) => importsOf(file, readFileSync(`${root}${file}`, 'utf8')));

test('every import is found, in whatever form it is written', () => {
  const text = [
    "import a from './a.ts';",
    "import {\n  type B,\n  b,\n} from '../util/b.ts';",
    "import type { C } from './deep/c.ts';",
    "export * from './d.ts';",
    "export { e } from './e.ts'",
    "import './f.ts';",
    "  const { g } = await import('./g.ts');",
    'import h from "@scope/h/inner";',
    "import { readFile } from 'node:fs';",
    " * import none from './none.ts';",
  ].join('\n');
  const expected = ['a', 'deep/c', 'd', 'e', 'f', 'g'].map((name) => `src/cli/${name}.ts`);
  assert.deepEqual(
    importsOf('src/cli/x.ts', text)
      .map(({ to }) => to)
      .sort(),
    [...expected, 'src/util/b.ts', '@scope/h'].sort(),
  );
  const project = imports.filter(({ to }) => isFile(to));
  assert.ok(project.length > files.length, 'the imports of the project are found');
  for (const { from, to } of project) assert.ok(files.includes(to), `${from} → ${to}: there is such a file`);
});

test('a part imports only the parts that it may know', () => {
  assert.deepEqual(forbiddenImports(imports), []);
});

test('an import that a part may not have is told', () => {
  const wrong: [string, string][] = [
    ['src/oci/a.ts', 'src/util/b.ts'],
    ['src/cache/a.ts', 'src/store/files/fs.ts'],
    ['src/cache/a.test.ts', 'src/index/sqlite/sqlite.ts'],
    ['src/store/a.ts', 'src/index/metadata-index.ts'],
    ['src/upstream/a.ts', 'src/store/blob-store.ts'],
    ['src/server/a.ts', 'src/upstream/b.ts'],
    ['src/config/a.ts', 'src/cli/b.ts'],
    ['src/app.ts', 'src/cli/b.ts'],
    ['src/cli/a.ts', 'src/server/b.ts'],
    ['src/oci/a.ts', 'test/support/b.ts'],
    ['src/new/a.ts', 'src/oci/b.ts'],
  ];
  const right: [string, string][] = [
    ['src/cache/deep/a.ts', 'src/store/blob-store.ts'],
    ['src/cache/a.test.ts', 'test/support/b.ts'],
    ['src/cache/a.ts', 'src/cache/deep/b.ts'],
    ['src/server/a.ts', 'src/cache/b.ts'],
    ['src/app.ts', 'src/store/files/fs.ts'],
    ['src/cli/a.ts', 'src/app.ts'],
    ['test/integration/a.test.ts', 'src/cli/b.ts'],
  ];
  const told = forbiddenImports([...wrong, ...right].map(([from, to]) => ({ from, to })));
  assert.deepEqual(
    told,
    wrong.map(([from, to]) => `${from} → ${to}`),
  );
});

test('the table of docs/architecture.md says what may be imported as the rules do', () => {
  const page = readFileSync(`${root}docs/architecture.md`, 'utf8');
  const found = page.matchAll(/^\| `src\/([\w.-]+)` *\|[^|]*\| ([^|]*?) *\|$/gm);
  const rows = new Map([...found].map(([, part = '', may = '']) => [part, may]));
  assert.deepEqual([...rows.keys()].sort(), Object.keys(allowed).sort());
  for (const [part, rule] of Object.entries(allowed)) {
    const said = rows.get(part) ?? '';
    if (/^(?:everything but|as|nothing)\b/.test(said)) continue;
    const named = [...(said.split(';')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    const ofRule = rule.map((path) => (interfaces.includes(path) ? path.split('/')[1]! : path));
    const plain = ofRule.map((path) => path.replace(/^src\//, '').replace(/\/$/, ''));
    assert.deepEqual([...new Set(named)].sort(), [...new Set(plain)].sort(), part);
  }
});

test('a package is imported from one folder only, and is a dependency', () => {
  assert.deepEqual(strayPackages(imports), []);
  assert.deepEqual(strayPackages([{ from: 'src/cache/a.ts', to: 'zod' }]), ['src/cache/a.ts → zod (of src/config/)']);
  assert.equal(strayPackages([{ from: 'src/cache/a.ts', to: 'left-pad' }]).length, 1);
  const { dependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  assert.deepEqual(Object.keys(dependencies).sort(), Object.keys(owners).sort());
});

test('no import leads back to where it came from', () => {
  assert.deepEqual(circles(imports), []);
  const edges = ['a b', 'b c', 'c a', 'c d', 'd d'].map((edge) => edge.split(' '));
  assert.deepEqual(circles(edges.map(([from = '', to = '']) => ({ from, to }))), ['a → b → c → a', 'd → d']);
});

test('no file is a barrel', () => {
  assert.deepEqual(
    files.filter((file) => basename(file) === 'index.ts'),
    [],
  );
});
