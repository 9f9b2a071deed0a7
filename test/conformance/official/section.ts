import type { CaseOutcome } from './junit.ts';
import { countsOf, reasonOf, type SubjectResult } from './results.ts';

/** The heading of the section of the official suite on the page. */
export const officialHeading = '## The official suite';

const workflows = ['Pull', 'Push', 'Content Discovery', 'Content Management'];

/** The section on the page: it ends where the next heading of its level begins. */
export function officialSection(version: string, results: readonly SubjectResult[]): string {
  const notes = new Map<string, number>();
  const tables = workflows.map((workflow) => table(workflow, results, notes));
  return `${[
    officialHeading,
    about(version),
    results.map(({ subject, run }) => `- ${subject.title}: ${countsOf(run.cases)}`).join('\n'),
    ...tables,
    'What is skipped, and why:',
    [...notes].map(([reason, number]) => `${number}. ${reason}`).join('\n'),
  ].join('\n\n')}\n`;
}

/** The section as it stands on a page; empty when there is none. */
export function officialSectionOf(page: string): string {
  const from = page.indexOf(officialHeading);
  if (from < 0) return '';
  const next = page.indexOf('\n## ', from);
  return next < 0 ? page.slice(from) : page.slice(from, next);
}

function about(version: string): string {
  return `\`github.com/opencontainers/distribution-spec/conformance\`, \`${version}\`, as it is: \`make test-conformance\`
builds it with Go, runs it, and holds this section to what came of it (\`WRITE=yes\` writes it anew). \`.ci/run\` does so, too,
where there is Go and the module can be had. This version is of between the release candidates of 1.1.0. Those of the releases 1.1.0 and
1.1.1 and of the main branch could not be had: the proxy of Go's modules refuses them where this was made. What they
ask beyond this one is among the tables that follow.

Everything is on: pull, push, content discovery (tags, referrers), content management (tags, manifests and blobs are
deleted), mounts of blobs of other repositories, named or not. A warning of the suite counts as a failure.`;
}

function table(workflow: string, results: readonly SubjectResult[], notes: Map<string, number>): string {
  const names = new Set(
    results.flatMap(({ run }) => run.cases.map(({ name }) => name)).filter((name) => name.startsWith(`${workflow} `)),
  );
  const rows = [...names].map((name) => [
    name.slice(workflow.length + 1),
    ...results.map((result) => cell(result, name, notes)),
  ]);
  const titles = results.map(({ subject }) => subject.title);
  const lines = [[workflow, ...titles], ['---', ...titles.map(() => '---')], ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** How the tests of a name ended: several may have the same. */
function cell({ subject, run }: SubjectResult, name: string, notes: Map<string, number>): string {
  const outcomes = new Set<CaseOutcome>(run.cases.filter((each) => each.name === name).map(({ outcome }) => outcome));
  const said = [...outcomes].sort().map((outcome) => {
    const reason = outcome === 'skipped' ? reasonOf(subject.skips, name) : undefined;
    return reason === undefined ? outcome : `${outcome} (${numberOf(reason, notes)})`;
  });
  return said.length === 0 ? '–' : said.join(', ');
}

function numberOf(reason: string, notes: Map<string, number>): number {
  const number = notes.get(reason) ?? notes.size + 1;
  notes.set(reason, number);
  return number;
}
