import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { machineWith } from '../../../test/support/command/setup-machine.ts';
import { setupViewOf } from '../../../test/support/command/setup-views.ts';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { SetupError } from '../target.ts';
import { docker } from '../targets/docker.ts';
import { buildah, podman } from '../targets/podman.ts';

const paths = ['etc/docker/daemon.json', 'etc/containers/registries.conf.d/50-entrepot.conf'];
const targets = [docker, podman, buildah];
const mark = '# Asks the cache first for each registry. Made by entrepot setup.\n';

const path = fc.constantFrom(...paths);
const target = fc.constantFrom(...targets);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant('apply' as const), target, host: fc.constantFrom('one', 'two') }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('undo' as const), target, force: fc.constantFrom(false, false, true) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('write' as const), path, count: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('remove' as const), path }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What somebody writes by hand: something that each of the targets puts its own into, or replaces. */
function textOf(path: string, count: number): string {
  return path.endsWith('.json') ? `{"labels": ["${count}"]}` : `${mark}# ${count}, by hand\n`;
}

const byHand = new Set(paths.flatMap((path) => [0, 1, 2, 3].map((count) => textOf(path, count))));

/** A machine where somebody writes by hand, and what of that has to be somewhere as it was not taken away by hand. */
function busyMachine(root: string) {
  rmSync(root, { recursive: true });
  mkdirSync(root);
  const here = machineWith(root, {});
  const kept = new Set<string>();
  const now = () => paths.map((path) => (existsSync(join(root, path)) ? here.read(path) : undefined));
  const write = (path: string, count: number) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), textOf(path, count));
  };
  const work = (one: Extract<Step, { does: 'apply' | 'undo' }>) =>
    one.does === 'apply'
      ? here.apply(one.target, setupViewOf({ address: `https://${one.host}.test` }))
      : here.undo(one.target, one.force);
  /** Does a step; what it came to. */
  const take = async (one: Step): Promise<'by hand' | 'done' | 'refused'> => {
    if (one.does === 'write') write(one.path, one.count);
    if (one.does === 'remove') rmSync(join(root, one.path), { force: true });
    if (one.does === 'write' || one.does === 'remove') return 'by hand';
    const before = now();
    const error = await work(one).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const after = now();
    for (const [at, text] of before.entries()) if (text && byHand.has(text) && after[at] !== text) kept.add(text);
    if (error === undefined) return 'done';
    assert.ok(error instanceof SetupError, String(error));
    assert.deepEqual(after, before);
    return 'refused';
  };
  const check = (after: string) => {
    const texts = textsBelow(root);
    for (const text of kept) assert.ok(texts.has(text), `${text} is gone after ${after}`);
    for (const text of now()) if (text) kept.delete(text);
  };
  return { here, now, write, take, check };
}

/** The text of every file below a folder. */
function textsBelow(root: string): Set<string> {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((each) => join(root, each));
  return new Set(all.filter((each) => statSync(each).isFile()).map((each) => readFileSync(each, 'utf8')));
}

/** Takes back all that there is, the last first. */
async function undoAll(here: ReturnType<typeof machineWith>): Promise<void> {
  for (let more = true; more; ) {
    more = false;
    for (const each of targets) {
      const done = await here.undo(each, true).catch((error: unknown) => {
        assert.match(String(error), /undo (?:podman|buildah) first$/);
        return 'later';
      });
      more ||= done.length > 0;
    }
  }
}

test('whatever is applied, undone and written by hand in between: nothing that somebody wrote is lost', async (t) => {
  const root = tmpDir(t);
  const counts = { done: 0, refused: 0, 'by hand': 0 };
  const first = fc.tuple(...paths.map(() => fc.option(fc.nat(3), { nil: undefined })));
  const run = async (begin: readonly (number | undefined)[], steps: readonly Step[]) => {
    const { here, now, write, take, check } = busyMachine(root);
    for (const [at, count] of begin.entries()) if (count !== undefined) write(paths[at] ?? '', count);
    for (const one of steps) {
      counts[await take(one)] += 1;
      check(JSON.stringify(one));
    }
    await undoAll(here);
    for (const text of now()) assert.ok(text === undefined || byHand.has(text), text);
    assert.ok(!existsSync(join(root, 'var')));
  };
  await fc.assert(fc.asyncProperty(first, fc.array(step, { minLength: 6, maxLength: 14 }), run), { numRuns: 25 });
  assert.ok(counts.done > 30, JSON.stringify(counts));
});
