import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Config, HostedConfig } from '../config.ts';
import { quoteValue, type Report } from '../config-error.ts';
import type { MergedSettings } from '../merge-settings.ts';
import type { ParsedConfig } from '../schema/schema.ts';

/** The hosted registry, whose names are no upstream's: of two registries with one name, a push could go to the wrong. */
export function resolveHosted(
  { hosted, doors }: ParsedConfig,
  merged: MergedSettings,
  upstreams: Config['upstreams'],
  report: Report,
): HostedConfig {
  const { maxManifestBytes, allowAnonymousPush, immutableTags, maxBytes } = hosted;
  const { maxAge, maxCount, maxBytes: maxBlobBytes } = hosted.uploads;
  const uploads = { maxAgeMs: maxAge, maxCount, maxBytes: maxBlobBytes };
  const { every: everyMs, grace: graceMs, untagged } = hosted.garbage;
  const garbage = { everyMs, graceMs, untagged };
  const limits = { maxManifestBytes, allowAnonymousPush, immutableTags, maxBytes, uploads, garbage };
  const taken = new Map(
    upstreams.flatMap(({ name, alias, names }) => [name, alias, ...names].map((any) => [any, name])),
  );
  checkOwnName(taken.get(hostedRegistryName), merged, report);
  const given = merged.values.get('hosted.names');
  // The default gives way: who calls an upstream so, or puts the registry door there, has said what the name means.
  const own = `:${doors.registry.listen.port}`;
  const isFree = (name: string) => !taken.has(name) && !name.endsWith(own);
  if (given === undefined) return { names: hosted.names.filter(isFree), ...limits };
  for (const name of hosted.names.filter((any) => taken.has(any))) {
    const what = `Cannot use hosted.names ${quoteValue(name)}: it is a name of the upstream ${taken.get(name)}`;
    report({ where: given.origin, what, advice: 'give one of the two another name' });
  }
  return { names: hosted.names, ...limits };
}

function checkOwnName(upstream: string | undefined, merged: MergedSettings, report: Report): void {
  if (upstream === undefined) return;
  const fields = merged.upstreams.get(upstream)?.fields;
  const setting = fields?.get('alias') ?? fields?.get('names') ?? fields?.values().next().value;
  const what = `Cannot use the name ${quoteValue(hostedRegistryName)} for the upstream ${upstream}`;
  report({
    where: setting?.origin ?? `upstreams.${upstream}`,
    what: `${what}: it is that of the registry that is pushed to`,
    advice: 'choose another',
  });
}
