import { type Command, Option } from 'commander';
import { parseCount } from '../../config/schema/values/count.ts';
import { pullerNames } from '../../measure/pullers/puller-names.ts';
import { addConfigFlags } from '../configuration/config-flags.ts';
import { argument } from '../terminal/flag-values.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { addSideFlags, type BenchFlags } from './measure-flags.ts';

/** Adds `entrepot bench`. */
export function addBenchCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('bench')
    .description(
      'Measure how quick an image is pulled through the cache and from upstream: by tag, by digest, and one of its blobs ' +
        'downloaded. Nothing is removed from a client but what was pulled to measure.',
    );
  addSideFlags(command)
    .option('--pulls <COUNT>', 'how often each is measured (or $PULLS; 3)', argument(parseCount))
    .option('--prune-between', 'remove the image before every pull (or $PRUNE_BETWEEN=1)')
    .option('--no-prune-between', 'remove it before the first pull of each kind only')
    .addOption(
      new Option(
        '--client <NAME>',
        'what pulls: docker, podman, containerd or built-in (the first that is here)',
      ).choices(pullerNames),
    )
    .option('--json', 'print JSON: every figure, and what they come to');
  addConfigFlags(command).action(async (flags: BenchFlags) => {
    const { bench } = await import('./run-bench.ts');
    await bench(flags, terminal);
  });
}
