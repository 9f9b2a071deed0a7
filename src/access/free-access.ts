import { RegistryError } from '../oci/errors.ts';
import { type Access, type DoorName, nobody } from './access.ts';

/** Who may do what where nobody has a password: everybody may pull, and push and delete by some doors. */
export function freeAccess(pushDoors: ReadonlySet<DoorName>): Access {
  const somebody = Promise.resolve(nobody);
  return {
    everybody: nobody,
    identify: () => somebody,
    isStill: async () => true,
    may: (_identity, door, verb) => verb === 'pull' || pushDoors.has(door),
    isOpen: () => true,
    refuse(_identity, verb, target) {
      const what = target === undefined ? 'here' : `"${target.registry}/${target.repository}"`;
      return new RegistryError(
        'DENIED',
        `Cannot ${verb} ${what}: whoever runs this server has to allow it, by auth or hosted.allowAnonymousPush`,
      );
    },
  };
}
