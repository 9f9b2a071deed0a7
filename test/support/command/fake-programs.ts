import type { ProgramResult, RunProgram } from '../../../src/util/system/run-program.ts';

/** The programs of clients, each with its own image store, which say what the real ones say. */
export interface FakePrograms {
  readonly run: RunProgram;
  /** The names of the images that each has. */
  readonly images: Readonly<Record<ClientProgram, Set<string>>>;
  /** Every call, in words. */
  readonly calls: string[];
}

/** The programs that there are. */
export type ClientProgram = 'docker' | 'podman' | 'ctr';

/** What is on the machine. */
export interface FakeMachine {
  readonly programs: readonly ClientProgram[];
  /** Which images can be pulled. */
  canPull(name: string): boolean;
  /** What docker is told to pull docker.io through, and podman its registries. */
  readonly mirrors?: readonly string[];
  /** How many layers of each image another one has. */
  readonly layersHeld?: number;
  /** Is called while a pull is under way. */
  pulling?(name: string): void;
}

const done = (output = '', errors = ''): ProgramResult => ({ exitCode: 0, output, errors });
const failed = (errors: string, exitCode = 1): ProgramResult => ({ exitCode, output: '', errors });

/** What one program does with its arguments, those of every call taken off. */
type Behaviour = (args: readonly string[], machine: FakeMachine, images: Set<string>) => ProgramResult;

/** Makes the programs of a machine. */
export function fakePrograms(machine: FakeMachine): FakePrograms {
  const images = { docker: new Set<string>(), podman: new Set<string>(), ctr: new Set<string>() };
  const behaviours: Record<string, Behaviour> = { docker, podman, ctr };
  const calls: string[] = [];
  return {
    images,
    calls,
    async run({ program, args }, signal) {
      signal.throwIfAborted();
      calls.push([program, ...args].join(' '));
      const known = machine.programs.find((each) => each === program);
      if (known === undefined) throw new Error('it cannot be started (ENOENT)');
      if (args.includes('pull')) machine.pulling?.(args.at(-1) ?? '');
      signal.throwIfAborted();
      const result = behaviours[known]?.(args, machine, images[known]);
      if (result) return result;
      throw new Error(`The test has no such call: ${program} ${args.join(' ')}`);
    },
  };
}

const docker: Behaviour = ([first, second, ...rest], { mirrors = [], canPull, layersHeld = 0 }, images) => {
  const name = rest.at(-1) ?? '';
  if (first === 'version') return done('20.10.24\n');
  if (first === 'info') return done(`${JSON.stringify(mirrors)}\n`);
  if (second === 'inspect') {
    return images.has(name) ? done('sha256:1234\n') : failed(`Error: No such image: ${name}\n`);
  }
  if (second === 'pull') {
    if (!canPull(name)) return failed(`Error response from daemon: manifest for ${name} not found\n`);
    images.add(name);
    const held = Array.from({ length: layersHeld }, (_, at) => `${at}a2abf6c4d29: Already exists\n`).join('');
    return done(`latest: Pulling from library/nginx\n${held}ffff: Pull complete\nStatus: Downloaded newer image\n`);
  }
  return images.delete(name) ? done(`Untagged: ${name}\n`) : failed(`Error: No such image: ${name}\n`);
};

const podman: Behaviour = ([first, second, ...rest], { mirrors = [], canPull, layersHeld = 0 }, images) => {
  const name = rest.at(-1) ?? '';
  if (first === 'version') return done('4.3.1\n');
  if (first === 'info') {
    const registries = Object.fromEntries(mirrors.map((prefix) => [prefix, { Mirrors: [{ Location: 'x' }] }]));
    return done(JSON.stringify({ search: ['docker.io'], ...registries }));
  }
  if (second === 'exists') return { exitCode: images.has(name) ? 0 : 1, output: '', errors: '' };
  if (second === 'pull') {
    const trying = `Trying to pull ${name}...\n`;
    if (!canPull(name)) {
      return failed(`${trying}Error: initializing source docker://${name}: manifest unknown\n`, 125);
    }
    images.add(name);
    const held = 'Copying blob sha256:ab skipped: already exists\n'.repeat(layersHeld);
    return done('1234\n', `${trying}${held}Copying config sha256:cd\n`);
  }
  return images.delete(name) ? done(`Untagged: ${name}\n`) : failed(`Error: ${name}: image not known\n`);
};

const ctr: Behaviour = (args, { canPull }, images) => {
  const [first, second, ...rest] = args[0] === '--namespace' ? args.slice(2) : args;
  const name = rest.at(-1) ?? '';
  if (first === 'version') return done('Client:\n  Version:  1.6.20\n\nServer:\n  Version:  1.7.24\n  UUID: x\n');
  if (first === 'namespaces') return second === 'list' ? done('default\nentrepot-bench\n') : done(`${name}\n`);
  if (second === 'list') return done([...images].map((image) => `${image}\n`).join(''));
  if (second === 'pull') {
    if (!canPull(name)) return failed(`ctr: failed to resolve reference "${name}": not found\n`);
    images.add(name);
    return done('\x1b[1Aelapsed: 0.1 s\rdone: 80ms\n');
  }
  images.delete(name);
  return done(`${name}\n`);
};
