import { formatSize } from '../../config/schema/values/size.ts';
import type { HostedStatus, ServerStatus, StoreStatus, UpstreamStatus, WarmStatus } from '../../util/status.ts';

/** The status of a running server, for people. */
export function statusText(status: ServerStatus, url: string): string {
  const { version, uptimeSeconds, store, hosted, troubles, downloads } = status;
  return [
    `Entrepot ${version} at ${url}, up for ${formatTime(uptimeSeconds)}`,
    `Stored: ${store === undefined ? 'unknown, as the index fails; its log says why' : storeText(store)}`,
    ...(hosted === undefined ? [] : [`Hosted: ${hostedText(hosted)}`]),
    ...(troubles ?? []).map((trouble) => `In trouble: ${trouble}`),
    `Downloads: ${downloads.running}${downloads.waiting === 0 ? '' : `, ${downloads.waiting} wait for their turn`}`,
    ...upstreamLines(status.upstreams),
    ...(status.warm ?? []).flatMap(warmLines),
  ].join('\n');
}

/** How much is kept, of how much may be. */
export function storeText({ contents, sizeBytes, maxBytes }: StoreStatus): string {
  const part = `${((100 * sizeBytes) / maxBytes).toFixed(0)}%`;
  const counted = contents === 1 ? '1 blob or manifest' : `${contents} blobs and manifests`;
  return `${counted}, ${formatSize(sizeBytes)} of ${formatSize(maxBytes)} (${part})`;
}

/** How much is hosted. */
export function hostedText({ repositories, contents, sizeBytes }: HostedStatus): string {
  if (repositories === 0) return 'nothing';
  const places = repositories === 1 ? '1 repository' : `${repositories} repositories`;
  return `${places}, ${contents === 1 ? '1 blob or manifest' : `${contents} blobs and manifests`}, ${formatSize(sizeBytes)}`;
}

/** A duration in its two largest units: `3d 4h`. */
export function formatTime(seconds: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', Math.floor(seconds / 86_400)],
    ['h', Math.floor(seconds / 3_600) % 24],
    ['m', Math.floor(seconds / 60) % 60],
    ['s', Math.floor(seconds) % 60],
  ];
  const first = units.findIndex(([, count]) => count > 0);
  const shown = first < 0 ? units.slice(-1) : units.slice(first, first + 2);
  return shown.map(([unit, count]) => `${count}${unit}`).join(' ');
}

function upstreamLines(upstreams: readonly UpstreamStatus[]): string[] {
  const told = upstreams.map((upstream) => [upstream.name, factsOf(upstream)] as const);
  const quiet = told.filter(([, facts]) => facts.length === 0).length;
  const lines = told
    .filter(([, facts]) => facts.length > 0)
    .flatMap(([name, facts]) => [`Upstream ${name}:`, ...facts.map((fact) => `  ${fact}`)]);
  if (quiet > 0) lines.push(`Upstreams of which there is nothing to tell: ${quiet}`);
  return lines;
}

function factsOf({ circuit, rateLimit, requests, waits, saving, lastError }: UpstreamStatus): string[] {
  const facts: string[] = [];
  if (circuit.state === 'open') facts.push(`left alone until ${circuit.until ?? 'soon'}, as it fails`);
  if (circuit.state === 'probing') facts.push('left alone, as it fails; one request finds out whether it still does');
  if (circuit.failures > 0) facts.push(`failures in a row: ${circuit.failures}`);
  if (waits?.allUntil !== undefined) facts.push(`asked to be left alone until ${waits.allUntil}`);
  else if (waits !== undefined) facts.push(`no manifests are fetched until ${waits.countedUntil}, as it asked`);
  if (requests && requests.waiting > 0) facts.push(`requests that wait in line: ${requests.waiting}`);
  if (rateLimit) facts.push(limitText(rateLimit));
  if (saving !== undefined) facts.push(`tags that are here are served without asking: ${saving}`);
  if (lastError) facts.push(`last error: ${lastError.code}, at ${lastError.at}`);
  return facts;
}

function limitText({
  limit,
  remaining,
  windowSeconds,
  source,
  at,
  reserved,
}: UpstreamStatus['rateLimit'] & {}): string {
  const window = windowSeconds === undefined ? '' : ` in ${formatTime(windowSeconds)}`;
  const kept = reserved === 0 ? '' : `, ${reserved} kept for what is not here`;
  const counted = source === undefined ? '' : `, counted for ${source}`;
  return `pulls left: ${remaining} of ${limit}${window}${kept}${counted}, at ${at}`;
}

function warmLines(list: WarmStatus): string[] {
  const {
    images,
    everySeconds,
    running,
    lastAt,
    failed = 0,
    stale = 0,
    fetchedBytes = 0,
    failures = [],
    nextAt,
  } = list;
  const many = images === 1 ? '1 image' : `${images} images`;
  const bad = [...(failed > 0 ? [`${failed} failed`] : []), ...(stale > 0 ? [`${stale} may be old`] : [])];
  const last =
    lastAt === undefined
      ? 'not looked at yet'
      : `${bad.length === 0 ? 'all warm' : bad.join(', ')} at ${lastAt}, ${formatSize(fetchedBytes)} fetched`;
  const now = running ? '; being looked at now' : '';
  const next = nextAt === undefined ? '' : `; next at ${nextAt}`;
  const reasons = failures.map(({ image, reason }) => `  ${image}: ${reason}`);
  return [`Kept warm: ${many}, every ${formatTime(everySeconds)}: ${last}${now}${next}`, ...reasons];
}
