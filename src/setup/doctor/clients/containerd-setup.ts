import { parse } from 'smol-toml';
import {
  type ClientMirror,
  type ClientSetup,
  type Finding,
  hasProgram,
  type MachineFiles,
  serviceProxy,
  withoutLogin,
} from './client-setup.ts';

const configPath = '/etc/containerd/config.toml';
const about = 'containerd';

type Table = Record<string, unknown>;

/** How containerd is set up for Kubernetes, nerdctl and others that read its `certs.d`. */
export function readContainerdSetup(files: MachineFiles): ClientSetup {
  const text = files.read(configPath);
  const findings: Finding[] = [];
  const registry = registryOf(text, findings);
  const folders = String(registry['config_path'] ?? '')
    .split(':')
    .filter((each) => each !== '');
  const folder = folders[0] ?? '/etc/containerd/certs.d';
  const named = files.list(folder).flatMap((name) => {
    const path = `${folder}/${name}/hosts.toml`;
    const hosts = files.read(path);
    return hosts === undefined ? [] : [{ name, path, mirrors: readHosts(path, hosts, findings) }];
  });
  if (named.length > 0 && folders.length === 0) findings.push(unread(folder, text));
  if (folders.length > 0 && 'mirrors' in registry) findings.push(bothWays);
  const service = serviceProxy(files, 'containerd');
  const byName = named.filter(({ name }) => name !== '_default').map(({ name, mirrors }) => [name, mirrors] as const);
  return {
    client: 'containerd',
    isHere: hasProgram(files, 'containerd') || named.length > 0,
    files: [
      ...(text === undefined ? [] : [configPath]),
      ...named.map(({ path }) => path),
      ...(service ? [service.file] : []),
    ],
    findings,
    mirrors: new Map(byName),
    otherMirrors: named.find(({ name }) => name === '_default')?.mirrors ?? [],
    proxy: service?.url,
  };
}

/** What config.toml says about registries, wherever its version has it. */
function registryOf(text: string | undefined, findings: Finding[]): Table {
  if (text === undefined) return {};
  try {
    const plugins = tableOf(parse(text)['plugins']);
    const names = ['io.containerd.cri.v1.images', 'io.containerd.grpc.v1.cri', 'cri'];
    const found = names.map((name) => tableOf(tableOf(plugins[name])['registry']));
    return found.find((table) => Object.keys(table).length > 0) ?? {};
  } catch {
    findings.push({
      about,
      level: 'fail',
      text: `${configPath} is not TOML: containerd does not start with it`,
      remedy: 'mend it',
    });
    return {};
  }
}

function unread(folder: string, text: string | undefined): Finding {
  return {
    about,
    level: 'warn',
    text: `${text === undefined ? 'Without' : 'By'} ${configPath} Kubernetes and crictl may not read ${folder}: there is no config_path`,
    remedy: `set config_path = "${folder}" there (\`entrepot setup containerd\` says where), and restart containerd`,
  };
}

const bothWays: Finding = {
  about,
  level: 'fail',
  text: `${configPath} has registry.mirrors beside config_path: containerd does not load its CRI plugin so`,
  remedy: 'remove registry.mirrors',
};

function readHosts(path: string, text: string, findings: Finding[]): ClientMirror[] {
  let value: Table;
  try {
    value = parse(text);
  } catch {
    findings.push({
      about,
      level: 'fail',
      text: `${path} is not TOML: containerd pulls nothing by it`,
      remedy: 'mend it',
    });
    return [];
  }
  return Object.entries(tableOf(value['host'])).flatMap(([url, host]) => {
    if (URL.canParse(withScheme(url))) return mirrorOf(url, tableOf(host));
    const text = `${path} has "${withoutLogin(url)}" as a host, which is no address`;
    findings.push({ about, level: 'fail', text, remedy: 'give it as http://HOST:PORT' });
    return [];
  });
}

// containerd speaks TLS where nothing else is said.
function withScheme(url: string): string {
  return /^https?:\/\//.test(url) ? url : `https://${url}`;
}

function mirrorOf(url: string, host: Table): ClientMirror[] {
  const capabilities = host['capabilities'];
  if (Array.isArray(capabilities) && !capabilities.includes('pull')) return [];
  const { origin, pathname } = new URL(withScheme(url));
  const path = pathname.replace(/\/+$/, '');
  // A path that is taken as it is has /v2 in it.
  const [, before = path, after = ''] =
    host['override_path'] === true ? (/^(.*?)\/v2(?:\/(.*))?$/.exec(path) ?? []) : [];
  const ca = host['ca'];
  return [
    {
      base: `${origin}${before}`,
      namePrefix: after === '' ? '' : `${after}/`,
      sendsNamespace: true,
      authorities: (Array.isArray(ca) ? ca : [ca]).filter((each) => typeof each === 'string'),
      isUnchecked: host['skip_verify'] === true,
    },
  ];
}

function tableOf(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
}
