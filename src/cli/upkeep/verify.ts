import { setInterval } from 'node:timers';
import type { Command } from 'commander';
import { Damages } from '../../cache/content/damages.ts';
import { Hasher } from '../../cache/download/hasher.ts';
import { type ImageNaming, shownRegistry } from '../../cache/images/image-names.ts';
import { verifyStore } from '../../cache/scrub/verification.ts';
import type { SettingsConfig } from '../../config/config.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import { openToolStorage, openWithNewIndex, type Storage } from '../../storage.ts';
import { silentLog } from '../../util/log/log.ts';
import { systemClock } from '../../util/time/clock.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags, loadSettingsOf } from '../configuration/config-flags.ts';
import { assertOwnFolder } from '../foreign-folder.ts';
import { namingOf } from '../open-cache.ts';
import { interruptible } from '../terminal/interruptible.ts';
import { describeProgress, describeTime } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { rebuildRecords, type VerifyFinding, verifyFindingKinds, verifyRecords } from './verify-records.ts';

const barEveryMs = 200;
const lineEveryMs = 10_000; // where nobody watches, each is kept

/** The flags of `entrepot verify`. */
interface VerifyFlags extends ConfigFlags {
  readonly repair?: true;
  readonly rebuild?: true;
  readonly json?: true;
}

/** What a verification came to. */
interface Report {
  contents: number;
  bytes: number;
  seconds: number;
  replacedIndex: string | undefined;
  readonly findings: (VerifyFinding & { readonly repaired: boolean })[];
}

/** Adds `entrepot verify`. */
export function addVerifyCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('verify')
    .description(
      'Read everything that is stored, and tell what is not as it should be. A server may be running beside.',
    )
    .option('--repair', 'drop what is wrong, and note in the index what is right')
    .option('--rebuild', 'make the index anew from the files, and repair; the old one is kept aside, no server may run')
    .option('--json', 'print JSON: what was read, and everything that was found');
  addConfigFlags(command).action((flags: VerifyFlags) => verify(flags, terminal));
}

async function verify(flags: VerifyFlags, terminal: Terminal): Promise<void> {
  const config = loadSettingsOf(flags, terminal);
  if (flags.repair || flags.rebuild) assertOwnFolder(config.data);
  const report: Report = { contents: 0, bytes: 0, seconds: 0, replacedIndex: undefined, findings: [] };
  await interruptible((signal) => verifyStorage(flags, config, report, signal, terminal), {
    message: () => `Stopped: ${formatSize(report.bytes)} were read`,
  });
  if (flags.json) terminal.writeOut(`${JSON.stringify(toJson(report), null, 2)}\n`);
  else terminal.writeOut(`${summary(report, flags)}\n`);
  const left = report.findings.filter(({ repaired }) => !repaired);
  if (left.length > 0) throw new CommandFailure(leftOver(left, flags));
}

