/**
 * Parses a regular expression over the names of tags. It matches anywhere in the name, unless it says `^` and `$`.
 * @throws Error that says what was expected
 */
export function parseTagPattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    const why = String((error as Error).message)
      .split(': ')
      .at(-1);
    throw new Error(`expected a regular expression, such as ^v\\d+$ (${why})`);
  }
}

const globPattern = /^[a-z0-9._\-/*]+$/;
const imageGlobPattern = /^([^/]+)\/[a-z0-9._\-/*]+$/;
// A registry has a dot or a port in its name; without, somebody has left the registry away.
const registryGlobPattern = /^(?:[a-z0-9.:-]*[.:*][a-z0-9.:*-]*)$/;

/**
 * Parses a pattern of repository names: `*` is anything but a slash, `**` is anything.
 * @throws Error that says what was expected
 */
export function parseRepositoryGlob(text: string): RegExp {
  if (!globPattern.test(text)) {
    throw new Error('expected the lower-case name of a repository, with * and ** for any part, such as library/*');
  }
  return globToRegExp(text);
}

/**
 * Parses a pattern of repositories with their registry in front: `docker.io/library/*`. `*` is anything but a slash, `**` is
 * anything.
 * @throws Error that says what was expected
 */
export function parseImageGlob(text: string): RepositoryPattern {
  if (text !== '**' && !registryGlobPattern.test(imageGlobPattern.exec(text)?.[1] ?? '')) {
    throw new Error('expected a registry and a repository, such as docker.io/library/* or hosted.entrepot/team/**');
  }
  const registry = text.slice(0, Math.max(0, text.indexOf('/')));
  return {
    text,
    registry: registry === '' || registry.includes('*') ? undefined : registry,
    pattern: globToRegExp(text),
  };
}

/** A pattern of repositories of registries. */
export interface RepositoryPattern {
  readonly text: string;
  /** The only registry that it is about; undefined when it is about several. */
  readonly registry: string | undefined;
  readonly pattern: RegExp;
}

function globToRegExp(text: string): RegExp {
  const source = text.replace(/\*{2,}|[*.]/g, (part) => (part === '.' ? '\\.' : part === '*' ? '[^/]*' : '.*'));
  return new RegExp(`^${source}$`);
}
