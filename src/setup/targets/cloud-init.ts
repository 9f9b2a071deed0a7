import { setupMark } from '../mark.ts';
import { firstBootScript } from '../script/first-boot.ts';
import { SetupError, type SetupPlan, type SetupTarget, type SetupView } from '../target.ts';
import { containerd } from './containerd.ts';
import { docker } from './docker.ts';

const scriptPath = '/usr/local/lib/entrepot/first-boot.sh';

/** cloud-init: user data that sets up docker and containerd when a machine boots for the first time. */
export const cloudInit: SetupTarget = {
  name: 'cloud-init',
  description: 'user data that sets up docker and containerd at the first boot',
  // Those that both understand.
  shapes: ['ns', 'vhost'],
  plan(view) {
    const plans = plansOf(view);
    const text = cloudConfig(firstBootScript(plans.flatMap(({ files }) => files)));
    return {
      files: [{ path: 'cloud-init.yaml', about: 'User data of a new machine.', render: () => text }],
      steps: [
        'cloud-init schema --config-file cloud-init.yaml  # says whether it is well-formed, where cloud-init is installed',
      ],
      notes: notesOf(plans.length),
    };
  },
};

/** What docker and containerd need; one that this cache cannot serve is left out. */
function plansOf(view: SetupView): SetupPlan[] {
  const errors: unknown[] = [];
  const plans = [docker, containerd].flatMap((target) => {
    try {
      return [target.plan(view)];
    } catch (error) {
      if (!(error instanceof SetupError) || error.code !== 'NO_DOOR') throw error;
      errors.push(error);
      return [];
    }
  });
  if (plans.length === 0) throw errors[0];
  return plans;
}

function cloudConfig(script: string): string {
  const content = script.replace(/^(?=.)/gm, '      ');
  return `#cloud-config
# User data of a new machine. Made by ${setupMark}.
write_files:
  - path: ${scriptPath}
    owner: root:root
    permissions: '0755'
    content: |
${content}runcmd:
  - [sh, ${scriptPath}]
`;
}

function notesOf(plans: number): string[] {
  const notes = [
    'The script never fails and waits for nothing, so that no boot does: what it could not do is in /var/log/cloud-init-output.log.',
    'A daemon.json that the image brings is merged by python3, which cloud-init needs itself; of other files that it brings, none is changed.',
    'Other user data with a runcmd of its own replaces this one: put the lines of both into one list.',
  ];
  if (plans < 2) notes.push('Docker is left out: Docker Hub is not the default of this door, and there is no domain.');
  return notes;
}
