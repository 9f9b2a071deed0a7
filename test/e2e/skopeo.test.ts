import { pullsByName, testPulls } from './lab/pull-tests.ts';
import { skopeo } from './lab/skopeo.ts';

testPulls(skopeo, 'through a mirror for each registry', pullsByName);
