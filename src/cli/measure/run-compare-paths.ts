import { assertAnswers } from '../../measure/assert-answers.ts';
import { findImage } from '../../measure/bench/bench.ts';
import { type ImageBlob, largestBlob, machinePlatform } from '../../measure/image-contents.ts';
import { comparePaths, fromSide, type PathsPlan, type PathsResult } from '../../measure/paths/compare-paths.ts';
import { downloadUrl } from '../../measure/paths/download-url.ts';
import { measureByIperf } from '../../measure/paths/iperf/iperf.ts';
import type { MeasuredPath } from '../../measure/paths/path-shapes.ts';
import { pathsEventText, pathsJson, pathsSummaryText } from '../../measure/paths/paths-text.ts';
import { measureByThroughput } from '../../measure/paths/throughput-client.ts';
import { type RunProgram, runProgram } from '../../util/system/run-program.ts';
import { packageVersion } from '../../util/version.ts';
import { CommandFailure } from '../command-failure.ts';
import { loadConfigOf } from '../configuration/config-flags.ts';
import { interruptible } from '../terminal/interruptible.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { type ComparedSides, comparedSides } from './compared-sides.ts';
import type { PathsFlags } from './measure-flags.ts';

const defaultRuns = 3; // that one was an accident is seen beside two others
const defaultSeconds = 5; // TCP is at its speed after one, and the three measurements are over soon
const iperfPort = 5201; // iperf3's own
const cdnLimitMs = 60_000; // what came of a large file until then says enough

const nowMs = performance.now.bind(performance);

/** Runs `entrepot compare-paths`. */
export async function compare(flags: PathsFlags, terminal: Terminal, run: RunProgram = runProgram): Promise<void> {
  const { config } = loadConfigOf(flags, terminal);
  const say = (text: string) => (flags.json ? terminal.writeError(text) : terminal.writeOut(text));
  const cdnUrl = readCdnUrl(flags.cdnUrl);
  await interruptible(async (signal) => {
    const sides = comparedSides(flags, config, terminal.env, signal);
    await assertAnswers({ url: sides.cacheUrl, authority: sides.authority, env: terminal.env }, signal);
    const image = await findImage({ ...sides, platform: machinePlatform() }, signal);
    const blob = largestBlob(image);
    const plan: PathsPlan = {
      ...{ cache: sides.cache, blob, runs: flags.runs ?? defaultRuns },
      path: flags.skipIperf ? undefined : (limit) => measurePath(sides, flags, { run, env: terminal.env }, limit),
      ...cdnOf(sides, blob, cdnUrl, terminal),
    };
    say(`${sides.cache.host} and ${plan.cdnName}, ${plan.runs} ${plan.runs === 1 ? 'run' : 'runs'} each\n\n`);
    const tools = {
      nowMs,
      measured: (event: Parameters<typeof pathsEventText>[0]) => say(pathsEventText(event)),
    };
    const result = await comparePaths(plan, tools, signal);
    if (flags.json) terminal.writeOut(`${JSON.stringify(pathsJson(result, plan), null, 2)}\n`);
    else if (hasFigures(result)) terminal.writeOut(`\n${pathsSummaryText(result, plan)}`);
    failIf(result);
  });
}

/** By iperf3 where it is on both sides, and by the cache itself elsewhere. */
async function measurePath(
  { cacheUrl: url, login, authority }: ComparedSides,
  { seconds = defaultSeconds, iperfPort: port = iperfPort }: PathsFlags,
  { run, env }: { readonly run: RunProgram; readonly env: Terminal['env'] },
  signal: AbortSignal,
): Promise<MeasuredPath> {
  const host = url.hostname.replace(/[[\]]/g, '');
  const byIperf = await measureByIperf({ host, port, seconds, run, env }, signal);
  if (byIperf.by !== undefined) return byIperf;
  const own = await measureByThroughput({ url, seconds, login, authority, nowMs }, signal);
  return { ...own, notes: [...byIperf.notes, ...own.notes] };
}

function cdnOf(
  { upstream }: ComparedSides,
  blob: ImageBlob,
  url: URL | undefined,
  { env }: Terminal,
): Pick<PathsPlan, 'cdnName' | 'cdn'> {
  if (url === undefined) {
    return {
      cdnName: `the same blob from ${upstream.host}`,
      cdn: (signal) => fromSide(upstream, blob, { nowMs }, signal),
    };
  }
  const options = { env, userAgent: `Entrepot/${packageVersion()}`, limitMs: cdnLimitMs, nowMs };
  // What follows a question mark may be a signature.
  return { cdnName: `${url.origin}${url.pathname}`, cdn: (signal) => downloadUrl(url, options, signal) };
}

function readCdnUrl(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url;
  throw new CommandFailure(`Cannot use --cdn-url "${text}": expected the https:// URL of a file, without a password`);
}

function hasFigures({ path, cache, cdn, isBrokenOff }: PathsResult): boolean {
  const counts = [path?.figures.length ?? 0, cache.figures.length, cdn.figures.length];
  return !isBrokenOff || counts.some((count) => count > 0);
}

function failIf(result: PathsResult): void {
  const { path, cache, cdn, isBrokenOff } = result;
  if (isBrokenOff) {
    const said = hasFigures(result) ? 'what is said above is what was measured until then' : 'nothing was measured yet';
    throw new CommandFailure(`Broken off: ${said}`);
  }
  const figures = [...cache.failures, ...cdn.failures];
  const paths = path?.figures.filter(({ result }) => 'failure' in result) ?? [];
  const failed = figures.length + paths.length;
  const tried = failed + cache.figures.length + cdn.figures.length + (path?.figures.length ?? 0) - paths.length;
  if (failed > 0) throw new CommandFailure(`${failed} of ${tried} measurements failed`);
}
