import { newProbeTag } from '../../oci/wire/probe-tag.ts';
import type { AskedImage } from './asked-image.ts';
import { checkCaches, type KnownCache } from './checks/check-cache.ts';
import { checkFallback } from './checks/check-fallback.ts';
import { checkPull, checkRequest } from './checks/check-image.ts';
import {
  type ClientMirror,
  type ClientName,
  type ClientSetup,
  type Finding,
  mirrorsFor,
  withoutLogin,
} from './clients/client-setup.ts';
import type { DoctorTools } from './doctor-tools.ts';

/** What is wanted to be known. */
export interface DoctorQuestion {
  readonly setups: readonly ClientSetup[];
  /** The image that is asked about. */
  readonly image: AskedImage | undefined;
  /** Where the cache is said to be, beside what the clients have. */
  readonly address: string | undefined;
  /** Whether the files are those of another machine: what this one can reach says nothing of it. */
  readonly isElsewhere?: boolean;
}

/** Looks at how the clients of a machine are set up, asks the caches that they use, and tells what is well and what is not. */
export async function diagnose(question: DoctorQuestion, tools: DoctorTools): Promise<Finding[]> {
  const { setups, address } = question;
  const here = setups.filter(({ isHere }) => isHere);
  const { caches, findings: ofCaches } = await checkCaches(here, address, tools);
  const findings: Finding[] = [];
  if (here.length === 0) findings.push(nobody);
  for (const setup of here) findings.push(...(await checkClient(setup, question, caches, tools)));
  return [...findings, ...ofCaches];
}

const nobody: Finding = {
  about: 'this machine',
  level: 'warn',
  text: 'Neither docker nor podman nor containerd is here',
  remedy: 'run this where images are pulled',
};

async function checkClient(
  setup: ClientSetup,
  { setups, image, isElsewhere = false }: DoctorQuestion,
  caches: readonly KnownCache[],
  tools: DoctorTools,
): Promise<Finding[]> {
  const { client, findings } = setup;
  const asked = image ?? { registry: 'docker.io', repository: 'library/hello-world', reference: 'latest' };
  const mirrors = mirrorsFor(setup, asked.registry);
  const isByName = caches.some(({ host }) => host === asked.registry);
  if (mirrors.length === 0 && setup.proxy === undefined && !isByName) {
    const isDockers = client === 'containerd' && setups.some((other) => other.client === 'docker' && other.isHere);
    const past = isDockers ? goesPastBesideDocker(asked) : goesPast(setup, asked, image !== undefined);
    return [...findings, ...configured(setup), past];
  }
  const ways = { setup, mirrors, caches, image: asked };
  const tag = tools.probeTag?.() ?? newProbeTag();
  return [
    ...findings,
    ...configured(setup),
    ...(image === undefined ? [] : await checkRequest(ways, tools)),
    ...(await checkPull(ways, tag, tools)),
    ...(isByName ? [byName(client, asked)] : isElsewhere ? [] : [await checkFallback(ways, tools)]),
  ];
}

/** What the files of a client say: which registries go by which caches. */
function configured({ client, mirrors, otherMirrors, proxy, files }: ClientSetup): Finding[] {
  const byPlaces = Map.groupBy(mirrors, ([, list]) => placesOf(list));
  byPlaces.delete(''); // a registry that is asked itself
  const ways = [...byPlaces].map(([places, list]) => `${namesOf(list.map(([registry]) => registry))} by ${places}`);
  if (otherMirrors.length > 0) ways.push(`every other registry by ${placesOf(otherMirrors)}`);
  if (proxy !== undefined) ways.push(`whatever has no mirror by the proxy ${withoutLogin(proxy)}`);
  if (ways.length === 0) return [];
  const place = files.length === 0 ? '' : ` (${namesOf(files)})`;
  return [{ about: client, level: 'ok', text: `It pulls ${ways.join('; ')}${place}` }];
}

function placesOf(mirrors: readonly ClientMirror[]): string {
  return [...new Set(mirrors.map(({ base }) => (URL.canParse(base) ? new URL(base).origin : base)))].join(', then ');
}

/** The first names, and how many there are beside them. */
function namesOf(names: readonly string[]): string {
  const shown = names.length <= 4 ? names : [...names.slice(0, 3), `${names.length - 3} more`];
  return shown.length === 1 ? (shown[0] ?? '') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

function goesPast({ client }: ClientSetup, { registry }: AskedImage, isAsked: boolean): Finding {
  const isDockerElsewhere = client === 'docker' && registry !== 'docker.io';
  const remedy = isDockerElsewhere
    ? 'use the proxy door (`entrepot setup proxy`), or pull by a name of the cache: HOST:PORT/REGISTRY/…'
    : `\`entrepot setup ${client} --address HOST:PORT --apply\``;
  const text = `It pulls ${registry} past the cache: ${
    isDockerElsewhere ? 'mirrors of docker are for Docker Hub alone' : 'there is no mirror for it, and no proxy'
  }`;
  return { about: client, level: isAsked ? 'fail' : 'warn', text, remedy };
}

// containerd comes with docker, which pulls by files of its own: most who have both use the one alone.
function goesPastBesideDocker({ registry }: AskedImage): Finding {
  return {
    about: 'containerd',
    level: 'warn',
    text: `It pulls ${registry} past the cache: there is no mirror for it, and no proxy; docker runs it and does not pull by it`,
    remedy: 'where Kubernetes or nerdctl does: `entrepot setup containerd --address HOST:PORT --apply`',
  };
}

function byName(client: ClientName, { registry }: AskedImage): Finding {
  const text = `${registry} is the cache itself: when it is down, nothing is pulled by this name`;
  return { about: client, level: 'warn', text, remedy: 'a mirror has the registry itself to fall back to' };
}
