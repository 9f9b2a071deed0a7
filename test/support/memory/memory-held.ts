import type { AddedBlob } from '../../../src/index/hosted-index.ts';
import type { RepositoryKey, RepositoryKind } from '../../../src/index/metadata-index.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import type { Repository } from '../../../src/oci/reference.ts';

/** The part of an index that uploads and blobs need, in memory: for failures, and to see in which order it is told. */
export class MemoryHeld {
  readonly contents = new Map<Digest, number>();
  readonly links: (RepositoryKey & { readonly digest: Digest })[] = [];
  /** Of cached repositories, by registry and name with a slash between; open, unless it says otherwise. */
  readonly kinds = new Map<string, RepositoryKind | undefined>();
  /** What a manifest references. */
  readonly referenced = new Set<Digest>();
  /** What was called, in order. */
  readonly calls: string[] = [];
  readonly faults: { addBlob?: () => Promise<void>; sync?: () => Promise<void>; mountBlob?: () => Promise<void> } = {};

  readonly #storedAtMs = new Map<Digest, number>();
  #nowMs = 0;

  async hold(repository: Repository, digest: Digest): Promise<void> {
    this.calls.push('hold');
    this.link({ registry: hostedRegistryName, repository }, digest);
  }

  async renew(): Promise<void> {}

  async addBlob(repository: Repository, digest: Digest, sizeBytes: number): Promise<AddedBlob | undefined> {
    this.calls.push('addBlob');
    await this.faults.addBlob?.();
    const isNew = !this.contents.has(digest);
    this.contents.set(digest, sizeBytes);
    this.#storedAtMs.set(digest, ++this.#nowMs);
    this.link({ registry: hostedRegistryName, repository }, digest);
    return isNew ? { digest, storedAtMs: this.#nowMs } : undefined;
  }

  async takeBack({ digest, storedAtMs }: AddedBlob): Promise<void> {
    if (this.#storedAtMs.get(digest) === storedAtMs) this.contents.delete(digest);
  }

  async mountBlob(repository: Repository, digest: Digest): Promise<boolean> {
    this.calls.push('mountBlob');
    await this.faults.mountBlob?.();
    if (!this.contents.has(digest)) return false;
    this.link({ registry: hostedRegistryName, repository }, digest);
    return true;
  }

  async removeBlob(repository: Repository, digest: Digest): Promise<'removed' | 'missing' | 'referenced'> {
    if (this.referenced.has(digest)) return 'referenced';
    const at = this.links.findIndex((link) => link.repository === repository && link.digest === digest);
    if (at < 0) return 'missing';
    this.links.splice(at, 1);
    return 'removed';
  }

  async isReferenced(_repository: Repository, digest: Digest): Promise<boolean> {
    return this.referenced.has(digest);
  }

  async sync(): Promise<void> {
    this.calls.push('sync');
    await this.faults.sync?.();
  }

  async listHolders(digest: Digest, count: number): Promise<RepositoryKey[]> {
    if (!this.contents.has(digest)) return [];
    const holders = this.links.filter((link) => link.digest === digest);
    const isHosted = ({ registry }: RepositoryKey) => registry === hostedRegistryName;
    return [...holders.filter(isHosted), ...holders.filter((key) => !isHosted(key))].slice(0, count);
  }

  async getKind({ registry, repository }: RepositoryKey): Promise<RepositoryKind | undefined> {
    const name = `${registry}/${repository}`;
    return this.kinds.has(name) ? this.kinds.get(name) : 'open';
  }

  async hostedTotals() {
    const held = new Set(
      this.links.filter(({ registry }) => registry === hostedRegistryName).map(({ digest }) => digest),
    );
    const sizeBytes = [...held].reduce((sum, digest) => sum + (this.contents.get(digest) ?? 0), 0);
    return { repositories: 0, contents: held.size, sizeBytes };
  }

  async getLink({ registry, repository }: RepositoryKey, digest: Digest) {
    const link = this.links.find(
      (any) => any.registry === registry && any.repository === repository && any.digest === digest,
    );
    return link && { mediaType: undefined, sizeBytes: this.contents.get(digest) };
  }

  async getContent(digest: Digest) {
    const sizeBytes = this.contents.get(digest);
    return sizeBytes === undefined ? undefined : { digest, sizeBytes };
  }

  async removeContent(digest: Digest): Promise<void> {
    this.contents.delete(digest);
  }

  link({ registry, repository }: RepositoryKey, digest: Digest): void {
    const isThere = this.links.some(
      (any) => any.registry === registry && any.repository === repository && any.digest === digest,
    );
    if (!isThere) this.links.push({ registry, repository, digest });
  }
}
