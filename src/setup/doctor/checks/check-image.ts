import { isProbeTag, probePath } from '../../../oci/wire/probe-tag.ts';
import type { AskedImage } from '../asked-image.ts';
import type { ClientMirror, ClientSetup, Finding } from '../clients/client-setup.ts';
import type { Answer, DoctorTools } from '../doctor-tools.ts';
import type { KnownCache } from './check-cache.ts';

/** The ways that a client has to an image. */
export interface Ways {
  readonly setup: ClientSetup;
  /** The mirrors of the image's registry, in their order. */
  readonly mirrors: readonly ClientMirror[];
  readonly caches: readonly KnownCache[];
  readonly image: AskedImage;
}

const accept = [
  ...['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json'],
  ...['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json'],
].join(', ');

/** Asks the first mirror for the manifest of the image, as the client would. */
export async function checkRequest({ setup, mirrors, image }: Ways, tools: DoctorTools): Promise<Finding[]> {
  const [mirror] = mirrors;
  if (mirror === undefined) return [];
  const { registry, repository, reference } = image;
  const namespace = mirror.sendsNamespace ? `?ns=${encodeURIComponent(registry)}` : '';
  const url = `${mirror.base}/v2/${mirror.namePrefix}${repository}/manifests/${reference}${namespace}`;
  const { authorities, isUnchecked } = mirror;
  const answer = await tools.ask({ method: 'HEAD', url, headers: { accept }, authorities, isUnchecked });
  return [{ about: setup.client, ...judge(url, answer) }];
}

function judge(url: string, answer: Answer): Omit<Finding, 'about'> {
  if (answer.status === 200) {
    const how = answer.headers['cache-status'];
    return { level: 'ok', text: `${url} gives the image${how === undefined ? '' : ` (${how})`}` };
  }
  if (answer.status === undefined) {
    return {
      level: 'fail',
      text: `${url} is not answered: ${answer.message}`,
      remedy: 'see what is said of the cache below',
    };
  }
  const remedies: Readonly<Record<number, string>> = {
    401: 'the image is not public: log in to the registry, or give the cache credentials for it',
    403: 'look at the rules of the cache (docs/access.md)',
    404: 'see whether the name is right, and the cache serves this registry (`upstreams`)',
  };
  const remedy = remedies[answer.status] ?? 'look at the log of the cache';
  return {
    level: 'fail',
    text: `${url} is answered with ${answer.status}: the client goes on without the cache`,
    remedy,
  };
}

// What a client says when a registry answered, or was looked for; all else is its own trouble, as a daemon that is not there.
const ofRegistry = /not found|unknown|denied|unauthori[sz]ed|no such host|dial tcp|lookup |i\/o timeout|https?:/i;

/** Makes the client pull a tag that no image has, and looks whether the cache was asked for it. */
export async function checkPull({ setup, caches, image }: Ways, tag: string, tools: DoctorTools): Promise<Finding[]> {
  const entrepots = caches.filter(({ isEntrepot }) => isEntrepot);
  if (tools.pull === undefined || entrepots.length === 0 || !isProbeTag(tag)) return [];
  const about = setup.client;
  const { command, said } = await tools.pull(setup.client, `${image.registry}/${image.repository}:${tag}`);
  if (command === undefined) {
    const text = 'Its way was not tried: there is no tool of it that could be asked to pull';
    return [
      {
        about,
        level: 'warn',
        text,
        remedy: 'install crictl or nerdctl, or try a pull and look at the log of the cache',
      },
    ];
  }
  const seen: SeenRequest[] = [];
  for (const cache of entrepots) seen.push(...(await seenBy(cache, tag, tools)));
  const refused = seen.find(({ status }) => status !== 404);
  if (refused) {
    const text = `\`${command}\` came to ${refused.origin}, and was answered with ${refused.status}`;
    return [
      {
        about,
        level: 'fail',
        text,
        remedy: 'give the client a login for the cache, or allow it there (docs/access.md)',
      },
    ];
  }
  const [first] = seen;
  if (first)
    return [{ about, level: 'ok', text: `\`${command}\` came to ${first.origin}, which asks ${first.registry}` }];
  if (said !== '' && !ofRegistry.test(said)) {
    const text = `\`${command}\` asked no registry: ${said}`;
    return [{ about, level: 'fail', text, remedy: `mend that first: ${about} itself cannot pull` }];
  }
  return [
    {
      about,
      level: 'fail',
      text: `\`${command}\` went past the cache${said === '' ? '' : `: ${said}`}`,
      remedy: `see whether ${about} has read its files since they were written, and runs`,
    },
  ];
}

interface SeenRequest {
  readonly origin: string;
  readonly registry: string;
  readonly status: number;
}

async function seenBy(cache: KnownCache, tag: string, tools: DoctorTools): Promise<SeenRequest[]> {
  const answer = await tools.ask({ ...cache, url: `${cache.origin}${probePath}${tag}` });
  if (answer.status !== 200) return [];
  try {
    const { seen } = JSON.parse(answer.body) as { seen: { registry?: string; status: number }[] };
    return seen.map(({ registry = 'no registry', status }) => ({ origin: cache.origin, registry, status }));
  } catch {
    return [];
  }
}
