import type { Registry } from 'prom-client';
import type { MetricDescription } from './metrics.ts';

/** What the metrics of a registry are, in the order of their names. */
export function describeMetrics(register: Registry): MetricDescription[] {
  const metrics = register.getMetricsAsArray().map((metric) => {
    const { name, help, type } = metric;
    // Its types leave out the names of labels, which every metric has.
    const labels = 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
    return { name, help, type: String(type), labels };
  });
  return metrics.sort((a, b) => (a.name < b.name ? -1 : 1));
}
