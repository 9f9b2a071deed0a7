import assert from 'node:assert/strict';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fillQuery, readDashboard } from '../../scripts/deploy/dashboard-file.ts';
import { type Day, liveThroughDay } from '../support/monitoring/day.ts';
import { type Monitored, replica, startMonitored } from '../support/monitoring/monitored.ts';
import type { Series } from '../support/monitoring/prometheus.ts';

// A Prometheus scrapes an Entrepot while clients pull, push, and meet all that may fail, and is then asked what the dashboard,
// the alerts and docs/operations.md ask.

const scrapeMs = 400;
const rounds = 26;

const dashboard = readDashboard();
let monitored: Monitored;
let day: Day;

before(async () => {
  monitored = await startMonitored(await mkdtemp(join(tmpdir(), 'monitoring-')), scrapeMs);
  day = await liveThroughDay(monitored, rounds);
});
after(() => monitored?.stop());

// What does not come about within seconds, or not for certain.
const quietQueries: Readonly<Record<string, string>> = {
  'Kept fresh: {{result}}': 'an image is looked at half a minute after the start at the earliest',
  'Cache: {{instance}} cut off': 'downloads are cut off by a stop or a crash',
  'Downloads: requests held back by maxConcurrent': 'they are for moments only, and rarely while it is scraped',
};
const quietAlerts: Readonly<Record<string, string>> = {
  EntrepotGone: 'is for a Prometheus that scrapes nothing',
  EntrepotSlow: 'takes a processor that is busy with other things',
  EntrepotWarmingFails: 'an image is looked at half a minute after the start at the earliest',
};

const largest = (found: readonly Series[]) =>
  Math.max(...found.flatMap(({ samples }) => samples.map(([, value]) => value)).filter(Number.isFinite));

test('every query of the dashboard has an answer, and shows what happened', async () => {
  const { fromMs, toMs } = day;
  const seen = new Set<string>();
  for (const { title, targets = [] } of dashboard.panels) {
    for (const { expr, legendFormat } of targets) {
      const query = fillQuery(expr, { scrapeMs, rangeMs: toMs - fromMs });
      const found = await monitored.prometheus.over(query, { fromMs, toMs, stepMs: scrapeMs });
      const name = `${title}: ${legendFormat}`;
      seen.add(name);
      // Without any sample this is less than 0, too.
      const most = largest(found);
      assert.ok(name in quietQueries ? most >= 0 : most > 0, `${name}: ${most} at most, by ${query}`);
    }
  }
  for (const name of Object.keys(quietQueries)) assert.ok(seen.has(name), name);
});

test('the variables of the dashboard offer the job and the replica', async () => {
  const offered = await Promise.all(
    dashboard.templating.list.flatMap(({ definition }) => {
      if (definition === undefined) return [];
      const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
      return [monitored.prometheus.labelValues(label, fillQuery(selector, { scrapeMs, rangeMs: 0 }))];
    }),
  );
  assert.deepEqual(offered, [['entrepot'], [replica]]);
});

test('every query of docs/operations.md has an answer', async () => {
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, table = ''] = /\| Question +\| Query +\|\n([\s\S]*?)\n\n/.exec(page) ?? [];
  const queries = [...table.matchAll(/`([^`]+)`/g)].map(([, query = '']) => query);
  assert.ok(queries.length >= 6);
  for (const query of queries) {
    const found = await monitored.prometheus.over(query, { ...day, stepMs: scrapeMs });
    assert.ok(Number.isFinite(largest(found)), query);
  }
});

test('every alert can be evaluated, and is raised by what it is for', async () => {
  const rules = await monitored.prometheus.rules();
  assert.deepEqual(
    rules.filter(({ health }) => health !== 'ok'),
    [],
  );
  // Most wait for minutes before they fire; until then they are pending.
  const raised = await monitored.prometheus.query('count by (alertname) (count_over_time(ALERTS[1h]))');
  const names = new Set(raised.map(({ labels }) => labels['alertname']));
  assert.deepEqual(
    rules.map(({ name }) => name).filter((name) => !names.has(name) && !(name in quietAlerts)),
    [],
  );
  for (const name of Object.keys(quietAlerts))
    assert.ok(
      rules.some((rule) => rule.name === name),
      name,
    );
});

test('what Prometheus counted is what clients asked', async () => {
  const counted = 'sum(entrepot_requests_total{route=~"manifest|blob", registry!="hosted.entrepot"})';
  const [found] = await monitored.prometheus.query(counted);
  assert.equal(found?.samples[0]?.[1], day.asked);
});
