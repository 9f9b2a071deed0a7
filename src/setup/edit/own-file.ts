import { setupMark } from '../mark.ts';
import { SetupError, type SetupFile } from '../target.ts';

/** A file of our own, whose comments begin with `#`: what has its name and was not made so is left alone. */
export function ownFile(file: Omit<SetupFile, 'render'>, text: string): SetupFile {
  const mark = `# ${file.about} Made by ${setupMark}.`;
  return {
    ...file,
    render(before) {
      if (before !== undefined && before.trim() !== '' && !firstLine(before).includes(setupMark)) {
        throw new SetupError(
          'UNREADABLE_FILE',
          `Cannot replace "${file.path}": it was not made by ${setupMark}, move it away first`,
        );
      }
      return `${mark}\n${text}`;
    },
  };
}

function firstLine(text: string): string {
  return text.slice(0, text.indexOf('\n'));
}
