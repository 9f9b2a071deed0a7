import type { RunProgram } from '../../../util/system/run-program.ts';
import { type MeasuredPath, measureShapes, type PathFigure, type PathShape, pathShapes } from '../path-shapes.ts';
import { parseIperf } from './parse-iperf.ts';

/** How iperf3 is run. */
export interface IperfOptions {
  readonly host: string;
  readonly port: number;
  /** How long each measurement takes. */
  readonly seconds: number;
  readonly run: RunProgram;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const connectMs = 3_000; // in a network where it is worth measuring, nothing takes longer
const marginMs = 15_000; // for connecting, and for the two sides to tell each other what they measured

/**
 * Measures a path by iperf3; when it is not on both sides, says so in place of figures.
 * @throws the signal's reason when nothing was measured by then
 */
export async function measureByIperf(options: IperfOptions, signal: AbortSignal): Promise<MeasuredPath> {
  let why: string | undefined;
  const figures = await measureShapes(async (shape) => {
    const result = await runOnce(options, shape, signal);
    // Who cannot be spoken with the first time is not asked twice more.
    if ('failure' in result && shape === pathShapes[0]) why = result.failure;
    return why === undefined ? result : undefined;
  }, signal);
  if (why !== undefined) return { by: undefined, figures: [], notes: [`iperf3 does not measure: ${why}`] };
  return { by: 'iperf3', figures, notes: [] };
}

async function runOnce(
  { host, port, seconds, run, env }: IperfOptions,
  { direction, streams }: PathShape,
  signal: AbortSignal,
): Promise<PathFigure['result']> {
  const args = [
    ...['--client', host, '--port', String(port), '--json'],
    ...['--time', String(seconds), '--connect-timeout', String(connectMs)],
    ...(direction === 'from the cache' ? ['--reverse'] : []),
    ...(streams > 1 ? ['--parallel', String(streams)] : []),
  ];
  const call = { program: 'iperf3', args, env, limitMs: seconds * 1000 + marginMs, maxOutputBytes: 16 * 1024 * 1024 };
  try {
    return parseIperf((await run(call, signal)).output);
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error as Error;
    return { failure: message.includes('ENOENT') ? 'it is not on this machine' : message };
  }
}
