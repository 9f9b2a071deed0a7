import type { Registry } from '../oci/registry.ts';

/**
 * A cache as warming needs it: in this process, or behind its door. Its outcomes tell what was here. Of a blob, bytes
 * somewhere in it are asked for: they come when the download has got there, and the last when all of it is verified.
 */
export type WarmRegistry = Pick<Registry, 'getManifest' | 'statBlob' | 'getBlob'>;
