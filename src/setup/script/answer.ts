import { SetupError, type SetupPlan, type SetupView } from '../target.ts';
import { listTargets, setupPlan, setupTarget } from '../targets.ts';
import { planScript } from './plan-script.ts';
import { planText } from './plan-text.ts';

/** What is shown of a setup: a text to read, a script to run, or a file to save. */
export interface SetupAnswer {
  readonly kind: 'text' | 'script' | 'file';
  readonly text: string;
}

/**
 * What is at a path below `/setup/`: the list, `<target>`, `<target>.sh`, or one file of a target.
 * @throws SetupError
 */
export function setupAnswer(path: string, view: () => SetupView, file: string | undefined): SetupAnswer {
  if (path === '') return { kind: 'text', text: listPage(view().address) };
  const isScript = path.endsWith('.sh');
  const target = setupTarget(isScript ? path.slice(0, -'.sh'.length) : path);
  const plan = setupPlan(target, view());
  if (isScript) return { kind: 'script', text: planScript(target, plan) };
  if (file !== undefined) return { kind: 'file', text: fileOf(target.name, plan, file).render(undefined) };
  return { kind: 'text', text: planText(target, plan, () => undefined) };
}

/**
 * The file of a plan that has this path, or ends like it.
 * @throws SetupError UNKNOWN_FILE, which says which there are
 */
export function fileOf(name: string, { files }: SetupPlan, path: string): SetupPlan['files'][number] {
  const found =
    files.find((file) => file.path === path) ?? files.find((file) => file.path.endsWith(`/${path.replace(/^\//, '')}`));
  if (found !== undefined) return found;
  const paths = files.map((file) => file.path).join(', ');
  throw new SetupError('UNKNOWN_FILE', `Cannot find the file "${path.slice(0, 200)}" of ${name}: there are ${paths}`);
}

function listPage(address: string): string {
  return `${listTargets()}
What to put where, as text:     curl -fsSL ${address}/setup/containerd
The same, done by a script:     curl -fsSL ${address}/setup/containerd.sh | sudo sh
One of the files:               curl -fsSL '${address}/setup/containerd?file=docker.io/hosts.toml'
Some registries only:           ?only=docker.io,ghcr.io
Another shape, another domain:  ?shape=vhost&domain=cache.example.com
`;
}
