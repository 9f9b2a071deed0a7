import { z } from 'zod';
import { accessVerbs, doorNames } from '../../config.ts';
import { parseDuration } from '../values/duration.ts';
import { about, choice, listOf, parsedBy, path, text } from '../values/key.ts';
import { parseImageGlob } from '../values/pattern.ts';

const ruleKeys = 'users, doors, repositories and allow';

/** One entry of `auth.rules`. */
const ruleSchema = z.strictObject(
  {
    users: listOf(text).min(1, { error: 'expected at least one user' }),
    doors: listOf(choice(doorNames)).min(1, { error: 'expected at least one door' }).optional(),
    repositories: listOf(parsedBy(parseImageGlob)).min(1, { error: 'expected at least one pattern' }).optional(),
    allow: listOf(choice(accessVerbs)).min(1, { error: 'expected at least one verb' }),
  },
  { error: `expected a group of ${ruleKeys}, and nothing else` },
);

/** The keys about who may do what. */
export const authKeys = z.strictObject({
  htpasswd: path.optional().register(about, {
    type: 'path',
    description:
      'A file of names and bcrypt hashes, as `htpasswd -B` writes it: with it, clients have to log in. It is read again ' +
      'when it changes; see [access.md](access.md).',
  }),
  rules: listOf(ruleSchema)
    .min(1, { error: 'expected at least one rule' })
    .optional()
    .register(about, {
      type: 'list of rules',
      description:
        'Who may do what, instead of: who has a password, all. Each entry has `users` (names, `authenticated` or ' +
        '`anonymous`), `allow` (`pull`, `push`, `delete`), and perhaps `doors` (`registry`, `hosted`, `proxy`) and `repositories` ' +
        '(`docker.io/library/*`, `hosted.entrepot/team/**`). What any entry allows is allowed.',
    }),
  rememberFor: parsedBy((given) => parseDuration(given))
    .prefault('5m')
    .register(about, {
      type: 'duration',
      description:
        'For how long a password that was right is not compared with the file again, unless its line changes.',
    }),
});
