import { writeFileSync } from 'node:fs';
import { configurationPage } from './configuration-page.ts';

// `npm run docs`: writes the pages of docs/ that follow from the code. A test compares them.

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage());
