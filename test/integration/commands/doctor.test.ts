import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ask } from '../../../src/cli/doctor/ask.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { newProbeTag } from '../../../src/oci/wire/probe-tag.ts';
import { parseAskedImage } from '../../../src/setup/doctor/asked-image.ts';
import type { ClientSetup, Finding, MachineFiles } from '../../../src/setup/doctor/clients/client-setup.ts';
import { readContainerdSetup } from '../../../src/setup/doctor/clients/containerd-setup.ts';
import { readDockerSetup } from '../../../src/setup/doctor/clients/docker-setup.ts';
import { readPodmanSetup } from '../../../src/setup/doctor/clients/podman-setup.ts';
import { diagnose } from '../../../src/setup/doctor/diagnose.ts';
import type { Answer, DoctorTools } from '../../../src/setup/doctor/doctor-tools.ts';
import type { SetupView } from '../../../src/setup/target.ts';
import { containerd } from '../../../src/setup/targets/containerd.ts';
import { docker } from '../../../src/setup/targets/docker.ts';
import { podman } from '../../../src/setup/targets/podman.ts';
import { setupViewOf } from '../../support/command/setup-views.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { basic, writePasswords } from '../../support/stages/access-stage.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { certificates } from '../../support/tls/certs.ts';
import { writeTlsFiles } from '../../support/tls/tls-files.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const image = makeImage({ seed: 'app', layers: [1000] });
const originAnswers: Answer = { status: 401, headers: {}, body: '' };
const targets = { docker, podman, containerd };
type Client = keyof typeof targets;

/** A cache of docker.io and ghcr.io, and machines whose clients are set up for it. */
async function setUp(t: TestContext, options: Partial<TestCacheOptions> = {}) {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  for (const name of ['library/app', 'owner/app']) origin.content.push(name, image, '1');
  const upstreams = [
    { name: 'docker.io', urls: [new URL(origin.url)], dockerHub: true },
    { name: 'ghcr.io', urls: [new URL(origin.url)] },
  ];
  const cache = await startTestCache({ data: join(tmpDir(t), 'data'), upstreams, ...options });
  t.after(() => cache.stop());
  const machine = (clients: readonly Client[], view: Partial<SetupView> = {}): Record<string, string> =>
    Object.fromEntries(
      clients.flatMap((client) =>
        targets[client]
          .plan(setupViewOf({ address: cache.url, ...view }))
          .files.map((file) => [file.path, file.render(undefined)]),
      ),
    );
  return { origin, cache, machine };
}

function filesOf(files: Readonly<Record<string, string>>): MachineFiles {
  return {
    read: (path) => files[path],
    list: (folder) => {
      const inside = Object.keys(files).filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(inside.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))];
    },
  };
}

function setupsOf(files: MachineFiles): ClientSetup[] {
  return [readDockerSetup(files), readPodmanSetup(files, {}), readContainerdSetup(files)];
}

/** What is found on a machine; registries themselves answer, unless said otherwise, and clients pull as their files say. */
async function examine(
  files: Readonly<Record<string, string>>,
  name?: string,
  tools: Partial<DoctorTools> = {},
  address?: string,
) {
  const machine = filesOf(files);
  const setups = setupsOf(machine);
  const known = (url: string) => url.startsWith('http://127.0.0.1:') || url.startsWith('https://localhost:');
  const findings = await diagnose(
    { setups, image: name === undefined ? undefined : parseAskedImage(name), address },
    {
      ask: async (question) => (known(question.url) ? ask(question, machine.read) : originAnswers),
      nowMs: Date.now,
      pull: async (client, asked) => {
        const { registry, repository, reference } = parseAskedImage(asked);
        const setup = setups.find((each) => each.client === client);
        for (const { base, namePrefix, sendsNamespace } of setup?.mirrors.get(registry) ?? setup?.otherMirrors ?? []) {
          await fetch(
            `${base}/v2/${namePrefix}${repository}/manifests/${reference}${sendsNamespace ? `?ns=${registry}` : ''}`,
          );
        }
        return { command: `${client} pull`, said: 'manifest unknown' };
      },
      ...tools,
    },
  );
  return findings;
}

