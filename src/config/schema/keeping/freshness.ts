import { z } from 'zod';
import { deniedPolicies, missingPolicies, revalidatePolicies } from '../../config.ts';
import { parseDuration, parseDurationOrForever } from '../values/duration.ts';
import { about, choice, listOf, parsedBy } from '../values/key.ts';
import { parseRepositoryGlob, parseTagPattern } from '../values/pattern.ts';

const tagTtl = () => parsedBy((given) => parseDuration(given));
const staleFor = () => parsedBy(parseDurationOrForever);
const onDenied = () => choice(deniedPolicies);
const onMissing = () => choice(missingPolicies);
const revalidate = () => choice(revalidatePolicies);
const immutableTags = () => listOf(parsedBy(parseTagPattern));

/** The keys of `cache` about how long tags are believed. */
export const freshnessKeys = {
  tagTtl: tagTtl().prefault('60s').register(about, {
    type: 'duration',
    description: 'For how long the upstream is not asked again what a tag stands for. `0` asks every time.',
  }),
  staleFor: staleFor()
    .prefault('forever')
    .register(about, {
      type: 'duration',
      description:
        'For how long after `tagTtl` a tag is served while the upstream cannot say what it stands for (unreachable, 5xx, ' +
        '429). `forever` for as long as it cannot.',
    }),
  onDenied: onDenied().prefault('deny').register(about, {
    type: 'choice',
    description:
      'What happens to a tag that is known when the upstream refuses it (401, 403): `deny`, or `serve` all the same.',
  }),
  onMissing: onMissing().prefault('forget').register(about, {
    type: 'choice',
    description:
      'What happens to a tag that is known when the upstream has it no more (404): `forget`, or `serve` all the same.',
  }),
  revalidate: revalidate().prefault('first').register(about, {
    type: 'choice',
    description:
      'A tag whose time is over is asked for `first`, or in the `background` of an answer that is given at once.',
  }),
  immutableTags: immutableTags()
    .optional()
    .register(about, {
      type: 'list of patterns',
      description:
        'Regular expressions for tags that never change, such as `^v\\d+\\.\\d+\\.\\d+$`. Once one is known, the upstream is ' +
        'not asked for it again.',
    }),
};

/** One entry of `rules`: what holds for some tags of an upstream. */
const ruleSchema = z
  .strictObject(
    {
      repository: parsedBy(parseRepositoryGlob).optional(),
      tag: parsedBy(parseTagPattern).optional(),
      tagTtl: tagTtl().optional(),
      staleFor: staleFor().optional(),
      onDenied: onDenied().optional(),
      onMissing: onMissing().optional(),
      revalidate: revalidate().optional(),
      immutableTags: immutableTags().optional(),
    },
    { error: `expected a group of repository, tag, ${Object.keys(freshnessKeys).join(', ')}, and nothing else` },
  )
  .refine((rule) => rule.repository !== undefined || rule.tag !== undefined, {
    error: 'expected a repository or a tag, or both, that it is for',
  })
  .refine((rule) => Object.keys(rule).some((key) => key in freshnessKeys), {
    error: `expected one of ${Object.keys(freshnessKeys).join(', ')}: it changes nothing`,
  });

/** The keys of an upstream about how long its tags are believed. */
export const upstreamFreshnessKeys = {
  tagTtl: tagTtl()
    .optional()
    .register(about, { type: 'duration', description: insteadOf('tagTtl') }),
  staleFor: staleFor()
    .optional()
    .register(about, { type: 'duration', description: insteadOf('staleFor') }),
  onDenied: onDenied()
    .optional()
    .register(about, { type: 'choice', description: insteadOf('onDenied') }),
  onMissing: onMissing()
    .optional()
    .register(about, { type: 'choice', description: insteadOf('onMissing') }),
  revalidate: revalidate()
    .optional()
    .register(about, { type: 'choice', description: insteadOf('revalidate') }),
  immutableTags: immutableTags()
    .optional()
    .register(about, { type: 'list of patterns', description: insteadOf('immutableTags') }),
  rules: listOf(ruleSchema)
    .optional()
    .register(about, {
      type: 'list of rules',
      description:
        'The same for some repositories and tags: each entry has a `repository` (`*` is anything but a slash, `**` ' +
        'anything) or a `tag` (a regular expression), or both, and some of the keys above. For each key, the first entry ' +
        'counts that matches and has it.',
    }),
};

function insteadOf(key: string): string {
  return `For this upstream, in place of \`cache.${key}\`.`;
}
