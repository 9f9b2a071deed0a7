import type { ClientSetup, Finding } from '../clients/client-setup.ts';
import type { Answer, DoctorTools } from '../doctor-tools.ts';

/** A cache that clients of this machine ask. */
export interface KnownCache {
  /** `http://10.0.0.5:5000` */
  readonly origin: string;
  /** `10.0.0.5:5000` */
  readonly host: string;
  readonly authorities: readonly string[];
  readonly isUnchecked: boolean;
  readonly isProxy: boolean;
  /** Whether it answers, and is an Entrepot. */
  readonly isEntrepot: boolean;
}

type Place = Omit<KnownCache, 'isEntrepot'>;

/** Asks every cache that the clients use whether it is there, is trusted, and has the same time. */
export async function checkCaches(
  setups: readonly ClientSetup[],
  address: string | undefined,
  tools: DoctorTools,
): Promise<{ readonly caches: readonly KnownCache[]; readonly findings: readonly Finding[] }> {
  const caches: KnownCache[] = [];
  const findings: Finding[] = [];
  for (const place of placesOf(setups, address)) {
    const answer = await tools.ask({ ...place, url: `${place.origin}/` });
    const told = tellOf(place, answer);
    caches.push({ ...place, isEntrepot: told.version !== undefined });
    findings.push(told.finding);
    if (answer.status === undefined) continue;
    findings.push(clockFinding(place.origin, answer.headers['date'], tools.nowMs()));
    if (told.version !== undefined && !place.isProxy) findings.push(...(await checkDoor(place, tools)));
  }
  return { caches, findings };
}

function placesOf(setups: readonly ClientSetup[], address: string | undefined): Place[] {
  const places = new Map<string, Place>();
  const add = (url: string, authorities: readonly string[], isUnchecked: boolean, isProxy: boolean) => {
    const at = parseUrl(url);
    if (at === undefined) return;
    const known = places.get(at.origin);
    const all = [...new Set([...(known?.authorities ?? []), ...authorities])];
    places.set(at.origin, { origin: at.origin, host: at.host, authorities: all, isUnchecked, isProxy });
  };
  for (const { mirrors, otherMirrors, proxy } of setups) {
    for (const mirror of [...[...mirrors.values()].flat(), ...otherMirrors]) {
      add(mirror.base, mirror.authorities, mirror.isUnchecked, false);
    }
    if (proxy !== undefined) add(proxy, [], false, true);
  }
  if (address !== undefined) add(address, [], false, false);
  return [...places.values()];
}

function parseUrl(url: string): URL | undefined {
  // A proxy may be given without, and is asked by HTTP then.
  return URL.parse(/^https?:\/\//i.test(url) ? url : `http://${url}`) ?? undefined;
}

function tellOf({ origin, authorities }: Place, answer: Answer): { finding: Finding; version?: string } {
  const about = origin;
  if (answer.status === undefined) return { finding: { about, level: 'fail', ...whyNot(answer, authorities) } };
  const [, version] = /^Entrepot (\S+): /.exec(answer.body) ?? [];
  if (version !== undefined) return { version, finding: { about, level: 'ok', text: `Entrepot ${version} answers` } };
  const text = `Something else than Entrepot answers (${answer.status})`;
  return { finding: { about, level: 'warn', text, remedy: 'see whether the address is right' } };
}

function whyNot({ code, message }: Extract<Answer, { status: undefined }>, authorities: readonly string[]) {
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') {
    return {
      text: `Its certificate is not valid now: ${message}`,
      remedy: 'compare the clocks of both machines, then renew the certificate',
    };
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return { text: `Its certificate is for another name: ${message}`, remedy: 'use a name that the certificate has' };
  }
  if (/ALERT/.test(code)) {
    const remedy =
      'it may want a certificate of the client, which the doctor has not: docs/tls.md says where clients have it';
    return { text: `It refuses the connection: ${message}`, remedy };
  }
  if (/CERT|SIGNATURE|ISSUER/.test(code)) {
    const known = authorities.length === 0 ? '' : ` and ${authorities.join(', ')}`;
    return {
      text: `Its certificate is not trusted, by the system's authorities${known}: ${message}`,
      remedy: 'give the client the authority: `entrepot setup CLIENT --tls-ca ca.crt --apply`',
    };
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return { text: `It does not speak TLS as this client does: ${message}`, remedy: 'see whether http:// is meant' };
  }
  const remedy =
    'see whether it runs (`entrepot status` there), listens for other machines, and no firewall is between';
  return { text: `It does not answer: ${message}`, remedy };
}

const warnSkewMs = 60_000; // tokens of registries live for five minutes, and some for one
const failSkewMs = 10 * 60_000; // fresh certificates and tokens are refused

function clockFinding(about: string, date: string | undefined, nowMs: number): Finding {
  const theirsMs = Date.parse(date ?? '');
  if (Number.isNaN(theirsMs))
    return { about, level: 'warn', text: 'It does not tell its time, so the clocks are not compared' };
  const skewMs = nowMs - theirsMs;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  // Its time is told in whole seconds.
  if (Math.abs(skewMs) < warnSkewMs)
    return { about, level: 'ok', text: `The clocks agree, to ${Math.max(seconds, 1)} s` };
  return {
    about,
    level: Math.abs(skewMs) < failSkewMs ? 'warn' : 'fail',
    text: `The clock here is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} its own: certificates and tokens may not be valid`,
    remedy: 'set both by NTP (`timedatectl`)',
  };
}

async function checkDoor(place: Place, tools: DoctorTools): Promise<Finding[]> {
  const about = place.origin;
  const { status } = await tools.ask({ ...place, url: `${place.origin}/v2/` });
  if (status === 200) return [];
  if (status === 401) {
    const remedy = 'log in to it with the client; docker has no login for a mirror';
    return [{ about, level: 'warn', text: 'It asks for a login', remedy }];
  }
  return [{ about, level: 'fail', text: `It answers ${status ?? 'nothing'} at /v2/`, remedy: 'look at its log' }];
}
