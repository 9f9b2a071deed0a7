import { caFiles } from '../../authority-files.ts';
import { registriesFile, registriesShapes } from '../../script/registries-yaml.ts';
import { shapeFor } from '../../shape.ts';
import type { SetupTarget } from '../../target.ts';

const folder = '/etc/rancher/k3s';
const caPath = `${folder}/entrepot-ca.crt`;

/** k3s and RKE2, by `registries.yaml`. */
export const k3s: SetupTarget = {
  name: 'k3s',
  description: 'registries.yaml, for every server and agent of k3s and RKE2',
  shapes: registriesShapes,
  plan(view) {
    const file = registriesFile(view, shapeFor(k3s, view), { path: `${folder}/registries.yaml`, caPath });
    return { files: [...caFiles(view, caPath), file], steps, notes };
  },
};

const steps = ['systemctl restart k3s  # on an agent: k3s-agent; the file is read when it starts'];

const notes = [
  'Every node needs the file: the servers and the agents.',
  'RKE2 reads /etc/rancher/rke2/registries.yaml; it is restarted by `systemctl restart rke2-server`, or rke2-agent.',
  'k3s adds the registry itself as the last endpoint, so that pulls go on without the cache; --disable-default-registry-endpoint ' +
    'takes that away.',
];
