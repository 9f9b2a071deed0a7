import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A network namespace at the other end of a link of limited speed. */
export interface Link {
  /** The other end's address. */
  readonly address: string;
  /** What to put before a command to have it run at the other end. */
  readonly prefix: string[];
  remove(): Promise<void>;
}

// A /30 of the block that is set aside for benchmarks (RFC 2544), between two ends that exist here only.
const near = '198.18.99.1';
const far = '198.18.99.2';

/**
 * Makes a link of 1 Gbit/s to a network namespace: a pair of virtual interfaces with a token bucket on both.
 * @throws Error where this may not be done: it needs root, ip and tc
 */
export async function makeGigabitLink(): Promise<Link> {
  const name = `ebench${process.pid}`;
  const ends = [`eb${process.pid}a`, `eb${process.pid}b`] as const;
  const inside = ['ip', 'netns', 'exec', name];
  const remove = async () => {
    await run('ip', ['link', 'del', ends[0]]).catch(() => {});
    await run('ip', ['netns', 'del', name]).catch(() => {});
  };
  const steps = [
    ['ip', 'netns', 'add', name],
    ['ip', 'link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1]],
    ['ip', 'link', 'set', ends[1], 'netns', name],
    ['ip', 'addr', 'add', `${near}/30`, 'dev', ends[0]],
    ['ip', 'link', 'set', ends[0], 'up'],
    [...inside, 'ip', 'addr', 'add', `${far}/30`, 'dev', ends[1]],
    [...inside, 'ip', 'link', 'set', 'lo', 'up'],
    [...inside, 'ip', 'link', 'set', ends[1], 'up'],
    ['tc', ...bucket(ends[0])],
    [...inside, 'tc', ...bucket(ends[1])],
  ];
  try {
    for (const [command, ...args] of steps) await run(command!, args);
  } catch (error) {
    await remove();
    throw error;
  }
  return { address: far, prefix: inside, remove };
}

function bucket(device: string): string[] {
  return ['qdisc', 'add', 'dev', device, 'root', 'tbf', 'rate', '1gbit', 'burst', '256kb', 'latency', '50ms'];
}
