import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lintChart, testRefusals } from './chart.ts';
import { testClusters } from './clusters.ts';
import { testDeployScript } from './deploy-script.ts';
import { makeDocumentedSecrets, runDocumented } from './documented-commands.ts';
import { testInstall } from './install.ts';
import { checkAlerts, checkQueries, checkScrapeConfig, testAlerts } from './prometheus.ts';
import { normalize, readManifests, render, renderings } from './renderings.ts';
import { lintScripts, lintWorkflows } from './scripts.ts';
import { digestSources } from './sources.ts';
import { findTool, isThere } from './tools.ts';
import { testWorkerVm, whatStopsWorkerVm } from './worker-vm.ts';

// `make test-deploy`: renders what is in deploy/ with the real tools, and compares it with test/golden/deploy; then has the
// types of the Kubernetes API, helm and Prometheus look at it. `--write` writes the golden files anew; `--no-build` takes the
// tools that are there, and skips, saying so, what needs others.

const rootUrl = new URL('../..', import.meta.url);
const root = fileURLToPath(rootUrl);
const golden = join(root, 'test/golden/deploy');
const mayWrite = process.argv.includes('--write');
const mayBuild = !process.argv.includes('--no-build');

let failures = 0;
const skipped: string[] = [];

function check(what: string, body: () => void): void {
  try {
    body();
    console.log(`passed: ${what}`);
  } catch (error) {
    failures += 1;
    const said = (error as { stderr?: Buffer | string }).stderr?.toString() ?? '';
    console.error(`FAILED: ${what}\n${said}${(error as Error).message}`);
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'entrepot-deploy-'));
try {
  const rendered = renderAll();
  if (rendered.length > 0) checkSchema(rendered);
  const helm = findTool('helm', { mayBuild });
  if (helm !== undefined) {
    check('helm lint takes the chart with each file of values', () => lintChart(root, helm));
    check('the chart refuses what cannot work, and says why', () => testRefusals(root, helm));
    check('helm takes the commands of the pages', () => runDocumented('helm', { root, helm }));
  }
  if (isThere('promtool')) {
    check('Prometheus takes the alerts', () => checkAlerts(root));
    check('Prometheus takes the queries of the dashboard', () => checkQueries(scratch));
    check('alerts fire when they should, and only then', () => testAlerts(root));
    check('Prometheus takes the configuration of docs/access.md', () => checkScrapeConfig(root, scratch));
  } else skipped.push('the alerts (need promtool, of Prometheus)');
  if (isThere('kubectl')) {
    check('make deploy says and does what it should', () => testDeployScript(root, scratch));
    check('make takes the commands of the pages', () => runDocumented('make', { root }));
    check('kubectl takes the commands of the pages', () => makeDocumentedSecrets(root, scratch));
  } else skipped.push('make deploy (needs kubectl)');
  check('make config, install and uninstall do what they should, and twice is once', () => testInstall(root, scratch));
  check('make kind-up, k3d-up and the like do what they should, and twice is once', () => testClusters(root, scratch));
  const stops = whatStopsWorkerVm();
  if (stops === undefined) check('worker VMs of both clouds find the cache, and boot without', testWorkerVm);
  else skipped.push(`the start-up script of worker VMs (needs ${stops})`);
  const actionlint = findTool('actionlint', { mayBuild });
  if (actionlint !== undefined)
    check('actionlint finds nothing in the workflows', () => lintWorkflows(root, actionlint));
  else skipped.push('the workflows (need actionlint, or Go)');
  if (isThere('shellcheck')) check('ShellCheck finds nothing in the scripts', () => lintScripts(root));
  else skipped.push('the scripts (need shellcheck)');
  if (mayWrite && skipped.length === 0) writeFileSync(join(golden, 'sources.sha256'), digestSources(rootUrl));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const what of skipped) console.log(`deploy: skipped ${what}`);
if (failures > 0 || (mayWrite && skipped.length > 0)) process.exitCode = 1;

/** Renders all for which there is a tool; gives the files that hold what came out. */
function renderAll(): string[] {
  const kustomize = findTool('kustomize', { mayBuild: mayBuild && !isThere('kubectl') });
  const helm = findTool('helm', { mayBuild });
  // deploy.sh takes `kustomize` from the path, and `kubectl` otherwise.
  if (kustomize !== undefined && kustomize !== 'kustomize') symlinkSync(kustomize, join(scratch, 'kustomize'));
  const env = { ...process.env, PATH: `${scratch}${delimiter}${process.env['PATH']}` };
  const tools = { kustomize: kustomize ?? (isThere('kubectl') ? 'kubectl' : undefined), helm };
  for (const [tool, found] of Object.entries(tools)) if (!found) skipped.push(`what ${tool} renders (needs it, or Go)`);
  return renderings.flatMap((rendering) => {
    if (tools[rendering.tool] === undefined) return [];
    const file = join(scratch, `${rendering.name}.yaml`);
    check(`${rendering.name} is what it was`, () => {
      const text = render(rendering, { root, helm: helm ?? 'helm', env });
      writeFileSync(file, text);
      const now = normalize(readManifests(text));
      const path = join(golden, `${rendering.name}.yaml`);
      if (mayWrite) writeFileSync(path, now);
      else if (readFileSync(path, 'utf8') !== now) throw new Error(difference(path, now));
    });
    return [file];
  });
}

function difference(path: string, now: string): string {
  const { stdout } = spawnSync('diff', ['-u', path, '-'], { input: now, encoding: 'utf8' });
  return `It differs; if that is meant: make test-deploy WRITE=yes\n${stdout}`;
}

function checkSchema(files: readonly string[]): void {
  const why = 'the types of the Kubernetes API (needs Go, and modules that are not there)';
  if (!isThere('go')) return void skipped.push(why);
  const cwd = join(root, 'test/deploy/schema');
  const env = { ...process.env, GOFLAGS: '-mod=readonly', ...(mayBuild ? {} : { GOPROXY: 'off' }) };
  const program = join(scratch, 'schema');
  if (
    spawnSync('go', ['build', '-o', program, '.'], { cwd, env, stdio: mayBuild ? 'inherit' : 'ignore' }).status !== 0
  ) {
    if (mayBuild) throw new Error('Cannot build test/deploy/schema');
    return void skipped.push(why);
  }
  check('every document is of the Kubernetes API, strictly', () => {
    console.log(execFileSync(program, [...files], { encoding: 'utf8', stdio: 'pipe' }).trim());
  });
  check('a field that does not exist would be found', () => {
    const wrong = join(scratch, 'wrong.yaml');
    writeFileSync(wrong, 'apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec: { sessionAfinity: ClientIP }\n');
    const { status, stderr } = spawnSync(program, [wrong], { encoding: 'utf8' });
    if (status === 0 || !stderr.includes('sessionAfinity')) throw new Error(`It was not: ${stderr}`);
  });
}
