/** How one test of the suite ended. */
export type CaseOutcome = 'passed' | 'failed' | 'skipped';

/** One test of the suite; several may have one name. */
export interface SuiteCase {
  readonly name: string;
  readonly outcome: CaseOutcome;
  /** What the suite says of it; empty when it passed. */
  readonly message: string;
}

const casePattern = /<testcase name="([^"]*)"[^>]* status="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g;
const messagePattern = /<(?:failure|error|skipped) message="([^"]*)"/;
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

// What stands before the name of each test, and the name of what is no test but writes the suite's own report.
const prefix = '[It] OCI Distribution Conformance Tests ';
const reportPrefix = '[ReportAfterSuite]';

/** The tests of a `junit.xml` as ginkgo writes it, in their order. */
export function readJunit(xml: string): SuiteCase[] {
  const found = [...xml.matchAll(casePattern)].map(([, name = '', status = '', body = '']) => ({
    name: unescapeXml(name),
    outcome: outcomeOf(status),
    message: unescapeXml(messagePattern.exec(body)?.[1] ?? ''),
  }));
  const announced = Number(/<testsuites tests="(\d+)"/.exec(xml)?.[1]);
  if (found.length === 0 || found.length !== announced) {
    throw new Error(`junit.xml announces ${announced} tests, and ${found.length} were read`);
  }
  // The report's own entry counts when it fails.
  const counted = found.filter(({ name, outcome }) => !name.startsWith(reportPrefix) || outcome === 'failed');
  return counted.map((each) => ({ ...each, name: each.name.replace(prefix, '') }));
}

/** Whatever else there is (timed out, panicked, interrupted, pending) has not passed. */
function outcomeOf(status: string): CaseOutcome {
  return status === 'passed' || status === 'skipped' ? status : 'failed';
}

function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9A-Fa-f]+|#\d+|\w+);/g, (whole, entity: string) => {
    if (entity.startsWith('#x')) return String.fromCodePoint(Number.parseInt(entity.slice(2), 16));
    if (entity.startsWith('#')) return String.fromCodePoint(Number(entity.slice(1)));
    return entities[entity] ?? whole;
  });
}
