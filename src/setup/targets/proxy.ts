import { ownFile } from '../edit/own-file.ts';
import { SetupError, type SetupFile, type SetupTarget } from '../target.ts';

/** The proxy door: drop-ins for systemd, so that every registry comes from the cache by its own name. */
export const proxy: SetupTarget = {
  name: 'proxy',
  description: 'HTTPS_PROXY in drop-ins for systemd, so that every registry keeps its name',
  shapes: [],
  plan({ proxyAddress, shape }) {
    if (shape !== undefined) {
      throw new SetupError(
        'UNKNOWN_SHAPE',
        `Cannot set up proxy by ${shape}: a proxy is asked for registries by their own names, leave --shape out`,
      );
    }
    if (proxyAddress === undefined) {
      throw new SetupError(
        'NO_DOOR',
        'Cannot set up proxy: the proxy door is not open to this machine, open it by doors.proxy.listen',
      );
    }
    return {
      files: services.map((service) => dropIn(service, proxyAddress)),
      steps: steps(proxyAddress),
      notes: notes(proxyAddress),
    };
  },
};

interface Service {
  readonly name: string;
  /** Before the names of its variables: k3s hands those on to its containerd alone, the cluster goes its own ways. */
  readonly prefix: '' | 'CONTAINERD_';
}

const services: readonly Service[] = [
  { name: 'docker', prefix: '' },
  { name: 'containerd', prefix: '' },
  { name: 'crio', prefix: '' },
  { name: 'k3s', prefix: 'CONTAINERD_' },
  { name: 'k3s-agent', prefix: 'CONTAINERD_' },
];

function dropIn({ name, prefix }: Service, url: string): SetupFile {
  const variables = [`HTTPS_PROXY=${url}`, `HTTP_PROXY=${url}`, 'NO_PROXY=localhost,127.0.0.0/8,::1'];
  return ownFile(
    { path: `/etc/systemd/system/${name}.service.d/entrepot-proxy.conf`, about: `Makes ${name} use the proxy door.` },
    ['[Service]', ...variables.map((variable) => `Environment="${prefix}${variable}"`), ''].join('\n'),
  );
}

function steps(url: string): string[] {
  const name = 'entrepot-proxy.crt';
  return [
    `curl -fsSo /usr/local/share/ca-certificates/${name} ${url}/ca.crt  # its authority; /etc/pki/ca-trust/source/anchors on Fedora and RHEL`,
    'update-ca-certificates  # trusts it; update-ca-trust on Fedora and RHEL',
    'systemctl daemon-reload  # reads the drop-ins',
    'systemctl try-restart docker containerd crio k3s k3s-agent  # uses them; ends containers of docker, unless live-restore is set',
  ];
}

function notes(url: string): string[] {
  return [
    `${url}/setup/proxy.sh does all of this by itself, for what is installed, and undoes it.`,
    'A drop-in for a service that is not there does nothing.',
    'When the cache does not answer, nothing is pulled: a proxy has no fallback.',
    'A proxy that is set elsewhere for the same service is replaced or replaces this one, by the names of the files.',
    'Clients that run as you, as podman, take HTTPS_PROXY from your environment.',
  ];
}
