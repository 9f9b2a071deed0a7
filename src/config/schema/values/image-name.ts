import { isDigest } from '../../../oci/digest.ts';
import { parseRepository, parseTag } from '../../../oci/reference.ts';

/** The name of an image as people write it, taken apart. */
export interface WrittenImage {
  readonly text: string;
  /** What stands in front like a host; undefined when nothing does, and the default registry is meant. */
  readonly host: string | undefined;
}

/**
 * Reads the name of an image: `nginx:1.27`, `ghcr.io/owner/app@sha256:…`. Which registry it means, others decide.
 * @throws Error that says what was expected
 */
export function parseWrittenImage(text: string): WrittenImage {
  const [name = '', digest, ...more] = text.split('@');
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  const path = colon < 0 ? name : name.slice(0, colon);
  const [first = '', ...rest] = path.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  try {
    parseRepository(isHost ? rest.join('/') : path);
    if (colon >= 0) parseTag(name.slice(colon + 1));
    if (more.length === 0 && (digest === undefined || isDigest(digest))) {
      return { text, host: isHost ? first.toLowerCase() : undefined };
    }
  } catch {
    // Told below, like all that is no name.
  }
  throw new Error('expected the name of an image, such as nginx:1.27 or ghcr.io/owner/app@sha256:…');
}
