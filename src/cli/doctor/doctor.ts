import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { RegistryError } from '../../oci/errors.ts';
import { type AskedImage, parseAskedImage } from '../../setup/doctor/asked-image.ts';
import type { ClientSetup, Finding, MachineFiles } from '../../setup/doctor/clients/client-setup.ts';
import { readContainerdSetup } from '../../setup/doctor/clients/containerd-setup.ts';
import { readDockerSetup } from '../../setup/doctor/clients/docker-setup.ts';
import { readPodmanSetup } from '../../setup/doctor/clients/podman-setup.ts';
import { diagnose } from '../../setup/doctor/diagnose.ts';
import { systemClock } from '../../util/time/clock.ts';
import { CommandFailure } from '../command-failure.ts';
import { readAddressFlag } from '../setup/address-flag.ts';
import { assertRoot } from '../setup/root-flag.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { ask } from './ask.ts';
import { pullByTool } from './client-tools.ts';
import { findingsText } from './findings-text.ts';

interface DoctorFlags {
  readonly address?: string;
  readonly pull: boolean;
  readonly root?: string;
  readonly json?: true;
}

// A machine that pulls has no configuration of the cache: this is where one listens that is told nothing else.
const usualDoor = { scheme: 'http', port: 5000 } as const;

/** Adds `entrepot doctor`. */
export function addDoctorCommand(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .argument('[IMAGE]', 'an image that is pulled here, such as nginx:1.27 or ghcr.io/owner/app')
    .description(
      'On a machine that pulls: tell how docker, podman and containerd are set up, whether the cache answers and is ' +
        'trusted, and whether pulls go through it or past it. Ends with 1 when something is wrong.',
    )
    .option(
      '--address <URL>',
      `a cache to ask, beside those that the clients are set up with; a host alone has port ${usualDoor.port}`,
    )
    .option('--no-pull', 'do not make the clients pull: for this they are asked for a tag that no image has')
    .option(
      '--root <FOLDER>',
      'look at the files below this folder, as those of an image; no client is run, and no registry asked',
    )
    .option('--json', 'print JSON')
    .action((image: string | undefined, flags: DoctorFlags) => examine(image, flags, terminal));
}

async function examine(name: string | undefined, flags: DoctorFlags, terminal: Terminal): Promise<void> {
  assertRoot(flags.root);
  const files = machineFiles(flags.root ?? '/');
  const address = flags.address === undefined ? undefined : readAddressFlag(flags.address, usualDoor, terminal);
  const isElsewhere = flags.root !== undefined;
  const question = { setups: readSetups(files, terminal), image: imageOf(name), address, isElsewhere };
  const findings = await diagnose(question, {
    ask: (each) => ask(each, files.read),
    nowMs: () => systemClock.now(),
    ...(flags.pull && !isElsewhere ? { pull: pullByTool } : {}),
  });
  terminal.writeOut(flags.json ? `${JSON.stringify({ findings }, null, 2)}\n` : findingsText(findings));
  const failed = findings.filter(({ level }: Finding) => level === 'fail').length;
  if (failed > 0) throw new CommandFailure(`${failed === 1 ? 'One thing is' : `${failed} things are`} wrong here`);
}

function readSetups(files: MachineFiles, { env }: Terminal): ClientSetup[] {
  return [readDockerSetup(files), readPodmanSetup(files, env), readContainerdSetup(files)];
}

function imageOf(name: string | undefined): AskedImage | undefined {
  try {
    return name === undefined ? undefined : parseAskedImage(name);
  } catch (error) {
    if (error instanceof RegistryError) throw new CommandFailure(error.message);
    throw error;
  }
}

function machineFiles(root: string): MachineFiles {
  const quietly = <T>(work: () => T, otherwise: T): T => {
    try {
      return work();
    } catch {
      return otherwise; // it is not there, or not for us to read
    }
  };
  return {
    read: (path) => quietly<string | undefined>(() => readFileSync(join(root, path), 'utf8'), undefined),
    list: (folder) => quietly<string[]>(() => readdirSync(join(root, folder)).sort(), []),
  };
}
