import { hostOf, isLoopbackHost } from '../../address/address.ts';
import { caFiles } from '../../authority-files.ts';
import { registriesFile, registriesShapes } from '../../script/registries-yaml.ts';
import { shapeFor } from '../../shape.ts';
import type { SetupTarget } from '../../target.ts';

const path = 'k3d-registries.yaml';
const ca = 'entrepot-ca.crt';
const caPath = `/etc/rancher/k3s/${ca}`;

/** k3d, by a `registries.yaml` that it hands to its nodes. */
export const k3d: SetupTarget = {
  name: 'k3d',
  description: 'registries.yaml, for the nodes of a new cluster',
  shapes: registriesShapes,
  plan(view) {
    const authority = caFiles(view, ca);
    const mount = authority.length === 0 ? '' : ` --volume "$PWD/${ca}:${caPath}@all"`;
    const create = `k3d cluster create --registry-config ${path}${mount}`;
    const steps = [`${create}  # in the folder of these files; a cluster that runs does not take them`];
    const file = registriesFile(view, shapeFor(k3d, view), { path, caPath });
    return { files: [...authority, file], steps, notes: isLoopbackHost(hostOf(view.address)) ? [localNote] : [] };
  },
};

const localNote =
  'In a node, this address is the node itself. A cache on the machine of k3d is http://host.k3d.internal:5000 to the nodes, ' +
  'where its door listens on more than loopback (doors.registry.listen).';
