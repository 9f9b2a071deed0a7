import type { ChildDescriptor } from './image-contents.ts';

/** Which platforms are wanted: some, or whatever there is. */
export type PlatformChoice = 'all' | readonly string[];

const platformPattern = /^[a-z0-9_]{1,32}\/[a-z0-9_]{1,32}(?:\/[a-z0-9_.]{1,32})?$/;

/**
 * Reads a platform as people write it: `linux/amd64`, `linux/arm/v7`.
 * @throws Error that says what was expected
 */
export function parsePlatform(text: string): string {
  const name = text.trim().toLowerCase();
  if (platformPattern.test(name)) return name;
  throw new Error('expected a platform, such as linux/amd64 or linux/arm/v7');
}

/**
 * Reads platforms with commas between, or `all`.
 * @throws Error that says what was expected
 */
export function parsePlatforms(text: string): PlatformChoice {
  if (text.trim().toLowerCase() === 'all') return 'all';
  return text.split(',').map(parsePlatform);
}

/** Whether a platform is wanted: one that names no variant means all variants, and `linux/arm64` is `linux/arm64/v8`. */
export function isPlatformChosen(choice: PlatformChoice, platform: string): boolean {
  if (choice === 'all') return true;
  return choice.some((wanted) => {
    const [os, architecture, variant] = wanted.split('/');
    const [itsOs, itsArchitecture, itsVariant] = platform.toLowerCase().split('/');
    if (os !== itsOs || architecture !== itsArchitecture) return false;
    return variant === undefined || variant === (itsVariant ?? (itsArchitecture === 'arm64' ? 'v8' : undefined));
  });
}

/**
 * Whether a manifest of an index is wanted. What says no platform is for all of them; what attests something of another
 * is wanted with everything only.
 */
export function isChildChosen(choice: PlatformChoice, { platform, isAttestation }: ChildDescriptor): boolean {
  if (choice === 'all') return true;
  if (isAttestation) return false;
  return platform === undefined || isPlatformChosen(choice, platform);
}

// What Go, and so every image, calls the architectures that Node.js runs on.
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

/** The platform of the containers that this machine runs. */
export function ownPlatform(architecture: string = process.arch): string {
  return `linux/${architectures[architecture] ?? architecture}`;
}
