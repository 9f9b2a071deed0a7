import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly uses?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly permissions?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = globSync('.github/workflows/*.yml', { cwd: root }).sort();

function textOf(file: string): string {
  return readFileSync(`${root}${file}`, 'utf8');
}

function jobsOf(file: string): [string, Job][] {
  const { jobs } = parse(textOf(file)) as Workflow;
  return Object.entries(jobs).map(([name, job]) => [`${file} ${name}`, job]);
}

test('actions are pinned by commit, with the version that it is, and the same everywhere', () => {
  const pins = new Map<string, string>();
  for (const file of files) {
    for (const [, used = ''] of textOf(file).matchAll(/^\s*(?:- )?uses: (.*)$/gm)) {
      if (used.startsWith('./')) continue;
      const [, action = '', pin = ''] = /^([\w-]+\/[\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$/.exec(used) ?? [];
      assert.ok(action, `${file}: ${used}`);
      assert.equal(pins.get(action) ?? pin, pin, action);
      pins.set(action, pin);
    }
  }
  assert.ok(pins.size >= 8);
});

test('a job may do what it names and nothing else, and ends', () => {
  for (const file of files) {
    assert.deepEqual((parse(textOf(file)) as Workflow).permissions, {}, file);
    for (const [name, job] of jobsOf(file)) {
      assert.ok(job.permissions, name);
      if (job.uses === undefined) assert.ok((job['timeout-minutes'] ?? 0) > 0, name);
    }
  }
});

test('nothing that somebody else may choose is put into a script, and no checkout leaves its token', () => {
  for (const [name, { steps = [] }] of files.flatMap(jobsOf)) {
    for (const { run = '', uses = '', with: given } of steps) {
      assert.doesNotMatch(run, /\$\{\{/, name);
      if (uses.startsWith('actions/checkout@')) assert.equal(given?.['persist-credentials'], false, name);
    }
  }
});

test('every change runs .ci/run, and a release all that a change does', () => {
  const checks = jobsOf('.github/workflows/checks.yml');
  assert.ok(checks.some(([, { steps = [] }]) => steps.some(({ run }) => run === '.ci/run')));
  const release = Object.fromEntries(jobsOf('.github/workflows/release.yml'));
  assert.equal(release['.github/workflows/release.yml checks']?.uses, './.github/workflows/checks.yml');
});
