import type { SetupFile, SetupPlan, SetupTarget } from '../target.ts';

/** What is in a file now; undefined when it is not there. */
export type ReadBefore = (path: string) => string | undefined;

/** A plan as a person reads it: every file with its path and what it does, then what is to be run, then what is to be known. */
export function planText({ name, description }: SetupTarget, plan: SetupPlan, before: ReadBefore): string {
  const { files, steps, notes } = plan;
  const parts = [
    `${name}: ${description}`,
    ...files.map((file) => `${headOf(file)}\n${renderFile(file, before)}`),
    ...(steps.length > 0
      ? [`Then run:\n\n${steps.map((step) => `  ${step.replaceAll('\n', '\n  ')}\n`).join('')}`]
      : []),
    ...(notes.length > 0 ? [`Good to know:\n\n${notes.map((note) => `- ${note}\n`).join('')}`] : []),
  ];
  return parts.map((part) => (part.endsWith('\n') ? part : `${part}\n`)).join('\n');
}

/** The same as data. */
export function planObject({ name }: SetupTarget, { files, steps, notes }: SetupPlan, before: ReadBefore): object {
  const shown = files.map((file) => ({
    path: file.path,
    about: file.about,
    mode: modeOf(file),
    text: renderFile(file, before),
  }));
  return { target: name, files: shown, steps, notes };
}

/** The permissions of a file, in digits. */
export function modeOf({ mode = 0o644 }: Pick<SetupFile, 'mode'>): string {
  return mode.toString(8).padStart(4, '0');
}

function renderFile(file: SetupFile, before: ReadBefore): string {
  return file.render(before(file.path));
}

function headOf({ path, about }: SetupFile): string {
  return `==> ${path} <==\n(${about})\n`;
}
