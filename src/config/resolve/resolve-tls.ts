import { checkServerPems, PemProblem, type ServerPems } from '../../util/watched/certified-key.ts';
import type { TlsConfig } from '../config.ts';
import type { Report } from '../config-error.ts';
import type { MergedSettings } from '../merge-settings.ts';
import type { ParsedTls } from '../schema/serving/tls.ts';
import { describeFileError, type ReadFile } from './resolve-upstreams.ts';

/** What TLS at one door is made of. */
interface TlsSource {
  readonly door: string;
  readonly parsed: ParsedTls;
  readonly merged: MergedSettings;
  /** Undefined to leave the files alone. */
  readonly readFile: ReadFile | undefined;
  readonly report: Report;
}

/** TLS at a door, whose files are looked at: they are read again by the door; undefined when it speaks plain HTTP. */
export function resolveTls(source: TlsSource): TlsConfig | undefined {
  const { cert, key, clientCa, hsts } = source.parsed;
  if (cert === undefined || key === undefined) {
    reportMissing(source);
    return undefined;
  }
  const config = { cert, key, clientCa, hstsMs: hsts };
  if (source.readFile) checkFiles(config, source, source.readFile);
  return config;
}

/** What says nothing without certificate and key. */
function reportMissing(source: TlsSource): void {
  const { door, parsed, report } = source;
  const given = (['cert', 'key', 'clientCa', 'hsts'] as const).find((part) => parsed[part] !== undefined);
  if (given === undefined) return;
  const lacking = (['cert', 'key'] as const).filter((part) => settingOf(source, part) === undefined);
  if (lacking.length === 0) return; // they could not be read, which was told
  const what = `doors.${door}.tls has ${given} and no ${lacking.join(' and no ')}`;
  report({ where: settingOf(source, given)?.origin ?? '', what, advice: 'give cert and key, or nothing of tls' });
}

function checkFiles(paths: ServerPems, source: TlsSource, readFile: ReadFile): void {
  const read = (part: keyof ServerPems) => readPart(paths, part, source, readFile);
  const [cert, key, clientCa] = [read('cert'), read('key'), read('clientCa')];
  if (cert === undefined || key === undefined) return;
  try {
    checkServerPems({ cert, key, clientCa });
  } catch (error) {
    if (!(error instanceof PemProblem)) throw error;
    reportPart(paths, error.part, error.message, source);
  }
}

function readPart(
  paths: ServerPems,
  part: keyof ServerPems,
  source: TlsSource,
  readFile: ReadFile,
): string | undefined {
  const path = paths[part];
  if (path === undefined) return undefined;
  try {
    return readFile(path);
  } catch (error) {
    reportPart(paths, part, describeFileError(error), source);
    return undefined;
  }
}

function reportPart(paths: ServerPems, part: keyof ServerPems, reason: string, source: TlsSource): void {
  const where = settingOf(source, part)?.origin ?? '';
  const what = `Cannot use doors.${source.door}.tls.${part} "${paths[part]}": ${reason}`;
  source.report({ where, what, advice: 'correct the path, the rights, or the file' });
}

function settingOf({ door, merged }: TlsSource, key: keyof ParsedTls) {
  return merged.values.get(`doors.${door}.tls.${key}`);
}
