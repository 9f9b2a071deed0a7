import { readFileSync } from 'node:fs';

/** The version of this package. */
export function packageVersion(): string {
  // As far above src/cli as above dist/cli.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  throw new Error('Cannot tell the version: package.json has none');
}
