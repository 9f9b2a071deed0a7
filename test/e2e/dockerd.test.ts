import { dockerdThrough } from './lab/clients/dockerd.ts';
import { testPulls } from './lab/clients/pull-tests.ts';
import { plainMirror } from './lab/servers/mirror.ts';

const dockerd = dockerdThrough(plainMirror);

// registry-mirrors are for docker.io alone.
testPulls(dockerd, 'through registry-mirrors', ({ layered, index }) => [
  { reference: 'strata:1', image: layered },
  { reference: 'lab/prism:1', image: index },
]);

testPulls(dockerd, 'by the name of Entrepot', ({ layered, index, list }) => [
  { reference: 'localhost:5000/library/strata:1', image: layered },
  { reference: 'localhost:5000/docker.io/lab/prism:1', image: index },
  { reference: `localhost:5000/${list.reference}`, image: list },
]);
