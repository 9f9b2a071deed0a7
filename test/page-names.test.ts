import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../src/cli/program.ts';
import { configKeys, nameOfPath, upstreamKeys, variableOfPath } from '../src/config/schema/keys.ts';
import { codeSpansOf, commandLinesOf, type Page, pages, projectRoot } from './support/pages/pages.ts';

const pageAt = new Map(pages.map((page) => [page.path, page]));

/** What differs from what a page may say, each with the page that says it; one assertion tells all of them. */
function assertNone(found: readonly (readonly [Page, string])[], advice: string) {
  assert.deepEqual(
    found.map(([{ path }, what]) => `${path}: ${what}`),
    [],
    advice,
  );
}

/** Every one of something that the pages have, with its page. */
function all<Thing>(of: (page: Page) => readonly Thing[]): (readonly [Page, Thing])[] {
  return pages.flatMap((page) => of(page).map((thing) => [page, thing] as const));
}

// What begins like a key and is none: a registry, hosts of examples, and a key of registry:2.
const noKeys = new Set(['hosted.entrepot', 'auth.docker.io', 'cache.example.com', 'proxy.remoteurl']);

// Nor is a name of a file.
const fileName = /\.(?:c?js|conf|crt|json|log|md|pem|sh|sock|toml|ts|txt|ya?ml)$/;

test('every key that a page names is one of the configuration', () => {
  const names = configKeys.map(({ path }) => nameOfPath(path));
  const groups = new Set(names.filter((name) => name.includes('.')).map((name) => name.slice(0, name.indexOf('.'))));
  const isKnown = (name: string) =>
    names.some((known) => known === name || known.startsWith(`${name}.`) || name.startsWith(`${known}.`));
  const ofUpstreams = new Set(upstreamKeys.map(({ path }) => nameOfPath(path)));
  const named = all((page) => codeSpansOf(page).flatMap((span) => /^([a-z]+(?:\.[a-zA-Z]+)+)\b/.exec(span)?.[1] ?? []));
  const keys = named.filter(
    // The pages of the chart have its values.
    ([{ path }, name]) =>
      !path.startsWith('deploy/') && groups.has(name.slice(0, name.indexOf('.'))) && !fileName.test(name),
  );
  assert.ok(keys.length > 100, `${keys.length}`);
  assertNone(
    keys.filter(([, name]) => !isKnown(name) && !ofUpstreams.has(name) && !noKeys.has(name)),
    'these are no keys: see docs/configuration.md',
  );
});

test('every variable that a page names is read by Entrepot, or by one of its scripts', () => {
  const scripts = ['src/setup/script/proxy.sh', 'src/cli/config-sources.ts', 'src/config/sources/environment.ts']
    .filter((path) => existsSync(join(projectRoot, path)))
    .map((path) => readFileSync(join(projectRoot, path), 'utf8'))
    .join('');
  const known = new Set(configKeys.map(({ path }) => variableOfPath(path)));
  const isKnown = (name: string) =>
    known.has(name) || name.startsWith('ENTREPOT_UPSTREAMS_') || new RegExp(`\\b${name}\\b`).test(scripts);
  const named = all(({ text }) => [...text.matchAll(/\bENTREPOT_[A-Z_]*[A-Z]\b/g)].map(([name]) => name));
  assert.ok(named.length > 50);
  assertNone(
    named.filter(([, name]) => !isKnown(name)),
    'nobody reads these variables',
  );
});

test('every metric that a page names is one of those at /metrics', () => {
  // Which test/docs.test.ts holds to the code.
  const page = pageAt.get('docs/metrics.md')?.text ?? '';
  const known = new Set([...page.matchAll(/^\| `(entrepot_\S+)`/gm)].map(([, name]) => name));
  const named = all(({ text }) => [...text.matchAll(/\bentrepot_[a-z_]*[a-z]\b/g)].map(([name]) => name));
  assert.ok(named.length > 20);
  assertNone(
    named.filter(([, name]) => !known.has(name) && !known.has(name.replace(/_(?:bucket|sum|count)$/, ''))),
    'these are no metrics: see docs/metrics.md',
  );
});

async function helpOf(command: readonly string[]): Promise<string> {
  let help = '';
  const write = (text: string) => {
    help += text;
  };
  await runProgram([...command, '--help'], { env: {}, writeOut: write, writeError: write });
  return help;
}

const wordsBelow = (help: string) =>
  new Set([...(/^Commands:\n([\s\S]*)/m.exec(help)?.[1] ?? '').matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name));

