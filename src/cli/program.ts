import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { SetupError } from '../setup/target.ts';
import { systemReason } from '../util/system/system-reason.ts';
import { packageVersion } from '../util/version.ts';
import { CommandFailure, UsageFailure } from './command-failure.ts';
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal/terminal.ts';

/** Runs the command that the arguments name, and resolves with the exit code. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = await makeProgram(terminal, args[0]);
    await program.parseAsync(args, { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    // Commander has said what it had to say; asking for help or the version ends so, too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    // It may quote a server, an archive or a file: nothing that a terminal would obey.
    terminal.writeError(`${describeFailure(error).replace(/[^\P{Cc}\n\t]/gu, ' ')}\n`);
    return error instanceof UsageFailure ? exitCodes.usage : exitCodes.failed;
  }
}

/** Adds a command, or those that belong together. */
type Add = (program: Command, terminal: Terminal) => void;

/** Every command by its name, in the order of the help. Only that which is named is loaded: a server needs none of the others. */
const commands: Readonly<Record<string, () => Promise<Add>>> = {
  serve: async () => (await import('./server/serve.ts')).addServeCommand,
  status: async () => (await import('./server/status.ts')).addStatusCommand,
  config: async () => (await import('./configuration/config.ts')).addConfigCommands,
  ca: async () => (await import('./authority/ca.ts')).addCaCommands,
  setup: async () => (await import('./setup/setup.ts')).addSetupCommand,
  registries: async () => (await import('./setup/setup.ts')).addRegistriesCommand,
  doctor: async () => (await import('./doctor/doctor.ts')).addDoctorCommand,
  verify: async () => (await import('./upkeep/verify.ts')).addVerifyCommand,
  ls: async () => (await import('./images/ls.ts')).addLsCommand,
  du: async () => (await import('./images/du.ts')).addDuCommand,
  pin: async () => (await import('./images/pin.ts')).addPinCommand,
  unpin: async () => (await import('./images/pin.ts')).addUnpinCommand,
  warm: async () => (await import('./warm/warm.ts')).addWarmCommand,
  export: async () => (await import('./archive/export.ts')).addExportCommand,
  import: async () => (await import('./archive/import.ts')).addImportCommand,
  rm: async () => (await import('./images/rm.ts')).addRmCommand,
  prune: async () => (await import('./images/prune.ts')).addPruneCommand,
  gc: async () => (await import('./upkeep/gc.ts')).addGcCommand,
  bench: async () => (await import('./measure/bench.ts')).addBenchCommand,
  'compare-paths': async () => (await import('./measure/compare-paths.ts')).addComparePathsCommand,
};

/** What adds the command of a name; for every other word, as for help, all of them. */
function loadersFor(name: string | undefined): (() => Promise<Add>)[] {
  const named = name === undefined || !Object.hasOwn(commands, name) ? undefined : commands[name];
  return named ? [named] : Object.values(commands);
}

/** The command line: with the command of a name alone, or whole when no command has it. */
export async function makeProgram(terminal: Terminal, name?: string): Promise<Command> {
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
  for (const add of await Promise.all(loadersFor(name).map((load) => load()))) add(program, terminal);
  return program;
}

/** What went wrong, for people: with a stack only where the fault may be ours. */
export function describeFailure(error: unknown): string {
  if (error instanceof ConfigError || error instanceof CommandFailure || error instanceof SetupError)
    return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describeFailure).join('\n');
  if (!(error instanceof Error)) return `Cannot go on: ${String(error)}`;
  const code = 'code' in error ? String(error.code) : '';
  // What the system or one of us refuses has a code; Node.js's own errors are our mistakes, and so are those without.
  if (code === '' || code.startsWith('ERR_')) return `Cannot go on: ${error.stack}`;
  const { path } = error as NodeJS.ErrnoException;
  if (error.message.startsWith(code) && path !== undefined)
    return `Cannot use "${path}": ${systemReason(error) ?? code}`;
  return error.message.startsWith('Cannot ') ? error.message : `Cannot go on: ${error.message}`;
}
