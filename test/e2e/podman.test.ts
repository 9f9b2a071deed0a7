import { plainMirror } from './lab/mirror.ts';
import { podmanThrough } from './lab/podman.ts';
import { pullsByName, testPulls } from './lab/pull-tests.ts';

testPulls(podmanThrough(plainMirror), 'through a mirror for each registry', pullsByName);
