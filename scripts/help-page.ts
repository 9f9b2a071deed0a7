import type { Command } from 'commander';
import { makeProgram } from '../src/cli/program.ts';
import type { Terminal } from '../src/cli/terminal/terminal.ts';

const helpWidth = 100; // as this page's other lines

const nowhere: Terminal = { env: {}, writeOut() {}, writeError() {} };

/** The page of docs/ that has what `--help` prints, of every command. */
export async function helpPage(): Promise<string> {
  const program = await makeProgram(nowhere);
  const commands = program.commands.flatMap((command) => [command, ...command.commands]);
  return `# Help

<!-- Written by \`npm run docs\` from the commands themselves. -->

What \`--help\` prints. [Commands](commands.md) says more of each, with examples.

${[program, ...commands].map(section).join('\n')}`;
}

function section(command: Command): string {
  command.configureHelp({ helpWidth });
  return `## \`${nameOf(command)}\`\n\n\`\`\`text\n${command.helpInformation().trimEnd()}\n\`\`\`\n`;
}

function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}
