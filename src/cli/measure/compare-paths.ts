import type { Command } from 'commander';
import { parseCount } from '../../config/schema/values/count.ts';
import { addConfigFlags } from '../configuration/config-flags.ts';
import { argument } from '../terminal/flag-values.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { addSideFlags, type PathsFlags } from './measure-flags.ts';

/** Adds `entrepot compare-paths`. */
export function addComparePathsCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('compare-paths')
    .description(
      'Measure, from a client’s machine, what the path to the cache carries, and how fast a blob comes from the cache and ' +
        'from a CDN; and say which of them is the limit.',
    );
  addSideFlags(command)
    .option('--runs <COUNT>', 'how often each is downloaded (3)', argument(parseCount))
    .option('--cdn-url <URL>', 'a large file to compare with; without, the same blob from upstream')
    .option('--skip-iperf', 'do not measure what the path carries')
    .option('--iperf-port <PORT>', 'where the cache’s machine has an iperf3 server (5201)', argument(parseCount))
    .option('--seconds <COUNT>', 'how long each measurement of the path takes (5)', argument(parseCount))
    .option('--json', 'print JSON: every figure, and what they mean');
  addConfigFlags(command).action(async (flags: PathsFlags) => {
    const { compare } = await import('./run-compare-paths.ts');
    await compare(flags, terminal);
  });
}
