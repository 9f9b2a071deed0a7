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

/**
 * Parses a pattern of repository names: `*` is anything but a slash, `**` is anything.
 * @throws Error that says what was expected
 */
export function parseRepositoryGlob(text: string): RegExp {
  if (!globPattern.test(text)) {
    throw new Error('expected the lower-case name of a repository, with * and ** for any part, such as library/*');
  }
  const source = text.replace(/\*{2,}|[*.]/g, (part) => (part === '.' ? '\\.' : part === '*' ? '[^/]*' : '.*'));
  return new RegExp(`^${source}$`);
}
