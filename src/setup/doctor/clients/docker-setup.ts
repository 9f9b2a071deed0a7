import { withoutMark } from '../../edit/byte-order-mark.ts';
import {
  type ClientMirror,
  type ClientSetup,
  type Finding,
  hasProgram,
  hostAuthorities,
  type MachineFiles,
  serviceProxy,
  withoutLogin,
} from './client-setup.ts';

const path = '/etc/docker/daemon.json';
const about = 'docker';

/** How docker is set up. */
export function readDockerSetup(files: MachineFiles): ClientSetup {
  const text = files.read(path);
  const { value, findings } = parse(text);
  const urls = listOf(value, 'registry-mirrors');
  const mirrors = urls.map((url) => mirrorOf(files, url, listOf(value, 'insecure-registries')));
  const service = serviceProxy(files, 'docker');
  // What daemon.json says counts before the environment.
  const proxies = value['proxies'] as Record<string, unknown> | undefined;
  const own = typeof proxies?.['https-proxy'] === 'string' ? proxies['https-proxy'] : undefined;
  return {
    client: 'docker',
    isHere: text !== undefined || hasProgram(files, 'dockerd') || hasProgram(files, 'docker'),
    files: [...(text === undefined ? [] : [path]), ...(service === undefined ? [] : [service.file])],
    findings: [...findings, ...urls.flatMap(checkMirror)],
    mirrors: new Map(mirrors.length === 0 ? [] : [['docker.io', mirrors]]),
    otherMirrors: [],
    proxy: own ?? service?.url,
  };
}

function parse(text: string | undefined): { value: Record<string, unknown>; findings: Finding[] } {
  if (text === undefined || text.trim() === '') return { value: {}, findings: [] };
  try {
    const value: unknown = JSON.parse(withoutMark(text));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { value: value as Record<string, unknown>, findings: [] };
    }
  } catch {
    // Whatever else it is, docker does not start with it.
  }
  const broken: Finding = {
    about,
    level: 'fail',
    text: `${path} is no JSON object: docker does not start with it`,
    remedy: `mend ${path}; \`entrepot setup docker\` prints one`,
  };
  return { value: {}, findings: [broken] };
}

function listOf(value: Record<string, unknown>, key: string): string[] {
  const list = value[key];
  return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
}

function mirrorOf(files: MachineFiles, url: string, insecure: readonly string[]): ClientMirror {
  const base = withoutLogin(url).replace(/\/+$/, '');
  const host = base.replace(/^https?:\/\//, '').replace(/\/.*/, '');
  return {
    base,
    namePrefix: '',
    sendsNamespace: false,
    authorities: hostAuthorities(files, '/etc/docker/certs.d', host),
    isUnchecked: insecure.includes(host),
  };
}

function checkMirror(url: string): Finding[] {
  const hasScheme = /^https?:\/\//.test(url);
  if (hasScheme && /^https?:\/\/[^/?#@]+\/?$/.test(url)) return [];
  if (/^https?:\/\/[^/?#@]+\/[^?#]+$/.test(url)) {
    const text = `${path}: the mirror "${withoutLogin(url)}" has a path, with which older versions of docker do not start`;
    return [{ about, level: 'warn', text, remedy: 'give it as http://HOST:PORT where an older docker is possible' }];
  }
  return [
    {
      about,
      level: 'fail',
      text: `${path}: the mirror "${withoutLogin(url)}" ${hasScheme ? 'is more than a host and a port' : 'has no http:// or https://'}, and docker does not start with it`,
      remedy: 'give it as http://HOST:PORT',
    },
  ];
}
