import type { Setting } from '../sources/setting.ts';

/** What is built in for an upstream, in the words of the file. */
export interface BuiltinUpstream {
  /** Only where it is not `https://` and the name. */
  readonly url?: string;
  readonly names?: readonly string[];
  /** Only where tokens come from another domain. */
  readonly tokenHosts?: readonly string[];
  /** Only where pulls are limited, and the registry tells how many are left. */
  readonly rateLimitReserve?: string;
}

/** The public registries that need no configuration, most used first. */
export const builtinUpstreams: Readonly<Record<string, BuiltinUpstream>> = {
  'docker.io': {
    url: 'https://registry-1.docker.io',
    names: ['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com'],
    rateLimitReserve: '10%',
  },
  'ghcr.io': {},
  'quay.io': {},
  'gcr.io': {},
  'registry.k8s.io': {},
  'mcr.microsoft.com': {},
  'public.ecr.aws': {},
  'nvcr.io': {},
  'registry.gitlab.com': {},
  // A front of ghcr.io, which sends its clients there for tokens; so is reg.kyverno.io.
  'lscr.io': { tokenHosts: ['ghcr.io'] },
  'reg.kyverno.io': { tokenHosts: ['ghcr.io'] },
  'cgr.dev': {},
  'dhi.io': {},
  'docker.elastic.co': {},
  'mirror.gcr.io': {},
  'us-docker.pkg.dev': {},
  'europe-docker.pkg.dev': {},
  'asia-docker.pkg.dev': {},
  'registry.access.redhat.com': {},
  // Its tokens come from Red Hat's sign-on.
  'registry.redhat.io': { tokenHosts: ['sso.redhat.com'] },
  'registry.fedoraproject.org': {},
  'registry.opensuse.org': {},
  'registry.suse.com': {},
  'container-registry.oracle.com': {},
  'icr.io': {},
  'codeberg.org': {},
};

/** Where the configuration says that a value comes from when it is built in. */
export const builtinOrigin = 'built in';

/** The built-in upstreams as the lowest layer of settings. */
export function builtinSettings(): Setting[] {
  return Object.entries(builtinUpstreams).flatMap(([name, facts]) => [
    { path: ['upstreams', name], value: {}, origin: builtinOrigin },
    ...Object.entries(facts).map(([key, value]) => ({ path: ['upstreams', name, key], value, origin: builtinOrigin })),
  ]);
}
