import type { Counter } from 'prom-client';

/**
 * Gives a counter its series before anything is counted. Of one that appears with its first event, at 1, Prometheus cannot
 * tell that it grew: `increase` would miss a first refusal, and so would an alert.
 */
export function fromZero<Label extends string>(
  counter: Counter<Label>,
  label: Label,
  values: readonly string[],
): Counter<Label> {
  for (const value of values) counter.inc({ [label]: value } as Partial<Record<Label, string>>, 0);
  return counter;
}
