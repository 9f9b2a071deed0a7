import { z } from 'zod';

/** What is told about a key beside its type and default: the source of the documentation. */
export interface KeyAbout {
  readonly type: KeyType;
  /** What it is for, in whole sentences of Markdown. */
  readonly description: string;
  /** Whether its value must never be printed. */
  readonly secret?: true;
}

/** The types that a key may have, by the names that the documentation gives them. */
export type KeyType =
  | 'group'
  | 'text'
  | 'path'
  | 'choice'
  | 'boolean'
  | 'size'
  | 'count'
  | 'percentage'
  | 'count or percentage'
  | 'duration'
  | 'address'
  | 'host'
  | 'url'
  | 'list of hosts'
  | 'list of networks'
  | 'list of ports'
  | 'list of URLs'
  | 'list of patterns'
  | 'list of rules'
  | 'list of images'
  | 'list of platforms'
  | 'list of image lists'
  | 'command';

/** What is known about every key of the schema. */
export const about = z.registry<KeyAbout>();

/** A text that is not empty. */
export const text = z
  .string({ error: 'expected text; put it in quotes where it looks like something else' })
  .min(1, { error: 'expected text that is not empty' });

/** Where a file or folder is. A shell knows what a tilde means, and nothing else does: a folder of that name would be made. */
export const path = text.refine((given) => !/^~(?:\/|$)/.test(given), {
  error: 'expected a path without "~", which only shells know: write the folder in its place',
});

/** Yes or no. */
export const boolean = z.boolean({ error: 'expected true or false' });

/** One of some words. */
export function choice<const T extends readonly string[]>(words: T) {
  return z.enum(words, { error: `expected one of ${words.join(', ')}` });
}

/** A list whose entries are read by a schema. */
export function listOf<S extends z.ZodType>(entry: S) {
  return z.array(entry, { error: 'expected a list, such as [a, b]' });
}

/** A text, or a number as YAML reads one, that a function turns into something better or throws what it expected. */
export function parsedBy<T>(parse: (text: string) => T) {
  return z.union([z.string(), z.number()], { error: 'expected a text or a number' }).transform((value, context) => {
    try {
      return parse(String(value));
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });
}
