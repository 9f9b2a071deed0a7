// Lower case, and only what is also a component of a repository name: an alias stands in paths and before the domain.
const label = '[a-z0-9]+(?:-+[a-z0-9]+)*';
const domainPattern = new RegExp(`^${label}(?:\\.${label})*$`);
const aliasPattern = new RegExp(`^${label}(?:\\.${label})+$`);
const registryNamePattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-f:.]+\\])(?::\\d{1,5})?$`);

/**
 * Checks an alias: a lower-case host name with a dot, so that it shadows no name on Docker Hub.
 * @throws Error that says what was expected
 */
export function parseAlias(text: string): string {
  if (aliasPattern.test(text)) return text;
  throw new Error('expected a lower-case host name with a dot and without a port, such as registry.corp');
}

/**
 * Checks the name of a domain, and puts it in lower case.
 * @throws Error that says what was expected
 */
export function parseDomain(text: string): string {
  const domain = text.toLowerCase();
  if (domainPattern.test(domain)) return domain;
  throw new Error('expected a domain without port and scheme, such as registry.example.com');
}

/**
 * Checks the name of a registry, as it stands in the names of images.
 * @throws Error that says what was expected
 */
export function parseRegistryName(text: string): string {
  if (registryNamePattern.test(text)) return text;
  throw new Error('expected a lower-case host name without scheme and path, with or without a port');
}

/**
 * An alias for a name that cannot be one: without its port, and where it has no dot within `.internal`, the domain that
 * the world leaves to private use.
 */
export function makeAlias(name: string): string {
  const words = name
    .replace(/:\d+$/, '')
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^-|-$/g, '');
  return words.includes('.') ? words : `${words}.internal`;
}

/** The alias that a name gives by itself; undefined when it has a port or no dot, and must be given one. */
export function aliasOfName(name: string): string | undefined {
  return aliasPattern.test(name) ? name : undefined;
}
