import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  type Scalar,
  type ScalarTag,
  type Tags,
  visit,
  type YAMLSeq,
} from 'yaml';
import { madeHere, setupMark } from '../mark.ts';
import { SetupError } from '../target.ts';

/** A YAML file that is changed in some places, and stays as it is in all others, with its comments. */
export class YamlFile {
  readonly #document: Document;
  readonly #path: string;
  /** What is used in more places than one, by its anchor. */
  readonly #aliases = new Set<string>();

  /**
   * @param before what is in the file; undefined when there is none
   * @throws SetupError UNREADABLE_FILE
   */
  constructor(path: string, before: string | undefined) {
    this.#path = path;
    const text = before === undefined || before.trim() === '' ? `${madeHere}\n{}\n` : before;
    this.#document = parseDocument(text, { customTags: withWrittenNumbers });
    const [error] = this.#document.errors;
    if (error) this.#refuse(error.message.split('\n')[0] ?? '');
    visit(this.#document, { Alias: (_, { source }) => void this.#aliases.add(source) });
    const { contents } = this.#document;
    if (isEmpty(contents)) this.#document.contents = this.#document.createNode({}) as never;
    else if (!isMap(contents)) this.#refuse('it is no mapping');
    if (isMap(this.#document.contents)) this.#document.contents.flow = false;
  }

  /** What stands at a place. */
  get(path: readonly (string | number)[]): unknown {
    const node = this.#document.getIn(path);
    return isMap(node) || isSeq(node) ? node.toJSON() : node;
  }

  /** Puts a value at a place; mappings on the way there are made. */
  set(path: readonly (string | number)[], value: unknown): void {
    this.#checkOwn(path.slice(0, -1));
    for (let length = 1; length < path.length; length++) {
      const above = path.slice(0, length);
      const node = this.#document.getIn(above, true);
      if (isEmpty(node)) this.#document.setIn(above, this.#document.createNode({}));
      else if (!isMap(node) && !isSeq(node)) this.#refuse(`${above.join('.')} is neither a mapping nor a list`);
    }
    this.#document.setIn(path, this.#document.createNode(value));
  }

  /** Puts a value first into a list, in the place of the one that was put there before. */
  putFirst(path: readonly (string | number)[], value: string): void {
    const list = this.#list(path);
    const isReplaced = (item: unknown) => isScalar(item) && (isOurs(item) || item.value === value);
    for (const item of list.items.filter(isReplaced)) this.#checkNotAliased(item);
    list.items = list.items.filter((item) => !isReplaced(item));
    const ours = this.#document.createNode(value) as Scalar;
    ours.comment = ` ${setupMark}`;
    list.items.unshift(ours);
  }

  /** Puts a value at the end of a list. */
  append(path: readonly (string | number)[], value: unknown): void {
    this.#list(path).items.push(this.#document.createNode(value));
  }

  /** The text of the file. */
  toString(): string {
    return this.#document.toString({ lineWidth: 0 });
  }

  #list(path: readonly (string | number)[]): YAMLSeq {
    this.#checkOwn(path);
    if (isEmpty(this.#document.getIn(path, true))) this.set(path, []);
    const list = this.#document.getIn(path, true);
    if (!isSeq(list)) this.#refuse(`${path.join('.')} is no list`);
    return list;
  }

  // What stands at an anchor stands wherever an alias has it, too: another registry would be pulled from what is put there.
  #checkOwn(path: readonly (string | number)[]): void {
    for (let length = 0; length <= path.length; length++) {
      this.#checkNotAliased(this.#document.getIn(path.slice(0, length), true));
    }
  }

  #checkNotAliased(node: unknown): void {
    const anchor = isNode(node) && !isAlias(node) ? node.anchor : undefined;
    if (anchor === undefined || !this.#aliases.has(anchor)) return;
    this.#refuse(`what is at &${anchor} is used elsewhere by *${anchor}, write it out in both places`);
  }

  #refuse(why: string): never {
    throw new SetupError(
      'UNREADABLE_FILE',
      `Cannot put anything into ${this.#path}: ${why}; correct it, or move it away`,
    );
  }
}

/** A number as somebody has written it: an octal one, or more digits than a double holds, would come back as another. */
class WrittenNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** The tags, but that no number in a text is read as one; those that are put there are still written as such. */
function withWrittenNumbers(tags: Tags): Tags {
  const patterns: string[] = [];
  const others = tags.map((tag) => {
    if (typeof tag !== 'object' || !/:(?:int|float)$/.test(tag.tag) || !('test' in tag) || !tag.test) return tag;
    patterns.push(tag.test.source);
    const { test: _, ...rest } = tag;
    return rest as ScalarTag;
  });
  const written: ScalarTag = {
    tag: 'tag:yaml.org,2002:float',
    default: true,
    test: new RegExp(patterns.join('|')),
    identify: (value) => value instanceof WrittenNumber,
    resolve: (text) => new WrittenNumber(text),
    stringify: ({ value }) => (value as WrittenNumber).text,
  };
  return [...others, written];
}

function isEmpty(node: unknown): boolean {
  return node === undefined || node === null || (isScalar(node) && node.value === null);
}

function isOurs({ comment }: Scalar): boolean {
  return comment?.trim() === setupMark;
}
