import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cloudInit } from '../../src/setup/targets/cloud-init.ts';
import { setupViews } from '../support/command/setup-views.ts';
import { tmpDir } from '../support/disk/tmp.ts';
import { run } from './lab/machine/processes.ts';

for (const [kind, view] of Object.entries(setupViews)) {
  test(`cloud-init takes the user data for a cache of the kind "${kind}"`, async (t) => {
    const [file] = cloudInit.plan(view).files;
    const path = join(tmpDir(t), 'cloud-init.yaml');
    await writeFile(path, file?.render(undefined) ?? '');
    await run('cloud-init', ['schema', '--config-file', path]); // which fails where it does not
  });
}
