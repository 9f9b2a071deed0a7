import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { SetupError } from '../setup/target.ts';
import { packageVersion } from '../util/version.ts';
import { addExportCommand } from './archive/export.ts';
import { addImportCommand } from './archive/import.ts';
import { addCaCommands } from './authority/ca.ts';
import { CommandFailure } from './command-failure.ts';
import { addConfigCommands } from './configuration/config.ts';
import { addDoctorCommand } from './doctor/doctor.ts';
import { exitCodes } from './exit-codes.ts';
import { addDuCommand } from './images/du.ts';
import { addLsCommand } from './images/ls.ts';
import { addPinCommands } from './images/pin.ts';
import { addPruneCommand } from './images/prune.ts';
import { addRmCommand } from './images/rm.ts';
import { addBenchCommand } from './measure/bench.ts';
import { addComparePathsCommand } from './measure/compare-paths.ts';
import { addServeCommand } from './server/serve.ts';
import { addStatusCommand } from './server/status.ts';
import { addSetupCommands } from './setup/setup.ts';
import type { Terminal } from './terminal/terminal.ts';
import { addGcCommand } from './upkeep/gc.ts';
import { addVerifyCommand } from './upkeep/verify.ts';
import { addWarmCommand } from './warm/warm.ts';

/** Runs the command that the arguments name, and resolves with the exit code. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await makeProgram(terminal).parseAsync(args, { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    // Commander has said what it had to say; asking for help or the version ends so, too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    // It may quote a server, an archive or a file: nothing that a terminal would obey.
    terminal.writeError(`${describeFailure(error).replace(/[^\P{Cc}\n\t]/gu, ' ')}\n`);
    return exitCodes.failed;
  }
}

/** The whole command line. */
export function makeProgram(terminal: Terminal): Command {
  const program = new Command('entrepot')
    .description('A pull-through cache for every container registry.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 the command line is wrong.')
    .configureOutput({
      writeOut: (text) => terminal.writeOut(text),
      writeErr: (text) => terminal.writeError(text),
    })
    .exitOverride();
  addServeCommand(program, terminal);
  addStatusCommand(program, terminal);
  addConfigCommands(program, terminal);
  addCaCommands(program, terminal);
  addSetupCommands(program, terminal);
  addDoctorCommand(program, terminal);
  addVerifyCommand(program, terminal);
  addLsCommand(program, terminal);
  addDuCommand(program, terminal);
  addPinCommands(program, terminal);
  addWarmCommand(program, terminal);
  addExportCommand(program, terminal);
  addImportCommand(program, terminal);
  addRmCommand(program, terminal);
  addPruneCommand(program, terminal);
  addGcCommand(program, terminal);
  addBenchCommand(program, terminal);
  addComparePathsCommand(program, terminal);
  return program;
}

/** What went wrong, for people: with a stack only where the fault may be ours. */
export function describeFailure(error: unknown): string {
  if (error instanceof ConfigError || error instanceof CommandFailure || error instanceof SetupError)
    return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describeFailure).join('\n');
  if (!(error instanceof Error)) return `Cannot go on: ${String(error)}`;
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'EADDRINUSE') return `Cannot start: ${error.message}`;
  // What the system or one of us refuses has a code; Node.js's own errors are our mistakes, and so are those without.
  return `Cannot go on: ${code !== '' && !code.startsWith('ERR_') ? error.message : error.stack}`;
}
