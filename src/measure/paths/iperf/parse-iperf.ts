import { isObject, parseJson } from '../../../oci/json.ts';

/** What one run of iperf3 says. */
export type IperfResult = { readonly bytesPerSecond: number } | { readonly failure: string };

/** Reads what `iperf3 --json` prints: how much arrived at the receiving end, or why nothing was measured. */
export function parseIperf(text: string): IperfResult {
  const said = parseJson(Buffer.from(text));
  if (!isObject(said)) return { failure: 'iperf3 printed no JSON' };
  const { error } = said as { error?: unknown };
  // It is the other side's text in part, and printed.
  if (typeof error === 'string') return { failure: error.replace(/[^\x20-\x7e]/g, ' ').slice(0, 300) };
  const sum = field(field(said, 'end'), 'sum_received');
  const bitsPerSecond = field(sum, 'bits_per_second');
  if (typeof bitsPerSecond === 'number' && bitsPerSecond > 0) return { bytesPerSecond: bitsPerSecond / 8 };
  return { failure: 'iperf3 says of nothing that it arrived' };
}

function field(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}
