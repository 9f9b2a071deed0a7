import { readFile } from 'node:fs/promises';
import type { SetupFile, SetupTarget } from '../../../../src/setup/target.ts';
import { setupViewOf } from '../../../support/command/setup-views.ts';
import type { Mirror } from '../servers/mirror.ts';

/** The files that `entrepot setup` gives a client for a mirror of docker.io and ghcr.io: what is tested is what people get. */
export async function generatedFiles(target: SetupTarget, mirror: Mirror): Promise<readonly SetupFile[]> {
  const { scheme, host, authority } = mirror;
  const registries = setupViewOf().registries.filter(({ name }) => name === 'docker.io' || name === 'ghcr.io');
  const ca = authority === undefined ? undefined : await readFile(authority, 'utf8');
  return target.plan(setupViewOf({ address: `${scheme}://${host}`, registries, ca })).files;
}

/** One of them, as text for a machine that has none. */
export async function generatedFile(target: SetupTarget, mirror: Mirror, path: string): Promise<string> {
  const file = (await generatedFiles(target, mirror)).find((each) => each.path === path);
  if (!file) throw new Error(`Cannot find "${path}" among the files of ${target.name}`);
  return file.render(undefined);
}
