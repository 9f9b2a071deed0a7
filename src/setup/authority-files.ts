import { hostAndPort } from './address/address.ts';
import type { SetupFile, SetupView } from './target.ts';

// The certificates that a client is to trust, for the doors that speak TLS and are not trusted by its system.

/** In one file, which the client is told of; for a client of the registry door alone, unless more doors are given. */
export function caFiles(
  { ca, address }: SetupView,
  path: string,
  addresses: readonly string[] = [address],
): SetupFile[] {
  if (ca === undefined || !addresses.some(isSecure)) return [];
  return [{ path, about: 'The authority that the certificate of the cache is checked against.', render: () => ca }];
}

/** Where docker and podman look by themselves: every file of that ending in the folder of a host. */
export function caFilesByHost({ ca }: SetupView, folder: string, addresses: readonly string[]): SetupFile[] {
  if (ca === undefined) return [];
  const hosts = new Set(addresses.filter(isSecure).map((address) => hostAndPort(address).replace(/\/.*/, '')));
  return [...hosts].map((host) => ({
    path: `${folder}/${host}/entrepot.crt`,
    about: `The authority that the certificate of ${host} is checked against.`,
    render: () => ca,
  }));
}

function isSecure(address: string): boolean {
  return address.startsWith('https:');
}
