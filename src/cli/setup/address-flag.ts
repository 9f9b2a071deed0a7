import type { RegistryDoorConfig } from '../../config/config.ts';
import { type DoorAddress, parseAddress } from '../../setup/address/address.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** The address of a registry door as `--address` gives it; what was taken for what it leaves out is said beside. */
export function readAddressFlag(text: string, door: DoorAddress, terminal: Terminal): string {
  const { url, hasDoorsPort } = parseAddress(text, door);
  if (hasDoorsPort) {
    const given = text.replace(/\/$/, '');
    terminal.writeError(
      `--address ${given} is taken for ${url}, as the registry door listens there; for port 80 give http://${given}\n`,
    );
  }
  return url;
}

/** What a host alone means to those who have the configuration of the door. */
export function doorAddress({ listen, tls }: RegistryDoorConfig): DoorAddress {
  return { scheme: tls ? 'https' : 'http', port: listen.port };
}
