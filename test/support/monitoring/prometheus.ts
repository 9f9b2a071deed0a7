import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** A value at a time, in seconds since 1970. */
export type Sample = readonly [seconds: number, value: number];

/** What a query gave: the samples of one series. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly Sample[];
}

/** A span of time, and how far apart the samples of it are. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

/** A rule, as Prometheus has it in use. */
export interface LoadedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly lastEvaluation: string;
}

/** What it scrapes, and how often. */
export interface PrometheusOptions {
  /** Addresses by the name that each shall have as `instance`. */
  readonly targets: Readonly<Record<string, string>>;
  /** The file with its alerts. */
  readonly rules: string;
  readonly everyMs: number;
}

/** A running Prometheus. */
export interface Prometheus {
  /** What a query gives now. */
  query(text: string): Promise<Series[]>;
  /** What a query gives over a span of time. */
  over(text: string, span: Span): Promise<Series[]>;
  /** The values of a label, of the series that a selector names. */
  labelValues(label: string, selector: string): Promise<string[]>;
  rules(): Promise<LoadedRule[]>;
  /** Resolves when something was scraped that was so after the call. */
  scraped(instance: string): Promise<void>;
  /** Resolves when every rule was evaluated over what was there at the call. */
  evaluated(): Promise<void>;
  stop(): Promise<void>;
}

interface Found {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

const pollEveryMs = 30;

/** Starts the Prometheus of this machine, with its data in a folder, on a free port of loopback. */
export async function startPrometheus(folder: string, options: PrometheusOptions): Promise<Prometheus> {
  const config = join(folder, 'prometheus.yml');
  writeFileSync(config, JSON.stringify(configOf(options))); // every JSON is YAML
  const data = join(folder, 'prometheus');
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${data}`, '--web.listen-address=127.0.0.1:0'];
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  const url = await untilReady(createInterface(child.stderr));
  const query = async (text: string) => toSeries(await ask<{ result: Found[] }>(url, 'query', { query: text }));
  const rules = async () => {
    const { groups } = await ask<{ groups: { rules: LoadedRule[] }[] }>(url, 'rules', {});
    return groups.flatMap((group) => group.rules);
  };
  return {
    query,
    over: async (text, { fromMs, toMs, stepMs }) => {
      const span = { start: `${fromMs / 1000}`, end: `${toMs / 1000}`, step: `${stepMs / 1000}` };
      return toSeries(await ask<{ result: Found[] }>(url, 'query_range', { query: text, ...span }));
    },
    labelValues: (label, selector) => ask<string[]>(url, `label/${label}/values`, { 'match[]': selector }),
    rules,
    async scraped(instance) {
      const afterSeconds = Date.now() / 1000;
      for (;;) {
        const [found] = await query(`timestamp(entrepot_store_limit_bytes{instance="${instance}"})`);
        if ((found?.samples[0]?.[1] ?? 0) > afterSeconds) return;
        await delay(pollEveryMs);
      }
    },
    async evaluated() {
      const afterMs = Date.now();
      const isLate = ({ lastEvaluation }: LoadedRule) => Date.parse(lastEvaluation) <= afterMs;
      while ((await rules()).some(isLate)) await delay(pollEveryMs);
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function configOf({ targets, rules, everyMs }: PrometheusOptions): object {
  const labels = { namespace: 'entrepot' }; // as in Kubernetes, where the operator adds it
  return {
    global: { scrape_interval: `${everyMs}ms`, scrape_timeout: `${everyMs}ms`, evaluation_interval: `${everyMs}ms` },
    rule_files: [rules],
    scrape_configs: [
      {
        job_name: 'entrepot',
        static_configs: Object.entries(targets).map(([instance, address]) => ({
          targets: [address],
          labels: { ...labels, instance },
        })),
      },
    ],
  };
}

/** Where it listens, once it answers. */
async function untilReady(lines: AsyncIterable<string> & { on(event: 'line', heard: () => void): unknown }) {
  let url: string | undefined;
  const said: string[] = [];
  for await (const line of lines) {
    said.push(line);
    url ??= /msg="Listening on" address=(\S+)/.exec(line)?.[1];
    if (!/Server is ready/.test(line)) continue;
    lines.on('line', () => {}); // what it goes on to say must not fill the pipe
    if (url !== undefined) return `http://${url}`;
  }
  throw new Error(`Cannot use prometheus: it ended at once\n${said.slice(-5).join('\n')}`);
}

async function ask<Data>(url: string, path: string, parameters: Readonly<Record<string, string>>): Promise<Data> {
  const answer = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const { status, data, error } = (await answer.json()) as { status: string; data: Data; error?: string };
  if (status !== 'success') throw new Error(`Prometheus refuses ${JSON.stringify(parameters)}: ${error}`);
  return data;
}

function toSeries({ result }: { readonly result: readonly Found[] }): Series[] {
  return result.map(({ metric, value, values = value === undefined ? [] : [value] }) => ({
    labels: metric,
    samples: values.map(([seconds, text]) => [seconds, Number(text.replace('Inf', 'Infinity'))] as const),
  }));
}
