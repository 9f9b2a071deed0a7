import type { Command } from 'commander';
import { Removal } from '../../cache/space/removal/removal.ts';
import { parseDuration } from '../../config/schema/values/duration.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import { type CollectedGarbage, collectGarbage } from '../../hosted/garbage/collect-garbage.ts';
import { SharedLocks } from '../../util/locks/shared-locks.ts';
import { systemClock } from '../../util/time/clock.ts';
import { addConfigFlags, type ConfigFlags } from '../configuration/config-flags.ts';
import { errorsTo } from '../errors-to.ts';
import { type OpenCache, withCacheToRemove } from '../open-cache.ts';
import { argument } from '../terminal/flag-values.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** The flags of `entrepot gc`. */
interface GcFlags extends ConfigFlags {
  readonly grace?: number;
  readonly untagged?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Adds `entrepot gc`. */
export function addGcCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('gc')
    .description(
      'Collect the garbage of what was pushed, as a running server does by itself: blobs that no manifest of their ' +
        'repository references. A server may be running beside.',
    )
    .option(
      '--grace <TIME>',
      'what was pushed or asked for less than so long ago stays: 1h, 0s (hosted.garbage.grace, unless given)',
      argument((text) => parseDuration(text)),
    )
    .option('--untagged', 'manifests without a tag go, too, that no other manifest needs')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .option('--json', 'print JSON: how much went, and what stays for the grace time');
  addConfigFlags(command).action((flags: GcFlags) => run(flags, terminal));
}

async function run(flags: GcFlags, terminal: Terminal): Promise<void> {
  const garbage = await withCacheToRemove(flags, terminal, (cache) => collect(flags, cache, terminal));
  const { dryRun = false } = flags;
  terminal.writeOut(flags.json ? `${JSON.stringify({ dryRun, ...garbage }, null, 2)}\n` : summary(garbage, dryRun));
}

async function collect(
  flags: GcFlags,
  { index, records, store, config }: OpenCache,
  terminal: Terminal,
): Promise<CollectedGarbage> {
  const { graceMs, untagged } = config.hosted.garbage;
  const removal = new Removal({ index, store, log: errorsTo(terminal) });
  // The locks are this process's own: a server beside sees to it that records follow the index.
  const locks = new SharedLocks();
  const tools = { index, records, locks, remove: removal.remove.bind(removal) };
  const request = {
    beforeMs: systemClock.now() - (flags.grace ?? graceMs),
    untagged: flags.untagged ?? untagged,
    dryRun: flags.dryRun === true,
  };
  return collectGarbage(tools, request, new AbortController().signal);
}

function summary({ manifests, blobs, contents, sizeBytes, waiting }: CollectedGarbage, dryRun: boolean): string {
  const [removes, frees] = dryRun ? ['Would remove', 'Would free'] : ['Removed', 'Freed'];
  const lines = [
    `${removes} ${amount(manifests, 'manifest')} and ${amount(blobs, 'blob')} of their repositories`,
    `${frees} ${formatSize(sizeBytes)}: ${amount(contents, 'content')} that no repository has any more`,
  ];
  if (waiting.manifests + waiting.blobs > 0) {
    lines.push(
      `Left for the grace time: ${amount(waiting.manifests, 'manifest')} and ${amount(waiting.blobs, 'blob')}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function amount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