function texts(findings: readonly Finding[]): string {
  return findings
    .map(({ about, level, text, remedy }) => `${level} ${about}: ${text}${remedy ? ` → ${remedy}` : ''}`)
    .join('\n');
}

function bad(findings: readonly Finding[]): string {
  return texts(findings.filter(({ level }) => level !== 'ok'));
}

test('all is well with clients that were set up, and their pulls are seen by the cache without an upstream being asked', async (t) => {
  const { origin, cache, machine } = await setUp(t);
  const files = machine(['docker', 'podman', 'containerd']);
  files['/etc/containerd/config.toml'] =
    '[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/containerd/certs.d"\n';
  const findings = await examine(files);
  assert.equal(bad(findings), '');
  const text = texts(findings);
  for (const client of ['docker', 'podman', 'containerd']) {
    assert.ok(text.includes(`ok ${client}: \`${client} pull\` came to ${cache.url}, which asks docker.io`), text);
    assert.ok(
      text.includes(`ok ${client}: Without the cache it goes to https://registry-1.docker.io, which answers`),
      text,
    );
  }
  assert.match(text, /ok http:\/\/127\.0\.0\.1:\d+: Entrepot \S+ answers\nok http:\S+: The clocks agree, to 1 s/);
  assert.deepEqual(origin.requests.all, []);
});

test('an image that is asked about is looked up as each client would', async (t) => {
  const { machine } = await setUp(t);
  const files = machine(['docker', 'podman', 'containerd']);
  const hub = texts(await examine(files, 'app:1'));
  assert.match(hub, /ok docker: http:\S+\/v2\/library\/app\/manifests\/1 gives the image \(Entrepot; .*\)/);
  assert.match(hub, /ok podman: http:\S+\/v2\/docker\.io\/library\/app\/manifests\/1 gives the image/);
  assert.match(hub, /ok containerd: http:\S+\/manifests\/1\?ns=docker\.io gives the image/);
  const other = texts(await examine(files, 'ghcr.io/owner/app:1'));
  assert.match(
    other,
    /fail docker: It pulls ghcr\.io past the cache: mirrors of docker are for Docker Hub alone → use the proxy door/,
  );
  assert.match(other, /ok podman: `podman pull` came to \S+, which asks ghcr\.io/);
  assert.match(
    texts(await examine(files, 'ghcr.io/owner/none:1')),
    /fail podman: \S+ is answered with 404: .* → see whether the name is right/,
  );
});

test('containerd that came with docker, and is not set up, is no failure where docker is', async (t) => {
  const { machine } = await setUp(t);
  const files = { ...machine(['docker']), '/usr/bin/containerd': '' };
  assert.match(bad(await examine(files, 'app:1')), /^warn containerd: It pulls docker\.io past the cache: [^\n]*$/);
  const alone = { '/usr/bin/containerd': '' };
  assert.match(bad(await examine(alone, 'app:1')), /^fail containerd: It pulls docker\.io past the cache/);
});

