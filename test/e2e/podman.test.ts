import { podmanThrough } from './lab/clients/podman.ts';
import { pullsByName, testPulls } from './lab/clients/pull-tests.ts';
import { plainMirror } from './lab/servers/mirror.ts';

testPulls(podmanThrough(plainMirror), 'through a mirror for each registry', pullsByName);
