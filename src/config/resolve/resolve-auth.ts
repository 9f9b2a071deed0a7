import { hostedRegistryName } from '../../oci/hosted.ts';
import { type AccessRuleConfig, type AuthConfig, type Config, doorNames } from '../config.ts';
import { quoteValue, type Report } from '../config-error.ts';
import type { MergedSettings } from '../merge-settings.ts';
import type { ParsedConfig } from '../schema/schema.ts';
import { isLoopback } from '../schema/values/network/listen-address.ts';
import { describeFileError, type ReadFile } from './resolve-upstreams.ts';

type ParsedRule = NonNullable<ParsedConfig['auth']['rules']>[number];

/** What the rules are checked against. */
interface AuthSource {
  readonly parsed: ParsedConfig;
  readonly merged: MergedSettings;
  readonly upstreams: Config['upstreams'];
  /** Undefined to leave the file alone. */
  readonly readFile: ReadFile | undefined;
  readonly report: Report;
}

/** Who has a password, and who may do what; undefined when nobody has one. */
export function resolveAuth(source: AuthSource): AuthConfig | undefined {
  const { parsed, merged, readFile, report } = source;
  const { htpasswd, rules, rememberFor } = parsed.auth;
  checkHostedDoor(source);
  if (rules !== undefined) checkRules(rules, source);
  if (htpasswd === undefined) {
    const where = merged.values.get('auth.rules')?.origin;
    const what = 'Cannot use auth.rules: nobody has a password';
    if (where !== undefined) report({ where, what, advice: 'name a file of them with auth.htpasswd' });
    return undefined;
  }
  if (readFile) checkReadable(htpasswd, merged.values.get('auth.htpasswd')?.origin ?? '', readFile, report);
  return { htpasswd, rules: rules?.map(resolveRule), rememberForMs: rememberFor };
}

function resolveRule({ users, doors, repositories, allow }: ParsedRule): AccessRuleConfig {
  const patterns = repositories?.map(({ pattern }) => pattern) ?? [/^/];
  return { users, doors: doors ?? doorNames, repositories: patterns, allow };
}

// What its lines say is read when it is opened, as it may change at any time.
function checkReadable(path: string, where: string, readFile: ReadFile, report: Report): void {
  try {
    readFile(path);
  } catch (error) {
    const what = `Cannot read auth.htpasswd ${quoteValue(path)}: ${describeFileError(error)}`;
    report({ where, what, advice: 'correct the path, or the rights; htpasswd -cB makes one' });
  }
}

/** A pattern that can match nothing would leave somebody without what was meant for them. */
function checkRules(rules: readonly ParsedRule[], { merged, upstreams, report }: AuthSource): void {
  const where = merged.values.get('auth.rules')?.origin ?? '';
  const known = new Set([hostedRegistryName, ...upstreams.map(({ name }) => name)]);
  for (const [index, { repositories = [] }] of rules.entries()) {
    for (const { text, registry } of repositories) {
      if (registry === undefined || known.has(registry)) continue;
      const what = `Cannot use auth.rules, entry ${index + 1}, repositories ${quoteValue(text)}`;
      const advice = `no upstream is called ${registry}; what is pushed here is ${hostedRegistryName}/…`;
      report({ where, what, advice });
    }
  }
}

/** Nobody opens a registry that everybody may push to without having said so. */
function checkHostedDoor({ parsed, merged, report }: AuthSource): void {
  const { doors, auth, hosted } = parsed;
  const listen = doors.hosted.listen;
  const given = merged.values.get('doors.hosted.listen');
  if (listen === undefined || given === undefined || isLoopback(listen.host)) return;
  if (auth.htpasswd !== undefined || hosted.allowAnonymousPush) return;
  report({
    where: given.origin,
    what: `Cannot use doors.hosted.listen ${quoteValue(given.value)}: other machines reach it, and everybody could push`,
    advice: 'say who may with auth.htpasswd, or that everybody may with hosted.allowAnonymousPush: true',
  });
}
