import { algorithmOf } from '../../src/oci/digest.ts';
import type { Content as UpstreamContent } from '../support/content/content.ts';
import { startTestCache, type TestCache } from '../support/stages/test-cache.ts';
import { startTestRegistry } from '../support/upstream/test-registry.ts';
import type { PushedBlob } from './blob-apis.ts';
import type { Content } from './contents.ts';
import { countOf, renderSections, type Section } from './report.ts';
import { checkHosted, checkProxied } from './suite.ts';

const preface = `# Conformance

What the [distribution specification](https://github.com/opencontainers/distribution-spec) asks of a registry, asked of
Entrepot: of the hosted registry by its own door, of the same one by its alias on the registry door, and read-only of a
repository that is pulled through. \`node test/conformance/main.ts\` runs it and writes this page; every test run compares
them.

The checks of the tables that follow those of the official suite are what that asks, released (1.1) and on its main branch (with
upload cancel, digest headers, tag parameters and sha512), written anew: for each content its blobs are pushed by one way
after the other, then it is listed, asked for, pulled, found by its subject and deleted. One of the options on its main branch is left
out: \`OCI_DATA_SPARSE\` pushes an image one of whose layers is not there. The specification lets a registry refuse that, and this
one does, as nobody could pull it; an *index* of which some is not there is taken.

To run the official suite of the main branch against a running Entrepot, with everything on:

\`\`\`sh
OCI_REGISTRY=localhost:5001 OCI_TLS=disabled OCI_VERSION=dev conformance
\`\`\`
`;

/** Runs the whole suite on an Entrepot of its own, in the folder, and gives what came of it. */
export async function runSuite(data: string): Promise<Section[]> {
  const origin = await startTestRegistry();
  let cache: TestCache | undefined;
  try {
    cache = await startTestCache({ data, upstreams: [origin.url] });
    const fill = (repository: string, contents: readonly Content[], blob: PushedBlob) =>
      fillOrigin(origin.content, repository, contents, blob);
    return [
      ...(await checkHosted('Hosted, by its door', { url: cache.hostedUrl, prefix: '' })),
      ...(await checkHosted('Hosted, by its alias', { url: cache.url, prefix: 'hosted.entrepot/' })),
      ...(await checkProxied('Pulled through', { url: cache.url, prefix: '' }, fill)),
    ];
  } finally {
    await cache?.stop();
    await origin.close();
  }
}

export function fillOrigin(
  origin: UpstreamContent,
  repository: string,
  contents: readonly Content[],
  { bytes }: PushedBlob,
): void {
  origin.putBlob(repository, bytes);
  for (const { blobs, manifests } of contents) {
    for (const blob of blobs) origin.putBlob(repository, blob.bytes, algorithmOf(blob.digest));
    for (const { bytes: manifest, mediaType, digest, tags } of manifests) {
      origin.putManifest(repository, manifest, mediaType, undefined, algorithmOf(digest));
      for (const tag of tags) origin.tag(repository, tag, digest);
    }
  }
}

/** The page that tells what came of it, with the section of the official suite, which is run by itself. */
export function conformancePage(sections: readonly Section[], official: string): string {
  return `${preface}\n${countOf(sections)} checks.\n\n${official}\n${renderSections(sections)}`;
}
