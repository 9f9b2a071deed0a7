import type { Access, DoorName } from '../access/access.ts';
import { freeAccess } from '../access/free-access.ts';
import { openPasswordAccess } from '../access/password-access.ts';
import type { Config, ListenAddress } from '../config/config.ts';
import { isLoopback } from '../config/schema/values/network/listen-address.ts';
import type { Log } from '../util/log/log.ts';
import type { Basics } from './app-options.ts';
import type { Lifetime } from './lifetime.ts';

/** Of what every part gets, what this one needs. */
interface AccessTools extends Pick<Basics, 'clock' | 'log'> {
  readonly metrics: { readonly logins: { inc(labels: { readonly result: string }): void } };
}

/**
 * Opens what says who may do what.
 * @throws Error that names the file of passwords and its wrong lines
 */
export async function openAccess(
  config: Config,
  { clock, log, metrics }: AccessTools,
  lifetime: Lifetime,
): Promise<Access> {
  const { auth, hosted } = config;
  const doors = openDoorsOf(config);
  if (auth === undefined) {
    const pushDoors = doors.filter(({ listen }) => hosted.allowAnonymousPush || isLoopback(listen.host));
    return freeAccess(new Set(pushDoors.map(({ door }) => door)));
  }
  const counted = (result: string) => metrics.logins.inc({ result });
  const access = await openPasswordAccess({ ...auth, clock, log, counted });
  lifetime.push(() => access.close());
  warnOfReaders(doors, log);
  return access;
}

interface OpenDoor {
  readonly door: DoorName;
  readonly listen: ListenAddress;
  readonly isHidden: boolean;
}

function openDoorsOf({ doors: { registry, hosted } }: Config): OpenDoor[] {
  const all: (Omit<OpenDoor, 'listen'> & { readonly listen: ListenAddress | undefined })[] = [
    { door: 'registry', listen: registry.listen, isHidden: registry.tls !== undefined },
    { door: 'hosted', listen: hosted.listen, isHidden: hosted.tls !== undefined },
  ];
  return all.filter((door): door is OpenDoor => door.listen !== undefined);
}

/** Whoever is on the way of a request reads its password, where nothing hides it. */
function warnOfReaders(doors: readonly OpenDoor[], log: Log): void {
  for (const { door, listen, isHidden } of doors) {
    if (!isHidden && !isLoopback(listen.host)) log.warn({ door, ...listen }, 'passwords come over plain HTTP');
  }
}
