import type { Digest } from '../../src/oci/digest.ts';
import { type Client, pullsByName, testPulls } from './lab/clients/pull-tests.ts';
import { readPulledManifest } from './lab/clients/pulled-image.ts';
import { writeRegistriesConf } from './lab/clients/registries-conf.ts';
import { storageFlags } from './lab/clients/storage-flags.ts';
import { run } from './lab/machine/processes.ts';

interface Inspection {
  /** The manifest as it came, byte for byte. */
  readonly Manifest: string;
  readonly OCIv1: { readonly rootfs: { readonly diff_ids: Digest[] } };
}

const buildah: Client = {
  name: 'buildah',
  async pull(reference, folder) {
    const flags = storageFlags(folder);
    const env = { CONTAINERS_REGISTRIES_CONF: await writeRegistriesConf(folder) };
    await run('buildah', [...flags, 'pull', '--quiet', reference], env);
    const [listed]: { digest: string }[] = JSON.parse(await run('buildah', [...flags, 'images', '--json'], env));
    const inspected = await run('buildah', [...flags, 'inspect', '--type', 'image', reference], env);
    const { Manifest, OCIv1 }: Inspection = JSON.parse(inspected);
    const manifest = readPulledManifest(Buffer.from(Manifest));
    return { digest: listed!.digest, manifests: [{ ...manifest, diffIds: OCIv1.rootfs.diff_ids }] };
  },
};

testPulls(buildah, 'through a mirror for each registry', pullsByName);
