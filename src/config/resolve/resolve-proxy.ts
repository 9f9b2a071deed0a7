import type { Config } from '../config.ts';
import type { Report } from '../config-error.ts';
import type { MergedSettings } from '../merge-settings.ts';
import type { ParsedConfig } from '../schema/schema.ts';

/** What the proxy door does. */
export function resolveProxy({ proxy }: ParsedConfig, { values }: MergedSettings, report: Report): Config['proxy'] {
  const { others, ports, allowAddresses, idle, constrain } = proxy;
  const { cert, key } = proxy.ca;
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = key === undefined ? ['proxy.ca.cert', 'proxy.ca.key'] : ['proxy.ca.key', 'proxy.ca.cert'];
    const where = values.get(given)?.origin ?? given;
    report({ where, what: `Cannot use ${given} without ${missing}`, advice: `give ${missing}, too, or neither` });
  }
  const ca = cert === undefined || key === undefined ? undefined : { cert, key };
  return { others, ports, allowAddresses, idleMs: idle, ca, constrain };
}
