import { hostAndPort, hostOf, isLoopbackHost } from '../address/address.ts';
import { caFilesByHost } from '../authority-files.ts';
import { keepingMark } from '../edit/byte-order-mark.ts';
import { setListMember } from '../edit/json-members.ts';
import { mirrorUrl, shapeFor } from '../shape.ts';
import {
  SetupError,
  type SetupFile,
  type SetupPlan,
  type SetupRegistry,
  type SetupTarget,
  type SetupView,
} from '../target.ts';

const path = '/etc/docker/daemon.json';
const shapes = ['ns', 'vhost'] as const;

/** docker: `registry-mirrors` of daemon.json, which serve Docker Hub alone. */
export const docker: SetupTarget = {
  name: 'docker',
  description: 'registry-mirrors in daemon.json, for Docker Hub',
  shapes,
  plan,
};

function plan(view: SetupView): SetupPlan {
  const mirror = mirrorOf(view);
  const addresses = [...(mirror === undefined ? [] : [mirror]), view.address, ...otherDoors(view)];
  return {
    files: [daemonJson(mirror, insecureHosts(addresses)), ...caFilesByHost(view, '/etc/docker/certs.d', addresses)],
    steps: ['systemctl reload docker  # reads the mirrors anew; containers run on'],
    notes: notesOf(view, mirror),
  };
}

/** What serves as a mirror of Docker Hub: it has no path, so it is the default of the door, or has a host of its own. */
function mirrorOf(view: SetupView): string | undefined {
  const hub = view.registries.find(({ name }) => name === 'docker.io');
  if (hub === undefined) return undefined;
  const isDefault = view.defaultRegistry === 'docker.io';
  if (view.shape === undefined && !isDefault && view.domain === undefined) {
    throw new SetupError(
      'NO_DOOR',
      'Cannot set up docker: its mirrors have no path, and Docker Hub is not the default of this door; ' +
        'set doors.registry.default to docker.io, or give --domain, below which every registry has a host here',
    );
  }
  const best = isDefault ? 'ns' : 'vhost';
  return mirrorUrl(view, hub, shapeFor({ name: 'docker', shapes }, { ...view, shape: view.shape ?? best }));
}

/** The doors that images are pulled from by renaming them, or pushed to. */
function otherDoors(view: SetupView): string[] {
  const hosts = view.domain === undefined ? [] : view.registries.map((registry) => mirrorUrl(view, registry, 'vhost'));
  return [...hosts, ...(view.hostedAddress === undefined ? [] : [view.hostedAddress])];
}

/** docker speaks HTTP without TLS to its own machine, and to those that it is told of. */
function insecureHosts(addresses: readonly string[]): string[] {
  const plain = addresses.filter((address) => address.startsWith('http://') && !isLoopbackHost(hostOf(address)));
  return [...new Set(plain.map(hostAndPort))];
}

function daemonJson(mirror: string | undefined, insecure: readonly string[]): SetupFile {
  return {
    path,
    about: 'Makes docker ask the cache first for images of Docker Hub.',
    // docker, too, reads what comes after a mark of the byte order.
    render: (before = '') => keepingMark(before, (bare) => withHosts(bare, mirror, insecure)),
  };
}

function withHosts(before: string, mirror: string | undefined, insecure: readonly string[]): string {
  let text = before.trim() === '' ? '{}\n' : before;
  const now = parse(text);
  if (mirror !== undefined) {
    text = setList(text, 'registry-mirrors', putFirst(mirror, listOf(now, 'registry-mirrors')), now);
  }
  const known = listOf(now, 'insecure-registries');
  const missing = insecure.filter((host) => !known.includes(host));
  return missing.length === 0 ? text : setList(text, 'insecure-registries', [...known, ...missing], now);
}

function parse(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    throw new SetupError(
      'UNREADABLE_FILE',
      `Cannot change "${path}": it is not JSON, which docker would not read either (${message}), mend it first`,
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new SetupError('UNREADABLE_FILE', `Cannot change "${path}": it holds no object, mend it first`);
}

function listOf(now: Readonly<Record<string, unknown>>, key: string): readonly string[] {
  const value = Object.hasOwn(now, key) ? now[key] : undefined;
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new SetupError('UNREADABLE_FILE', `Cannot change "${path}": its ${key} is no list of texts, mend it first`);
}

function setList(text: string, key: string, list: readonly string[], now: Readonly<Record<string, unknown>>): string {
  return list.join('\n') === listOf(now, key).join('\n') && Object.hasOwn(now, key)
    ? text
    : setListMember(text, key, list);
}

/** The mirror before all others, in the order that they have. */
function putFirst(mirror: string, others: readonly string[]): string[] {
  const bare = (url: string) => url.replace(/\/+$/, '');
  if (others[0] !== undefined && bare(others[0]) === mirror) return [...others];
  return [mirror, ...others.filter((other) => bare(other) !== mirror)];
}

function notesOf(view: SetupView, mirror: string | undefined): string[] {
  const host = hostAndPort(view.address);
  const others = view.registries.filter(({ name }) => name !== 'docker.io');
  const notes = [
    'A registry-mirror of docker serves Docker Hub alone, and in older versions has no path.',
    'When the cache does not answer, docker goes to Docker Hub by itself.',
    'docker does not start when registry-mirrors is a flag of dockerd, too: look at its unit and /etc/default/docker.',
  ];
  if (mirror === undefined) notes.splice(0, 2, 'Docker Hub is not pulled through the cache, so no mirror is set.');
  const [example] = others;
  if (example !== undefined) {
    notes.push(
      `Images of other registries go past it, unless the proxy door is used ` +
        `(\`entrepot setup proxy\`) or they are pulled by a name of the cache: ${namesOf(view, example)}.`,
    );
  }
  if (view.asksLogin) {
    notes.push('To a mirror that asks for a login docker sends that of Docker Hub, if it has one, and no other.');
  }
  if (view.asksCertificate) {
    notes.push(`The certificate of the client is client.cert and client.key in /etc/docker/certs.d/${host}.`);
  }
  return notes;
}

function namesOf(view: SetupView, registry: SetupRegistry): string {
  const own = view.domain === undefined ? '' : ` or ${hostAndPort(mirrorUrl(view, registry, 'vhost'))}/owner/app`;
  return `${hostAndPort(mirrorUrl(view, registry, 'alias'))}/owner/app${own}`;
}
