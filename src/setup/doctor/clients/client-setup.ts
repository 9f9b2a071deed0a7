/** How bad something is. */
export type FindingLevel = 'ok' | 'warn' | 'fail';

/** Something that was found out, and what to do about it. */
export interface Finding {
  /** What it is about: a client, or an address of a cache. */
  readonly about: string;
  readonly level: FindingLevel;
  readonly text: string;
  /** What to do; for what is well, nothing. */
  readonly remedy?: string;
}

/** What kinds of clients are looked at. */
export const clientNames = ['docker', 'podman', 'containerd'] as const;
export type ClientName = (typeof clientNames)[number];

/** One place where a client asks for a registry, before it asks the registry itself. */
export interface ClientMirror {
  /** What the client puts `/v2/` and the name of a repository after: `http://10.0.0.5:5000`, with what path there is. */
  readonly base: string;
  /** What it puts between: podman has a path there, `docker.io/`. */
  readonly namePrefix: string;
  /** Whether it says in `ns=` which registry it means. */
  readonly sendsNamespace: boolean;
  /** The files of authorities that this client checks the certificate of that host with, beside the system's. */
  readonly authorities: readonly string[];
  /** Whether it takes any certificate. */
  readonly isUnchecked: boolean;
}

/** How a client is set up on a machine. */
export interface ClientSetup {
  readonly client: ClientName;
  /** Whether the client, or anything that is meant for it, is there. */
  readonly isHere: boolean;
  /** The files that say so. */
  readonly files: readonly string[];
  /** What is wrong with them. */
  readonly findings: readonly Finding[];
  /** The registries that have mirrors, each with them in their order. */
  readonly mirrors: ReadonlyMap<string, readonly ClientMirror[]>;
  /** The mirrors of every registry that is not named. */
  readonly otherMirrors: readonly ClientMirror[];
  /** The proxy that it goes by. */
  readonly proxy: string | undefined;
}

/** The files of a machine. */
export interface MachineFiles {
  /** The text of a file; undefined when there is none, or it cannot be read. */
  read(path: string): string | undefined;
  /** The names in a folder, sorted; none when there is none. */
  list(folder: string): readonly string[];
}

/** The mirrors of a registry, as a client asks them. */
export function mirrorsFor(setup: ClientSetup, registry: string): readonly ClientMirror[] {
  return setup.mirrors.get(registry) ?? setup.otherMirrors;
}

/** Where programs are. */
export const programFolders = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/usr/libexec',
];

/** Whether a program is installed. */
export function hasProgram(files: MachineFiles, name: string): boolean {
  return programFolders.some((folder) => files.list(folder).includes(name));
}

/** The files of authorities that are kept for a host, in the folder that docker and its like look into. */
export function hostAuthorities(files: MachineFiles, folder: string, host: string): string[] {
  const own = `${folder}/${host}`;
  return files.list(own).flatMap((name) => (name.endsWith('.crt') ? [`${own}/${name}`] : []));
}

/** The proxy that the drop-ins of a systemd service set for it; the last file counts. */
export function serviceProxy(files: MachineFiles, service: string): { url: string; file: string } | undefined {
  const found = ['/usr/lib', '/lib', '/run', '/etc'].flatMap((base) => {
    const folder = `${base}/systemd/system/${service}.service.d`;
    return files.list(folder).flatMap((name) => {
      const file = `${folder}/${name}`;
      const text = name.endsWith('.conf') ? (files.read(file) ?? '') : '';
      const [, url] = /^\s*Environment=.*?\bHTTPS_PROXY=([^"'\s]+)/im.exec(text) ?? [];
      return url === undefined ? [] : [{ url: url.replaceAll('%%', '%'), file, name }];
    });
  });
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1)).at(-1);
}

/** A URL as it may be shown, and asked without what is somebody's. */
export function withoutLogin(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?[^/]*@/i, '$1');
}
