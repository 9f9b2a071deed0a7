import { hostOf, isLoopbackHost } from './address/address.ts';
import { SetupError, type SetupPlan, type SetupTarget, type SetupView } from './target.ts';
import { buildkit } from './targets/buildkit.ts';
import { cloudInit } from './targets/cloud-init.ts';
import { k3d } from './targets/clusters/k3d.ts';
import { k3s } from './targets/clusters/k3s.ts';
import { kind } from './targets/clusters/kind.ts';
import { kops } from './targets/clusters/kops.ts';
import { containerd } from './targets/containerd.ts';
import { docker } from './targets/docker.ts';
import { buildah, criO, podman } from './targets/podman.ts';
import { proxy } from './targets/proxy.ts';

/** Every kind of client that can be set up, in the order in which they are listed. */
export const setupTargets: readonly SetupTarget[] = [
  docker,
  containerd,
  podman,
  buildah,
  criO,
  buildkit,
  k3s,
  k3d,
  kind,
  kops,
  proxy,
  cloudInit,
];

/**
 * The target of a name.
 * @throws SetupError UNKNOWN_TARGET, which says which there are
 */
export function setupTarget(name: string): SetupTarget {
  const target = setupTargets.find((each) => each.name === name);
  if (target !== undefined) return target;
  const names = setupTargets.map((each) => each.name).join(', ');
  throw new SetupError('UNKNOWN_TARGET', `Cannot set up "${name.slice(0, 200)}": there are ${names}`);
}

/**
 * What a client needs, with what is to be known of every client.
 * @throws SetupError as `SetupTarget.plan`
 */
export function setupPlan(target: SetupTarget, view: SetupView): SetupPlan {
  const plan = target.plan(view);
  return { ...plan, notes: [...plan.notes, ...commonNotes(view)] };
}

function commonNotes({ address, asksLogin, asksCertificate }: SetupView): string[] {
  const local = `${address} is for this machine alone: --address gives the one that others reach the cache by.`;
  const login = 'The cache asks for a login, which this client has to be given as its own documentation says.';
  const certificate =
    'The cache asks for a certificate of the client, which has to be given as its own documentation says.';
  return [
    ...(isLoopbackHost(hostOf(address)) ? [local] : []),
    ...(asksLogin ? [login] : []),
    ...(asksCertificate ? [certificate] : []),
  ];
}

/** What there is, a line for each. */
export function listTargets(): string {
  const width = Math.max(...setupTargets.map(({ name }) => name.length));
  return setupTargets.map(({ name, description }) => `${name.padEnd(width)}  ${description}\n`).join('');
}
