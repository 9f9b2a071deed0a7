import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Authorities } from '../proxy/ca/authorities.ts';
import type { Basics } from './app-options.ts';

/**
 * Opens the authority that the proxy door signs by: the one that was brought, those in the data folder, or a new one
 * there for these hosts. The library that signs is loaded here, as nobody else needs it.
 * @throws Error that names the file that cannot be used
 */
export async function openAuthorities(
  { data, proxy }: Config,
  hosts: readonly string[],
  { clock, log }: Pick<Basics, 'clock' | 'log'>,
): Promise<Authorities> {
  const { Authorities } = await import('../proxy/ca/authorities.ts');
  if (proxy.ca !== undefined) return new Authorities([await readBrought(proxy.ca)], clock);
  const { addAuthority, readAuthorities } = await import('../proxy/ca/authority-folder.ts');
  const folder = join(data, 'ca');
  const { authorities, broken } = await readAuthorities(folder);
  for (const facts of broken) log.error(facts, 'authority cannot be read');
  if (authorities.length === 0 && broken.length > 0) {
    throw new Error(
      `Cannot use the authority in "${folder}": ${broken[0]!.reason}; put its files back, or remove them all`,
    );
  }
  if (authorities.length > 0) return new Authorities(authorities, clock);
  const made = await addAuthority(folder, proxy.constrain ? hosts : undefined, clock.now());
  log.info({ folder, hosts: proxy.constrain ? hosts : 'every host' }, 'authority made');
  return new Authorities([made], clock);
}

async function readBrought({ cert, key }: { readonly cert: string; readonly key: string }) {
  const { readAuthority } = await import('../proxy/ca/certificates.ts');
  try {
    return readAuthority({ cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') });
  } catch (error) {
    throw new Error(`Cannot use proxy.ca "${cert}": ${(error as Error).message}`);
  }
}
