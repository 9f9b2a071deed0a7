import { caFiles } from '../authority-files.ts';
import { hostsFiles } from '../hosts-files.ts';
import { shapeFor } from '../shape.ts';
import type { SetupTarget } from '../target.ts';

const folder = '/etc/containerd/certs.d';
const caPath = '/etc/containerd/entrepot-ca.crt';

/** containerd, by the files of its `config_path`: a folder for each registry. */
export const containerd: SetupTarget = {
  name: 'containerd',
  description: 'certs.d, for Kubernetes nodes, crictl, nerdctl, and ctr --hosts-dir',
  // It always says by ns= which registry it means, so that no path is needed.
  shapes: ['ns', 'alias', 'vhost'],
  plan(view) {
    const files = [...caFiles(view, caPath), ...hostsFiles(view, shapeFor(containerd, view), { folder, caPath })];
    return { files, steps, notes };
  },
};

const steps = [`containerd config dump | grep config_path  # has to name ${folder}; see below when it does not`];

const notes = [
  'These files are read at every pull: nothing has to be restarted for them. A change of config.toml takes ' +
    '`systemctl restart containerd`, which lets containers run on.',
  'config.toml is nothing that a program should write: it is yours, or your distribution’s. Where config_path is empty, it ' +
    'has to say, with version = 2 (containerd 1.5 to 1.7):\n' +
    '  [plugins."io.containerd.grpc.v1.cri".registry]\n' +
    `    config_path = "${folder}"\n` +
    '  and with version = 3 (containerd 2):\n' +
    '  [plugins."io.containerd.cri.v1.images".registry]\n' +
    `    config_path = "${folder}"`,
  'Then take registry.mirrors out of config.toml, and the tls of registry.configs: with these beside a config_path, ' +
    'containerd does not load its CRI plugin at all.',
  `ctr and nerdctl do not read config.toml: nerdctl looks into ${folder} by itself, ctr is told, by --hosts-dir ${folder}.`,
];
