import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fillQuery, readDashboard } from '../../scripts/deploy/dashboard-file.ts';

/**
 * Has Prometheus look at the alerts, by the command that docs/operations.md names.
 * @throws Error with what it said
 */
export function checkAlerts(root: string): void {
  const page = readFileSync(join(root, 'docs/operations.md'), 'utf8');
  const [command = ''] = /^promtool .*$/m.exec(page) ?? [];
  const said = execFileSync('sh', ['-euc', command], { cwd: root, encoding: 'utf8', stdio: 'pipe' });
  assert.match(said, /SUCCESS: \d+ rules found/);
}

/**
 * Has Prometheus look at every query of the dashboard.
 * @throws Error with what it said
 */
export function checkQueries(scratch: string): void {
  const rules = readDashboard()
    .panels.flatMap(({ targets = [] }) => targets)
    .map(({ expr }, index) => ({
      record: `query_${index}`,
      expr: fillQuery(expr, { scrapeMs: 60_000, rangeMs: 3_600_000 }),
    }));
  const file = join(scratch, 'queries.json');
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  execFileSync('promtool', ['check', 'rules', file], { stdio: 'pipe' });
}

/**
 * Has Prometheus evaluate the alerts over made-up series.
 * @throws Error with what fired and should not, or did not and should
 */
export function testAlerts(root: string): void {
  execFileSync('promtool', ['test', 'rules', 'alerts.test.yaml'], { cwd: join(root, 'test/deploy'), stdio: 'pipe' });
}

/**
 * Has Prometheus look at the part of its configuration that docs/access.md has.
 * @throws Error with what it said
 */
export function checkScrapeConfig(root: string, scratch: string): void {
  const page = readFileSync(join(root, 'docs/access.md'), 'utf8');
  const [, config] = /```yaml\n(scrape_configs:\n[\s\S]*?)```/.exec(page) ?? [];
  assert.ok(config);
  const file = join(scratch, 'prometheus.yml');
  writeFileSync(file, config);
  execFileSync('promtool', ['check', 'config', '--syntax-only', file], { stdio: 'pipe' });
}
