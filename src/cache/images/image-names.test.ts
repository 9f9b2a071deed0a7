import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../oci/digest.ts';
import { type ImageNaming, imageNameOf, parseImageName } from './image-names.ts';

const digest = digestOf(Buffer.from('an image'));
const naming: ImageNaming = {
  registries: [
    { name: 'docker.io', alias: 'docker.io', names: ['index.docker.io'], dockerHub: true },
    { name: 'ghcr.io', alias: 'ghcr.io', names: [], dockerHub: false },
    {
      name: 'hosted.entrepot',
      alias: 'hosted.entrepot',
      names: ['localhost:5001', 'push.corp'],
      dockerHub: false,
      shown: 'localhost:5001',
    },
    { name: 'registry.corp:5443', alias: 'corp.local', names: [], dockerHub: false },
  ],
  default: 'docker.io',
};

function nameOf(text: string, others: Partial<ImageNaming> = {}): string {
  const used = { ...naming, ...others };
  return imageNameOf(parseImageName(text, used), used);
}

test('names are read as people write them', () => {
  const cases = {
    nginx: 'docker.io/library/nginx:latest',
    'nginx:1.27': 'docker.io/library/nginx:1.27',
    'bitnami/redis': 'docker.io/bitnami/redis:latest',
    'index.docker.io/nginx': 'docker.io/library/nginx:latest',
    'docker.io/library/nginx:1': 'docker.io/library/nginx:1',
    'ghcr.io/owner/app:v1': 'ghcr.io/owner/app:v1',
    'GHCR.io/owner/app': 'ghcr.io/owner/app:latest',
    'registry.corp:5443/app': 'registry.corp:5443/app:latest',
    'corp.local/app:1': 'registry.corp:5443/app:1',
    'localhost:5001/team/app': 'localhost:5001/team/app:latest',
    'push.corp/library/nginx:1': 'localhost:5001/library/nginx:1',
    'hosted.entrepot/app:1': 'localhost:5001/app:1',
    'elsewhere.example/app:1': 'elsewhere.example/app:1',
    'localhost/app': 'localhost/app:latest',
    [`nginx@${digest}`]: `docker.io/library/nginx@${digest}`,
    [`ghcr.io/owner/app:v1@${digest}`]: `ghcr.io/owner/app@${digest}`,
  };
  for (const [written, full] of Object.entries(cases)) assert.equal(nameOf(written), full, written);
});

test('a name in full is read as itself', () => {
  for (const name of ['docker.io/library/nginx:1.27', `ghcr.io/owner/app@${digest}`]) assert.equal(nameOf(name), name);
});

test('what is no name is told, with what was expected', () => {
  for (const text of [
    '',
    'Nginx',
    'nginx:',
    'nginx:a b',
    'nginx@latest',
    'nginx@sha256:abc',
    'a//b',
    'ghcr.io/',
    '*',
  ]) {
    assert.throws(
      () => nameOf(text),
      { code: 'IMAGE_NAME', message: /^Cannot read the image ".*": .*nginx:1\.27/ },
      text,
    );
  }
});

test('without a default a name has to say its registry', () => {
  assert.equal(nameOf('ghcr.io/owner/app', { default: undefined }), 'ghcr.io/owner/app:latest');
  assert.throws(() => nameOf('nginx', { default: undefined }), /it names no registry, and there is no default/);
});

test('official images have a folder of their own on Docker Hub only', () => {
  assert.equal(nameOf('app', { default: 'ghcr.io' }), 'ghcr.io/app:latest');
});
