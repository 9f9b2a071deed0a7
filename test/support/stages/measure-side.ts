import { type RegistrySide, registrySide, type SideName } from '../../../src/measure/registry-side.ts';
import { parseRepository } from '../../../src/oci/reference.ts';

/** A side that is a registry at a URL, with `library/nginx` in it. */
export function sideAt(
  name: SideName,
  url: string,
  host = name === 'upstream' ? 'docker.io' : 'cache.test:5000',
): RegistrySide {
  return registrySide({
    ...{ name, host, urls: [new URL(url)], repository: parseRepository('library/nginx') },
    ...{ identity: { insecure: false }, env: {}, version: '1.2.3' },
  });
}
