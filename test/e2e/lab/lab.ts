import { readFileSync } from 'node:fs';
import type { TestImage } from './images.ts';
import type { Certificates } from './machine/certs.ts';

/** What was made once, before the tests: each test file finds it here. */
export interface Lab {
  /** The folder that goes when the tests have ended. */
  readonly scratch: string;
  /** What the made-up registries hold. */
  readonly storage: string;
  readonly certificates: Certificates;
  readonly images: LabImages;
}

/** The images of the made-up registries. */
export interface LabImages {
  /** docker.io, one OCI manifest with many layers. */
  readonly layered: TestImage;
  /** docker.io, an OCI index of two architectures. */
  readonly index: TestImage;
  /** ghcr.io, Docker's own media types, a list of two architectures. */
  readonly list: TestImage;
  /** ghcr.io, with the repository and tag of `index`, and nothing else of it. */
  readonly namesake: TestImage;
  /** docker.io, for a user with credentials only. */
  readonly restricted: TestImage;
  /** quay.io, a registry that Entrepot is told not to know. */
  readonly unknown: TestImage;
}

/** Where the path of the lab's description is handed to the tests; not a name of Entrepot's, which refuses unknown ones. */
export const labVariable = 'E2E_LAB';

/**
 * The lab that this process runs in.
 * @throws Error outside it
 */
export function currentLab(): Lab {
  const file = process.env[labVariable];
  if (!file)
    throw new Error('Cannot run this test by itself: start "node test/e2e/main.ts", with its name if you like');
  return JSON.parse(readFileSync(file, 'utf8'));
}
