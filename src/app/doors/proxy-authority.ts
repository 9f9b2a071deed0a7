import type { Config } from '../../config/config.ts';
import type { Authorities } from '../../proxy/ca/authorities.ts';
import type { StoredAuthority } from '../../proxy/ca/authority-folder.ts';
import { watchStamp } from '../../util/watched/watched-stamp.ts';
import type { Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';

type Tools = Pick<Basics, 'clock' | 'log'>;

/**
 * Opens the authority that the proxy door signs by: the one that was brought, those in the data folder, or a new one
 * there for the configured registries. One that is made or brought later is taken into use as soon as it is there. The
 * library that signs is loaded here, as nobody else needs it.
 * @throws Error that names the file that cannot be used
 */
export async function openAuthorities(config: Config, tools: Tools, lifetime: Lifetime): Promise<Authorities> {
  const { stampConfiguredAuthorities } = await import('../../authorities.ts');
  const { Authorities } = await import('../../proxy/ca/authorities.ts');
  const stamp = () => stampConfiguredAuthorities(config);
  let known = await stamp();
  let inUse = await readFirst(config, tools);
  if (inUse.length === 0) {
    inUse = [await makeFirst(config, tools)];
    known = await stamp();
  }
  const authorities = new Authorities(inUse, tools.clock);
  const changed = async () => {
    const found = await readAgain(config, inUse, tools);
    if (found.length === 0) return;
    inUse = found;
    authorities.replace(found);
  };
  const stopping = new AbortController();
  const watching = watchStamp({ stamp, known, changed, clock: tools.clock }, stopping.signal);
  lifetime.push(() => {
    stopping.abort();
    return watching;
  });
  return authorities;
}

/** Those that there are; none when none was ever made. */
async function readFirst(config: Config, { log }: Tools): Promise<readonly StoredAuthority[]> {
  const { readConfiguredAuthorities } = await import('../../authorities.ts');
  const { authorities, broken } = await readConfiguredAuthorities(config);
  for (const facts of broken) log.error(facts, 'authority cannot be read');
  const [first] = broken;
  if (authorities.length > 0 || first === undefined) return authorities;
  throw new Error(
    `Cannot use the authority in "${first.path}": ${first.reason}; put its files back, or remove them all`,
  );
}

async function makeFirst(config: Config, { clock, log }: Tools): Promise<StoredAuthority> {
  const { renewAuthority } = await import('../../authorities.ts');
  const made = await renewAuthority(config, clock.now());
  log.info({ path: made.path, hosts: made.hosts ?? 'every host' }, 'authority made');
  return made;
}

/** Those that there are now, of which each that cannot be read any more is as it was; none when there is none. */
async function readAgain(
  config: Config,
  before: readonly StoredAuthority[],
  { log }: Tools,
): Promise<readonly StoredAuthority[]> {
  const { readConfiguredAuthorities } = await import('../../authorities.ts');
  try {
    const { authorities, broken } = await readConfiguredAuthorities(config);
    for (const facts of broken) log.error(facts, 'authority cannot be read');
    const kept = before.filter(({ path }) => broken.some((each) => each.path === path));
    // Their names are when they were made.
    const found = [...authorities, ...kept].sort((one, other) => (one.path < other.path ? 1 : -1));
    const [newest] = found;
    if (newest === undefined) throw new Error('there is none any more');
    log.info({ path: newest.path, hosts: newest.hosts ?? 'every host', count: found.length }, 'authorities read again');
    return found;
  } catch (error) {
    log.error({ reason: (error as Error).message }, 'authorities cannot be read again, those before are kept');
    return [];
  }
}
