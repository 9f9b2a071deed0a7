import { parse } from 'smol-toml';
import {
  type ClientMirror,
  type ClientSetup,
  type Finding,
  hasProgram,
  hostAuthorities,
  type MachineFiles,
} from './client-setup.ts';

const mainPath = '/etc/containers/registries.conf';
const folder = '/etc/containers/registries.conf.d';
const about = 'podman';

interface RegistryTable {
  readonly prefix?: unknown;
  readonly location?: unknown;
  readonly mirror?: unknown;
}

/** How podman, buildah, skopeo and CRI-O are set up. */
export function readPodmanSetup(files: MachineFiles, env: Readonly<Record<string, string | undefined>>): ClientSetup {
  const dropIns = files.list(folder).filter((name) => name.endsWith('.conf'));
  const paths = [mainPath, ...dropIns.map((name) => `${folder}/${name}`)].filter(
    (path) => files.read(path) !== undefined,
  );
  const findings: Finding[] = [];
  const found = new Map<string, { readonly path: string; readonly mirrors: readonly ClientMirror[] }>();
  for (const path of paths) {
    const tables = readTables(path, files.read(path) ?? '', findings);
    for (const { prefix, location, mirror } of tables) {
      const name = String(prefix ?? location ?? '');
      // The last file that has a table for a registry counts, and nothing of those before.
      const mirrors = Array.isArray(mirror) ? mirror.flatMap((each) => mirrorOf(files, each)) : [];
      found.set(name, { path, mirrors });
    }
  }
  const named = [...found].filter(([, { mirrors }]) => mirrors.length > 0);
  return {
    client: 'podman',
    isHere: ['podman', 'buildah', 'skopeo', 'crio'].some((name) => hasProgram(files, name)) || named.length > 0,
    // Others, as the short names that a distribution brings, say nothing of it.
    files: paths.filter((path) => named.some(([, entry]) => entry.path === path)),
    findings,
    mirrors: new Map(named.map(([name, { mirrors }]) => [name, mirrors])),
    otherMirrors: [],
    proxy: env['HTTPS_PROXY'] ?? env['https_proxy'],
  };
}

function readTables(path: string, text: string, findings: Finding[]): RegistryTable[] {
  const fail = (what: string, remedy: string) =>
    void findings.push({ about, level: 'fail', text: `${path} ${what}`, remedy });
  try {
    const value = parse(text);
    // The format of before: with it, everything that is newer is refused.
    if ('registries' in value)
      fail('is of version 1, with which podman reads no other file', 'write it anew, with [[registry]]');
    return Array.isArray(value['registry']) ? (value['registry'] as RegistryTable[]) : [];
  } catch {
    fail('is not TOML: podman pulls nothing with it', `mend ${path}`);
    return [];
  }
}

function mirrorOf(files: MachineFiles, mirror: unknown): ClientMirror[] {
  const { location, insecure } = mirror as { location?: unknown; insecure?: unknown };
  if (typeof location !== 'string') return [];
  const [host = '', ...path] = location.split('/');
  const isPlain = insecure === true;
  return [
    {
      // With `insecure` it tries TLS first, and then goes on without.
      base: `${isPlain ? 'http' : 'https'}://${host}`,
      namePrefix: path.length === 0 ? '' : `${path.join('/')}/`,
      sendsNamespace: false,
      authorities: ['/etc/containers/certs.d', '/etc/docker/certs.d'].flatMap((each) =>
        hostAuthorities(files, each, host),
      ),
      isUnchecked: isPlain,
    },
  ];
}
