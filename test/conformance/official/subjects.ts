import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { startTestCache, type TestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

/** Tests that the suite skips, by the beginning of their names, and why. */
export type Skips = Readonly<Record<string, string>>;

/** What the suite is run against. */
export interface Subject {
  readonly title: string;
  readonly skips: Skips;
  /** Starts it with its data in a folder, has the suite run with these variables, and ends it. */
  during<T>(data: string, run: (env: Readonly<Record<string, string>>) => Promise<T>): Promise<T>;
}

const reading = { OCI_TEST_PULL: '1', OCI_TEST_CONTENT_DISCOVERY: '1' };
const everything = { ...reading, OCI_TEST_PUSH: '1', OCI_TEST_CONTENT_MANAGEMENT: '1', OCI_AUTOMATIC_CROSSMOUNT: '1' };

const whatIsPushed = 'for registries that cannot be pushed to: the suite has pushed what it asks for';
const pushedSkips: Skips = {
  'Pull Setup Get tag name from environment': whatIsPushed,
  'Content Discovery Setup Populate registry with test tags (no push)': whatIsPushed,
  'Push Cross-Repository Blob Mount Cross-mounting of nonexistent blob should yield session id':
    'looks at a mount that was not done; the one before it was',
  'Push Cross-Repository Blob Mount Cross-mounting without from, and automatic content discovery disabled should return a 202':
    'for registries that mount from a repository only when it is named; with `OCI_AUTOMATIC_CROSSMOUNT=1` the test before it is run',
};

/** All that the suite is run against. */
export const subjects: readonly Subject[] = [
  hostedSubject('Hosted, by its door', ({ hostedUrl }) => ({ url: hostedUrl, prefix: '' })),
  hostedSubject('Hosted, by its alias', ({ url }) => ({ url, prefix: 'hosted.entrepot/' })),
  {
    ...hostedSubject('Hosted, with a login', ({ hostedUrl }) => ({ url: hostedUrl, prefix: '' })),
    during: (data, run) => {
      const [name, password] = ['conformance', 'correct horse'];
      const htpasswd = join(data, 'htpasswd');
      writeFileSync(htpasswd, `${name}:${hashSync(password, 4)}\n`); // the least cost: it is not what is tested
      const auth = { htpasswd, rules: undefined, rememberForMs: 300_000 };
      const login = { OCI_USERNAME: name, OCI_PASSWORD: password };
      return withCache({ data, upstreams: [], auth }, ({ hostedUrl }) =>
        run({ ...pushing({ url: hostedUrl, prefix: '' }), ...login }),
      );
    },
  },
  {
    title: 'Pulled through',
    skips: {
      'Push ': 'an upstream is not pushed to',
      'Content Management ': 'nothing is deleted upstream',
      'Pull Setup ': 'upstream has what is asked for',
      'Pull Teardown ': 'nothing was pushed',
      'Content Discovery Setup ': 'upstream has what is asked for',
      'Content Discovery Teardown ': 'nothing was pushed',
    },
    during: pulledThrough,
  },
];

interface Place {
  readonly url: string;
  /** What stands before the names of repositories. */
  readonly prefix: string;
}

function hostedSubject(title: string, placeOf: (cache: TestCache) => Place): Subject {
  return {
    title,
    skips: pushedSkips,
    during: (data, run) => withCache({ data, upstreams: [] }, (cache) => run(pushing(placeOf(cache)))),
  };
}

function pushing({ url, prefix }: Place): Record<string, string> {
  const names = {
    OCI_NAMESPACE: `${prefix}conformance/repo1`,
    OCI_CROSSMOUNT_NAMESPACE: `${prefix}conformance/repo2`,
  };
  return { OCI_ROOT_URL: url, ...names, ...everything };
}

async function pulledThrough<T>(data: string, run: (env: Record<string, string>) => Promise<T>): Promise<T> {
  const repository = 'conformance/repo1';
  const origin = await startTestRegistry();
  try {
    const image = makeImage({ seed: 'conformance', layers: [2048] });
    const tags = ['test0', 'test1', 'test2', 'test3'];
    for (const tag of tags) origin.content.push(repository, image, tag);
    for (const referrer of referrersOf(image)) origin.content.push(repository, referrer);
    return await withCache({ data, upstreams: [origin.url] }, ({ url }) =>
      run({
        OCI_ROOT_URL: url,
        OCI_NAMESPACE: repository,
        ...reading,
        OCI_TAG_NAME: tags[0]!,
        OCI_TAG_LIST: tags.join(),
        OCI_MANIFEST_DIGEST: image.manifest.digest,
        OCI_BLOB_DIGEST: image.blobs[0]!.digest,
      }),
    );
  } finally {
    await origin.close();
  }
}

/** What the suite expects of the referrers it asks for: five, of which it filters two by their type. */
function referrersOf({ manifest }: TestImage): TestImage[] {
  const [bagel, croissant] = ['nhl.peanut.butter.bagel', 'nba.strawberry.jam.croissant'];
  return [bagel, bagel, croissant, croissant, 'food.stand'].map((type, index) =>
    makeImage({
      seed: `conformance/${index}`,
      layers: [100],
      subject: manifest,
      artifactType: `application/vnd.${type}`,
    }),
  );
}

async function withCache<T>(options: TestCacheOptions, run: (cache: TestCache) => Promise<T>): Promise<T> {
  const cache = await startTestCache(options);
  try {
    return await run(cache);
  } finally {
    await cache.stop();
  }
}
