import type { ManifestEntry } from '../../index/metadata-index.ts';
import { type ImageNaming, splitImageName } from './image-names.ts';

/** What a pattern is matched against. */
export type MatchedImage = Pick<ManifestEntry, 'registry' | 'repository' | 'digest' | 'tags'>;

/** Tells which images are meant. */
export interface ImagePattern {
  matches(image: MatchedImage): boolean;
  /** The tags of an image that are meant: all that it has when the pattern names none. */
  tagsOf(image: MatchedImage): readonly string[];
}

/**
 * Reads a pattern of image names: a name as people write it (`nginx`, `ghcr.io/owner/app:v1`), in which `*` stands for
 * anything, also over slashes. Without a tag or digest it means all of them; one that begins with `*` means every
 * registry, and the name of a registry alone means all that is of it.
 */
export function parseImagePattern(text: string, naming: ImageNaming): ImagePattern {
  const alone = naming.registries.find(({ name, alias, names }) => [name, alias, ...names].includes(text));
  const whole = alone === undefined ? text : `${alone.name}/*`;
  const { registry = '*', repository, tag, digest } = splitImageName(whole, naming);
  const name = whole.startsWith('*') ? glob(nameOfPattern(whole)) : glob(`${registry}/${repository}`);
  const [ofTag, ofDigest] = [tag, digest].map((part) => (part === undefined ? undefined : glob(part)));
  const tagsOf = ({ tags }: MatchedImage) => tags.filter((one) => ofTag === undefined || ofTag(one));
  return {
    matches: (image) =>
      name(`${image.registry}/${image.repository}`) &&
      (ofDigest === undefined || ofDigest(image.digest)) &&
      (ofTag === undefined || tagsOf(image).length > 0),
    tagsOf,
  };
}

/** Whether any of the patterns means an image; with none, every image is meant. */
export function matchesAny(patterns: readonly ImagePattern[], image: MatchedImage): boolean {
  return patterns.length === 0 || patterns.some((pattern) => pattern.matches(image));
}

/** A pattern without its tag and digest. */
function nameOfPattern(text: string): string {
  return text.replace(/@.*$/, '').replace(/:[^/]*$/, '');
}

/** Tells what a pattern means. No regular expression does it: with many stars, one would try for ever. */
function glob(pattern: string): (text: string) => boolean {
  const parts = pattern.split(/\*+/);
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  if (parts.length === 1) return (text) => text === pattern;
  return (text) => {
    let at = first.length;
    for (const part of parts.slice(1, -1)) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.startsWith(first) && text.endsWith(last) && at + last.length <= text.length;
  };
}
