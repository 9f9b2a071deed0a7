import { newBlob, type Place, type PushedBlob } from './blob-apis.ts';
import { blobChecks, expectRanges } from './blob-checks.ts';
import { type Check, runChecks } from './check.ts';
import { contentChecks, readingChecks } from './content-checks.ts';
import { type Content, makeContents } from './contents.ts';
import { missingChecks, readOnlyChecks, refusalChecks } from './error-checks.ts';
import type { Section } from './report.ts';
import type { Target } from './wire.ts';

const repository = 'conformance/repo1';

/** Everything that is checked of a registry that is pushed to. */
export async function checkHosted(title: string, target: Target): Promise<Section[]> {
  const place: Place = { target, repository, other: 'conformance/repo2' };
  return [
    await section(title, 'what is not there', missingChecks(place)),
    await section(title, 'blobs', [...blobChecks(place, 'sha256'), ...blobChecks(place, 'sha512')]),
    await section(
      title,
      'contents',
      makeContents().flatMap((content) => contentChecks(place, content)),
    ),
    await section(title, 'what cannot be taken', refusalChecks(place)),
  ];
}

/** Everything that is checked of a registry that is only read; `fill` puts the contents where it gets them from. */
export async function checkProxied(
  title: string,
  target: Target,
  fill: (repository: string, contents: readonly Content[], blob: PushedBlob) => void,
): Promise<Section[]> {
  const place: Place = { target, repository, other: repository };
  const contents = makeContents();
  const blob = newBlob('sha256', 2048);
  fill(repository, contents, blob);
  return [
    await section(title, 'what is not there', [
      ...missingChecks(place),
      { row: 'ranges of a blob (end-2)', column: 'holds', run: () => expectRanges(place, blob) },
      ...readOnlyChecks(place),
    ]),
    await section(
      title,
      'contents',
      contents.flatMap((content) => readingChecks(place, content)),
    ),
  ];
}

async function section(title: string, name: string, checks: readonly Check[]): Promise<Section> {
  return { title: `${title}: ${name}`, results: await runChecks(checks) };
}
