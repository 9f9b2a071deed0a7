import type { TestContext } from 'node:test';
import type { HostedIndex } from '../../src/index/hosted-index.ts';
import type { MetadataIndex } from '../../src/index/metadata-index.ts';
import type { Digest } from '../../src/oci/digest.ts';

/** An empty index, and what a test must see of it that the interface does not show. */
export interface IndexUnderTest {
  readonly index: MetadataIndex;
  /** When the content was used last; undefined when it is not stored. */
  readLastUse(digest: Digest): Promise<number | undefined>;
}

/** Makes an empty index, which is closed and removed when the test ends. */
export type MakeMetadataIndex = (t: TestContext) => Promise<IndexUnderTest>;

/** Makes an empty index with hosted repositories, which is closed and removed when the test ends. */
export type MakeHostedIndex = (t: TestContext) => Promise<MetadataIndex & HostedIndex>;
