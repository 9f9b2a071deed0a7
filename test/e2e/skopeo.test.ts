import { pullsByName, testPulls } from './lab/clients/pull-tests.ts';
import { skopeo } from './lab/clients/skopeo.ts';

testPulls(skopeo, 'through a mirror for each registry', pullsByName);
