import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { SettingsConfig } from '../../config/config.ts';
import { cleanPem, nameOfCertificate, ownAuthority } from '../../setup/door-authority.ts';
import { fileOf } from '../../setup/script/answer.ts';
import { planScript } from '../../setup/script/plan-script.ts';
import { planObject, planText, type ReadBefore } from '../../setup/script/plan-text.ts';
import { parseShape } from '../../setup/shape.ts';
import { type SetupView, setupShapes } from '../../setup/target.ts';
import { listTargets, setupPlan, setupTarget, setupTargets } from '../../setup/targets.ts';
import { parseOnly, setupView } from '../../setup/view.ts';
import { systemReason } from '../../util/system/system-reason.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags, loadSettingsOf } from '../configuration/config-flags.ts';
import { localUrl } from '../server/ask-status.ts';
import { readFlagFile } from '../server/door-trust.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { doorAddress, readAddressFlag } from './address-flag.ts';
import { type ApplyFlags, applySetup, undoSetup } from './apply.ts';

/** The flags about what a client is told. */
export interface SetupViewFlags extends ConfigFlags {
  readonly address?: string;
  readonly tlsCa?: string;
  readonly only?: string;
  readonly shape?: string;
}

interface SetupFlags extends SetupViewFlags, ApplyFlags {
  readonly file?: string;
  readonly merge?: true;
  readonly script?: true;
}

/** Adds `entrepot setup`. */
export function addSetupCommand(program: Command, terminal: Terminal): void {
  const setup = program
    .command('setup')
    .argument('[target]', `what pulls: ${setupTargets.map(({ name }) => name).join(', ')}`)
    .description('Print what to put where so that a client pulls through this cache; without a target, list them.');
  addViewFlags(setup)
    .option('--file <PATH>', 'print this file and nothing else')
    .option('--merge', 'into the files that are on this machine: print what they would be')
    .addOption(
      new Option(
        '--script',
        'print a shell script that writes the files: for another machine, or the folder it runs in',
      ).conflicts(['file', 'merge', 'json']),
    )
    .addOption(
      new Option('--apply', 'write the files on this machine, and keep what was there').conflicts([
        'file',
        'merge',
        'script',
      ]),
    )
    .addOption(
      new Option('--undo', 'bring back what was there before --apply').conflicts(['apply', 'file', 'merge', 'script']),
    )
    .option('--force', 'with --undo: also where somebody has changed a file since; that is kept beside it')
    .option('--root <FOLDER>', 'with --apply and --undo: a folder that is to be the root of a machine, as of an image')
    .option('--json', 'print JSON');
  addConfigFlags(setup).action((target: string | undefined, flags: SetupFlags) => printSetup(target, flags, terminal));
}

/** Adds `entrepot registries`. */
export function addRegistriesCommand(program: Command, terminal: Terminal): void {
  const registries = program
    .command('registries')
    .description('Print registries.yaml, for k3s, RKE2 and k3d: the same as `setup k3s --file registries.yaml`.');
  addConfigFlags(addViewFlags(registries)).action((flags: SetupViewFlags) =>
    printSetup('k3s', { ...flags, file: 'registries.yaml' }, terminal),
  );
}

/** Adds the flags that say how a client reaches the cache, and what it is to use it for. */
export function addViewFlags(command: Command): Command {
  return command
    .option(
      '--address <URL>',
      'where clients reach the registry door: https://cache.example.com, 10.0.0.5:5000; a host alone has the port of the ' +
        'door in the configuration',
    )
    .option('--tls-ca <FILE>', 'the authority of the door’s certificate, for clients that do not know it')
    .option('--only <NAMES>', 'these registries alone: docker.io,ghcr.io')
    .option('--shape <SHAPE>', `how clients say which registry they mean: ${setupShapes.join(', ')}`);
}

async function printSetup(name: string | undefined, flags: SetupFlags, terminal: Terminal): Promise<void> {
  checkFlags(flags);
  if (name === undefined && (flags.apply || flags.undo)) {
    throw new CommandFailure('Cannot tell what to set up: name a target, `entrepot setup` lists them');
  }
  if (name === undefined) return void terminal.writeOut(flags.json ? toJson(describeTargets()) : listTargets());
  const target = setupTarget(name);
  if (flags.undo) return undoSetup(target, flags, terminal);
  const config = loadSettingsOf(flags, terminal);
  const plan = setupPlan(target, viewOf(config, flags, terminal));
  if (flags.apply) return applySetup(target, plan, flags, terminal);
  if (flags.script) return void terminal.writeOut(planScript(target, plan));
  const before: ReadBefore = flags.merge ? readIfThere : () => undefined;
  if (flags.json) return void terminal.writeOut(toJson(planObject(target, plan, before)));
  const only = plan.files.length === 1 && !terminal.isRead ? plan.files[0] : undefined;
  const file = flags.file === undefined ? only : fileOf(name, plan, flags.file);
  if (file === undefined) return void terminal.writeOut(planText(target, plan, before));
  terminal.writeOut(file.render(before(file.path)));
}

/** Who gives one of these alone expects something to be written, or taken back, which it is not. */
function checkFlags({ root, force, apply, undo }: SetupFlags): void {
  if (root !== undefined && !apply && !undo) {
    throw new CommandFailure('Cannot use --root alone: it goes with --apply, or with --undo');
  }
  if (force && !undo) throw new CommandFailure('Cannot use --force without --undo: nothing else can be forced');
}

/**
 * What a client is told, by the configuration and the flags.
 * @throws SetupError, CommandFailure
 */
function viewOf(config: SettingsConfig, flags: SetupViewFlags, terminal: Terminal): SetupView {
  const { listen, tls } = config.doors.registry;
  const door = doorAddress(config.doors.registry);
  return setupView(config, {
    address: flags.address === undefined ? localAddress(config) : readAddressFlag(flags.address, door, terminal),
    shape: parseShape(flags.shape),
    only: parseOnly(flags.only),
    ca: flags.tlsCa === undefined ? tls && ownAuthority(readFlagFile(tls.cert)) : readAuthority(flags.tlsCa),
  });

  function localAddress({ doors }: SettingsConfig): string {
    if (listen.port === 0) {
      throw new CommandFailure('Cannot tell where the door is: its port is any free one; name it with --address');
    }
    const name = doors.registry.tls && nameOfCertificate(readFlagFile(doors.registry.tls.cert));
    return name === undefined ? localUrl(listen, door.scheme) : `${door.scheme}://${name}:${listen.port}`;
  }
}

function readAuthority(path: string): string {
  const pem = cleanPem(readFlagFile(path));
  if (pem === undefined) throw new CommandFailure(`Cannot use --tls-ca "${path}": it holds no certificate`);
  return pem;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CommandFailure(`Cannot read "${path}": ${systemReason(error) ?? String(error)}`);
  }
}

function describeTargets(): object {
  return setupTargets.map(({ name, description, shapes }) => ({ name, description, shapes }));
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
