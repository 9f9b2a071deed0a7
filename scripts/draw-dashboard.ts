import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { liveThroughDay } from '../test/support/monitoring/day.ts';
import { startMonitored } from '../test/support/monitoring/monitored.ts';
import { type DashboardPanel, fillQuery, readDashboard } from './deploy/dashboard-file.ts';
import { drawDashboard } from './deploy/picture/dashboard-picture.ts';
import { type Line, lineName } from './deploy/picture/lines.ts';

// `node scripts/draw-dashboard.ts [MINUTES]`: has a Prometheus scrape an Entrepot under a load of some minutes, and draws what it
// then answers to the queries of the dashboard: docs/images/dashboard.svg. It takes prometheus and openssl.

const scrapeMs = 1_000;
/** More could not be told apart in the picture. */
const pointCount = 120;

const minutes = Number(process.argv[2] ?? 4);
const folder = mkdtempSync(join(tmpdir(), 'entrepot-dashboard-'));
try {
  const monitored = await startMonitored(folder, scrapeMs);
  try {
    const { fromMs, toMs } = await liveThroughDay(monitored, (minutes * 60_000) / scrapeMs);
    const rangeMs = toMs - fromMs;
    const stepMs = Math.ceil(rangeMs / pointCount);
    const dashboard = readDashboard();
    const lines = new Map<DashboardPanel, Line[]>();
    for (const panel of dashboard.panels) {
      // A panel of one value asks what it is now.
      const span = panel.type === 'stat' ? { fromMs: toMs, toMs, stepMs } : { fromMs, toMs, stepMs };
      const found: Line[] = [];
      for (const { expr, legendFormat } of panel.targets ?? []) {
        for (const { labels, samples } of await monitored.prometheus.over(
          fillQuery(expr, { scrapeMs, rangeMs }),
          span,
        )) {
          found.push({ name: lineName(legendFormat, labels), points: samples });
        }
      }
      lines.set(panel, found);
    }
    const span = { from: fromMs / 1000, to: toMs / 1000, step: stepMs / 1000 };
    const file = new URL('../docs/images/dashboard.svg', import.meta.url);
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(
      file,
      drawDashboard(dashboard, (panel) => lines.get(panel) ?? [], span),
    );
  } finally {
    await monitored.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