test('a registry whose file names no mirror is not said to come by one', async (t) => {
  const { machine } = await setUp(t);
  const files = {
    ...machine(['containerd']),
    '/etc/containerd/certs.d/quay.io/hosts.toml': 'server = "https://quay.io"\n',
  };
  const text = texts(await examine(files));
  assert.match(text, /ok containerd: It pulls .* by http/);
  assert.doesNotMatch(text, / by ;| by \(|quay\.io/);
});

test('a pull that does not come to the cache went past it', async (t) => {
  const { machine } = await setUp(t);
  const pull = async () => ({ command: 'docker pull', said: 'not found' });
  assert.match(
    bad(await examine(machine(['docker']), undefined, { pull })),
    /^fail docker: `docker pull` went past the cache: not found → see whether docker has read its files/,
  );
  const broken = async () => ({
    command: 'docker pull',
    said: 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock',
  });
  assert.match(
    bad(await examine(machine(['docker']), undefined, { pull: broken })),
    /^fail docker: `docker pull` asked no registry: Cannot connect .* → mend that first: docker itself cannot pull/,
  );
  const none = async () => ({ command: undefined, said: '' });
  assert.match(
    bad(await examine(machine(['docker']), undefined, { pull: none })),
    /^warn docker: Its way was not tried/,
  );
});

test('a cache that does not answer, or is something else, is told of', async (t) => {
  const { cache, machine } = await setUp(t);
  const files = machine(['docker']);
  const asElse = async (): Promise<Answer> => ({ status: 200, headers: {}, body: 'nginx' });
  assert.match(
    bad(await examine(files, undefined, { ask: asElse })),
    /warn http:\S+: Something else than Entrepot answers \(200\)/,
  );
  await cache.stop();
  assert.match(
    bad(await examine(files, 'app:1')),
    /fail docker: \S+ is not answered: .*ECONNREFUSED[\s\S]*fail http:\S+: It does not answer: .* → see whether it runs/,
  );
});

test('clocks that differ are told of', async (t) => {
  const { machine } = await setUp(t);
  const files = machine(['docker']);
  const ahead = await examine(files, undefined, { nowMs: () => Date.now() + 120_000 });
  assert.match(bad(ahead), /^warn http:\S+: The clock here is 1\d\d s ahead of its own/);
  const behind = await examine(files, undefined, { nowMs: () => Date.now() - 3_600_000 });
  assert.match(bad(behind), /^fail http:\S+: The clock here is 3\d{3} s behind its own/);
});

test('a registry that cannot be reached without the cache is told of', async (t) => {
  const { machine } = await setUp(t);
  const files = filesOf(machine(['docker']));
  const cut: DoctorTools['ask'] = async (question) =>
    question.url.startsWith('https:')
      ? { status: undefined, code: 'ENOTFOUND', message: 'no' }
      : ask(question, files.read);
  assert.match(
    bad(await examine(machine(['docker']), undefined, { ask: cut })),
    /^warn docker: Without the cache it goes to https:\/\/registry-1\.docker\.io, which this machine does not reach/,
  );
});

test('an authority that the client has is trusted, and one that it has not is told of', async (t) => {
  const { ca, server } = certificates();
  const tls = { ...writeTlsFiles(tmpDir(t), server).paths, hstsMs: undefined };
  const { cache, machine } = await setUp(t, { tls });
  const address = `https://localhost:${cache.port}`;
  const pull = async () => ({ command: undefined, said: '' });
  const trusted = await examine(machine(['docker', 'containerd'], { address, ca: ca.cert }), 'app:1', { pull });
  assert.match(texts(trusted), /ok https:\S+: Entrepot \S+ answers/);
  const untrusted = await examine(machine(['docker'], { address }), 'app:1', { pull });
  assert.match(
    bad(untrusted),
    /fail https:\S+: Its certificate is not trusted, by the system's authorities: .* → give the client the authority/,
  );
  const other = await examine(machine(['docker'], { address, ca: certificates(['other.test']).ca.cert }), undefined, {
    pull,
  });
  assert.match(
    bad(other),
    /not trusted, by the system's authorities and \/etc\/docker\/certs\.d\/localhost:\d+\/entrepot\.crt/,
  );
});

test('a cache that wants certificates of clients is told of as such', async (t) => {
  const { ca, server } = certificates();
  const tls = { ...writeTlsFiles(tmpDir(t), server, ca.cert).paths, hstsMs: undefined };
  const { cache, machine } = await setUp(t, { tls });
  const files = machine(['docker'], { address: `https://localhost:${cache.port}`, ca: ca.cert });
  assert.match(
    bad(await examine(files)),
    /^fail https:\S+: It refuses the connection: tlsv13 alert certificate required → it may want a certificate of the client/m,
  );
});

test('a cache that asks for a login tells who asks by the tag alone that a pull was refused', async (t) => {
  const passwords = writePasswords(t, { ann: 'secret' });
  const { cache, machine } = await setUp(t, { auth: passwords.auth() });
  const findings = bad(await examine(machine(['docker'])));
  assert.match(findings, /fail docker: `docker pull` came to \S+, and was answered with 401 → give the client a login/);
  assert.match(findings, /warn http:\S+: It asks for a login/);
  const tag = newProbeTag();
  const headers = basic('ann', 'secret');
  assert.equal((await fetch(`${cache.url}/v2/library/app/manifests/${tag}`, { headers })).status, 404);
  const told = (await (await fetch(`${cache.url}/doctor/${tag}`)).json()) as { seen: object[] };
  assert.deepEqual(Object.keys(told.seen[0] ?? {}), ['at', 'registry', 'repository', 'status']);
  assert.deepEqual(await (await fetch(`${cache.url}/doctor/${newProbeTag()}`)).json(), { seen: [] });
  for (const path of ['/doctor/', '/doctor/latest', `/doctor/${tag}/x`]) {
    assert.equal((await fetch(`${cache.url}${path}`)).status, 404, path);
  }
});

test('what was seen is told for ten minutes, and of the last requests alone', async (t) => {
  const clock = new ManualClock();
  const { cache } = await setUp(t, { clock });
  const seen = async (tag: string) =>
    ((await (await fetch(`${cache.url}/doctor/${tag}`)).json()) as { seen: unknown[] }).seen.length;
  const probe = (tag: string) => fetch(`${cache.url}/v2/library/app/manifests/${tag}`);
  const [first, second] = [newProbeTag(), newProbeTag()];
  await probe(first);
  clock.advance(9 * 60_000);
  await probe(second);
  assert.deepEqual([await seen(first), await seen(second)], [1, 1]);
  clock.advance(61_000);
  assert.deepEqual([await seen(first), await seen(second)], [0, 1]);
  for (let count = 0; count < 256; count += 1) await probe(newProbeTag());
  assert.equal(await seen(second), 0);
});

test('the command looks at the files of a machine, prints what it found, and ends with 1 when something is wrong', async (t) => {
  const { cache, machine } = await setUp(t);
  const root = tmpDir(t);
  const write = (files: Readonly<Record<string, string>>) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  };
  const run = async (...args: string[]) => {
    const said = { out: '', error: '', code: 0 };
    const terminal = {
      env: {},
      writeOut: (text: string) => {
        said.out += text;
      },
      writeError: (text: string) => {
        said.error += text;
      },
    };
    said.code = await runProgram(['doctor', '--root', root, ...args], terminal);
    return said;
  };
  const missing = await run('--root', join(root, 'nowhere'));
  assert.deepEqual([missing.code, missing.out], [1, '']);
  assert.match(missing.error, /^Cannot use --root ".*nowhere": no such file or directory \(ENOENT\)\n$/);
  const nothing = await run('--address', cache.url);
  assert.match(
    nothing.out,
    /^this machine\n {2}warn {2}Neither docker nor podman nor containerd is here\n {8}run this where/,
  );
  assert.equal(nothing.code, 0);

  // By the name of the cache itself, no registry is asked whether it is there to fall back to.
  write({ ...machine(['docker']), '/usr/bin/dockerd': '' });
  const byName = await run(`127.0.0.1:${cache.port}/library/app:1`);
  assert.match(
    byName.out,
    /^docker\n {2}ok {4}It pulls docker\.io by http:\S+ \(\/etc\/docker\/daemon\.json\)\n {2}warn {2}127\S+ is the cache itself/,
  );
  write({ '/etc/docker/daemon.json': '{' });
  const broken = await run('ghcr.io/owner/app', '--json');
  const { findings } = JSON.parse(broken.out) as { findings: Finding[] };
  assert.deepEqual(
    findings.map(({ level }) => level),
    ['fail', 'fail'],
  );
  assert.equal(broken.error, '2 things are wrong here\n');
  assert.equal(broken.code, 1);
  assert.match((await run('NOT AN IMAGE')).error, /^Cannot read repository name/);
  assert.equal(readFileSync(join(root, '/etc/docker/daemon.json'), 'utf8'), '{');
});
