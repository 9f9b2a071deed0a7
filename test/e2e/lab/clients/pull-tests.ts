import { rm } from 'node:fs/promises';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Bench, setUpBench, showLogAfterFailure } from '../bench.ts';
import { type ImageManifest, manifestForThisMachine, type TestImage } from '../images.ts';
import { currentLab, type LabImages } from '../lab.ts';
import { assertOriginAsked, requestsForColdPull } from '../servers/origin-requests.ts';
import { assertPulled, type PulledImage } from './pulled-image.ts';

/** A real client. */
export interface Client {
  readonly name: string;
  /** Whether it asks what digest a tag has, and then for that, instead of asking for the tag. */
  readonly looksUpFirst?: boolean;
  /** Which manifests of an image it takes; by default the one for this machine. */
  chooseManifests?(image: TestImage): readonly ImageManifest[];
  /** Pulls into an empty store in a new folder, and says what is there afterwards. */
  pull(reference: string, folder: string): Promise<PulledImage>;
}

/** A reference as the client is given it, and what must come of it. */
export interface Pull {
  readonly reference: string;
  readonly image: TestImage;
}

/** The images that a client that has mirrors for several registries pulls, by their own names. */
export function pullsByName({ layered, index, list }: LabImages): Pull[] {
  return [layered, index, list].map((image) => ({ reference: image.reference, image }));
}

/** The tests that every client passes: cold, warm, and warm with no origin to be had. */
export function testPulls(client: Client, title: string, choosePulls: (images: LabImages) => Pull[]): void {
  const pulls = choosePulls(currentLab().images);
  const manifestsOf = (image: TestImage) => client.chooseManifests?.(image) ?? [manifestForThisMachine(image)];
  describe(`${client.name} ${title}`, () => {
    let bench: Bench;
    before(async () => {
      bench = await setUpBench(client.name, { cache: { tagTtl: '1h' } }); // no tag must be asked for again meanwhile
    });
    after(() => bench?.clear());
    afterEach((context) => showLogAfterFailure(bench, context));

    const pullAndCompare = async ({ reference, image }: Pull) => {
      const folder = await bench.makeFolder();
      const pulled = await client.pull(reference, folder);
      assertPulled(pulled, image, manifestsOf(image));
      await rm(folder, { recursive: true });
    };

    for (const pull of pulls) {
      test(`pulls ${pull.reference} cold, and each thing comes from the origin once`, async () => {
        await pullAndCompare(pull);
        await assertOriginAsked(bench.origin, requestsForColdPull(pull.image, manifestsOf(pull.image), client));
      });
    }
    for (const pull of pulls) {
      test(`pulls ${pull.reference} again, and the origin is asked for nothing`, async () => {
        await pullAndCompare(pull);
        await assertOriginAsked(bench.origin, []);
      });
    }
    describe('with the origin stopped and Entrepot started anew', () => {
      before(async () => {
        await bench.origin.stop();
        await bench.restartEntrepot();
      });
      for (const pull of pulls) test(`pulls ${pull.reference}`, () => pullAndCompare(pull));
    });
  });
}
