import type { TestContext } from 'node:test';
import { runProgram } from '../../../src/cli/program.ts';
import { makeImage, makeIndex, type TestImage } from '../content/images.ts';
import { tmpDir } from '../disk/tmp.ts';
import { startTestRegistry, type TestRegistry } from '../upstream/test-registry.ts';
import { startTestCache, type TestCache, type TestCacheOptions } from './test-cache.ts';

/** Two ways to an image: a registry that is docker.io here, and a cache in front of it. */
export interface MeasureStage {
  readonly upstream: TestRegistry;
  readonly cache: TestCache;
  readonly image: TestImage;
  /** The index that the tag stands for. */
  readonly index: TestImage;
  /** What the environment of the machine says. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command that measures, on a machine where these are found. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<RunResult>;
}

/** What a command said, and how it ended. */
export interface RunResult {
  readonly exitCode: number;
  readonly out: string;
  readonly errors: string;
}

/** The architecture of this machine, as images name it. */
export const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

/** Starts both, with `library/nginx:latest` upstream; they end with the test. */
export async function setUpMeasureStage(
  t: TestContext,
  options: Partial<TestCacheOptions> = {},
): Promise<MeasureStage> {
  const upstream = await startTestRegistry();
  t.after(() => upstream.close());
  const image = makeImage({ seed: 'measured', layers: [200_000, 3_000_000, 400_000], architecture });
  const other = makeImage({ seed: 'other', layers: [1_000], architecture: 'riscv64' });
  const index = makeIndex([other, image]);
  upstream.content.push('library/nginx', index, 'latest');
  const upstreams = [{ name: 'docker.io', urls: [new URL(upstream.url)], dockerHub: true }];
  const cache = await startTestCache({ data: tmpDir(t), upstreams, ...options });
  t.after(() => cache.stop());
  const env = {
    // No client of this machine is found, unless a test brings one.
    PATH: '/nowhere',
    CACHE_HOST: `127.0.0.1:${cache.port}`,
    ENTREPOT_BUILTIN_UPSTREAMS: 'false',
    ENTREPOT_UPSTREAMS: JSON.stringify({ 'docker.io': { url: upstream.url } }),
  };
  return {
    ...{ upstream, cache, image, index, env },
    async run(args, more = {}) {
      const said = { out: '', errors: '' };
      const exitCode = await runProgram(args, {
        env: { ...env, ...more },
        writeOut: (text) => {
          said.out += text;
        },
        writeError: (text) => {
          said.errors += text;
        },
      });
      return { exitCode, ...said };
    },
  };
}