test('every command of entrepot in a page exists, and takes the flags that it has there', async () => {
  const helps = new Map<string, string>();
  const wrong: [Page, string][] = [];
  const lines = all((page) =>
    commandLinesOf(page).flatMap((line) =>
      [...line.matchAll(/(?:^|[;&|(] ?|sudo |-- )entrepot(?= [a-z])( [^;&|<>#`]*)/g)].map(([, rest = '']) => rest),
    ),
  );
  assert.ok(lines.length > 60, `${lines.length}`);
  for (const [page, line] of lines) {
    const words = line.trim().split(/\s+/);
    const command: string[] = [];
    for (const word of words) {
      const key = command.join(' ');
      const help = helps.get(key) ?? (await helpOf(command));
      helps.set(key, help);
      if (!wordsBelow(help).has(word)) break;
      command.push(word);
    }
    const help = helps.get(command.join(' ')) ?? (await helpOf(command));
    helps.set(command.join(' '), help);
    if (command.length === 0) wrong.push([page, `entrepot ${words[0]}`]);
    for (const flag of line.match(/(?<= )--[a-z][a-z-]*/g) ?? []) {
      if (!help.includes(flag)) wrong.push([page, `entrepot ${command.join(' ')} ${flag}`]);
    }
  }
  assertNone(wrong, 'these are no commands, or have no such flags');
});

test('every target of make and every script of npm that a page names exists', () => {
  const makefile = readFileSync(join(projectRoot, 'Makefile'), 'utf8');
  const targets = new Set([...makefile.matchAll(/^([a-z][a-z-]*):/gm)].map(([, name]) => name));
  const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  // The pages about moving here have the commands of other systems, too.
  const own = all((page) => (page.path.startsWith('docs/migration/') ? [] : commandLinesOf(page)));
  const wrong = own.filter(([, line]) => {
    const target = /^make ([a-z][a-z-]*)\b/.exec(line)?.[1];
    const script = /^npm run (?:--?[a-z]+ )*([a-z]+)/.exec(line)?.[1];
    return (target !== undefined && !targets.has(target)) || (script !== undefined && !(script in scripts));
  });
  assertNone(wrong, 'the Makefile or package.json has no such');
});

const sources = globSync('{src,test,bench,scripts}/**/*.ts', { cwd: projectRoot });

// A file that readers make, and names that stand for any.
const noFiles = new Set(['deploy/compose/.env', 'x.test.ts', 'utils.ts']);

test('every file and folder of the project that a page names is there', () => {
  const own = /(?<=^|[\s"'=(])(?:src|test|bench|scripts|docs|deploy|\.ci)\/[^\s"'),:;…*]*/g;
  const named = all((page) =>
    [...codeSpansOf(page), ...commandLinesOf(page)].flatMap((text) => [...text.matchAll(own)].map(([path]) => path)),
  );
  assert.ok(named.length > 50, `${named.length}`);
  assertNone(
    named.filter(([, path]) => !noFiles.has(path) && !existsSync(join(projectRoot, path))),
    'these are not there',
  );
});

test('every source file that a page names by the end of its path is there, and is the only one of that name', () => {
  const named = all((page) =>
    codeSpansOf(page).filter((span) => /^(?!(?:src|test|bench|scripts)\/)[\w./-]+\.ts$/.test(span)),
  );
  assert.ok(named.length > 50, `${named.length}`);
  // Names without a folder are those of src/; of what is not there, those of tests and tools.
  const filesOf = (name: string) => {
    if (sources.includes(`src/${name}`)) return [`src/${name}`];
    const called = sources.filter((path) => path.endsWith(`/${name}`));
    const inSource = called.filter((path) => path.startsWith('src/'));
    return inSource.length > 0 ? inSource : called;
  };
  const wrong = named.filter(([, name]) => !noFiles.has(name) && filesOf(name).length !== 1);
  assertNone(
    wrong.map(([page, name]) => [page, `${name}: ${filesOf(name).join(', ') || 'none'}`] as const),
    'name one file',
  );
});

test('every name of the code in docs/architecture.md is one', () => {
  const code = sources.map((path) => readFileSync(join(projectRoot, path), 'utf8')).join('\n');
  const words = new Set(code.match(/\w+/g));
  const page = pageAt.get('docs/architecture.md')!;
  const named = codeSpansOf(page).flatMap((span) => /^#?([a-zA-Z]\w*[a-z][A-Z]\w*)(?:\(\))?$/.exec(span)?.[1] ?? []);
  assert.ok(named.length > 30, `${named.length}`);
  assert.deepEqual(
    named.filter((name) => !words.has(name)),
    [],
    'the code has no such names',
  );
});

/** The events that a file of the code logs, as they are written there: the last text of each call. */
function eventsOf(code: string): string[] {
  return [...code.matchAll(/\blog(?:\.(?:debug|info|warn|error)|\[[^\]]+\])\(/g)].flatMap(({ index, 0: call }) => {
    let end = index + call.length;
    for (let depth = 1; depth > 0; end++) depth += code[end] === '(' ? 1 : code[end] === ')' ? -1 : 0;
    return code.slice(index, end).match(/(?<=')[^'\n]+(?=',?\s*\)$)|(?<=`)[^`\n]+(?=`,?\s*\)$)/)?.[0] ?? [];
  });
}

test('docs/log.md has every event that is logged, and no other', () => {
  const ofSource = sources.filter((path) => path.startsWith('src/') && !path.endsWith('.test.ts'));
  const texts = ofSource.map((path) => readFileSync(join(projectRoot, path), 'utf8'));
  const logged = new Set(texts.flatMap(eventsOf));
  assert.ok(logged.size > 60, `${logged.size}`);
  const { text: page } = pageAt.get('docs/log.md')!;
  const rows = [...page.matchAll(/^\| (`.*`) \| (?:debug|info|warn|error)[^|]* \|/gm)];
  const told = rows.flatMap(([, events = '']) => [...events.matchAll(/`([^`]+)`/g)].map(([, event = '']) => event));
  const isLogged = (event: string) => texts.some((text) => text.includes(`'${event}'`));
  // Which door it is stands before it.
  const doors = /^\w+ door open$/;
  assert.deepEqual(
    told.filter((event) => !doors.test(event) && !isLogged(event)),
    [],
    'nobody logs these',
  );
  assert.deepEqual(
    [...logged].filter((event) => !event.includes('door open') && !told.includes(event)),
    [],
    'docs/log.md does not have these',
  );
});
