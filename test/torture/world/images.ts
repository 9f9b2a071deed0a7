import type { Digest } from '../../../src/oci/digest.ts';
import { makeImage, makeIndex, type TestImage } from '../../support/content/images.ts';
import { seededRandom } from '../random.ts';

/** A repository of the origin: one index of two architectures. */
export interface KnownRepository {
  readonly name: string;
  readonly tag: string;
  readonly index: TestImage;
}

/** All that the origin has, and so all that any client may be given. */
export interface KnownImages {
  readonly repositories: readonly KnownRepository[];
  /** Every manifest and blob, by digest. */
  readonly bytes: ReadonlyMap<Digest, Buffer>;
  readonly totalBytes: number;
}

const familyCount = 4;
const repositoriesPerFamily = 5;
const architectures = ['amd64', 'arm64'];

/** Makes images that share layers, as those of one family do, and whose sizes are on both sides of every bound of the cache. */
export function makeKnownImages(seed: number): KnownImages {
  const random = seededRandom(seed, 'images');
  const size = () => Math.round(10 ** (2 + random.next() * 4.7)); // 100 B to 5 MB, as often small as large
  const repositories: KnownRepository[] = [];
  for (let family = 0; family < familyCount; family++) {
    const base = [size(), 3_000_000 + random.whole(0, 4_000_000)];
    for (let member = 0; member < repositoriesPerFamily; member++) {
      const layers = [...base, ...Array.from({ length: random.whole(2, 4) }, size)];
      const images = architectures.map((architecture) =>
        makeImage({ seed: `${seed}/${family}/${architecture}`, layers, architecture }),
      );
      repositories.push({ name: `family${family}/member${member}`, tag: 'latest', index: makeIndex(images) });
    }
  }
  const bytes = new Map<Digest, Buffer>();
  for (const { index } of repositories) {
    for (const { manifest, blobs } of [index, ...index.children]) {
      for (const content of [manifest, ...blobs]) bytes.set(content.digest, content.bytes);
    }
  }
  return { repositories, bytes, totalBytes: [...bytes.values()].reduce((sum, { length }) => sum + length, 0) };
}