async function verifyStorage(
  flags: VerifyFlags,
  config: SettingsConfig,
  report: Report,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<void> {
  const clock = systemClock;
  const naming = namingOf(config);
  const storage = await openStorage(flags, config.data, report);
  const hasher = new Hasher();
  const beganMs = performance.now();
  const { store, index } = storage;
  const progress = showProgress(await totalBytes(storage, flags), report, beganMs, terminal);
  const found = (finding: VerifyFinding, repaired: boolean) => {
    if (flags.rebuild && finding.kind === 'unindexed') return; // as is everything
    report.findings.push({ ...finding, repaired });
    if (!flags.json) progress.say(terminal.writeOut, findingLine(finding, repaired, naming));
  };
  const repair = (flags.repair ?? flags.rebuild) === true;
  try {
    if (flags.rebuild) await rebuildRecords(storage, found, signal);
    const beganAtMs = clock.now();
    const damages = new Damages({ store, index, log: silentLog });
    await verifyStore(
      { store, index, damages, hasher, clock },
      {
        ...{ repair, signal, found },
        read(bytes) {
          report.bytes += bytes;
        },
        checked() {
          report.contents++;
        },
      },
    );
    if (!flags.rebuild) await verifyRecords(storage, { repair, beforeMs: beganAtMs, signal, found });
  } finally {
    progress.end();
    report.seconds = (performance.now() - beganMs) / 1000;
    await hasher.close();
    await storage.close();
  }
}

async function openStorage(flags: VerifyFlags, data: string, report: Report): Promise<Storage> {
  if (!flags.rebuild) return openToolStorage(data, systemClock);
  const storage = await openWithNewIndex(data, systemClock);
  report.replacedIndex = storage.replaced;
  return storage;
}

/** How much there is to read. */
async function totalBytes({ store, index }: Storage, { rebuild }: VerifyFlags): Promise<number> {
  if (!rebuild) return (await index.totals()).sizeBytes + (await index.hostedTotals()).sizeBytes;
  let bytes = 0;
  for await (const { sizeBytes } of store.list()) bytes += sizeBytes;
  return bytes;
}

/** Shows how far it is on standard error: in one line that is written anew, or where nobody watches now and then. */
function showProgress(totalBytes: number, report: Report, beganMs: number, terminal: Terminal) {
  const isWatched = terminal.isWatched === true;
  const clear = isWatched ? '\r\x1b[K' : '';
  const show = () => {
    const text = describeProgress(report.bytes, totalBytes, performance.now() - beganMs);
    terminal.writeError(isWatched ? `${clear}${text}` : `${text}\n`);
  };
  const timer = setInterval(show, isWatched ? barEveryMs : lineEveryMs);
  return {
    say(write: (text: string) => void, line: string) {
      if (isWatched) terminal.writeError(clear);
      write(`${line}\n`);
    },
    end() {
      clearInterval(timer);
      if (isWatched) terminal.writeError(clear);
    },
  };
}

function findingLine(finding: VerifyFinding, repaired: boolean, naming: ImageNaming): string {
  const name = nameOf(finding);
  return `${finding.kind}: ${name}, ${detail(finding, naming)}${repaired ? `; ${remedies[finding.kind]}` : ''}`;
}

function nameOf(finding: VerifyFinding): string {
  if ('record' in finding) return finding.record;
  return finding.kind === 'leftover' ? finding.path : finding.digest;
}

function detail(finding: VerifyFinding, naming: ImageNaming): string {
  switch (finding.kind) {
    case 'damaged':
      return `${finding.sizeBytes} bytes, which are ${finding.found}`;
    case 'unreadable':
      return finding.reason;
    case 'missing':
      return `the index has it with ${finding.sizeBytes} bytes, the store does not`;
    case 'wrong size':
      return `${finding.sizeBytes} bytes, the index says ${finding.notedBytes}`;
    case 'unindexed':
      return `${finding.sizeBytes} bytes, which the index does not know`;
    case 'dead link':
      return `${finding.registry}/${finding.repository} is said to have it, and it is not stored`;
    case 'lost':
      return `${shownRegistry(finding.registry, naming)}/${finding.repository} needs it, and it is not stored: push it again`;
    case 'leftover':
      return `${finding.sizeBytes} bytes that nobody looks for`;
    case 'broken record':
    case 'lost manifest':
    case 'unnoted record':
    case 'wrong record':
      return finding.reason;
  }
}

const remedies: Readonly<Record<VerifyFinding['kind'], string>> = {
  damaged: 'dropped, the next request fetches it unless it is hosted',
  unreadable: 'left',
  missing: 'forgotten, the next request fetches it',
  'wrong size': 'corrected',
  unindexed: 'noted',
  'dead link': 'forgotten',
  lost: 'left',
  leftover: 'removed',
  'broken record': 'left',
  'lost manifest': 'left',
  'unnoted record': 'noted',
  'wrong record': 'corrected',
};

function summary({ contents, bytes, seconds, findings, replacedIndex }: Report, { rebuild }: VerifyFlags): string {
  const what = `${contents} contents are right, ${formatSize(bytes)} read in ${describeTime(seconds * 1000)}`;
  const counts = verifyFindingKinds
    .map((kind) => ({ kind, count: findings.filter((finding) => finding.kind === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${count} ${kind}`);
  const found = counts.length === 0 ? 'nothing is wrong' : counts.join(', ');
  const kept = replacedIndex === undefined ? '' : `\nThe old index is kept as ${replacedIndex}`;
  return `${what}: ${found}${rebuild ? `\nThe index was made anew${kept}` : ''}`;
}

function leftOver(left: readonly VerifyFinding[], { repair, rebuild }: VerifyFlags): string {
  const lost = left.filter(({ kind }) => kind === 'lost' || kind === 'lost manifest').length;
  const rest = repair || rebuild ? 'check the disk and who may write to it' : 'run it again with --repair';
  const advice = [...(lost > 0 ? ['push again what is lost'] : []), ...(left.length > lost ? [rest] : [])];
  return `Not put right: ${left.length}; ${advice.join(', ')}`;
}

function toJson({ contents, bytes, seconds, replacedIndex, findings }: Report) {
  const repaired = findings.filter((finding) => finding.repaired).length;
  return { contents, bytes, seconds, replacedIndex, repaired, left: findings.length - repaired, findings };
}
