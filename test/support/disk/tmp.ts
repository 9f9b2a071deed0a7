import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';

/** What a hook can be hung on: a test's context, or `{ after }` of `node:test` for a whole suite. */
export interface WithAfter {
  after(hook: () => void): void;
}

/** How strictly a directory is left behind. */
export interface TmpDirOptions {
  /** Fails the test when, after all of its hooks, this process has a file below the directory open (where /proc tells). */
  readonly assertClosed?: boolean;
}

/** Makes an empty directory that is removed when the test is over, after every hook that the test registered. */
export function tmpDir(t: WithAfter, options: TmpDirOptions = {}): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'entrepot-test-')));
  // Hooks run in the order they were registered: one that is registered by a hook comes after those that close things.
  t.after(() =>
    t.after(() => {
      const open = options.assertClosed ? openBelow(directory) : [];
      rmSync(directory, { recursive: true, force: true });
      assert.deepEqual(open, [], 'files are still open');
    }),
  );
  return directory;
}

/** The files below a directory that this process has open; none where the system does not tell. */
export function openBelow(directory: string): string[] {
  const descriptors = '/proc/self/fd';
  if (!existsSync(descriptors)) return [];
  return readdirSync(descriptors).flatMap((descriptor) => {
    const target = targetOf(join(descriptors, descriptor));
    return target?.startsWith(directory + sep) ? [target] : [];
  });
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined; // closed between listing and looking, as the listing's own descriptor is
  }
}
