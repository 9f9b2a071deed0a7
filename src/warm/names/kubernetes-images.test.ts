import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { imagesOfResources } from './kubernetes-images.ts';

const podSpec = {
  initContainers: [{ name: 'i', image: 'init:1' }],
  containers: [{ name: 'a', image: 'app:1' }, { name: 'b', image: ' side:2 ' }, { name: 'none' }],
  ephemeralContainers: [{ name: 'e', image: 'debug:1' }],
  volumes: [
    { name: 'v', image: { reference: 'data:1', pullPolicy: 'Always' } },
    { name: 'w', emptyDir: {} },
  ],
};
const all = ['init:1', 'app:1', 'side:2', 'debug:1', 'data:1'];
const template = { metadata: { name: 'x' }, spec: podSpec };

test('images are found in every kind of resource', () => {
  const kinds = {
    Pod: { spec: podSpec },
    Deployment: { spec: { template } },
    CronJob: { spec: { jobTemplate: { spec: { template } } } },
    PodTemplate: { template },
    'a resource of somebody’s own': { spec: { workers: [{ podSpec }] } },
    List: { items: [{ kind: 'Pod', spec: podSpec }] },
  };
  for (const [kind, body] of Object.entries(kinds)) {
    assert.deepEqual(imagesOfResources([{ apiVersion: 'v1', kind, ...body }]).sort(), all.toSorted(), kind);
  }
});

test('what a pod reports of itself, and other images than those of containers, are none', () => {
  const status = { containerStatuses: [{ image: 'docker.io/library/app:1' }], containers: [{ image: 'reported:1' }] };
  const pod = { kind: 'Pod', metadata: { annotations: { image: 'note:1' } }, spec: { image: 'spec:1' }, status };
  assert.deepEqual(imagesOfResources([pod, { kind: 'List', items: [pod] }]), []);
});

test('each image comes once, in the order of the resources', () => {
  const pod = (image: string) => ({ spec: { containers: [{ image }] } });
  assert.deepEqual(imagesOfResources([pod('b'), pod('a'), pod('b')]), ['b', 'a']);
});

test('several documents, anchors and empty ones are read as kubectl reads them', () => {
  const text = [
    '---',
    'kind: Pod',
    'spec: { containers: &c [{ image: one }] }',
    '---',
    '# nothing',
    '---',
    'kind: Pod',
    'spec: { containers: [{ image: two }], initContainers: [{ image: "three" }] }',
  ].join('\n');
  assert.deepEqual(imagesOfResources(parseAllDocuments(text).map((document): unknown => document.toJS())), [
    'one',
    'two',
    'three',
  ]);
});

test('whatever is given, names come out, and images of containers are found at any depth', () => {
  const anything = fc.anything({ withNullPrototype: true });
  fc.assert(fc.property(anything, (value) => imagesOfResources([value]).every((name) => name.trim() === name && name)));
  const wrap = fc.array(fc.constantFrom('spec', 'items', 'template'), { maxLength: 40 });
  fc.assert(
    fc.property(wrap, (keys) => {
      const pod: unknown = { containers: [{ image: 'found:1' }] };
      const resource = keys.reduce((inner, key) => ({ [key]: key === 'items' ? [inner] : inner }), pod);
      assert.deepEqual(imagesOfResources([resource]), ['found:1']);
    }),
  );
});

test('what leads back to itself is read once', () => {
  const circle: { containers: unknown[]; self?: unknown } = { containers: [{ image: 'app:1' }] };
  circle.self = circle;
  assert.deepEqual(imagesOfResources([circle]), ['app:1']);
});
