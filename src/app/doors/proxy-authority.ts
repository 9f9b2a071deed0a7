import type { Config } from '../../config/config.ts';
import type { Authorities } from '../../proxy/ca/authorities.ts';
import type { Basics } from '../app-options.ts';

/**
 * Opens the authority that the proxy door signs by: the one that was brought, those in the data folder, or a new one
 * there for the configured registries. The library that signs is loaded here, as nobody else needs it.
 * @throws Error that names the file that cannot be used
 */
export async function openAuthorities(
  config: Config,
  { clock, log }: Pick<Basics, 'clock' | 'log'>,
): Promise<Authorities> {
  const { readConfiguredAuthorities, renewAuthority } = await import('../../authorities.ts');
  const { Authorities } = await import('../../proxy/ca/authorities.ts');
  const { authorities, broken } = await readConfiguredAuthorities(config);
  for (const facts of broken) log.error(facts, 'authority cannot be read');
  if (authorities.length > 0) return new Authorities(authorities, clock);
  const [first] = broken;
  if (first) {
    throw new Error(
      `Cannot use the authority in "${first.path}": ${first.reason}; put its files back, or remove them all`,
    );
  }
  const made = await renewAuthority(config, clock.now());
  log.info({ path: made.path, hosts: made.hosts ?? 'every host' }, 'authority made');
  return new Authorities([made], clock);
}
