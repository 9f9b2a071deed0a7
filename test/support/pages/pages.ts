import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The root of the project. */
export const projectRoot = join(import.meta.dirname, '../../..');

/** A page of the documentation. */
export interface Page {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
}

/** Every page that people read: those of docs/, those at the root, and those beside what is deployed. */
export const pages: readonly Page[] = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md'], { cwd: projectRoot })
  .sort()
  .map((path) => ({ path, text: readFileSync(join(projectRoot, path), 'utf8') }));

/** A link to another place of the project. */
export interface PageLink {
  /** As it is written. */
  readonly written: string;
  /** The file or folder, from the root of the project. */
  readonly path: string;
  /** The heading, as the link has it. */
  readonly anchor: string | undefined;
}

/** The links of a page that lead neither out of the project nor into code blocks. */
export function linksOf({ path, text }: Page): PageLink[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, written = '']) => written)
    .filter((written) => !/^[a-z]+:/.test(written))
    .map((written) => {
      const [file = '', anchor] = written.split('#');
      return { written, path: file === '' ? path : normalize(join(dirname(path), file)), anchor };
    });
}

/** What the headings of a page are called in links, as GitHub makes it of them. */
export function anchorsOf({ text }: Page): Set<string> {
  const seen = new Map<string, number>();
  const anchors = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
  return new Set(anchors);
}

/** What is written as code within the sentences of a page. */
export function codeSpansOf({ text }: Page): string[] {
  return [...text.replace(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/(`+)([^`][\s\S]*?)\1/g)].map(([, , code = '']) =>
    code.replace(/\s+/g, ' ').trim(),
  );
}

/** The lines of a page that are typed into a shell, in blocks and in sentences; continued lines are one. */
export function commandLinesOf(page: Page): string[] {
  const lines = [...page.text.matchAll(/^ *```(\w*)\n([\s\S]*?)^ *```/gm)].flatMap(([, kind, block = '']) => {
    const each = block.replace(/\\\n\s*/g, ' ').split('\n');
    if (kind === 'sh') return each;
    return kind === 'console' ? each.map((line) => /^\s*\$ (.*)$/.exec(line)?.[1] ?? '') : [];
  });
  return [...lines, ...codeSpansOf(page)].map((line) => line.trim()).filter((line) => line !== '');
}

function prose(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```/gm, '').replace(/(`+)[^`][\s\S]*?\1/g, '');
}
