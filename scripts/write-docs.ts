import { writeFileSync } from 'node:fs';
import { configurationPage } from './configuration-page.ts';
import { deployFiles } from './deploy/deploy-files.ts';
import { errorsPage } from './errors-page.ts';
import { helpPage } from './help-page.ts';
import { metricsPage } from './metrics-page.ts';

// `npm run docs`: writes the pages of docs/, and the files of deploy/, that follow from others. A test compares them.

const root = new URL('..', import.meta.url);
writeFileSync(new URL('docs/configuration.md', root), configurationPage());
writeFileSync(new URL('docs/errors.md', root), errorsPage());
writeFileSync(new URL('docs/help.md', root), await helpPage());
writeFileSync(new URL('docs/metrics.md', root), metricsPage());
for (const [path, text] of Object.entries(deployFiles())) writeFileSync(new URL(path, root), text);
