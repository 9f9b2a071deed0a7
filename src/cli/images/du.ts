import { statfs } from 'node:fs/promises';
import type { Command } from 'commander';
import { type DiskUsage, diskUsage, type Usage } from '../../cache/images/disk-usage.ts';
import { shownRegistry } from '../../cache/images/image-names.ts';
import { takeInventory } from '../../cache/images/inventory.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import { partialDownloads } from '../../storage.ts';
import { addConfigFlags, type ConfigFlags } from '../configuration/config-flags.ts';
import { withCache } from '../open-cache.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';

const columns: readonly Column[] = [
  { head: 'REPOSITORY' },
  { head: 'IMAGES', right: true },
  { head: 'SIZE', right: true },
  { head: 'OWN', right: true },
  { head: 'SHARED', right: true },
];

/** Adds `entrepot du`. */
export function addDuCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('du')
    .description('Tell what takes how much space: in all, by registry, and by repository.')
    .option('--json', 'print JSON, with sizes in bytes');
  addConfigFlags(command).action((flags: ConfigFlags & { json?: true }) => showUsage(flags, terminal));
}

async function showUsage(flags: ConfigFlags & { json?: true }, terminal: Terminal): Promise<void> {
  const report = await withCache(flags, terminal, async ({ index, config, naming }) => {
    const inventory = await takeInventory(index);
    const totals = { total: await index.totals(), hosted: await index.hostedTotals() };
    const usage = diskUsage(inventory, totals);
    const registries = usage.registries.map((one) => ({ ...one, registry: shownRegistry(one.registry, naming) }));
    const { bavail, bsize } = await statfs(config.data);
    const { maxBytes } = config.cache;
    return { ...usage, registries, partials: await partialDownloads(config.data), maxBytes, freeBytes: bavail * bsize };
  });
  terminal.writeOut(flags.json ? `${JSON.stringify(report, null, 2)}\n` : render(report));
}

interface Report extends DiskUsage {
  readonly partials: { readonly files: number; readonly sizeBytes: number };
  readonly maxBytes: number;
  readonly freeBytes: number;
}

function render({ total, hosted, unused, partials, maxBytes, freeBytes, registries }: Report): string {
  const facts = [
    ['Stored', `${formatSize(total.sizeBytes)} of at most ${formatSize(maxBytes)}, ${total.contents} contents`],
    ['Hosted', `${formatSize(hosted.sizeBytes)}, ${hosted.contents} contents, beside that`],
    ['Of no image', `${formatSize(unused.sizeBytes)}, ${unused.contents} contents`],
    [
      'Partial downloads',
      `${formatSize(partials.sizeBytes)}, ${partials.files} ${partials.files === 1 ? 'file' : 'files'}`,
    ],
    ['Free on the disk', formatSize(freeBytes)],
  ] as const;
  const head = facts.map(([name, value]) => `${`${name}:`.padEnd(20)}${value}\n`).join('');
  const rows = registries.flatMap(({ registry, repositories, ...all }) => [
    toRow(registry, all),
    ...repositories.map(({ repository, ...one }) => toRow(`  ${repository}`, one)),
  ]);
  return rows.length === 0 ? head : `${head}\n${renderTable(columns, rows)}`;
}

function toRow(name: string, { images, sizeBytes, ownBytes, sharedBytes }: Usage): string[] {
  return [name, String(images), ...[sizeBytes, ownBytes, sharedBytes].map(formatSize)];
}
