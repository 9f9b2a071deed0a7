import { parseReference, parseRepository } from '../../oci/reference.ts';

/** An image as clients know it. */
export interface AskedImage {
  readonly registry: string;
  readonly repository: string;
  readonly reference: string;
}

/**
 * Reads the name of an image as docker does: without a registry it is of Docker Hub, without a tag it is `latest`.
 * @throws RegistryError when it is no name of an image
 */
export function parseAskedImage(text: string): AskedImage {
  const [, name = '', tag, digest] = /^(.*?)(?::([^:/@]+))?(?:@(.+))?$/.exec(text) ?? [];
  const [first = '', ...rest] = name.split('/');
  // What has a dot or a port is a registry, as docker has it.
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const given = hasRegistry ? first : 'docker.io';
  const registry = given === 'index.docker.io' ? 'docker.io' : given;
  const path = hasRegistry ? rest.join('/') : name;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  return { registry, repository: parseRepository(repository), reference: parseReference(digest ?? tag ?? 'latest') };
}
