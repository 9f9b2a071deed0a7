import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pullerContract } from '../../../test/contract/puller-contract.ts';
import { type FakeMachine, fakePrograms } from '../../../test/support/command/fake-programs.ts';
import { parseDigest } from '../../oci/digest.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';
import { openContainerd } from './containerd.ts';
import { openDocker } from './docker.ts';
import { findPuller, openPuller } from './open-puller.ts';
import { openPodman } from './podman.ts';
import type { Puller, PullSource } from './puller.ts';

const patient = new AbortController().signal;
const byTag: PullSource = {
  ...{ host: 'cache.test:5000', repository: parseRepository('library/nginx') },
  ...{ reference: parseTag('latest'), plainHttp: true },
};
const byDigest = { ...byTag, reference: parseDigest(`sha256:${'a'.repeat(64)}`) };
const missing = { ...byTag, repository: parseRepository('library/none') };
const builtIn = { name: 'built-in' } as Puller;

function machine(more: Partial<FakeMachine> = {}) {
  const given: FakeMachine = {
    programs: ['docker', 'podman', 'ctr'],
    canPull: (name) => name.includes('library/nginx'),
    ...more,
  };
  return { ...fakePrograms(given), env: {}, builtIn };
}

for (const [name, open] of Object.entries({ docker: openDocker, podman: openPodman, containerd: openContainerd })) {
  pullerContract(name, async (run) => {
    const puller = await open(machine(), patient);
    assert.ok(puller);
    await run({ puller, byTag, byDigest, missing });
  });
}

test('a registry of plain HTTP is told to podman and ctr, and docker knows by its own configuration', async () => {
  const programs = machine();
  for (const plainHttp of [true, false]) {
    for (const name of ['docker', 'podman', 'containerd'] as const) {
      await (await openPuller(name, programs, patient)).pull({ ...byTag, plainHttp }, patient);
    }
  }
  const image = 'cache.test:5000/library/nginx:latest';
  assert.deepEqual(
    programs.calls.filter((call) => call.includes('pull')),
    [
      `docker image pull ${image}`,
      `podman image pull --tls-verify=false ${image}`,
      `ctr --namespace entrepot-bench images pull --plain-http ${image}`,
      `docker image pull ${image}`,
      `podman image pull ${image}`,
      `ctr --namespace entrepot-bench images pull ${image}`,
    ],
  );
});

test('layers that another image has are counted', async () => {
  const programs = machine({ layersHeld: 2 });
  for (const name of ['docker', 'podman'] as const) {
    const puller = await openPuller(name, programs, patient);
    assert.deepEqual(await puller.pull(byTag, patient), { layersHeld: 2 });
  }
});

test('mirrors of the registry that is measured are told, and those of others are not', async () => {
  const mirrors = ['docker.io', 'ghcr.io'];
  const programs = machine({ mirrors });
  const dockerNotes = async (hosts: string[]) => (await openPuller('docker', programs, patient)).notes(hosts, patient);
  assert.match((await dockerNotes(['docker.io', 'cache.test:5000']))[0] ?? '', /through docker\.io, ghcr\.io: what/);
  assert.deepEqual(await dockerNotes(['ghcr.io']), []); // its mirrors are for docker.io alone
  const podman = await openPuller('podman', programs, patient);
  assert.match((await podman.notes(['ghcr.io'], patient))[0] ?? '', /podman pulls ghcr\.io through mirrors/);
  assert.deepEqual(await podman.notes(['quay.io'], patient), []);
});

test('the first client that is here pulls: docker, podman, containerd, and then our own', async () => {
  const names = async (programs: FakeMachine['programs']) => (await findPuller(machine({ programs }), patient)).name;
  assert.equal(await names(['ctr', 'podman', 'docker']), 'docker 20.10.24');
  assert.equal(await names(['ctr', 'podman']), 'podman 4.3.1');
  assert.equal(await names(['ctr']), 'containerd 1.7.24');
  assert.equal(await names([]), 'built-in');
});

test('a client that is asked for and is not here is an error that says what to do', async () => {
  await assert.rejects(openPuller('podman', machine({ programs: ['docker'] }), patient), {
    message:
      'Cannot pull with podman: it is not on this machine, or does not answer; choose another with --client, or none for the first that does',
  });
  assert.equal(await openPuller('built-in', machine({ programs: [] }), patient), builtIn);
});

test('a client whose daemon does not answer is passed over', async () => {
  const programs = machine();
  const run: typeof programs.run = async (call, signal) => {
    if (call.program === 'docker') return { exitCode: 1, output: '', errors: 'Cannot connect to the Docker daemon\n' };
    return programs.run(call, signal);
  };
  assert.equal((await findPuller({ ...programs, run }, patient)).name, 'podman 4.3.1');
});

test('the namespace of ctr goes at the end, unless an image stayed in it', async () => {
  const programs = machine();
  const puller = await openPuller('containerd', programs, patient);
  await puller.pull(byTag, patient);
  await puller.close(patient);
  assert.ok(!programs.calls.includes('ctr namespaces remove entrepot-bench'));
  await puller.remove(byTag, patient);
  await puller.close(patient);
  assert.ok(programs.calls.includes('ctr namespaces remove entrepot-bench'));
});

test('what a client says is printed without what a terminal would obey', async () => {
  const programs = machine();
  const run: typeof programs.run = async (call, signal) =>
    call.args.includes('pull')
      ? { exitCode: 1, output: '', errors: 'first\n\x1b[2Jlast \u202e line\n' }
      : programs.run(call, signal);
  const puller = await openPuller('docker', { ...programs, run }, patient);
  await assert.rejects(puller.pull(byTag, patient), { message: '[2Jlast   line' });
});
