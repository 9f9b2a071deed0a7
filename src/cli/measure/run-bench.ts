import { parseCount } from '../../config/schema/values/count.ts';
import { type Environment, variable } from '../../config/sources/environment.ts';
import { assertAnswers } from '../../measure/assert-answers.ts';
import { type BenchPlan, type BenchResult, findImage, runBench, sourcesOf } from '../../measure/bench/bench.ts';
import { benchJson, measuredText, planText, summaryText } from '../../measure/bench/bench-text.ts';
import { type ImageContents, largestBlob, machinePlatform } from '../../measure/image-contents.ts';
import { builtInPuller } from '../../measure/pullers/built-in.ts';
import { findPuller, openPuller } from '../../measure/pullers/open-puller.ts';
import { nameOfSource, type Puller } from '../../measure/pullers/puller.ts';
import { type RunProgram, runProgram } from '../../util/system/run-program.ts';
import { CommandFailure } from '../command-failure.ts';
import { loadConfigOf } from '../configuration/config-flags.ts';
import { interruptible } from '../terminal/interruptible.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { comparedSides } from './compared-sides.ts';
import type { BenchFlags } from './measure-flags.ts';

const defaultPulls = 3; // with fewer there is no median; with more, Docker Hub's limit is near

/** Runs `entrepot bench`. */
export async function bench(flags: BenchFlags, terminal: Terminal, run: RunProgram = runProgram): Promise<void> {
  const { env } = terminal;
  const { config } = loadConfigOf(flags, terminal);
  const say = (text: string) => (flags.json ? terminal.writeError(text) : terminal.writeOut(text));
  await interruptible(
    async (signal) => {
      const sides = comparedSides(flags, config, env, signal);
      await assertAnswers({ url: sides.cacheUrl, authority: sides.authority, env }, signal);
      const platform = machinePlatform();
      const builtIn = builtInPuller([sides.upstream, sides.cache], platform);
      const given = {
        ...{ upstream: sides.upstream, cache: sides.cache, tag: sides.tag, platform },
        pulls: flags.pulls ?? countOf(env, 'PULLS') ?? defaultPulls,
        pruneBetween: flags.pruneBetween ?? isTrue(env, 'PRUNE_BETWEEN'),
      };
      const image = await findImage(given, signal);
      const chosen = await choosePuller(flags, { ...given, puller: builtIn }, image, { run, env, builtIn }, signal);
      const plan: BenchPlan = { ...given, puller: chosen.puller };
      const hosts = [sides.upstream.host, sides.cache.host];
      say(planText(plan, [...chosen.notes, ...(await plan.puller.notes(hosts, signal))]));
      const blobBytes = largestBlob(image).sizeBytes;
      const tools = {
        nowMs: performance.now.bind(performance),
        measured: (event: Parameters<typeof measuredText>[0]) => say(measuredText(event, blobBytes)),
      };
      const result = await runBench(plan, image, tools, signal);
      const style = terminal.isRead === true ? 'blocks' : 'letters';
      terminal.writeOut(
        flags.json ? `${JSON.stringify(benchJson(result, plan), null, 2)}\n` : `\n${summaryText(result, plan, style)}`,
      );
      endAs(result);
    },
    { interrupted: () => terminal.writeError('Breaking off: what was pulled is being removed\n') },
  );
}

/** Opens the client, and sees to it that it has no such image for anybody else. */
async function choosePuller(
  { client }: BenchFlags,
  plan: BenchPlan,
  image: ImageContents,
  tools: { readonly run: RunProgram; readonly env: Environment; readonly builtIn: Puller },
  signal: AbortSignal,
): Promise<{ readonly puller: Puller; readonly notes: readonly string[] }> {
  const puller = client === undefined ? await findPuller(tools, signal) : await openPuller(client, tools, signal);
  const held: string[] = [];
  for (const source of sourcesOf(plan, image)) {
    if (await puller.has(source, signal)) held.push(nameOfSource(source));
  }
  if (held.length === 0) return { puller, notes: [] };
  const what = `${puller.name} has ${held.join(' and ')} already, and would lose it`;
  if (client !== undefined) {
    throw new CommandFailure(
      `Cannot measure: ${what}; remove it yourself, or choose another --repo, --tag or --client`,
    );
  }
  return { puller: tools.builtIn, notes: [`${what}, so the built-in client pulls`] };
}

function endAs({ legs, left, isBrokenOff }: BenchResult): void {
  if (isBrokenOff) throw new CommandFailure('Broken off: what is said above is what was measured until then');
  const failed = legs.reduce((sum, { failures }) => sum + failures.length, 0);
  const tried = legs.reduce((sum, { figures, failures }) => sum + figures.length + failures.length, 0);
  if (failed > 0) throw new CommandFailure(`${failed} of ${tried} measurements failed`);
  if (left.length > 0) throw new CommandFailure('Not all that was pulled could be removed');
}

function countOf(env: Environment, name: string): number | undefined {
  const text = variable(env, name);
  try {
    return text === undefined ? undefined : parseCount(text);
  } catch (error) {
    throw new CommandFailure(`Cannot use $${name} "${text}": ${(error as Error).message}`);
  }
}

function isTrue(env: Environment, name: string): boolean {
  const text = variable(env, name)?.toLowerCase() ?? 'false';
  if (['1', 'true', 'yes', 'on'].includes(text)) return true;
  if (['0', 'false', 'no', 'off'].includes(text)) return false;
  throw new CommandFailure(`Cannot use $${name} "${text}": expected 1 or 0`);
}
